#!/bin/bash
# Events of the kernel are counted as others count them, belong to the right process, and carry its CPU times; what is lost is counted to the last one.
# run: waits
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command python3
"$WEIR" trace --list -p tcp,udp,sched,process,net.drop --json >"$tmp/list" 2>&1
grep -q '"lack":"' "$tmp/list" && skip_all "events of the kernel can't be had here: $(grep -o '"lack":"[^"]*' "$tmp/list" | head -n 1)"
traced=$TOOLS/tests/traced
space=weir-trace-$unique
tracer=
cleanup() {
	[ -z "$tracer" ] || kill "$tracer" 2>/dev/null
	ip netns del "$space" 2>/dev/null
}
ip netns add "$space"
inside() { ip netns exec "$space" "$@"; }
inside ip link set lo up

# trace NAME ARGUMENTS...: begins, and returns when it has begun
trace() {
	local name=$1
	shift
	"$WEIR" trace -w "$tmp/$name.pcapng" "$@" 2>"$tmp/$name.err" &
	tracer=$!
	local i
	for i in $(seq 200); do
		# Its programs are attached before it first waits: what it opened last is the ring's epoll.
		grep -q ep_poll "/proc/$tracer/wchan" 2>/dev/null && return
		[ "$(awk '{print $3}' "/proc/$tracer/stat" 2>/dev/null)" = S ] && ls -l "/proc/$tracer/fd" 2>/dev/null | grep -q eventpoll && sleep 0.3 && return
		sleep 0.05
	done
}
ended() {
	kill -INT "$tracer"
	wait "$tracer"
	status=$?
	tracer=
}
# counts NAME PYTHON-CONDITION over e (an event) and f (its fields)
counts() {
	"$WEIR" trace -r "$tmp/$1.pcapng" --json 2>/dev/null | python3 -c "
import json, sys
n = 0
for line in sys.stdin:
    e = json.loads(line); f = e['fields']
    n += bool($2)
print(n)"
}

cat >"$tmp/connect.py" <<'EOP'
# Ten connections on a port, one that is refused, twenty datagrams. Prints its process id, and the bytes.
import os, socket, sys
port = int(sys.argv[1])
server = socket.socket(); server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); server.bind(('127.0.0.1', port)); server.listen(20)
for i in range(10):
    c = socket.create_connection(('127.0.0.1', port)); a, _ = server.accept()
    c.sendall(b'x' * 1000); a.recv(1000, socket.MSG_WAITALL); c.close(); a.recv(1); a.close()
server.close()
try: socket.create_connection(('127.0.0.1', port))
except ConnectionRefusedError: pass
r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); r.bind(('127.0.0.1', port + 1))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', port + 1))
s6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); r6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); r6.bind(('::1', port + 1))
for i in range(10):
    s.send(b'y' * (100 + i)); r.recv(2000)
    s6.sendto(b'z' * 50, ('::1', port + 1)); r6.recv(2000)
print(os.getpid())
EOP
port=$((20000 + unique % 20000))
trace net -p tcp,udp,net.drop,weir
pid=$(inside python3 "$tmp/connect.py" $port)
ended
is "$status" 0 "a trace that is interrupted ends well"
mine="$port in (f.get('source_port'), f.get('destination_port'))"
is "$(counts net "e['provider']=='tcp' and e['event']=='connect' and e['pid']==$pid and f['destination_port']==$port")" 11 "tcp: every connect, by its process"
is "$(counts net "e['provider']=='tcp' and e['event']=='accept' and e['pid']==$pid and $mine")" 10 "tcp: every accept, by its process"
is "$(counts net "e['provider']=='tcp' and e['event']=='established' and $mine")" 20 "tcp: every connection is established at both ends"
is "$(counts net "e['provider']=='tcp' and e['event']=='close' and $mine and f['bytes_received'] in (1000, 1001)")" 10 "tcp: closes with the bytes that were received"
is "$(counts net "e['provider']=='tcp' and e['event']=='close' and $mine")" 22 "tcp: every close, of listening and refused ones too"
is "$(counts net "e['provider']=='tcp' and e['event']=='reset-sent' and $mine")" 1 "tcp: the reset of a port that is closed"
is "$(counts net "e['provider']=='udp' and e['event']=='send' and e['pid']==$pid and f['destination_port']==$port+1")" 20 "udp: every datagram that was sent, by its process"
is "$(counts net "e['provider']=='udp' and e['event']=='receive' and e['pid']==$pid and f['destination_port']==$port+1")" 20 "udp: every datagram that was received"
is "$(counts net "e['provider']=='udp' and e['event']=='arrive' and f['destination_port']==$port+1")" 20 "udp: every datagram that came to its socket"
is "$("$WEIR" trace -r "$tmp/net.pcapng" --json -p udp --keyword send | python3 -c "
import json,sys
print(sum(e['fields']['bytes'] for e in map(json.loads, sys.stdin) if e.get('pid')==$pid))")" 1545 "udp: the bytes that were sent"

