#!/bin/bash
# weir links: what ip and ethtool tell of interfaces, and every change as an event.
# run: sanitize waits
. "$(dirname "$0")/lib.sh"
need_root
need_command ip jq ethtool

space=weir-links-$$
cleanup() {
	[ -z "${watching:-}" ] || kill "$watching" 2>/dev/null
	ip netns del "$space" 2>/dev/null
	ip netns del "$space-far" 2>/dev/null
}
ip netns add "$space" && ip netns add "$space-far" || skip_all "network namespaces can't be made here"
inside() { ip netns exec "$space" "$@"; }
inside ip link set lo up
inside ip link add one type veth peer name two netns "$space-far"
inside ip link add bridge type bridge

# ---- how things are ----
inside ip addr add 10.7.0.1/24 dev one
inside ip -6 addr add 2001:db8:7::1/64 dev one nodad
inside ip link set one mtu 1400 address 02:00:00:00:07:01 txqueuelen 77
inside ip link set one master bridge
inside ip link set one up
ip -n "$space-far" link set two up
inside ip link set bridge up
inside ip neigh add 10.7.0.9 lladdr 02:00:00:00:07:09 dev one nud permanent

run inside "$WEIR" links --json
is "$status" 0 "links can be asked for"
printf '%s' "$out" >"$tmp/ours"
inside ip -d -j link >"$tmp/theirs"
inside ip -j addr >"$tmp/addresses"
ours() { jq -r --arg name "$1" "select(.interface == \$name) | $2" "$tmp/ours"; }
theirs() { jq -r --arg name "$1" ".[] | select(.ifname == \$name) | $2" "$tmp/theirs"; }
is "$(jq -r .interface "$tmp/ours" | sort)" "$(jq -r '.[].ifname' "$tmp/theirs" | sort)" "every interface is there"
for name in lo one bridge; do
	is "$(ours $name '[.index, .mtu, .mac, (.master // "")] | @tsv')" \
		"$(theirs $name '[.ifindex, .mtu, .address, (.master // "")] | @tsv')" "$name: index, mtu, mac and master are those of ip"
	is "$(ours $name '[.queueing, .transmit_queue, (.kind // "")] | @tsv')" \
		"$(theirs $name '[.qdisc, (.txqlen // 0), (.linkinfo.info_kind // "")] | @tsv')" "$name: queue and kind too"
	is "$(ours $name '.addresses[] | "\(.address)/\(.prefix) \(.scope)"' | sort)" \
		"$(jq -r --arg name $name '.[] | select(.ifname == $name) | .addr_info[] | "\(.local)/\(.prefixlen) \(.scope)"' "$tmp/addresses" | sort)" \
		"$name: addresses are those of ip"
done
is "$(ours one '[.up, .carrier, .state] | @tsv')" "$(printf 'true\ttrue\tup')" "a veth whose other end is up has a carrier"
is "$(ours one .speed)" "$(inside ethtool one | sed -n 's/.*Speed: \([0-9]*\)Mb.*/\1/p')" "its speed is ethtool's"
is "$(ours one '.offloads | to_entries[] | "\(.key): \(if .value.on then "on" else "off" end)\(if .value.fixed then " [fixed]" else "" end)"' | grep -E '^(tx-checksum-|rx-gro-|tx-tcp|highdma)' | sort)" \
	"$(inside ethtool -k one | sed 's/^[[:space:]]*//; s/ \[requested.*//' | grep -E '^(tx-checksum-|rx-gro-|tx-tcp|highdma)' | sort)" "its offloads are ethtool's"
run inside "$WEIR" links --neighbours --json
is "$(jq -r '[.interface, .address, .mac, .state] | @tsv' <<<"$out")" "$(printf 'one\t10.7.0.9\t02:00:00:00:07:09\tpermanent')" "neighbours are listed"
run inside "$WEIR" links one
like "$out" 'mtu +1400' "one that is named is told of in full"
run inside "$WEIR" links nothing
is "$status" 3 "an interface that is not there is an error"
like "$err" "no interface 'nothing'" "which names it"

# Whoever has a network namespace names its interfaces.
inside ip link add $'\e[31mred' type bridge
for shown in "" "*red"; do
	run inside "$WEIR" links $shown
	like "$out" '\\x1b\[31mred' "a name that a terminal would obey is shown by its numbers${shown:+ in full, too}"
	is "$(printf %s "$out" | tr -d '\n' | tr -d '[:print:]' | wc -c)" 0 "and nothing else is in it"
