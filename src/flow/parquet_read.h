/*
 * flow/parquet_read.h: reads flow records from Parquet by columns, a few thousand values of each at a time; by records it is a weir_flow_source.
 */
#ifndef FLOW_PARQUET_READ_H
#define FLOW_PARQUET_READ_H

#include "flow/vector.h"

struct parquet_reader;

/* identities open one that is sealed; NULL: none. */
int parquet_reader_open(const char *path, const struct weir_identities *identities, struct parquet_reader **reader, struct weir_fault *fault);
int parquet_reader_open_memory(const void *data, size_t size, const char *name, struct parquet_reader **reader, struct weir_fault *fault);
void parquet_reader_close(struct parquet_reader *reader);

/* Before the first read: only these columns are (an element of wanted for each of weir_flow_columns). */
void parquet_reader_want(struct parquet_reader *reader, const bool *wanted);

/* Before the first read: row groups whose bounds say that none of their flows touches [from, to] are left out. The others come whole. */
void parquet_reader_window(struct parquet_reader *reader, int64_t from_ns, int64_t to_ns);

/* Reads up to `room` rows. How many, 0 at the end, or a negative error. */
int parquet_reader_next(struct parquet_reader *reader, uint32_t room, struct weir_fault *fault);

/* The values of a column (its place in weir_flow_columns) of the rows read last; NULL: the file has no such column, or it was not wanted. */
const struct flow_vector *parquet_reader_vector(const struct parquet_reader *reader, size_t column);

/* Rows in the file as its footer has it, and how many were left out by their bounds. */
uint64_t parquet_reader_rows(const struct parquet_reader *reader);
uint64_t parquet_reader_pruned(const struct parquet_reader *reader);

/* Records of what the reader reads. The source owns it from then on. NULL: no memory. */
struct weir_flow_source *parquet_source_new(struct parquet_reader *reader);

#endif
