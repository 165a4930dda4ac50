/* Flow records as CSV (RFC 4180): a heading, then a line a record; nothing where there is no value. */
#include <stdlib.h>

#include "file/stream.h"
#include "flow/value.h"
#include "packet/output.h"

#define TEXT_FULL ((size_t)64 << 10)

struct csv {
	struct weir_flow_sink sink;
	struct stream_writer *out;
	struct text text, cell;
};

/* A string in quotes where it has to be; an empty one always, so that it is not taken for none. */
static void put_quoted(struct text *out, const struct text *cell)
{
	bool plain = cell->length > 0;

	for (size_t i = 0; plain && i < cell->length; i++)
		plain = !strchr(",\"\r\n", cell->data[i]) && cell->data[i] != '\0';
	if (plain) {
		put_bytes(out, cell->data, cell->length);
		return;
	}
	put_char(out, '"');
	for (size_t i = 0; i < cell->length; i++) {
		if (cell->data[i] == '"')
			put_char(out, '"');
		if (cell->data[i] != '\0') /* no program takes it in a text file */
			put_char(out, cell->data[i]);
	}
	put_char(out, '"');
}

static void put_value(struct csv *csv, const struct weir_flow_column *column, const struct weir_flow *flow)
{
	if (!value_present(column, flow))
		return;
	if (value_is_number(column)) {
		value_put_number(&csv->text, column, value_number(column, flow));
		return;
	}
	if (column->type == WEIR_COLUMN_IP || column->type == WEIR_COLUMN_MAC) {
		value_put_bytes(&csv->text, column, value_bytes(column, flow));
		return;
	}
	text_clear(&csv->cell);
	value_put_bytes(&csv->cell, column, value_bytes(column, flow));
	csv->text.failed |= csv->cell.failed;
	put_quoted(&csv->text, &csv->cell);
}

static int flush(struct csv *csv, struct weir_fault *fault)
{
	size_t length = csv->text.length;

	if (csv->text.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write flows as CSV");
	int error = length ? stream_writer_write(csv->out, csv->text.data, length, fault) : 0;
	csv->text.length = 0;
	return error;
}

static int csv_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	struct csv *csv = (struct csv *)sink;
	const struct weir_flow_column *columns;
	size_t column_count;
	int error = 0;

	columns = weir_flow_columns(&column_count);
	for (size_t i = 0; i < count && !error; i++) {
		for (size_t c = 0; c < column_count; c++) {
			if (c)
				put_char(&csv->text, ',');
			put_value(csv, &columns[c], &flows[i]);
		}
		put_char(&csv->text, '\n');
		if (csv->text.length >= TEXT_FULL)
			error = flush(csv, fault);
	}
	return error;
}

static int csv_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct csv *csv = (struct csv *)sink;
	int error = flush(csv, fault);

	return error ? error : stream_writer_finish(csv->out, fault);
}

static void csv_close(struct weir_flow_sink *sink)
{
	struct csv *csv = (struct csv *)sink;

	stream_writer_close(csv->out);
	text_free(&csv->text);
	text_free(&csv->cell);
	free(csv);
}

static const struct weir_flow_sink_ops csv_ops = {"csv", csv_write, csv_finish, csv_close};

int weir_flow_csv_open(const char *path, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	const struct weir_flow_column *columns;
	struct csv *csv = calloc(1, sizeof *csv);
	size_t count;

	if (!csv)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	csv->sink.ops = &csv_ops;
	int error = stream_writer_open(path, WEIR_COMPRESSION_NONE, 0, &csv->out, fault);
	if (error) {
		csv_close(&csv->sink);
		return error;
	}
	columns = weir_flow_columns(&count);
	for (size_t c = 0; c < count; c++) {
		if (c)
			put_char(&csv->text, ',');
		put(&csv->text, columns[c].name);
	}
	put_char(&csv->text, '\n');
	*sink = &csv->sink;
	return 0;
}
