#!/bin/bash
# weir dedup removes the very packets that editcap -D and -w remove: on generated captures with all of several windows, on the shared ones each with one of them:
# every fourth of them, or all with ALL_CAPTURES=1.
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_command editcap

# The numbers of the packets that each removes. 1: that one can't read the file.
editcap_removes() { # OPTION VALUE FILE
	editcap -V -F pcapng "$1" "$2" "$3" /dev/null >"$tmp/editcap" 2>&1 || return 1
	sed -n 's/^Skipped: \([0-9]*\),.*/\1/p' "$tmp/editcap"
}

weir_removes() { # OPTION VALUE FILE
	local window=$2
	[ "$1" = -D ] || window=${2}s
	"$TOOLS/bench/dedup" --window "$window" --numbers "$3" >"$tmp/weir" 2>/dev/null || return 1
	grep -v '^{' "$tmp/weir"
	return 0
}

compare() { # OPTION VALUE FILE -> in $same: yes, no, or unread
	if ! editcap_removes "$@" >"$tmp/theirs" || ! weir_removes "$@" >"$tmp/ours"; then
		same=unread
	elif cmp -s "$tmp/theirs" "$tmp/ours"; then
		same=yes
	else
		same=no
	fi
}

settings=("-D 2" "-D 5" "-D 17" "-D 100" "-D 9000" "-w 0.000001" "-w 0.01" "-w 0.5" "-w 100")

"$TOOLS/bench/generate" --bytes 1M --kind small "$tmp/small.pcap" 2>/dev/null
for setting in "${settings[@]}"; do
	compare $setting "$tmp/small.pcap"
	is "$same" yes "editcap $setting and weir dedup remove the same packets of a generated capture"
done
check "and there are such packets" test "$(wc -l <"$tmp/ours")" -gt 300

# Times that go back and forth, by up to 20 ms and, now and then, by seconds.
"$TOOLS/bench/gen" --packets 6000 --seed 3 --nodes 2 --offset 20ms "$tmp/gen" 2>/dev/null
mergecap -a -F pcapng -w "$tmp/twice.pcapng" "$tmp"/gen/node1*.pcapng "$tmp"/gen/node2*.pcapng "$tmp"/gen/node1*.pcapng
for setting in "${settings[@]}"; do
	compare $setting "$tmp/twice.pcapng"
	is "$same" yes "editcap $setting and weir dedup remove the same packets where times go back"
done

# Of several files, each with its own window: as many as editcap removes from each.
run "$WEIR" dedup --window 6 --each-interface --json "$tmp"/gen/node[12]*.pcapng
theirs=0
for file in "$tmp"/gen/node[12]*.pcapng; do
	theirs=$((theirs + $(editcap_removes -D 6 "$file" | wc -l)))
done
is "$(grep -o '"exact":[0-9]*' <<<"$out" | head -n 1)" "\"exact\":$theirs" "dedup --each-interface removes as many from merged files as editcap from each"

# What weir dedup itself writes.
for window in 5 100ms; do
	if [ "$window" = 5 ]; then option="-D 5"; else option="-w 0.1"; fi
	editcap -F pcap $option "$tmp/small.pcap" "$tmp/theirs.pcap" 2>/dev/null
	run "$WEIR" dedup --window "$window" "$tmp/small.pcap" -w "$tmp/ours.pcap"
	is "$status" 0 "dedup --window $window is fine"
	same_bytes <(tail -c +25 "$tmp/theirs.pcap") <(tail -c +25 "$tmp/ours.pcap") "and leaves the same packets as editcap $option, untouched"
done

if [ ! -d "$CAPTURES" ]; then
	skip "the same packets of the shared captures" "they are not there"
	done_testing
	exit 0
fi
different= count=0 removed=0 i=0
for file in "$CAPTURES"/*/*; do
	i=$((i + 1))
	[ "${ALL_CAPTURES:-0}" = 1 ] || [ $((i % 4)) -eq 0 ] || continue
	setting=${settings[$((i / 4 % ${#settings[@]}))]}
	compare $setting "$file"
	[ "$same" != unread ] || continue
	count=$((count + 1))
	removed=$((removed + $(wc -l <"$tmp/theirs")))
	[ "$same" = yes ] || different+="$setting ${file#"$CAPTURES"/}"$'\n'
done
is "$different" "" "editcap and weir dedup remove the same packets of the shared captures"
check "and there are such captures ($count) and packets ($removed)" test "$count" -gt 50 -a "$removed" -gt 20
done_testing
