#!/bin/bash
# Under `default = "headers"` no packet of any capture keeps a byte behind its transport header, as tshark finds it, and tshark reads what is left.
# timeout: 600
. "$(dirname "$0")/lib.sh"
need_shared
need_command tshark capinfos python3
plan 7

printf '[policy.keep]\ndefault = "headers"\n' >"$tmp/headers.toml"
mkdir "$tmp/before" "$tmp/after"
unreadable=
count=0
for file in "$CAPTURES"/*/*; do
	name=$count-$(basename "$file").pcapng
	"$WEIR" convert "$file" -w "$tmp/before/$name" --format pcapng >/dev/null 2>&1
	# What tshark does not read before it need not read after.
	[ -f "$tmp/before/$name" ] && capinfos -c "$tmp/before/$name" >/dev/null 2>&1 || { rm -f "$tmp/before/$name"; continue; }
	"$WEIR" convert "$file" -w "$tmp/after/$name" --format pcapng --policy "$tmp/headers.toml" >/dev/null 2>&1
	capinfos -c "$tmp/after/$name" >"$tmp/capinfos" 2>&1 || unreadable+="$name: $(tail -n 1 "$tmp/capinfos")
"
	count=$((count + 1))
done
[ "$count" -gt 200 ] && ok "captures were cut to headers" || not_ok "captures were cut to headers" "only $count"
is "$unreadable" "" "Wireshark's tools read each of them"

# A pcapng file may have many sections: all of them in one run of tshark.
cat "$tmp"/before/* >"$tmp/before.pcapng"
cat "$tmp"/after/* >"$tmp/after.pcapng"
run python3 "$(dirname "$0")/headers_kept.py" "$tmp/before.pcapng" "$tmp/after.pcapng"
is "$out" "" "no packet keeps a byte behind its headers, and lengths on the wire stay"
like "$err" '^[0-9]{5,} packets, [0-9]{5,} cut' "… of tens of thousands"

# Formats and sinks: what is cut off is in none of them.
printf '[policy.keep]\ndefault = "headers"\ndns = "all"\n' >"$tmp/dns.toml"
source=$CAPTURES/arkime/smtp-starttls.pcap
for format in pcap nspcap pcapng; do
	"$WEIR" convert "$source" -w "$tmp/out" --format "$format" --policy "$tmp/headers.toml"
	grep -aq ESMTP "$tmp/out" && echo "$format"
done >"$tmp/leaks"
grep -aq ESMTP "$source" || echo "the source has no such payload" >>"$tmp/leaks"
is "$(cat "$tmp/leaks")" "" "no format keeps what was cut off"
"$WEIR" import "$tmp/campaign" --codec none --policy "$tmp/headers.toml" -q "$source" "$CAPTURES/arkime/dns-dnskey.pcap"
is "$(grep -rla ESMTP "$tmp/campaign")" "" "nor does the archive"
"$WEIR" process "$tmp/campaign" -o "$tmp/run" --policy "$tmp/dns.toml" >/dev/null
check "a run under a policy is made again to the same bytes" "$WEIR" reproduce "$tmp/run"
