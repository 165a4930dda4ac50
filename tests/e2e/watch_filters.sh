#!/bin/bash
# Filters mean what they mean to libpcap and tcpdump: its own vectors, the expected results of captures, and 40 filters beside tcpdump.
# timeout: 600
# run: waits
. "$(dirname "$0")/lib.sh"
need_shared
need_command tcpdump python3

python3 "$ROOT/tests/e2e/filter_vectors.py" "$WEIR" "$WEIR_SHARED" "$tmp" >"$tmp/results" 2>"$tmp/errors"
is $? 0 "the vectors were gone through"
sed 's/^/# /' "$tmp/errors" | head -n 10
grep '^#' "$tmp/results"
for kind in accept reject apply tcpdump; do
	is "$(grep -c "^differs $kind" "$tmp/results")" 0 "no disagreement: $kind"
	grep "^differs $kind" "$tmp/results" | head -n 10 | cut -c 1-200 | sed 's/^/# /'
done

agree() { # KIND: the shares of its lines, in percent, the least of them
	sed -n "s/^# $1 agree \([0-9]*\) of \([0-9]*\)$/\1 \2/p" "$tmp/results" | awk '{ p = $2 ? int(100 * $1 / $2) : 0; if (NR == 1 || p < least) least = p } END { print least + 0 }'
}
# The vectors are of a newer libpcap than Debian's: it refuses what was added since.
check "80 % of the expressions that libpcap takes are taken" test "$(agree accept)" -ge 80
check "75 % of those that it refuses are refused" test "$(agree reject)" -ge 75
check "40 filters choose the packets that tcpdump chooses" test "$(agree tcpdump)" -eq 100
done_testing
