/*
 * flow/parquet_pages.h: reads a column chunk of a Parquet file page by page.
 */
#ifndef FLOW_PARQUET_PAGES_H
#define FLOW_PARQUET_PAGES_H

#include <zstd.h>

#include "flow/delta.h"
#include "flow/parquet_meta.h"
#include "flow/rle.h"
#include "flow/vector.h"

/* Memory for all columns of a file: what pages claim is held against it before it is taken. */
struct parquet_budget {
	uint64_t used, most;
};

struct parquet_buffer {
	uint8_t *data;
	size_t room;
};

struct parquet_pages {
	const struct weir_flow_column *column;
	struct parquet_leaf leaf;
	uint64_t at, end;          /* in the file: the next page, the chunk's end */
	int32_t codec;
	struct parquet_buffer raw, page, dictionary_page;
	/* The dictionary of the chunk. */
	uint64_t *dictionary_numbers;
	struct weir_bytes *dictionary_strings;
	size_t dictionary_room;
	uint32_t dictionary_count;
	bool has_dictionary;
	uint64_t serial;
	/* The page at hand. */
	uint32_t rows_left;
	bool has_levels, in_dictionary, in_deltas;
	struct rle_reader levels, ids;
	struct delta_reader deltas;
	struct weir_cursor plain;
	/* What was taken last. */
	uint8_t *present;
	uint32_t *scratch;
	uint64_t *numbers;
	struct weir_bytes *strings;
	uint32_t *taken_ids;
	struct flow_vector vector;
};

/* What stands in front of a page. What is not there is -1, levels 0. */
struct parquet_page_header {
	int64_t type, raw, packed, values, encoding; /* raw, packed: bytes of the page before and after compression */
	int64_t level_bytes, repetition_bytes;       /* version 2: in front of the values, never compressed */
	bool has_crc, compressed;
	uint32_t crc;
	size_t length; /* of the header itself */
};

/* False when it is damaged, or does not end within length. */
bool parquet_page_header_parse(const uint8_t *data, size_t length, struct parquet_page_header *header);

int parquet_pages_new(struct parquet_pages *pages, const struct weir_flow_column *column, const struct parquet_leaf *leaf,
                      struct weir_fault *fault);
void parquet_pages_free(struct parquet_pages *pages);

/* Begins a chunk. */
void parquet_pages_begin(struct parquet_pages *pages, const struct parquet_place *place);

/* Sees to it that there are rows left of a page (more than 0, or an error). What was taken is no longer valid when a page was read. */
int parquet_pages_ready(struct parquet_pages *pages, const struct parquet_input *input, ZSTD_DCtx *zstd, struct parquet_budget *budget,
                        struct weir_fault *fault);

/* Takes so many rows (at most rows_left and VECTOR_ROWS) into vector. */
int parquet_pages_take(struct parquet_pages *pages, uint32_t rows, const struct parquet_input *input, struct weir_fault *fault);

#endif
