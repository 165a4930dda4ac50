#!/bin/bash
# weir flows on files of flow records: what was written is read back, groups are what SQL over the CSV says, filters find what SQL finds.
# run: sanitize
. "$(dirname "$0")/lib.sh"
command -v sqlite3 >/dev/null || skip_all "needs sqlite3"
cd "$tmp" || exit 1

for kind in usual odd; do
	for format in csv json parquet; do
		"$TOOLS/tests/records" 12000 7 $kind $format "$kind.$format"
	done
done

# Records come back by record number as they were given: within a row group they were sorted by time.
for kind in usual odd; do
	run "$WEIR" flows "$kind.parquet" --sort record -f csv -w back.csv
	is "$status" 0 "$kind records are read from Parquet"
	# The largest come first.
	(head -n 1 $kind.csv && tail -n +2 $kind.csv | tac) >given.csv
	if [ $kind = usual ]; then
		cmp -s given.csv back.csv && ok "$kind records come back as CSV byte for byte" || not_ok "$kind records come back as CSV byte for byte" "$(diff given.csv back.csv | head -n 4)"
	fi
	run "$WEIR" flows "$kind.parquet" --sort record -f json -w back.json
	tac "$kind.json" | cmp -s - back.json && ok "$kind records come back as JSON byte for byte" || not_ok "$kind records come back as JSON byte for byte"
done

# Parquet of what was read from Parquet is a file with the same records.
"$WEIR" flows odd.parquet -f parquet -w again.parquet
is "$("$WEIR" flows again.parquet -f csv | sha256sum)" "$("$WEIR" flows odd.parquet --sort flow_start -f csv | sha256sum)" "Parquet from Parquet has the same records, sorted"

sql() { # CSV SQL
	sqlite3 -batch -csv :memory: ".import --csv $1 f" "$2"
}
by() { # WHAT SQL, and weir flows' arguments
	local what=$1 query=$2
	shift 2
	is "$("$WEIR" flows usual.parquet "$@" -f csv | tail -n +2 | sort | md5sum)" "$(sql usual.csv "$query" | tr -d '\r' | sort | md5sum)" "groups by $what are what SQL says"
}
sums="count(*), sum(packets), sum(reverse_packets), sum(wire_bytes), sum(reverse_wire_bytes), min(flow_start), max(flow_end)"
by "application" "select application, $sums from f group by 1" --by application
by "source_address, destination_port" "select source_address, destination_port, $sums from f group by 1, 2" --by source_address,destination_port
by "server_name, where there may be none" "select nullif(server_name, ''), $sums from f group by 1" --by server_name
by "a prefix of addresses" "select case when ip_version = 4 then substr(source_address, 1, instr(substr(source_address, 6), '.') + 5) || '0/24' else source_address end, $sums from f group by 1" --by source_address/24
by "a span of time" "select strftime('%Y-%m-%dT%H:%M:', flow_start) || printf('%02d', cast(strftime('%S', flow_start) as integer) / 10 * 10) || '.000000000Z', $sums from f group by 1" --by flow_start/10s
by "either end" "with e as (select source_address as a, packets as p, reverse_packets as r, wire_bytes as w, reverse_wire_bytes as x, flow_start as s, reverse_flow_start as t,
	flow_end as u, reverse_flow_end as v from f union all select destination_address, reverse_packets, packets, reverse_wire_bytes, wire_bytes, reverse_flow_start, flow_start,
	reverse_flow_end, flow_end from f where destination_address <> source_address)
	select a, count(*), sum(p), sum(r), sum(w), sum(x), min(nullif(s, '')), max(nullif(u, '')) from e group by 1" --by host
by "protocol, with other sums" "select protocol, count(*), sum(retransmissions), max(ttl_max), min(ttl_min), min(cast(nullif(handshake_rtt, '') as integer)) from f group by 1" \
	--by protocol --sum retransmissions,ttl_max,ttl_min,handshake_rtt
by "nothing that is there" "select nullif(vlan, ''), $sums from f group by 1" --by vlan

# The order and the first so many.
is "$("$WEIR" flows usual.parquet --by source_address --top 3 --sort packets -f csv | tail -n +2 | cut -d, -f1,3,4)" \
	"$(sql usual.csv 'select source_address, sum(packets), sum(reverse_packets) from f group by 1 order by sum(packets) + sum(reverse_packets) desc limit 3' | tr -d '\r')" \
	"--top of groups takes those with the most packets"
is "$("$WEIR" flows usual.parquet --top 5 --sort wire_bytes -f csv | tail -n +2 | sed 's/.*,//')" \
	"$(sql usual.csv 'select record from f order by cast(wire_bytes as integer) + cast(reverse_wire_bytes as integer) desc, flow_start, cast(record as integer) limit 5' | tr -d '\r')" \
	"--top of records takes those with the most bytes"
