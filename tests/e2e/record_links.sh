#!/bin/bash
# While recording every change of the interface becomes a line of the ledger, which is no loss; addresses stay out of it.
# run: sanitize waits
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../tools/netns.sh"
network_up

changed() { # DETAIL: waits for a line of the ledger
	local i
	for ((i = 0; i < 100; i++)); do
		grep -hq "\"cause\":\"link\".*\"detail\":\"$1\"" "$campaign"/raw/*/ledger.jsonl 2>/dev/null && return 0
		sleep 0.1
	done
	return 1
}
record
taker ip link set in mtu 1400
check "another mtu is in the ledger" changed 'mtu 1500 → 1400'
taker ip addr add 10.9.8.7/24 dev in
check "so is that an address was added" changed 'address added'
taker ip link add other type veth peer name another
taker ip link set other mtu 1300
sender ip link set out down
check "and that the carrier was lost" changed 'no carrier: .*'
sender ip link set out up
check "and that it came back, with its speed" changed 'carrier: [0-9]* Mbit/s.*'
send -n 20 -s 100
record_end
is "$status" 0 "recording ends well"
is "$(grep -ch '1300' "$campaign"/raw/*/ledger.jsonl)" 0 "interfaces that are not recorded are not told of"
is "$(grep -ch '10\.9\.8\.7' "$campaign"/raw/*/ledger.jsonl)" 0 "the address is not written down"
run "$WEIR" info "$campaign"
like "$out" '^  link +[0-9]+ changes of interfaces$' "info counts the changes"
is "$("$WEIR" info --json "$campaign" | jq '.[0].losses.link.packets')" 0 "they are no packets"
run "$WEIR" verify "$campaign"
is "$status" 0 "verify has nothing to say"
before=$(sqlite3 "$campaign/catalog.db" "SELECT count(*) FROM ledger WHERE cause = 'link'")
rm "$campaign/catalog.db"
"$WEIR" catalog rebuild "$campaign" >"$tmp/rebuilt"
is "$(sqlite3 "$campaign/catalog.db" "SELECT count(*) FROM ledger WHERE cause = 'link'")" "$before" "a catalog made again has them too"
run "$WEIR" query "$campaign"
unlike "$err" 'link ' "a query does not take them for gaps"
done_testing
