#!/bin/bash
# weir anon: keys, policies, what goes in and out, and --map.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_shared

(umask 077 && echo "WEIR-KEY-1 $(printf "%064d" 7)" >"$tmp/key" && echo "WEIR-KEY-1 $(printf "%064d" 8)" >"$tmp/other")
capture=$CAPTURES/ipfixprobe/dns.pcap
sample=1522178d33a4cf80130a5b1649907d10d8988f837979652762574c2d2a842202

# ---- addresses ----

wrong=
checked=0
while read -r first second _; do
	case $first in
	key)
		key=$second
		continue
		;;
	set | source | '#' | '') continue ;;
	esac
	echo "$first $second" >>"$tmp/vectors-$key"
done <"$WEIR_SHARED/vectors/cryptopan.txt"
for file in "$tmp"/vectors-*; do
	cut -d' ' -f1 "$file" | xargs "$WEIR" anon --cryptopan-key "${file##*-}" --map >"$tmp/mapped" || wrong+="$file failed"
	# IPv6 addresses may be written in several ways.
	normal() { sed 's/^[^ ]* //' "$1" | python3 -c 'import ipaddress, sys; [print(ipaddress.ip_address(line.strip())) for line in sys.stdin]'; }
	checked=$((checked + $(wc -l <"$file")))
	wrong+=$(diff <(normal "$file") <(normal "$tmp/mapped") | head -n 3)
done
is "$wrong" "" "--map with Crypto-PAn's own key gives the published vectors"
[ "$checked" -gt 150 ] && ok "there are vectors" || not_ok "there are vectors" "$checked"

(umask 077 && echo $sample >"$tmp/cryptopan")
run "$WEIR" anon --cryptopan-key "@$tmp/cryptopan" --map 24.5.0.80
is "$out" "24.5.0.80 100.9.15.210" "Crypto-PAn's key may stand in a file"
chmod 644 "$tmp/cryptopan"
run "$WEIR" anon --cryptopan-key "@$tmp/cryptopan" --map 24.5.0.80
is "$status" 3 "… which others may not read"
run "$WEIR" anon --cryptopan-key abc --map 24.5.0.80
is "$status" 2 "what is no key of 64 digits is wrong use"
run "$WEIR" anon --key "$tmp/key" --map 10.0.0.1 ::ffff:10.0.0.1 224.0.0.1 00:1b:21:00:00:01
like "$out" '^224.0.0.1 224.0.0.1$' "with weir's own policy multicast addresses stay"
is "$(sed -n 's/^10.0.0.1 //p' <<<"$out")" "$(sed -n 's/^::ffff:10.0.0.1 ::ffff://p' <<<"$out")" "an IPv4-mapped address is hidden as the address in it"
like "$out" '^00:1b:21:00:00:01 ([0-9a-f]{2}:){5}[0-9a-f]{2}$' "MAC addresses are mapped too"
run "$WEIR" anon --key "$tmp/key" --map nobody
is "$status" 2 "what is no address is wrong use"

# ---- keys and policies ----

run env -u WEIR_KEY "$WEIR" anon "$capture" -w "$tmp/out.pcap"
is "$status" 2 "without a key nothing is written"
[ ! -e "$tmp/out.pcap" ] && ok "… not even an empty file" || not_ok "… not even an empty file"
run env WEIR_KEY="$tmp/key" "$WEIR" anon "$capture" -w "$tmp/env.pcap"
run "$WEIR" anon "$capture" -w "$tmp/key.pcap" --key "$tmp/key"
is "$status$err" 0 "--key alone is enough"
same_bytes "$tmp/env.pcap" "$tmp/key.pcap" "WEIR_KEY names the file of the key"
"$WEIR" anon "$capture" -w "$tmp/other.pcap" --key "$tmp/other"
cmp -s "$tmp/key.pcap" "$tmp/other.pcap" && not_ok "another key hides otherwise" || ok "another key hides otherwise"
run "$WEIR" anon "$capture" --key "$tmp/key"
is "$status" 2 "without -w it is wrong use"
run "$WEIR" anon no-such.pcap -w "$tmp/x.pcap" --key "$tmp/key"
is "$status" 3 "a file that is not there is exit status 3"
run "$WEIR" anon "$capture" -w "$tmp/x.pcap" --key "$tmp/key" --macs backwards
is "$status" 2 "a way that there is not is wrong use"
unlike "$err" 'line|options' "… told of the option, and no file that nobody has seen"