is "$("$WEIR" flows usual.parquet --by flow_start/10s -f csv | tail -n +2 | cut -d, -f1 | sort -c && echo sorted)" sorted "groups over time are in its order"

# Filters, in either direction.
filtered() { # FILTER WHERE
	is "$("$WEIR" flows usual.parquet -f csv $1 | tail -n +2 | sed 's/.*,//' | sort)" \
		"$(sql usual.csv "select record from f where $2" | tr -d '\r' | sort)" "records are filtered by $1"
}
filtered "host 10.1.0.7" "source_address = '10.1.0.7' or destination_address = '10.1.0.7'"
filtered "src host 10.1.0.7" "source_address = '10.1.0.7' or (destination_address = '10.1.0.7' and cast(reverse_packets as integer) > 0)"
filtered "tcp port 443" "protocol = 6 and (source_port = 443 or destination_port = 443)"
filtered "dst port 53" "destination_port = 53"
filtered "udp and not host 10.1.0.1" "protocol = 17 and source_address <> '10.1.0.1' and destination_address <> '10.1.0.1'"
filtered "net 10.1.1.0/24" "source_address like '10.1.1.%' or destination_address like '10.1.1.%'"
filtered "ip6 and tcp" "ip_version = 6 and protocol = 6"
filtered "tcp[tcpflags]&tcp-syn!=0" "ip_version = 4 and protocol = 6 and (tcp_flags & 2 <> 0 or (cast(reverse_packets as integer) > 0 and reverse_tcp_flags & 2 <> 0))"
filtered "vlan 7" "vlan = '7'"
is "$("$WEIR" flows usual.parquet --by application -f csv tcp port 445 | md5sum)" \
	"$("$WEIR" flows usual.parquet -f parquet -w part.parquet tcp port 445 && "$WEIR" flows part.parquet --by application -f csv | md5sum)" \
	"groups of filtered records are those of a file of them"

# Times.
is "$("$WEIR" flows usual.parquet --from @1700000010 --to @1700000010.5 -f csv | tail -n +2 | wc -l)" \
	"$(sql usual.csv "select count(*) from f where flow_start <= '2023-11-14T22:13:30.500000000Z' and max(flow_end, reverse_flow_end) >= '2023-11-14T22:13:30.000000000Z'" | tr -d '\r')" \
	"--from and --to find what was under way"

# A folder is all that is in it.
mkdir -p run/flows && cp usual.parquet run/flows/a.parquet && cp usual.parquet run/flows/b.parquet
is "$("$WEIR" flows run --by protocol --sum packets -f csv)" "$("$WEIR" flows usual.parquet usual.parquet --by protocol --sum packets -f csv)" "a folder of a run is its files"

# A reader that goes away is no fault.
"$WEIR" flows usual.parquet usual.parquet usual.parquet 2>gone | head -n 1 >/dev/null
is "${PIPESTATUS[0]} $(cat gone)" "0 " "a reader that goes away ends it quietly"

# What a file is, is seen in its bytes, compressed or not.
"$WEIR" flows usual.parquet -f nf9 -w usual.nf9
gzip -k usual.nf9
is "$("$WEIR" flows usual.nf9.gz --by protocol -f csv)" "$("$WEIR" flows usual.nf9 --by protocol -f csv)" "compressed datagrams are known as what they are"
like "$("$WEIR" flows usual.nf9 --by protocol -f csv | wc -l)" '^[2-9]' "… and hold flows"

# What can't be is told.
run "$WEIR" flows usual.parquet --by source_address,destination_address,source_port --memory 200K
is "$status" 3 "groups beyond --memory end it"
like "$err" 'do not fit into 200' "… in words"
run "$WEIR" flows usual.parquet --sort packets --memory 200K
is "$status" 3 "records to sort beyond --memory end it"
run "$WEIR" flows usual.parquet --by colour
is "$status" 2 "an unknown column is wrong use"
run "$WEIR" flows usual.parquet --by packets
is "$status" 2 "what is summed can't be grouped by"
run "$WEIR" flows usual.parquet port https and and
is "$status" 2 "a filter that does not compile is wrong use"
run "$WEIR" flows usual.csv -f csv -w none.csv
is "$status" 1 "a text is neither capture nor flow file"
[ ! -e none.csv ] && ok "… and nothing is written" || not_ok "… and nothing is written"
head -c 200000 usual.parquet >cut.parquet
run "$WEIR" flows cut.parquet
is "$status" 1 "a cut Parquet file is damaged"
like "$err" 'without its end' "… in words"
# One byte within a page: the checksum tells.
cp usual.parquet bent.parquet
printf '\377\377\377' | dd of=bent.parquet bs=1 seek=5000 conv=notrunc 2>/dev/null
run "$WEIR" flows bent.parquet -f csv
is "$status" 1 "a damaged page is found"
like "$err" 'checksum|decompress|damaged|page' "… in words"
done_testing
