#!/bin/bash
# A full disk: an import ends cleanly and says so; a recorder goes on, sheds, and writes again when there is room. Sent = archived + ledger.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_root
need_command sqlite3 mountpoint
paced=$TOOLS/tests/paced feed=$TOOLS/tests/feed
[ -x "$paced" ] && [ -x "$feed" ] || skip_all "needs $paced and $feed"

disk=$tmp/disk
mkdir "$disk"
mount -t tmpfs -o size=48m weir-test "$disk" 2>/dev/null || skip_all "mounting is not allowed here"
cleanup() {
	! mountpoint -q "$disk" || umount "$disk"
}
ledger() { # CAMPAIGN CAUSE
	sqlite3 "$1/catalog.db" "SELECT coalesce(sum(packets), 0) FROM ledger WHERE cause = '$2'"
}
archived() { sqlite3 "$1/catalog.db" "SELECT coalesce(sum(packets), 0) FROM segments WHERE state = 'closed'"; }

# An import of more than fits.
"$paced" 60000 1400 2 "$tmp/log" >"$tmp/large.pcap"
head -c 32M /dev/zero >"$disk/filler"
run "$WEIR" import "$disk/campaign" "$tmp/large.pcap" --codec none --segment 16M --node box --iface wire
is "$status" 3 "an import that the disk is too small for could not"
like "$err" 'disk is full|No space' "it says that the disk is full"
run "$WEIR" verify "$disk/campaign"
is "$status" 0 "what it had written is sound"
kept=$(archived "$disk/campaign")
[ "$kept" -gt 3000 ] && ok "most of what fits is there" || not_ok "most of what fits is there" "$kept packets"
mapfile -t files < <(find "$disk/campaign/raw" -name '*.pcapng' | sort)
is "$("$paced" check "${files[@]}")" "$kept 1 $kept 0" "it is the beginning of the file, without a hole"
rm -rf "$disk/campaign" "$disk/filler"

# A recorder, whose disk is full for a while.
for codec in none zstd; do
	campaign=$disk/campaign-$codec
	head -c 20M /dev/zero >"$disk/filler"
	"$paced" 10000 1000 6 "$tmp/log" | "$feed" "$campaign" box wire "$codec" 8388608 4194304 >"$tmp/counts" 2>"$tmp/err" &
	pid=$!
	if wait_for 15 grep -q 'is full' "$tmp/err"; then
		ok "$codec: the recorder notices that the disk is full"
	else
		not_ok "$codec: the recorder notices that the disk is full" "$(cat "$tmp/err"; df "$disk")"
	fi
	rm "$disk/filler"
	# Room for the rest: what stood there before goes too.
	rm -f "$campaign"/raw/box/wire/*/*-000001.pcapng*
	if wait_for 15 grep -q 'writable again' "$tmp/err"; then
		ok "$codec: it goes on when space returns"
	else
		not_ok "$codec: it goes on when space returns" "$(cat "$tmp/err"; df "$disk")"
	fi
	wait "$pid"
	read -r kept shed <"$tmp/counts"
	sent=$(tail -n 1 "$tmp/log" | cut -d' ' -f2)
	is "$((kept + shed))" "$sent" "$codec: archived and shed make what was sent"
	is "$(archived "$campaign")" "$kept" "$codec: the catalog has what it says to have archived"
	is "$(($(ledger "$campaign" disk-full) + $(ledger "$campaign" shed) + $(ledger "$campaign" disk-error)))" "$shed" "$codec: the ledger has the rest"
	[ "$(ledger "$campaign" disk-full)" -gt 0 ] && ok "$codec: the cause is in the ledger" || not_ok "$codec: the cause is in the ledger"
	is "$(sqlite3 "$campaign/catalog.db" "SELECT count(*) FROM segments WHERE state <> 'closed'")" 0 "$codec: no segment is left open"
	[ -z "$(find "$campaign" -name '*.open' -o -name '*.tmp')" ] && ok "$codec: nothing half-written is left" ||
		not_ok "$codec: nothing half-written is left" "$(find "$campaign" -name '*.open' -o -name '*.tmp')"
	rm -rf "$campaign"
done
done_testing