# Retransmissions: as the kernel counts them itself.
before=$(inside cat /proc/net/snmp | awk '/^Tcp: [0-9]/{print $13}')
inside iptables -A INPUT -p tcp --dport $port -m length --length 1000: -m statistic --mode nth --every 7 -j DROP 2>/dev/null && {
	trace loss -p tcp --keyword loss
	inside timeout 4 python3 -c "
import socket
s=socket.socket(); s.bind(('127.0.0.1',$port)); s.listen()
c=socket.create_connection(('127.0.0.1',$port)); a,_=s.accept(); c.settimeout(2)
for i in range(40):
    try: c.send(b'x'*20000); a.settimeout(2); a.recv(20000, socket.MSG_WAITALL)
    except OSError: break
" 2>/dev/null
	ended
	inside iptables -F INPUT
	after=$(inside cat /proc/net/snmp | awk '/^Tcp: [0-9]/{print $13}')
	# Of a handshake's SYN+ACK the event is another one, and of what is merged one stands for several segments.
	seen=$(counts loss "e['event']=='retransmit' and $mine")
	counted=$((after - before))
	if [ "$seen" -le "$counted" ] && [ "$seen" -gt 0 ]; then
		ok "tcp: retransmissions are seen, no more than RetransSegs counts ($seen of $counted)"
	else
		not_ok "tcp: retransmissions are seen, no more than RetransSegs counts" "seen $seen, counted $counted"
	fi
} || skip "tcp: retransmissions are seen" "iptables can not drop every seventh packet"

# Processes: started, ended with their code.
trace process -p process
# The search for leaks at its end would be a process more.
ASAN_OPTIONS=detect_leaks=0 "$traced" start 50 &
starter=$!
wait $starter
/bin/true
ended
is "$(counts process "e['event']=='start' and f['parent']==$starter")" 50 "process: every start"
is "$(counts process "e['event']=='exit' and f['parent']==$starter and f['code']==7")" 50 "process: every exit, with its code"
is "$(counts process "e['event']=='exec' and f['path']=='$traced' and f['process']==$starter")" 1 "process: exec, with its path"

# CPU times.
trace burn -p udp --keyword send
inside "$traced" burn $port $((port + 1)) $((port + 2)) >"$tmp/burnt"
ended
"$WEIR" trace -r "$tmp/burn.pcapng" --json | python3 -c "
import json, os, sys
told = {int(l.split()[0]): list(map(int, l.split()[1:])) for l in open('$tmp/burnt')}
tick = 1e9 / $(getconf CLK_TCK)
found = 0
for e in map(json.loads, sys.stdin):
    port = e['fields']['destination_port']
    if port in told and e['process'] == 'traced':
        found += 1
        off = [abs(a - b) for a, b in zip((e['user_ns'], e['kernel_ns']), told[port])]
        if max(off) > tick: print('off', port, off, told[port])
print(found)" >"$tmp/times"
is "$(cat "$tmp/times")" 3 "the CPU times of a thread are within a tick of getrusage's"

