/*
 * flow/parquet_footer.h: writes the metadata that a Parquet file ends in.
 */
#ifndef FLOW_PARQUET_FOOTER_H
#define FLOW_PARQUET_FOOTER_H

#include "flow/parquet_column.h"

/* Appends the RowGroup of these chunks (one for each column, in order) to groups. */
void parquet_footer_group(struct text *groups, const struct parquet_chunk *chunks, uint32_t rows, uint32_t number);

/* Makes the footer, its length and the magic of all row groups (their structs one behind the other). */
void parquet_footer_make(struct text *out, const struct text *groups, uint32_t group_count, uint64_t rows);

#endif
