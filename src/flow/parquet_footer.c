/* The footer of a Parquet file: FileMetaData of parquet.thrift. */
#include "config.h"
#include "flow/parquet_footer.h"
#include "flow/thrift.h"

#define FORMAT_VERSION 2 /* logical types and RLE_DICTIONARY are used */

static void put_logical_integer(struct thrift_writer *thrift, unsigned bits, bool is_signed)
{
	thrift_begin(thrift, PARQUET_LOGICAL_INTEGER);
	thrift_put_integer(thrift, 1, THRIFT_BYTE, bits);
	thrift_put_bool(thrift, 2, is_signed);
	thrift_end(thrift);
}

static void put_logical_time(struct thrift_writer *thrift)
{
	thrift_begin(thrift, PARQUET_LOGICAL_TIMESTAMP);
	thrift_put_bool(thrift, 1, true); /* adjusted to UTC */
	thrift_begin(thrift, 2);
	thrift_begin(thrift, PARQUET_NANOS);
	thrift_end(thrift);
	thrift_end(thrift);
	thrift_end(thrift);
}

/* What the older field for it has of a column; -1: it has no such type. */
static int converted_type(const struct weir_flow_column *column)
{
	switch (column->type) {
	case WEIR_COLUMN_UNSIGNED:
		return column->size == 1 ? PARQUET_UINT_8 : column->size == 2 ? PARQUET_UINT_16 : column->size == 4 ? PARQUET_UINT_32 : PARQUET_UINT_64;
	case WEIR_COLUMN_TIME:
	case WEIR_COLUMN_DOUBLE: return -1;
	case WEIR_COLUMN_DURATION: return PARQUET_INT_64;
	default: return PARQUET_UTF8;
	}
}

static void put_schema_element(struct thrift_writer *thrift, const struct weir_flow_column *column)
{
	int converted = converted_type(column);

	thrift_begin(thrift, 0);
	thrift_put_integer(thrift, 1, THRIFT_I32, parquet_type_of(column));
	thrift_put_integer(thrift, 3, THRIFT_I32, value_optional(column) ? PARQUET_OPTIONAL : PARQUET_REQUIRED);
	thrift_put_string(thrift, 4, column->name);
	if (converted >= 0)
		thrift_put_integer(thrift, 6, THRIFT_I32, converted);
	if (column->type == WEIR_COLUMN_DOUBLE) {
		thrift_end(thrift);
		return;
	}
	thrift_begin(thrift, 10);
	if (column->type == WEIR_COLUMN_TIME) {
		put_logical_time(thrift);
	} else if (value_is_number(column)) {
		put_logical_integer(thrift, column->size * 8u, parquet_signed(column));
	} else {
		thrift_begin(thrift, PARQUET_LOGICAL_STRING);
		thrift_end(thrift);
	}
	thrift_end(thrift);
	thrift_end(thrift);
}

static void put_schema(struct thrift_writer *thrift, const struct parquet_schema *schema)
{
	thrift_put_list(thrift, 2, THRIFT_STRUCT, schema->column_count + 1);
	thrift_begin(thrift, 0);
	thrift_put_string(thrift, 4, schema->name);
	thrift_put_integer(thrift, 5, THRIFT_I32, (int64_t)schema->column_count);
	thrift_end(thrift);
	for (size_t i = 0; i < schema->column_count; i++)
		put_schema_element(thrift, &schema->columns[i]);
}

static void put_statistics(struct thrift_writer *thrift, const struct parquet_chunk *chunk)
{
	thrift_begin(thrift, 12);
	thrift_put_integer(thrift, 3, THRIFT_I64, (int64_t)chunk->nulls);
	if (chunk->bounds) {
		thrift_put_binary(thrift, 5, text_string(&chunk->most), chunk->most.length);
		thrift_put_binary(thrift, 6, text_string(&chunk->least), chunk->least.length);
		thrift_put_bool(thrift, 7, true); /* exact */
		thrift_put_bool(thrift, 8, true);
	}
	thrift_end(thrift);
}

static void put_encoding_count(struct thrift_writer *thrift, enum parquet_page page, enum parquet_encoding encoding, uint32_t pages)
{
	thrift_begin(thrift, 0);
	thrift_put_integer(thrift, 1, THRIFT_I32, page);
	thrift_put_integer(thrift, 2, THRIFT_I32, encoding);
	thrift_put_integer(thrift, 3, THRIFT_I32, pages);
	thrift_end(thrift);
}

