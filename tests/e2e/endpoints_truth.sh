#!/bin/bash
# Every connection of a program that opens, uses and closes many from forked children is seen by `weir endpoints --watch`, with the right process and the bytes that it sent.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command python3
connections=$TOOLS/tests/connections
[ -x "$connections" ] || skip_all "tests/connections is not built"

namespace=weir-ends-$unique watcher=
cleanup() {
	[ -z "$watcher" ] || kill -9 "$watcher" 2>/dev/null
	ip netns del "$namespace" 2>/dev/null
	return 0
}
ip netns add "$namespace"
ip -n "$namespace" link set lo up

count=10000
! grep -qa -e __asan_init -e __tsan_init "$WEIR" || count=1000

ip netns exec "$namespace" "$WEIR" endpoints --watch --json >"$tmp/events" 2>"$tmp/err" &
watcher=$!
is_watching() { grep -q ': watching, ' "$tmp/err" || ! kill -0 "$watcher" 2>/dev/null; }
wait_for 20 is_watching
! grep -q 'CAP_BPF\|no /sys/kernel/btf\|built without eBPF' "$tmp/err" || skip_all "no eBPF here: $(head -n 1 "$tmp/err")"
plan 6

run ip netns exec "$namespace" "$connections" "$count" "$tmp/log"
is "$status" 0 "a program makes $count connections"
kill -INT "$watcher"
wait "$watcher"
status=$?
watcher=
is "$status" 0 "Ctrl-C ends the watch well"
unlike "$(cat "$tmp/err")" 'were lost' "no event is lost"
run python3 "$ROOT/tests/e2e/compare_endpoints.py" "$tmp/log" "$tmp/events"
[ "$status" -eq 0 ] && ok "every socket is seen once, with its process, addresses, bytes and datagrams" ||
	not_ok "every socket is seen once, with its process, addresses, bytes and datagrams" "$out
$err"
like "$out" "^logged $(wc -l <"$tmp/log") agree $(wc -l <"$tmp/log") " "none is missing"
like "$out" '^executables connections$' "and its executable, of children that are gone at once"
