/*
 * cli/top_canvas.h: a page of characters with styles, which views draw on; the terminal shows it, --once prints it.
 *
 * Whatever text is put there is safe: control characters and what has no width of one or two columns is shown by its number.
 */
#ifndef CLI_TOP_CANVAS_H
#define CLI_TOP_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

#include "core/text.h"

enum style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_HEADING,  /* of a table */
	STYLE_BAR,      /* the lines at the top and bottom */
	STYLE_CHOSEN,   /* the view that is shown, the sorted column, the selected row */
	STYLE_GOOD,
	STYLE_WARNING,
	STYLE_BAD,
	STYLE_RECEIVE,
	STYLE_SEND,
	STYLES,
};

struct glyph {
	wchar_t character; /* 0: the right half of the wide one before */
	uint8_t style;
};

struct canvas {
	int rows, columns;
	bool ascii; /* the terminal has no other characters */
	struct glyph *glyphs;
};

/* Makes it so large, empty. False: no memory. Zero-initialise it first; free with canvas_free. */
bool canvas_size(struct canvas *canvas, int rows, int columns);
void canvas_free(struct canvas *canvas);

/* Puts text at a place, cut at `width` columns and at the edge (what is cut ends in … or ~). The columns that it took. */
int canvas_put(struct canvas *canvas, int row, int column, int width, enum style style, const char *text);
int canvas_format(struct canvas *canvas, int row, int column, int width, enum style style, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
/* Text of several lines, broken at blanks. How many they are; row < 0: they are only counted. */
int canvas_wrap(struct canvas *canvas, int row, enum style style, const char *text);
/* At the right end of so many columns. */
void canvas_put_right(struct canvas *canvas, int row, int column, int width, enum style style, const char *text);
/* Gives columns another style and leaves what stands there. */
void canvas_style(struct canvas *canvas, int row, int column, int width, enum style style);

/* The last values as a line of bars, newest at the right; the highest is `most`, 0: the highest of them. */
void canvas_sparkline(struct canvas *canvas, int row, int column, int width, enum style style, const double *values, size_t count,
                      double most);
/* A graph of so many rows, filled from below. */
void canvas_graph(struct canvas *canvas, int row, int column, int height, int width, enum style style, const double *values, size_t count,
                  double most);
/* A bar for a share of 0 to 1. */
void canvas_meter(struct canvas *canvas, int row, int column, int width, enum style style, double share);

/* A row as UTF-8 without blanks at its end. */
void canvas_row_text(const struct canvas *canvas, int row, struct text *out);

/* Text with everything that a terminal would obey written as \xNN, as it would be put on a canvas. */
void text_add_visible(struct text *out, const void *data, size_t length, bool ascii);

#endif