printf '[policy.keep]\ndefault = "all"\n[policy.hide]\naddresses = "truncate:16"\nmacs = "black"\nnames = "black"\n' >"$tmp/policy.toml"
run "$WEIR" anon "$capture" -w "$tmp/black.pcap" --policy "$tmp/policy.toml" --key "$tmp/key"
run "$WEIR" watch -r "$tmp/black.pcap" -n
like "$out" '192\.168\.0\.0' "a policy's techniques are used: truncated addresses"
like "$out" 'xxxxxx\.xxx' "… black names"
run "$WEIR" anon "$capture" -w "$tmp/x.pcap" --policy "$tmp/policy.toml" --key "$tmp/key" --macs keep
is "$status" 2 "--policy goes with no other word on how to hide"
printf '[policy.hide]\naddresses="black"\nmacs="black"\nnames="black"\nvlans="black"\ntcp_timestamps="black"\n' >"$tmp/keyless.toml"
run env -u WEIR_KEY "$WEIR" anon "$capture" -w "$tmp/x.pcap" --policy "$tmp/keyless.toml"
is "$status" 0 "a policy without keyed techniques needs no key"
printf '[policy.keep]\ndefault = "headers"\n' >"$tmp/nothing.toml"
run "$WEIR" anon "$capture" -w "$tmp/x.pcap" --policy "$tmp/nothing.toml" --key "$tmp/key"
is "$status" 2 "a policy that hides nothing is none for anon"

# ---- in and out ----

for format in pcap pcap.gz pcapng pcapng.zst; do
	run "$WEIR" anon "$capture" -w "$tmp/out.$format" --key "$tmp/key"
	is "$status" 0 "it writes $format"
	run "$WEIR" info "$tmp/out.$format"
	like "$out" 'Packets: +16' "… with every packet"
done
"$WEIR" anon - -w - --key "$tmp/key" <"$capture" >"$tmp/piped.pcapng"
same_bytes "$tmp/out.pcapng" "$tmp/piped.pcapng" "standard input and output work"
run "$WEIR" anon "$capture" "$CAPTURES/ipfixprobe/mqtt.pcap" -w "$tmp/two.pcapng" --key "$tmp/key"
run "$WEIR" info "$tmp/two.pcapng"
like "$out" 'Packets: +40' "several captures become one"
head -c 2000 "$capture" >"$tmp/cut.pcap"
run "$WEIR" anon "$tmp/cut.pcap" -w "$tmp/out.pcap" --key "$tmp/key"
is "$status" 1 "a damaged file is exit status 1"
run "$WEIR" info "$tmp/out.pcap"
like "$out" 'Packets: +[1-9]' "… and what is sound of it is written"

"$WEIR" import "$tmp/campaign" "$capture" -q 2>/dev/null
run "$WEIR" anon "$tmp/campaign" -w "$tmp/campaign.pcapng" --key "$tmp/key"
is "$status" 0 "a campaign is read"
run "$WEIR" info "$tmp/campaign.pcapng"
like "$out" 'Packets: +16' "… with every packet"

# Of packets hidden first, flows are those of flows hidden afterwards.
columns='source_address,destination_address,source_port,destination_port,protocol'
"$WEIR" flows "$capture" -f parquet -w "$tmp/flows.parquet"
"$WEIR" anon "$tmp/flows.parquet" -w "$tmp/hidden.parquet" --key "$tmp/key"
"$WEIR" flows "$tmp/hidden.parquet" --by $columns --sum packets -f csv | sort >"$tmp/of-flows"
"$WEIR" flows "$tmp/key.pcap" --by $columns --sum packets -f csv | sort >"$tmp/of-packets"
same_bytes "$tmp/of-packets" "$tmp/of-flows" "flows are hidden as packets are"
community() { "$WEIR" flows "$1" -f csv --no-applications | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "community_id") c = i; next } { print $c }' | sort; }
is "$(community "$tmp/hidden.parquet")" "$(community "$tmp/key.pcap")" "… and their Community IDs are made anew"
for format in ipfix nf9 csv json; do
	run "$WEIR" anon "$tmp/flows.parquet" -w "$tmp/flows.$format" --key "$tmp/key"
	is "$status" 0 "flows are written as $format"
	grep -aqE '192\.168\.0\.30|kernel\.org' "$tmp/flows.$format" && not_ok "… without originals" || ok "… without originals"
done
"$WEIR" flows "$capture" -f ipfix -w "$tmp/plain.ipfix"
"$WEIR" anon "$tmp/plain.ipfix" -w "$tmp/back.parquet" --key "$tmp/key"
"$WEIR" flows "$tmp/back.parquet" --by $columns --sum packets -f csv | sort >"$tmp/of-ipfix"
same_bytes "$tmp/of-packets" "$tmp/of-ipfix" "IPFIX is read too"
run "$WEIR" anon "$capture" "$tmp/flows.parquet" -w "$tmp/x.pcap" --key "$tmp/key"
is "$status" 2 "packets and flows do not go into one file"
done_testing
