#!/bin/bash
# Every shared capture, hidden: tshark finds no new malformed packet and no checksum newly wrong, nothing of the originals is left, and the bytes do
# not depend on threads.
# timeout: 900
. "$(dirname "$0")/lib.sh"
need_shared
need_command tshark python3

# This tshark does not read their link types, or it takes blocks of others for packets.
unread='/(dsa|edsa|brcm-tag-[a-z]+|hoobr_juniper3|vtp_asan|styp|SITA-Protocols|abis-accept-network|atm-oam-heapoverflow|output_[a-z]+_test01[78]|BT_USB_LinCooked_Eth_80211_RT)\.'

# All in one file, section by section; of damaged ones what is sound.
while read -r file; do
	case $file in *.txt | *.md) continue ;; esac
	[[ ! $file =~ $unread ]] || continue
	"$WEIR" convert "$file" -w "$tmp/one.pcapng" 2>/dev/null
	[ ! -s "$tmp/one.pcapng" ] || cat "$tmp/one.pcapng" >>"$tmp/all.pcapng"
	rm -f "$tmp/one.pcapng"
done < <(find "$CAPTURES" -type f | sort)

(umask 077 && for i in 1 2; do echo "WEIR-KEY-1 $(printf "%064d" "$i")" >"$tmp/key$i"; done)

# Whether it is malformed, and which checksums are wrong, of each packet.
state() {
	tshark -r "$1" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -o tcp.desegment_tcp_streams:FALSE \
		-o ip.defragment:FALSE -o ipv6.defragment:FALSE -T fields -e frame.number -e _ws.malformed -e ip.checksum.status -e tcp.checksum.status \
		-e udp.checksum.status -e icmp.checksum.status -e icmpv6.checksum.status -e igmp.checksum.status 2>/dev/null
}

# Lines of packets that are worse in the second than in the first.
worse() {
	paste "$1" "$2" | awk -F'\t' '
		function bad(list) { return gsub(/(^|,)0/, "&", list) }
		$10 != "" && $2 == "" { print "frame " $1 ": malformed"; next }
		{ for (i = 3; i <= 8; i++) if (bad($(i + 8)) > bad($i)) { print "frame " $1 ": checksum " i " " $i " -> " $(i + 8); next } }'
}

fields=()
for field in eth.src eth.dst ip.src ip.dst ip.rec_rt ipv6.src ipv6.dst arp.src.hw_mac arp.dst.hw_mac arp.src.proto_ipv4 arp.dst.proto_ipv4 \
	wlan.sa wlan.da wlan.ta wlan.ra sll.src.eth igmp.maddr dns.a dns.aaaa dns.qry.name dns.resp.name dns.ptr.domain_name dns.cname dns.ns \
	dns.mx.mail_exchange dns.srv.target dns.soa.mname dns.soa.rname icmpv6.nd.ns.target_address icmpv6.nd.na.target_address icmpv6.opt.linkaddr \
	icmpv6.opt.prefix dhcp.hw.mac_addr dhcp.ip.your dhcp.ip.client dhcp.ip.server dhcp.ip.relay dhcp.option.hostname dhcp.option.router \
	dhcp.option.domain_name_server dhcp.option.domain_name dhcp.option.requested_ip_address dhcp.option.dhcp_server_id dhcp.fqdn.name \
	dhcpv6.duidllt.link_layer_addr dhcpv6.duidll.link_layer_addr dhcpv6.iaaddr.ip nbns.name nbns.addr tls.handshake.extensions_server_name http.host \
	http.user_agent http.cookie http.referer http.authorization http.request.uri frame.interface_name frame.interface_description frame.comment; do
	fields+=(-e "$field")
done

state "$tmp/all.pcapng" >"$tmp/before"
tshark -r "$tmp/all.pcapng" -T fields "${fields[@]}" >"$tmp/values" 2>/dev/null
packets=$(wc -l <"$tmp/before")
[ "$packets" -gt 50000 ] && ok "there are packets to hide" || not_ok "there are packets to hide" "$packets"

for keep in headers all; do
	for key in 1 2; do
		run "$WEIR" anon "$tmp/all.pcapng" --key "$tmp/key$key" --keep $keep -w "$tmp/$keep-$key.pcapng" --threads 1
		is "$status $err" "0 " "keeping $keep: hidden by key $key"
	done
	state "$tmp/$keep-1.pcapng" >"$tmp/after"
	is "$(wc -l <"$tmp/after")" "$packets" "keeping $keep: every packet is there"
	is "$(worse "$tmp/before" "$tmp/after")" "" "keeping $keep: no packet is newly malformed, no checksum newly wrong"
	leaks=$(python3 "$ROOT/tests/e2e/anon_leaks.py" "$WEIR" "$tmp/key1" "$tmp/values" "$tmp/$keep-1.pcapng" "$tmp/$keep-2.pcapng" 2>"$tmp/searched")
	is "$leaks" "" "keeping $keep: no address, MAC address or name of the originals is there"
	echo "# searched for $(cat "$tmp/searched")"
	like "$(cat "$tmp/searched")" '^[1-9][0-9]{3,} addresses, [1-9][0-9]{2,} MAC addresses, [1-9][0-9]{2,} labels' "keeping $keep: there was something to search for"
	for threads in 2 5; do
		"$WEIR" anon "$tmp/all.pcapng" --key "$tmp/key1" --keep $keep -w "$tmp/again.pcapng" --threads $threads
		same_bytes "$tmp/$keep-1.pcapng" "$tmp/again.pcapng" "keeping $keep: $threads threads write the same bytes as one"
	done
done
# The search does find what is there.
leaks=$(python3 "$ROOT/tests/e2e/anon_leaks.py" "$WEIR" "$tmp/key1" "$tmp/values" "$tmp/all.pcapng" "$tmp/all.pcapng" 2>&1 | wc -l)
[ "$leaks" -gt 1000 ] && ok "of the originals themselves the search finds thousands" || not_ok "of the originals themselves the search finds thousands" "$leaks"
done_testing
