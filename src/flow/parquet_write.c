/* Flow records as a Parquet file: row groups are gathered in memory by column, sorted by time, and written column by column. */
#include <stdlib.h>

#include "flow/parquet_footer.h"

#define ROWS_USUAL 131072u
#define ROWS_MOST (UINT32_C(1) << 24)
#define LEVEL_USUAL 1
#define STRINGS_MOST ((size_t)64 << 20) /* a row group whose strings take more is ended early */
#define STRINGS_CHECK 1024u             /* rows between two looks at that */
#define RADIX_BITS 11

struct sort_key {
	uint64_t time, record;
	uint32_t row;
};

struct parquet {
	struct weir_flow_sink sink;
	struct parquet_output output;
	struct parquet_column *columns;
	struct parquet_chunk *chunks;
	size_t column_count;
	uint32_t room, rows, group_count;
	uint64_t total;
	struct sort_key *keys, *spare;
	uint32_t *order;
	struct text groups, footer;
};

/* ---- order ---- */

/* One stable pass over keys by some bits of their time (or record). */
static void radix_pass(const struct sort_key *from, struct sort_key *to, uint32_t count, bool by_record, unsigned shift)
{
	uint32_t places[1u << RADIX_BITS] = {0}, mask = (1u << RADIX_BITS) - 1, next = 0;

	for (uint32_t i = 0; i < count; i++)
		places[((by_record ? from[i].record : from[i].time) >> shift) & mask]++;
	for (uint32_t i = 0; i <= mask; i++) {
		uint32_t here = places[i];
		places[i] = next;
		next += here;
	}
	for (uint32_t i = 0; i < count; i++)
		to[places[((by_record ? from[i].record : from[i].time) >> shift) & mask]++] = from[i];
}

/* Sorts keys, stably, by time or record: numbers from 0 to most. */
static void radix_sort(struct parquet *parquet, bool by_record, uint64_t most)
{
	for (unsigned shift = 0; shift < 64 && most >> shift; shift += RADIX_BITS) {
		radix_pass(parquet->keys, parquet->spare, parquet->rows, by_record, shift);
		struct sort_key *sorted = parquet->spare;
		parquet->spare = parquet->keys;
		parquet->keys = sorted;
	}
}

/* The order of rows by flow_start, those without one last, then by record. */
static void sort_rows(struct parquet *parquet)
{
	struct sort_key *keys = parquet->keys;
	uint64_t least_time = UINT64_MAX, least_record = UINT64_MAX, most_time = 0, most_record = 0;
	bool records_ascend = true, times_ascend = true;

	for (uint32_t i = 0; i < parquet->rows; i++) {
		least_time = keys[i].time < least_time ? keys[i].time : least_time;
		most_time = keys[i].time > most_time && keys[i].time != UINT64_MAX ? keys[i].time : most_time;
		least_record = keys[i].record < least_record ? keys[i].record : least_record;
		most_record = keys[i].record > most_record ? keys[i].record : most_record;
		records_ascend &= i == 0 || keys[i].record >= keys[i - 1].record;
		times_ascend &= i == 0 || keys[i].time >= keys[i - 1].time;
	}
	if (most_time < least_time)
		most_time = least_time; /* no row has a time */
	for (uint32_t i = 0; i < parquet->rows; i++) {
		keys[i].time = keys[i].time == UINT64_MAX ? most_time - least_time + 1 : keys[i].time - least_time;
		keys[i].record -= least_record;
	}
	if (!records_ascend)
		radix_sort(parquet, true, most_record - least_record);
	if (!records_ascend || !times_ascend)
		radix_sort(parquet, false, most_time - least_time + 1);
	for (uint32_t i = 0; i < parquet->rows; i++)
		parquet->order[i] = parquet->keys[i].row;
}

/* ---- the sink ---- */

static int write_group(struct parquet *parquet, struct weir_fault *fault)
{
	int error = 0;

	if (parquet->rows == 0)
		return 0;
	sort_rows(parquet);
	for (size_t c = 0; c < parquet->column_count && !error; c++)
		error = parquet_column_write(&parquet->columns[c], parquet->order, parquet->rows, &parquet->output,
		                             &parquet->chunks[c], fault);
	if (error)
		return error;
	parquet_footer_group(&parquet->groups, parquet->chunks, parquet->rows, parquet->group_count++);
	parquet->total += parquet->rows;
	parquet->rows = 0;
	return 0;
}

static size_t strings_memory(const struct parquet *parquet)
{
	size_t bytes = 0;

	for (size_t c = 0; c < parquet->column_count; c++)
		bytes += parquet->columns[c].strings.used;
	return bytes;
}

static int parquet_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count,
                         struct weir_fault *fault)
{
	struct parquet *parquet = (struct parquet *)sink;
	int error = 0;

