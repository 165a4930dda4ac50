# Two network namespaces with a veth pair between them, for tests that record. Source it after lib.sh; then: network_up, and
#
#	sender COMMAND...     runs it where `out` is, whose frames arrive at
#	taker COMMAND...      `in`, where this runs
#	send OPTIONS          numbered packets from `out`; what bench/send printed is in $sent_line, the number that left in $sent
#	record OPTIONS        begins to record `in` into $campaign, in the background, and returns when it does ($recorder)
#	record_end            ends it by SIGINT; its exit status in $status, its output in $out and $err
#	numbers               what is in $campaign, as bench/numbers has it, in $numbers
#	ledger CAUSE          sum of the packets that the ledger of $campaign has for the cause (regular expression)
#
# Everything is undone at the end, recorders included.
need_namespaces
need_command sqlite3

namespace_out=weir-out-$unique namespace_in=weir-in-$unique
campaign=$tmp/campaign
recorder=
send=$TOOLS/bench/send
[ -x "$send" ] || skip_all "bench/send is not built"

# The leak checker looks into the process from another one, which the system call filter forbids.
sandbox=
! grep -qa __asan_init "$WEIR" || sandbox=--no-sandbox

sender() { ip netns exec "$namespace_out" "$@"; }
taker() { ip netns exec "$namespace_in" "$@"; }

cleanup() {
	[ -z "$recorder" ] || kill -9 "$recorder" 2>/dev/null
	ip netns del "$namespace_out" 2>/dev/null
	ip netns del "$namespace_in" 2>/dev/null
	declare -F cleanup_more >/dev/null && cleanup_more
	return 0
}

link_is_up() { taker grep -q up /sys/class/net/in/operstate; }

link_pair() {
	ip link add name out netns "$namespace_out" type veth peer name in netns "$namespace_in"
	ip -n "$namespace_out" link set out up
	ip -n "$namespace_in" link set in up
}

network_up() {
	local namespace
	for namespace in "$namespace_out" "$namespace_in"; do
		ip netns add "$namespace"
		# Nobody but the sender is to say anything.
		ip netns exec "$namespace" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	done
	link_pair
	# /sys shows the devices of the namespace in which it was mounted: `ip netns exec` mounts it anew.
	wait_for 5 link_is_up
}

field() { # LINE NAME: a number out of a line of JSON
	sed -n "s/.*\"$2\":\(-\{0,1\}[0-9][0-9]*\).*/\1/p" <<<"$1"
}

send() {
	sent_line=$(sender "$send" "$@" out)
	sent=$(field "$sent_line" interface_sent)
}

is_recording() { grep -qs ": recording " "$tmp/record.err" || ! kill -0 "$recorder" 2>/dev/null; }

record() {
	rm -f "$tmp/record.err" "$tmp/record.out"
	ip netns exec "$namespace_in" "$WEIR" record -i in -o "$campaign" --json --ring-size 64M --buffer 32M $sandbox "$@" >"$tmp/record.out" 2>"$tmp/record.err" &
	recorder=$!
	wait_for 20 is_recording
}

record_wait() {
	wait "$recorder"
	status=$?
	recorder=
	out=$(cat "$tmp/record.out")
	err=$(cat "$tmp/record.err")
	summary=$(grep '"summary"' "$tmp/record.out")
}

record_end() {
	kill -INT "$recorder"
	record_wait
}

numbers() {
	numbers=$("$WEIR" query "$campaign" "$@" -w - 2>"$tmp/query.err" | "$TOOLS/bench/numbers" - 2>&1)
}

ledger() { # CAUSES
	cat "$campaign"/raw/*/ledger.jsonl 2>/dev/null | grep -E "\"cause\":\"($1)\"" |
		sed -n 's/.*"packets":\([0-9]*\).*/\1/p' | awk '{ sum += $1 } END { print sum + 0 }'
}

lost_causes='ring|nic|shed|disk-full|disk-error'

# The promise: what left the sender is in the archive or in the ledger, exactly, and nothing is there twice.
accounted() { # WHAT
	numbers
	local archived lost
	archived=$(field "$numbers" numbered)
	lost=$(ledger "$lost_causes")
	if [ "$((archived + lost))" = "$sent" ] && [ "$(field "$numbers" duplicates)" = 0 ] && [ "$(field "$numbers" changed)" = 0 ]; then
		ok "$1"
		echo "# sent $sent, archived $archived, lost $lost"
	else
		not_ok "$1" "sent:     $sent_line
archived: $numbers
ledger:   $lost
summary:  $summary
$(cat "$tmp/query.err" "$tmp/record.err")"
	fi
}
