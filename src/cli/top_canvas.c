/* A page of characters: cli/top_canvas.h. */
#include "cli/top_canvas.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MOST 20000
#define COLUMNS_MOST 2000
#define LEVELS 8

bool canvas_size(struct canvas *canvas, int rows, int columns)
{
	rows = rows < 1 ? 1 : rows > ROWS_MOST ? ROWS_MOST : rows;
	columns = columns < 1 ? 1 : columns > COLUMNS_MOST ? COLUMNS_MOST : columns;
	if (rows != canvas->rows || columns != canvas->columns) {
		struct glyph *glyphs = realloc(canvas->glyphs, (size_t)rows * (size_t)columns * sizeof *glyphs);
		if (!glyphs)
			return false;
		canvas->glyphs = glyphs;
		canvas->rows = rows;
		canvas->columns = columns;
	}
	for (size_t i = 0; i < (size_t)rows * (size_t)columns; i++)
		canvas->glyphs[i] = (struct glyph){L' ', STYLE_PLAIN};
	return true;
}

void canvas_free(struct canvas *canvas)
{
	free(canvas->glyphs);
	*canvas = (struct canvas){0};
}

/* ---- text from outside ---- */

static uint32_t decode(const uint8_t *at, size_t length)
{
	switch (length) {
	case 1: return at[0];
	case 2: return (uint32_t)(at[0] & 0x1f) << 6 | (at[1] & 0x3f);
	case 3: return (uint32_t)(at[0] & 0x0f) << 12 | (uint32_t)(at[1] & 0x3f) << 6 | (at[2] & 0x3f);
	default: return (uint32_t)(at[0] & 0x07) << 18 | (uint32_t)(at[1] & 0x3f) << 12 | (uint32_t)(at[2] & 0x3f) << 6 | (at[3] & 0x3f);
	}
}

/* The columns of a character, 0: it must not reach the terminal as it is (controls, marks, what changes direction, what is not known). */
static int columns_of(uint32_t c, bool ascii)
{
	if (c < 0x7f)
		return c >= 0x20;
	if (ascii || c < 0xa0 || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f))
		return 0;
	int width = wcwidth((wchar_t)c);
	return width == 1 || width == 2 ? width : 0;
}

/* Bars of ours in a locale that has only ASCII never get here: whoever draws them asks canvas->ascii. */
static bool take_character(const uint8_t **at, const uint8_t *end, bool ascii, uint32_t *c, int *width)
{
	size_t length = utf8_length(*at, (size_t)(end - *at));

	*c = length ? decode(*at, length) : **at;
	*width = length ? columns_of(*c, ascii) : 0;
	if (*width)
		*at += length;
	return *width > 0;
}

void text_add_visible(struct text *out, const void *data, size_t length, bool ascii)
{
	const uint8_t *at = data, *end = at + length;

	while (at < end) {
		const uint8_t *from = at;
		uint32_t c;
		int width;
		if (take_character(&at, end, ascii, &c, &width))
			text_add_bytes(out, from, (size_t)(at - from));
		else
			text_add_format(out, "\\x%02x", *at++);
	}
}

/* ---- drawing ---- */

static struct glyph *glyph_at(struct canvas *canvas, int row, int column)
{
	return &canvas->glyphs[(size_t)row * (size_t)canvas->columns + (size_t)column];
}

static void cut(struct canvas *canvas, int row, int column, int end, enum style style)
{
	if (end - 1 >= column)
		*glyph_at(canvas, row, end - 1) = (struct glyph){canvas->ascii ? L'~' : 0x2026, (uint8_t)style};
}

/* One byte that can't be shown, as \xNN. False: no room. */
static bool put_escaped(struct canvas *canvas, int row, int *column, int end, enum style style, uint8_t byte)
{
	char escaped[8];

	snprintf(escaped, sizeof escaped, "\\x%02x", byte);
	for (const char *c = escaped; *c; c++) {
		if (*column == end)
			return false;
		*glyph_at(canvas, row, (*column)++) = (struct glyph){(wchar_t)*c, (uint8_t)style};
	}
	return true;
}

int canvas_put(struct canvas *canvas, int row, int column, int width, enum style style, const char *text)
{
	const uint8_t *at = (const uint8_t *)text, *end_of_text = at + strlen(text);
	int from = column, end = column + width < canvas->columns ? column + width : canvas->columns;

	if (row < 0 || row >= canvas->rows || column < 0 || column >= end)
		return 0;
	while (at < end_of_text) {
		uint32_t c;
		int columns;
		bool room;
		if (take_character(&at, end_of_text, canvas->ascii, &c, &columns)) {
			room = column + columns <= end;
			if (room) {
				*glyph_at(canvas, row, column) = (struct glyph){(wchar_t)c, (uint8_t)style};
				if (columns == 2)
					*glyph_at(canvas, row, column + 1) = (struct glyph){0, (uint8_t)style};
				column += columns;
			}
		} else {
			room = put_escaped(canvas, row, &column, end, style, *at++);
		}
		if (!room) {
			/* The left half of a wide one may stand where the mark goes. */
			if (column > from && !glyph_at(canvas, row, column - 1)->character && column == end)
				*glyph_at(canvas, row, column - 2) = (struct glyph){L' ', (uint8_t)style};
			cut(canvas, row, from, end, style);
			return end - from;
		}
	}
	return column - from;
}