	while (count && !error) {
		/* Column by column, up to the row at which it is seen whether the group is full: that does not depend on how records come. */
		uint32_t row = parquet->rows, some = STRINGS_CHECK - row % STRINGS_CHECK;
		some = some < parquet->room - row ? some : parquet->room - row;
		some = some < count ? some : (uint32_t)count;
		for (size_t c = 0; c < parquet->column_count; c++)
			parquet_column_keep(&parquet->columns[c], row, flows, some);
		for (uint32_t i = 0; i < some; i++) {
			int64_t start = flows[i].forward.first_ns;
			uint64_t time = start == WEIR_NO_TIME ? UINT64_MAX : (uint64_t)start ^ UINT64_C(1) << 63;
			parquet->keys[row + i] = (struct sort_key){time, flows[i].sequence, row + i};
		}
		parquet->rows += some;
		flows += some;
		count -= some;
		if (parquet->rows == parquet->room ||
		    (parquet->rows % STRINGS_CHECK == 0 && strings_memory(parquet) > STRINGS_MOST))
			error = write_group(parquet, fault);
	}
	return error;
}

static int parquet_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct parquet *parquet = (struct parquet *)sink;
	int error = write_group(parquet, fault);

	if (error)
		return error;
	parquet_footer_make(&parquet->footer, &parquet->groups, parquet->group_count, parquet->total);
	if (parquet->footer.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the footer of a Parquet file");
	error = stream_writer_write(parquet->output.out, parquet->footer.data, parquet->footer.length, fault);
	return error ? error : stream_writer_finish(parquet->output.out, fault);
}

static void parquet_close(struct weir_flow_sink *sink)
{
	struct parquet *parquet = (struct parquet *)sink;

	for (size_t c = 0; parquet->columns && c < parquet->column_count; c++)
		parquet_column_free(&parquet->columns[c]);
	for (size_t c = 0; parquet->chunks && c < parquet->column_count; c++) {
		text_free(&parquet->chunks[c].least);
		text_free(&parquet->chunks[c].most);
	}
	stream_writer_close(parquet->output.out);
	ZSTD_freeCCtx(parquet->output.zstd);
	text_free(&parquet->output.page);
	text_free(&parquet->output.packed);
	text_free(&parquet->output.header);
	free(parquet->output.levels);
	free(parquet->output.ids);
	free(parquet->output.values);
	free(parquet->output.slots);
	free(parquet->output.known);
	text_free(&parquet->groups);
	text_free(&parquet->footer);
	free(parquet->columns);
	free(parquet->chunks);
	free(parquet->keys);
	free(parquet->spare);
	free(parquet->order);
	free(parquet);
}

static const struct weir_flow_sink_ops parquet_ops = {"parquet", parquet_write, parquet_finish, parquet_close};

static int allocate(struct parquet *parquet, const char *path, struct weir_fault *fault)
{
	const struct weir_flow_column *columns = weir_flow_columns(&parquet->column_count);
	size_t rows = parquet->room;
	int error = 0;

	parquet->output.zstd = ZSTD_createCCtx();
	parquet->output.levels = malloc(rows * sizeof *parquet->output.levels);
	parquet->output.ids = malloc(rows * sizeof *parquet->output.ids);
	parquet->output.values = malloc(rows * sizeof *parquet->output.values);
	parquet->output.slots = malloc(PARQUET_SLOTS * sizeof *parquet->output.slots);
	parquet->output.known = malloc(PARQUET_SLOTS / 4 * sizeof *parquet->output.known);
	parquet->keys = malloc(rows * sizeof *parquet->keys);
	parquet->spare = malloc(rows * sizeof *parquet->spare);
	parquet->order = malloc(rows * sizeof *parquet->order);
	parquet->columns = calloc(parquet->column_count, sizeof *parquet->columns);
	parquet->chunks = calloc(parquet->column_count, sizeof *parquet->chunks);
	if (!parquet->output.zstd || !parquet->output.levels || !parquet->output.ids || !parquet->output.values ||
	    !parquet->output.slots || !parquet->output.known || !parquet->keys || !parquet->spare || !parquet->order ||
	    !parquet->columns || !parquet->chunks)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	for (size_t c = 0; c < parquet->column_count && !error; c++)
		error = parquet_column_new(&parquet->columns[c], &columns[c], parquet->room, fault);
	return error;
}

int weir_flow_parquet_open(const char *path, const struct weir_parquet_options *options, struct weir_flow_sink **sink,
                           struct weir_fault *fault)
{
	struct parquet *parquet = calloc(1, sizeof *parquet);

	if (!parquet)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	parquet->sink.ops = &parquet_ops;
	parquet->room = options && options->row_group_rows ? options->row_group_rows : ROWS_USUAL;
	if (parquet->room > ROWS_MOST)
		parquet->room = ROWS_MOST;
	parquet->output.level = options && options->level ? options->level : LEVEL_USUAL;
	int error = allocate(parquet, path, fault);
	if (!error)
		error = stream_writer_open_sealed(path, WEIR_COMPRESSION_NONE, 0, options ? options->recipients : NULL, options ? options->sealed_header : 0,
		                                  &parquet->output.out, fault);
	if (!error && options && options->recipients && options->sealed_sha256)
		error = stream_writer_hash(parquet->output.out, options->sealed_sha256, fault);
	if (!error)
		error = stream_writer_write(parquet->output.out, PARQUET_MAGIC, 4, fault);
	if (error) {
		parquet_close(&parquet->sink);
		return error;
	}
	*sink = &parquet->sink;
	return 0;
}
