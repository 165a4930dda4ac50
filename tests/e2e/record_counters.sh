#!/bin/bash
# record --counters keeps what the system counts beside the packets, as Parquet that DuckDB reads, with the values of /proc; nothing else minds the files.
# run: sanitize waits
# timeout: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../tools/netns.sh"
need_command jq
network_up
files() { find "$campaign"/raw/*/counters -type f ! -name .lock -printf '%f\n' | sort; }
part_is_there() { files | grep -q '\.part$'; }

# More than one look; the second recording of this node leaves them to the first.
record --counters
wait_for 10 part_is_there
send -n 20 -s 100
ip netns exec "$namespace_out" "$WEIR" record -i out -o "$campaign" --counters --for 100ms -q $sandbox >/dev/null 2>"$tmp/second"
like "$(cat "$tmp/second")" 'counters are left out: another recording' "a second recording says that it leaves them out"
sleep 2
sent_bytes=$(taker sed -n 's/^ *in: *\([0-9]*\) .*/\1/p' /proc/net/dev) sent_packets=$(taker sed -n 's/^ *in: *[0-9]* *\([0-9]*\) .*/\1/p' /proc/net/dev)
record_end
is "$status" 0 "recording ends well"
like "$(files)" '^[0-9]{8}-[0-9]{6}\.parquet$' "there is a file, named by when it begins"
is "$(files | grep -c '\.part$')" 0 "nothing half written is left"
file=$(find "$campaign"/raw/*/counters -name '*.parquet' -print -quit)
is "$(head -c 4 "$file")$(tail -c 4 "$file")" PAR1PAR1 "it is whole"

run "$WEIR" verify "$campaign"
is "$status" 0 "verify has nothing to say"
before=$("$WEIR" info --json "$campaign" | jq -S -c '.[0] | del(.segments_bytes)')
rm "$campaign/catalog.db"
run "$WEIR" catalog rebuild "$campaign"
is "$status" 0 "the catalog is made again"
is "$("$WEIR" info --json "$campaign" | jq -S -c '.[0] | del(.segments_bytes)')" "$before" "with the same in it"
unlike "$before" '"counters"' "and no interface of that name"
[ -f "$file" ] && ok "the file is still there" || not_ok "the file is still there"

if command -v npm >/dev/null && command -v node >/dev/null &&
	(cd "$tmp" && npm install --no-audit --no-fund --prefer-offline --prefix "$tmp/duckdb" @duckdb/node-api) >"$tmp/npm" 2>&1; then
	total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
	found=$(DUCKDB_FOLDER=$tmp/duckdb node "$ROOT/tests/e2e/record_counters.mjs" "$file" "$sent_bytes" "$sent_packets" "$((total * 1024))" 2>&1)
	for what in columns counts-of-packets memory ratios looks only-changes all-at-first statistics; do
		is "$(grep "^$what " <<<"$found")" "$what ok" "in DuckDB: $what"
	done
	like "$found" '^end' "DuckDB came to the end"
else
	skip "values as DuckDB reads them" "npm could not install @duckdb/node-api"
fi

# A crash costs the file at hand, and the next recording clears it away.
record --counters
wait_for 10 part_is_there
kill -9 "$recorder"
wait "$recorder" 2>/dev/null
check "a crash leaves what was half written" part_is_there
record --counters --for 1s
record_wait
is "$status" 0 "the next recording ends well"
is "$(files | grep -c '\.part$')" 0 "and has cleared it away"
like "$(files | wc -l)" '^2$' "the files of the two that ended are there"

record --for 1s
record_wait
is "$(files | wc -l)" 2 "without --counters there is no other"

# Sealed for somebody, nothing of it is in the open, and who may read it can be changed.
campaign=$tmp/sealed
alice=$("$WEIR" keys new -o "$tmp/alice")
bob=$("$WEIR" keys new -o "$tmp/bob")
mkdir "$campaign"
echo "recipients = [\"$alice\"]" >"$campaign/campaign.toml"
record --counters --for 1s
record_wait
is "$status" 0 "sealed recording ends well"
like "$(files)" '^[0-9]{8}-[0-9]{6}\.parquet\.age$' "the file is sealed"
file=$(find "$campaign"/raw/*/counters -name '*.age' -print -quit)
is "$(head -n 1 "$file")" age-encryption.org/v1 "as age does"
is "$(grep -acE 'received_bytes|PAR1|interface' "$file")" 0 "no names in the open"
run "$WEIR" keys recipients "$campaign" add "$bob" --identity "$tmp/alice"
is "$status" 0 "another one is let in"
if command -v age >/dev/null; then
	for who in alice bob; do
		age -d -i "$tmp/$who" "$file" >"$tmp/opened" 2>"$tmp/age"
		is "$(head -c 4 "$tmp/opened")$(tail -c 4 "$tmp/opened")" PAR1PAR1 "$who opens it"
	done
else
	skip "they open it" "there is no age"
fi
run "$WEIR" verify "$campaign" --identity "$tmp/alice"
is "$status" 0 "verify has nothing to say of it"
done_testing
