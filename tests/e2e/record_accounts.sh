#!/bin/bash
# Every packet that is sent while recording is in the archive or in the loss ledger, at every rate.
# run: alone
# timeout: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../tools/netns.sh"
network_up

# Rates at which nothing may be lost.
record
send -n 1 -s 58
record_end
is "$status" 0 "a recording of one packet ends well"
accounted "a single packet of the least size"

rm -rf "$campaign"
record --codec zstd:1
send -t 2 -r 200 -s 100
record_end
accounted "200 packets a second, zstd"
is "$(ledger "$lost_causes")" 0 "… of which none is lost"

rm -rf "$campaign"
record --codec none
send -t 3 -r 40000 -s 650
record_end
accounted "40,000 packets a second, stored"
is "$(ledger "$lost_causes")" 0 "… of which none is lost"
check "… and what was stored verifies" "$WEIR" verify "$campaign"

rm -rf "$campaign"
record --codec lz4
send -t 3 -s 300
record_end
accounted "a sender that does not pause, lz4"

# More than can be kept: a ring that is too small,
rm -rf "$campaign"
record --codec zstd:1 --ring-size 512K
kill -STOP "$recorder"
send -n 30000 -s 500
kill -CONT "$recorder"
send_first=$sent
send -n 1000 -s 500
sent=$((send_first + sent))
record_end
numbers
archived=$(field "$numbers" numbered)
ring=$(ledger ring)
is "$((archived + $(ledger "$lost_causes")))" "$sent" "a ring that overflows: archived and ledger make what was sent"
[ "$ring" -gt 0 ] && ok "… and the ledger says that the ring was full" || not_ok "… and the ledger says that the ring was full" "$summary"

# a buffer that is too small for a codec that is too slow,
rm -rf "$campaign"
record --codec zstd:19 --buffer 1M --segment 1M --ring-size 8M
send -t 4 -s 1000
record_end
accounted "a buffer that overflows: archived and ledger make what was sent"
[ "$(ledger shed)" -gt 0 ] && ok "… and the ledger says that packets were shed" ||
	not_ok "… and the ledger says that packets were shed" "$summary"

# and frames as fast as the kernel makes them, which is more than any disk takes.
rm -rf "$campaign"
taker ethtool -K in gro on 2>/dev/null
record --codec zstd:3 --ring-size 16M --buffer 8M
send -m redirect -t 3 -s 1400
record_end
if [ "${sent:-0}" -gt 0 ]; then
	accounted "twice what can be kept: archived and ledger make what was sent"
	check "… and what was kept verifies" "$WEIR" verify "$campaign"
	info=$("$WEIR" info --json "$campaign")
	is "$(field "$info" lost_packets)" "$(ledger "$lost_causes")" "… and info tells of the same loss"
else
	skip "twice what can be kept" "this kernel makes no live frames: $sent_line"
fi
done_testing
