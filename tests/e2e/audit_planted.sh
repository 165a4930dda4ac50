#!/bin/bash
# weir audit: finds every value that was planted, in each field and way of writing, and nothing in the same files with values that nobody has.
# run: sanitize
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command jq

"$TOOLS/tests/plant" "$tmp/planted" || exit 1
printf 'WEIR-KEY-1 %064d\n' 7 >"$tmp/key"
chmod 600 "$tmp/key"
cat >"$tmp/policy.toml" <<'END'
[policy.keep]
default = "headers"
dns = "all"
dhcp = "all"
[policy.hide]
addresses = "prefix"
END
audit() { # OUTPUT [OPTION...]
	run "$WEIR" audit "$@" --originals "$tmp/planted/originals.pcapng" --policy "$tmp/policy.toml"
}

# ---- what was planted ----
audit "$tmp/planted/leaks" --key "$tmp/key" --json
is "$status" 1 "leaks make the exit status 1"
cp "$tmp/.out" "$tmp/leaks.json"
planted=$(find "$tmp/planted/leaks" -type f | wc -l)
is "$([ "$planted" -ge 200 ] && echo enough)" enough "200 leaks or more were planted ($planted)"
is "$(jq '.files' "$tmp/leaks.json")" "$planted" "all files were searched"
jq -r '.hits[].file' "$tmp/leaks.json" | sort -u >"$tmp/found"
(cd "$tmp/planted/leaks" && find . -type f | sed 's|^\./||' | sort) >"$tmp/all"
is "$(comm -13 "$tmp/found" "$tmp/all")" "" "something is found in every one of them"
# The kind stands in the names of those that have a way of writing in them.
jq -r '.hits[] | [.file[4:], .kind] | @tsv' "$tmp/leaks.json" | sed -nE 's/^(ipv4|ipv6|mac|name|payload)-[^\t]*\t(.*)/\1 \2/p' | sort -u >"$tmp/kinds"
for pair in "ipv4 IPv4 address" "ipv6 IPv6 address" "mac MAC address" "name name" "payload payload"; do
	like "$(cat "$tmp/kinds")" "^$pair\$" "what is found is what was planted: $pair"
done
like "$(jq -r '.hits[] | select(.file | test("ipv4-bytes.pcapng")) | "\(.packet) \(.place): \(.kind), \(.encoding)"' "$tmp/leaks.json")" \
	'^1 packet: IPv4 address, bytes$' "a hit says packet, place, kind and encoding"
is "$(jq '[.hits[] | has("value")] | any' "$tmp/leaks.json")" false "the values are not printed"
audit "$tmp/planted/leaks" --key "$tmp/key" --json --show-values
like "$(jq -r '.hits[] | .value' <<<"$out" | sort -u)" '^100\.73\.241\.17$' "but with --show-values"

# ---- the same files with others' values ----
audit "$tmp/planted/clean" --key "$tmp/key"
is "$status" 0 "clean files are clean"
like "$out" '^leaks +0$' "and nothing is found in them"
audit "$tmp/planted/clean"
is "$status" 0 "without the key too"

# ---- one file at a time, each for itself ----
missed=
while read -r file; do
	"$WEIR" audit "$tmp/planted/leaks/$file" --originals "$tmp/planted/originals.pcapng" --policy "$tmp/policy.toml" --key "$tmp/key" >/dev/null
	[ $? -eq 1 ] || missed+="$file "
done < <(awk 'NR % 23 == 0' "$tmp/all")
is "$missed" "" "a file by itself is searched as well as among others"

# ---- what cannot be searched is not clean ----
mkdir "$tmp/odd"
printf 'some text, long enough to be cut somewhere: %s' "$(seq 1 2000)" | zstd -q | head -c 600 >"$tmp/odd/cut.json.zst"
audit "$tmp/odd" --key "$tmp/key"
is "$status" 1 "a file that is cut off is not clean"
like "$err" 'cut.json.zst could not be searched whole' "and is named"
rm "$tmp/odd/"*
printf 'age-encryption.org/v1\n-> X25519 abc\n' >"$tmp/odd/sealed.age"
audit "$tmp/odd" --key "$tmp/key"
is "$status" 1 "nor is a sealed one"

run "$WEIR" audit "$tmp/planted/clean" --policy "$tmp/policy.toml"
is "$status" 2 "without originals there is nothing to search for"
audit "$tmp/nothing" --key "$tmp/key"
is "$status" 3 "an output that is not there can't be searched"
done_testing
