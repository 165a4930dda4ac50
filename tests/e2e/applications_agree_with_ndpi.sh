#!/bin/bash
# Flows are named as nDPI's own tests expect, also (all but the services) without nDPI and with packets cut at 152 bytes; and have the server names that tshark sees.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_shared
need_command python3
names=$TOOLS/tests/name_flows
[ -x "$names" ] || skip_all "name_flows is not built"
here=$ROOT/tests/e2e
expected=$WEIR_SHARED/captures/expected

compare() { # OPTION...
	python3 "$here/compare_with_ndpi.py" "$names" "$CAPTURES" "$expected" "$here/ndpi_explained.tsv" "$@"
}

# How many of the flows are named otherwise, in a hundred, rounded up.
share() { # LAST LINE OF compare
	sed -n 's/.* \([0-9]*\) flows: \(.*\)/\1 \2/p' <<<"$1" | awk '{
		for (i = 2; i < NF; i++) if ($(i + 1) ~ /^(differs|missing)/) bad += $i
		printf "%d", $1 ? (100 * bad + $1 - 1) / $1 : 100 }'
}

at_most() { # NUMBER LIMIT WHAT DIAGNOSIS
	if [ -n "$1" ] && [ "$1" -le "$2" ]; then ok "$3"; else not_ok "$3" "$4"; fi
}

plan 6

if cmp -s <("$names" -n "$CAPTURES/nfstream/quic_t50.pcap") <("$names" "$CAPTURES/nfstream/quic_t50.pcap"); then
	skip "every flow has the name that nDPI expects, or an explained one" "nDPI is not built in"
	skip "names are as frequent as in nfstream's tables" "nDPI is not built in"
else
	run compare
	is "$status" 0 "every flow has the name that nDPI expects, or an explained one"
	[ "$status" -eq 0 ] || sed 's/^/#   /' <<<"$out"
	run compare --tallies
	# What nDPI learned since 4.2 (PPStream), and flows that nfstream splits by time.
	at_most "$(share "$(tail -n 1 <<<"$out")")" 6 "names are as frequent as in nfstream's tables" "$out"
fi

run compare -n
at_most "$(share "$(tail -n 1 <<<"$out")")" 2 "our own signatures alone name 98 flows in 100 as nDPI expects" "$out"

run compare --carriers -n -s152
at_most "$(share "$(tail -n 1 <<<"$out")")" 1 "of packets cut at 152 bytes they name the protocol of 99 in 100" "$out"

if command -v tshark >/dev/null; then
	check "server names are those that tshark sees" \
		python3 "$here/compare_server_names.py" "$names" "$CAPTURES"/nDPI/{teams,zoom,reddit}.pcap "$CAPTURES"/nfstream/{iphone,http-manipulated}.pcap
else
	skip "server names are those that tshark sees" "no tshark"
fi

missing=
while read -r name; do
	grep -qF -- " $name" "$ROOT/docs/applications.md" || missing+=" $name"
done < <(sed -n 's/^\t\[APPLICATION_[A-Z0-9_]*\] = {"\([^"]*\)".*/\1/p' "$ROOT/src/packet/application_table.c")
is "$missing" "" "docs/applications.md lists every application"
