#!/bin/bash
# ESP with NULL encryption is opened, and what is encrypted is not: against the truth of a synthetic campaign, and against tshark.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_command jq
gen=$TOOLS/bench/gen opened=$TOOLS/tests/opened

"$gen" --packets 150000 --hosts 64 --truth "$tmp/made" 2>/dev/null
for v in 0 1; do
	"$opened" "$tmp/made/node$((v + 1))-span0.pcapng" >"$tmp/opened$v" 2>"$tmp/figures$v"
	awk -F'\t' -v v=$v 'NR > 1 && $1 == v' "$tmp/made/truth.tsv" >"$tmp/truth$v"
	# Seal, addresses and ports of the truth; state, addresses and ports as opened; SPI.
	paste -d'\t' <(cut -f8,10-14 "$tmp/truth$v") <(cut -f2-7,10 "$tmp/opened$v") | awk -F'\t' '
		{ same = $2 == $8 && $3 == $9 && $4 == $10 && $5 == $11 && $6 == $12 }
		$1 == "null" && $7 == "opened" { same ? right++ : wrong++ }
		$1 == "null" && $7 != "opened" && number[$5, $13] >= 5 { late++ }
		$1 == "null" { number[$5, $13]++; null++ }
		$1 != "null" && $7 == "opened" { false_++ }
		$1 == "clear" && $2 != 0 && !same { wrong_clear++ }
		END { printf "null=%d right=%d wrong=%d late=%d false=%d wrong_clear=%d\n", null, right, wrong, late, false_, wrong_clear }' >"$tmp/sum"
	# shellcheck disable=SC2046 # words
	declare $(cat "$tmp/sum")
	is "$wrong" 0 "port $v: what is opened has the addresses, ports and protocol of the truth"
	is "$false" 0 "port $v: nothing that is encrypted is opened"
	is "$wrong_clear" 0 "port $v: what was never in ESP stays as it is"
	check "port $v: of $null packets $late are not opened after the fifth of their association" test $((late * 1000)) -le "$null"
	check "port $v: $right are opened, nearly all" test $((right * 100)) -ge $((null * 98))
	is "$(jq '.esp == .opened + .encrypted + .undecided' "$tmp/figures$v")" true "port $v: the statistics add up"
done

"$opened" -s 3 "$tmp/made/node1-span0.pcapng" >"$tmp/resumed" 2>"$tmp/figures"
same_bytes "$tmp/opened0" "$tmp/resumed" "saved and loaded in the middle it opens the same"

# Another implementation's packets (Scapy): every authentication it has, transport and tunnel mode, IPv6, in UDP; five ciphers.
vectors=$(dirname "$0")/decapsulate
"$opened" "$vectors/scapy.pcap" 2>/dev/null | cut -f2,3,7,4 >"$tmp/scapy"
wrong=$(paste -d'\t' <(tail -n +2 "$vectors/scapy.tsv") "$tmp/scapy" | awk -F'\t' '
	$2 == "encrypted" ? $6 != "esp" : $6 != "opened" || $7 != $3 || $8 != $5 || $9 != $4')
is "$wrong" "" "what Scapy sealed without encryption is opened, from the first packet on; what it encrypted is not"

# Whole packets: the payload's length is known to the byte, and tshark opens them likewise.
if command -v tshark >/dev/null; then
	"$gen" --packets 8000 --hosts 16 --snap 0 "$tmp/whole" 2>/dev/null
	"$opened" "$tmp/whole/node1-span0.pcapng" 2>/dev/null | awk -F'\t' '$2 == "opened" && ($3 == 6 || $3 == 17) { print $1 "\t" $5 "\t" $7 "\t" $9 }' >"$tmp/ours"
	tshark -r "$tmp/whole/node1-span0.pcapng" -o esp.enable_null_encryption_decode_heuristic:TRUE -o tcp.desegment_tcp_streams:FALSE -Y 'esp && (tcp || udp)' \
		-T fields -e frame.number -e tcp.srcport -e udp.srcport -e tcp.dstport -e udp.dstport -e tcp.len -e udp.length -E occurrence=f 2>/dev/null |
		awk -F'\t' '{ print $1 "\t" $2 $3 "\t" $4 $5 "\t" ($2 != "" ? $6 : $7 - 8) }' >"$tmp/theirs"
	check "tshark opens some" test "$(wc -l <"$tmp/theirs")" -gt 1000
	# Both: those that both opened have to be the same; ours misses some firsts, tshark some with an ICV of 16 bytes.
	differ=$(join -t$'\t' <(sort -k1,1 "$tmp/ours") <(sort -k1,1 "$tmp/theirs") | awk -F'\t' '$2 != $5 || $3 != $6 || $4 != $7' | head -n 5)
	is "$differ" "" "ports and payload lengths are as tshark has them"
	ours=$(wc -l <"$tmp/ours") theirs=$(wc -l <"$tmp/theirs")
	check "at least as many are opened ($ours) as by tshark ($theirs)" test "$((ours * 1000))" -ge $((theirs * 990))
else
	skip "as tshark" "no tshark"
fi
done_testing
