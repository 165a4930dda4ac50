#!/bin/bash
# What runs on several threads gives the same as on one, and does so without races (this is what is run under ThreadSanitizer).
# run: threads
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command zstd tcpdump
"$TOOLS/bench/generate" --bytes 6M --kind mix "$tmp/a.pcap" 2>/dev/null
"$TOOLS/bench/generate" --bytes 3M --kind small --seed 2 --start 2026-01-01T00:30 --span 1h "$tmp/b.pcap" 2>/dev/null

for codec in zstd:1 lz4 none auto; do
	run "$WEIR" import "$tmp/$codec" "$tmp/a.pcap" --iface a --codec "$codec" --segment 2M --workers 3
	is "$status" 0 "import with $codec on several threads"
	run "$WEIR" import "$tmp/$codec" "$tmp/b.pcap" --iface b --codec "$codec" --segment 1M --workers 2
	is "$status" 0 "import of a second vantage with $codec"
	run "$WEIR" verify "$tmp/$codec" --threads 3
	is "$status" 0 "verify with $codec on several threads"
	run "$WEIR" query "$tmp/$codec" --threads 3 -w "$tmp/$codec-3.pcapng" tcp
	is "$status" 0 "query with $codec on several threads"
	"$WEIR" query "$tmp/$codec" --threads 1 -w "$tmp/$codec-1.pcapng" tcp 2>"$tmp/err"
	same_bytes "$tmp/$codec-1.pcapng" "$tmp/$codec-3.pcapng" "a query of $codec gives the same on one thread and on three"
done
for ending in gz zst lz4; do
	run "$WEIR" convert "$tmp/a.pcap" -w "$tmp/a.pcapng.$ending"
	is "$status" 0 "convert into .$ending"
	run "$WEIR" convert "$tmp/a.pcapng.$ending" -w "$tmp/back.pcap"
	same_bytes "$tmp/a.pcap" "$tmp/back.pcap" "convert from .$ending gives back the same file"
done
run "$WEIR" watch -n -r "$tmp/a.pcap" -c 2000 tcp port 443
is "$status$(wc -l <<<"$out")" "02000" "watch stops reading ahead when it has enough"
done_testing
