#!/bin/bash
# What is exported over the network arrives whole: nfcapd has the same totals (NetFlow v9 and IPFIX over UDP), and a stream over TCP reads as it was sent.
# timeout: 180
# run: waits
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command nfcapd nfdump python3 tcpdump tshark
exports=$TOOLS/tests/exports
space=weir-export-$unique
ip netns add "$space" || skip_all "network namespaces are not allowed here"
collector=
capture=
cleanup() {
	for process in $collector $capture; do
		kill "$process" 2>/dev/null
	done
	ip netns del "$space"
}
ip -n "$space" link set lo up
inside() { ip netns exec "$space" "$@"; }
listens() { inside ss -Hln"$1" | grep -q ':9995 '; }

for format in nf9 ipfix; do
	mkdir "$tmp/$format"
	ip netns exec "$space" nfcapd -w "$tmp/$format" -p 9995 -b 127.0.0.1 -B 8000000 -t 3600 >"$tmp/nfcapd" 2>&1 &
	collector=$!
	ip netns exec "$space" tcpdump -i lo -U -B 65536 -w "$tmp/$format.pcap" udp port 9995 2>"$tmp/tcpdump" &
	capture=$!
	wait_for 10 listens u || { skip "$format" "nfcapd does not listen"; continue; }
	wait_for 10 grep -q 'listening on' "$tmp/tcpdump"
	run inside "$exports" 5000 $format udp:127.0.0.1:9995
	if [ "$status" -ne 0 ] && grep -q 'without libfixbuf' <<<"$err"; then
		skip "$format" "built without libfixbuf"
		kill $collector $capture
		continue
	fi
	is "$status" 0 "$format: flows are sent over UDP"
	read -r _ records _ packets _ bytes _ <<<"$out"
	sleep 1 # a collector does not say when it is done
	kill $collector $capture
	wait $collector $capture
	collector= capture=
	nfdump -R "$tmp/$format" -I >"$tmp/totals" 2>&1
	is "$(sed -n 's/^Packets: //p' "$tmp/totals")" "$packets" "$format: nfcapd has all packets, of both directions"
	is "$(sed -n 's/^Bytes: //p' "$tmp/totals")" "$bytes" "$format: and all bytes"
	if [ $format = ipfix ]; then
		is "$(sed -n 's/^Flows: //p' "$tmp/totals")" "$records" "$format: and as many flows"
	fi
	like "$(cat "$tmp/nfcapd")" 'Sequence Errors: 0, Bad Packets: 0' "$format: sequence numbers follow one another"
	is "$(tshark -r "$tmp/$format.pcap" -d udp.port==9995,cflow -Y '_ws.malformed || _ws.expert' 2>/dev/null | head -n 3)" "" \
		"$format: tshark decodes what passed without a fault"
	is "$(tshark -r "$tmp/$format.pcap" -d udp.port==9995,cflow -T fields -E occurrence=a -E aggregator=, -e cflow.octets 2>/dev/null |
		tr ',' '\n' | awk '{ s += $1 } END { printf "%d", s }')" "$bytes" "$format: with the same sum of bytes"
	check "$format: no datagram is in fragments" [ -z "$(tcpdump -r "$tmp/$format.pcap" -n 'greater 1463 or ip[6:2] & 0x3fff != 0' 2>/dev/null)" ]
done

cat >"$tmp/listen.py" <<'PYTHON'
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 9995))
s.listen(1)
c, out = s.accept()[0], open(sys.argv[1], "wb")
while True:
    data = c.recv(65536)
    if not data:
        break
    out.write(data)
PYTHON
ip netns exec "$space" timeout 60 python3 "$tmp/listen.py" "$tmp/stream" &
collector=$!
wait_for 10 listens t
run inside "$exports" 5000 ipfix tcp:127.0.0.1:9995
if [ "$status" -ne 0 ] && grep -q 'without libfixbuf' <<<"$err"; then
	skip "IPFIX over TCP" "built without libfixbuf"
else
	sent=$out
	wait $collector
	is "$status" 0 "IPFIX over TCP is sent"
	run "$exports" read "$tmp/stream"
	is "$(cut -d' ' -f1-6 <<<"$out")" "$(cut -d' ' -f1-6 <<<"$sent")" "and is what arrives"
	is "$(tshark -r "$tmp/stream" -Y '_ws.malformed || _ws.expert' 2>/dev/null | head -n 3)" "" "tshark decodes it without a fault"
fi
collector=
run inside "$exports" 10 ipfix tcp:127.0.0.1:9995
is "$status" 1 "a collector that is not there"
like "$err" 'cannot connect to 127.0.0.1 port 9995: Connection refused|without libfixbuf' "is told"
done_testing
