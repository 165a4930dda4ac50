#!/bin/bash
# weir up records every interface that is up, loopback too.
# run: sanitize waits
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../tools/netns.sh"
network_up
ip -n "$namespace_in" link set lo up
ip -n "$namespace_in" link add name sleeping type dummy 2>/dev/null
cd "$tmp" || exit 1
ip netns exec "$namespace_in" "$WEIR" up --json $sandbox --ring-size 4M --buffer 16M --for 3 >"$tmp/record.out" 2>"$tmp/record.err" &
recorder=$!
wait_for 20 is_recording
send -n 500 -s 100
taker "$send" -n 300 -s 100 lo >/dev/null
record_wait
is "$status" 0 "it ends well"
[ -d "$tmp/campaign" ] && ok "it makes ./campaign" || not_ok "it makes ./campaign" "$err"
numbers --iface in
is "$(field "$numbers" distinct)" 500 "an interface that is up is recorded"
numbers --iface lo
is "$(field "$numbers" distinct)$(field "$numbers" duplicates)" 3000 "loopback too, each packet once"
unlike "$summary" sleeping "what is down is not"
like "$(head -n 1 "$tmp/record.out")" '"packets_per_second":.*"written_bytes":.*"lost":.*"segments":.*"disk_left_bytes":' "a status line has all that it should"
done_testing
