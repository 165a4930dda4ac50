#!/bin/bash
# weir policy says whether a policy is sound, where it is not, and what it comes to; commands that keep packets keep to one, and refuse one that is not sound.
# run: sanitize
. "$(dirname "$0")/lib.sh"
need_command zstd

cat >"$tmp/sound.toml" <<'EOF'
[policy]
name = "headers only"
[policy.keep]
dns = "all"
"port 25" = "0 bytes"
flow_bytes = "15K"
[policy.hide]
macs = "vendor"
EOF
run "$WEIR" policy check "$tmp/sound.toml"
is "$status" 0 "a sound policy is sound"
like "$out" '"headers only" is a sound policy: keeps less than everything, hides, with a key$' "… and check says what it does"
run "$WEIR" policy show "$tmp/sound.toml"
like "$out" '^default = "headers"$' "show fills in how much is kept"
like "$out" '^ipv4 = "prefix"$' "… and how it is hidden"
printf '%s\n' "$out" >"$tmp/shown.toml"
is "$("$WEIR" policy show "$tmp/shown.toml")" "$out" "what it shows reads back as the same policy"
run "$WEIR" policy show --json "$tmp/sound.toml"
like "$out" '"rules":\[\{"protocol":"dns","keep":"all"\},\{"filter":"port 25","keep":"0 bytes"\}\],"default":"headers"' "… also as JSON"

printf '[policy.keep]\n\ndns = "some"\n' >"$tmp/bad.toml"
run "$WEIR" policy check "$tmp/bad.toml"
is "$status" 1 "what no policy has is a fault in the data"
like "$err" 'bad.toml: line 3: ' "… in a line"
printf '[policy.keep]\n"prt 25" = "all"\n' >"$tmp/filter.toml"
run "$WEIR" policy check "$tmp/filter.toml"
is "$status" 1 "so is a filter that does not compile"
like "$err" 'line 2: .*prt 25' "… in a line too"
printf '[policy.keep\n' >"$tmp/no.toml"
run "$WEIR" policy check "$tmp/no.toml"
is "$status" 1 "and what is no TOML"
run "$WEIR" policy check "$tmp/missing.toml"
is "$status" 3 "a file that is not there could not be read"
run "$WEIR" policy prove "$tmp/sound.toml"
is "$status" 2 "neither check nor show is wrong use"

mkdir "$tmp/campaign"
printf 'name = "x"\n' >"$tmp/campaign/campaign.toml"
run "$WEIR" policy check "$tmp/campaign"
is "$status" 3 "a campaign without a policy has none to check"
cat "$tmp/sound.toml" >>"$tmp/campaign/campaign.toml"
run "$WEIR" policy check "$tmp/campaign"
is "$status" 0 "that of a campaign is found in its campaign.toml"

# A pcap file with one packet of Ethernet, IPv4, UDP.
{
	printf '\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\xff\xff\0\0\x01\0\0\0'
	printf '\0\0\0\0\0\0\0\0\x31\0\0\0\x31\0\0\0'
	printf '\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0E\0\0\x23\0\x01\0\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02\x03\xe8\x07\xd0\0\x0f\0\0private'
} >"$tmp/one.pcap"
run "$WEIR" convert "$tmp/one.pcap" -w "$tmp/out.pcap" --policy "$tmp/sound.toml"
is "$status:$(stat -c %s "$tmp/out.pcap")" "0:$((24 + 16 + 42))" "convert keeps to a policy"
run "$WEIR" import "$tmp/campaign" -q "$tmp/one.pcap"
is "$("$WEIR" query "$tmp/campaign" -w - 2>/dev/null | grep -ac private)" 0 "import keeps to the campaign's without being asked"
like "$("$WEIR" info "$tmp/campaign")" '^Policy: +headers only: less than everything is kept, and hidden from others' "… of which info tells"
check "… and the segment's section header" grep -aq 'kept as much as this policy allows: headers only' <(zstd -dcq "$tmp"/campaign/raw/*/*/*/*.zst)
run "$WEIR" process "$tmp/campaign" -o "$tmp/run" --policy "$tmp/bad.toml"
is "$status:$(ls "$tmp/run" 2>/dev/null)" "1:" "process refuses a policy that is not sound"
run "$WEIR" convert "$tmp/one.pcap" -w "$tmp/bad.pcap" --policy "$tmp/bad.toml"
is "$status:$(ls "$tmp/bad.pcap" 2>/dev/null)" "1:" "so does convert"
run "$WEIR" import "$tmp/other" -q --policy "$tmp/filter.toml" "$tmp/one.pcap"
is "$status:$(ls "$tmp/other" 2>/dev/null)" "2:" "so does import"
done_testing
