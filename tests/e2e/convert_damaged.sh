#!/bin/bash
# Of a damaged file everything before the damage is converted, the error says where it is, and the exit status is 1; what a format
# has no place for is told or refused; an interrupted or failed conversion leaves nothing behind.
# run: sanitize
# run: threads
. "$(dirname "$0")/lib.sh"

"$TOOLS/bench/generate" --bytes 3M --kind mix "$tmp/good.pcap" 2>/dev/null
"$WEIR" convert "$tmp/good.pcap" -w "$tmp/good.pcapng"
packets=$("$WEIR" info --json "$tmp/good.pcap" | grep -o '"packets":[0-9]*' | head -n 1 | cut -d: -f2)

count() { # FILE
	"$WEIR" info --json "$1" 2>/dev/null | grep -o '"packets":[0-9]*' | head -n 1 | cut -d: -f2
}

# Cut short, plain and compressed, and in both formats.
for kind in pcap pcapng; do
	head -c 1500000 "$tmp/good.$kind" >"$tmp/cut.$kind"
	run "$WEIR" convert "$tmp/cut.$kind" -w "$tmp/out.$kind"
	is "$status" 1 "a truncated $kind file exits 1"
	like "$err" "cut\.$kind: offset [0-9]+: packet [0-9]+: the file ends in" "and the error names file, offset and packet"
	offset=$(sed -n 's/.*offset \([0-9]*\):.*/\1/p' <<<"$err")
	head -c "$offset" "$tmp/good.$kind" >"$tmp/sound"
	same_bytes "$tmp/sound" "$tmp/out.$kind" "and everything before that offset is written"
	number=$(sed -n 's/.*packet \([0-9]*\):.*/\1/p' <<<"$err")
	is "$(count "$tmp/out.$kind")" $((number - 1)) "which are all packets before the one it names"
done
gzip -c "$tmp/good.pcap" | head -c 900000 >"$tmp/cut.pcap.gz"
run "$WEIR" convert "$tmp/cut.pcap.gz" -w "$tmp/out.pcap"
is "$status" 1 "a truncated gzip file exits 1"
like "$err" 'cut\.pcap\.gz: offset [0-9]+: .*gzip data ends in the middle' "and says so"
written=$(count "$tmp/out.pcap")
check "and what could be decompressed is written" test "$written" -gt 100 -a "$written" -lt "$packets"

# Flipped bits where a checksum stands.
zstd -q --check -c "$tmp/good.pcap" >"$tmp/flipped.pcap.zst"
printf '\377' | dd of="$tmp/flipped.pcap.zst" bs=1 seek=$(($(stat -c %s "$tmp/flipped.pcap.zst") - 2)) conv=notrunc 2>/dev/null
run "$WEIR" convert "$tmp/flipped.pcap.zst" -w "$tmp/out.pcap"
is "$status" 1 "a zstd frame whose checksum does not hold exits 1"
like "$err" 'zstd data is damaged' "and says so"

# What pcap has no place for.
if command -v mergecap >/dev/null && command -v editcap >/dev/null; then
	editcap -F pcapng -a 3:hello "$tmp/good.pcap" "$tmp/comment.pcapng"
	run "$WEIR" convert "$tmp/comment.pcapng" -w "$tmp/out.pcap"
	is "$status" 0 "a comment that pcap can't hold does not fail the conversion"
	like "$err" 'has no place for .*1 packet.s comment' "but is told"
	is "$(wc -l <<<"$err")" 1 "in one line"
	editcap -F pcap -T ppp "$tmp/good.pcap" "$tmp/ppp.pcap"
	mergecap -a -w "$tmp/mixed.pcapng" "$tmp/good.pcap" "$tmp/ppp.pcap"
	run "$WEIR" convert "$tmp/mixed.pcapng" -w "$tmp/mixed.pcap"
	is "$status" 3 "two link types do not fit into one pcap file"
	like "$err" 'link type 9.*write pcapng' "and it says what to do"
	check "nothing half done is left" test ! -e "$tmp/mixed.pcap"
else
	skip "comments and link types" "needs editcap and mergecap"
fi

# Wrong use.
run "$WEIR" convert "$tmp/good.pcap"
is "$status" 2 "without -w it is wrong use"
run "$WEIR" convert "$tmp/good.pcap" -w "$tmp/out.pcap" --format pcapgn
is "$status" 2 "an unknown format is wrong use"
run "$WEIR" convert "$tmp/none.pcap" -w "$tmp/out.pcap"
is "$status" 3 "a file that is not there exits 3"
run "$WEIR" convert "$tmp/good.pcap" -w "$tmp/none/out.pcap"
is "$status" 3 "a folder that is not there exits 3"
run "$WEIR" convert "$tmp/good.pcap" -w "$tmp/out.pcap" 'tcp prot 80'
is "$status" 2 "a filter that does not compile is wrong use"

# The disk is full.
run "$WEIR" convert "$tmp/good.pcap" -w /dev/full
is "$status" 3 "a full disk exits 3"
like "$err" '/dev/full: could not be written: No space left' "and is named"

# Interrupted while it waits for its input: nothing appears.
mkdir "$tmp/stopped"
mkfifo "$tmp/fifo"
"$WEIR" convert "$tmp/fifo" -w "$tmp/stopped/out.pcap" 2>"$tmp/stopped.err" &
pid=$!
exec 9>"$tmp/fifo"
cat "$tmp/good.pcap" >&9
kill -INT $pid
cat "$tmp/good.pcap" >&9 2>/dev/null
exec 9>&-
wait $pid
is "$?" 3 "an interrupted conversion exits 3"
is "$(ls -A "$tmp/stopped")" "" "and leaves nothing"
done_testing
