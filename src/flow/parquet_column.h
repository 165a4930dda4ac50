/*
 * flow/parquet_column.h: the values of one column of a row group: gathered a few rows at a time (parquet_keep.c), then written as a column chunk (parquet_column.c).
 */
#ifndef FLOW_PARQUET_COLUMN_H
#define FLOW_PARQUET_COLUMN_H

#include <zstd.h>

#include "file/stream.h"
#include "flow/intern.h"
#include "flow/parquet_format.h"

#define PARQUET_SLOTS ((size_t)1 << 16)
#define PARQUET_PAGE_ROWS 32768u                         /* so a reader holds little of each column at a time */
#define PARQUET_NUMBERS_MOST ((uint32_t)PARQUET_SLOTS / 4) /* in a dictionary: more different ones are better off as they are */

/* What making column chunks takes; one for each thread that does. */
struct parquet_output {
	ZSTD_CCtx *zstd, *zstd_indexes; /* the second for indexes into dictionaries */
	struct text page, packed, header;
	uint8_t *levels;         /* of a page */
	uint64_t *values;        /* of a page */
	uint32_t *ids;           /* of a row group */
	uint16_t *slots;         /* PARQUET_SLOTS of them: of the dictionary of numbers */
	uint64_t *known;         /* its entries: PARQUET_NUMBERS_MOST */
};

/* False: no memory. To be freed even then. */
bool parquet_output_new(struct parquet_output *output, uint32_t rows, int level);
void parquet_output_free(struct parquet_output *output);

/* One column of the row group at hand. */
struct parquet_column {
	const struct weir_flow_column *column;
	uint8_t *present;        /* of each row, not written while all of them have a value or none has; NULL: they always have */
	uint32_t absent;         /* rows that have no value */
	void *numbers;           /* of each row in `width` bytes; of what is no number its number among the strings */
	unsigned width;          /* 1, 2, 4 or 8: what the largest so far takes, so that most columns stay in the cache */
	bool wide;               /* numbers have eight bytes in the file */
	uint64_t turn, least, most; /* of numbers, turned so that signed ones are ordered as unsigned ones are (value ^ turn) */
	struct intern strings;   /* as value_bytes has them */
	char *texts;             /* of a column of TEXT each row's, which are numbered when the group is written; else NULL */
	bool failed;             /* no memory for a string */
};

/* The number of a row, where its width is known to the compiler: PARQUET_BY_WIDTH(width, f, …) calls f(…, width) so. */
static inline uint64_t parquet_number(const void *numbers, size_t row, unsigned width)
{
	const uint8_t *at = (const uint8_t *)numbers + row * width;

	switch (width) {
	case 1: return *at;
	case 2: return weir_load_native16(at);
	case 4: return weir_load_native32(at);
	default: return weir_load_native64(at);
	}
}
#define PARQUET_BY_WIDTH(width, f, ...)                                                                                                              \
	((width) == 1 ? f(__VA_ARGS__, 1) : (width) == 2 ? f(__VA_ARGS__, 2) : (width) == 4 ? f(__VA_ARGS__, 4) : f(__VA_ARGS__, 8))

/* What is known of a column chunk once it is written: for the footer. */
struct parquet_chunk {
	struct text pages;          /* the chunk itself, until it is in the file; offsets count from its first byte until then */
	uint64_t begin, dictionary; /* offsets of the first page and, with in_dictionary, of the dictionary's */
	uint64_t data;              /* of the first data page */
	uint64_t compressed, uncompressed; /* bytes with page headers */
	uint64_t values, nulls;
	uint32_t data_pages;
	bool in_dictionary, in_deltas; /* what the data pages hold; neither: the values as they are */
	struct text least, most;    /* in PLAIN form without length; valid with bounds */
	bool bounds;
	bool failed;                /* no memory for them */
};

int parquet_column_new(struct parquet_column *column, const struct weir_flow_column *of, uint32_t rows, struct weir_fault *fault);
void parquet_column_free(struct parquet_column *column);
void parquet_column_clear(struct parquet_column *column); /* of no rows */

/* Keeps the values of records, each `size` bytes behind the one before it, as those of `row` and the rows after it. */
void parquet_column_keep(struct parquet_column *column, uint32_t row, const void *first, size_t size, size_t count);

/* Numbers the texts of all rows: of a column of TEXT. */
void parquet_column_number_texts(struct parquet_column *column, uint32_t rows);

/* Whether each of so many rows has the same value in both and both have the same form in a file, so that their chunks are the same bytes. False may also be: not known. */
bool parquet_column_same(const struct parquet_column *a, const struct parquet_column *b, uint32_t rows);

/* Makes the chunk, its rows in this order, and clears the column. chunk's texts are reused. Of several columns at once, with an output for each thread. */
int parquet_column_write(struct parquet_column *column, const uint32_t *order, uint32_t rows, struct parquet_output *output,
                         struct parquet_chunk *chunk, struct weir_fault *fault);

#endif
