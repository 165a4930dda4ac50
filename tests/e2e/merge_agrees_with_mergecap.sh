#!/bin/bash
# Of sorted captures weir merge makes what mergecap makes, and of unsorted ones what reordercap makes: the same packets at the same times
# in the same order. Pieces of a capture become the capture again.
# run: sanitize
# run: threads
. "$(dirname "$0")/lib.sh"
need_shared
need_command mergecap reordercap editcap capinfos python3 jq

# Packets in order: time, lengths and bytes. The order of equal times is told apart by their bytes: mergecap and reordercap don't say what theirs is.
packets() { # FILE
	editcap -F nsecpcap "$1" - 2>/dev/null | python3 -c '
import hashlib, struct, sys
data, at = sys.stdin.buffer.read(), 24
while at < len(data):
    seconds, fraction, captured, length = struct.unpack_from("<IIII", data, at)
    print(seconds * 10**9 + fraction, length, hashlib.md5(data[at + 16:at + 16 + captured]).hexdigest())
    at += 16 + captured'
}

# As packets, but packets of one time in the order of their bytes.
in_order() { # FILE
	packets "$1" >"$tmp/list"
	awk '{ if ($1 != last) { group++; last = $1 } print group, $0 }' "$tmp/list" | LC_ALL=C sort -s -k1,1n -k3,4
}

# Sorted Ethernet captures of a handful of suites.
sorted=() unsorted=()
while IFS=$'\t' read -r file; do
	path=$WEIR_SHARED/captures/$file
	[ "$(stat -c %s "$path")" -lt 300000 ] || continue
	order=$(capinfos -M -o -T -r "$path" 2>/dev/null | cut -f2)
	case $order in
	True) [ ${#sorted[@]} -ge 30 ] || sorted+=("$path") ;;
	False) [ ${#unsorted[@]} -ge 12 ] || unsorted+=("$path") ;;
	esac
done < <(awk -F'\t' 'NR > 1 && $10 ~ /^pcap/ && $16 == "1:EN10MB" && $15 == "ok" && $13 > 3 { print $1 }' "$WEIR_SHARED/captures/INDEX.tsv")
[ ${#sorted[@]} -ge 10 ] && ok "there are sorted captures" || not_ok "there are sorted captures" "${#sorted[@]}"
[ ${#unsorted[@]} -ge 3 ] && ok "there are unsorted captures" || not_ok "there are unsorted captures" "${#unsorted[@]}"

mergecap -w "$tmp/theirs.pcapng" "${sorted[@]}" 2>/dev/null
run "$WEIR" merge --no-correct "${sorted[@]}" -w "$tmp/ours.pcapng"
is "$status" 0 "weir merge merges ${#sorted[@]} captures"
in_order "$tmp/theirs.pcapng" >"$tmp/theirs"
in_order "$tmp/ours.pcapng" >"$tmp/ours"
same_bytes "$tmp/theirs" "$tmp/ours" "many sorted captures: the same as mergecap"
run "$WEIR" merge --no-correct "${sorted[@]}" -w "$tmp/tight.pcapng" --memory 1
in_order "$tmp/tight.pcapng" >"$tmp/ours"
same_bytes "$tmp/theirs" "$tmp/ours" "and with no memory to spare"

for ((i = 0; i + 1 < 12 && i + 1 < ${#sorted[@]}; i += 2)); do
	mergecap -w "$tmp/theirs.pcapng" "${sorted[i]}" "${sorted[i + 1]}" 2>/dev/null
	"$WEIR" merge --no-correct "${sorted[i]}" "${sorted[i + 1]}" -w "$tmp/ours.pcapng" --reorder 0
	in_order "$tmp/theirs.pcapng" >"$tmp/theirs"
	in_order "$tmp/ours.pcapng" >"$tmp/ours"
	same_bytes "$tmp/theirs" "$tmp/ours" "$(basename "${sorted[i]}") and $(basename "${sorted[i + 1]}"): the same as mergecap"
done

for path in "${unsorted[@]}"; do
	reordercap "$path" "$tmp/theirs.pcapng" >/dev/null 2>&1
	"$WEIR" merge "$path" -w "$tmp/ours.pcapng" --reorder 10000d
	in_order "$tmp/theirs.pcapng" >"$tmp/theirs"
	in_order "$tmp/ours.pcapng" >"$tmp/ours"
	same_bytes "$tmp/theirs" "$tmp/ours" "$(basename "$path"): the same as reordercap"
done

# A capture in 150 pieces, given in no order, becomes itself, byte for byte; so does one whose packets went to two files in turn.
"$TOOLS/bench/generate" --kind small --bytes 3M --span 10m "$tmp/whole.pcap" 2>/dev/null
editcap -F pcap -c 200 "$tmp/whole.pcap" "$tmp/piece.pcap"
pieces=$(ls "$tmp"/piece_* | wc -l)
[ "$pieces" -gt 100 ] && ok "$pieces pieces are more than are opened at once" || not_ok "there are many pieces" "$pieces"
run "$WEIR" merge $(ls "$tmp"/piece_* | sort -t_ -k3 | tac) -w "$tmp/again.pcap"
same_bytes "$tmp/whole.pcap" "$tmp/again.pcap" "pieces of a capture become the capture again"
cat "$tmp/whole.pcap" | "$WEIR" merge - -w - --json 2>"$tmp/err" >"$tmp/again.pcapng"
"$WEIR" convert "$tmp/again.pcapng" -w "$tmp/again.pcap"
same_bytes "$tmp/whole.pcap" "$tmp/again.pcap" "from a pipe into a pipe"
like "$(cat "$tmp/err")" '"late":0' "--json beside packets on standard output is on standard error"

# Faults.
head -c 100000 "$tmp/whole.pcap" >"$tmp/cut.pcap"
run "$WEIR" merge "$tmp/cut.pcap" "$tmp/whole.pcap" -w "$tmp/out.pcap"
is "$status" 1 "a cut file is a fault in the data"
like "$err" 'cut.pcap' "which names it"
[ "$("$WEIR" info --json "$tmp/out.pcap" | jq '.[0].packets')" -gt "$("$WEIR" info --json "$tmp/whole.pcap" | jq '.[0].packets')" ] &&
	ok "and costs the others nothing" || not_ok "and costs the others nothing"
run "$WEIR" merge "$tmp/none.pcap" -w "$tmp/out2.pcap"
is "$status" 3 "a file that is not there"
run "$WEIR" merge "$tmp/whole.pcap"
is "$status" 2 "-w is needed"
done_testing
