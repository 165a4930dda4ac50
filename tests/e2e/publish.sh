#!/bin/bash
# weir publish: a data set appears whole, described, with checksums that hold, and only when nothing is in it that its policy hides.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command jq

"$TOOLS/bench/gen" --packets 60000 --nodes 1 "$tmp/capture" >/dev/null 2>&1
for file in "$tmp"/capture/*.pcapng; do
	name=$(basename "$file" .pcapng)
	"$WEIR" import "$tmp/campaign" "$file" --node "secretbox-${name%-*}" --iface "uplink-${name#*-}" >/dev/null
done
cat >>"$tmp/campaign/campaign.toml" <<'END'
title = "Traffic of an office"
contact = "someone@example.org"
licence = "CC BY 4.0"
END
printf 'WEIR-KEY-1 %064d\n' 7 >"$tmp/key"
chmod 600 "$tmp/key"
cat >"$tmp/policy.toml" <<'END'
[policy.keep]
default = "headers"
[policy.hide]
addresses = "prefix"
time_shift = "90d"
END
publish() { # INPUT OUT [OPTION...]
	local input=$1 out=$2
	shift 2
	run "$WEIR" publish "$input" --policy "$tmp/policy.toml" --key "$tmp/key" -o "$out" "$@"
}

# ---- a campaign ----
publish "$tmp/campaign" "$tmp/set" --json
is "$status" 0 "a campaign is published"
cp "$tmp/.out" "$tmp/set.json"
is "$(cd "$tmp/set" && find . -type f | sort | tr '\n' ' ')" \
	"./SHA256SUMS ./audit.json ./datasheet.html ./datasheet.md ./flows/packets.parquet ./packets/packets.pcapng.zst " "packets, flows, sheet, audit, checksums"
check "the checksums hold" sh -c "cd '$tmp/set' && sha256sum --quiet -c SHA256SUMS"
is "$(wc -l <"$tmp/set/SHA256SUMS")" 5 "of every other file"
is "$(ls -d "$tmp"/set*)" "$(printf '%s\n' "$tmp/set" "$tmp/set.json")" "nothing else is left"
is "$("$WEIR" info --json "$tmp/set/packets/packets.pcapng.zst" | jq '.[0].packets')" "$(jq .packets_read "$tmp/set.json")" "every packet is there"
is "$(jq .leaks "$tmp/set/audit.json")" 0 "the audit found nothing"
is "$(jq '.originals["IPv4 address"].held > 100 and .originals.payload.held > 1000' "$tmp/set/audit.json")" true "and had something to search for"
sheet=$(cat "$tmp/set/datasheet.md")
like "$sheet" '^- Title: Traffic of an office$' "the sheet has what campaign.toml states: the title"
like "$sheet" '^- Licence: CC BY 4.0$' "the licence"
like "$sheet" '^- Contact: someone@example.org$' "whom to ask"
like "$sheet" 'IPv4 addresses: prefix-preserving' "how addresses were hidden"
like "$sheet" 'these are not the real times' "that times were moved"
like "$sheet" 'Of packets is kept: headers' "what is kept of packets"
like "$sheet" 'Structure of prefixes: [0-9,]+ hosts' "and in numbers what no search finds"
is "$(grep -cE '<script|src=|href=|url\(' "$tmp/set/datasheet.html")" 0 "the sheet needs nothing from elsewhere"
unlike "$(strings "$tmp/set/datasheet.md" "$tmp/set/datasheet.html" "$tmp/set/audit.json" 2>/dev/null; zstd -dc "$tmp/set/packets/packets.pcapng.zst" | strings)" 'secretbox|uplink-' \
	"names of nodes and interfaces are nowhere"
is "$(stat -c %a "$tmp/set")" "$(printf %o $((0777 & ~$(umask))))" "others may read it"

publish "$tmp/campaign" "$tmp/set"
is "$status" 2 "nothing is published over something else"
publish "$tmp/campaign" "$tmp/again" --threads 1
is "$(cd "$tmp/again" && cat SHA256SUMS)" "$(cat "$tmp/set/SHA256SUMS")" "one thread makes the same bytes as several"

# ---- a run ----
"$WEIR" process "$tmp/campaign" -o "$tmp/run" >/dev/null
publish "$tmp/run" "$tmp/of-run"
is "$status" 0 "a run is published"
like "$(cat "$tmp/of-run/SHA256SUMS")" 'flows/000001.parquet' "flows by the number of their part"
is "$("$WEIR" flows "$tmp/of-run"/flows/*.parquet --format json | wc -l)" "$(jq .flows "$tmp/run/manifest.json" | jq .records)" "as many as there were"
run "$WEIR" audit "$tmp/of-run" --originals "$tmp/campaign" --originals "$tmp/run" --policy "$tmp/policy.toml" --key "$tmp/key"
is "$status" 0 "an audit of what was published is clean"
run "$WEIR" audit "$tmp/run" --originals "$tmp/campaign" --policy "$tmp/policy.toml" --key "$tmp/key"
is "$status" 1 "and one of what was not hidden is not"

# ---- what all is kept of ----
"$WEIR" query "$tmp/campaign" -c 500 -w "$tmp/plain.pcapng" >/dev/null 2>&1
cat >"$tmp/keeps.toml" <<'END'
[policy.keep]
default = "all"
[policy.hide]
ipv4 = "prefix"
names = "keep"
END
run "$WEIR" publish "$tmp/plain.pcapng" --policy "$tmp/keeps.toml" --key "$tmp/key" -o "$tmp/kept"
is "$status" 0 "what the hide stage understands is hidden also where all is kept"
printf 'no key' >"$tmp/bad"
chmod 600 "$tmp/bad"
run "$WEIR" publish "$tmp/plain.pcapng" --policy "$tmp/policy.toml" --key "$tmp/bad" -o "$tmp/x"
is "$status" 1 "a key that is none"
run "$WEIR" publish "$tmp/plain.pcapng" --policy "$tmp/policy.toml" -o "$tmp/x"
is "$status" 2 "a policy that needs a key is not done without one"
[ -e "$tmp/x" ] || [ -e "$tmp/x.partial" ] && not_ok "and leaves nothing" || ok "and leaves nothing"

# ---- what is sealed ----
recipient=$("$WEIR" keys new -o "$tmp/identity")
"$WEIR" import -q "$tmp/sealed" "$tmp/capture/node1-span0.pcapng" --node box --iface wire --recipient "$recipient"
publish "$tmp/sealed" "$tmp/x"
is "$status" 3 "a sealed campaign takes an identity"
publish "$tmp/sealed" "$tmp/unsealed" --identity "$tmp/identity"
is "$status" 0 "with it, it is published"
"$WEIR" process "$tmp/sealed" --identity "$tmp/identity" --recipient "$recipient" -o "$tmp/sealed-run" >/dev/null
publish "$tmp/sealed-run" "$tmp/unsealed-run" --identity "$tmp/identity" --json
is "$status" 0 "so is a sealed run"
is "$(jq '.packets_published > 0 and .flows > 0' "$tmp/.out")" true "with its packets and flows"
run "$WEIR" anon "$tmp/sealed" --key "$tmp/key" --identity "$tmp/identity" -w "$tmp/hidden.pcapng"
is "$status" 0 "weir anon reads sealed campaigns"
run "$WEIR" audit "$tmp/hidden.pcapng" --originals "$tmp/sealed" --policy "$tmp/policy.toml" --key "$tmp/key" --identity "$tmp/identity"
is "$status" 0 "and weir audit holds its output against them"
done_testing
