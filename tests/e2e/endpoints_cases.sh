#!/bin/bash
# weir endpoints: what is easily counted or named wrongly: error queues, MPTCP, a user that changes, sockets that never connect, ping; and that others' programs work on.
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command python3 jq

namespace=weir-case-$unique watcher= group=
cleanup() {
	[ -z "$watcher" ] || kill -9 "$watcher" 2>/dev/null
	ip netns del "$namespace" 2>/dev/null
	[ -z "$group" ] || rmdir "$group" 2>/dev/null
	rm -f "/sys/fs/bpf/weir-case-$unique"
	return 0
}
ip netns add "$namespace"
ip -n "$namespace" link set lo up
ip -n "$namespace" address add 192.0.2.1/24 dev lo
inside() { ip netns exec "$namespace" "$@"; }

cat >"$tmp/cases.py" <<'PYTHON'
import os, select, socket, struct, sys, time
lo = "127.0.0.1"
bound = socket.socket()
bound.bind((lo, 7301))
print("ready", flush=True)
sys.stdin.readline()
bound.close()

refused = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
refused.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
refused.bind((lo, 7302))
refused.connect((lo, 9))
refused.send(b"x" * 100)
for _ in range(100):
    try:
        refused.recvmsg(1000, 1000, socket.MSG_ERRQUEUE)
        break
    except BlockingIOError:
        time.sleep(.01)
refused.close()

try:
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
except OSError:
    print("no mptcp", flush=True)
else:
    server.bind((lo, 7303))
    server.listen()
    client.bind((lo, 7304))
    client.connect((lo, 7303))
    accepted, _ = server.accept()
    client.send(b"x" * 50)
    accepted.recv(50)
    for s in (client, accepted, server):
        s.close()

def echo(raw, number):
    packet = struct.pack("!BBHHH", 8, 0, 0, 7306, number) + b"x" * 56
    total = sum(struct.unpack("!32H", packet))
    total = (total & 0xffff) + (total >> 16)
    raw.sendto(packet[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + packet[4:], (lo, 0))

raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
print(os.getpid(), flush=True)
number = 0
while not select.select([sys.stdin], [], [], .05)[0]:
    echo(raw, number)
    number += 1
sys.stdin.readline()
raw.close()

user = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
user.bind((lo, 7305))
os.setuid(65534)
user.sendto(b"x", (lo, 9))
user.close()
print("done", flush=True)
PYTHON
mkfifo "$tmp/in"
ip netns exec "$namespace" python3 "$tmp/cases.py" <"$tmp/in" >"$tmp/out" 2>"$tmp/cases.err" &
exec 9>"$tmp/in"
wait_for 10 grep -q ready "$tmp/out"
ip netns exec "$namespace" "$WEIR" endpoints --watch --json >"$tmp/events" 2>"$tmp/watch.err" &
watcher=$!
wait_for 20 grep -q ': watching, ' "$tmp/watch.err"
grep -q 'no bytes of UDP' "$tmp/watch.err" && skip_all "$(cat "$tmp/watch.err")"
echo >&9
wait_for 10 grep -q '^[0-9]' "$tmp/out"
pid=$(grep '^[0-9]' "$tmp/out")
raw=$(inside "$WEIR" top --once --view endpoints --json --count 2 2>/dev/null | tail -n 1)
echo >&9
wait_for 10 grep -q '^done' "$tmp/out"
wait_for 10 jq -se 'any(.local_port == 7305 and .event == "went")' "$tmp/events"

# A program of a cgroup below answers what the first timeout of a SYN is; ours is the cgroups' root's, and comes after it.
cat >"$tmp/reply.bpf.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("sockops") int reply(struct bpf_sock_ops *context)
{
	if (context->op == BPF_SOCK_OPS_TIMEOUT_INIT)
		context->reply = 77;
	return 1;
}
char LICENSE[] SEC("license") = "GPL";
C
root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
timeout_of_syn() { # of a process of that cgroup, in µs
	(echo "$BASHPID" >"$group/cgroup.procs" && exec ip netns exec "$namespace" python3 -c '
import socket, struct, time
s = socket.socket()
s.setblocking(False)
s.connect_ex(("192.0.2.2", 80))
time.sleep(.05)
print(struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, 11, 104), 8)[0])')
}
others=0
if command -v clang bpftool >/dev/null && clang -O2 -target bpf "-I/usr/include/$(gcc -print-multiarch 2>/dev/null)" -c "$tmp/reply.bpf.c" -o "$tmp/reply.bpf.o" 2>"$tmp/clang.err" &&
	mkdir "$root/weir-case-$unique" && group=$root/weir-case-$unique && bpftool prog load "$tmp/reply.bpf.o" "/sys/fs/bpf/weir-case-$unique" 2>/dev/null &&
	bpftool cgroup attach "$group" sock_ops pinned "/sys/fs/bpf/weir-case-$unique" multi 2>/dev/null; then
	others=$(timeout_of_syn)
fi
kill -INT "$watcher"
wait "$watcher"
watcher=
[ "$others" = 0 ] || alone=$(timeout_of_syn)
of() { jq -sc "map(select(.local_port == $1 and .event == \"$2\")) | $3" "$tmp/events"; }

is "$(of 7301 went length)" 1 "a TCP socket that was only bound goes when it is closed"
is "$(of 7302 went '.[0] | [.packets_sent, .bytes_sent, .packets_received, .bytes_received]')" '[1,100,0,0]' "what comes out of an error queue was not received"
if grep -q '^no mptcp' "$tmp/out"; then
	skip "an MPTCP connection is one" "the kernel has none"
	skip "with its bytes and its process" "the kernel has none"
else
	is "$(of 7303 came 'map(.state)') $(of 7304 came 'map(.state)')" '["LISTEN","ESTABLISHED"] ["SYN_SENT"]' "an MPTCP connection is one"
	is "$(of 7304 went "map([.bytes_sent, .pid == $pid, .packets_sent < 100])") $(of 7303 went 'map(select(.remote_port)) | map(.bytes_received)')" '[[50,true,true]] [50]' \
		"with its bytes and its process"
fi
is "$(of 7305 went '.[0].user')" '"nobody"' "a process is the user that it was when it used the socket last"
if [ "$others" = 0 ]; then
	skip "another's program decides as it does without weir" "no program could be attached"
else
	is "$others" "$alone" "another's program decides as it does without weir"
fi
is "$(jq '[.endpoints[] | select(.protocol == "raw:icmp" and .bytes_sent >= 300)] | length' <<<"$raw")" 1 "what a raw socket carries after its first packet is seen too"
done_testing
