/* Parquet as other programs may write it, made byte by byte: data pages of version 2, old names of encodings, several pages, and what is not right. */
#include "../unit.h"

#include <stdio.h>
#include <zlib.h>
#include <zstd.h>

#include "flow/aggregate.h"
#include "flow/delta.h"
#include "flow/parquet_format.h"
#include "flow/rle.h"
#include "flow/thrift.h"

enum { ROWS = 100 };

/* How the file is made. */
struct shape {
	bool second;            /* pages of version 2 */
	int codec;
	bool bent_crc;
	uint32_t more_values;   /* said of the pages beyond what there is */
	uint32_t bad_id;        /* added to an index into the dictionary */
	int64_t unit;           /* of times: PARQUET_MILLIS … */
	int encoding;           /* of the dictionary's indexes */
	bool deltas;            /* numbers are packed differences */
};

static struct text file;

static void put_page(const struct shape *shape, int kind, uint32_t values, uint32_t nulls, int encoding, const struct text *levels, const struct text *body)
{
	struct thrift_writer thrift = thrift_into(&file);
	struct text raw = {0}, whole = {0};
	uint8_t length[4];

	if (levels && !shape->second) {
		weir_store_le32(length, (uint32_t)levels->length);
		text_add_bytes(&raw, length, 4);
		text_add_bytes(&raw, text_string(levels), levels->length);
	}
	text_add_bytes(&raw, text_string(body), body->length);
	if (levels && shape->second)
		text_add_bytes(&whole, text_string(levels), levels->length);
	if (shape->codec == PARQUET_ZSTD) {
		char packed[20000];
		size_t n = ZSTD_compress(packed, sizeof packed, text_string(&raw), raw.length, 3);
		assert_false(ZSTD_isError(n));
		text_add_bytes(&whole, packed, n);
	} else {
		text_add_bytes(&whole, text_string(&raw), raw.length);
	}
	bool second = shape->second && kind == PARQUET_DATA_PAGE;
	thrift_put_integer(&thrift, 1, THRIFT_I32, second ? PARQUET_DATA_PAGE_V2 : kind);
	thrift_put_integer(&thrift, 2, THRIFT_I32, (int64_t)(raw.length + (second && levels ? levels->length : 0)));
	thrift_put_integer(&thrift, 3, THRIFT_I32, (int64_t)whole.length);
	thrift_put_integer(&thrift, 4, THRIFT_I32, (int32_t)(crc32_z(0, (uint8_t *)whole.data, whole.length) + shape->bent_crc));
	thrift_begin(&thrift, kind == PARQUET_DICTIONARY_PAGE ? 7 : second ? 8 : 5);
	thrift_put_integer(&thrift, 1, THRIFT_I32, values);
	if (second) {
		thrift_put_integer(&thrift, 2, THRIFT_I32, nulls);
		thrift_put_integer(&thrift, 3, THRIFT_I32, values);
		thrift_put_integer(&thrift, 4, THRIFT_I32, encoding);
		thrift_put_integer(&thrift, 5, THRIFT_I32, levels ? (int64_t)levels->length : 0);
		thrift_put_integer(&thrift, 6, THRIFT_I32, 0);
		thrift_put_bool(&thrift, 7, true);
	} else {
		thrift_put_integer(&thrift, 2, THRIFT_I32, encoding);
		thrift_put_integer(&thrift, 3, THRIFT_I32, PARQUET_RLE);
		thrift_put_integer(&thrift, 4, THRIFT_I32, PARQUET_RLE);
	}
	thrift_end(&thrift);
	thrift_end(&thrift);
	text_add_bytes(&file, whole.data, whole.length);
	text_free(&raw);
	text_free(&whole);
}

/* Plain numbers in two pages: the row's number, or the time 1000 + row. */
static void put_numbers(const struct shape *shape, int64_t base)
{
	for (uint32_t from = 0; from < ROWS; from += 60) {
		uint32_t rows = ROWS - from < 60 ? ROWS - from : 60;
		struct text body = {0};
		uint64_t numbers[60];
		for (uint32_t i = 0; i < rows; i++) {
			uint8_t bytes[8];
			numbers[i] = (uint64_t)(base + from + i);
			weir_store_le64(bytes, (uint64_t)(base + from + i));
			text_add_bytes(&body, bytes, 8);
		}
		if (shape->deltas) {
			text_clear(&body);
			delta_put(&body, numbers, rows, true);
		}
		put_page(shape, PARQUET_DATA_PAGE, rows + (from ? shape->more_values : 0), 0, shape->deltas ? PARQUET_DELTA_BINARY_PACKED : PARQUET_PLAIN, NULL, &body);
		text_free(&body);
	}
}

