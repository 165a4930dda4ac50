#!/bin/bash
# Flow records are the same in Parquet, CSV and JSON, as DuckDB reads them; the statistics in Parquet hold; the same records give the same bytes.
# timeout: 180
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null && command -v node >/dev/null || skip_all "needs npm and node (scripts/deps installs them)"
(cd "$tmp" && npm install --no-audit --no-fund --prefer-offline --prefix "$tmp/duckdb" @duckdb/node-api) >"$tmp/npm" 2>&1 ||
	skip_all "npm could not install @duckdb/node-api: no network?"
export DUCKDB_FOLDER=$tmp/duckdb

for kind in usual odd; do
	for format in csv json parquet; do
		"$TOOLS/tests/records" 12000 7 $kind $format "$tmp/$kind.$format" || not_ok "$kind records are written as $format"
	done
	"$TOOLS/tests/records" 12000 7 $kind parquet "$tmp/again.parquet"
	cmp "$tmp/$kind.parquet" "$tmp/again.parquet" && ok "$kind records give the same bytes twice" || not_ok "$kind records give the same bytes twice"
	found=$(node "$ROOT/tests/e2e/flow_files.mjs" "$tmp/$kind.parquet" "$tmp/$kind.csv" "$tmp/$kind.json" 2>&1)
	for what in figures-csv rows-csv figures-json rows-json statistics pruning; do
		is "$(grep "^$what " <<<"$found")" "$what ok" "$kind records in DuckDB: $what"
	done
	# Without the checks' own words there was no check.
	like "$found" '^pruning' "$kind records: DuckDB came to the end"
done
done_testing
