#!/bin/bash
# What weir finds in packets is what tshark finds: addresses, ports, tags and protocols of all layers, on every capture that both read.
# timeout: 1200
. "$(dirname "$0")/lib.sh"
need_shared
need_command tshark python3
plan 4

python3 "$ROOT/tests/e2e/compare_with_tshark.py" "$WEIR" "$CAPTURES" >"$tmp/differences" 2>"$tmp/errors"
is $? 0 "the comparison runs to its end"
read -r files skipped < <(sed -n 's/^# files \([0-9]*\) skipped \([0-9]*\)$/\1 \2/p' "$tmp/differences")
read -r packets equal < <(sed -n 's/^# packets \([0-9]*\) equal \([0-9]*\)$/\1 \2/p' "$tmp/differences")
echo "# $files files, ${skipped:-?} not compared; $packets packets, $equal equal"
grep '^# class' "$tmp/differences"
check "at least 240 captures were compared" test "${files:-0}" -ge 240
check "99.9 % of the packets are equal in every field" test "$((${equal:-0} * 1000))" -ge "$((${packets:-1} * 999))"
is "$(grep -c '^unexplained' "$tmp/differences")" 0 "every other packet has a reason"
grep '^unexplained' "$tmp/differences" | head -n 20 | cut -c 1-300 | sed 's/^/# /'
exit 0
