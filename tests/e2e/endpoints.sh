#!/bin/bash
# weir endpoints: lists, filters, ends one; who holds a socket that was passed on, shared or there before; and what is left without rights and without BTF.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command python3 jq setpriv unshare

namespace=weir-ends-$unique holder= watcher=
cleanup() {
	[ -z "$watcher" ] || kill -9 "$watcher" 2>/dev/null
	[ -z "$holder" ] || kill -9 "$holder" 2>/dev/null
	ip netns del "$namespace" 2>/dev/null
	return 0
}
ip netns add "$namespace"
ip -n "$namespace" link set lo up
inside() { ip netns exec "$namespace" "$@"; }

# A listening socket and a connection to it; a UDP socket of IPv6; one that parent and child have open and neither has used since; one accepted by a parent and
# served by a child. Waits for a line, then the child uses the shared one.
cat >"$tmp/holder.py" <<'PYTHON'
import os, socket, sys
server = socket.create_server(("127.0.0.1", 7100))
client = socket.create_connection(("127.0.0.1", 7100))
accepted, _ = server.accept()
client.sendall(b"x" * 1000)
accepted.recv(1000, socket.MSG_WAITALL)
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.bind(("::1", 7101))
shared = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
shared.bind(("127.0.0.1", 7102))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 89)
read_end, write_end = os.pipe()
answer_read, answer_write = os.pipe()
child = os.fork()
if child == 0:
    for s in (server, client, accepted, udp, raw):
        s.close()
    os.read(read_end, 1)
    shared.sendto(b"hello", ("127.0.0.1", 7109))
    os.write(answer_write, b"x")
    os.read(read_end, 1)
    os._exit(0)
print(os.getpid(), child, flush=True)
for line in sys.stdin:
    os.write(write_end, b"x")
    os.read(answer_read, 1)
    print("done", flush=True)
try:
    client.recv(1)
    print("end of file", flush=True)
except OSError as e:
    print(e.errno, flush=True)
os.write(write_end, b"x")
PYTHON
mkfifo "$tmp/in"
ip netns exec "$namespace" python3 "$tmp/holder.py" <"$tmp/in" >"$tmp/out" 2>"$tmp/holder.err" &
holder=$!
exec 9>"$tmp/in"
wait_for 10 test -s "$tmp/out"
read -r parent child <"$tmp/out"

list() { inside "$WEIR" endpoints --json "$@" 2>"$tmp/err"; }
one() { list "$@" | jq -c 'select(.state != "TIME_WAIT") | [.protocol, .state, .local_address, .local_port, .remote_address, .pid]'; }

is "$(one state listen)" "[\"tcp\",\"LISTEN\",\"127.0.0.1\",7100,null,$parent]" "a listening socket with its process"
is "$(one udp port 7101)" "[\"udp\",\"BOUND\",\"::1\",7101,null,$parent]" "a UDP socket of IPv6"
is "$(one tcp src port 7100 and state established | sort -u | wc -l)" 2 "both ends of a connection"
is "$(list 'tcp and state established and process python3' | jq -c '[.bytes_sent, .bytes_received]' | sort | tr '\n' ' ')" '[0,1000] [1000,0] ' "with the bytes that each sent"
is "$(list proto 89 | jq -c '[.raw, .protocol_number]')" '[true,89]' "a raw socket"
is "$(one port 9)" '' "a filter that nothing matches"
is "$(list user root and not state listen and tcp | jq -s length)" 2 "terms are joined and negated"
is "$(list --listening | jq -s 'map(.local_port) | sort' -c)" '[7100,7101,7102]' "--listening: what waits for others"
like "$(list tcp | jq -r .executable)" '/python3' "with the executable"
like "$(list tcp | jq -r .threads)" '^1$' "and the number of its threads"

run inside "$WEIR" endpoints tcp port 7100
like "$out" "LISTEN +127\.0\.0\.1:7100 +\*:\* +$parent +python3" "the table"
is "$err" "" "nothing is missing for root"
run inside "$WEIR" endpoints --columns protocol,local,nothing
is "$status" 2 "a column that there is not"
run inside "$WEIR" endpoints state sleeping
is "$status" 2 "a state that there is not"
run inside "$WEIR" endpoints tcp or process x
is "$status" 2 "a term of ours beside 'or'"

# Who holds what several have open.
is "$(one port 7102)" '["udp","BOUND","127.0.0.1",7102,null,null]' "what two processes have open and none was seen to use names nobody"
ip netns exec "$namespace" "$WEIR" endpoints --watch --json udp port 7102 >"$tmp/events" 2>"$tmp/watch.err" &
watcher=$!
wait_for 20 grep -q ': watching, ' "$tmp/watch.err"
echo >&9
wait_for 10 grep -q done "$tmp/out"
kill -INT "$watcher"
wait "$watcher"
if grep -q 'no ping sockets' "$tmp/watch.err"; then
	skip "who uses it holds it" "$(cat "$tmp/watch.err")"
else
	is "$(jq -r 'select(.pid) | .pid' "$tmp/events" | tail -n 1)" "$child" "who uses it holds it"
fi

# Without rights, and without what the kernel tells of its types.
nobody() { inside setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all "$@"; }
chmod 755 "$tmp"
cp "$WEIR" "$tmp/weir" && chmod 755 "$tmp/weir"
run nobody "$tmp/weir" endpoints --json tcp and state listen
is "$status" 0 "as nobody it lists what it may"
like "$out" '"local_port":7100' "the sockets"
unlike "$out" '"pid"' "without the processes of others"
like "$err" 'CAP_BPF' "and says which right is missing"
is "$(wc -l <<<"$err")" 1 "in one line"
run nobody "$tmp/weir" endpoints close 1
is "$status" 3 "nobody ends nothing"

no_types() { inside unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' - "$@"; }
run no_types "$WEIR" endpoints --json tcp and state listen
is "$status" 0 "without BTF it lists what it can"
like "$out" "\"local_port\":7100.*\"pid\":$parent" "with processes, from /proc"
like "$err" 'CONFIG_DEBUG_INFO_BTF' "and says what the kernel lacks"
is "$(list --no-bpf 'tcp and state established' | jq -c '[.bytes_sent, .bytes_received]' | sort | tr '\n' ' ')" '[0,1000] [1000,0] ' "the list has the bytes of TCP too"

# Ending one.
id=$(list "tcp and src port 7100 and state established" | jq -r 'select(.remote_port == 7100) | .id')
run inside "$WEIR" endpoints close "$id"
if [ "$status" -ne 0 ] && grep -q DESTROY <<<"$err"; then
	skip "close ends a connection" "$err"
	skip "its process is told so" "$err"
	skip "and what is gone can't be ended again" "$err"
else
	like "$out" "^ended $id: tcp 127\.0\.0\.1:[0-9]+ > 127\.0\.0\.1:7100 ESTABLISHED python3\[$parent\]" "close ends a connection and says which"
	exec 9>&-
	wait_for 10 grep -q '^[0-9]*$' "$tmp/out"
	is "$(tail -n 1 "$tmp/out")" 103 "its process is told so (ECONNABORTED)"
	run inside "$WEIR" endpoints close "$id"
	is "$status" 3 "what is gone can't be ended again"
fi
done_testing
