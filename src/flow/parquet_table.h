/*
 * flow/parquet_table.h: writes a Parquet file of any records that a column table describes: gathered in memory by column, a row group at a time.
 */
#ifndef FLOW_PARQUET_TABLE_H
#define FLOW_PARQUET_TABLE_H

#include "flow/parquet_footer.h"

/* One thread at a time. */
struct parquet_table {
	const struct parquet_schema *schema;
	struct stream_writer *out;
	struct parquet_output *outputs;   /* of `threads` */
	unsigned threads;                 /* that make a row group's chunks, the caller's among them */
	struct parquet_column *columns;
	struct parquet_chunk *chunks;
	size_t *twins;                    /* of each column that whose chunk is its, too: its own, or one before it */
	uint32_t room, rows, group_count; /* rows: of the group at hand, at most room */
	uint64_t total;
	uint32_t *order;                  /* of the rows of the group at hand; the caller's to fill in before the group is written */
	struct text groups, footer;
	int error;                        /* of a group that could not be written: none of what comes after it is, either */
	struct weir_fault fault;
};

#define PARQUET_ROWS_USUAL 131072u

/* Opens path, which appears when it is finished. schema and what it names outlive the table; to be closed even when that failed. 0 or an error. */
int parquet_table_open(struct parquet_table *table, const char *path, const struct parquet_schema *schema,
                       const struct weir_parquet_options *options, struct weir_fault *fault);

/* Keeps more rows, for which there must be room in the group. */
void parquet_table_keep(struct parquet_table *table, const void *records, size_t count);

/* What the strings of the group take. */
size_t parquet_table_strings(const struct parquet_table *table);

/* Writes the group in order, if it has rows, and begins another. What goes wrong is told again by this and by finish, whenever they are called after it. */
int parquet_table_group(struct parquet_table *table, struct weir_fault *fault);

/* Writes the footer behind the groups and puts the file in its place. */
int parquet_table_finish(struct parquet_table *table, struct weir_fault *fault);
void parquet_table_close(struct parquet_table *table); /* of zeros: nothing */

#endif
