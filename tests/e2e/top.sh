#!/bin/bash
# weir top on a real terminal (tmux): views, keys, sorting, filters, freezing, looking into things, resizing, colours, and that it neither flickers nor lets through what others named.
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command tmux python3 jq setpriv
ldd "$WEIR" | grep -q ncurses || skip_all "this weir was built without ncurses"

namespace=weir-top-$unique
export TMUX_TMPDIR=$tmp
traffic=
recorder=
cleanup() {
	terminal kill-server 2>/dev/null
	[ -z "$recorder" ] || kill -KILL "$recorder" 2>/dev/null
	[ -z "$traffic" ] || kill "$traffic" 2>/dev/null
	ip netns del "$namespace" 2>/dev/null
}

ip netns add "$namespace" && ip -n "$namespace" link set lo up || skip_all "no network namespace"
inside() { ip netns exec "$namespace" "$@"; }
ip netns exec "$namespace" python3 "$ROOT/tests/e2e/top_traffic.py" 30 "$tmp/ready" 2>"$tmp/traffic.err" &
traffic=$!
wait_for 20 [ -s "$tmp/ready" ] || skip_all "no traffic: $(cat "$tmp/traffic.err")"

# ---- without a terminal ----

ip netns exec "$namespace" "$WEIR" record -i lo -q --for 1000 -o "$tmp/campaign" >"$tmp/record.out" 2>&1 &
recorder=$!
published() { ls "$tmp"/campaign/raw/*/.recorder-*.json; }
wait_for 20 published

export COLUMNS=200
run inside "$WEIR" top --once --interval 150ms --campaign "$tmp/campaign"
is "$status" 0 "--once prints what the screen shows, and ends"
like "$out" 'HTTP +web' "applications are named"
like "$out" 'udp +127\.0\.0\.1:[0-9]+ +127\.0\.0\.1:53' "flows are there"
like "$out" 'recording .* lost' "how a recording goes is there"
unlike "$out" $'\x1b' "no control characters get through"
run inside "$WEIR" top --once --interval 150ms --view endpoints --filter 'tcp port 8080'
like "$out" 'tcp +127\.0\.0\.1:8080 .*(ESTABLISHED|LISTEN)' "endpoints are listed, filtered"
unlike "$out" ':53 ' "only those"
like "$out" 'ev\\x1b\[31mil' "with their process, however it is called"
run inside "$WEIR" top --once --json --interval 150ms --campaign "$tmp/campaign"
check "--json is JSON" jq -e '.interfaces.interfaces[0].interface == "lo" and .processes.processes[0].endpoints > 0 and (.flows.flows | length) > 0 and .recorder.recorder[0].received >= 0' <<<"$out"
run inside "$WEIR" top --view no-such-view
is "$status" 2 "a view that is not there"
run inside "$WEIR" top --once -i no-such-interface
is "$status" 3 "an interface that is not there"
run inside "$WEIR" top --once --filter 'tcp and and'
is "$status" 2 "a filter that is none"
like "$(inside "$WEIR" top --once --view recorder --campaign "$tmp/campaign" --interval 150ms)" 'lo +recording' "each ring of a recording has a row"
kill -KILL "$recorder"
wait "$recorder" 2>/dev/null
recorder=
like "$(inside "$WEIR" top --once --view recorder --campaign "$tmp/campaign" --interval 100ms)" 'lo +dead' "a recording that died is known to be dead"
run inside "$WEIR" record -i lo -q --for 1 -o "$tmp/campaign"
run "$WEIR" verify "$tmp/campaign"
is "$status" 0 "what a recording told is no part of the campaign"
is "$(published 2>/dev/null)" "" "and is gone when it ends, stale ones too"

run inside setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$WEIR" top --once --interval 150ms
is "$status" 0 "without privileges it shows what it can"
like "$out" '(CAP_NET_RAW|CAP_NET_ADMIN|CAP_BPF|root|right)' "and says which right the rest lacks"
like "$out" 'interface .*recv' "interfaces are there"

# ---- on a terminal ----

terminals=0
unset COLUMNS
terminal() { env LC_ALL=C.UTF-8 tmux -u -L "weir-$terminals" -f /dev/null "$@"; }
# Starts weir top in a terminal of 80×24, from a shell that is there before and afterwards.
start() { # TERM ARGUMENTS...
	local term=$1
	shift
	terminal kill-server 2>/dev/null
	# A server that goes may still be there for a moment: the next one has another name.
	terminals=$((terminals + 1))
	terminal new-session -d -x 80 -y 24 "echo before; TERM=$term ip netns exec $namespace '$WEIR' top $*; echo ended \$?; read forever"
	terminal set-option -g default-terminal "$term" >/dev/null
	shows '1Overview'
}
screen() { terminal capture-pane -p; }
shows_now() { screen | grep -Eq -- "$1"; }
shows() { wait_for 20 shows_now "$1"; }
keys() { terminal send-keys "$@"; }
sees() { # REGEX WHAT
	if shows "$1"; then
		ok "$2"
	else
		not_ok "$2" "nothing like: $1
$(screen)"
	fi
}

start screen-256color --interval 200ms
sees 'HTTP +web' "the overview has applications"
sees '^interface' "interfaces"
sees 'ev\\x1b\[31mil' "processes, by whatever name"
sees '^proto +source' "and flows, on 80×24"
keys 2
sees 'lo, the last 60 looks' "2 shows interfaces with graphs"
keys 3
sees '127\.0\.0\.1 .*[0-9]' "3 shows talkers"
keys g
sees '^(udp|tcp) +127' "g shows flows"
keys Down Enter
sees 'flow (udp|tcp|icmp) 127.*' "Enter looks into a flow"
keys Escape
keys 4
sees 'ev\\x1b\[31mil .* 6[0-9] +60 ' "4 shows endpoints by process"
keys g
sees 'BOUND' "g shows them one by one"
keys /
keys -l 'udp port 53'
sees 'filter: udp port 53' "/ asks for a filter"
keys Enter
sees '^udp +127\.0\.0\.1:53' "which holds"
unlike "$(screen)" 'ESTABLISHED' "for everything else"
keys / C-u
keys -l 'udp and and'
keys Enter
sees 'nothing stands before|syntax error' "one that is none is refused with the reason"
keys '\'
sees 'ESTABLISHED' "and taken away by \\"
keys s
keys s
keys r
keys 5
sees 'DNS +name service' "5 shows applications"
keys '<'
sees 'category↑|category' "< sorts by the column before"
keys 6
sees 'IP 127\.0\.0\.1\.[0-9]+ > 127\.0\.0\.1\.53' "6 shows packets"
keys f
sees 'FROZEN' "f freezes"
frozen=$(screen)
keys Down Down
keys Enter
sees 'packet [0-9]+' "Enter decodes a packet"
sees 'ethernet' "layer by layer"
keys x
sees '0x0010: ' "x shows its bytes"
keys x Escape f
sees '^vm|[0-9]Z *$' "f goes on"
unfrozen() { ! shows_now FROZEN; }
check "nothing is frozen any more" wait_for 20 unfrozen
keys 7
sees '7Drops' "7 is drops"
keys 8
sees 'disk|cpu' "8 is the system"
keys 9
sees 'campaign' "9 is how recording goes"
keys Tab
sees '^interface' "Tab goes around to the first view"
keys '?'
sees 'reverse the order' "? helps"

# Nothing changes but the clock: next to nothing is sent, and the screen is never cleared.
terminal pipe-pane -o "cat >'$tmp/sent'"
first=$(screen | sed -n 2p)
ticked() { [ "$(screen | sed -n 2p)" != "$first" ]; }
wait_for 20 ticked
first=$(screen | sed -n 2p)
wait_for 20 ticked
bytes=$(wc -c <"$tmp/sent")
[ "$bytes" -gt 0 ] && [ "$bytes" -lt 400 ] && ok "a screen that does not change is not sent again" ||
	not_ok "a screen that does not change is not sent again" "$bytes bytes: $(cat -v "$tmp/sent")"
keys Escape 2
shows 'the last 60 looks'
keys 4
shows 'sockets|local'
keys 1
sees 'HTTP +web' "back to the overview"
terminal pipe-pane
grep -Eq $'\x1b\\[[0-3]?J' "$tmp/sent" && not_ok "no frame begins with an empty screen" "$(cat -v "$tmp/sent" | tail -c 2000)" || ok "no frame begins with an empty screen"

terminal resize-window -x 140 -y 45
sees 'q quit.*filter' "it follows the terminal to 140×45"
wide() { [ "$(screen | grep -n 'q quit' | cut -d: -f1)" = 45 ]; }
check "the last line is the last" wait_for 20 wide
terminal resize-window -x 60 -y 15
narrow() { [ "$(screen | grep -n 'q quit' | cut -d: -f1)" = 15 ]; }
check "and to 60×15" wait_for 20 narrow
keys q
sees 'ended 0' "q ends it well"
sees '^before' "and gives the terminal back as it was"

# Eight colours, none at all, and characters of ASCII alone.
colours() { terminal capture-pane -e -p | grep -c $'\x1b\\['; }
start screen --interval 200ms --view applications
sees 'HTTP' "in 8 colours"
[ "$(colours)" -gt 0 ] && ok "there is colour" || not_ok "there is colour"
terminal capture-pane -e -p | grep -q $'\x1b\\[[34]8;5' && not_ok "of the eight" || ok "of the eight"
keys C-c
sees 'ended 0' "Ctrl-C ends it well too"
start vt100 --interval 200ms --view applications
sees 'HTTP' "on a vt100"
terminal capture-pane -e -p | grep -Eq $'\x1b\\[[0-9;]*(3[0-7]|4[0-7])m' && not_ok "without colour" || ok "without colour"
keys q
sees 'ended 0' "it ends there too"
done_testing
