/* Groups of flow records (--by): gathered by flow/aggregate.h, written as a table, as CSV or as JSON. */
#include <stdlib.h>
#include <string.h>

#include "cli/flows.h"
#include "core/json.h"
#include "core/terminal.h"
#include "file/stream.h"
#include "flow/value.h"

#define TEXT_FULL ((size_t)64 << 10)
#define CELLS (AGGREGATE_KEYS + AGGREGATE_SUMS)

struct groups {
	struct weir_flow_sink sink;
	const struct flows_request *request;
	struct aggregate *aggregate;
	struct stream_writer *out;
	struct text text, cell;
};

static const char *sum_name(const struct aggregate_sum *sum) { return sum->column ? sum->column->name : "flows"; }

/* By which sum to sort; -1: by the keys. */
static int sort_sum(const struct flows_request *request, int *sum, struct weir_fault *fault)
{
	const struct aggregate_plan *plan = &request->plan;
	bool times = false;

	for (size_t k = 0; k < plan->key_count; k++) {
		times |= plan->keys[k].column->type == WEIR_COLUMN_TIME;
		if (request->sort && strcmp(plan->keys[k].name, request->sort) == 0) {
			*sum = -1;
			return 0;
		}
	}
	/* Over time one reads on; else the largest matter most. */
	const char *name = request->sort ? request->sort : times && !request->top ? NULL : "wire_bytes";
	*sum = -1;
	for (size_t s = 0; name && s < plan->sum_count; s++)
		if (strcmp(sum_name(&plan->sums[s]), name) == 0)
			*sum = (int)s;
	if (*sum < 0 && !request->sort && name)
		*sum = 0; /* the number of flows is always there */
	if (*sum < 0 && request->sort)
		return weir_fail(fault, WEIR_E_USAGE, "groups can't be sorted by '%s': it is neither a key nor summed (--sum)", request->sort);
	return 0;
}

