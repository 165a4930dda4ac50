#!/bin/bash
# Flows of real captures: exported as IPFIX they read back as every value they were, tshark decodes them, and nfcapd receives the same totals.
# run: sanitize waits
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_shared
need_command python3 tshark
captures=(nfstream/skype_no_unknown.pcap nDPI/fuzz-2020-02-16-11740.pcap nDPI/teams.pcap nDPI/vxlan.pcap libtrace/100_packets.pcapng arkime/ospf.pcap
	NetPlier/icmp_100.pcap suricata-verify/decode-teredo-01.input.pcap zeek/mixed-vlan-mpls.pcap zeek/ipv6-fragmented-dns.pcap
	nfstream/4in4tunnel.pcap zeek/wikipedia.pcap zeek/pppoe.pcap)
cd "$CAPTURES" || exit 1

sums() { # CSV: packets and bytes of both directions
	python3 -c '
import csv, sys
packets = bytes = 0
for row in csv.DictReader(open(sys.argv[1])):
    packets += int(row["packets"]) + int(row["reverse_packets"])
    bytes += int(row["ip_bytes"]) + int(row["reverse_ip_bytes"])
print("packets", packets, "bytes", bytes)' "$1"
}
tshark_sums() { # FILE
	tshark -r "$1" -T fields -E occurrence=a -E aggregator=, -e cflow.packets -e cflow.octets 2>/dev/null |
		awk -F'\t' '{ n = split($1, p, ","); for (i = 1; i <= n; i++) packets += p[i]
			n = split($2, o, ","); for (i = 1; i <= n; i++) bytes += o[i] }
			END { printf "packets %d bytes %d\n", packets, bytes }'
}

"$WEIR" flows "${captures[0]}" -f ipfix -w "$tmp/probe" 2>"$tmp/why"
ipfix=yes
if grep -q 'without libfixbuf' "$tmp/why"; then
	ipfix=
	skip "IPFIX" "built without libfixbuf"
fi
for capture in "${captures[@]}"; do
	"$WEIR" flows "$capture" -f csv -w "$tmp/flows.csv" 2>/dev/null
	expected=$(sums "$tmp/flows.csv")
	"$WEIR" flows "$capture" -f nf9 -w "$tmp/nf9" 2>/dev/null && "$WEIR" flows "$tmp/nf9" -f csv -w "$tmp/nf9.csv"
	is "$(sums "$tmp/nf9.csv")" "$expected" "$capture: NetFlow v9 has the same sums"
	[ -n "$ipfix" ] || continue
	"$WEIR" flows "$capture" -f ipfix -w "$tmp/ipfix" 2>/dev/null && "$WEIR" flows "$tmp/ipfix" -f csv -w "$tmp/ipfix.csv"
	same_bytes "$tmp/flows.csv" "$tmp/ipfix.csv" "$capture: IPFIX has every value"
	is "$(tshark -r "$tmp/ipfix" -Y '_ws.malformed || _ws.expert' 2>/dev/null | head -n 2)$(tshark_sums "$tmp/ipfix")" "$expected" \
		"$capture: tshark decodes it without a fault, and has the same sums"
	rm "$tmp/ipfix" "$tmp/ipfix.csv"
done

for format in ${ipfix:+ipfix} nf9; do
	for threads in 1 2; do
		"$WEIR" flows "${captures[@]}" --threads $threads -f $format -w "$tmp/$threads.$format" 2>/dev/null
	done
	same_bytes "$tmp/1.$format" "$tmp/2.$format" "$format: the same bytes with one thread and with two"
done

vectors=$WEIR_SHARED/vectors/ipfix
if [ -d "$vectors" ]; then
	zstd -qc "$vectors/ipfix.dat" >"$tmp/ipfix.zst"
	run "$WEIR" flows "$tmp/ipfix.zst" --by protocol --json
	like "$out" '"protocol":17,"flows":3' "compressed datagrams are seen for what they are"
	run "$WEIR" flows "$vectors/netflow9_test_h3c_data3281.dat" -f csv
	is "$status" 0 "data without their template are no fault"
	like "$err" '16 sets of data .* template is not there' "but told"
	run "$WEIR" flows "$vectors/netflow9_test_h3c_tpl3281.dat" "$vectors/netflow9_test_h3c_data3281.dat" --by protocol --json
	like "$out" '"flows":16' "a template in the file before is used"
	is "$err" "" "and nothing is missing"
fi

# To a collector, in a network of its own.
space=weir-flows-$unique
received() {
	[ "$(id -u)" -eq 0 ] && command -v nfcapd >/dev/null && command -v nfdump >/dev/null && ip netns add "$space" 2>/dev/null
}
collector=
cleanup() {
	[ -z "$collector" ] || kill "$collector" 2>/dev/null
	ip netns del "$space" 2>/dev/null
}
if received; then
	ip -n "$space" link set lo up
	"$WEIR" flows "${captures[@]}" -f csv -w "$tmp/all.csv" 2>/dev/null
	expected=$(sums "$tmp/all.csv")
	for format in ${ipfix:+ipfix} nf9; do
		mkdir "$tmp/received.$format"
		ip netns exec "$space" nfcapd -w "$tmp/received.$format" -p 9995 -b 127.0.0.1 -B 8000000 -t 3600 >"$tmp/nfcapd" 2>&1 &
		collector=$!
		wait_for 10 sh -c "ip netns exec $space ss -Hlnu | grep -q ':9995 '"
		ip netns exec "$space" "$WEIR" flows "${captures[@]}" -f $format -w udp:127.0.0.1:9995 2>"$tmp/err"
		is "$?" 0 "$format: flows are sent"
		sleep 1
		kill "$collector"
		wait "$collector"
		collector=
		nfdump -R "$tmp/received.$format" -I >"$tmp/totals" 2>&1
		is "packets $(sed -n 's/^Packets: //p' "$tmp/totals") bytes $(sed -n 's/^Bytes: //p' "$tmp/totals")" "$expected" \
			"$format: nfcapd has the same packets and bytes"
	done
else
	skip "nfcapd receives the same totals" "needs root, network namespaces and nfcapd"
fi
done_testing
