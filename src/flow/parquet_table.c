/* A Parquet file of records: flow/parquet_table.h. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "flow/parquet_table.h"

#define ROWS_MOST (UINT32_C(1) << 24)
#define THREADS_MOST 8 /* more have nothing left to do: half of the work is in six columns */

static int allocate(struct parquet_table *table, const char *path, int level, struct weir_fault *fault)
{
	size_t rows = table->room, count = table->schema->column_count;
	bool all = (table->outputs = calloc(table->threads, sizeof *table->outputs)) != NULL;
	int error = 0;

	for (unsigned i = 0; i < table->threads && all; i++)
		all = parquet_output_new(&table->outputs[i], table->room, level);
	table->order = malloc(rows * sizeof *table->order);
	table->columns = calloc(count, sizeof *table->columns);
	table->chunks = calloc(count, sizeof *table->chunks);
	table->twins = calloc(count, sizeof *table->twins);
	if (!all || !table->order || !table->columns || !table->chunks || !table->twins)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	for (size_t c = 0; c < count && !error; c++)
		error = parquet_column_new(&table->columns[c], &table->schema->columns[c], table->room, fault);
	return error;
}

int parquet_table_open(struct parquet_table *table, const char *path, const struct parquet_schema *schema,
                       const struct weir_parquet_options *options, struct weir_fault *fault)
{
	*table = (struct parquet_table){.schema = schema};
	table->room = options && options->row_group_rows ? options->row_group_rows : PARQUET_ROWS_USUAL;
	if (table->room > ROWS_MOST)
		table->room = ROWS_MOST;
	table->threads = !options || !options->threads ? 1 : options->threads < THREADS_MOST ? options->threads : THREADS_MOST;
	const struct stream_writing writing = {.recipients = options ? options->recipients : NULL, .multiple = options ? options->sealed_header : 0};
	int error = allocate(table, path, options ? options->level : 0, fault);
	if (!error)
		error = stream_writer_open_as(path, &writing, &table->out, fault);
	if (!error && options && options->recipients && options->sealed_sha256)
		error = stream_writer_hash(table->out, options->sealed_sha256, fault);
	return error ? error : stream_writer_write(table->out, PARQUET_MAGIC, 4, fault);
}

void parquet_table_keep(struct parquet_table *table, const void *records, size_t count)
{
	for (size_t c = 0; c < table->schema->column_count; c++)
		parquet_column_keep(&table->columns[c], table->rows, records, table->schema->record_size, count);
	table->rows += (uint32_t)count;
}

size_t parquet_table_strings(const struct parquet_table *table)
{
	size_t bytes = 0;

	for (size_t c = 0; c < table->schema->column_count; c++)
		bytes += table->columns[c].strings.used;
	return bytes;
}

/* ---- a row group ---- */

/* A thread that makes chunks: of the columns that nobody has taken yet, one after the other. */
struct group_worker {
	struct parquet_table *table;
	struct parquet_output *output;
	_Atomic size_t *next;
	pthread_t thread;
	int error;
	struct weir_fault fault;
};

static void *make_chunks(void *argument)
{
	struct group_worker *worker = argument;
	struct parquet_table *table = worker->table;

	for (;;) {
		/* Relaxed: which column is all that it tells; what was made is seen by whoever joins the thread. */
		size_t c = atomic_fetch_add_explicit(worker->next, 1, memory_order_relaxed);
		if (c >= table->schema->column_count || worker->error)
			return NULL;
		if (table->twins[c] == c)
			worker->error = parquet_column_write(&table->columns[c], table->order, table->rows, worker->output, &table->chunks[c], &worker->fault);
	}
}

/*
 * Of which column before it a column is the same in all rows, as bytes captured are those of the wire where packets are kept whole: of it no chunk is made. Found before
 * threads begin, and only where both have the same bounds, which few have.
 */
static void find_twins(struct parquet_table *table)
{
	for (size_t c = 0; c < table->schema->column_count; c++) {
		table->twins[c] = c;
		for (size_t before = 0; before < c && table->twins[c] == c; before++)
			if (table->twins[before] == before && parquet_column_same(&table->columns[before], &table->columns[c], table->rows))
				table->twins[c] = before;
		if (table->twins[c] != c)
			parquet_column_clear(&table->columns[c]);
	}
}