static int flush(struct groups *groups, size_t least, struct weir_fault *fault)
{
	size_t length = groups->text.length;

	if (groups->text.failed || groups->cell.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write groups of flows");
	if (length < least || length == 0)
		return 0;
	groups->text.length = 0;
	return stream_writer_write(groups->out, groups->text.data, length, fault);
}

/* ---- CSV and JSON ---- */

static void put_csv_text(struct text *out, const struct text *cell)
{
	if (cell->length && !strpbrk(text_string(cell), ",\"\r\n")) {
		text_add_bytes(out, cell->data, cell->length);
		return;
	}
	text_add_char(out, '"');
	for (size_t i = 0; i < cell->length; i++) {
		if (cell->data[i] == '"')
			text_add_char(out, '"');
		text_add_char(out, cell->data[i]);
	}
	text_add_char(out, '"');
}

static void put_csv(struct groups *groups, uint32_t group)
{
	const struct aggregate_plan *plan = &groups->request->plan;
	uint64_t value;

	for (size_t k = 0; k < plan->key_count; k++) {
		if (k)
			text_add_char(&groups->text, ',');
		text_clear(&groups->cell);
		if (aggregate_key_text(groups->aggregate, group, k, &groups->cell))
			put_csv_text(&groups->text, &groups->cell);
		groups->text.failed |= groups->cell.failed; /* which the next key clears */
	}
	for (size_t s = 0; s < plan->sum_count; s++) {
		text_add_char(&groups->text, ',');
		if (!aggregate_value(groups->aggregate, group, s, &value))
			continue;
		if (plan->sums[s].column)
			value_put_number(&groups->text, plan->sums[s].column, value);
		else
			text_add_unsigned(&groups->text, value);
	}
	text_add_char(&groups->text, '\n');
}

static void put_csv_headings(struct groups *groups)
{
	const struct aggregate_plan *plan = &groups->request->plan;

	for (size_t k = 0; k < plan->key_count; k++) {
		text_add(&groups->text, k ? "," : "");
		text_add(&groups->text, plan->keys[k].name);
	}
	for (size_t s = 0; s < plan->sum_count; s++) {
		text_add_char(&groups->text, ',');
		text_add(&groups->text, sum_name(&plan->sums[s]));
	}
	text_add_char(&groups->text, '\n');
}

static void put_json(struct groups *groups, uint32_t group)
{
	const struct aggregate_plan *plan = &groups->request->plan;
	struct json json = json_into(&groups->text);
	uint64_t value;

	json_object(&json);
	for (size_t k = 0; k < plan->key_count; k++) {
		text_clear(&groups->cell);
		if (!aggregate_key_text(groups->aggregate, group, k, &groups->cell))
			continue;
		groups->text.failed |= groups->cell.failed;
		json_key(&json, plan->keys[k].name);
		if (!aggregate_key_is_number(plan, k)) {
			json_string_bytes(&json, text_string(&groups->cell), groups->cell.length);
			continue;
		}
		json.after_key = false;
		text_add_bytes(&groups->text, groups->cell.data, groups->cell.length);
	}
	for (size_t s = 0; s < plan->sum_count; s++) {
		const struct weir_flow_column *column = plan->sums[s].column;
		if (!aggregate_value(groups->aggregate, group, s, &value))
			continue;
		json_key(&json, sum_name(&plan->sums[s]));
		if (column && column->type == WEIR_COLUMN_TIME) {
			text_clear(&groups->cell);
			value_put_time(&groups->cell, (int64_t)value);
			json_string_bytes(&json, groups->cell.data, groups->cell.length);
		} else if (column && column->type == WEIR_COLUMN_DURATION) {
			json_signed(&json, (int64_t)value);
		} else {
			json_unsigned(&json, value);
		}
	}
	json_end_object(&json);
	text_add_char(&groups->text, '\n');
}

/* ---- the table ---- */

/* A cell for people into groups->cell. Whether it belongs at the right. */
static bool make_cell(struct groups *groups, uint32_t group, size_t cell)
{
	const struct aggregate_plan *plan = &groups->request->plan;
	char out[FORMAT_SIZE];
	uint64_t value = 0;

	text_clear(&groups->cell);
	if (cell < plan->key_count) {
		const struct weir_flow_column *column = plan->keys[cell].column;
		if (!aggregate_key_text(groups->aggregate, group, cell, &groups->cell))
			text_add(&groups->cell, "-");
		else if (strcmp(column->name, "protocol") == 0) {
			unsigned protocol = (unsigned)strtoul(text_string(&groups->cell), NULL, 10);
			text_clear(&groups->cell);
			text_add(&groups->cell, flows_protocol_name(protocol, out));
			return false;
		}
		return column->type == WEIR_COLUMN_UNSIGNED;
	}
	const struct weir_flow_column *column = plan->sums[cell - plan->key_count].column;
	if (!aggregate_value(groups->aggregate, group, cell - plan->key_count, &value))
		text_add(&groups->cell, "-");
	else if (column && column->type == WEIR_COLUMN_TIME)
		text_add(&groups->cell, format_time((int64_t)value, groups->request->local, 3, out));
	else if (column && column->type == WEIR_COLUMN_DURATION)
		text_add_format(&groups->cell, "%.3f ms", (double)(int64_t)value / 1e6);
	else if (column && strstr(column->name, "_bytes"))
		text_add(&groups->cell, format_size(value, out));
	else
		text_add(&groups->cell, format_count(value, out));
	return true;
}

/* Text of a cell in so many columns; what could move the cursor does not. */
static void put_cell(struct groups *groups, const char *text, size_t length, size_t width, bool right, bool last)
{
	size_t shown = 0;

	groups->text.failed |= groups->cell.failed;
	for (size_t i = 0; i < length; i++)
		shown += ((uint8_t)text[i] & 0xc0) != 0x80;
	for (size_t i = shown; right && i < width; i++)
		text_add_char(&groups->text, ' ');
	for (size_t i = 0; i < length; i++)
		text_add_char(&groups->text, (uint8_t)text[i] < 0x20 || text[i] == 0x7f ? '.' : text[i]);
	for (size_t i = shown; !right && !last && i < width; i++)
		text_add_char(&groups->text, ' ');
	text_add(&groups->text, last ? "\n" : "  ");
}

static size_t shown_width(const struct text *cell)
{
	size_t width = 0;

	for (size_t i = 0; i < cell->length; i++)
		width += ((uint8_t)cell->data[i] & 0xc0) != 0x80;
	return width;
}

static int put_table(struct groups *groups, const uint32_t *order, size_t count, struct weir_fault *fault)
{
	const struct aggregate_plan *plan = &groups->request->plan;
	size_t cells = plan->key_count + plan->sum_count, widths[CELLS] = {0};
	bool right[CELLS] = {false}, bold = strcmp(groups->request->write, "-") == 0 && terminal_colour(stdout);
	int error = 0;

	for (size_t c = 0; c < cells; c++) {
		const char *name = c < plan->key_count ? plan->keys[c].name : sum_name(&plan->sums[c - plan->key_count]);
		widths[c] = strlen(name);
		for (size_t i = 0; i < count; i++) {
			right[c] = make_cell(groups, order[i], c);
			size_t width = shown_width(&groups->cell);
			widths[c] = width > widths[c] ? width : widths[c];
		}
	}
	text_add(&groups->text, bold ? "\033[1m" : "");
	for (size_t c = 0; c < cells; c++) {
		const char *name = c < plan->key_count ? plan->keys[c].name : sum_name(&plan->sums[c - plan->key_count]);
		put_cell(groups, name, strlen(name), widths[c], right[c], c + 1 == cells);
	}
	text_add(&groups->text, bold ? "\033[0m" : "");
	for (size_t i = 0; i < count && !error; i++) {
		for (size_t c = 0; c < cells; c++) {
			make_cell(groups, order[i], c);
			put_cell(groups, text_string(&groups->cell), groups->cell.length, widths[c], right[c], c + 1 == cells);
		}
		error = flush(groups, TEXT_FULL, fault);
	}
	return error;
}

/* ---- the sink ---- */

static int groups_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	return aggregate_flows(((struct groups *)sink)->aggregate, flows, count, fault);
}

