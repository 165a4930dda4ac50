#!/bin/bash
# Conversions lose nothing that the target can hold: pcap to pcapng and back, pcapng to pcapng, and through every compression, give
# the same bytes; what other programs read in the result is what they read in the original.
# run: sanitize
# timeout: 600
. "$(dirname "$0")/lib.sh"
need_shared

# The bytes of a capture, decompressed.
plain() {
	case $(head -c 4 "$1" | od -An -tx1 | tr -d ' ') in
	1f8b*) gzip -dc "$1" ;;
	28b52ffd) zstd -dcq "$1" ;;
	*) cat "$1" ;;
	esac
}

lz4_there=$("$WEIR" version --build | grep '^lz4 [0-9]')
decoded=0
while IFS='|' read -r file format; do
	name=${file#captures/}
	path=$WEIR_SHARED/captures/$file
	case $format in
	pcapng*) kind=pcapng ;;
	pcap*) kind=pcap ;;
	*) continue ;;
	esac
	# Only what is sound; what becomes of damaged files is another test's.
	"$WEIR" info "$path" >/dev/null 2>&1 || continue
	plain "$path" >"$tmp/plain" 2>/dev/null || continue

	if [ $kind = pcap ]; then
		run "$WEIR" convert "$path" -w "$tmp/there.pcapng"
		is "$status" 0 "$name: becomes pcapng"
		run "$WEIR" convert "$tmp/there.pcapng" -w "$tmp/back.pcap"
		is "$status$err" 0 "$name: and pcap again, with nothing left out"
		same_bytes "$tmp/plain" "$tmp/back.pcap" "$name: which is the same file"
		"$WEIR" convert "$path" -w "$tmp/copy.pcap"
		same_bytes "$tmp/plain" "$tmp/copy.pcap" "$name: copied as pcap it is the same file"
	else
		"$WEIR" convert "$path" -w "$tmp/copy.pcapng"
		same_bytes "$tmp/plain" "$tmp/copy.pcapng" "$name: copied as pcapng it is the same file"
	fi

	# Compression is independent of the rest: a few files of every kind show it.
	decoded=$((decoded + 1))
	[ $((decoded % 8)) -eq 0 ] || continue
	for ending in gz zst lz4; do
		if [ $ending = lz4 ] && [ -z "$lz4_there" ]; then
			skip "$name: through .lz4" "weir was built without lz4"
			continue
		fi
		"$WEIR" convert "$path" -w "$tmp/packed.$kind.$ending" && "$WEIR" convert "$tmp/packed.$kind.$ending" -w "$tmp/unpacked.$kind"
		same_bytes "$tmp/plain" "$tmp/unpacked.$kind" "$name: through .$ending and back it is the same file"
	done
	check "$name: gzip finds its .gz sound" gzip -t "$tmp/packed.$kind.gz"
	command -v zstd >/dev/null && check "$name: zstd finds its .zst sound" zstd -tq "$tmp/packed.$kind.zst"
done < <(awk -F'\t' 'NR > 1 { print $1 "|" $10 }' "$WEIR_SHARED/captures/INDEX.tsv")
done_testing
