#!/bin/bash
# weir flows on captures: every format holds the same records, groups of packets are those of their records, and a filter on packets makes the records that
# the same filter finds among all. Captures whose filtered packets are whole flows: no fragments, no tunnels.
. "$(dirname "$0")/lib.sh"
need_shared
cd "$tmp" || exit 1
flows() { "$WEIR" flows "$@" --no-applications; }
records() { # records as CSV without their numbers, in an order that does not depend on them
	flows "$@" -f csv | tail -n +2 | sed 's/,[0-9]*$//' | sort
}

for capture in nDPI/netflix.pcap nDPI/dns_doh.pcap nDPI/whatsapp.pcap nDPI/ipv6_in_gtp.pcap; do
	file=$CAPTURES/$capture
	name=$(basename "$capture")
	[ -f "$file" ] || { skip "$name" "not there"; continue; }
	flows "$file" -f parquet -w all.parquet
	flows "$file" -f csv -w all.csv
	flows "$file" -f json -w all.json
	like "$(wc -l <all.csv)" '^([2-9]|[1-9][0-9]+)$' "$name: there are flows"
	is "$(records all.parquet | md5sum)" "$(records "$file" | md5sum)" "$name: Parquet holds the records of CSV"
	is "$(flows all.parquet --sort record -f json | md5sum)" "$(tac all.json | md5sum)" "$name: … and of JSON"
	for keys in protocol host source_address/16,destination_port flow_start/1s; do
		is "$(flows "$file" --by $keys --sum all -f csv | md5sum)" "$(flows all.parquet --by $keys --sum all -f csv | md5sum)" \
			"$name: groups by $keys of packets are those of records"
	done
	is "$(flows "$file" --top 3 -f json | md5sum)" "$(flows all.parquet --top 3 -f json | md5sum)" "$name: --top of packets is that of records"
done

for capture in nDPI/netflix.pcap nDPI/whatsapp.pcap nDPI/dns_doh.pcap; do
	file=$CAPTURES/$capture
	name=$(basename "$capture")
	[ -f "$file" ] || { skip "$name" "not there"; continue; }
	flows "$file" -f parquet -w all.parquet
	# The hosts and ports with the most bytes, but for the first host, which every flow has.
	host=$(flows all.parquet --by host --top 3 -f csv | sed -n '3s/,.*//p')
	port=$(flows all.parquet --by destination_port --top 1 -f csv | sed -n '2s/,.*//p')
	matched=0
	for filter in "host $host" "not host $host" "port $port" "tcp" "udp" "tcp port $port and host $host" "net ${host%.*}.0/24" "ip" "ip6" "icmp or igmp"; do
		records all.parquet $filter >found
		records "$file" $filter >made
		cmp -s found made && ok "$name: $filter finds what it makes" || not_ok "$name: $filter finds what it makes" "$(diff found made | cut -c1-300 | head -n 6)"
		matched=$((matched + $(wc -l <found)))
	done
	like "$matched" '^[1-9]' "$name: filters find something"
done

# Several captures are one stream of packets in order of time: flows that cross from one to the next are whole.
file=$CAPTURES/nDPI/netflix.pcap
if [ -f "$file" ] && command -v editcap >/dev/null; then
	editcap -F pcap -c 1000 "$file" part.pcap
	is "$(records part_*.pcap | cut -d, -f1-50 | md5sum)" "$(records "$file" | cut -d, -f1-50 | md5sum)" "parts of a capture make the flows of the whole"
	flows "$file" --from @1484319060 --to @1484319061 -f csv >window.csv
	is "$(awk -F, 'NR > 1 { p += $11 + $12 } END { print p }' window.csv)" \
		"$(tcpdump -r "$file" -tt 'ip or ip6' 2>/dev/null | awk '$1 >= 1484319060 && $1 <= 1484319061' | wc -l)" "--from and --to take the packets between"
else
	skip "parts of a capture" "needs editcap"
fi

# A campaign.
"$WEIR" import campaign "$CAPTURES/nDPI/netflix.pcap" --node a --iface b >/dev/null 2>&1
if [ -d campaign ]; then
	is "$(records campaign | cut -d, -f1-50 | md5sum)" "$(records "$CAPTURES/nDPI/netflix.pcap" | cut -d, -f1-50 | md5sum)" "a campaign has the flows of what was imported"
else
	not_ok "a campaign is made"
fi

# The number of threads changes nothing; damage keeps what came before it.
is "$("$WEIR" flows "$file" --threads 1 -f parquet | md5sum)" "$("$WEIR" flows "$file" --threads 4 -f parquet | md5sum)" "any number of threads makes the same bytes"
head -c 300000 "$file" >cut.pcap
run "$WEIR" flows cut.pcap -f csv
is "$status" 1 "a cut capture is damage"
like "$(wc -l <<<"$out")" '^[1-9][0-9]' "… and the flows before it are there"
done_testing
