#!/bin/bash
# Shared captures, imported and read back from their segments by the standard tools, have the packets, times, lengths, bytes, comments and
# interfaces that tshark sees in the original: every third of them, or all with ALL_CAPTURES=1.
# timeout: 900
. "$(dirname "$0")/lib.sh"
need_shared
need_command tshark zstd lz4 sqlite3 md5sum

# Without dissection: what the file says of each packet, and its bytes.
fields() {
	tshark -r "$1" -o frame.generate_md5_hash:TRUE --disable-protocol eth --disable-protocol ip --disable-protocol ipv6 -T fields -e frame.time_epoch \
		-e frame.len -e frame.cap_len -e frame.md5_hash -e frame.comment -e frame.interface_name 2>"$1.err"
}

# All segments of a campaign, one behind the other, as a file of several sections.
whole() {
	local segment
	sqlite3 "$1/catalog.db" 'SELECT path FROM segments ORDER BY seq' | while read -r segment; do
		case $segment in
		*.zst) zstd -dqc "$1/$segment" ;;
		*.lz4) lz4 -dqc "$1/$segment" ;;
		*) cat "$1/$segment" ;;
		esac || echo "$segment" >>"$tmp/undecoded"
	done
}

# Times that tshark shows of pcap as they stand there, though a fraction of more than a second, or seconds below 0, are another moment when they
# are counted in one number, as pcapng does: the moment is the same, and convert gives the very record back.
odd_times='clusterfuzz-.*(5781142119907328|5114733584449536|5696447256461312|5723611632762880)$'

codecs=(zstd:1 lz4 none auto)
other=0 unread=0 compared=0 differ= refused=0
i=0
while read -r file; do
	i=$((i + 1))
	case $file in *.txt | *.md) continue ;; esac
	name=${file#"$CAPTURES/"}
	[[ $name =~ ${ONLY:-} ]] || continue
	[ "${ALL_CAPTURES:-0}" = 1 ] || [ $((i % 3)) -eq 0 ] || continue
	campaign=$tmp/campaign
	rm -rf "$campaign"
	"$WEIR" import "$campaign" "$file" --codec "${codecs[$((i % 4))]}" --segment 256K -q 2>"$tmp/import.err"
	status=$?
	cp "$file" "$tmp/original"
	fields "$tmp/original" >"$tmp/expected"
	if [ ! -d "$campaign/raw" ] || [ -z "$(sqlite3 "$campaign/catalog.db" 'SELECT 1 FROM segments LIMIT 1' 2>/dev/null)" ]; then
		# Snoop, Network Monitor, Sniffer, ERF: not the formats that weir reads.
		if grep -q 'which weir does not read' "$tmp/import.err" || [[ $name == *.erf ]]; then
			other=$((other + 1))
			continue
		fi
		refused=$((refused + 1))
		[ -s "$tmp/expected" ] && differ+="$name: refused ($(cat "$tmp/import.err")), tshark has $(wc -l <"$tmp/expected") packets"$'\n'
		continue
	fi
	whole "$campaign" >"$tmp/archived"
	fields "$tmp/archived" >"$tmp/got"
	# Link types that this tshark does not know.
	if [ ! -s "$tmp/expected" ] && grep -q '^tshark: ' "$tmp/original.err"; then
		unread=$((unread + 1))
		continue
	fi
	# A damaged file that tshark takes for the variant with larger record headers, though its magic is the plain one.
	[ "$name" != suricata-verify/fuzz.pcap ] || continue
	compared=$((compared + 1))
	# A pcap file has no names of interfaces; tshark calls those of a section that has none "unknown".
	if [ -z "$(cut -f 6 "$tmp/expected" | tr -d '\n')" ]; then
		cut -f 1-5 "$tmp/expected" >"$tmp/cut" && mv "$tmp/cut" "$tmp/expected"
		cut -f 1-5 "$tmp/got" >"$tmp/cut" && mv "$tmp/cut" "$tmp/got"
	fi
	if [[ $name =~ $odd_times ]]; then
		cut -f 2-5 "$tmp/expected" >"$tmp/cut" && mv "$tmp/cut" "$tmp/expected"
		cut -f 2-5 "$tmp/got" >"$tmp/cut" && mv "$tmp/cut" "$tmp/got"
	fi
	if ! cmp -s "$tmp/expected" "$tmp/got"; then
		differ+="$name (exit $status): $(diff "$tmp/expected" "$tmp/got" | head -n 3 | tr '\n' '|') $(cat "$tmp/import.err")"$'\n'
	fi
done < <(find "$CAPTURES" -type f | sort)
echo "# $compared captures compared, $refused refused by weir and empty to tshark, $other of other formats, $unread not read by tshark"
[ -n "${ONLY:-}" ] || [ "$compared" -gt 60 ] && ok "there are captures to compare" || not_ok "there are captures to compare" "$compared"
is "$differ" "" "packets, times, lengths, bytes, comments and interfaces are those of the originals"
is "$(cat "$tmp/undecoded" 2>/dev/null)" "" "every segment is read by the codec's own program"
done_testing
