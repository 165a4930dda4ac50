// Checks a file of counters by DuckDB: node record_counters.mjs PARQUET BYTES PACKETS MEMORY. Prints a line a finding, "KIND ok" or "KIND WHAT", then "end".
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const require = createRequire(pathToFileURL(process.env.DUCKDB_FOLDER + '/'));
const { DuckDBInstance } = require('@duckdb/node-api');
const [file, bytes, packets, memory] = process.argv.slice(2);
const connection = await (await DuckDBInstance.create(':memory:')).connect();
const rows = async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJson();
const one = async (sql) => Object.values((await rows(sql))[0])[0];
const say = (kind, got, wanted) => console.log(kind, String(got) === String(wanted) ? 'ok' : `${got}, not ${wanted}`);

await rows(`set timezone = 'UTC'`);
await rows(`create table c as select row_number() over () as row, * from '${file}'`);
const types = (await rows(`describe select * from '${file}'`)).map((c) => `${c.column_name} ${c.column_type}`).join(', ');
say('columns', types, 'time TIMESTAMP WITH TIME ZONE, group VARCHAR, instance VARCHAR, name VARCHAR, kind VARCHAR, unit VARCHAR, whole BIGINT, value DOUBLE');
// Nobody else sends: the last values are those that the kernel had after the last packet.
const last = (name) => one(`select whole from c where "group" = 'interface' and instance = 'in' and name = '${name}' and kind = 'total' order by row desc limit 1`);
say('counts-of-packets', `${await last('received_bytes')} ${await last('received_packets')}`, `${bytes} ${packets}`);
say('memory', JSON.stringify(await rows(`select kind, unit, whole, value from c where "group" = 'memory' and name = 'MemTotal'`)),
	JSON.stringify([{ kind: 'level', unit: 'bytes', whole: memory, value: null }]));
say('ratios', await one(`select count(*) from c where (unit = 'ratio') <> (value is not null) or (whole is null) = (value is null) or value < 0 or value > 1`), 0);
// Three seconds of looks, and the last at the end; no two are less than a second apart but that.
const looks = await rows(`select epoch_ns(time) as t from c group by time order by time`);
say('looks', looks.length >= 3 && BigInt(looks.at(-1).t) - BigInt(looks[0].t) >= 2000000000n, true);
say('only-changes', await one(`select count(*) from (select whole, value, lag(whole) over w as w0, lag(value) over w as v0, row_number() over w as n from c
	window w as (partition by "group", instance, name order by row)) where n > 1 and whole is not distinct from w0 and value is not distinct from v0`), 0);
// What comes later is little beside all: those that are made in between, as an interrupt that a CPU never had.
say('all-at-first', await one(`select count(*) filter (time = (select min(time) from c)) > 0.8 * count(distinct ("group", instance, name)) from c`), true);
say('statistics', JSON.stringify(await rows(`select stats_min_value::timestamptz = (select min(time) from c) as least, stats_max_value::timestamptz = (select max(time) from c) as most,
	row_group_num_rows = (select count(*) from c) as n from parquet_metadata('${file}') where path_in_schema = 'time'`)), JSON.stringify([{ least: true, most: true, n: true }]));
console.log('end');
