#!/bin/bash
# watch -i prints what passes as it passes, and ends on Ctrl-C as tcpdump does.
. "$(dirname "$0")/lib.sh"
need_root
plan 6

port=$((20000 + unique % 20000))
watcher=
cleanup() { [ -z "$watcher" ] || kill "$watcher" 2>/dev/null; }

send() { echo hello >"/dev/udp/127.0.0.1/$port"; }
seen() { # COUNT: sends another one, and looks whether so many lines are there
	send
	[ "$(wc -l <"$tmp/out")" -ge "$1" ]
}

"$WEIR" watch -i lo -n udp port $port >"$tmp/out" 2>"$tmp/err" &
watcher=$!
check "packets are printed as they pass, into a file too" wait_for 20 seen 2
like "$(head -n 1 "$tmp/out")" "^[0-9:.]{15} IP 127\.0\.0\.1\.[0-9]+ > 127\.0\.0\.1\.$port: UDP, length 6( \\[.*\\])?$" "a line a packet"
kill -INT "$watcher"
wait "$watcher"
status=$?
watcher=
is "$status" 0 "Ctrl-C ends it well"
like "$(cat "$tmp/err")" "^$(wc -l <"$tmp/out") packets captured" "it says how many packets it printed"
like "$(cat "$tmp/err")" '^0 packets dropped by kernel' "and how many were lost"

run "$WEIR" watch -i no-such-interface
is "$status" 3 "an interface that is not there"
