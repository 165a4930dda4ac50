/* Interfaces with graphs: cli/top_view.h. */
#include <stdio.h>
#include <string.h>

#include "cli/top_view.h"

enum { I_NAME, I_RECEIVED, I_SENT, I_RECEIVED_PACKETS, I_SENT_PACKETS, I_DROPS, I_ERRORS, I_HISTORY, I_RECEIVED_ALL, I_SENT_ALL };

static const struct top_column columns[] = {
	[I_NAME] = {"interface", "interface", 15, false, true, 0},
	[I_RECEIVED] = {"recv B/s", "received_bytes_rate", 8, true, false, 0},
	[I_SENT] = {"sent B/s", "sent_bytes_rate", 8, true, false, 0},
	[I_RECEIVED_PACKETS] = {"recv p/s", "received_packets_rate", 8, true, false, 0},
	[I_SENT_PACKETS] = {"sent p/s", "sent_packets_rate", 8, true, false, 0},
	[I_DROPS] = {"drops/s", "drops_rate", 7, true, false, 0},
	[I_ERRORS] = {"errs/s", "errors_rate", 6, true, false, 1},
	[I_HISTORY] = {"both B/s", NULL, 0, false, false, 2},
	[I_RECEIVED_ALL] = {"received", "received_bytes", 8, true, false, 3},
	[I_SENT_ALL] = {"sent", "sent_bytes", 8, true, false, 3},
	{0},
};

static size_t rows(struct top_screen *screen) { return counter_instances(screen->top, "interface"); }

/* The sum of two rates, as far as they are known; *known: one is. */
static double sum_of(const struct top *top, const char *instance, const char *one, const char *other, bool *known)
{
	bool first, second;
	double sum = top_counter_rate(top, "interface", instance, one, &first) + top_counter_rate(top, "interface", instance, other, &second);

	*known = first || second;
	return sum;
}

static void sum_cell(const struct top *top, const char *instance, const char *one, const char *other, struct top_value *value)
{
	bool known;
	double sum = sum_of(top, instance, one, other, &known);

	if (!known)
		return;
	value_rate(value, sum);
	if (sum > 0)
		value->style = STYLE_BAD;
}

static void history_cell(struct top_screen *screen, const char *instance, struct top_value *value)
{
	double received[COUNTERS_HISTORY], sent[COUNTERS_HISTORY];
	size_t count = counter_rates(screen->top, "interface", instance, "received_bytes", received);
	size_t sent_count = counter_rates(screen->top, "interface", instance, "sent_bytes", sent);

	for (size_t i = 0; i < count && i < sent_count; i++)
		received[count - 1 - i] += sent[sent_count - 1 - i];
	value->known = value->numeric = true;
	value->number = count ? received[count - 1] : 0;
	if (value->with_text)
		sparkline_text(received, count, 24, screen->ascii, value->text, sizeof value->text);
	value->style = STYLE_GOOD;
}

static void size_cell(const struct top *top, const char *instance, const char *name, struct top_value *value)
{
	bool known;
	double bytes = top_counter_value(top, "interface", instance, name, &known);

	if (known)
		value_size(value, bytes);
}

static void cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	struct top *top = screen->top;
	const char *instance = counter_instance(top, "interface", row);

	if (!instance)
		return;
	switch (column) {
	case I_NAME: value_text(value, instance); break;
	case I_RECEIVED: counter_rate_cell(top, "interface", instance, "received_bytes", value); break;
	case I_SENT: counter_rate_cell(top, "interface", instance, "sent_bytes", value); break;
	case I_RECEIVED_PACKETS: counter_rate_cell(top, "interface", instance, "received_packets", value); break;
	case I_SENT_PACKETS: counter_rate_cell(top, "interface", instance, "sent_packets", value); break;
	case I_DROPS: sum_cell(top, instance, "received_dropped", "sent_dropped", value); break;
	case I_ERRORS: sum_cell(top, instance, "received_errors", "sent_errors", value); break;
	case I_HISTORY: history_cell(screen, instance, value); break;
	case I_RECEIVED_ALL: size_cell(top, instance, "received_bytes", value); break;
	case I_SENT_ALL: size_cell(top, instance, "sent_bytes", value); break;
	}
}

static uint64_t identity(struct top_screen *screen, size_t row) { return counter_identity(counter_instance(screen->top, "interface", row)); }

/* ---- graphs of the one that is selected ---- */

static int graph(struct top_screen *screen, struct canvas *canvas, int row, int height, const char *instance, const char *name,
                 const char *title, enum style style)
{
	double history[COUNTERS_HISTORY], most = 0;
	char text[FORMAT_SIZE];
	size_t count = counter_rates(screen->top, "interface", instance, name, history);
	int width = canvas->columns - 20 < COUNTERS_HISTORY ? canvas->columns - 20 : COUNTERS_HISTORY;

	for (size_t i = 0; i < count; i++)
		most = history[i] > most ? history[i] : most;
	canvas_format(canvas, row, 0, 19, style, "%s", title);
	canvas_format(canvas, row + 1, 0, 19, STYLE_PLAIN, "now %s", count ? short_number(history[count - 1], 1000, text) : "-");
	if (height > 2)
		canvas_format(canvas, row + 2, 0, 19, STYLE_DIM, "most %s", short_number(most, 1000, text));
	canvas_graph(canvas, row, 20, height, width, style, history, count, most);
	return height;
}

static int head(struct top_screen *screen, struct canvas *canvas, int row, int height)
{
	const struct view_state *state = screen_state(screen);
	const char *instance;
	int graph_height = height >= 30 ? 5 : 3, used = 1;

	if (height < 4 * graph_height / 2 + 4 || screen_sort(screen, &interfaces_view, state->sort, state->descending) || !screen->order_count)
		return 0;
	/* The order may have changed since it was selected. */
	size_t selected = 0;
	for (size_t i = 0; state->identity && i < screen->order_count; i++)
		if (identity(screen, screen->order[i].row) == state->identity)
			selected = i;
	instance = counter_instance(screen->top, "interface", screen->order[selected].row);
	canvas_format(canvas, row, 0, canvas->columns, STYLE_BOLD, "%s, the last %d looks", instance, COUNTERS_HISTORY);
	used += graph(screen, canvas, row + used, graph_height, instance, "received_bytes", "received bytes/s", STYLE_RECEIVE);
	used += graph(screen, canvas, row + used, graph_height, instance, "sent_bytes", "sent bytes/s", STYLE_SEND);
	return used;
}

const struct top_view interfaces_view = {
	.name = "interfaces",
	.title = "Interfaces",
	.key = '2',
	.lack = TOP_LACK_COUNTERS,
	.sort = I_RECEIVED,
	.columns = columns,
	.rows = rows,
	.cell = cell,
	.identity = identity,
	.head = head,
};