static void put_chunk(struct thrift_writer *thrift, const struct weir_flow_column *column, const struct parquet_chunk *chunk)
{
	enum parquet_encoding encoding = chunk->in_dictionary ? PARQUET_RLE_DICTIONARY : chunk->in_deltas ? PARQUET_DELTA_BINARY_PACKED : PARQUET_PLAIN;

	thrift_begin(thrift, 0);
	thrift_put_integer(thrift, 2, THRIFT_I64, 0); /* file_offset: no metadata stands there */
	thrift_begin(thrift, 3);
	thrift_put_integer(thrift, 1, THRIFT_I32, parquet_type_of(column));
	thrift_put_list(thrift, 2, THRIFT_I32, chunk->in_dictionary ? 3 : 2);
	if (!chunk->in_deltas)
		thrift_element_integer(thrift, PARQUET_PLAIN);
	thrift_element_integer(thrift, PARQUET_RLE);
	if (encoding != PARQUET_PLAIN)
		thrift_element_integer(thrift, encoding);
	thrift_put_list(thrift, 3, THRIFT_BINARY, 1);
	thrift_element_string(thrift, column->name);
	thrift_put_integer(thrift, 4, THRIFT_I32, PARQUET_ZSTD);
	thrift_put_integer(thrift, 5, THRIFT_I64, (int64_t)chunk->values);
	thrift_put_integer(thrift, 6, THRIFT_I64, (int64_t)chunk->uncompressed);
	thrift_put_integer(thrift, 7, THRIFT_I64, (int64_t)chunk->compressed);
	thrift_put_integer(thrift, 9, THRIFT_I64, (int64_t)chunk->data);
	if (chunk->in_dictionary)
		thrift_put_integer(thrift, 11, THRIFT_I64, (int64_t)chunk->dictionary);
	put_statistics(thrift, chunk);
	thrift_put_list(thrift, 13, THRIFT_STRUCT, chunk->in_dictionary ? 2 : 1);
	if (chunk->in_dictionary)
		put_encoding_count(thrift, PARQUET_DICTIONARY_PAGE, PARQUET_PLAIN, 1);
	put_encoding_count(thrift, PARQUET_DATA_PAGE, encoding, chunk->data_pages);
	thrift_end(thrift);
	thrift_end(thrift);
}

static void put_sorting(struct thrift_writer *thrift, uint16_t column)
{
	thrift_begin(thrift, 0);
	thrift_put_integer(thrift, 1, THRIFT_I32, column);
	thrift_put_bool(thrift, 2, false); /* ascending */
	thrift_put_bool(thrift, 3, false); /* nulls last */
	thrift_end(thrift);
}

void parquet_footer_group(struct text *groups, const struct parquet_schema *schema, const struct parquet_chunk *chunks, uint32_t rows, uint32_t number)
{
	struct thrift_writer thrift = thrift_into(groups);
	uint64_t compressed = 0, uncompressed = 0;

	thrift_begin(&thrift, 0);
	thrift_put_list(&thrift, 1, THRIFT_STRUCT, schema->column_count);
	for (size_t i = 0; i < schema->column_count; i++) {
		put_chunk(&thrift, &schema->columns[i], &chunks[i]);
		compressed += chunks[i].compressed;
		uncompressed += chunks[i].uncompressed;
	}
	thrift_put_integer(&thrift, 2, THRIFT_I64, (int64_t)uncompressed);
	thrift_put_integer(&thrift, 3, THRIFT_I64, rows);
	if (schema->sorted_count)
		thrift_put_list(&thrift, 4, THRIFT_STRUCT, schema->sorted_count);
	for (size_t i = 0; i < schema->sorted_count; i++)
		put_sorting(&thrift, schema->sorted[i]);
	thrift_put_integer(&thrift, 5, THRIFT_I64, (int64_t)chunks[0].begin);
	thrift_put_integer(&thrift, 6, THRIFT_I64, (int64_t)compressed);
	if (number <= INT16_MAX)
		thrift_put_integer(&thrift, 7, THRIFT_I16, (int64_t)number);
	thrift_end(&thrift);
}

void parquet_footer_make(struct text *out, const struct parquet_schema *schema, const struct text *groups, uint32_t group_count, uint64_t rows)
{
	struct thrift_writer thrift = thrift_into(out);
	uint8_t length[4];

	thrift_put_integer(&thrift, 1, THRIFT_I32, FORMAT_VERSION);
	put_schema(&thrift, schema);
	thrift_put_integer(&thrift, 3, THRIFT_I64, (int64_t)rows);
	thrift_put_list(&thrift, 4, THRIFT_STRUCT, group_count);
	text_add_bytes(out, text_string(groups), groups->length);
	thrift_put_list(&thrift, 5, THRIFT_STRUCT, 1);
	thrift_begin(&thrift, 0);
	thrift_put_string(&thrift, 1, "weir.version");
	thrift_put_string(&thrift, 2, WEIR_VERSION);
	thrift_end(&thrift);
	thrift_put_string(&thrift, 6, "weir version " WEIR_VERSION);
	/* The bounds in the statistics are in the order of each column's type. */
	thrift_put_list(&thrift, 7, THRIFT_STRUCT, schema->column_count);
	for (size_t i = 0; i < schema->column_count; i++) {
		thrift_begin(&thrift, 0);
		thrift_begin(&thrift, 1);
		thrift_end(&thrift);
		thrift_end(&thrift);
	}
	thrift_end(&thrift);
	out->failed |= groups->failed;
	weir_store_le32(length, (uint32_t)out->length);
	text_add_bytes(out, length, 4);
	text_add(out, PARQUET_MAGIC);
}
