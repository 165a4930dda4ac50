/* A Parquet file of records: flow/parquet_table.h. */
#include <stdlib.h>

#include "flow/parquet_table.h"

#define ROWS_MOST (UINT32_C(1) << 24)
#define LEVEL_USUAL 1

static int allocate(struct parquet_table *table, const char *path, struct weir_fault *fault)
{
	struct parquet_output *output = &table->output;
	size_t rows = table->room, count = table->schema->column_count;
	int error = 0;

	output->zstd = ZSTD_createCCtx();
	output->levels = malloc(rows * sizeof *output->levels);
	output->ids = malloc(rows * sizeof *output->ids);
	output->values = malloc(rows * sizeof *output->values);
	output->slots = malloc(PARQUET_SLOTS * sizeof *output->slots);
	output->known = malloc(PARQUET_SLOTS / 4 * sizeof *output->known);
	table->order = malloc(rows * sizeof *table->order);
	table->columns = calloc(count, sizeof *table->columns);
	table->chunks = calloc(count, sizeof *table->chunks);
	if (!output->zstd || !output->levels || !output->ids || !output->values || !output->slots || !output->known ||
	    !table->order || !table->columns || !table->chunks)
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
	table->output.level = options && options->level ? options->level : LEVEL_USUAL;
	const struct stream_writing writing = {.recipients = options ? options->recipients : NULL, .multiple = options ? options->sealed_header : 0};
	int error = allocate(table, path, fault);
	if (!error)
		error = stream_writer_open_as(path, &writing, &table->output.out, fault);
	if (!error && options && options->recipients && options->sealed_sha256)
		error = stream_writer_hash(table->output.out, options->sealed_sha256, fault);
	return error ? error : stream_writer_write(table->output.out, PARQUET_MAGIC, 4, fault);
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

int parquet_table_group(struct parquet_table *table, struct weir_fault *fault)
{
	int error = 0;

	if (table->rows == 0)
		return 0;
	for (size_t c = 0; c < table->schema->column_count && !error; c++)
		error = parquet_column_write(&table->columns[c], table->order, table->rows, &table->output, &table->chunks[c],
		                             fault);
	if (error)
		return error;
	parquet_footer_group(&table->groups, table->schema, table->chunks, table->rows, table->group_count++);
	table->total += table->rows;
	table->rows = 0;
	return 0;
}

int parquet_table_finish(struct parquet_table *table, struct weir_fault *fault)
{
	parquet_footer_make(&table->footer, table->schema, &table->groups, table->group_count, table->total);
	if (table->footer.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the footer of a Parquet file");
	int error = stream_writer_write(table->output.out, table->footer.data, table->footer.length, fault);
	return error ? error : stream_writer_finish(table->output.out, fault);
}

void parquet_table_close(struct parquet_table *table)
{
	size_t count = table->schema ? table->schema->column_count : 0;

	for (size_t c = 0; table->columns && c < count; c++)
		parquet_column_free(&table->columns[c]);
	for (size_t c = 0; table->chunks && c < count; c++) {
		text_free(&table->chunks[c].least);
		text_free(&table->chunks[c].most);
	}
	stream_writer_close(table->output.out);
	ZSTD_freeCCtx(table->output.zstd);
	text_free(&table->output.page);
	text_free(&table->output.packed);
	text_free(&table->output.header);
	free(table->output.levels);
	free(table->output.ids);
	free(table->output.values);
	free(table->output.slots);
	free(table->output.known);
	text_free(&table->groups);
	text_free(&table->footer);
	free(table->columns);
	free(table->chunks);
	free(table->order);
	*table = (struct parquet_table){0};
}
