/*
 * flow/parquet_footer.h: writes the metadata that a Parquet file ends in.
 */
#ifndef FLOW_PARQUET_FOOTER_H
#define FLOW_PARQUET_FOOTER_H

#include "flow/parquet_column.h"

/* What a file is a table of. */
struct parquet_schema {
	const char *name; /* of the root */
	const struct weir_flow_column *columns;
	size_t column_count;
	size_t record_size; /* of the struct that columns describe */
	uint16_t sorted[2]; /* columns by which rows ascend within a row group, those without a value last */
	size_t sorted_count;
};

/* Of flow records. */
struct parquet_schema parquet_flow_schema(void);

/* Appends the RowGroup of these chunks (one for each column, in order) to groups. */
void parquet_footer_group(struct text *groups, const struct parquet_schema *schema, const struct parquet_chunk *chunks, uint32_t rows, uint32_t number);

/* Makes the footer, its length and the magic of all row groups (their structs one behind the other). */
void parquet_footer_make(struct text *out, const struct parquet_schema *schema, const struct text *groups, uint32_t group_count, uint64_t rows);

#endif
