#!/bin/bash
# Wireshark reads in a converted file what it reads in the original: numbers, times, lengths and protocols of every packet. A capture
# that Wireshark converts has the same packets as one that weir converts.
# timeout: 600
. "$(dirname "$0")/lib.sh"
need_shared
need_command tshark editcap capinfos

# Packets as Wireshark sees them, digests of their bytes too.
seen() { # FILE
	tshark -n -r "$1" -T fields -e frame.number -e frame.time_epoch -e frame.len -e frame.cap_len -e frame.protocols 2>/dev/null
}

# The bytes of the packets, by Wireshark's own copy to pcap.
bytes() { # FILE
	editcap -F nsecpcap "$1" - 2>/dev/null | tail -c +25 | sha256sum
}

number=0
while IFS='|' read -r file format; do
	case $format in
	pcapng*) other=pcap ;;
	pcap*) other=pcapng ;;
	*) continue ;;
	esac
	name=${file#captures/}
	path=$WEIR_SHARED/captures/$file
	number=$((number + 1))
	[ $((number % 6)) -eq 0 ] || continue
	# Only files that both sides find sound, and not too long for a test.
	capinfos -c "$path" >/dev/null 2>&1 && "$WEIR" info "$path" >/dev/null 2>&1 || continue
	[ "$(stat -c %s "$path")" -lt 2000000 ] || continue
	run "$WEIR" convert "$path" -w "$tmp/out.$other"
	if [ "$status" -ne 0 ] && grep -q 'link type' <<<"$err"; then
		skip "$name to $other" "it has several link types"
		continue
	fi
	seen "$path" >"$tmp/original"
	seen "$tmp/out.$other" >"$tmp/converted"
	if grep -q "last digits" <<<"$err"; then
		skip "$name to $other" "its times are finer than nanoseconds"
	elif "$WEIR" info "$path" | grep -q '^Blocks: .* custom'; then
		skip "$name to $other" "Wireshark shows custom blocks as packets"
	elif grep -q "missing time" <<<"$err"; then
		skip "$name to $other" "it has packets without a time, which pcap has to give one"
	else
		same_bytes "$tmp/original" "$tmp/converted" "$name to $other: Wireshark sees the same packets"
		is "$(bytes "$tmp/out.$other")" "$(bytes "$path")" "$name to $other: and they have the same bytes"
	fi
done < <(awk -F'\t' 'NR > 1 { print $1 "|" $10 }' "$WEIR_SHARED/captures/INDEX.tsv")
done_testing
