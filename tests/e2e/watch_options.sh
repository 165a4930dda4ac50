#!/bin/bash
# The options of watch do what they say, on a file that is made here.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_command python3 jq

# Five packets: TCP in IPv4 (SYN, SYN-ACK, data with an HTTP request), ARP in a VLAN, DNS over IPv6; 1.25 s apart.
python3 - "$tmp/five.pcap" <<'PYTHON'
import struct, sys
def ip4(proto, payload, src, dst):
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, proto, 0, bytes(src), bytes(dst)) + payload
a, b = (10, 0, 0, 1), (10, 0, 0, 2)
eth = bytes.fromhex("020000000002020000000001")
def tcp(sport, dport, seq, ack, flags, data=b""):
    return struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 512, 0, 0) + data
packets = [
    eth + b"\x08\x00" + ip4(6, tcp(40000, 80, 1000, 0, 0x02), a, b),
    eth + b"\x08\x00" + ip4(6, tcp(80, 40000, 5000, 1001, 0x12), b, a),
    eth + b"\x08\x00" + ip4(6, tcp(40000, 80, 1001, 5001, 0x18, b"GET /x HTTP/1.1\r\nHost: y\r\n\r\n"), a, b),
    eth + b"\x81\x00\x00\x64\x08\x06" + bytes.fromhex("0001080006040001" "020000000001" "0a000001" "000000000000" "0a000002"),
    eth + b"\x86\xdd" + struct.pack(">IHBB16s16s", 0x60000000, 37, 17, 64, bytes.fromhex("20010db8" + "00" * 11 + "01"), bytes.fromhex("20010db8" + "00" * 11 + "02"))
        + struct.pack(">HHHH", 50000, 53, 37, 0) + struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x07example\x03org\x00"[:13] + struct.pack(">HH", 28, 1)[:4],
]
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
    for i, p in enumerate(packets):
        ns = 1700000000 * 10**9 + 123456789 + i * 1250000000
        f.write(struct.pack("<IIII", ns // 10**9, ns % 10**9, len(p), len(p)) + p)
PYTHON
five=$tmp/five.pcap

run "$WEIR" watch -n -r "$five"
is "$status" 0 "a file is printed"
is "$(wc -l <<<"$out")" 5 "a line a packet"
is "$(sed -n 1p <<<"$out")" "22:13:20.123456 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1000, win 512, length 0" "a SYN"
is "$(sed -n 3p <<<"$out")" \
	"22:13:22.623456 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [P.], seq 1:29, ack 1, win 512, length 28: HTTP: GET /x HTTP/1.1" \
	"sequence numbers are relative, and a request is shown"
is "$(sed -n 4p <<<"$out")" "22:13:23.873456 ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28" "ARP in a VLAN"
like "$(sed -n 5p <<<"$out")" '^22:13:25.123456 IP6 2001:db8::1\.50000 > 2001:db8::2\.53: 7\+ AAAA\? example\.org\. \(29\)$' "DNS over IPv6"

run "$WEIR" watch -r "$five" -c 2
is "$(wc -l <<<"$out")" 2 "-c ends after so many packets"
like "$out" '10\.0\.0\.2\.http:' "without -n ports have names"
run "$WEIR" watch -n -r "$five" -S -c 3
like "$out" 'seq 1001:1029, ack 5001' "-S: numbers as they are"
run "$WEIR" watch -n -r "$five" -e -c 4
like "$out" '^[0-9:.]+ 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 \(0x0800\), length 54: 10\.0|IP ' "-e: the link layer"
like "$out" 'ethertype 802\.1Q \(0x8100\), length 46: vlan 100, p 0, ethertype ARP' "-e: the VLAN"
run "$WEIR" watch -n -r "$five" -q -c 3
like "$out" 'IP 10\.0\.0\.1\.40000 > 10\.0\.0\.2\.80: tcp 28$' "-q: less"
run "$WEIR" watch -n -r "$five" -v -c 1
like "$out" '\(tos 0x0, ttl 64, id 1, offset 0, flags \[DF\], proto TCP \(6\), length 40' "-v: more"
run "$WEIR" watch -n -r "$five" -s 20 -c 1
like "$out" 'IP \[\|ip\]|IPv4' "-s looks at the first bytes only"

for form in "-t:^IP " "-tt:^1700000000\.123456 IP" "-ttt:^ 00:00:00\.000000 IP" "-tttt:^2023-11-14 22:13:20\.123456 IP" "-ttttt:^ 00:00:00\.000000 IP"; do
	run "$WEIR" watch -n -r "$five" "${form%%:*}" -c 1
	like "$out" "${form#*:}" "times: ${form%%:*}"
done
run "$WEIR" watch -n -r "$five" -ttt
like "$(sed -n 3p <<<"$out")" '^ 00:00:01\.250000 IP' "-ttt: since the packet before"
run "$WEIR" watch -n -r "$five" -ttttt
like "$(sed -n 3p <<<"$out")" '^ 00:00:02\.500000 IP' "-ttttt: since the first"
run env TZ=XXX-5:30 "$WEIR" watch -n -r "$five" --local -tttt -c 1
like "$out" '^2023-11-15 03:43:20\.123456' "--local"

run "$WEIR" watch -n -r "$five" -x -c 1
like "$out" '0x0000:  4500 0028 0001 4000 4006 0000 0a00 0001$' "-x: from the network layer on"
run "$WEIR" watch -n -r "$five" -xx -c 1
like "$out" '0x0000:  0200 0000 0002 0200 0000 0001 0800 4500$' "-xx: from the link layer on"
run "$WEIR" watch -n -r "$five" -X -c 3
like "$out" '0x0020:  5018 0200 0000 0000 4745 5420 2f78 2048  P\.\.\.\.\.\.\.GET\./x\.H$' "-X: and as characters"
run "$WEIR" watch -n -r "$five" -A -c 3
like "$out" '^Host: y' "-A: as characters"

run "$WEIR" watch --json -r "$five"
is "$(jq -s length <<<"$out")" 5 "--json: an object a line"
is "$(jq -c 'select(.number == 3) | [.time, .linktype, .captured_length, .length, (.layers | map(.protocol))]' <<<"$out")" \
	'["2023-11-14T22:13:22.623456789Z",1,82,82,["ethernet","ipv4","tcp","http"]]' "--json: what a packet is"
like "$(sed -n 3p <<<"$out")" '"time_ns":1700000002623456789,' "--json: the time in ns"
is "$(jq -c 'select(.number == 4) | .layers[1]' <<<"$out")" \
	'{"protocol":"vlan","id":100,"priority":0,"dei":false,"type":"0x0806","type_name":"ARP"}' "--json: the fields of a layer"
is "$(jq -r 'select(.number == 5) | .layers[3].questions[0].name' <<<"$out")" example.org "--json: a name that is asked for"

run "$WEIR" watch -n -r "$five" tcp and port 80
is "$(wc -l <<<"$out")" 3 "a filter"
run "$WEIR" watch -n -r "$five" 'tcp prt 80'
is "$status" 2 "a bad filter is wrong use"
like "$err" 'syntax error' "… and says why"
run "$WEIR" watch
is "$status" 2 "without a source it is wrong use"
run "$WEIR" watch -r "$tmp/none.pcap"
is "$status" 3 "a file that is not there"
out=$("$WEIR" watch -n -r - <"$five" | wc -l)
is "$out" 5 "-r - reads standard input"
"$WEIR" watch -n -r "$five" -vvv -XX 2>"$tmp/err" | head -n 1 >/dev/null
is "$(cat "$tmp/err")" "" "a reader that goes away ends it quietly"
run env PATH=/nowhere "$WEIR" watch -V -r "$five"
is "$status" 3 "-V without tshark"
like "$err" 'tshark.* not installed' "… and says so"
if command -v tshark >/dev/null; then
	run "$WEIR" watch -V -c 1 -r "$five" vlan
	like "$out" 'Address Resolution Protocol' "-V has tshark tell of the packets"
	like "$out" 'LAN.*ID: 100' "… from the link layer on"
else
	skip "-V has tshark tell of the packets" "tshark is not installed"
fi
done_testing
