#!/bin/bash
# info tells of a campaign what its captures hold, and --json is an array that holds what scripts look for.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_shared
need_command jq capinfos

first=$CAPTURES/tcpdump/$(ls "$CAPTURES/tcpdump" | grep -m1 '\.pcap$')
second=$CAPTURES/arkime/dns-dnskey.pcap
run "$WEIR" import -q --node one --iface eth0 "$tmp/campaign" "$first"
run "$WEIR" import -q --node two --iface eth1 --codec none "$tmp/campaign" "$second"
packets() { capinfos -Mc "$1" 2>/dev/null | sed -n 's/^Number of packets: *//p' | tr -dc 0-9; }
a=$(packets "$first")
b=$(packets "$second")

run "$WEIR" info "$tmp/campaign"
is "$status" 0 "info reads a campaign"
like "$out" "^Nodes: +2" "it counts nodes"
like "$out" "^Segments: +2" "it counts segments"
like "$out" "^one +eth0 +1 +$a " "it tells of each interface"

run "$WEIR" info --json "$tmp/campaign" "$second" "$tmp/campaign"
is "$(jq length <<<"$out")" 3 "--json is an array with one object a path"
is "$(jq -r '.[0].format + " " + .[0].path' <<<"$out")" "campaign $tmp/campaign" "--json says what it is"
is "$(jq '.[0].packets' <<<"$out")" "$((a + b))" "--json counts packets over all nodes"
is "$(jq -c '.[0] | [.segments, .lost_packets, .gaps, (.interfaces | length)]' <<<"$out")" '[2,0,0,2]' \
	"--json has segments, lost_packets, gaps and interfaces"
is "$(jq '.[0].interfaces | map(.packets) | add' <<<"$out")" "$((a + b))" "the interfaces' packets add up"
is "$(jq '.[0].interfaces[1].first_ns == .[1].first_ns and .[0].interfaces[1].last_ns == .[1].last_ns' <<<"$out")" true \
	"first and last time are those of the capture that was imported"
is "$(jq '[.[0] | .captured_bytes, .wire_bytes, .first_ns, .last_ns | type] | unique | join(" ")' <<<"$out")" '"number"' \
	"bytes and times are numbers"

mkdir "$tmp/empty"
run "$WEIR" info "$tmp/empty"
is "$status" 3 "a folder that is no campaign is refused"
done_testing
