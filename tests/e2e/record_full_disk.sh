#!/bin/bash
# A disk that is full: recording stops writing cleanly, goes on when there is room again, and the ledger has what was lost.
# run: alone
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../tools/netns.sh"
network_up
small=$tmp/small
mkdir "$small"
mount -t tmpfs -o size=48m tmpfs "$small" 2>/dev/null || skip_all "no file system can be mounted here"
cleanup_more() { umount "$small"; }
campaign=$small/campaign
dd if=/dev/zero of="$small/ballast" bs=1M count=24 status=none
record --codec none --segment 4M
send -n 30000 -s 1000
total=$sent
is_full() { tail -n 1 "$tmp/record.out" | grep -q '"disk_full":true'; }
wait_for 10 is_full && ok "a full disk is told in the status" || not_ok "a full disk is told in the status" "$(tail -n 2 "$tmp/record.out")"
kill -0 "$recorder" && ok "… and does not end the recording" || not_ok "… and does not end the recording"
send -n 1000 -s 1000
total=$((total + sent))
rm "$small/ballast"
is_room() { ! is_full; }
wait_for 15 is_room && ok "… which goes on when there is room" || not_ok "… which goes on when there is room" "$(tail -n 2 "$tmp/record.out")"
send -n 5000 -s 1000
total=$((total + sent))
record_end
sent=$total
is "$status" 0 "… and ends well"
numbers
is "$(($(field "$numbers" numbered) + $(ledger "$lost_causes")))" "$sent" "archived and ledger make what was sent"
[ "$(ledger disk-full)" -gt 0 ] && ok "the ledger says that the disk was full" ||
	not_ok "the ledger says that the disk was full" "$(cat "$campaign"/raw/*/ledger.jsonl)"
check "what was written verifies" "$WEIR" verify "$campaign"
done_testing
