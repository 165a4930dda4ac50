/* Flow records as JSON: an object a line; a key is left out where there is no value. */
#include <stdlib.h>

#include "core/json.h"
#include "file/stream.h"
#include "flow/value.h"
#include "packet/output.h"

#define TEXT_FULL ((size_t)64 << 10)

struct json_sink {
	struct weir_flow_sink sink;
	struct stream_writer *out;
	struct text text;
};

static void put_value(struct text *out, const struct weir_flow_column *column, const struct weir_flow *flow)
{
	struct json json = json_into(out);

	if (column->type == WEIR_COLUMN_STRING || column->type == WEIR_COLUMN_TEXT) {
		struct weir_bytes bytes = value_bytes(column, flow);
		json_string_bytes(&json, bytes.data, bytes.length);
		return;
	}
	bool quoted = !value_is_number(column) || column->type == WEIR_COLUMN_TIME;
	if (quoted)
		put_char(out, '"');
	if (value_is_number(column))
		value_put_number(out, column, value_number(column, flow));
	else
		value_put_bytes(out, column, value_bytes(column, flow));
	if (quoted)
		put_char(out, '"');
}

static int flush(struct json_sink *json, struct weir_fault *fault)
{
	size_t length = json->text.length;

	if (json->text.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write flows as JSON");
	int error = length ? stream_writer_write(json->out, json->text.data, length, fault) : 0;
	json->text.length = 0;
	return error;
}

static int json_sink_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	struct json_sink *json = (struct json_sink *)sink;
	const struct weir_flow_column *columns;
	size_t column_count;
	int error = 0;

	columns = weir_flow_columns(&column_count);
	for (size_t i = 0; i < count && !error; i++) {
		char before = '{';
		for (size_t c = 0; c < column_count; c++) {
			if (!value_present(&columns[c], &flows[i]))
				continue;
			put_char(&json->text, before);
			put_char(&json->text, '"');
			put(&json->text, columns[c].name); /* names of columns need no escapes */
			put(&json->text, "\":");
			put_value(&json->text, &columns[c], &flows[i]);
			before = ',';
		}
		put(&json->text, "}\n");
		if (json->text.length >= TEXT_FULL)
			error = flush(json, fault);
	}
	return error;
}

static int json_sink_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct json_sink *json = (struct json_sink *)sink;
	int error = flush(json, fault);

	return error ? error : stream_writer_finish(json->out, fault);
}

static void json_sink_close(struct weir_flow_sink *sink)
{
	struct json_sink *json = (struct json_sink *)sink;

	stream_writer_close(json->out);
	text_free(&json->text);
	free(json);
}

static const struct weir_flow_sink_ops json_ops = {"json", json_sink_write, json_sink_finish, json_sink_close};

int weir_flow_json_open(const char *path, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	struct json_sink *json = calloc(1, sizeof *json);

	if (!json)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	json->sink.ops = &json_ops;
	int error = stream_writer_open(path, WEIR_COMPRESSION_NONE, 0, &json->out, fault);
	if (error) {
		json_sink_close(&json->sink);
		return error;
	}
	*sink = &json->sink;
	return 0;
}
