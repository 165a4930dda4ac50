/* Tables of views, sorted, on a canvas, as text and as JSON: cli/top_view.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top_view.h"

#define FLEXIBLE_LEAST 16
#define GAP 1

/* ---- order ---- */

static int compare_keys(const struct sort_key *x, const struct sort_key *y)
{
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->text, y->text);
}

static int ascending(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;
	int order = compare_keys(x, y);

	return order ? order : (x->row > y->row) - (x->row < y->row);
}

static int descending(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;
	int order = compare_keys(y, x);

	return order ? order : (x->row > y->row) - (x->row < y->row);
}

int screen_sort(struct top_screen *screen, const struct top_view *view, uint8_t sort, bool is_descending)
{
	size_t rows = view->rows(screen);

	screen->order_count = 0;
	if (rows > screen->order_room) {
		struct sort_key *order = realloc(screen->order, rows * sizeof *order);
		if (!order)
			return WEIR_E_MEMORY;
		screen->order = order;
		screen->order_room = rows;
	}
	for (size_t row = 0; row < rows; row++) {
		struct top_value value = {.number = 0};
		struct sort_key *key = &screen->order[screen->order_count];
		if (view->shown && !view->shown(screen, row))
			continue;
		view->cell(screen, row, sort, &value);
		/* What is not known is less than anything. */
		*key = (struct sort_key){.number = !value.known ? -INFINITY : value.numeric ? value.number : 0, .row = (uint32_t)row};
		if (value.known && !value.numeric)
			snprintf(key->text, sizeof key->text, "%.*s", (int)sizeof key->text - 1, value.text);
		screen->order_count++;
	}
	if (screen->order_count)
		qsort(screen->order, screen->order_count, sizeof *screen->order, is_descending ? descending : ascending);
	return 0;
}

/* ---- the columns that fit ---- */

static unsigned column_count(const struct top_view *view)
{
	unsigned count = 0;

	while (view->columns[count].title)
		count++;
	return count;
}

/* Widths by column, 0: left out. The least important go first; flexible ones share what is left. */
static void fit_columns(const struct top_view *view, int columns, int widths[static TOP_COLUMNS_MOST])
{
	unsigned count = column_count(view);

	for (int importance = 9; importance >= 0; importance--) {
		int used = -GAP, flexible = 0;
		for (unsigned i = 0; i < count; i++) {
			const struct top_column *column = &view->columns[i];
			widths[i] = column->importance > importance ? 0 : column->width ? column->width : column->least ? column->least : FLEXIBLE_LEAST;
			used += widths[i] ? widths[i] + GAP : 0;
			flexible += widths[i] && !column->width;
		}
		if (used > columns && importance)
			continue;
		for (unsigned i = 0; i < count && flexible; i++) {
			if (!widths[i] || view->columns[i].width)
				continue;
			int share = columns > used ? (columns - used) / flexible : 0;
			widths[i] += share;
			used += share;
			flexible--;
		}
		return;
	}
}

static void put_heading(struct canvas *canvas, const struct top_view *view, int row, const int *widths, uint8_t sort, bool is_descending)
{
	int at = 0;

	canvas_style(canvas, row, 0, canvas->columns, STYLE_HEADING);
	for (unsigned i = 0; view->columns[i].title; i++) {
		const struct top_column *column = &view->columns[i];
		char title[40];
		if (!widths[i])
			continue;
		bool marked = i == sort && strlen(column->title) < (size_t)widths[i];
		snprintf(title, sizeof title, "%s%s", column->title, !marked ? "" : canvas->ascii ? (is_descending ? "v" : "^") : (is_descending ? "↓" : "↑"));
		enum style style = i == sort ? STYLE_CHOSEN : STYLE_HEADING;
		if (column->right)
			canvas_put_right(canvas, row, at, widths[i], style, title);
		else
			canvas_put(canvas, row, at, widths[i], style, title);
		at += widths[i] + GAP;
	}
}

static void put_row(struct top_screen *screen, struct canvas *canvas, const struct top_view *view, int y, size_t row, const int *widths,
                    bool selected)
{
	int at = 0;

	for (unsigned i = 0; view->columns[i].title; i++) {
		struct top_value value = {.with_text = true};
		if (!widths[i])
			continue;
		view->cell(screen, row, i, &value);
		const char *text = value.known ? value.text : "-";
		enum style style = value.known ? value.style : STYLE_DIM;
		if (view->columns[i].right)
			canvas_put_right(canvas, y, at, widths[i], style, text);
		else
			canvas_put(canvas, y, at, widths[i], style, text);
		at += widths[i] + GAP;
	}
	if (selected)
		canvas_style(canvas, y, 0, canvas->columns, STYLE_CHOSEN);
}

/* Rows in their order from `from` on, as many as height has room for. How many. */
static int put_rows(struct top_screen *screen, struct canvas *canvas, const struct top_view *view, int row, int height, const int *widths, size_t from,
                    size_t selected)
{
	int used = 0;

	for (size_t i = from; i < screen->order_count && used < height; i++)
		put_row(screen, canvas, view, row + used++, screen->order[i].row, widths, i == selected);
	return used;
}

int screen_table(struct top_screen *screen, struct canvas *canvas, const struct top_view *view, int row, int height, uint8_t sort,
                 bool is_descending, size_t from, size_t selected)
{
	int widths[TOP_COLUMNS_MOST] = {0};

	if (height <= 0)
		return 0;
	fit_columns(view, canvas->columns, widths);
	put_heading(canvas, view, row, widths, sort, is_descending);
	return 1 + put_rows(screen, canvas, view, row + 1, height - 1, widths, from, selected);
}

