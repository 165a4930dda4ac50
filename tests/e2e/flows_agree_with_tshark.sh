#!/bin/bash
# Flows have the packets, bytes, retransmissions, reordered segments and round-trip times that tshark finds in the captures.
# timeout: 900
. "$(dirname "$0")/lib.sh"
need_shared
need_command tshark python3
plan 4

find "$CAPTURES" -type f -not -name '*.etl' | sort >"$tmp/files"
mapfile -t files <"$tmp/files"
run python3 "$ROOT/tests/e2e/compare_flows.py" "$TOOLS/tests/flowlist" "${files[@]}"
is "$status" 0 "every capture could be compared"
echo "# $(tail -n 1 <<<"$out")"
is "$(sed '$d' <<<"$out")" "" "no difference but those that are explained"
total() { # NAME: how many of it there were
	tail -n 1 <<<"$out" | tr ';' '\n' | sed -n "s/^ *$1 //p"
}
check "at least 180 captures and 3,000 conversations were compared" \
	test "$(total captures)" -ge 180 -a "$(total conversations)" -ge 3000
check "at least 300 retransmissions and 900 round-trip times were compared" \
	test "$(total 'retransmissions (tshark)')" -ge 300 -a "$(total 'round-trip times')" -ge 900
