#!/bin/bash
# On every shared capture weir info finds what capinfos finds: packets, bytes on the wire, first and last time, order.
# run: sanitize
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_shared
need_command capinfos

# Files where the two differ, and why. Everything else has to agree.
declare -A reason=(
	[suricata-verify/fuzz.pcap]="capinfos takes it for another variant of pcap because of one damaged record, and reads on"
	[wireshark-wiki/BT_USB_LinCooked_Eth_80211_RT.ntar.gz]="capinfos gives up at a Bluetooth packet too short for its pseudo-header; weir does not look into packets to count them"
	[gopacket/test902.pcapng]="its time is in 1/256 s, of which capinfos prints two digits"
	[gopacket/1_test902.pcapng]="its time is in 1/256 s, of which capinfos prints two digits"
	[PcapPlusPlus/clusterfuzz-testcase-minimized-FuzzTarget-5114733584449536]="a fraction of more than a second, which capinfos prints without carrying it over"
	[PcapPlusPlus/clusterfuzz-testcase-minimized-FuzzTarget-5696447256461312]="a fraction of more than a second, which capinfos prints without carrying it over"
)

# Formats of other programs, and link types that Wireshark 4.0 does not know: capinfos and weir refuse different files.
not_comparable() { # FORMAT CAPINFOS-SAYS
	case $1 in
	pcap* | pcapng*) ;;
	*) return 0 ;;
	esac
	[[ $2 == *"unknown or unsupported"* ]]
}

field() { # NAME: of the JSON object in $out; the first one is that of the file
	grep -o "\"$1\":[^,}]*" <<<"$out" | head -n 1 | cut -d: -f2-
}

# Seconds with decimals as ns.
ns() {
	local whole=${1%.*} part=${1#*.}
	[ "$whole" != "$1" ] || part=
	part=${part}000000000
	echo "${whole}${part:0:9}" | sed 's/^0*\([0-9]\)/\1/'
}

while IFS='|' read -r file format packets; do
	name=${file#captures/}
	path=$WEIR_SHARED/captures/$file
	theirs=$(capinfos -T -M -r -c -d -a -e -S -o "$path" 2>"$tmp/capinfos")
	said=$(<"$tmp/capinfos")
	run "$WEIR" info --json "$path"
	if [ -n "${reason[$name]:-}" ]; then
		skip "$name" "${reason[$name]}"
	elif not_comparable "$format" "$said"; then
		# Still: a file of a format that weir reads is counted, others are refused in words.
		case $format in
		pcap*) is "$(field packets)" "$packets" "$name: all packets, though capinfos does not know the link type" ;;
		*) like "$err" "$name: (offset 0: )?is " "$name: refused with a reason" ;;
		esac
	elif [ -z "$theirs" ]; then
		# capinfos prints no figures for a damaged file, but says how many packets it read.
		read=$(sed -n 's/.*after reading \([0-9]*\) packets.*/\1/p' <<<"$said")
		is "$(field packets)" "${read:-0}" "$name: damaged, and as many packets before that"
		[ "$status" -ne 0 ] || not_ok "$name: the damage is in the exit status"
	else
		IFS=$'\t' read -r _ count bytes first last order <<<"$theirs"
		[ "$order" = True ] && order=true || order=false
		if [ "$count" = 0 ] || [ "$first" = n/a ]; then
			is "$(field packets) $(field wire_bytes)" "$count $bytes" "$name: packets, bytes"
		else
			is "$(field packets) $(field wire_bytes) $(field first_ns) $(field last_ns) $(field time_order)" \
				"$count $bytes $(ns "$first") $(ns "$last") $order" "$name: packets, bytes, times, order"
		fi
	fi
done < <(awk -F'\t' 'NR > 1 { print $1 "|" $10 "|" $13 }' "$WEIR_SHARED/captures/INDEX.tsv")
done_testing
