#!/bin/bash
# The synthetic campaign is what it says: reproducible, sound in the eyes of others, with the shares asked for and a truth that fits.
. "$(dirname "$0")/lib.sh"

gen=$TOOLS/bench/gen
need_command jq

run "$gen" --packets 40000 --truth --offset 400ms "$tmp/a"
is "$status" 0 "a campaign is made"
"$gen" --packets 40000 --truth --offset 400ms "$tmp/b" 2>/dev/null
run diff -r "$tmp/a" "$tmp/b"
is "$status" 0 "the same arguments make the same bytes"
"$gen" --packets 40000 --seed 2 "$tmp/c" 2>/dev/null
run cmp -s "$tmp/a/node1-span0.pcapng" "$tmp/c/node1-span0.pcapng"
is "$status" 1 "another seed makes others"

shares=$(awk -F'\t' 'NR > 1 { n++; kind[$3]++; seal[$8]++ }
	END { d = kind["exact"] + kind["routed"]; e = seal["null"]; print (d / n > 0.045 && d / n < 0.055 && e / n > 0.82 && e / n < 0.86) ? "right" : d / n " " e / n }' "$tmp/a/truth.tsv")
is "$shares" right "5 % of the records are duplicates and 84 % of them in ESP-NULL"
lonely=$(awk -F'\t' '$3 == "routed" || $3 == "exact" { if (!($4 in seen)) n++ } { seen[$4] = 1 } END { print n + 0 }' "$tmp/a/truth.tsv")
is "$lonely" 0 "every copy has an original before it"
for v in 0 1; do
	wanted=$(awk -F'\t' -v v=$v 'NR > 1 && $1 == v' "$tmp/a/truth.tsv" | wc -l)
	run "$WEIR" info --json "$tmp/a/node$((v + 1))-span0.pcapng"
	is "$(jq ".[0].packets" <<<"$out")" "$wanted" "the truth of mirror port $v has as many packets as its file"
done

if command -v tshark >/dev/null; then
	"$gen" --packets 4000 --snap 0 "$tmp/whole" 2>/dev/null
	bad=$(tshark -r "$tmp/whole/node1-span0.pcapng" -o esp.enable_null_encryption_decode_heuristic:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
		-o ip.check_checksum:TRUE -Y 'ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0' 2>/dev/null | wc -l)
	is "$bad" 0 "tshark finds no wrong checksum in it"
else
	skip "tshark finds no wrong checksum in it" "no tshark"
fi
done_testing
