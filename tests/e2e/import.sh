#!/bin/bash
# What import promises beside the packets: vantages, segments by time, a clean end on Ctrl-C, damage in the ledger, one writer a vantage; and
# that the catalog can be made again.
# run: sanitize
. "$(dirname "$0")/lib.sh"
paced=$TOOLS/tests/paced
[ -x "$paced" ] || skip_all "needs $paced"
need_command sqlite3

ask() { sqlite3 "$tmp/c/catalog.db" "$1"; }
segments() { find "$tmp/c/raw/$1" -name '*.pcapng*' ! -name '*.idx' | sort; }

"$paced" 20000 300 1 "$tmp/log" >"$tmp/one.pcap"
sent=$(tail -n 1 "$tmp/log" | cut -d' ' -f2)
run "$WEIR" import "$tmp/c" "$tmp/one.pcap" --node box --segment 1M
is "$status" 0 "a file is imported into a campaign that did not exist"
is "$(ask 'SELECT node, interface, sum(packets) FROM segments')" "box|one|$sent" "its vantage is the node that was named and the file's name"
is "$(ask 'SELECT count(*) > 2 FROM segments')" 1 "it has as many segments as its size asks for"
like "$out" "one.pcap: .* packets, .* of box/one" "it says what it did"
[ -s "$tmp/c/campaign.toml" ] && [ -s "$tmp/c/.gitignore" ] && ok "the campaign has its description and what git is to leave out" ||
	not_ok "the campaign has its description and what git is to leave out"
mapfile -t files < <(segments box/one)
is "$("$paced" check "${files[@]}")" "$sent 1 $sent 0" "the packets are there, in order"

# Its own segments, imported again: what divides them is no part of them.
run "$WEIR" import "$tmp/c" "${files[0]}" --node box --iface again --codec none
is "$status" 0 "a segment of weir's can be imported"
mapfile -t again < <(segments box/again)
is "$("$paced" check "${again[@]}")" "$("$paced" check "${files[0]}")" "… and has the same packets"
run "$WEIR" verify "$tmp/c"
is "$status" 0 "… and is sound"

# Time bounds segments too.
"$paced" 2000 100 3 "$tmp/log" >"$tmp/long.pcap"
run "$WEIR" import "$tmp/c" "$tmp/long.pcap" --node box --iface timed --segment 1s
is "$(ask "SELECT count(*) >= 3 AND max(last_ns - first_ns) < 1000000000 FROM segments WHERE interface = 'timed'")" 1 "--segment 1s gives a segment a second"

# A damaged file.
head -c 1000003 "$tmp/one.pcap" >"$tmp/torn.pcap"
run "$WEIR" import "$tmp/c" "$tmp/torn.pcap" --node box
is "$status" 1 "a file that is cut off is a fault in the data"
like "$err" 'torn.pcap: offset [0-9]+' "the message has the file and the offset"
is "$(ask "SELECT packets FROM segments WHERE interface = 'torn'")" $(((1000003 - 24) / 316)) "what is before the cut is there"
is "$(ask "SELECT count(*) FROM ledger WHERE interface = 'torn' AND cause = 'damage' AND packets IS NULL")" 1 "the rest is in the ledger"
run "$WEIR" import "$tmp/c" "$tmp/absent.pcap" --node box
is "$status" 3 "a file that is not there could not be imported"
run "$WEIR" import "$tmp/c" "$tmp/log" --node box
is "$status" 1 "a file that is no capture is a fault in the data"
run "$WEIR" import "$tmp/c" "$tmp/one.pcap" --codec zstd:99
is "$status" 2 "a level that there is not is wrong use"

# Ctrl-C, while another asks for the same vantage. Job control, so that the signal is not ignored in the background.
mkfifo "$tmp/pipe"
"$paced" 5000 300 30 "$tmp/log" >"$tmp/pipe" &
set -m
"$WEIR" import "$tmp/c" - --node box --iface live -q <"$tmp/pipe" 2>"$tmp/interrupted" &
pid=$!
set +m
wait_for 20 test -n "$(find "$tmp/c/raw/box/live" -name '*.open' 2>/dev/null; sleep 2; find "$tmp/c/raw/box/live" -name '*.open')"
run "$WEIR" import "$tmp/c" "$tmp/one.pcap" --node box --iface live
is "$status" 3 "a vantage that another import writes to could not be had"
like "$err" 'another weir' "… and the message says why"
run "$WEIR" catalog rebuild "$tmp/c"
is "$status" 3 "nor can the catalog be rebuilt meanwhile"
kill -INT "$pid"
wait "$pid"
is "$?" 3 "an interrupted import could not finish"
like "$(cat "$tmp/interrupted")" 'interrupted' "… and says so"
mapfile -t live < <(segments box/live)
read -r packets first last gaps < <("$paced" check "${live[@]}")
[ "$packets" -gt 1000 ] && [ "$first $last $gaps" = "1 $packets 0" ] && ok "what it had read is in the archive" ||
	not_ok "what it had read is in the archive" "$packets $first $last $gaps"
is "$(ask "SELECT count(*) FROM ledger WHERE cause = 'crash'")" 0 "an interrupted import is no crash"

# The catalog from the files alone.
sqlite3 "$tmp/c/catalog.db" .dump >"$tmp/before"
rm "$tmp/c/catalog.db"*
run "$WEIR" info "$tmp/c"
like "$err" 'catalog rebuild' "without its catalog a campaign says what to do"
run "$WEIR" catalog rebuild "$tmp/c"
is "$status" 0 "the catalog is rebuilt"
sqlite3 "$tmp/c/catalog.db" .dump >"$tmp/after"
same_bytes "$tmp/before" "$tmp/after" "it equals the one that was lost"
find "$tmp/c/raw" -name '*.idx' | while read -r index; do md5sum "$index"; done | sort >"$tmp/indexes"
find "$tmp/c/raw" -name '*.idx' -delete
run "$WEIR" catalog rebuild "$tmp/c"
is "$status" 0 "it is rebuilt without a single index"
sqlite3 "$tmp/c/catalog.db" .dump >"$tmp/after"
same_bytes "$tmp/before" "$tmp/after" "… and equals the one that was lost"
find "$tmp/c/raw" -name '*.idx' | while read -r index; do md5sum "$index"; done | sort >"$tmp/indexes-again"
same_bytes "$tmp/indexes" "$tmp/indexes-again" "… and so do the indexes"
run "$WEIR" verify "$tmp/c"
is "$status" 0 "everything is sound"
done_testing
