#!/bin/bash
# The gaps of the ledger that touch what was asked for are told on standard error: a line each, grouped when they are many.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_shared
need_command sqlite3

capture=$CAPTURES/arkime/dns-dnskey.pcap
run "$WEIR" import -q --node one --iface eth0 "$tmp/campaign" "$capture"
lose() { # FROM_SECONDS CAUSE PACKETS INTERFACE
	sqlite3 "$tmp/campaign/catalog.db" "INSERT INTO ledger(node, interface, cause, entered_ns, from_ns, to_ns, packets, bytes, detail)
		VALUES('one', '$4', '$2', $1, $1 * 1000000000, ($1 + 1) * 1000000000, $3, NULL, '')"
}
query() {
	run "$WEIR" query "$tmp/campaign" -w /dev/null "$@"
}

query
is "$err" "" "without gaps nothing is said"
lose 1000 ring 5 eth0
lose 2000 crash NULL eth0
lose 3000 nic 7 eth1
query
is "$status" 0 "a gap is no error"
is "$(wc -l <<<"$err")" 3 "each gap is a line"
like "$err" '^weir query: gap on one eth0, 1970-01-01T00:16:40.000Z to 1970-01-01T00:16:41.000Z: ring, 5 packets$' \
	"it says where, from when to when, why and how much"
like "$err" 'crash, how many packets is not known' "it says when it is not known how much"
query --from @999 --to @1500
is "$(wc -l <<<"$err")" 1 "only gaps that touch the time are told"
query --iface eth1
like "$err" 'nic, 7 packets' "only gaps of the interface are told"
is "$(wc -l <<<"$err")" 1 "and no others"
query --no-gaps
is "$err" "" "--no-gaps keeps quiet"
for ((i = 0; i < 40; i++)); do
	lose $((4000 + i)) ring 2 eth0
done
query
is "$(wc -l <<<"$err")" 3 "many gaps are grouped"
like "$err" 'eth0, .* ring, 41 times, 85 packets' "with their sum"
run "$WEIR" info --json "$tmp/campaign"
like "$out" '"gaps":43,"gaps_of_unknown_size":1,"lost_packets":92' "info adds them up"
done_testing
