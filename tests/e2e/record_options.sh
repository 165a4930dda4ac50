#!/bin/bash
# What record's options do: VLAN tags, filters, snap length, count, rings, backends, link down.
# run: alone
# timeout: 180
# run: sanitize
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../tools/netns.sh"
need_command tcpdump
network_up

# All packets of the campaign as tcpdump has them.
packets() { "$WEIR" query "$campaign" "$@" -w - 2>/dev/null | tcpdump -enr - 2>/dev/null; }

record
send -n 20 -s 100
send -n 30 -s 100 -v 7
record_end
is "$(packets | wc -l)" 50 "tagged and untagged packets are both there"
is "$(packets | grep -c 'vlan 7')" 30 "the VLAN tag that the kernel took out is put back"
is "$(packets | grep 'vlan 7' | grep -c 'length 104: ')" 30 "… and counts in the length"
numbers
is "$(field "$numbers" others)$(field "$numbers" changed)" 00 "… and the bytes behind it are as they were sent"

states=$(cat "$campaign"/raw/*/clock.jsonl)
is "$(wc -l <<<"$states")" 1 "the state of the clock is kept once a minute"
like "$states" '^\{"time_ns":[0-9]+,"offset_ns":-?[0-9]+,"maximum_error_ns":[0-9]+,.*"synchronised":(true|false),"status":[0-9]+\}$' "… as the system tells it"

rm -rf "$campaign"
record -f 'vlan 7 and udp'
send -n 20 -s 100
send -n 30 -s 100 -v 7
send -n 10 -s 100 -v 8
record_end
is "$(packets | wc -l)" 30 "a filter for a VLAN takes the packets of that VLAN and no others"
is "$(field "$summary" received)" 30 "… and the others do not count as received"

rm -rf "$campaign"
record -f 'udp port 10'
send -n 20 -s 100
record_end
is "$(field "$summary" received)" 0 "a filter that nothing matches takes nothing"

rm -rf "$campaign"
run taker "$WEIR" record -i in -o "$campaign" -f 'udp port'
is "$status" 2 "a filter that does not compile is wrong use"

rm -rf "$campaign"
record -s 60
send -n 20 -s 1000
record_end
is "$(packets | grep -c 'length 1000: ')" 20 "a snap length keeps the length on the wire"
is "$(field "$summary" captured_bytes)" 1200 "… and so many bytes of each packet"

rm -rf "$campaign"
record -s 60
send -n 20 -s 1000 -v 9
record_end
is "$(field "$summary" captured_bytes)" 1200 "… also of those whose tag is put back"

rm -rf "$campaign"
record -c 25
send -n 100 -s 100
record_wait
is "$(packets | wc -l)" 25 "a count keeps so many packets and ends"
is "$status" 0 "… well"

rm -rf "$campaign"
record --fanout 2
send -n 20000 -s 100
record_end
accounted "two rings: archived and ledger make what was sent"
numbers
is "$(field "$numbers" distinct)" 20000 "… each packet once"
is "$(sed 's/"interface"/\n&/g' <<<"$summary" | grep -c '"interface":"in')" 2 "… from two rings"
unlike "$summary" '"archived":0[,}]' "… that both had some"

rm -rf "$campaign"
record --backend pcap
send -n 20000 -s 100
record_end
accounted "through libpcap: archived and ledger make what was sent"
like "$summary" '"backend":"pcap"' "… through libpcap indeed"

rm -rf "$campaign"
record
send -n 10 -s 100
ip -n "$namespace_in" link set in down
sleep 1
ip -n "$namespace_in" link set in up
wait_for 5 link_is_up
sleep 0.5
send -n 10 -s 100
record_end
is "$(packets | wc -l)" 20 "recording goes on when an interface comes up again"
is "$(grep -c '"cause":"link-down"' "$campaign"/raw/*/ledger.jsonl)" 1 "… and the ledger says that it was down, once"

rm -rf "$campaign"
record
send -n 10 -s 100
ip -n "$namespace_in" link del in
sleep 1
link_pair
wait_for 5 link_is_up
sleep 0.5
send -n 10 -s 100
record_end
is "$(packets | wc -l)" 20 "recording goes on when an interface is removed and made anew"
like "$(cat "$campaign"/raw/*/ledger.jsonl)" '"cause":"link-down".*did not exist' "… and the ledger says that it was gone"

# Retention, also under the system call filter: what is there already is more than may be kept.
rm -rf "$campaign"
record --codec none --segment 1M
send -t 2 -r 4000 -s 1000
total=$sent
record_end
before=$(find "$campaign" -name '*.pcapng' | wc -l)
record --codec none --segment 1M --max-size 3M
send -t 2 -r 4000 -s 1000 # more than may stay: what comes after the first look is deleted at the end
total=$((total + sent))
record_end
is "$status" 0 "a recording with a bound on size ends well"
stored=$(find "$campaign/raw" -name '*.pcapng*' -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
if [ "$before" -ge 6 ] && [ "$stored" -le $((3 << 20)) ]; then
	ok "… and the oldest segments are gone"
else
	not_ok "… and the oldest segments are gone" "$before segments before, now $stored bytes: $err"
fi
numbers
is "$(($(ledger "retention|$lost_causes") + $(field "$numbers" numbered)))" "$total" "… and what they held is in the ledger"
like "$summary" '"segments_deleted":[1-9]' "… and in the summary"

rm -rf "$campaign"
record
run taker "$WEIR" record -i in -o "$campaign" --for 1
is "$status" 3 "a second recording of the same interface into the same campaign is refused"
record_end

rm -rf "$campaign"
record -i lo
record_end
is "$(sed 's/"interface"/\n&/g' <<<"$summary" | grep -c '"interface":"')" 2 "two interfaces at once"

run taker "$WEIR" record -i nosuch -o "$campaign" --for 1
is "$status" 3 "an interface that does not exist is an error"
like "$err" 'no interface nosuch' "… which names it"
run taker "$WEIR" record -o "$campaign"
is "$status" 2 "no interface is wrong use"
like "$err" 'there are:.* in' "… and says which there are"
done_testing
