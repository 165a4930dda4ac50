/*
 * flow/parquet_column.h: the values of one column of a row group: gathered a few rows at a time, then written as a column chunk.
 */
#ifndef FLOW_PARQUET_COLUMN_H
#define FLOW_PARQUET_COLUMN_H

#include <zstd.h>

#include "file/stream.h"
#include "flow/intern.h"
#include "flow/parquet_format.h"

#define PARQUET_SLOTS ((size_t)1 << 16)

/* What making column chunks takes; one for each thread that does. */
struct parquet_output {
	ZSTD_CCtx *zstd;
	int level;
	struct text page, packed, header;
	uint32_t *levels, *ids;  /* a row group's worth each */
	uint64_t *values;
	uint32_t *slots;         /* PARQUET_SLOTS of them: of the dictionary of numbers */
	uint64_t *known;         /* its entries: a quarter as many */
};

/* One column of the row group at hand. */
struct parquet_column {
	const struct weir_flow_column *column;
	uint8_t *present;        /* of each row; NULL: always */
	uint32_t absent;         /* rows that have no value */
	void *numbers;           /* of each row, uint32_t or uint64_t; of what is no number its number among the strings */
	bool wide;
	uint64_t turn, least, most; /* of numbers, turned so that signed ones are ordered as unsigned ones are (value ^ turn) */
	struct intern strings;   /* as value_bytes has them */
	char *texts;             /* of a column of TEXT each row's, which are numbered when the group is written; else NULL */
	bool failed;             /* no memory for a string */
};

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

/* Keeps the values of records, each `size` bytes behind the one before it, as those of `row` and the rows after it. */
void parquet_column_keep(struct parquet_column *column, uint32_t row, const void *first, size_t size, size_t count);

/* Makes the chunk, its rows in this order, and empties the column. chunk's texts are reused. Of several columns at once, with an output for each thread. */
int parquet_column_write(struct parquet_column *column, const uint32_t *order, uint32_t rows, struct parquet_output *output,
                         struct parquet_chunk *chunk, struct weir_fault *fault);

#endif