/* "a", "bb", "ccc" in turn from a dictionary, none in every fifth row, in pages of 30 rows. */
static void put_strings(const struct shape *shape)
{
	static const char dictionary[] = "\1\0\0\0a\2\0\0\0bb\3\0\0\0ccc";
	struct text entries = {0};

	text_add_bytes(&entries, dictionary, sizeof dictionary - 1);
	put_page(shape, PARQUET_DICTIONARY_PAGE, 3, 0, shape->encoding == PARQUET_PLAIN_DICTIONARY ? PARQUET_PLAIN_DICTIONARY : PARQUET_PLAIN, NULL, &entries);
	for (uint32_t from = 0; from < ROWS; from += 30) {
		uint32_t rows = ROWS - from < 30 ? ROWS - from : 30, ids[30], present[30], count = 0;
		struct text levels = {0}, body = {0};
		for (uint32_t i = 0; i < rows; i++) {
			present[i] = (from + i) % 5 != 0;
			if (present[i])
				ids[count++] = (from + i) % 3 + (from == 60 ? shape->bad_id : 0);
		}
		rle_put(&levels, present, rows, 1);
		text_add_char(&body, 2);
		rle_put(&body, ids, count, 2);
		put_page(shape, PARQUET_DATA_PAGE, rows, rows - count, shape->encoding, &levels, &body);
		text_free(&levels);
		text_free(&body);
	}
	text_free(&entries);
}

static void put_schema(struct thrift_writer *thrift, const struct shape *shape)
{
	thrift_put_list(thrift, 2, THRIFT_STRUCT, 5);
	thrift_begin(thrift, 0);
	thrift_put_string(thrift, 4, "root");
	thrift_put_integer(thrift, 5, THRIFT_I32, 3);
	thrift_end(thrift);
	/* A group with a column of the name of one of ours, which is none of ours. */
	thrift_begin(thrift, 0);
	thrift_put_integer(thrift, 3, THRIFT_I32, PARQUET_REQUIRED);
	thrift_put_string(thrift, 4, "group");
	thrift_put_integer(thrift, 5, THRIFT_I32, 1);
	thrift_end(thrift);
	thrift_begin(thrift, 0);
	thrift_put_integer(thrift, 1, THRIFT_I32, PARQUET_INT64);
	thrift_put_integer(thrift, 3, THRIFT_I32, PARQUET_REQUIRED);
	thrift_put_string(thrift, 4, "packets");
	thrift_end(thrift);
	thrift_begin(thrift, 0);
	thrift_put_integer(thrift, 1, THRIFT_I32, PARQUET_INT64);
	thrift_put_integer(thrift, 3, THRIFT_I32, PARQUET_REQUIRED);
	thrift_put_string(thrift, 4, "flow_start");
	thrift_begin(thrift, 10);
	thrift_begin(thrift, PARQUET_LOGICAL_TIMESTAMP);
	thrift_put_bool(thrift, 1, true);
	thrift_begin(thrift, 2);
	thrift_begin(thrift, (int16_t)shape->unit);
	for (int i = 0; i < 4; i++)
		thrift_end(thrift);
	thrift_end(thrift);
	thrift_begin(thrift, 0);
	thrift_put_integer(thrift, 1, THRIFT_I32, PARQUET_BYTE_ARRAY);
	thrift_put_integer(thrift, 3, THRIFT_I32, PARQUET_OPTIONAL);
	thrift_put_string(thrift, 4, "application");
	thrift_end(thrift);
}

