#!/bin/bash
# Retransmissions inside ESP with NULL encryption are found though segments are cut off before their padding, and nothing else is taken for one.
. "$(dirname "$0")/lib.sh"
need_command jq awk
[ -x "$TOOLS/bench/gen" ] || skip_all "the generator is not built"
plan 4

"$TOOLS/bench/gen" --packets 150000 --nodes 1 --exact 0 --routed 0 "$tmp" 2>"$tmp/truth"
truth=$(tail -n 1 "$tmp/truth" | jq .retransmissions)
found=0 reordered=0
for file in "$tmp"/node1-span?.pcapng; do
	run "$WEIR" flows "$file" -f csv -w "$tmp/flows.csv"
	is "$status" 0 "flows of $(basename "$file")"
	# Columns by their names.
	sums=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
		{ r += $at["retransmissions"] + $at["reverse_retransmissions"]; o += $at["out_of_order"] + $at["reverse_out_of_order"] }
		END { print r + 0, o + 0 }' "$tmp/flows.csv")
	found=$((found + ${sums% *}))
	reordered=$((reordered + ${sums#* }))
done
check "of $truth retransmissions at least 95 % are found, and no more than there are: $found" \
	test "$((found * 100))" -ge "$((truth * 95))" -a "$found" -le "$truth" -a "$truth" -ge 100
is "$reordered" 0 "no segment is taken for one out of order"
