#!/bin/bash
# What a policy allows is recorded, and no more; under load what it names is given up first; the ledger tells of all of it.
# run: alone
# timeout: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../tools/netns.sh"
network_up

cat >"$tmp/headers.toml" <<'EOF'
[policy]
name = "headers only"
[policy.keep]
default = "headers"
EOF
lengths() { "$WEIR" query "$campaign" -w - 2>/dev/null | tshark -r - -T fields -e frame.cap_len -e frame.len 2>/dev/null | sort -u; }
sum() { # CAUSE FIELD
	cat "$campaign"/raw/*/ledger.jsonl 2>/dev/null | grep "\"cause\":\"$1\"" | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" | awk '{ sum += $1 } END { print sum + 0 }'
}
need_command tshark

record --policy "$tmp/headers.toml"
send -n 500 -s 400
record_end
is "$status" 0 "a recording under --policy ends well"
is "$(lengths)" "42	400" "… of UDP datagrams in IPv4 it keeps 42 bytes, and how long they were"
is "$(field "$summary" archived)" "$sent" "… and none is missing"
check "… and what is stored verifies" "$WEIR" verify "$campaign"
rm -rf "$campaign/catalog.db"*
check "… and the catalog is made again from it" "$WEIR" catalog rebuild "$campaign"

# The campaign's own policy holds without being asked for.
rm -rf "$campaign"
mkdir "$campaign"
cat >"$campaign/campaign.toml" <<'EOF'
name = "one"
[policy.keep]
default = "20 bytes"
EOF
record
send -n 500 -s 400
record_end
is "$(lengths)" "62	400" "a campaign with a policy is recorded under it without being asked"
record --policy "$tmp/headers.toml"
send -n 100 -s 300
record_end
is "$(lengths)" "42	300
62	400" "… and with --policy only what both allow is kept"
printf '[policy.keep]\ndefault = "everything"\n' >"$campaign/campaign.toml"
record
record_wait
is "$status" 1 "a campaign whose policy is not sound is not recorded"
like "$err" 'campaign.toml: line 2: ' "… and the fault says where"

# What is not to be kept at all is said in the ledger, and is no loss.
rm -rf "$campaign"
printf '[policy.keep]\nudp = "nothing"\ndefault = "all"\n' >"$tmp/nothing.toml"
record --policy "$tmp/nothing.toml"
send -n 300 -s 100
record_end
is "$(field "$summary" withheld)" "$sent" "packets that the policy keeps nothing of are counted"
is "$(sum policy packets)" "$sent" "… and are in the ledger"
is "$(field "$("$WEIR" info --json "$campaign")" lost_packets)" 0 "… but not as lost"

# Under load: first payload, then the packets of a host, headers last.
rm -rf "$campaign"
cat >"$tmp/shed.toml" <<'EOF'
[policy.keep]
default = "all"
shed = ["payload", "udp"]
EOF
record --codec zstd:19 --buffer 1M --segment 1M --ring-size 8M --policy "$tmp/shed.toml"
send -t 4 -s 1000
record_end
numbers
[ "$(sum payload bytes)" -gt 0 ] && ok "a buffer that fills: payload is given up first, and the ledger says how much" ||
	not_ok "a buffer that fills: payload is given up first, and the ledger says how much" "$(cat "$campaign"/raw/*/ledger.jsonl)"
is "$(sum payload packets)" 0 "… none of those packets counts as lost"
like "$(lengths)" '^42	1000$' "… their headers are in the archive"
archived=$("$WEIR" query "$campaign" --json 2>/dev/null | wc -l)
is "$((archived + $(ledger "$lost_causes")))" "$sent" "… archived and ledger make what was sent"
like "$("$WEIR" info "$campaign")" 'payload .* given up' "… and info shows it"
done_testing
