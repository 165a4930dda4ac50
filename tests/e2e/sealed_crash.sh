#!/bin/bash
# kill -9 at random moments while recording sealed, and recovery on the box that has no identity: every segment and index is a whole age file afterwards, the
# archive verifies, has everything that was sent a second before, and recording goes on. WEIR_CRASHES says how often (50 in the full test).
# run: alone
# timeout: 900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../tools/netns.sh"
command -v age >/dev/null || skip_all "there is no age (scripts/deps test)"
network_up
crashes=${WEIR_CRASHES:-4}
codecs=(none zstd:1 lz4 auto)
identity=$tmp/identity
recipient=$("$WEIR" keys new -o "$identity")

# Sends at a rate while it records, kills the recorder after so many seconds, and leaves in $kept how many packets must be there.
crash_after() { # SECONDS CODEC RATE
	record --codec "$2" --segment 16M --ring-size 32M --recipient "$recipient"
	ip netns exec "$namespace_out" "$send" -s 700 -r "$3" -l "$tmp/log" out >"$tmp/send.out" &
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

# Everything that is sealed, by age itself.
all_open() {
	local file opened=0
	while read -r file; do
		case $file in
		*.idx.age) age -d -i "$identity" "$file" >/dev/null || return 1 ;;
		*.zst.age) age -d -i "$identity" "$file" | zstd -dcq | tshark -r - -c 1 >/dev/null 2>&1 || return 1 ;;
		*.lz4.age) age -d -i "$identity" "$file" | lz4 -dcq | tshark -r - -c 1 >/dev/null 2>&1 || return 1 ;;
		*) age -d -i "$identity" "$file" | tshark -r - -c 1 >/dev/null 2>&1 || return 1 ;;
		esac
		age -d -i "$identity" "$file" >/dev/null || return 1
		opened=$((opened + 1))
	done < <(find "$campaign/raw" -name '*.age')
	[ "$opened" -gt 0 ] && [ -z "$(find "$campaign/raw" -name '*.open*' -o -name '*.end' -o -name '*.new')" ]
}

failures=
for ((i = 1; i <= crashes; i++)); do
	seconds=$((1 + RANDOM % 2)).$((RANDOM % 900 + 100))
	codec=${codecs[i % 4]}
	# Slowly, so that all is in journals; and fast.
	rate=$((i % 3 ? 30000 : 300))
	rm -rf "$campaign"
	crash_after "$seconds" "$codec" "$rate"
	what="crash $i ($codec, $seconds s, $rate/s)"
	# Opening it recovers. No identity is at hand.
	"$WEIR" info "$campaign" >"$tmp/info" 2>&1 || failures+="$what: info: $(head -n 5 "$tmp/info")"$'\n'
	"$WEIR" verify "$campaign" >"$tmp/verify" 2>&1 || failures+="$what: verify without an identity: $(head -n 5 "$tmp/verify")"$'\n'
	all_open 2>"$tmp/age.err" || failures+="$what: not everything opens: $(head -n 3 "$tmp/age.err") $(find "$campaign/raw" -type f)"$'\n'
	"$WEIR" verify "$campaign" --identity "$identity" >"$tmp/verify" 2>&1 || failures+="$what: verify: $(head -n 5 "$tmp/verify")"$'\n'
	numbers --identity "$identity"
	first_missing=$(field "$numbers" first_missing) largest=$(field "$numbers" largest)
	if [ "$largest" -lt "$((kept - 1))" ] || [ "$(field "$numbers" duplicates)" != 0 ] ||
		{ [ "$first_missing" -ge 0 ] && [ "$first_missing" -lt "$kept" ] && [ "$(ledger "$lost_causes")" = 0 ]; }; then
		failures+="$what: $kept were sent a second before, but there is $numbers"$'\n'
	fi
	[ "$(field "$numbers" changed)" = 0 ] || failures+="$what: $numbers"$'\n'
	record --codec "$codec" --recipient "$recipient"
	send -n 1000 -s 100
	record_end
	[ "$status" = 0 ] || failures+="$what: recording again ended with $status: $err"$'\n'
	grep -q '"cause":"crash"' "$campaign"/raw/*/ledger.jsonl || failures+="$what: no entry in the ledger"$'\n'
	after=$("$WEIR" query "$campaign" 'len = 100' --identity "$identity" -w - 2>/dev/null | "$TOOLS/bench/numbers" -)
	[ "$(field "$after" numbered)" = 1000 ] || failures+="$what: recording again: $after"$'\n'
	"$WEIR" catalog rebuild "$campaign" >"$tmp/rebuild" 2>&1 || failures+="$what: rebuild: $(cat "$tmp/rebuild")"$'\n'
	"$WEIR" verify "$campaign" --identity "$identity" >"$tmp/verify" 2>&1 || failures+="$what: verify afterwards: $(head -n 5 "$tmp/verify")"$'\n'
done
if [ -z "$failures" ]; then
	ok "$crashes times kill -9 while recording sealed: whole, complete up to a second before, entered, and recording goes on"
else
	not_ok "$crashes times kill -9 while recording sealed" "$failures"
fi

# While it records, who has the identity sees what is there, down to the last half second.
rm -rf "$campaign"
record --recipient "$recipient"
send -n 500 -s 100
sleep 2
numbers --identity "$identity"
is "$(field "$numbers" numbered)" 500 "what is in sealed journals can be queried while it is recorded"
run "$WEIR" query "$campaign"
is "$status" 3 "not without an identity"
# A journal that is padded each time it is written does not grow without bound.
send -n 4000 -s 100 -r 400
journal=$(find "$campaign/raw" -name '*.open' -printf '%s\n' | sort -n | tail -n 1)
[ "${journal:-0}" -gt 100000 ] && [ "$journal" -lt 20000000 ] && ok "a sealed journal stays within its bound" || not_ok "a sealed journal stays within its bound" "$journal"
record_end
is "$(find "$campaign/raw" -name '*.open*' -o -name '*.end')" "" "nothing is left of journals when it ends"
numbers --identity "$identity"
is "$(field "$numbers" numbered):$(field "$numbers" duplicates)" "4500:500" "and everything is in the segment"

# Retention knows sizes and times without a key, and takes index and segment together.
rm -rf "$campaign"
record --codec none --segment 1M --max-size 3M --recipient "$recipient"
send -n 12000 -s 1000 -r 6000
sleep 2
record_end
is "$status" 0 "retention works on sealed segments"
like "$(cat "$campaign"/raw/*/ledger.jsonl)" '"cause":"retention"' "and enters what it deletes"
orphans=
for index in "$campaign"/raw/*/*/*/*.idx.age; do
	[ -f "${index%.idx.age}" ] || orphans+=" $index"
done
is "$orphans" "" "no index is left of a segment that was deleted"
run "$WEIR" verify "$campaign" --identity "$identity"
is "$status" 0 "and the rest verifies"
done_testing
