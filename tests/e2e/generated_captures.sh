#!/bin/bash
# The captures that the benchmarks and tests make are what they are said to be.
. "$(dirname "$0")/lib.sh"
need_command tshark capinfos zstd jq
generate=$TOOLS/bench/generate
plan 10

run "$generate" --bytes 32M --kind mix "$tmp/mix.pcap"
is "$status" 0 "mix is made"
facts=$err
"$generate" --bytes 32M --kind mix - 2>/dev/null >"$tmp/again.pcap"
same_bytes "$tmp/mix.pcap" "$tmp/again.pcap" "the same arguments make the same bytes"
"$generate" --bytes 32M --kind mix --seed 2 "$tmp/other.pcap" 2>/dev/null
check "another seed makes others" test "$(cmp -s "$tmp/mix.pcap" "$tmp/other.pcap"; echo $?)" = 1
is "$(capinfos -Mc "$tmp/mix.pcap" | sed -n 's/.*packets: *//p')" "$(jq .packets <<<"$facts")" "it says how many packets there are"
share() { jq "100 * .$1 / .packets | floor" <<<"$facts"; }
like "$(share ipv6)" '^(1[0-9]|20)$' "about 15 % are IPv6"
like "$(share repeated)" '^[45]$' "about 5 % are repeated"
like "$(jq .mean <<<"$facts")" '^6[3-9][0-9]$' "packets have about 678 bytes"
stored=$(zstd -q -1 -c "$tmp/mix.pcap" | wc -c)
like "$((100 * stored / $(stat -c %s "$tmp/mix.pcap")))" '^(6[4-9]|7[0-2])$' "zstd -1 takes it to about 68 %"
wrong=$(tshark -n -r "$tmp/mix.pcap" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
	-Y 'ip.checksum.status==0 || tcp.checksum.status==0 || udp.checksum.status==0 || icmp.checksum.status==0 || _ws.malformed && (dns || ntp)' 2>/dev/null | head -n 3)
is "$wrong" "" "every checksum is right, and what looks like DNS or NTP is"
"$generate" --bytes 2M --kind small --nanoseconds --span 10m "$tmp/small.pcap" 2>"$tmp/facts"
like "$(jq '.end_ns - .start_ns' "$tmp/facts")" '^(59[0-9]|60[0-9])[0-9]{9}$' "packets fill the span that was asked for"
