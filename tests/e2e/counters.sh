#!/bin/bash
# weir counters: every number is the one that the system's own files and tools have; Prometheus' format keeps to its grammar; JSON, patterns, rates.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_namespaces
need_command jq python3 ethtool
near=weir-near-$unique far=weir-far-$unique
cleanup() {
	ip netns del "$near" 2>/dev/null
	ip netns del "$far" 2>/dev/null
}
ip netns add "$near" && ip netns add "$far" || skip_all "network namespaces are not allowed here"
in_near() { ip netns exec "$near" "$@"; }
for namespace in "$near" "$far"; do
	ip netns exec "$namespace" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	ip -n "$namespace" link set lo up
done
ip -n "$near" link add veth0 type veth peer name veth1 netns "$far" || skip_all "no veth here"
ip -n "$near" addr add 192.0.2.1/24 dev veth0
ip -n "$far" addr add 192.0.2.2/24 dev veth1
ip -n "$near" link set veth0 up
ip -n "$far" link set veth1 up
send() { # COUNT
	in_near bash -c 'for ((i = 0; i < $1; i++)); do echo "datagram $i" >/dev/udp/192.0.2.2/9; done' - "$1" 2>/dev/null
}
send 20

# Read before and after: what did not change meanwhile has to be the same. FILE is where the independent source's answer goes.
agree() { # WHAT FUNCTION PATTERN...: FUNCTION prints "NAME VALUE" lines, sorted
	local what=$1 source=$2 try
	shift 2
	for ((try = 0; try < 20; try++)); do
		"$source" >"$tmp/before"
		in_near "$WEIR" counters --json "$@" 2>"$tmp/errors" |
			jq -r '.counters[] | (if .instance == "" then .group + "." + .name else .group + "." + .instance + "." + .name end) + " \(.value)"' |
			LC_ALL=C sort >"$tmp/ours"
		"$source" >"$tmp/after"
		cmp -s "$tmp/before" "$tmp/after" && break
	done
	[ -s "$tmp/before" ] || { not_ok "$what" "nothing to compare with"; return; }
	LC_ALL=C join "$tmp/before" "$tmp/ours" >"$tmp/joined"
	is "$(wc -l <"$tmp/joined") $(awk '$2 != $3' "$tmp/joined")" "$(wc -l <"$tmp/before") " "$what"
}

from_ip() {
	ip -n "$near" -s -j link | jq -r '.[] | .ifname as $i | .stats64 | "interface.\($i).received_bytes \(.rx.bytes)", "interface.\($i).received_packets \(.rx.packets)",
		"interface.\($i).received_errors \(.rx.errors)", "interface.\($i).received_multicast \(.rx.multicast)", "interface.\($i).sent_bytes \(.tx.bytes)",
		"interface.\($i).sent_packets \(.tx.packets)", "interface.\($i).sent_errors \(.tx.errors)", "interface.\($i).sent_dropped \(.tx.dropped)"' | LC_ALL=C sort
}
agree "interfaces count what ip tells" from_ip interface

from_ethtool() {
	in_near ethtool -S veth0 | sed -nE 's/^ +([^:]+): ([0-9]+)$/driver.veth0.\1 \2/p' | LC_ALL=C sort
}
if [ -n "$(from_ethtool)" ]; then
	agree "drivers count what ethtool -S tells" from_ethtool driver
else
	skip "drivers count what ethtool -S tells" "veth has no statistics in this kernel"
fi

from_pairs() { # FILE GROUPS
	in_near awk 'NR % 2 { split($0, names); next } { for (i = 2; i <= NF; i++) { group = $1; sub(":", "", group); print tolower(group) "." names[i], $i } }' \
		/proc/net/snmp /proc/net/netstat | LC_ALL=C sort
}
agree "protocols count what /proc/net/snmp and netstat tell, all of it" from_pairs ip icmp icmpmsg tcp udp udplite tcpext ipext mptcpext

