/*
 * flow/parquet_plain.h: values as they are: Parquet's PLAIN encoding.
 */
#ifndef FLOW_PARQUET_PLAIN_H
#define FLOW_PARQUET_PLAIN_H

#include "flow/parquet_column.h"

/* Numbers of 8 bytes (wide) or 4. */
void parquet_plain_numbers(struct text *out, const uint64_t *values, uint32_t count, bool wide);

/* Strings of the column by their numbers. They count for the chunk's bounds. */
void parquet_plain_strings(struct text *out, const struct parquet_column *column, const uint64_t *numbers, uint32_t count, struct parquet_chunk *chunk);

/* All strings of the column, in the order of their numbers, likewise. */
void parquet_plain_all_strings(struct text *out, const struct parquet_column *column, struct parquet_chunk *chunk);

/* Texts of a column of TEXT by their rows, likewise. */
void parquet_plain_texts(struct text *out, const struct parquet_column *column, const uint64_t *rows, uint32_t count, struct parquet_chunk *chunk);

#endif