/* ---- without a terminal ---- */

static int print_canvas(const struct canvas *canvas, int rows, FILE *out)
{
	struct text line = {0};

	for (int row = 0; row < rows && row < canvas->rows; row++) {
		text_clear(&line);
		canvas_row_text(canvas, row, &line);
		fprintf(out, "%s\n", text_string(&line));
	}
	bool failed = line.failed;
	text_free(&line);
	return failed ? WEIR_E_MEMORY : 0;
}

#define HEAD_ROWS 60
#define ROWS_AT_ONCE 256 /* a box has any number of endpoints; a canvas has not any number of rows */

static int print_head(struct top_screen *screen, const struct top_view *view, struct canvas *canvas, int columns, FILE *out)
{
	if (!canvas_size(canvas, HEAD_ROWS + 12, columns))
		return WEIR_E_MEMORY;
	return print_canvas(canvas, view->head(screen, canvas, 0, HEAD_ROWS - 20), out);
}

static int print_table(struct top_screen *screen, const struct top_view *view, struct canvas *canvas, int columns, FILE *out)
{
	const struct view_state *state = screen_state(screen);
	int widths[TOP_COLUMNS_MOST] = {0}, error;

	if (!canvas_size(canvas, 1, columns))
		return WEIR_E_MEMORY;
	fit_columns(view, canvas->columns, widths);
	put_heading(canvas, view, 0, widths, state->sort, state->descending);
	error = print_canvas(canvas, 1, out);
	for (size_t from = 0; from < screen->order_count && !error; from += ROWS_AT_ONCE) {
		if (!canvas_size(canvas, ROWS_AT_ONCE, columns))
			return WEIR_E_MEMORY;
		error = print_canvas(canvas, put_rows(screen, canvas, view, 0, ROWS_AT_ONCE, widths, from, SIZE_MAX), out);
	}
	return error;
}

static int print_text(const char *text, struct canvas *canvas, int columns, FILE *out)
{
	int error = 0;

	for (const char *line = text; *line && !error;) {
		size_t length = strcspn(line, "\n");
		if (!canvas_size(canvas, 1, columns))
			return WEIR_E_MEMORY;
		canvas_format(canvas, 0, 0, canvas->columns, STYLE_PLAIN, "%.*s", (int)length, line);
		error = print_canvas(canvas, 1, out);
		line += length + (line[length] == '\n');
	}
	return error;
}

static int print_lack(const char *lack, struct canvas *canvas, int columns, FILE *out)
{
	if (!canvas_size(canvas, 1, columns) || !canvas_size(canvas, canvas_wrap(canvas, -1, STYLE_WARNING, lack), columns))
		return WEIR_E_MEMORY;
	return print_canvas(canvas, canvas_wrap(canvas, 0, STYLE_WARNING, lack), out);
}

int screen_print(struct top_screen *screen, const struct top_view *view, int columns, FILE *out)
{
	const struct view_state *state = screen_state(screen);
	struct canvas canvas = {.ascii = screen->ascii};
	int error = 0;

	screen->order_count = 0;
	text_clear(&screen->text);
	if (view->columns)
		error = screen_sort(screen, view, state->sort, state->descending);
	if (view->text)
		view->text(screen);
	if (!error && view->head)
		error = print_head(screen, view, &canvas, columns, out);
	/* Drawing the head may have sorted something else. */
	if (!error && view->columns && view->head)
		error = screen_sort(screen, view, state->sort, state->descending);
	if (!error && view->columns)
		error = print_table(screen, view, &canvas, columns, out);
	if (!error && view->text)
		error = print_text(text_string(&screen->text), &canvas, columns, out);
	if (!error && view->lack != TOP_LACKS && screen->top->lack[view->lack][0])
		error = print_lack(screen->top->lack[view->lack], &canvas, columns, out);
	canvas_free(&canvas);
	return error;
}

static void put_value(struct json *json, const char *key, const struct top_value *value)
{
	json_key(json, key);
	if (!value->known)
		json_null(json);
	else if (!value->numeric)
		json_string(json, value->text);
	else if (value->number >= 0 && value->number < 9e15 && value->number == floor(value->number))
		json_unsigned(json, (uint64_t)value->number);
	else if (fabs(value->number) >= 1e6 && fabs(value->number) < 1e15)
		/* Times since the epoch would lose their seconds in nine digits. */
		text_add_format(json_number(json), "%.6f", value->number);
	else
		json_double(json, value->number);
}

void screen_json(struct top_screen *screen, const struct top_view *view, struct json *json)
{
	const struct view_state *state = screen_state(screen);

	if (view->lack != TOP_LACKS && screen->top->lack[view->lack][0])
		json_put_string(json, "missing", screen->top->lack[view->lack]);
	if (view->json)
		view->json(screen, json);
	if (!view->columns || screen_sort(screen, view, state->sort, state->descending))
		return;
	json_key(json, view->name);
	json_array(json);
	for (size_t i = 0; i < screen->order_count; i++) {
		json_object(json);
		for (unsigned column = 0; view->columns[column].title; column++) {
			struct top_value value = {.number = 0};
			if (!view->columns[column].key)
				continue;
			view->cell(screen, screen->order[i].row, column, &value);
			put_value(json, view->columns[column].key, &value);
		}
		json_end_object(json);
	}
	json_end_array(json);
}
