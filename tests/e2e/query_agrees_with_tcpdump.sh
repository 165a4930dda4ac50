#!/bin/bash
# A query gives the very packets, bytes and times, that tcpdump finds in all captures merged into one file: many captures of
# Ethernet, under several nodes and interfaces, in segments of every codec, asked with forty filters and with times.
# run: sanitize
# timeout: 400
. "$(dirname "$0")/lib.sh"
need_shared
for tool in tcpdump mergecap editcap awk; do
	command -v "$tool" >/dev/null || skip_all "$tool is not installed"
done

filters=(
	'' 'tcp' 'udp' 'icmp' 'arp' 'ip6' 'icmp6' 'sctp' 'igmp' 'esp' 'vlan' 'mpls'
	'port 53' 'tcp port 80' 'udp port 67 or 68' 'portrange 5000-6000' 'src port 443' 'dst port 22'
	'host 192.168.1.1' 'src host 10.0.0.1' 'net 10.0.0.0/8' 'net 192.168' 'src net 172.16.0.0/12' 'ip6 net 2001::/16' 'host fe80::1'
	'ip proto 47' 'ip6 proto 58' 'ether proto 0x88cc' 'ether broadcast' 'ether multicast' 'ip multicast'
	'tcp[13] & 2 != 0' 'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and net 10.0.0.0/8' 'len > 1000' 'less 64' 'ip[6:2] & 0x1fff != 0'
	'not tcp and not udp' 'vlan and ip' 'vlan and (tcp or udp)' 'host 192.168.1.1 and not port 80' '(port 53 or port 80) and net 10.0.0.0/8'
	'mpls and ip' 'ether src 00:00:00:00:00:00' 'not (host 10.0.0.1 or arp)' 'port http and tcp' 'host 127.0.0.1 or host ::1'
)

# One line a packet: its time and all its bytes.
records() { # FILE
	tcpdump -nn -tt -q -xx --time-stamp-precision=nano -r "$1" 2>/dev/null |
		awk '/^\t/ { line = line $0; next } { if (line != "") print line; line = $1 " " } END { if (line != "") print line }'
}

# Captures of Ethernet that every tool here reads to the end, and that hold nothing which a pcap file cannot. Simple Packet
# Blocks have no time: every program gives them another.
parts=()
while read -r file; do
	tcpdump -r "$WEIR_SHARED/captures/$file" -w /dev/null 2>/dev/null &&
		mergecap -F nsecpcap -w "$tmp/one.pcap" "$WEIR_SHARED/captures/$file" 2>/dev/null &&
		parts+=("$WEIR_SHARED/captures/$file")
done < <(awk -F '\t' '$16 == "1:EN10MB" && $15 == "ok" && $8 < 400000 && $13 > 0 && $18 !~ /SPB/ { print $1 }' "$WEIR_SHARED/captures/INDEX.tsv")

codecs=(none zstd:1 lz4)
for vantage in 0 1 2 3 4 5 6; do
	files=()
	for ((i = vantage; i < ${#parts[@]}; i += 7)); do
		files+=("${parts[i]}")
	done
	# Small segments, so that there are many chunks to leave out.
	run "$WEIR" import -q --node "node$((vantage % 3))" --iface "if$vantage" --codec "${codecs[vantage % 3]}" --segment 256K \
		"$tmp/campaign" "${files[@]}"
	is "$status" 0 "import of ${#files[@]} captures as the packets of if$vantage on node$((vantage % 3))"
done
mergecap -F nsecpcap -w "$tmp/all.pcap" "${parts[@]}" 2>/dev/null
count=$(records "$tmp/all.pcap" | wc -l)
if [ "${#parts[@]}" -gt 100 ] && [ "$count" -gt 5000 ]; then
	ok "there are enough packets to ask about"
else
	not_ok "there are enough packets to ask about" "${#parts[@]} captures, $count packets"
fi

matches=0
for filter in "${filters[@]}"; do
	tcpdump --time-stamp-precision=nano -r "$tmp/all.pcap" -w "$tmp/right.pcap" "$filter" 2>/dev/null
	run "$WEIR" query --no-gaps "$tmp/campaign" -w "$tmp/got.pcapng" -- "$filter"
	editcap -F nsecpcap "$tmp/got.pcapng" "$tmp/got.pcap" 2>/dev/null
	records "$tmp/right.pcap" | sort >"$tmp/right"
	records "$tmp/got.pcap" >"$tmp/got.inorder"
	sort "$tmp/got.inorder" >"$tmp/got"
	is "$status $(diff "$tmp/right" "$tmp/got" | head -c 300)" "0 " "query finds what tcpdump finds: ${filter:-everything}"
	[ "$(wc -l <"$tmp/right")" -gt 0 ] && matches=$((matches + 1))
	rm -f "$tmp/got.pcapng" "$tmp/got.pcap"
done
[ "$matches" -ge 35 ] && ok "nearly all filters match something" || not_ok "nearly all filters match something" "$matches of ${#filters[@]} do"

run "$WEIR" query --no-gaps "$tmp/campaign" -w "$tmp/got.pcapng"
editcap -F nsecpcap "$tmp/got.pcapng" "$tmp/got.pcap" 2>/dev/null
tcpdump -nn -tt -q --time-stamp-precision=nano -r "$tmp/got.pcap" 2>/dev/null | grep -Eo '^[0-9]+\.[0-9]+' >"$tmp/times"
is "$(sort -s -n -c "$tmp/times" 2>&1 | head -c 100)" "" "the packets of all nodes come in the order of time"

middle=$(sed -n "$((count / 2))p" "$tmp/times")
run "$WEIR" query --no-gaps "$tmp/campaign" --from "@$middle" --to "@$middle" -w "$tmp/at.pcap"
is "$("$WEIR" info --json "$tmp/at.pcap" | tr ',' '\n' | grep -m1 '"packets"' | tr -dc 0-9)" "$(grep -cFx "$middle" "$tmp/times")" \
	"a time asked for is inclusive at both ends"

run "$WEIR" query --no-gaps --node node1 "$tmp/campaign" -w "$tmp/node.pcapng"
first=$("$WEIR" query --no-gaps --node node1 --iface if1 "$tmp/campaign" --json 2>/dev/null | wc -l)
second=$("$WEIR" query --no-gaps --node node1 --iface if4 "$tmp/campaign" --json 2>/dev/null | wc -l)
both=$("$WEIR" query --no-gaps --node node1 "$tmp/campaign" --json 2>/dev/null | wc -l)
is "$both" "$((first + second))" "a query can ask for one node and one interface"

run "$WEIR" query --no-gaps --explain -c 5 "$tmp/campaign" 'host 192.168.1.1'
like "$err" 'index asked for +ipv4 192.168.1.1' "--explain says what the index was asked for"
is "$(wc -l <<<"$out")" 5 "-c stops after so many packets"

run "$WEIR" query "$tmp/campaign" 'host and'
is "$status" 2 "a filter that is none is wrong use"
run "$WEIR" query "$tmp/campaign" --from now --to -10m
is "$status" 2 "a time that ends before it begins is wrong use"
run "$WEIR" query "$tmp/nothing"
is "$status" 3 "a campaign that is not there is an error"
run "$WEIR" verify "$tmp/campaign"
is "$status" 0 "verify finds nothing wrong with all that"
done_testing
