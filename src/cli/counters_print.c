/* Counters for people and as JSON: cli/counters_print.h. */
#include "cli/counters_print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/json.h"
#include "core/terminal.h"

#define NAME_SIZE 256

/* Whoever names an interface may put anything into it: what a terminal would obey is shown as "?". */
static const char *name_of(const struct counter *counter, char out[static NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%s%s%s.%s", counter->group, *counter->instance ? "." : "", counter->instance, counter->name);
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
			*c = '?';
	return out;
}

static const char *value_of(const struct counter *counter, char out[static FORMAT_SIZE])
{
	if (counter->unit == COUNTER_RATIO)
		snprintf(out, FORMAT_SIZE, "%.2f %%", counter->value * 100);
	else if (counter->value < 0)
		snprintf(out, FORMAT_SIZE, "%.0f", counter->value);
	else if (counter->unit == COUNTER_NANOSECONDS)
		snprintf(out, FORMAT_SIZE, "%" PRIu64 ".%06" PRIu64 " s", counter->whole / 1000000000, counter->whole % 1000000000 / 1000);
	else
		format_count(counter->whole, out);
	return out;
}

/* A time that passes in a second is a share of it. */
static const char *rate_of(const struct counter *counter, char out[static FORMAT_SIZE])
{
	if (counter->kind != COUNTER_TOTAL || !isfinite(counter->rate))
		snprintf(out, FORMAT_SIZE, "%s", counter->kind == COUNTER_TOTAL ? "-" : "");
	else if (counter->unit == COUNTER_NANOSECONDS)
		snprintf(out, FORMAT_SIZE, "%.1f %%", counter->rate / 1e7);
	else if (counter->unit == COUNTER_BYTES && counter->rate < 1e18)
		strcat(strcpy(out, format_size((uint64_t)counter->rate, (char[FORMAT_SIZE]){0})), "/s");
	else
		strcat(strcpy(out, format_rate(counter->rate, (char[FORMAT_SIZE]){0})), "/s");
	return out;
}

void counters_print_table(const struct counters *counters)
{
	static const char *const headings[] = {"counter", "value", "meaning"};
	size_t count;
	const struct counter *list = counters_list(counters, &count);
	struct table *table = table_new("lrl", headings);
	char name[NAME_SIZE], value[FORMAT_SIZE];
	if (!table)
		return;
	for (size_t i = 0; i < count; i++) {
		if (!list[i].there)
			continue;
		table_cell(table, "%s", name_of(&list[i], name));
		table_cell(table, "%s", value_of(&list[i], value));
		table_cell(table, "%s", list[i].meaning);
	}
	table_print(table, stdout);
	table_free(table);
}

/* The last of them, from nothing to the most of those shown in eight steps. */
static void add_sparkline(struct text *out, const struct counters *counters, const struct counter *counter, size_t width)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	double values[COUNTERS_HISTORY], most = 0;
	size_t count = counters_history(counters, counter, values), from = count > width ? count - width : 0;
	for (size_t i = from; i < count; i++)
		most = isfinite(values[i]) && values[i] > most ? values[i] : most;
	for (size_t i = from; i < count; i++) {
		if (!isfinite(values[i]))
			text_add_char(out, ' ');
		else
			text_add(out, blocks[most > 0 && values[i] > 0 ? (size_t)(values[i] / most * 7 + 0.5) : 0]);
	}
}

#define NAME_COLUMNS 40
#define FIGURE_COLUMNS 36 /* value and rate, with the blanks between */

/* How wide names are, at most NAME_COLUMNS. */
static size_t name_columns(const struct counters *counters)
{
	size_t count, most = 0;
	const struct counter *list = counters_list(counters, &count);
	char name[NAME_SIZE];
	for (size_t i = 0; i < count; i++) {
		size_t length = list[i].there ? strlen(name_of(&list[i], name)) : 0;
		most = length > most ? length : most;
	}
	return most < NAME_COLUMNS ? most : NAME_COLUMNS;
}