static void put_chunk(struct thrift_writer *thrift, const struct shape *shape, int type, size_t begin, size_t end)
{
	thrift_begin(thrift, 0);
	thrift_put_integer(thrift, 2, THRIFT_I64, 0);
	thrift_begin(thrift, 3);
	thrift_put_integer(thrift, 1, THRIFT_I32, type);
	thrift_put_integer(thrift, 4, THRIFT_I32, shape->codec);
	thrift_put_integer(thrift, 5, THRIFT_I64, ROWS);
	thrift_put_integer(thrift, 7, THRIFT_I64, (int64_t)(end - begin));
	thrift_put_integer(thrift, 9, THRIFT_I64, (int64_t)begin);
	thrift_end(thrift);
	thrift_end(thrift);
}

static void make_file(const struct shape *shape)
{
	size_t places[4];
	struct thrift_writer thrift = thrift_into(&file);
	uint8_t length[4];

	text_clear(&file);
	text_add(&file, PARQUET_MAGIC);
	places[0] = file.length;
	put_numbers(shape, 0);
	places[1] = file.length;
	put_numbers(shape, 1000);
	places[2] = file.length;
	put_strings(shape);
	places[3] = file.length;
	thrift_put_integer(&thrift, 1, THRIFT_I32, 1);
	put_schema(&thrift, shape);
	thrift_put_integer(&thrift, 3, THRIFT_I64, ROWS);
	thrift_put_list(&thrift, 4, THRIFT_STRUCT, 1);
	thrift_begin(&thrift, 0);
	thrift_put_list(&thrift, 1, THRIFT_STRUCT, 3);
	for (int i = 0; i < 3; i++)
		put_chunk(&thrift, shape, i == 2 ? PARQUET_BYTE_ARRAY : PARQUET_INT64, places[i], places[i + 1]);
	thrift_put_integer(&thrift, 2, THRIFT_I64, 0);
	thrift_put_integer(&thrift, 3, THRIFT_I64, ROWS);
	thrift_end(&thrift);
	thrift_end(&thrift);
	weir_store_le32(length, (uint32_t)(file.length - places[3]));
	text_add_bytes(&file, length, 4);
	text_add(&file, PARQUET_MAGIC);
	assert_false(file.failed);
}

/* Reads it all: 0 or the error. Everything read is checked. */
static int read_file(const struct shape *shape, struct weir_fault *fault)
{
	static const char *const names[] = {"a", "bb", "ccc"};
	int64_t unit = shape->unit == PARQUET_MILLIS ? 1000000 : shape->unit == PARQUET_MICROS ? 1000 : 1;
	struct parquet_reader *reader;
	struct weir_flow flows[37];
	int error = parquet_reader_open_memory(file.data, file.length, "test.parquet", &reader, fault), count, row = 0;

	if (error)
		return error;
	struct weir_flow_source *source = parquet_source_new(reader);
	while ((count = source->ops->fill(source, flows, 37, fault)) > 0) {
		for (int i = 0; i < count; i++, row++) {
			assert_true(flows[i].forward.first_ns == (1000 + row) * unit);
			assert_int_equal(flows[i].forward.packets, 0); /* what stands in the group is not ours */
			if (row % 5 == 0) {
				assert_null(flows[i].application.data);
			} else {
				assert_int_equal(flows[i].application.length, row % 3 + 1);
				assert_memory_equal(flows[i].application.data, names[row % 3], row % 3 + 1);
			}
		}
	}
	source->ops->close(source);
	if (count == 0)
		assert_int_equal(row, ROWS);
	return count;
}

static const struct shape sound = {.codec = PARQUET_ZSTD, .unit = PARQUET_NANOS, .encoding = PARQUET_RLE_DICTIONARY};

static void pages_of_both_versions_are_read(void **state)
{
	struct weir_fault fault;

	for (int second = 0; second < 2; second++)
		for (int zstd = 0; zstd < 2; zstd++)
			for (int64_t unit = PARQUET_MILLIS; unit <= PARQUET_NANOS; unit++)
				for (int kind = 0; kind < 4; kind++) {
					bool old = kind & 1;
					struct shape shape = {.second = second, .codec = zstd ? PARQUET_ZSTD : PARQUET_UNCOMPRESSED, .unit = unit,
					                      .encoding = old ? PARQUET_PLAIN_DICTIONARY : PARQUET_RLE_DICTIONARY, .deltas = kind & 2};
					make_file(&shape);
					assert_int_equal(read_file(&shape, &fault), 0);
				}
}

