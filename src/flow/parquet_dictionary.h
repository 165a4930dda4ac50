/*
 * flow/parquet_dictionary.h: the values of a column in the order of rows, and as indexes into a dictionary where that pays.
 */
#ifndef FLOW_PARQUET_DICTIONARY_H
#define FLOW_PARQUET_DICTIONARY_H

#include "flow/parquet_column.h"

/* How the values of a chunk become indexes. */
struct parquet_dictionary {
	uint32_t entries; /* 0: there is none; 1: every index is 0 */
	enum {
		PARQUET_BY_NUMBER, /* strings are numbered already */
		PARQUET_BY_PLACE,  /* output->slots[value - base] is it */
		PARQUET_MADE,      /* output->ids has all, in order */
	} how;
	uint64_t base;
};

/*
 * Makes a dictionary of a column, of which some row has a value, as a page in output->page. Of strings the chunk's bounds are counted; of TEXT none where most
 * differ, and then they are not numbered either.
 */
struct parquet_dictionary parquet_dictionary_make(struct parquet_column *column, const uint32_t *order, uint32_t rows, struct parquet_output *output,
                                                  struct parquet_chunk *chunk);

/* The values that there are of rows in this order: their numbers, or of texts that are not numbered the rows. How many. */
uint32_t parquet_gather(const struct parquet_column *column, const uint32_t *order, uint32_t rows, bool texts, uint64_t *values);

/* Likewise their indexes into the dictionary, if it has more than one entry and none are made. */
uint32_t parquet_gather_ids(const struct parquet_column *column, const struct parquet_dictionary *dictionary, const uint32_t *order, uint32_t rows,
                            const uint16_t *slots, uint32_t *ids);

#endif