static int groups_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct groups *groups = (struct groups *)sink;
	const char *format = groups->request->format;
	size_t count;
	int by_sum, error = sort_sum(groups->request, &by_sum, fault);

	if (error)
		return error;
	const uint32_t *order = aggregate_sorted(groups->aggregate, by_sum, &count);
	if (!order)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to sort groups of flows");
	if (groups->request->top && groups->request->top < count)
		count = groups->request->top;
	if (strcmp(format, "table") == 0) {
		error = put_table(groups, order, count, fault);
	} else {
		bool csv = strcmp(format, "csv") == 0;
		if (csv)
			put_csv_headings(groups);
		for (size_t i = 0; i < count && !error; i++) {
			csv ? put_csv(groups, order[i]) : put_json(groups, order[i]);
			error = flush(groups, TEXT_FULL, fault);
		}
	}
	if (!error)
		error = flush(groups, 0, fault);
	return error ? error : stream_writer_finish(groups->out, fault);
}

static void groups_close(struct weir_flow_sink *sink)
{
	struct groups *groups = (struct groups *)sink;

	aggregate_free(groups->aggregate);
	stream_writer_close(groups->out);
	text_free(&groups->text);
	text_free(&groups->cell);
	free(groups);
}

static const struct weir_flow_sink_ops groups_ops = {"groups", groups_write, groups_finish, groups_close};

int flows_groups_open(const struct flows_request *request, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	struct groups *groups = calloc(1, sizeof *groups);
	int by_sum;

	if (!groups)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to group flows");
	groups->sink.ops = &groups_ops;
	groups->request = request;
	int error = sort_sum(request, &by_sum, fault);
	if (!error)
		error = aggregate_new(&request->plan, request->memory_bytes, &groups->aggregate, fault);
	if (!error)
		error = stream_writer_open(request->write, WEIR_COMPRESSION_NONE, 0, &groups->out, fault);
	if (error) {
		groups_close(&groups->sink);
		return error;
	}
	*sink = &groups->sink;
	return 0;
}

struct aggregate *flows_groups_aggregate(struct weir_flow_sink *sink) { return ((struct groups *)sink)->aggregate; }
