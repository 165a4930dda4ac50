// Compares flow records in Parquet, CSV and JSON by DuckDB: node flow_files.mjs PARQUET CSV JSON. Prints a line a finding, "KIND ok" or "KIND WHAT".
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const require = createRequire(pathToFileURL(process.env.DUCKDB_FOLDER + '/'));
const { DuckDBInstance } = require('@duckdb/node-api');
const [parquet, csv, json] = process.argv.slice(2);
const connection = await (await DuckDBInstance.create(':memory:')).connect();
const rows = async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJson();
const one = async (sql) => Object.values((await rows(sql))[0])[0];
const say = (kind, wrong) => console.log(kind, wrong.length ? wrong.join('; ') : 'ok');

await rows(`set timezone = 'UTC'`);
const columns = await rows(`describe select * from '${parquet}'`);
const all = columns.map((c) => c.column_name);
const text = `{${all.map((name) => `${name}: 'VARCHAR'`).join(', ')}}`;
const cast = columns.map((c) => `cast(${c.column_name} as ${c.column_type}) as ${c.column_name}`).join(', ');
const sources = {
	csv: `read_csv('${csv}', header = true, columns = ${text}, quote = '"', escape = '"', delim = ',', nullstr = '', allow_quoted_nulls = false, parallel = false)`,
	json: `read_json('${json}', format = 'newline_delimited', columns = ${text})`,
};
await rows(`create table parquet as select * from '${parquet}'`);
for (const [name, source] of Object.entries(sources))
	await rows(`create table ${name} as select ${cast} from ${source}`);

const number = (type) => /INT$|INTEGER$/.test(type);
// Sums of numbers, first and last of times, different values of strings: as a person would compare them.
const figures = columns.map(({ column_name: n, column_type: t }) =>
	number(t) ? `sum(${n}::hugeint)::varchar, count(${n})` : t.startsWith('TIMESTAMP') ? `min(${n})::varchar, max(${n})::varchar, count(${n})`
		: `count(distinct ${n}), sum(hash(${n}))::varchar, count(${n})`);
const figuresOf = {};
for (const table of ['parquet', 'csv', 'json']) {
	figuresOf[table] = {};
	for (let i = 0; i < all.length; i++)
		figuresOf[table][all[i]] = JSON.stringify((await rows(`select ${figures[i]} from ${table}`))[0]);
}
for (const other of ['csv', 'json']) {
	say(`figures-${other}`, all.filter((n) => figuresOf.parquet[n] !== figuresOf[other][n]).map((n) => `${n}: ${figuresOf.parquet[n]} ${figuresOf[other][n]}`));
	const only = await one(`select count(*) from (select * from parquet except all select * from ${other})`);
	const others = await one(`select count(*) from (select * from ${other} except all select * from parquet)`);
	say(`rows-${other}`, only === '0' && others === '0' ? [] : [`${only} rows in Parquet only, ${others} in ${other} only`]);
}

// The bounds and counts in the metadata, against the rows of each row group.
const groups = await rows(`select distinct row_group_id as id, row_group_num_rows as n from parquet_metadata('${parquet}') order by 1`);
const wrong = [];
let from = 0, bounded = 0;
for (const { id, n } of groups) {
	const to = from + Number(n);
	const within = `(select * from read_parquet('${parquet}', file_row_number = true) where file_row_number >= ${from} and file_row_number < ${to})`;
	for (const { column_name: name, column_type: type } of columns) {
		const c = (await rows(`select stats_min_value as least, stats_max_value as most, stats_null_count as nulls from parquet_metadata('${parquet}')
			where row_group_id = ${id} and path_in_schema = '${name}'`))[0];
		const form = type.startsWith('TIMESTAMP') ? (v) => `epoch_us(${v}::timestamptz)` : number(type) ? (v) => `${v}::hugeint` : (v) => v;
		const r = (await rows(`select ${form(`min(${name})`)}::varchar as least, ${form(`max(${name})`)}::varchar as most, count(*) - count(${name}) as nulls from ${within}`))[0];
		const m = (await rows(`select ${form(`'${(c.least ?? '').replaceAll("'", "''")}'`)}::varchar as least, ${form(`'${(c.most ?? '').replaceAll("'", "''")}'`)}::varchar as most`.replaceAll(`''::hugeint`, 'null').replaceAll(`epoch_us(''::timestamptz)`, 'null')))[0];
		const least = c.least === null ? null : m.least, most = c.most === null ? null : m.most;
		bounded += least !== null;
		if (least !== r.least || most !== r.most || c.nulls !== r.nulls)
			wrong.push(`row group ${id} ${name}: ${least} ${most} ${c.nulls} but ${r.least} ${r.most} ${r.nulls}`);
	}
	const unsorted = await one(`select count(*) from (select flow_start < lag(flow_start) over (order by file_row_number) as back from ${within}) where back`);
	if (unsorted !== '0')
		wrong.push(`row group ${id} is not sorted by flow_start`);
	from = to;
}
if (!bounded)
	wrong.push('no bounds at all');
say('statistics', wrong);

// Bounds prune: no row can have such a record number, so that the plan reads nothing.
const plan = JSON.stringify(await rows(`explain select count(*) from '${parquet}' where record > 1000000000000`));
say('pruning', plan.includes('EMPTY_RESULT') ? [] : [plan]);