/* Columns have nothing to do with each other until their chunks stand behind each other in the file. */
static int make_all_chunks(struct parquet_table *table, struct weir_fault *fault)
{
	struct group_worker workers[THREADS_MOST];
	_Atomic size_t next = 0;
	unsigned started = 1;
	int error = 0;

	for (unsigned i = 0; i < table->threads; i++) {
		workers[i] = (struct group_worker){.table = table, .output = &table->outputs[i], .next = &next};
		weir_fault_clear(&workers[i].fault);
	}
	/* Threads that can't be had are done without. */
	while (started < table->threads && pthread_create(&workers[started].thread, NULL, make_chunks, &workers[started]) == 0)
		started++;
	make_chunks(&workers[0]);
	for (unsigned i = 0; i < started; i++) {
		if (i > 0)
			pthread_join(workers[i].thread, NULL);
		if (workers[i].error && !error) {
			error = workers[i].error;
			*fault = workers[i].fault;
		}
	}
	return error;
}

/* A chunk that is the same as another, but for where it stands. */
static int copy_chunk(struct parquet_chunk *chunk, const struct parquet_chunk *of, struct weir_fault *fault)
{
	struct text least = chunk->least, most = chunk->most, pages = chunk->pages;

	text_clear(&least);
	text_clear(&most);
	text_add_bytes(&least, of->least.data, of->least.length);
	text_add_bytes(&most, of->most.data, of->most.length);
	*chunk = *of;
	chunk->least = least;
	chunk->most = most;
	chunk->pages = pages;
	chunk->data -= of->begin;
	chunk->begin = chunk->dictionary = 0;
	return least.failed || most.failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for the bounds of a column") : 0;
}

static int write_chunk(struct parquet_table *table, size_t column, struct weir_fault *fault)
{
	struct parquet_chunk *chunk = &table->chunks[column], *of = &table->chunks[table->twins[column]];
	uint64_t at = stream_writer_position(table->out);
	int error = chunk == of ? 0 : copy_chunk(chunk, of, fault);

	chunk->begin += at;
	chunk->dictionary += at;
	chunk->data += at;
	return error ? error : stream_writer_write(table->out, of->pages.data, of->pages.length, fault);
}

/* What went wrong before. */
static int tell(const struct parquet_table *table, struct weir_fault *fault)
{
	if (table->error && fault)
		*fault = table->fault;
	return table->error;
}

int parquet_table_group(struct parquet_table *table, struct weir_fault *fault)
{
	if (table->rows == 0 || table->error)
		return tell(table, fault);
	/* Columns are empty once they are written, or were tried to be. */
	weir_fault_clear(&table->fault);
	find_twins(table);
	table->error = make_all_chunks(table, &table->fault);
	for (size_t c = 0; c < table->schema->column_count && !table->error; c++)
		table->error = write_chunk(table, c, &table->fault);
	if (table->error)
		return tell(table, fault);
	parquet_footer_group(&table->groups, table->schema, table->chunks, table->rows, table->group_count++);
	table->total += table->rows;
	table->rows = 0;
	return 0;
}

int parquet_table_finish(struct parquet_table *table, struct weir_fault *fault)
{
	if (table->error)
		return tell(table, fault);
	parquet_footer_make(&table->footer, table->schema, &table->groups, table->group_count, table->total);
	if (table->footer.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the footer of a Parquet file");
	int error = stream_writer_write(table->out, table->footer.data, table->footer.length, fault);
	return error ? error : stream_writer_finish(table->out, fault);
}

void parquet_table_close(struct parquet_table *table)
{
	size_t count = table->schema ? table->schema->column_count : 0;

	for (size_t c = 0; table->columns && c < count; c++)
		parquet_column_free(&table->columns[c]);
	for (size_t c = 0; table->chunks && c < count; c++) {
		text_free(&table->chunks[c].least);
		text_free(&table->chunks[c].most);
		text_free(&table->chunks[c].pages);
	}
	for (unsigned i = 0; table->outputs && i < table->threads; i++)
		parquet_output_free(&table->outputs[i]);
	free(table->outputs);
	stream_writer_close(table->out);
	text_free(&table->groups);
	text_free(&table->footer);
	free(table->columns);
	free(table->chunks);
	free(table->twins);
	free(table->order);
	*table = (struct parquet_table){0};
}