done
inside ip link del $'\e[31mred'
# Many, while others come and go: what the kernel tells in several answers is whole all the same.
for i in $(seq 60); do echo "link add many$i type veth peer name more$i"; done | ip -n "$space-far" -batch -
(until [ -e "$tmp/enough" ]; do
	ip -n "$space-far" link add come type veth peer name go
	ip -n "$space-far" link del come
done) &
churning=$!
short=0
for ((i = 0; i < 25; i++)); do
	[ "$(timeout 10 ip netns exec "$space-far" "$WEIR" links --json 2>&1 | grep -cE '"interface":"(many|more)[0-9]')" -eq 120 ] || short=$((short + 1))
done
: >"$tmp/enough"
wait "$churning"
is "$short" 0 "a list that is made while links come and go has all that stay"

# ---- changes ----
ip netns exec "$space" "$WEIR" links --watch --json >"$tmp/events" 2>"$tmp/watch.err" &
watching=$!
happened() { # EVENT DETAIL INTERFACE: waits until it has been told
	local i
	for ((i = 0; i < 100; i++)); do
		jq -c --arg event "$1" --arg detail "$2" --arg name "$3" 'select(.event == $event and ($detail == "" or (.detail // "" | test($detail))) and .interface == $name)' \
			"$tmp/events" 2>/dev/null | grep -q . && return 0
		sleep 0.1
	done
	return 1
}
told() { # EVENT DETAIL INTERFACE WHAT
	if happened "$1" "$2" "$3"; then ok "$4"; else not_ok "$4" "$(tail -n 20 "$tmp/events"; cat "$tmp/watch.err")"; fi
}
# It listens when the first of these is seen.
for ((i = 0; i < 50; i++)); do
	inside ip link add begin$i type veth peer name pair$i
	happened_now=$(grep -c '"event":"came"' "$tmp/events")
	[ "$happened_now" -eq 0 ] || break
	sleep 0.1
done
inside ip link add three type veth peer name peer
told came veth three "an interface that came"
inside ip link set three up
told up '' three "one that is up"
inside ip link set three mtu 1300
told changed '1500 → 1300' three "a change of the mtu"
inside ip link set three address 02:00:00:00:07:33
told changed 'mac .* → 02:00:00:00:07:33' three "a change of the mac"
inside ip addr add 10.8.0.1/24 dev three
told 'address added' '^10.8.0.1/24$' three "an address"
inside ip route add default via 10.8.0.2 dev three
told 'default route added' 'IPv4 via 10.8.0.2' three "a default route"
inside ip route replace default via 10.8.0.4 dev three
told 'default route added' 'IPv4 via 10.8.0.4' three "one in its place"
told 'default route removed' 'IPv4 via 10.8.0.2' three "and that the other went"
inside ip neigh add 10.8.0.3 lladdr 02:00:00:00:08:03 dev three nud reachable
told 'neighbour came' '10.8.0.3 02:00:00:00:08:03' three "a neighbour"
inside ip neigh del 10.8.0.3 dev three
told 'neighbour went' '10.8.0.3' three "that it went"
inside ip addr del 10.8.0.1/24 dev three
told 'address removed' '^10.8.0.1/24$' three "that an address went"
told 'default route removed' '10.8.0.4' three "and the route with it"
ip -n "$space-far" link set two down
told 'no carrier' '' one "that a carrier was lost"
ip -n "$space-far" link set two up
told carrier 'Mbit/s' one "that it is back, with its speed"
inside ip link set three master bridge
told changed 'master none → bridge' three "that it became a port of a bridge"
inside ip link set three down
told down '' three "that it is down"
inside ip link set three name four
told changed 'name three → four' four "another name"
inside ip link del four
told went '' four "and that it went"
kill -INT "$watching"
wait "$watching"
is $? 0 "Ctrl-C ends it cleanly"
watching=
is "$(jq -r 'select(.interface == "four" or .interface == "three") | .event' "$tmp/events" | grep -cx went)" 1 "each is told once"

# Without any right.
if command -v setpriv >/dev/null; then
	cp "$WEIR" "$tmp/weir" && chmod 755 "$tmp" "$tmp/weir"
	run inside setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/weir" links --json
	is "$(jq -r 'select(.interface == "one") | .mtu' <<<"$out")" 1400 "it takes no right"
else
	skip "it takes no right" "no setpriv"
fi
done_testing
