#!/bin/bash
# Events of DNS and HTTP are those that happened, each once, with the processes that asked and served; hostile bytes on their ports do no harm.
# run: waits
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command python3
space=weir-trace-packets-$unique
tracer=
server=
cleanup() {
	[ -z "$tracer" ] || kill "$tracer" 2>/dev/null
	[ -z "$server" ] || kill "$server" 2>/dev/null
	ip netns del "$space" 2>/dev/null
}
ip netns add "$space"
inside() { ip netns exec "$space" "$@"; }
inside ip link set lo up
inside "$WEIR" trace --list -p dns,http --json >"$tmp/list" 2>&1
grep -q '"lack":"' "$tmp/list" && skip_all "packets or their processes can't be had here: $(grep -o '"lack":"[^"]*' "$tmp/list" | head -n 1)"

# trace NAME ARGUMENTS...: begins, and returns when its first event (of its own) is in the file's buffer or on the screen
trace() {
	local name=$1 i
	shift
	ip netns exec "$space" "$WEIR" trace --json -p weir,dns,http "$@" >"$tmp/$name.json" 2>"$tmp/$name.err" &
	tracer=$!
	for i in $(seq 300); do
		grep -q '"event":"start"' "$tmp/$name.json" && return
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
	python3 -c "
import json, sys
n = 0
for line in open('$tmp/$1.json'):
    e = json.loads(line); f = e['fields']
    n += bool($2)
print(n)"
}

# Answers and serves: names that begin with n are not there, others have an address. Says when it listens.
cat >"$tmp/server.py" <<'EOP'
import http.server, os, socket, struct, threading
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 53))
def answer():
    while True:
        q, a = s.recvfrom(4096)
        if len(q) < 18 or q[4:6] != b'\0\1' or q[2] & 0x80: continue
        missing = q[13:14] == b'n'
        r = q[:2] + struct.pack('>HHHHH', 0x8183 if missing else 0x8180, 1, 0 if missing else 1, 0, 0) + q[12:]
        if not missing: r += b'\xc0\x0c' + struct.pack('>HHIH', 1, 1, 60, 4) + bytes([192, 0, 2, 7])
        s.sendto(r, a)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(404 if self.path == '/none' else 200); self.send_header('Content-Length', '2'); self.end_headers(); self.wfile.write(b'ok')
    def log_message(self, *a): pass
web = http.server.ThreadingHTTPServer(('127.0.0.1', 8080), Handler)
threading.Thread(target=answer, daemon=True).start()
print(os.getpid(), flush=True)
web.serve_forever()
EOP
cat >"$tmp/client.py" <<'EOP'
import http.client, os, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', 53)); s.settimeout(5)
for i in range(20):
    name = (b'n%d' if i % 4 == 0 else b'h%d') % i
    s.send(struct.pack('>HHHHHH', 1000 + i, 0x100, 1, 0, 0, 0) + bytes([len(name)]) + name + b'\7example\0' + struct.pack('>HH', 1, 1)); s.recv(4096)
c = http.client.HTTPConnection('127.0.0.1', 8080, timeout=5)
for i in range(15):
    c.request('GET', '/none' if i % 5 == 0 else '/page/%d?x=y' % i, headers={'Host': 'shop.example:8080'}); c.getresponse().read()
c.request('GET', '/' + 'a' * 1000); c.getresponse().read()
print(os.getpid())
EOP
ip netns exec "$space" python3 "$tmp/server.py" >"$tmp/server" 2>"$tmp/server.err" &
server=$!
for i in $(seq 200); do
	[ -s "$tmp/server" ] && break
	sleep 0.05
done
serving=$(cat "$tmp/server")

trace good
asking=$(inside python3 "$tmp/client.py")
ended
is "$status" 0 "a trace that is interrupted ends well"
is "$(cat "$tmp/good.err")" "" "nothing is missing or lost"
is "$(counts good "e['provider']=='dns' and e['event']=='query'")" 20 "dns: every query, once"
is "$(counts good "e['provider']=='dns' and e['event']=='query' and e.get('pid')==$asking and f['server_process']==$serving and f['type']=='A' and f['name'].endswith('.example') and f['destination_port']==53")" 20 \
	"dns: … with the process that asks and the one that serves, type and name"
