#!/bin/bash
# Requests to a disk are counted as /proc/diskstats counts them, on a loop device of our own; changes of links, addresses and routes as they were made.
# run: waits
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command jq losetup lsblk

space=weir-trace-links-$unique
tracer=
loop=
cleanup() {
	[ -z "$tracer" ] || kill "$tracer" 2>/dev/null
	[ -z "$loop" ] || losetup -d "$loop"
	ip netns del "$space" 2>/dev/null
	return 0
}
# Waits until the trace has told of something, or says that it does not.
told() { # FILE JQ-CONDITION
	local i
	for ((i = 0; i < 100; i++)); do
		jq -c "select($2)" "$1" 2>/dev/null | grep -q . && return 0
		sleep 0.1
	done
	return 1
}
ended() {
	kill -INT "$tracer"
	wait "$tracer"
	status=$?
	tracer=
}

# ---- net.link: takes no right ----
ip netns add "$space"
ip netns exec "$space" "$WEIR" trace -p net.link --json >"$tmp/links" 2>"$tmp/err" &
tracer=$!
for ((i = 0; i < 50; i++)); do
	ip -n "$space" link set lo up
	ip -n "$space" link set lo down
	! grep -q . "$tmp/links" || break
	sleep 0.1
done
ip -n "$space" link add one type veth peer name two
for ((i = 1; i <= 20; i++)); do
	ip -n "$space" addr add "10.9.$i.1/24" dev one
done
ip -n "$space" link set two up
ip -n "$space" link set one up
ip -n "$space" link set one mtu 1234
for ((i = 1; i <= 7; i++)); do
	ip -n "$space" route add "10.77.$i.0/24" via 10.9.1.2
done
ip -n "$space" route del 10.77.3.0/24
for ((i = 1; i <= 5; i++)); do
	ip -n "$space" addr del "10.9.$((i + 1)).1/24" dev one
done
ip -n "$space" link del one
told "$tmp/links" '.event == "link-removed" and .fields.name == "two"'
told "$tmp/links" '.event == "link-removed" and .fields.name == "one"'
ended
is "$status" 0 "a trace of links ends well"
count() { jq -c "select($1)" "$tmp/links" | wc -l; }
is "$(count '.event == "address" and (.fields.address | startswith("10.9."))')" 20 "every address that was added"
is "$(count '.event == "address-removed" and (.fields.address | startswith("10.9."))')" 20 "every one that went, by itself or with its link"
is "$(count '.event == "route" and (.fields.destination // "" | startswith("10.77."))')" 7 "every route"
is "$(count '.event == "route-removed" and .fields.destination == "10.77.3.0"')" 1 "and the one that was taken back"
is "$(($(count '.event == "link" and .fields.name == "one" and .fields.mtu == 1234 and .fields.up') > 0))" 1 "a link that is up has the mtu that it got"
is "$(count '.event == "link-removed" and (.fields.name == "one" or .fields.name == "two")')" 2 "both ends of a pair that went"

# ---- disk ----
"$WEIR" trace --list -p disk --json >"$tmp/list" 2>&1
if grep -q '"lack":"' "$tmp/list"; then
	skip "requests to a disk" "$(grep -o '"lack":"[^"]*' "$tmp/list" | head -n 1)"
	done_testing
	exit 0
fi
truncate -s 4M "$tmp/disk"
loop=$(losetup -f --show "$tmp/disk" 2>/dev/null)
if [ -z "$loop" ]; then
	skip "requests to a disk" "no loop device can be had"
	done_testing
	exit 0
fi
IFS=: read -r major minor < <(lsblk -no MAJ:MIN "$loop" | tr -d ' ')
"$WEIR" trace -p disk --json >"$tmp/disks" 2>"$tmp/err" &
tracer=$!
ours=".fields.major == $major and .fields.minor == $minor"
# It follows when it has told of one of these.
for ((i = 0; i < 50; i++)); do
	dd if="$loop" of=/dev/null bs=512 count=1 iflag=direct status=none
	! jq -c "select($ours)" "$tmp/disks" 2>/dev/null | grep -q . || break
	sleep 0.1
done
# Fields of its line: reads 4, read sectors 6, writes 8, written sectors 10.
statistics() { awk -v name="${loop##*/}" '$3 == name { print $4, $6, $8, $10 }' /proc/diskstats; }
before=$(statistics)
started=$(date +%s.%N)
dd if=/dev/zero of="$loop" bs=4k count=100 oflag=direct status=none
dd if="$loop" of=/dev/null bs=8k count=50 iflag=direct status=none
after=$(statistics)
told "$tmp/disks" "$ours and .event == \"complete\" and .fields.operation == \"read\" and .fields.sector == $((49 * 16))"
ended
is "$status" 0 "a trace of disks ends well"
read -r reads sectors_read writes sectors_written < <(paste <(tr ' ' '\n' <<<"$before") <(tr ' ' '\n' <<<"$after") | awk '{ printf "%d ", $2 - $1 }')
jq -c "select($ours and (.time > \"$(date -u -d "@$started" +%FT%T.%N)\"))" "$tmp/disks" >"$tmp/mine"
of() { jq -r "select(.event == \"$1\" and .fields.operation == \"$2\") | .fields.bytes" "$tmp/mine" | awk '{ bytes += $1 } END { print NR, bytes / 512 }'; }
is "$(of complete read)" "$reads $sectors_read" "reads and their sectors are those of /proc/diskstats"
is "$(of complete write)" "$writes $sectors_written" "writes too"
is "$(of issue write)" "$writes $sectors_written" "what was issued was completed"
is "$writes $reads" "100 50" "and as many as were asked for"
is "$(jq -r 'select(.event == "complete") | .fields.latency' "$tmp/mine" | grep -cvE '^[1-9][0-9]*$')" 0 "each took some time"
is "$(($(jq -r 'select(.event == "issue") | .fields.queue_depth' "$tmp/mine" | sort -n | tail -n 1) >= 1))" 1 "and stood in the queue"
done_testing