static void add_row(struct text *out, const struct counters *counters, const struct counter *counter, size_t names, size_t columns)
{
	char name[NAME_SIZE], value[FORMAT_SIZE], rate[FORMAT_SIZE];
	size_t width = columns > names + FIGURE_COLUMNS ? columns - names - FIGURE_COLUMNS : 0;
	text_add_format(out, "%-*.*s %20s %13s ", (int)names, (int)names, name_of(counter, name), counter->there ? value_of(counter, value) : "gone",
	                counter->there ? rate_of(counter, rate) : "");
	add_sparkline(out, counters, counter, width > COUNTERS_HISTORY ? COUNTERS_HISTORY : width);
}

static void screen_size(size_t *rows, size_t *columns)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col;
	*rows = known ? size.ws_row : 24;
	*columns = known ? size.ws_col : 80;
}

static void print_screen(const struct counters *counters, const char *time)
{
	size_t count, rows, columns, shown = 0, there = 0, names = name_columns(counters), least = names + FIGURE_COLUMNS;
	const struct counter *list = counters_list(counters, &count);
	struct text out = {0};
	screen_size(&rows, &columns);
	text_add_format(&out, "\033[H%-40.*s\033[K", columns < 40 ? (int)columns : 40, time);
	for (size_t i = 0; i < count; i++) {
		there += list[i].there;
		if (!list[i].there || shown + 2 >= rows || columns < least)
			continue;
		text_add(&out, "\n");
		add_row(&out, counters, &list[i], names, columns);
		text_add(&out, "\033[K");
		shown++;
	}
	if (shown < there && rows > 1)
		text_add_format(&out, "\n%zu more: name fewer, or make the window %s\033[K", there - shown, columns < least ? "wider" : "higher");
	text_add(&out, "\033[J");
	fputs(text_string(&out), stdout);
	text_free(&out);
}

void counters_print_rates(const struct counters *counters, int64_t time_ns, bool local)
{
	char time[FORMAT_SIZE];
	size_t count, names = name_columns(counters);
	const struct counter *list = counters_list(counters, &count);
	format_time(time_ns, local, 3, time);
	if (terminal_is(stdout)) {
		print_screen(counters, time);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct text out = {0};
		if (!list[i].there)
			continue;
		text_add_format(&out, "%s ", time);
		add_row(&out, counters, &list[i], names, names + FIGURE_COLUMNS + 10);
		puts(text_string(&out));
		text_free(&out);
	}
}

void counters_json(const struct counters *counters, int64_t time_ns, struct text *out)
{
	static const char *const kinds[] = {"total", "level"};
	static const char *const units[] = {"number", "bytes", "packets", "nanoseconds", "ratio"};
	size_t count;
	const struct counter *list = counters_list(counters, &count);
	struct json json = json_into(out);
	json_object(&json);
	json_put_signed(&json, "time_ns", time_ns);
	json_key(&json, "counters");
	json_array(&json);
	for (size_t i = 0; i < count; i++) {
		const struct counter *counter = &list[i];
		if (!counter->there)
			continue;
		json_object(&json);
		json_put_string(&json, "group", counter->group);
		json_put_string(&json, "instance", counter->instance);
		json_put_string(&json, "name", counter->name);
		json_put_string(&json, "kind", kinds[counter->kind]);
		json_put_string(&json, "unit", units[counter->unit]);
		if (counter->unit == COUNTER_RATIO)
			json_put_double(&json, "value", counter->value);
		else if (counter->value < 0)
			json_put_signed(&json, "value", (int64_t)counter->whole);
		else
			json_put_unsigned(&json, "value", counter->whole);
		if (counter->kind == COUNTER_TOTAL)
			json_put_double(&json, "rate", counter->rate);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
	text_add_char(out, '\n');
}
