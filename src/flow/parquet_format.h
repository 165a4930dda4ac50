/*
 * flow/parquet_format.h: numbers of the Parquet format (https://github.com/apache/parquet-format, parquet.thrift), and how a column is
 * stored in it.
 */
#ifndef FLOW_PARQUET_FORMAT_H
#define FLOW_PARQUET_FORMAT_H

#include "flow/value.h"

#define PARQUET_MAGIC "PAR1"
#define PARQUET_TAIL 8 /* length of the footer, magic */

enum parquet_type {
	PARQUET_BOOLEAN = 0,
	PARQUET_INT32 = 1,
	PARQUET_INT64 = 2,
	PARQUET_INT96 = 3,
	PARQUET_FLOAT = 4,
	PARQUET_DOUBLE = 5,
	PARQUET_BYTE_ARRAY = 6,
	PARQUET_FIXED = 7,
};

enum parquet_repetition { PARQUET_REQUIRED = 0, PARQUET_OPTIONAL = 1, PARQUET_REPEATED = 2 };

enum parquet_converted {
	PARQUET_UTF8 = 0,
	PARQUET_TIMESTAMP_MILLIS = 9,
	PARQUET_TIMESTAMP_MICROS = 10,
	PARQUET_UINT_8 = 11,
	PARQUET_UINT_16 = 12,
	PARQUET_UINT_32 = 13,
	PARQUET_UINT_64 = 14,
	PARQUET_INT_64 = 18,
};

/* Fields of the union LogicalType. */
enum parquet_logical { PARQUET_LOGICAL_STRING = 1, PARQUET_LOGICAL_TIMESTAMP = 8, PARQUET_LOGICAL_INTEGER = 10 };
enum parquet_unit { PARQUET_MILLIS = 1, PARQUET_MICROS = 2, PARQUET_NANOS = 3 };

enum parquet_encoding {
	PARQUET_PLAIN = 0,
	PARQUET_PLAIN_DICTIONARY = 2, /* what RLE_DICTIONARY was called in data pages of old, and PLAIN in their dictionary pages */
	PARQUET_RLE = 3,
	PARQUET_DELTA_BINARY_PACKED = 5,
	PARQUET_DELTA_BYTE_ARRAY = 7,
	PARQUET_RLE_DICTIONARY = 8,
};

enum parquet_codec { PARQUET_UNCOMPRESSED = 0, PARQUET_ZSTD = 6 };

enum parquet_page { PARQUET_DATA_PAGE = 0, PARQUET_INDEX_PAGE = 1, PARQUET_DICTIONARY_PAGE = 2, PARQUET_DATA_PAGE_V2 = 3 };

/* How a column is stored. */
static inline enum parquet_type parquet_type_of(const struct weir_flow_column *column)
{
	if (!value_is_number(column))
		return PARQUET_BYTE_ARRAY;
	if (column->type == WEIR_COLUMN_DOUBLE)
		return PARQUET_DOUBLE;
	return column->size == 8 ? PARQUET_INT64 : PARQUET_INT32;
}

/* Times and durations are ordered as signed numbers, the other ones as unsigned (the bits of doubles too: right where none is below zero). */
static inline bool parquet_signed(const struct weir_flow_column *column)
{
	return column->type == WEIR_COLUMN_TIME || column->type == WEIR_COLUMN_DURATION;
}

#endif
