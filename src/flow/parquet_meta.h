/*
 * flow/parquet_meta.h: reads the metadata of Parquet files, from anywhere.
 */
#ifndef FLOW_PARQUET_META_H
#define FLOW_PARQUET_META_H

#include "file/sealed.h"
#include "flow/parquet_format.h"
#include "flow/thrift.h"

/* A file or memory that is read from. */
struct parquet_input {
	int fd;                /* -1: memory */
	struct sealed_file *sealed; /* of fd; NULL: it is not */
	const uint8_t *memory; /* stays the caller's */
	uint64_t size;
	const char *name;
};

/* Reads exactly length bytes. */
int parquet_input_read(const struct parquet_input *input, uint64_t offset, void *data, size_t length, struct weir_fault *fault);

/* How a file stores one of the columns of flows. */
struct parquet_leaf {
	uint32_t number;        /* of the column in the file */
	bool there, optional;
	bool is_signed;         /* of 32 bits: extended as a signed number */
	uint8_t type;           /* enum parquet_type */
	uint32_t unit_ns;       /* of times: what one is */
};

/* A column chunk. */
struct parquet_place {
	bool there;
	uint64_t begin, length;
	uint64_t values;
	int32_t codec, type;
	bool bounds;
	struct weir_bytes least, most; /* in PLAIN form; views of the footer */
};

struct parquet_meta {
	uint8_t *footer;
	uint64_t footer_begin;  /* offset in the file: chunks end before it */
	uint64_t rows;
	size_t column_count;    /* of flows */
	struct parquet_leaf *leaves;  /* of each column of flows */
	struct parquet_place *places; /* of each, in the row group at hand */
	uint64_t group_rows;
	struct thrift_reader groups;  /* before the next row group */
	enum thrift_type group_type;
	uint64_t groups_left;
};

/* Reads the footer. WEIR_E_FORMAT: no Parquet; WEIR_E_UNSUPPORTED: sound, but no flow records or encrypted. */
int parquet_meta_open(const struct parquet_input *input, struct parquet_meta *meta, struct weir_fault *fault);
void parquet_meta_free(struct parquet_meta *meta);

/* Goes to the next row group. 1, 0 at the end, or a negative error. */
int parquet_meta_next(const struct parquet_input *input, struct parquet_meta *meta, struct weir_fault *fault);

#endif
