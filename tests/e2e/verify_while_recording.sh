#!/bin/bash
# A campaign that is being recorded into, and whose oldest segments are being deleted, is sound at every moment.
. "$(dirname "$0")/lib.sh"
need_namespaces

space=weir-verify-$unique
cleanup() {
	[ -z "${recorder:-}" ] || kill "$recorder" 2>/dev/null
	[ -z "${sender:-}" ] || kill "$sender" 2>/dev/null
	ip netns del "$space" 2>/dev/null
}
ip netns add "$space" && ip -n "$space" link set lo up || skip_all "no namespace of our own"
ip netns exec "$space" "$WEIR" record -i lo -o "$tmp/c" --for 30s --segment 64K --max-size 256K -q >"$tmp/record" 2>&1 &
recorder=$!
ip netns exec "$space" bash -c '
	data=$(printf "%0900d" 0)
	exec 3>/dev/udp/127.0.0.1/9
	while :; do printf "%s" "$data" >&3; done' 2>/dev/null &
sender=$!
segments() {
	[ "$("$WEIR" info --json "$tmp/c" | sed -n 's/.*"segments": *\([0-9]*\).*/\1/p' | head -n 1)" -ge "$1" ]
}
wait_for 20 segments 4 || not_ok "recording begins" "$(cat "$tmp/record")"
passed=0 wrong=""
until=$((SECONDS + 6))
while [ $SECONDS -lt $until ]; do
	run "$WEIR" verify "$tmp/c"
	[ "$status" -eq 0 ] && passed=$((passed + 1)) || wrong+="$status: $(head -n 3 <<<"$out$err")
"
done
is "$wrong" "" "verify finds nothing wrong while it is written"
kill -INT "$recorder" 2>/dev/null
wait "$recorder"
is "$?" 0 "the recording ends well"
check "and at the end" "$WEIR" verify "$tmp/c"
[ "$passed" -gt 0 ] && ok "verify ran meanwhile" || not_ok "verify ran meanwhile"
done_testing
