#!/bin/bash
# The memory of a command does not grow with its input, and stays below what its man page says.
# timeout: 300
. "$(dirname "$0")/lib.sh"
peak=$TOOLS/tests/peak
"$TOOLS/bench/generate" --bytes 24M "$tmp/short.pcap" 2>/dev/null
"$TOOLS/bench/generate" --bytes 240M "$tmp/long.pcap" 2>/dev/null

at_most() { # MIB WHAT COMMAND...
	local most=$1 what=$2 kib
	shift 2
	run "$peak" "$tmp/kib" "$@"
	is "$status" 0 "$what: works"
	kib=$(cat "$tmp/kib")
	echo "# $what: $((kib / 1024)) MiB"
	check "$what: at most $most MiB" test "$kib" -le $((most * 1024))
}

at_most 32 "info of 240 MB" "$WEIR" info "$tmp/long.pcap"
at_most 32 "convert of 240 MB" "$WEIR" convert "$tmp/long.pcap" -w "$tmp/long.pcapng"
at_most 64 "convert of 240 MB to zstd" "$WEIR" convert "$tmp/long.pcap" -w "$tmp/long.pcapng.zst"
at_most 64 "info of a compressed file" "$WEIR" info "$tmp/long.pcapng.zst"
rm -f "$tmp/long.pcapng" "$tmp/long.pcapng.zst"
at_most 64 "watch of 24 MB" "$WEIR" watch -n -r "$tmp/short.pcap"
at_most 64 "watch of 24 MB as JSON" "$WEIR" watch --json -r "$tmp/short.pcap"
at_most 256 "flows of 240 MB as Parquet" "$WEIR" flows "$tmp/long.pcap" -f parquet -w "$tmp/long.parquet"
at_most 192 "flows of 24 MB as Parquet" "$WEIR" flows "$tmp/short.pcap" -f parquet -w "$tmp/short.parquet"
at_most 48 "flows grouped from Parquet" "$WEIR" flows "$tmp/long.parquet" --by application -f csv -w "$tmp/groups.csv"
at_most 48 "flows from Parquet as CSV" "$WEIR" flows "$tmp/long.parquet" -f csv -w "$tmp/long.csv"
at_most 128 "flows from Parquet as Parquet" "$WEIR" flows "$tmp/long.parquet" -f parquet -w "$tmp/again.parquet"
at_most 192 "import of 240 MB" "$WEIR" import "$tmp/campaign" "$tmp/long.pcap" --iface long --segment 32M
at_most 192 "import of 24 MB" "$WEIR" import "$tmp/campaign" "$tmp/short.pcap" --iface short
at_most 128 "verify" "$WEIR" verify "$tmp/campaign"
at_most 256 "query of everything" "$WEIR" query "$tmp/campaign" -w "$tmp/all.pcapng"
at_most 128 "query of everything with --memory 32M" "$WEIR" query "$tmp/campaign" --memory 32M -w "$tmp/all.pcapng"
at_most 64 "query of one host and minute" "$WEIR" query "$tmp/campaign" host 10.20.2.195 --from 2026-01-01T01:00 --to 2026-01-01T01:01 -w "$tmp/one.pcapng"
at_most 64 "info of a campaign" "$WEIR" info "$tmp/campaign"
at_most 208 "process with --memory 128M" "$WEIR" process "$tmp/campaign" -o "$tmp/run" --memory 128M
at_most 208 "process of a file with --memory 128M" "$WEIR" process "$tmp/long.pcap" -o "$tmp/run-of-file" --memory 128M
rm -f "$tmp"/campaign/catalog.db*
at_most 128 "catalog rebuild" "$WEIR" catalog rebuild "$tmp/campaign"
done_testing