from_diskstats() {
	awk '{ any = 0; for (i = 4; i <= 14; i++) any += $i; if (any) printf "disk.%s.reads %.0f\ndisk.%s.read_bytes %.0f\n", $3, $4, $3, $6 * 512 }' /proc/diskstats | LC_ALL=C sort
}
if [ -n "$(from_diskstats)" ]; then
	agree "disks count what /proc/diskstats tells" from_diskstats disk
else
	skip "disks count what /proc/diskstats tells" "no disk was used"
fi
from_meminfo() { awk '$1 ~ /^(MemTotal|SwapTotal):$/ { sub(":", "", $1); printf "memory.%s %.0f\n", $1, $2 * 1024 }' /proc/meminfo | LC_ALL=C sort; }
agree "memory is what /proc/meminfo tells" from_meminfo memory
from_softnet() { in_near python3 -c '
for line in open("/proc/net/softnet_stat"):
    c = [int(x, 16) for x in line.split()]
    if len(c) > 12: print("softnet.cpu%d.dropped" % c[12], c[1])' | LC_ALL=C sort; }
if [ -n "$(from_softnet)" ]; then
	agree "softnet is what softnet_stat tells" from_softnet softnet
else
	skip "softnet is what softnet_stat tells" "a kernel before 5.10"
fi

# Each datagram to a closed port: what it grows by is what was sent.
no_ports() { ip netns exec "$far" "$WEIR" counters --json udp.NoPorts | jq '.counters[0].value'; }
before=$(no_ports)
send 25
is "$(($(no_ports) - before))" 25 "each of 25 datagrams to a closed port is counted"

in_near "$WEIR" counters --prometheus >"$tmp/metrics"
is "$?" 0 "Prometheus' format is written"
check "it keeps to the grammar of the text format" python3 - "$tmp/metrics" <<'END'
import re, sys
text = open(sys.argv[1], encoding="utf-8").read()
assert text.endswith("\n")
name = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
sample = re.compile(rf'({name})(?:\{{([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"\}})? (-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?)')
seen, helped, types, current = set(), set(), {}, None
for line in text[:-1].split("\n"):
    if match := re.fullmatch(rf"# HELP ({name}) ((?:[^\\]|\\\\|\\n)*)", line):
        assert match[1] not in helped, line
        helped.add(match[1])
        current = match[1]
    elif match := re.fullmatch(rf"# TYPE ({name}) (counter|gauge)", line):
        assert match[1] == current and match[1] not in types, line
        types[match[1]] = match[2]
    else:
        match = sample.fullmatch(line)
        assert match, line
        assert match[1] == current and match[1] in types, line
        assert (types[match[1]] == "counter") == match[1].endswith("_total"), line
        assert (match[1], match[2], match[3]) not in seen, line
        seen.add((match[1], match[2], match[3]))
assert len(seen) > 200, len(seen)
assert ("weir_interface_received_bytes_total", "interface", "veth0") in seen
END

run "$WEIR" counters no.such.counter
is "$status" 3 "a name that matches nothing is an error"
like "$err" 'no.such.counter' "and it says which"
run "$WEIR" counters --prometheus --json
is "$status" 2 "two formats at once are wrong use"
run "$WEIR" counters 'TCP.Retrans*' cpu.all
is "$(awk 'NR > 1 { print $1 }' <<<"$out" | grep -vE '^(tcp\.RetransSegs|cpu\.all\.[a-z_]+)$')" "" "patterns choose, without regard to case"
like "$out" '^tcp\.RetransSegs ' "and find"

run "$WEIR" counters --watch -c 3 --interval 20ms --json cpu.context_switches
is "$(jq -c '[.counters[0].rate == null, (.counters | length)]' <<<"$out" | tr '\n' ' ')" "[true,1] [false,1] [false,1] " "--watch has rates from the second look on"
run "$WEIR" counters --watch -c 3 --interval 20ms cpu.context_switches
like "$(sed -n 3p <<<"$out")" '^[-0-9T:.]+Z cpu\.context_switches .*/s .*(▁|▂|▃|▄|▅|▆|▇|█)' "and a sparkline"
done_testing
