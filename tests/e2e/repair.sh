#!/bin/bash
# weir repair brings back what damage left untouched and invents nothing; a sound file stays what it is; headers that are lost or wrong are made again.
# run: sanitize
. "$(dirname "$0")/lib.sh"
DAMAGE=$TOOLS/tests/damage

mkdir "$tmp/in"
"$TOOLS/bench/generate" --bytes 200K --kind mix --seed 1 "$tmp/in/mix.pcap" 2>/dev/null
"$TOOLS/bench/generate" --bytes 100K --kind small --seed 2 --nanoseconds "$tmp/in/small.pcap" 2>/dev/null
"$WEIR" convert "$tmp/in/mix.pcap" -w "$tmp/in/mix.pcapng"
inputs=("$tmp"/in/*)

# Sound files.
for in in "${inputs[@]}"; do
	name=$(basename "$in")
	run "$WEIR" repair "$in" -w "$tmp/out.${name##*.}"
	is "$status" 0 "$name is sound"
	like "$out" 'all sound' "and it says so"
	same_bytes "$in" "$tmp/out.${name##*.}" "and stays the same file"
done
cp "$tmp/in/mix.pcap" "$tmp/before"
run "$WEIR" repair --report --json "$tmp/in/mix.pcap"
is "$(jq -c '[.damage, .damage_count]' <<<"$out")" '[[],0]' "--report --json of a sound file has no damage"

# Damage of every kind, by seeds.
declare -A sum=()
for ((seed = 1; seed <= 105; seed++)); do
	in=${inputs[$((seed * 7919 % ${#inputs[@]}))]}
	other=${inputs[$((seed * 104729 % ${#inputs[@]}))]}
	"$DAMAGE" make --seed $seed --other "$other" "$in" "$tmp/bad" "$tmp/truth" >/dev/null
	cp "$tmp/bad" "$tmp/bad.before"
	rm -f "$tmp/out.pcapng"
	"$WEIR" repair "$tmp/bad" -w "$tmp/out.pcapng" >/dev/null 2>"$tmp/err"
	code=$?
	[ $code -lt 2 ] || not_ok "seed $seed ends with $code: $(cat "$tmp/err")"
	cmp -s "$tmp/bad" "$tmp/bad.before" || not_ok "seed $seed changes its input"
	for pair in $("$DAMAGE" check "$tmp/truth" "$tmp/out.pcapng"); do
		sum[${pair%=*}]=$((${sum[${pair%=*}]:-0} + ${pair#*=}))
	done
done
check "of ${sum[untouched]} packets that 105 kinds of damage left untouched at least 99.9 % come back (lost ${sum[lost]})" \
	test $((sum[recovered] * 1000)) -ge $((sum[untouched] * 999))
is "${sum[invented]}" 0 "and none is invented"

# What is told.
"$DAMAGE" make --seed 3 --kind zero "$tmp/in/mix.pcap" "$tmp/bad" "$tmp/truth" >/dev/null
run "$WEIR" repair "$tmp/bad" -w "$tmp/out.pcap"
is "$status" 1 "damage exits 1"
like "$out" 'zeroed .*T.*Z .*T.*Z' "a zeroed page is called so, with the times around it"
run "$WEIR" repair --report --json "$tmp/bad"
is "$status" 1 "also when only reported"
is "$(jq '.damage | length' <<<"$out")" "$(jq .damage_count <<<"$out")" "--json lists every range"
is "$(jq '[.damage[] | .to - .from] | add >= 2000' <<<"$out")" true "with its offsets"

# Headers.
tail -c +25 "$tmp/in/small.pcap" >"$tmp/bad"
run "$WEIR" repair "$tmp/bad" -w "$tmp/out.pcap"
like "$out" 'lost header' "a lost header is told"
"$WEIR" convert "$tmp/in/small.pcap" -w "$tmp/want.pcapng"
"$WEIR" convert "$tmp/out.pcap" -w "$tmp/got.pcapng"
is "$("$WEIR" watch -r "$tmp/got.pcapng" | sha256sum)" "$("$WEIR" watch -r "$tmp/want.pcapng" | sha256sum)" \
	"byte order, nanoseconds and link type are found out from the packets"

# Text mode.
sed 's/$/\r/' <"$tmp/in/mix.pcap" >"$tmp/bad"
# sed ends the last line, too.
[ "$(tail -c 1 "$tmp/in/mix.pcap")" = "" ] || truncate -s -1 "$tmp/bad"
run "$WEIR" repair "$tmp/bad" -w "$tmp/out.pcap"
like "$out" 'text-mode transfer' "a transfer in text mode is told"
same_bytes "$tmp/in/mix.pcap" "$tmp/out.pcap" "and undone"

# Where LF became CR LF only behind no CR, a packet's own CR LF is undone, too, and shifts what is behind it: such a packet is not given.
teredo=$CAPTURES/suricata-verify/decode-teredo-01.input.pcap
if [ -f "$teredo" ]; then
	"$DAMAGE" make --seed 145 --kind text "$teredo" "$tmp/bad" "$tmp/truth" >/dev/null
	"$WEIR" repair "$tmp/bad" -w "$tmp/out.pcapng" >/dev/null 2>&1
	like "$("$DAMAGE" check "$tmp/truth" "$tmp/out.pcapng")" 'invented=0' "a half undone transfer in text mode invents nothing"
else
	skip "a half undone transfer in text mode invents nothing" "no shared captures: $WEIR_SHARED"
fi

# Compressed: frames are found again.
head -c 100000 "$tmp/in/mix.pcap" | zstd -q >"$tmp/a.zst"
tail -c +100001 "$tmp/in/mix.pcap" | head -c 60000 | zstd -q >"$tmp/b.zst"
tail -c +160001 "$tmp/in/mix.pcap" | zstd -q >"$tmp/c.zst"
printf 'XXXXXXXX' | dd of="$tmp/b.zst" bs=1 seek=2000 conv=notrunc 2>/dev/null
cat "$tmp"/[abc].zst >"$tmp/bad.pcap.zst"
run "$WEIR" repair "$tmp/bad.pcap.zst" -w "$tmp/out.pcap"
is "$status" 1 "a damaged zstd frame exits 1"
like "$out" 'compressed data' "and is told"
all=$("$WEIR" info --json "$tmp/in/mix.pcap" | jq ".[0].packets")
head -c 160000 "$tmp/in/mix.pcap" >"$tmp/head.pcap"
before=$("$WEIR" info --json "$tmp/head.pcap" 2>/dev/null | jq ".[0].packets")
got=$("$WEIR" info --json "$tmp/out.pcap" | jq ".[0].packets")
check "and what is in the frames behind it comes back ($got of $all)" test "$got" -ge $((all - before + 100))

# Wrong use.
run "$WEIR" repair "$tmp/bad"
is "$status" 2 "without -w and --report it is wrong use"
run "$WEIR" repair /dev/null -w "$tmp/none.pcap"
is "$status" 1 "nothing at all is no capture file"
check "and nothing is written" test ! -e "$tmp/none.pcap"
done_testing
