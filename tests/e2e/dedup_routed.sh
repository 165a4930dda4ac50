#!/bin/bash
# Of the routed duplicates that the generator makes, at two mirror ports whose clocks disagree, at least 99.9 % are found and less than 0.01 % of the packets are
# lost; retransmissions and repeated pings are none.
# run: threads
. "$(dirname "$0")/lib.sh"

value() { # KEY
	sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" <<<"$out"
}

# The figures that are asked for, of the packets of one run.
judge() { # WHAT
	local copies missed lost packets
	copies=$(value routed_copies) missed=$(value missed) lost=$(value lost) packets=$(value packets)
	check "$1: at least 99.9 % of $copies routed copies are found" test $((missed * 1000)) -le "$copies" -a "$copies" -gt 1000
	check "$1: less than 0.01 % of $packets packets are lost" test $((lost * 10000)) -lt "$packets"
}

# Cuts the packets of the two ports further; the generator leaves headers whole.
cut() { # SNAP
	local file
	for file in "$tmp"/gen/node[12]*.pcapng; do
		editcap -F pcapng -s "$1" "$file" "$tmp/cut.pcapng" && mv "$tmp/cut.pcapng" "$file"
	done
}

# An early clock turns the order of most copies round, a late one draws them apart. Whole packets, and packets cut at several lengths,
# down to where IPv6 and a few bytes just fit.
for case in "0us 152" "1ms 152" "-1ms 152" "500us 0" "100us 128" "-300us 96" "200us 72"; do
	set -- $case
	if [ "$2" -ne 0 ] && [ "$2" -lt 128 ]; then
		command -v editcap >/dev/null || continue
		snap=128
	else
		snap=$2
	fi
	"$TOOLS/bench/gen" --packets 60000 --truth --nodes 2 "--offset=$1" --snap "$snap" --ipv6 30 --routed 6 "$tmp/gen" 2>/dev/null || not_ok "the generator makes the case $case"
	[ "$snap" = "$2" ] || cut "$2"
	run "$TOOLS/bench/dedup" --window 0 --routed 100ms --truth "$tmp/gen/truth.tsv" "$tmp"/gen/node[12]*.pcapng
	is "$status" 0 "two ports are compared with the truth ($case)"
	judge "clocks apart by $1, snap length $2"
	rm -rf "$tmp/gen"
done

# Both ports in one file, of one node.
"$TOOLS/bench/gen" --packets 60000 --truth --nodes 1 --seed 5 --exact 0 "$tmp/gen" 2>/dev/null
run "$TOOLS/bench/dedup" --window 0 --routed 100ms --truth "$tmp/gen/truth.tsv" "$tmp"/gen/node1-span[01].pcapng
judge "two ports of one node"

# The command: the same numbers, on any number of threads, and a report that adds up.
run "$WEIR" dedup --window 0 --routed 100ms --json "$tmp"/gen/node1-span[01].pcapng -w "$tmp/out.pcapng"
is "$status" 0 "weir dedup merges two files and is fine"
routed=$(jq .routed <<<"$out")
check "it finds routed duplicates" test "$routed" -gt 1000
is "$(jq '[.pairs[].routed] | add' <<<"$out")" "$routed" "the pairs of the report add up"
is "$(jq '[.pairs[].hops[]] | add' <<<"$out")" "$routed" "so do their hops"
is "$(jq '[.pairs[].delays_below_power_of_2_ns[]] | add' <<<"$out")" "$routed" "and their delays"
is "$(jq '.packets - .routed' <<<"$out")" "$("$WEIR" info --json "$tmp/out.pcapng" | jq '.[0].packets')" "the packets written are those that are left"
like "$err" 'packets read, 0 removed as exact duplicates, [0-9,]+ as routed ones' "a line sums up"
run "$WEIR" dedup --window 0 --routed 100ms "$tmp/out.pcapng"
like "$err" ' 0 as routed ones' "nothing is left to find in what was written"
is "$out" "" "and no table is shown for nothing"

run "$WEIR" dedup --window 0 --routed 100ms --ignore ttl,vlan "$tmp"/gen/node1-span[01].pcapng
like "$err" ' 0 as routed ones' "where MAC addresses may not differ nothing is a routed duplicate"
# Which sighting is kept: as many as before, but more of them from the vantage that is preferred, and as good as no copy is left.
count_of() { # FILE NAME: packets of the interface
	"$WEIR" info --json "$1" | jq "[.[0].interfaces[] | select(.name == \"$2\") | .packets] | add"
}
total=$("$WEIR" info --json "$tmp/out.pcapng" | jq '.[0].packets')
for vantage in 0 1; do
	run "$WEIR" dedup --window 0 --routed 100ms --prefer "span$vantage" "$tmp"/gen/node1-span[01].pcapng -w "$tmp/preferred$vantage.pcapng"
	is "$status" 0 "dedup --prefer span$vantage is fine"
	is "$("$WEIR" info --json "$tmp/preferred$vantage.pcapng" | jq '.[0].packets')" "$total" "it keeps one sighting of each packet"
	check "and more of those that are preferred" test "$(count_of "$tmp/preferred$vantage.pcapng" "span$vantage")" -gt "$(count_of "$tmp/out.pcapng" "span$vantage")"
done
run "$WEIR" dedup --window 0 --routed 100ms "$tmp/preferred1.pcapng"
like "$err" ' 0 as routed ones' "no copy is left there"
run "$WEIR" dedup --window 0 --routed 100ms --prefer nobody "$tmp"/gen/node1-span[01].pcapng
is "$status" 2 "to prefer what is not there is wrong use"
run "$WEIR" dedup --window 0 --routed 100ms --prefer 1 - <"$tmp/out.pcapng"
is "$status" 2 "so is to prefer where input cannot be read twice"

run "$WEIR" dedup --ignore ttl,port "$tmp/out.pcapng"
is "$status" 2 "an unknown word for --ignore is wrong use"
run "$WEIR" dedup --window 1000001 "$tmp/out.pcapng"
is "$status" 2 "so is a window that is too long"
run "$WEIR" dedup --window 1000000 --memory 1M "$tmp/out.pcapng"
is "$status" 3 "a window that does not fit into the memory is refused"
like "$err" 'needs [0-9]+ bytes' "and says what it needs"
run "$WEIR" dedup --window 0 --routed 1h --memory 1M "$tmp"/gen/node1-span[01].pcapng
is "$status" 0 "routed duplicates within too long a time are looked for as far as memory goes"
like "$err" 'forgotten before their time' "and it says so"

# Packets to standard output.
"$WEIR" dedup "$tmp/gen/node1-span0.pcapng" -w "$tmp/file.pcapng" >/dev/null 2>&1
"$WEIR" dedup "$tmp/gen/node1-span0.pcapng" -w - 2>/dev/null >"$tmp/pipe.pcapng"
same_bytes "$tmp/file.pcapng" "$tmp/pipe.pcapng" "standard output gets the packets alone"
head -c 500000 "$tmp/gen/node1-span0.pcapng" >"$tmp/cut.pcapng"
run "$WEIR" dedup "$tmp/cut.pcapng" -w "$tmp/cut-out.pcapng"
is "$status" 1 "of a damaged file what is sound is written, and the exit status is 1"
check "the file is there" test -s "$tmp/cut-out.pcapng"
done_testing
