/* Flow records in the order of one of their columns, all of them or the first so many: they are kept until the last was seen. */
#include <stdlib.h>
#include <string.h>

#include "cli/flows.h"
#include "flow/value.h"

struct kept {
	uint64_t weight; /* the larger the earlier */
	struct weir_flow *flow; /* one piece of memory with its strings behind it */
	size_t bytes;
};

struct order {
	struct weir_flow_sink sink;
	struct weir_flow_sink *next;
	const struct weir_flow_column *column, *other; /* other: the same of the other direction, added; NULL: none */
	uint64_t top, memory_bytes, used;
	struct kept *kept; /* with top a heap whose root is the one to go first, else as they came */
	size_t count, room;
};

/* Whether a comes before b. */
static bool before(const struct kept *a, const struct kept *b)
{
	if (a->weight != b->weight)
		return a->weight > b->weight;
	if (a->flow->forward.first_ns != b->flow->forward.first_ns)
		return a->flow->forward.first_ns < b->flow->forward.first_ns;
	return a->flow->sequence < b->flow->sequence;
}

/* Times ascend, numbers descend. Those without a value come last. */
static uint64_t weigh(const struct order *order, const struct weir_flow *flow)
{
	if (!value_present(order->column, flow))
		return 0;
	uint64_t number = value_number(order->column, flow);
	if (order->column->type == WEIR_COLUMN_TIME)
		return ~(number ^ UINT64_C(1) << 63);
	if (order->column->type == WEIR_COLUMN_DURATION)
		return number ^ UINT64_C(1) << 63;
	return order->other ? number + value_number(order->other, flow) : number;
}

/* The strings of a record, one behind the other. */
static size_t strings_of(const struct weir_flow *flow, struct weir_flow *copy, uint8_t *at)
{
	size_t count, bytes = 0;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t c = 0; c < count; c++) {
		if (columns[c].type != WEIR_COLUMN_STRING || !value_present(&columns[c], flow))
			continue;
		struct weir_bytes string = value_bytes(&columns[c], flow);
		if (copy) {
			memcpy(at + bytes, string.data, string.length);
			*(struct weir_bytes *)((uint8_t *)copy + columns[c].offset) = (struct weir_bytes){at + bytes, string.length};
		}
		bytes += string.length;
	}
	return bytes;
}

static int copy_record(struct order *order, const struct weir_flow *flow, struct kept *kept, struct weir_fault *fault)
{
	size_t strings = strings_of(flow, NULL, NULL);

	kept->bytes = sizeof *flow + strings + 1;
	kept->flow = malloc(kept->bytes);
	if (!kept->flow)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to sort flows");
	*kept->flow = *flow;
	strings_of(flow, kept->flow, (uint8_t *)(kept->flow + 1));
	order->used += kept->bytes;
	if (order->used + order->room * sizeof *order->kept <= order->memory_bytes)
		return 0;
	char most[FORMAT_SIZE], count[FORMAT_SIZE];
	free(kept->flow);
	return weir_fail(fault, WEIR_E_LIMIT, "more than %s flows to sort do not fit into %s: give more --memory, or take the --top",
	                 format_count(order->count, count), format_size(order->memory_bytes, most));
}

/* Lets the entry sink to its place in the heap, in which no parent comes before its children. */
static void sink_down(struct order *order, size_t at)
{
	for (;;) {
		size_t last = at, left = 2 * at + 1;
		for (size_t child = left; child < left + 2 && child < order->count; child++)
			if (before(&order->kept[last], &order->kept[child]))
				last = child;
		if (last == at)
			return;
		struct kept moved = order->kept[at];
		order->kept[at] = order->kept[last];
		order->kept[last] = moved;
		at = last;
	}
}

static int add(struct order *order, const struct weir_flow *flow, struct weir_fault *fault)
{
	if (order->count == order->room) {
		size_t room = order->room ? 2 * order->room : 1024;
		struct kept *kept = realloc(order->kept, room * sizeof *kept);
		if (!kept)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to sort flows");
		order->kept = kept;
		order->room = room;
	}
	struct kept *kept = &order->kept[order->count];
	kept->weight = weigh(order, flow);
	int error = copy_record(order, flow, kept, fault);
	if (error)
		return error;
	if (++order->count == order->top)
		for (size_t i = order->count / 2; i-- > 0;)
			sink_down(order, i);
	return 0;
}

static int order_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	struct order *order = (struct order *)sink;
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		struct kept candidate = {weigh(order, &flows[i]), (struct weir_flow *)&flows[i], 0};
		if (!order->top || order->count < order->top) {
			error = add(order, &flows[i], fault);
		} else if (before(&candidate, &order->kept[0])) {
			order->used -= order->kept[0].bytes;
			free(order->kept[0].flow);
			error = copy_record(order, &flows[i], &candidate, fault);
			if (error) {
				order->kept[0] = order->kept[--order->count];
			} else {
				order->kept[0] = candidate;
				sink_down(order, 0);
			}
		}
	}
	return error;
}

static int compare(const void *a, const void *b) { return before(a, b) ? -1 : before(b, a) ? 1 : 0; }

static int order_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct order *order = (struct order *)sink;
	int error = 0;

	if (order->count)
		qsort(order->kept, order->count, sizeof *order->kept, compare);
	for (size_t i = 0; i < order->count && !error; i++)
		error = order->next->ops->write(order->next, order->kept[i].flow, 1, fault);
	return error ? error : order->next->ops->finish(order->next, fault);
}

static void order_close(struct weir_flow_sink *sink)
{
	struct order *order = (struct order *)sink;

	for (size_t i = 0; i < order->count; i++)
		free(order->kept[i].flow);
	free(order->kept);
	order->next->ops->close(order->next);
	free(order);
}

static const struct weir_flow_sink_ops order_ops = {"order", order_write, order_finish, order_close};

int flows_order_open(const char *name, uint64_t top, uint64_t memory_bytes, struct weir_flow_sink *next, struct weir_flow_sink **sink,
                     struct weir_fault *fault)
{
	const struct weir_flow_column *column = weir_flow_column_named(name);
	char other[96];
	struct order *order;

	if (!column || !value_is_number(column))
		return weir_fail(fault, WEIR_E_USAGE, "flows can't be sorted by '%s': there is flow_start, packets, wire_bytes, handshake_rtt, …", name);
	order = calloc(1, sizeof *order);
	if (!order)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to sort flows");
	snprintf(other, sizeof other, "reverse_%s", name);
	*order = (struct order){.sink = {&order_ops}, .next = next, .column = column, .top = top, .memory_bytes = memory_bytes};
	if (column->type == WEIR_COLUMN_UNSIGNED && !column->key)
		order->other = weir_flow_column_named(other);
	*sink = &order->sink;
	return 0;
}