is "$(counts good "e['event']=='answer' and e.get('pid')==$asking and f['result']=='noerror' and f['answers']==1 and f['address']=='192.0.2.7' and f['latency'] is not None")" 15 \
	"dns: answers with address and latency"
is "$(counts good "e['event']=='answer' and e.get('pid')==$asking and f['result']=='nxdomain' and f['answers']==0 and f['address'] is None")" 5 "dns: answers that there is none"
is "$(python3 -c "
import json
q, a = {}, {}
for e in map(json.loads, open('$tmp/good.json')):
    if e['provider'] == 'dns': (q if e['event'] == 'query' else a)[e['activity']] = e['fields']['name']
print(len(q), q == a)")" "20 True" "dns: a query and its answer have one activity, others another"
is "$(counts good "e['provider']=='http' and e['event']=='request'")" 16 "http: every request, once"
is "$(counts good "e['event']=='request' and e.get('pid')==$serving and f['client_process']==$asking and f['method']=='GET' and f['host']=='shop.example'")" 15 \
	"http: … with the process that serves and the one that asks, and the host"
is "$(counts good "e['event']=='request' and f['path'].startswith('/page/') and f['path'].endswith('?x=y')")" 12 "http: … with its path"
is "$(counts good "e['event']=='request' and f['path']=='/' + 'a' * 199")" 1 "http: a long path is cut to 200 bytes"
is "$(counts good "e['event']=='response' and e.get('pid')==$serving and f['status']==200 and f['latency'] is not None")" 13 "http: responses with status and latency"
is "$(counts good "e['event']=='response' and f['status']==404")" 3 "http: … of what is not there too"

trace one --pid "$serving"
inside python3 "$tmp/client.py" >"$tmp/again"
ended
is "$(counts one "e['provider']=='http' and e['event']=='request'") $(counts one "e['provider']=='dns'")" "16 0" "--pid: events of that process alone"

# Bytes of all kinds on both ports, names that a terminal would obey among them; then what is good is seen as before.
trace bad
inside python3 - <<'EOP'
import random, socket, struct
random.seed(5)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', 53))
def send(b):
    try: s.send(b)
    except OSError: pass
head = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0)
send(head + b'\5\x1b[2J\n\0' + struct.pack('>HH', 1, 1))
send(head + b'\xc0\x0c\0\1\0\1')
send(head + b'\x3f' + b'a' * 20)
send(head + (b'\x3f' + b'\xff' * 63) * 3 + b'\x3d' + b'\xff' * 61 + b'\0' + struct.pack('>HH', 1, 1))
send(struct.pack('>HHHHHH', 7, 0x8180, 65535, 65535, 65535, 65535) + b'\0' * 5)
send(struct.pack('>HHHHHH', 7, 0x8180, 0, 1, 0, 0) + b'\0' + struct.pack('>HHIH', 1, 1, 0, 60000))
for i in range(300): send(bytes(random.randrange(256) for _ in range(random.randrange(60))))
for i in range(300): send(head + bytes(random.randrange(256) for _ in range(random.randrange(60))))
for payload in [b'GET \x1b]0;x\x07/ HTTP/1.1\r\nHost: \x1b[2J\r\n\r\n', b'GET ' + b'/' * 3000, b'GET / HTTP/1.1\r\nhost:', b'GET \r\n\r\n', b'HTTP/1.1 999999', b'HTTP/1.1',
        b'HTTP/1.1 \xff\xff\xff\xff x', bytes(range(256))] + [b'GET ' + bytes(random.randrange(256) for _ in range(40)) for _ in range(20)]:
    c = socket.create_connection(('127.0.0.1', 8080)); c.sendall(payload); c.close()
EOP
inside python3 "$tmp/client.py" >"$tmp/again"
ended
is "$status" 0 "hostile bytes: it ends well"
asking=$(cat "$tmp/again")
is "$(counts bad "e['event']=='query' and e.get('pid')==$asking") $(counts bad "e['event']=='request' and f['client_process']==$asking")" "20 16" "hostile bytes: what is good is seen beside them"
is "$(counts bad "e['event']=='query' and '[2J' in f['name']")" 1 "hostile bytes: a name of control characters is a name"
is "$(LC_ALL=C grep -c -P '[\x00-\x08\x0b-\x1f\x7f]' "$tmp/bad.json")" 0 "hostile bytes: none of them reaches the terminal as it is"
done_testing