int canvas_format(struct canvas *canvas, int row, int column, int width, enum style style, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	return canvas_put(canvas, row, column, width, style, text);
}

int canvas_wrap(struct canvas *canvas, int row, enum style style, const char *text)
{
	int rows = 0;

	for (const char *line = text; *line; rows++) {
		size_t length = strlen(line), most = (size_t)canvas->columns;
		if (length > most) {
			length = most;
			while (length && line[length] != ' ')
				length--;
			/* One word longer than a line is cut in two. */
			if (!length)
				length = most;
		}
		if (row >= 0)
			canvas_format(canvas, row + rows, 0, canvas->columns, style, "%.*s", (int)length, line);
		line += length;
		while (*line == ' ')
			line++;
	}
	return rows;
}

void canvas_put_right(struct canvas *canvas, int row, int column, int width, enum style style, const char *text)
{
	struct text visible = {0};
	int columns = 0;

	text_add_visible(&visible, text, strlen(text), canvas->ascii);
	const uint8_t *at = (const uint8_t *)text_string(&visible), *end = at + visible.length;
	while (at < end) {
		uint32_t c;
		int taken;
		if (!take_character(&at, end, canvas->ascii, &c, &taken))
			break;
		columns += taken;
	}
	int pad = columns < width ? width - columns : 0;
	canvas_put(canvas, row, column + pad, width - pad, style, text);
	text_free(&visible);
}

void canvas_style(struct canvas *canvas, int row, int column, int width, enum style style)
{
	if (row < 0 || row >= canvas->rows)
		return;
	for (int i = column < 0 ? 0 : column; i < column + width && i < canvas->columns; i++)
		glyph_at(canvas, row, i)->style = (uint8_t)style;
}

/* ---- graphs ---- */

static wchar_t bar(bool ascii, int level)
{
	static const char levels[] = " _.-:=+*#";

	return level <= 0 ? L' ' : ascii ? (wchar_t)levels[level] : (wchar_t)(0x2580 + level);
}

static double highest(const double *values, size_t count, double most)
{
	if (most > 0)
		return most;
	for (size_t i = 0; i < count; i++)
		if (isfinite(values[i]) && values[i] > most)
			most = values[i];
	return most;
}

void canvas_graph(struct canvas *canvas, int row, int column, int height, int width, enum style style, const double *values, size_t count,
                  double most)
{
	if (width > canvas->columns - column)
		width = canvas->columns - column;
	if (width <= 0 || height <= 0)
		return;
	size_t shown = count < (size_t)width ? count : (size_t)width;
	values += count - shown;
	most = highest(values, shown, most);
	for (size_t i = 0; i < shown; i++) {
		double share = most > 0 && isfinite(values[i]) && values[i] > 0 ? fmin(values[i] / most, 1) : 0;
		/* What is more than nothing shows. */
		int level = (int)(share * height * LEVELS + 0.5);
		level = share > 0 && level < 1 ? 1 : level > height * LEVELS ? height * LEVELS : level;
		for (int y = height - 1; y >= 0; y--, level -= LEVELS) {
			int place = column + width - (int)shown + (int)i;
			if (row + y >= 0 && row + y < canvas->rows)
				*glyph_at(canvas, row + y, place) = (struct glyph){bar(canvas->ascii, level > LEVELS ? LEVELS : level), (uint8_t)style};
		}
	}
}

void canvas_sparkline(struct canvas *canvas, int row, int column, int width, enum style style, const double *values, size_t count, double most)
{
	canvas_graph(canvas, row, column, 1, width, style, values, count, most);
}

void canvas_meter(struct canvas *canvas, int row, int column, int width, enum style style, double share)
{
	int filled = !(share > 0) ? 0 : share >= 1 ? width - 2 : (int)(share * (width - 2) + 0.5);

	canvas_put(canvas, row, column, 1, STYLE_DIM, "[");
	for (int i = 0; i < filled; i++)
		canvas_put(canvas, row, column + 1 + i, 1, style, "|");
	canvas_put(canvas, row, column + width - 1, 1, STYLE_DIM, "]");
}

void canvas_row_text(const struct canvas *canvas, int row, struct text *out)
{
	const struct glyph *glyphs = &canvas->glyphs[(size_t)row * (size_t)canvas->columns];
	int end = canvas->columns;

	while (end > 0 && glyphs[end - 1].character == L' ')
		end--;
	for (int i = 0; i < end; i++)
		if (glyphs[i].character)
			text_add_character(out, (uint32_t)glyphs[i].character);
}
