/* Tables and progress for people: core/terminal.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "core/clock.h"
#include "core/terminal.h"
#include "core/text.h"

bool terminal_is(FILE *file) { return isatty(fileno(file)); }

bool terminal_colour(FILE *file)
{
	const char *term = getenv("TERM");
	const char *no_colour = getenv("NO_COLOR");

	return terminal_is(file) && !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
}

struct table {
	size_t columns, cells, capacity;
	char alignment[TABLE_COLUMNS_MAX + 1];
	char **cell; /* row by row, the headings first */
	bool failed;
};

static void add_cell(struct table *table, char *text)
{
	if (table->cells == table->capacity) {
		size_t capacity = table->capacity ? 2 * table->capacity : 64;
		char **cell = realloc(table->cell, capacity * sizeof *cell);
		if (!cell) {
			table->failed = true;
			free(text);
			return;
		}
		table->cell = cell;
		table->capacity = capacity;
	}
	table->cell[table->cells++] = text;
}

struct table *table_new(const char *alignment, const char *const *headings)
{
	size_t columns = strlen(alignment);
	struct table *table = columns <= TABLE_COLUMNS_MAX ? calloc(1, sizeof *table) : NULL;

	if (!table)
		return NULL;
	table->columns = columns;
	memcpy(table->alignment, alignment, columns + 1);
	for (size_t i = 0; i < columns; i++)
		table_cell(table, "%s", headings[i]);
	return table;
}

void table_cell(struct table *table, const char *format, ...)
{
	struct text shown = {0};
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (text)
		text_add_shown(&shown, text, strlen(text), false);
	/* Nearly all cells are shown as they are. */
	if (shown.failed || !text || shown.length == strlen(text)) {
		text_free(&shown);
	} else {
		free(text);
		text = shown.data;
	}
	add_cell(table, text);
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->cells; i++)
		free(table->cell[i]);
	free(table->cell);
	free(table);
}

/* Columns on the screen: UTF-8 characters, not bytes. */
static size_t width(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += (*text & 0xc0) != 0x80;
	return columns;
}

void table_print(const struct table *table, FILE *out)
{
	size_t widths[TABLE_COLUMNS_MAX] = {0};
	bool bold = terminal_colour(out);

	for (size_t i = 0; i < table->cells; i++) {
		size_t w = table->cell[i] ? width(table->cell[i]) : 0;
		if (w > widths[i % table->columns])
			widths[i % table->columns] = w;
	}
	for (size_t i = 0; i < table->cells; i++) {
		size_t column = i % table->columns;
		const char *text = table->cell[i] ? table->cell[i] : "?";
		int pad = (int)(widths[column] - width(text));
		bool last = column + 1 == table->columns;

		if (bold && i == 0)
			fputs("\033[1m", out);
		if (table->alignment[column] == 'r')
			fprintf(out, "%*s%s", pad, "", text);
		else
			fprintf(out, "%s%*s", text, last ? 0 : pad, "");
		if (!last)
			fputs("  ", out);
		else
			fputs(bold && i + 1 == table->columns ? "\033[0m\n" : "\n", out);
	}
}

void progress_start(struct progress *progress, const char *what, uint64_t total)
{
	*progress = (struct progress){
		.what = what,
		.total = total,
		.started_ns = clock_monotonic_ns(),
		.active = terminal_is(stderr),
	};
}

static void draw(struct progress *progress, uint64_t done, int64_t now)
{
	char size[FORMAT_SIZE], rate[FORMAT_SIZE];
	double seconds = (double)(now - progress->started_ns) / 1e9;
	double per_second = seconds > 0 ? (double)done / seconds : 0;

	fprintf(stderr, "\r\033[K%s  ", progress->what);
	if (progress->total)
		fprintf(stderr, "%3.0f%%  ", 100.0 * (double)(done > progress->total ? progress->total : done) / (double)progress->total);
	fprintf(stderr, "%s  %s/s", format_size(done, size), format_size((uint64_t)per_second, rate));
	if (progress->total > done && per_second > 0 && seconds > 0.5) {
		uint64_t left = (uint64_t)((double)(progress->total - done) / per_second + 0.5);
		fprintf(stderr, "  %llu:%02llu left", (unsigned long long)(left / 60), (unsigned long long)(left % 60));
	}
	fflush(stderr);
}

void progress_update(struct progress *progress, uint64_t done)
{
	if (!progress->active)
		return;
	int64_t now = clock_monotonic_ns();
	if (now - progress->shown_ns < NS_PER_SECOND / 10)
		return;
	progress->shown_ns = now;
	draw(progress, done, now);
}

void progress_end(struct progress *progress)
{
	if (progress->active)
		fputs("\r\033[K", stderr);
	progress->active = false;
}