static void other_codecs_and_encodings_are_refused_by_name(void **state)
{
	struct weir_fault fault;
	struct shape shape = sound;

	shape.codec = 1;
	make_file(&shape);
	assert_int_equal(read_file(&shape, &fault), WEIR_E_UNSUPPORTED);
	assert_non_null(strstr(fault.message, "Snappy"));
	shape = sound;
	shape.encoding = PARQUET_DELTA_BYTE_ARRAY;
	make_file(&shape);
	assert_int_equal(read_file(&shape, &fault), WEIR_E_UNSUPPORTED);
	assert_non_null(strstr(fault.message, "encoding 7"));
}

static void what_is_not_right_is_found(void **state)
{
	struct weir_fault fault;

	for (int second = 0; second < 2; second++) {
		struct shape shape = sound;
		shape.second = second;
		shape.bent_crc = true;
		make_file(&shape);
		assert_int_equal(read_file(&shape, &fault), WEIR_E_CORRUPT);
		shape.bent_crc = false;
		shape.bad_id = 1; /* an index of 3 */
		make_file(&shape);
		assert_int_equal(read_file(&shape, &fault), WEIR_E_FORMAT);
		assert_true(fault.offset > 0);
	}
	/* One value more than there is said of a page is never taken: its row group has no row for it. Fewer rows in it would be. */
	struct shape shape = sound;
	shape.more_values = 1;
	make_file(&shape);
	assert_int_equal(read_file(&shape, &fault), 0);
}

static void every_cut_is_told(void **state)
{
	struct weir_fault fault;
	struct text whole = {0};

	make_file(&sound);
	text_add_bytes(&whole, file.data, file.length);
	for (size_t length = 0; length < whole.length; length++) {
		text_clear(&file);
		text_add_bytes(&file, whole.data, length);
		if (!file.data)
			continue;
		assert_true(read_file(&sound, &fault) < 0);
	}
	text_free(&whole);
}

static void sums_of_columns_are_those_of_records(void **state)
{
	static _Atomic int stop;
	struct aggregate_plan plan = {.key_count = 0};
	struct aggregate *aggregate;
	struct parquet_reader *reader;
	struct weir_fault fault;
	uint64_t seen = 0, value;
	size_t count;

	make_file(&sound);
	assert_int_equal(aggregate_parse_keys("application", &plan, &fault), 0);
	assert_int_equal(aggregate_parse_sums("flow_start", &plan, &fault), 0);
	assert_int_equal(aggregate_new(&plan, 1 << 20, &aggregate, &fault), 0);
	assert_int_equal(parquet_reader_open_memory(file.data, file.length, "test.parquet", &reader, &fault), 0);
	assert_int_equal(aggregate_parquet(aggregate, reader, &stop, &fault), 0);
	const uint32_t *order = aggregate_sorted(aggregate, -1, &count);
	assert_int_equal(count, 4);
	for (size_t i = 0; i < count; i++) {
		struct text name = {0};
		bool named = aggregate_key_text(aggregate, order[i], 0, &name);
		assert_int_equal(named, i < 3); /* none comes last */
		if (named)
			assert_string_equal(text_string(&name), i == 0 ? "a" : i == 1 ? "bb" : "ccc");
		assert_true(aggregate_value(aggregate, order[i], 0, &value));
		seen += value;
		assert_true(aggregate_value(aggregate, order[i], 1, &value));
		assert_int_equal(value, 1000 + (i == 0 ? 3 : i == 1 ? 1 : i == 2 ? 2 : 0)); /* rows 0, 5, … have no name */
		text_free(&name);
	}
	assert_int_equal(seen, ROWS);
	parquet_reader_close(reader);
	aggregate_free(aggregate);
}

static int free_file(void **state)
{
	text_free(&file);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_both_versions_are_read),
		cmocka_unit_test(other_codecs_and_encodings_are_refused_by_name),
		cmocka_unit_test(what_is_not_right_is_found),
		cmocka_unit_test(every_cut_is_told),
		cmocka_unit_test(sums_of_columns_are_those_of_records),
	};
	return cmocka_run_group_tests(tests, NULL, free_file);
}
