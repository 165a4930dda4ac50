#!/bin/bash
# Packets that the stack drops, each for another reason: the reason, the tuple and the place are told.
# run: waits
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command python3 iptables tc
"$WEIR" trace --list -p net.drop --json >"$tmp/list" 2>&1
grep -q '"lack":"' "$tmp/list" && skip_all "drops can't be seen here: $(grep -o '"lack":"[^"]*' "$tmp/list" | head -n 1)"
"$WEIR" trace -d 1s -p net.drop -w "$tmp/none.pcapng" || skip_all "drops can't be seen here"
near=weir-near-$unique
far=weir-far-$unique
tracer=
cleanup() {
	[ -z "$tracer" ] || kill "$tracer" 2>/dev/null
	ip netns del "$near" 2>/dev/null
	ip netns del "$far" 2>/dev/null
}
ip netns add "$near"
ip netns add "$far"
ip link add "a$unique" netns "$near" type veth peer name "b$unique" netns "$far" || skip_all "no veth here"
near() { ip netns exec "$near" "$@"; }
far() { ip netns exec "$far" "$@"; }
near ip link set lo up
far ip link set lo up
near ip addr add 10.9.0.1/24 dev "a$unique"
far ip addr add 10.9.0.2/24 dev "b$unique"
near ip link set "a$unique" up
far ip link set "b$unique" up
near ip route add default via 10.9.0.2
near ethtool -K "a$unique" tx off >/dev/null 2>&1
far sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=1 "net.ipv4.conf.b$unique.rp_filter=1" net.ipv4.icmp_ratelimit=0
far ip link add "c$unique" type veth peer name "d$unique"
far ip link set "d$unique" up
far ip link set "c$unique" up mtu 1280
far ip addr add 10.8.0.1/24 dev "c$unique"
far iptables -A INPUT -p udp --dport 7003 -j DROP
near ping -c 1 -W 2 10.9.0.2 >/dev/null 2>&1

cat >"$tmp/raw.py" <<'EOP'
# An IPv4 datagram of UDP or TCP with what is wrong with it, past the stack: raw.py KIND SOURCE DESTINATION PORT
import socket, struct, sys
def checksum(d):
    if len(d) % 2: d += b'\0'
    s = sum(struct.unpack('!%dH' % (len(d) // 2), d))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
kind, source, destination, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
src, dst = socket.inet_aton(source), socket.inet_aton(destination)
proto = {'flags': 6, 'tcpsum': 6, 'proto': 253}.get(kind, 17)
if proto == 6:
    body = struct.pack('!HHIIBBHHH', 4000, port, 1, 0, 5 << 4, 0x03 if kind == 'flags' else 0x02, 1000, 0, 0)
    c = checksum(src + dst + struct.pack('!BBH', 0, 6, len(body)) + body)
    if kind == 'tcpsum': c ^= 0x1234
    body = body[:16] + struct.pack('!H', c) + body[18:]
else:
    data = b'd' * (1400 if kind == 'mtu' else 20)
    body = struct.pack('!HHHH', 4000, port, 8 + len(data), 0) + data
    if kind == 'udpsum': body = body[:6] + b'\x12\x34' + body[8:]
ttl = 1 if kind == 'ttl' else 64
head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(body), 7, 0x4000, ttl, proto, 0, src, dst)
head = head[:10] + struct.pack('!H', checksum(head)) + head[12:]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
s.sendto(head + body, (destination, 0))
EOP
raw() { near python3 "$tmp/raw.py" "$@"; }

"$WEIR" trace -p net.drop -w "$tmp/drops.pcapng" 2>"$tmp/err" &
tracer=$!
sleep 1.2
raw plain 10.9.0.1 10.9.0.2 7001
raw tcpsum 10.9.0.1 10.9.0.2 7002
raw plain 10.9.0.1 10.9.0.2 7003
raw plain 10.8.0.9 10.9.0.2 7004
raw ttl 10.9.0.1 10.8.0.7 7005
raw mtu 10.9.0.1 10.8.0.7 7006
raw proto 10.9.0.1 10.9.0.2 7007
far python3 - <<'EOP' &
# A receiver that does not read, one that has closed, a port with a filter that lets nothing pass, a server for bad segments.
import socket, struct, time, ctypes
full = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304); full.bind(('10.9.0.2', 7008))
shut = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
code = struct.pack('HBBI', 6, 0, 0, 0); room = ctypes.create_string_buffer(code)
shut.setsockopt(socket.SOL_SOCKET, 26, struct.pack('HL', 1, ctypes.addressof(room))); shut.bind(('10.9.0.2', 7009))
sums = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sums.bind(('10.9.0.2', 7011))
listen = socket.socket(); listen.bind(('10.9.0.2', 7010)); listen.listen()
time.sleep(1.5)
EOP
receiver=$!
sleep 0.5
near python3 -c "
import socket
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
for i in range(30): s.sendto(b'f'*1000,('10.9.0.2',7008))
s.sendto(b'filtered',('10.9.0.2',7009))"
raw udpsum 10.9.0.1 10.9.0.2 7011
raw flags 10.9.0.1 10.9.0.2 7010
far ip route add unreachable 10.7.0.0/24
raw plain 10.9.0.1 10.6.0.1 7012
near tc qdisc add dev "a$unique" root tbf rate 8kbit burst 1600 limit 1600
near python3 -c "
import socket
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
for i in range(10): s.sendto(b'q'*1200,('10.9.0.2',7013))"
near tc qdisc del dev "a$unique" root
wait $receiver
# Of a neighbour that is not there, three seconds later.
near python3 -c "
import socket
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b'n'*10,('10.9.0.77',7014))"
wait_for 6 sh -c "ip netns exec $near ip neigh show 10.9.0.77 | grep -q FAILED"
sleep 0.3
kill -INT "$tracer"
wait "$tracer"
tracer=
"$WEIR" trace -r "$tmp/drops.pcapng" --json >"$tmp/drops.json"

dropped() { # REASONS PORT PLACES WHAT
	run python3 - "$tmp/drops.json" "$@" <<'EOP'
import json, sys
file, reasons, port, places = sys.argv[1], sys.argv[2].split('|'), int(sys.argv[3]), sys.argv[4]
seen = [e['fields'] for e in map(json.loads, open(file)) if e['fields']['destination_port'] == port]
fine = [f for f in seen if f['reason'] in reasons and f['source'] in ('10.9.0.1', '10.8.0.9') and (places in f['place'] if places else f['place'])]
print(len(fine)); print([(f['reason'], f['place'], f['source'], f['destination']) for f in seen][:4])
sys.exit(not fine)
EOP
	if [ "$status" -eq 0 ]; then ok "$4"; else not_ok "$4" "$out"; fi
}
dropped NO_SOCKET 7001 udp "a closed UDP port"
dropped 'TCP_CSUM' 7002 tcp "a bad TCP checksum"
dropped NETFILTER_DROP 7003 '' "netfilter"
dropped IP_RPFILTER 7004 ip_ "a source that the reverse path has not (rp_filter)"
dropped IP_INHDR 7005 ip_forward "a TTL that is over"
dropped 'PKT_TOO_BIG' 7006 ip_forward "more than the next MTU takes, not to be fragmented"
dropped SOCKET_RCVBUFF 7008 udp "a full receive buffer"
dropped SOCKET_FILTER 7009 '' "a socket's filter"
dropped 'TCP_FLAGS' 7010 tcp "flags of TCP that make no sense"
dropped 'UDP_CSUM' 7011 udp "a bad UDP checksum"
dropped 'IP_INNOROUTES' 7012 ip_ "no route to go on"
dropped 'QDISC_DROP|QDISC_OVERLIMIT' 7013 '' "a queue that is full"
dropped 'NEIGH_FAILED' 7014 '' "a neighbour that is not there"
is "$(python3 -c "
import json
print(any(e['fields']['reason']=='IP_NOPROTO' or e['fields']['reason']=='UNHANDLED_PROTO' for e in map(json.loads, open('$tmp/drops.json')) if e['fields']['source']=='10.9.0.1' and e['fields']['protocol']==253))")" True "a protocol that nobody takes"
like "$(grep '"destination_port":7013' "$tmp/drops.json" | grep QDISC | head -n 1)" '"process":"python3"' "what is dropped in the sender's own call names its process"
done_testing
