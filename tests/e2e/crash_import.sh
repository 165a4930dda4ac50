#!/bin/bash
# An import that is killed at a random moment: what it had read a second before is there, in order and without a hole, the crash is in
# the ledger, and the next import goes on.
# timeout: 300
# run: waits
. "$(dirname "$0")/lib.sh"

paced=$TOOLS/tests/paced
[ -x "$paced" ] || skip_all "needs $paced"
need_command sqlite3
rounds=${CRASH_ROUNDS:-12}

# Segments of a vantage in their order.
segments() { find "$1/raw/box/wire" -name '*.pcapng*' ! -name '*.idx' | sort -t- -k4 | sort; }

lost_young=0 gaps=0 unsound=0 unledgered=0 left=0 report=
codecs=(none zstd:1 lz4 auto)
# Packets a second and their size: from less than a chunk a minute to several chunks a second.
loads=("200 100" "3000 600" "20000 1400" "100000 200")
for ((i = 0; i < rounds; i++)); do
	campaign=$tmp/c$i
	codec=${codecs[$((i % 4))]}
	read -r rate bytes <<<"${loads[$((i / 4 % 4))]}"
	mkfifo "$tmp/pipe$i"
	"$paced" "$rate" "$bytes" 20 "$tmp/log" >"$tmp/pipe$i" &
	feeder=$!
	"$WEIR" import "$campaign" - --node box --iface wire --codec "$codec" --segment 32M -q <"$tmp/pipe$i" 2>/dev/null &
	victim=$!
	sleep "1.$((RANDOM % 900 + 100))"
	sleep "0.$((RANDOM % 900 + 100))"
	kill -KILL "$victim"
	killed=$(date +%s%N)
	wait "$victim" 2>/dev/null
	wait "$feeder" 2>/dev/null
	# What the feeder had got rid of a second before.
	due=$(awk -v t="$killed" '$1 <= t - 1000000000 {n = $2} END {print n + 0}' "$tmp/log")

	# Opening it recovers it: this import has nothing to add.
	head -c 24 <("$paced" 1 100 1 /dev/null) >"$tmp/empty.pcap"
	"$WEIR" import "$campaign" "$tmp/empty.pcap" --node other --iface none -q >/dev/null 2>"$tmp/err" ||
		report+="round $i: $(cat "$tmp/err")"$'\n'
	mapfile -t files < <(segments "$campaign")
	read -r packets first last holes < <("$paced" check "${files[@]}" 2>"$tmp/err") || report+="round $i: $(cat "$tmp/err")"$'\n'
	what="round $i: $codec, $rate/s of $bytes: $packets packets of $due due"
	echo "# $what"
	[ "$packets" -ge "$due" ] || { lost_young=$((lost_young + 1)) report+="$what"$'\n'; }
	[ "$packets" -eq 0 ] || { [ "$holes" -eq 0 ] && [ "$first" -eq 1 ] && [ "$last" -eq "$packets" ]; } ||
		{ gaps=$((gaps + 1)) report+="$what, first $first, last $last, $holes gaps"$'\n'; }
	listed=$(sqlite3 "$campaign/catalog.db" "SELECT coalesce(sum(packets), 0) || ' ' || (SELECT count(*) FROM segments WHERE state <> 'closed') FROM segments WHERE interface = 'wire'")
	[ "$listed" = "$packets 0" ] || { unsound=$((unsound + 1)) report+="$what, the catalog says $listed"$'\n'; }
	[ "$(sqlite3 "$campaign/catalog.db" "SELECT count(*) FROM ledger WHERE cause = 'crash' AND interface = 'wire'")" = 1 ] ||
		{ unledgered=$((unledgered + 1)) report+="$what, no crash in the ledger"$'\n'; }
	[ -z "$(find "$campaign" -name '*.open' -o -name '*.tmp')" ] || { left=$((left + 1)) report+="$what, $(find "$campaign" -name '*.open')"$'\n'; }
	rm -rf "$campaign" "$tmp/pipe$i"
done
is "$lost_young" 0 "after $rounds kills, everything read a second before is in the archive"
is "$gaps" 0 "what is there has no holes and begins with the first packet"
is "$unsound" 0 "the catalog has what the segments have, and none is open"
is "$unledgered" 0 "each crash is one row of the ledger"
is "$left" 0 "no journal is left behind"
[ -z "$report" ] || printf '%s' "$report" | sed 's/^/# /'
done_testing