# Context switches: of one process, as getrusage counts them.
trace switch -p sched
"$traced" switch 20000 0 >"$tmp/switched" &
switcher=$!
wait $switcher
ended
"$WEIR" trace -r "$tmp/switch.pcapng" --json 2>"$tmp/switch.lost" | grep "\"pid\":$switcher," | python3 -c "
import json, sys, calendar, time
sides = [list(map(int, l.split())) for l in open('$tmp/switched')]
threads = {}
for e in map(json.loads, sys.stdin):
    t = e['time']; ns = calendar.timegm(time.strptime(t[:19], '%Y-%m-%dT%H:%M:%S')) * 10**9 + int(t[20:29])
    threads.setdefault(e['tid'], []).append(ns)
first = threads.get($switcher, []); second = [t for tid, list in threads.items() if tid != $switcher for t in list]
for (began, ended, switches), times in zip(sides, (first, second)):
    print(sum(began < t < ended for t in times) - switches)" >"$tmp/differences"
if grep -q lost "$tmp/switch.lost"; then
	skip "sched: every switch of two threads" "the machine was too busy: $(cat "$tmp/switch.lost")"
else
	is "$(tr '\n' ' ' <"$tmp/differences")" "0 0 " "sched: every switch of two threads, as getrusage counts them"
fi

# For Perfetto each is a scheduler event: TracePacket.ftrace_events (1), FtraceEventBundle.event (2), FtraceEvent.sched_switch (4).
"$WEIR" trace -r "$tmp/switch.pcapng" -p sched -c 500 --perfetto "$tmp/switch.perfetto" 2>/dev/null
is "$(python3 - "$tmp/switch.perfetto" <<'EOP'
import sys
def fields(d):
    at, out = 0, []
    def varint():
        nonlocal at
        v = s = 0
        while True:
            b = d[at]; at += 1; v |= (b & 127) << s; s += 7
            if not b & 128: return v
    while at < len(d):
        key = varint()
        if key & 7 == 0: v = varint()
        elif key & 7 == 2: n = varint(); v = d[at:at + n]; at += n; assert len(v) == n
        else: raise ValueError(key)
        out.append((key >> 3, v))
    return out
n = 0
for _, packet in fields(open(sys.argv[1], 'rb').read()):
    for number, bundle in fields(packet):
        if number == 1:
            event = dict(fields(dict(fields(bundle))[2])); switch = dict(fields(event[4]))
            n += event[1] > 10**18 and {1, 2, 3, 4, 5, 6, 7} <= set(switch)
print(n)
EOP
)" 500 "sched: each switch is one for Perfetto"

# With too small a buffer some are lost, and counted.
trace lost -p sched --buffer 256K
"$traced" yield 300000 0 >"$tmp/yielded"
kill -STOP "$tracer"
"$traced" yield 100000 0 >"$tmp/yielded"
kill -CONT "$tracer"
ended
like "$(cat "$tmp/lost.err")" 'sched: [0-9]+ of [0-9]+ events lost' "lost events are told"
python3 - "$tmp/lost.pcapng" >"$tmp/sums" <<'EOP'
import struct, sys
data = open(sys.argv[1], 'rb').read()
at, events, sums = 0, 0, {}
while at < len(data):
    kind, length = struct.unpack_from('<II', data, at)
    if kind == 0x0BAD and struct.unpack_from('<I', data, at + 8)[0] == 32473:
        magic = data[at + 12:at + 16]
        provider, = struct.unpack_from('<H', data, at + 16)
        if magic == b'wTrE' and provider == 3: events += 1
        if magic == b'wTrL' and provider == 3:
            sums[struct.unpack_from('<I', data, at + 20)[0]] = struct.unpack_from('<QQQ', data, at + 32)
    at += length
sent, kept, lost = (sum(x[i] for x in sums.values()) for i in range(3))
print(sent == kept + lost and kept == events and lost > 0 or (sent, kept, lost, events))
EOP
is "$(cat "$tmp/sums")" True "sent = kept + lost, to the last event, and kept is what is in the file"

# One process alone.
trace pid -p process,sched,tcp --pid $$
/bin/true
ended
is "$(counts pid "e['provider'] in ('tcp',) or (e['provider']=='process' and $$ not in (e['pid'], f['process']))")" 0 "--pid: nothing of others"
is "$(counts pid "e['event']=='start' and e['pid']==$$" | sed 's/^[1-9][0-9]*$/some/')" some "--pid: its own are there"
done_testing
