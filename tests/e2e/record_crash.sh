#!/bin/bash
# kill -9 at random moments while recording at load: the archive verifies, has everything that was sent a second before, the ledger
# has the crash, and recording goes on in the same campaign. WEIR_CRASHES says how often (50 in the full test).
# run: alone
# timeout: 900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../tools/netns.sh"
network_up
crashes=${WEIR_CRASHES:-4}
codecs=(none zstd:1 lz4 auto)

# Sends while it records, kills the recorder after $1 seconds, and leaves in $kept how many packets must be there.
crash_after() { # SECONDS CODEC
	record --codec "$2" --segment 4M --ring-size 32M
	ip netns exec "$namespace_out" "$send" -s 700 -r 30000 -l "$tmp/log" out >"$tmp/send.out" &
	local sending=$!
	sleep "$1"
	local killed
	killed=$(date +%s%N)
	kill -9 "$recorder"
	wait "$recorder" 2>/dev/null
	recorder=
	kill -TERM "$sending"
	wait "$sending"
	kept=$(awk -v until="$((killed - 1000000000))" '$1 <= until { kept = $2 } END { print kept + 0 }' "$tmp/log")
}

failures=
for ((i = 1; i <= crashes; i++)); do
	seconds=$((1 + RANDOM % 2)).$((RANDOM % 900 + 100))
	codec=${codecs[i % 4]}
	rm -rf "$campaign"
	crash_after "$seconds" "$codec"
	if ! "$WEIR" verify "$campaign" >"$tmp/verify" 2>&1; then
		failures+="crash $i ($codec, $seconds s): verify: $(head -n 5 "$tmp/verify")"$'\n'
	fi
	numbers
	first_missing=$(field "$numbers" first_missing) largest=$(field "$numbers" largest)
	if [ "$largest" -lt "$((kept - 1))" ] || { [ "$first_missing" -ge 0 ] && [ "$first_missing" -lt "$kept" ] && [ "$(ledger "$lost_causes")" = 0 ]; }; then
		failures+="crash $i ($codec, $seconds s): $kept were sent a second before, but there is $numbers"$'\n'
	fi
	[ "$(field "$numbers" changed)" = 0 ] || failures+="crash $i ($codec): $numbers"$'\n'
	record --codec "$codec"
	send -n 1000 -s 100
	record_end
	[ "$status" = 0 ] || failures+="crash $i ($codec): recording again ended with $status: $err"$'\n'
	grep -q '"cause":"crash"' "$campaign"/raw/*/ledger.jsonl || failures+="crash $i ($codec): no entry in the ledger"$'\n'
	after=$("$WEIR" query "$campaign" 'len = 100' -w - 2>/dev/null | "$TOOLS/bench/numbers" -)
	[ "$(field "$after" numbered)" = 1000 ] || failures+="crash $i ($codec): recording again: $after"$'\n'
	"$WEIR" verify "$campaign" >"$tmp/verify" 2>&1 || failures+="crash $i ($codec): verify afterwards: $(head -n 5 "$tmp/verify")"$'\n'
done
if [ -z "$failures" ]; then
	ok "$crashes times kill -9 while recording: sound, complete up to a second before, entered, and recording goes on"
else
	not_ok "$crashes times kill -9 while recording" "$failures"
fi
done_testing
