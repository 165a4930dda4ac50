/* Flow records as a Parquet file: row groups are gathered in memory, sorted by time, and written column by column. */
#include <stdlib.h>

#include "flow/parquet_table.h"

#define STRINGS_MOST ((size_t)64 << 20) /* a row group whose strings take more is ended early */
#define STRINGS_CHECK 1024u             /* rows between two looks at that */
#define RADIX_BITS 11

struct sort_key {
	uint64_t value; /* a time or the number of a record */
	uint32_t row;
};

struct parquet {
	struct weir_flow_sink sink;
	struct parquet_schema schema;
	struct parquet_table table;
	uint64_t *times, *records; /* of rows; without a time: UINT64_MAX */
	struct sort_key *keys, *spare;
};

/* ---- order ---- */

/* One stable pass over keys by some bits. */
static void radix_pass(const struct sort_key *from, struct sort_key *to, uint32_t count, unsigned shift)
{
	uint32_t places[1u << RADIX_BITS] = {0}, mask = (1u << RADIX_BITS) - 1, next = 0;

	for (uint32_t i = 0; i < count; i++)
		places[(from[i].value >> shift) & mask]++;
	for (uint32_t i = 0; i <= mask; i++) {
		uint32_t here = places[i];
		places[i] = next;
		next += here;
	}
	for (uint32_t i = 0; i < count; i++)
		to[places[(from[i].value >> shift) & mask]++] = from[i];
}

/* Sorts keys, stably, by numbers from 0 to most. */
static void radix_sort(struct parquet *parquet, uint64_t most)
{
	for (unsigned shift = 0; shift < 64 && most >> shift; shift += RADIX_BITS) {
		radix_pass(parquet->keys, parquet->spare, parquet->table.rows, shift);
		struct sort_key *sorted = parquet->spare;
		parquet->spare = parquet->keys;
		parquet->keys = sorted;
	}
}

/* The order of rows by flow_start, those without one last, then by record. */
static void sort_rows(struct parquet *parquet)
{
	const uint64_t *times = parquet->times, *records = parquet->records;
	uint64_t least_time = UINT64_MAX, least_record = UINT64_MAX, most_time = 0, most_record = 0;
	bool records_ascend = true, times_ascend = true;
	uint32_t rows = parquet->table.rows;

	for (uint32_t i = 0; i < rows; i++) {
		least_time = times[i] < least_time ? times[i] : least_time;
		most_time = times[i] > most_time && times[i] != UINT64_MAX ? times[i] : most_time;
		least_record = records[i] < least_record ? records[i] : least_record;
		most_record = records[i] > most_record ? records[i] : most_record;
		records_ascend &= i == 0 || records[i] >= records[i - 1];
		times_ascend &= i == 0 || times[i] >= times[i - 1];
	}
	if (most_time < least_time)
		most_time = least_time; /* no row has a time */
	for (uint32_t i = 0; i < rows; i++)
		parquet->keys[i] = (struct sort_key){records[i] - least_record, i};
	if (!records_ascend)
		radix_sort(parquet, most_record - least_record);
	for (uint32_t i = 0; i < rows; i++) {
		uint64_t time = times[parquet->keys[i].row];
		parquet->keys[i].value = time == UINT64_MAX ? most_time - least_time + 1 : time - least_time;
	}
	if (!records_ascend || !times_ascend)
		radix_sort(parquet, most_time - least_time + 1);
	for (uint32_t i = 0; i < rows; i++)
		parquet->table.order[i] = parquet->keys[i].row;
}

/* ---- the sink ---- */

static int write_group(struct parquet *parquet, struct weir_fault *fault)
{
	if (parquet->table.rows == 0)
		return 0;
	sort_rows(parquet);
	return parquet_table_group(&parquet->table, fault);
}

static int parquet_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count,
                         struct weir_fault *fault)
{
	struct parquet *parquet = (struct parquet *)sink;
	int error = 0;

	while (count && !error) {
		/* Column by column, up to the row at which it is seen whether the group is full: that does not depend on how records come. */
		uint32_t row = parquet->table.rows, some = STRINGS_CHECK - row % STRINGS_CHECK;
		some = some < parquet->table.room - row ? some : parquet->table.room - row;
		some = some < count ? some : (uint32_t)count;
		parquet_table_keep(&parquet->table, flows, some);
		for (uint32_t i = 0; i < some; i++) {
			int64_t start = flows[i].forward.first_ns;
			parquet->times[row + i] = start == WEIR_NO_TIME ? UINT64_MAX : (uint64_t)start ^ UINT64_C(1) << 63;
			parquet->records[row + i] = flows[i].sequence;
		}
		flows += some;
		count -= some;
		if (parquet->table.rows == parquet->table.room ||
		    (parquet->table.rows % STRINGS_CHECK == 0 && parquet_table_strings(&parquet->table) > STRINGS_MOST))
			error = write_group(parquet, fault);
	}
	return error;
}

static int parquet_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct parquet *parquet = (struct parquet *)sink;
	int error = write_group(parquet, fault);

	return error ? error : parquet_table_finish(&parquet->table, fault);
}

static void parquet_close(struct weir_flow_sink *sink)
{
	struct parquet *parquet = (struct parquet *)sink;

	parquet_table_close(&parquet->table);
	free(parquet->times);
	free(parquet->records);
	free(parquet->keys);
	free(parquet->spare);
	free(parquet);
}

static const struct weir_flow_sink_ops parquet_ops = {"parquet", parquet_write, parquet_finish, parquet_close};

struct parquet_schema parquet_flow_schema(void)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	return (struct parquet_schema){
		.name = "flows",
		.columns = columns,
		.column_count = count,
		.record_size = sizeof(struct weir_flow),
		.sorted = {(uint16_t)(weir_flow_column_named("flow_start") - columns),
		           (uint16_t)(weir_flow_column_named("record") - columns)},
		.sorted_count = 2,
	};
}

int weir_flow_parquet_open(const char *path, const struct weir_parquet_options *options, struct weir_flow_sink **sink,
                           struct weir_fault *fault)
{
	struct parquet *parquet = calloc(1, sizeof *parquet);

	if (!parquet)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	parquet->sink.ops = &parquet_ops;
	parquet->schema = parquet_flow_schema();
	int error = parquet_table_open(&parquet->table, path, &parquet->schema, options, fault);
	if (!error) {
		size_t room = parquet->table.room;
		parquet->times = malloc(room * sizeof *parquet->times);
		parquet->records = malloc(room * sizeof *parquet->records);
		parquet->keys = malloc(room * sizeof *parquet->keys);
		parquet->spare = malloc(room * sizeof *parquet->spare);
		if (!parquet->times || !parquet->records || !parquet->keys || !parquet->spare)
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	}
	if (error) {
		parquet_close(&parquet->sink);
		return error;
	}
	*sink = &parquet->sink;
	return 0;
}
