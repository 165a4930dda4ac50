#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "flow/delta.h"
#include "flow/intern.h"
#include "flow/rle.h"
#include "flow/thrift.h"
#include "flow/value.h"

static void runs_and_packed_values_come_back(void **state)
{
	enum { COUNT = 3000 };
	uint32_t values[COUNT], back[COUNT];

	for (unsigned width = 0; width <= 32; width++) {
		for (unsigned shape = 0; shape < 4; shape++) {
			struct text text = {0};
			srand(width * 7 + shape);
			uint32_t mask = width == 32 ? UINT32_MAX : (1u << width) - 1;
			for (size_t i = 0; i < COUNT; i++)
				values[i] = (shape == 0 ? (uint32_t)rand() * 3 : shape == 1 ? 1 : i && rand() % (shape * 15) ? values[i - 1] : (uint32_t)rand()) & mask;
			rle_put(&text, values, COUNT, width);
			struct rle_reader reader = rle_over((struct weir_bytes){(uint8_t *)text.data, text.length}, width);
			memset(back, 0xee, sizeof back);
			for (size_t at = 0, step = 1; at < COUNT; at += step, step = step * 2 < COUNT - at ? step * 2 : COUNT - at)
				assert_true(rle_take(&reader, back + at, step));
			assert_memory_equal(values, back, sizeof values);
			if (width && shape == 1)
				assert_true(text.length < 8);
			text_free(&text);
		}
	}
}

/* Runs of every length around those at which something changes, behind each other. */
static void bits_are_written_as_values_are(void **state)
{
	uint8_t bits[400];
	uint32_t values[400];

	for (size_t length = 1; length < 40; length++)
		for (size_t count = 0; count < 400; count += count % 3 + 1) {
			struct text one = {0}, other = {0};
			for (size_t i = 0; i < count; i++)
				values[i] = bits[i] = (uint8_t)(i / 100 % 2 ? i % length == 0 : i / length % 2);
			rle_put(&one, values, count, 1);
			rle_put_bits(&other, bits, count);
			assert_int_equal(one.length, other.length);
			assert_int_equal(memcmp(text_string(&one), text_string(&other), one.length), 0);
			text_free(&one);
			text_free(&other);
		}
}

static void cut_runs_give_no_values(void **state)
{
	uint32_t values[100] = {0}, back[200];
	struct text text = {0};

	for (size_t i = 0; i < 100; i++)
		values[i] = (uint32_t)i;
	rle_put(&text, values, 100, 7);
	for (size_t length = 0; length < 1 + 88; length++) { /* a byte of header; 700 bits */
		struct rle_reader reader = rle_over((struct weir_bytes){(uint8_t *)text.data, length}, 7);
		assert_false(rle_take(&reader, back, 100));
	}
	/* What fills up the last group is there, but no group more. */
	struct rle_reader reader = rle_over((struct weir_bytes){(uint8_t *)text.data, text.length}, 7);
	assert_false(rle_take(&reader, back, 105));
	text_free(&text);
}

/* Numbers of so many bits, in a few shapes, among them the greatest steps that there are. */
static void make_numbers(uint64_t *values, size_t count, unsigned bits, unsigned shape, bool wide)
{
	uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1, number = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t random = ((uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand()) & mask;
		number = shape == 0 ? random : shape == 1 ? number + random : i % 2 ? mask >> 1 : ~(mask >> 1);
		values[i] = wide ? number : (uint32_t)number;
	}
}

static void differences_come_back(void **state)
{
	enum { COUNT = 700 };
	uint64_t values[COUNT], back[COUNT];

	for (unsigned wide = 0; wide < 2; wide++)
		for (unsigned bits = 0; bits <= (wide ? 64 : 32); bits++)
			for (unsigned shape = 0; shape < 3; shape++)
				for (size_t count = COUNT - 3; count; count = count > 129 ? 129 : count > 33 ? 33 : count / 3) {
					struct text text = {0};
					struct delta_reader reader;
					make_numbers(values, count, bits, shape, wide);
					delta_put(&text, values, count, wide);
					assert_true(delta_over(&reader, (struct weir_bytes){(uint8_t *)text.data, text.length}, wide));
					assert_int_equal(reader.left, count);
					for (size_t at = 0, step = 1; at < count; at += step, step = step * 2 < count - at ? step * 2 : count - at)
						assert_true(delta_take(&reader, back + at, step));
					assert_memory_equal(values, back, count * sizeof *values);
					assert_int_equal(weir_cursor_left(&reader.cursor), 0);
					assert_false(delta_take(&reader, back, 1));
					text_free(&text);
				}
}

static void cut_differences_give_no_values(void **state)
{
	/* What parquet-format tells as its example: 7, 5, 3, 1, 2, 3, 4, 5. */
	static const uint8_t example[] = {0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0xc0, 0x3f, 0, 0, 0, 0, 0, 0};
	static const uint64_t expected[] = {7, 5, 3, 1, 2, 3, 4, 5};
	uint64_t back[8];
	struct delta_reader reader;

	assert_true(delta_over(&reader, (struct weir_bytes){example, sizeof example}, true));
	assert_true(delta_take(&reader, back, 8));
	assert_memory_equal(back, expected, sizeof back);
	for (size_t length = 0; length < sizeof example; length++) {
		uint8_t *copy = malloc(length + 1);
		memcpy(copy, example, length);
		assert_false(delta_over(&reader, (struct weir_bytes){copy, length}, true) && delta_take(&reader, back, 8));
		free(copy);
	}
}

/* Bytes in memory of their own, so that one read too far is seen. Whether they begin as they should and count numbers come. */
static bool come(const uint8_t *bytes, size_t length, bool wide, uint64_t *back, size_t count, bool *begin)
{
	struct delta_reader reader;
	uint8_t *copy = malloc(length + !length);

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	*begin = delta_over(&reader, (struct weir_bytes){copy, length}, wide);
	bool all = *begin && delta_take(&reader, back, count);
	free(copy);
	return all;
}

#define COME(bytes, wide, count) come(bytes, sizeof bytes, wide, back, count, &begin)

static void bent_differences_give_no_values(void **state)
{
	uint64_t back[300];
	bool begin;

	/* No miniblocks, no block, numbers that are no eights, more miniblocks than numbers, a block too large for anybody. */
	static const uint8_t none[] = {0x80, 1, 0, 8, 14}, no_block[] = {0, 4, 8, 14}, odd[] = {0x84, 1, 4, 8, 14}, many[] = {8, 16, 8, 14},
						 large[] = {0x80, 0x80, 0x80, 1, 4, 8, 14, 3, 1, 1, 1, 1};
	COME(none, true, 1);
	assert_false(begin);
	COME(no_block, true, 1);
	assert_false(begin);
	COME(odd, true, 1);
	assert_false(begin);
	COME(many, true, 1);
	assert_false(begin);
	COME(large, true, 1);
	assert_false(begin);
	/* Counts of more than 64 bits, and without an end. */
	static const uint8_t wide_count[] = {0x80, 1, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 14},
						 endless[] = {0x80, 1, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
	COME(wide_count, true, 1);
	assert_false(begin);
	COME(endless, true, 1);
	assert_false(begin);
	/* As many as there can be: of these the first is there, and no more. */
	static const uint8_t most[] = {0x80, 1, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 14};
	assert_true(COME(most, true, 1));
	assert_int_equal(back[0], 7);
	assert_false(COME(most, true, 2));
	/* More bits than a number can have. */
	static const uint8_t bits[] = {0x80, 1, 4, 8, 14, 3, 65, 0, 0, 0};
	assert_false(COME(bits, true, 8));
	assert_true(begin);
	assert_false(COME(bits, false, 8));
	/* Widths of a block cut short; those of miniblocks that are not reached may be anything. */
	static const uint8_t widths[] = {0x80, 1, 4, 8, 14, 3, 0, 0}, unused[] = {0x80, 1, 4, 3, 14, 3, 0, 255, 255, 255};
	assert_false(COME(widths, true, 2));
	assert_true(COME(unused, true, 3));
	assert_int_equal(back[2], (uint64_t)3);
	/* Numbers of no bits end where it is said that they do. */
	static const uint8_t same[] = {0x80, 1, 4, 0x81, 2, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	assert_true(COME(same, true, 257));
	assert_int_equal(back[256], 7);
	assert_false(COME(same, true, 258));
	/* None, in full and in no byte at all. */
	static const uint8_t zero[] = {0x80, 1, 4, 0, 0};
	assert_true(COME(zero, true, 0));
	assert_false(COME(zero, true, 1));
	assert_true(come(zero, 0, true, back, 0, &begin));
	assert_false(come(zero, 0, true, back, 1, &begin));
}

/* DuckDB takes differences of unsigned numbers of 32 bits in 64: from 4294967295 to 0 and back they need 33 bits. */
static void differences_of_33_bits_wrap_around(void **state)
{
	uint8_t bytes[16 + 4 * 33] = {8, 1, 3, 0xfe, 0xff, 0xff, 0xff, 0x1f, 0xfd, 0xff, 0xff, 0xff, 0x1f, 33};
	uint64_t back[3];
	bool begin;

	/* From the first number, 4294967295, a step of -4294967295 and one of 4294967295, which is 8589934590 above the least. */
	weir_store_le64(bytes + 14 + 4, UINT64_C(8589934590) << 1);
	assert_true(come(bytes, 14 + 33, false, back, 3, &begin));
	assert_int_equal(back[0], UINT32_MAX);
	assert_int_equal(back[1], 0);
	assert_int_equal(back[2], UINT32_MAX);
}

static void put_example(struct text *text)
{
	struct thrift_writer writer = thrift_into(text);

	thrift_put_integer(&writer, 1, THRIFT_I32, -5);
	thrift_begin(&writer, 3);
	thrift_put_bool(&writer, 1, true);
	thrift_put_list(&writer, 2, THRIFT_STRUCT, 20);
	for (int i = 0; i < 20; i++) {
		thrift_begin(&writer, 0);
		thrift_put_string(&writer, 4, "name");
		thrift_put_list(&writer, 100, THRIFT_I32, 2);
		thrift_element_integer(&writer, i);
		thrift_element_integer(&writer, INT64_MIN);
		thrift_end(&writer);
	}
	thrift_end(&writer);
	thrift_put_integer(&writer, 4, THRIFT_I64, INT64_MAX);
	thrift_end(&writer);
}

static void thrift_fields_come_back_and_unknown_ones_are_skipped(void **state)
{
	struct text text = {0};
	int16_t field;
	enum thrift_type type, element;
	unsigned seen = 0;

	put_example(&text);
	for (int enter = 0; enter < 2; enter++) {
		struct thrift_reader reader = thrift_over(text.data, text.length);
		while (thrift_next(&reader, &field, &type)) {
			if (field == 1) {
				assert_int_equal(thrift_integer(&reader, type), -5);
			} else if (field == 3 && enter && thrift_enter(&reader, type)) {
				while (thrift_next(&reader, &field, &type)) {
					if (field == 1) {
						assert_int_equal(thrift_integer(&reader, type), 1);
						continue;
					}
					assert_int_equal(thrift_list(&reader, type, &element), 20);
					assert_int_equal(element, THRIFT_STRUCT);
					for (int i = 0; i < 20; i++)
						thrift_skip(&reader, element);
				}
			} else if (field == 4) {
				assert_true(thrift_integer(&reader, type) == INT64_MAX);
				seen++;
			} else {
				thrift_skip(&reader, type);
			}
		}
		assert_false(reader.cursor.failed);
		assert_ptr_equal(reader.cursor.at, reader.cursor.end);
	}
	assert_int_equal(seen, 2);
	text_free(&text);
}

static void cut_thrift_fails(void **state)
{
	struct text text = {0};
	int16_t field;
	enum thrift_type type;

	put_example(&text);
	for (size_t length = 0; length < text.length; length++) {
		struct thrift_reader reader = thrift_over(text.data, length);
		while (thrift_next(&reader, &field, &type))
			thrift_skip(&reader, type);
		assert_true(reader.cursor.failed);
	}
	text_free(&text);
}

static void deep_thrift_fails_without_recursion(void **state)
{
	uint8_t lists[100000], structs[100000];
	int16_t field;
	enum thrift_type type;

	memset(lists, 0x19, sizeof lists);     /* field 1: a list of one list of one list … */
	memset(structs, 0x1c, sizeof structs); /* field 1: a struct with a field 1 … */
	for (int i = 0; i < 2; i++) {
		struct thrift_reader reader = thrift_over(i ? lists : structs, sizeof lists);
		assert_true(thrift_next(&reader, &field, &type));
		thrift_skip(&reader, type);
		assert_true(reader.cursor.failed);
	}
}

static void strings_are_kept_once(void **state)
{
	struct intern intern = {0};
	char text[16];

	for (int round = 0; round < 2; round++) {
		for (int again = 0; again < 2; again++)
			for (uint32_t i = 0; i < 5000; i++)
				assert_int_equal(intern_number(&intern, text, (size_t)snprintf(text, sizeof text, "%u", i * 7)), i);
		assert_int_equal(intern_number(&intern, "", 0), 5000);
		assert_int_equal(intern_bytes(&intern, 5000).length, 0);
		assert_memory_equal(intern_bytes(&intern, 4).data, "28", 2);
		intern_clear(&intern);
	}
	intern_free(&intern);
}

/* Lengths at which hashing and comparing change; each length twice, with one byte that differs, wherever that is. */
static void strings_are_numbered_several_at_a_time(void **state)
{
	enum { LENGTHS = 70, EACH = 71, COUNT = LENGTHS * EACH };
	static uint8_t texts[COUNT][LENGTHS];
	struct weir_bytes strings[COUNT];
	uint32_t numbers[COUNT], first[COUNT];
	struct intern several = {0}, single = {0};

	memset(texts, 'x', sizeof texts);
	for (size_t i = 0; i < COUNT; i++) {
		size_t length = i / EACH, differs = i % EACH;
		if (differs < length)
			texts[i][differs] = 'y';
		strings[i] = (struct weir_bytes){texts[i], length};
		first[i] = intern_number(&single, texts[i], length);
		assert_int_equal(first[i], length * (length + 1) / 2 + (differs < length ? differs : length));
	}
	for (int again = 0; again < 2; again++) {
		for (size_t from = 0; from < COUNT; from += 100) {
			size_t some = COUNT - from < 100 ? COUNT - from : 100;
			assert_true(intern_numbers(&several, strings + from, some, numbers + from));
		}
		assert_memory_equal(numbers, first, sizeof numbers);
	}
	assert_int_equal(several.count, single.count);
	/* What is forgotten is forgotten where it was remembered as well. */
	intern_clear(&several);
	assert_true(intern_numbers(&several, strings + 8 * EACH, EACH, numbers));
	for (uint32_t i = 0; i < EACH; i++)
		assert_int_equal(numbers[i], i < 8 ? i : 8);
	intern_free(&several);
	intern_free(&single);
}

static void times_are_rfc_3339(void **state)
{
	static const struct { int64_t ns; const char *text; } cases[] = {
		{0, "1970-01-01T00:00:00.000000000Z"},
		{-1, "1969-12-31T23:59:59.999999999Z"},
		{INT64_C(951782400000000001), "2000-02-29T00:00:00.000000001Z"},
		{INT64_C(4107542399123456789), "2100-02-28T23:59:59.123456789Z"},
		{INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
		{INT64_MIN + 1, "1677-09-21T00:12:43.145224193Z"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct text text = {0};
		value_put_time(&text, cases[i].ns);
		text_add(&text, "");
		assert_int_equal(text.length, 30);
		assert_memory_equal(text.data, cases[i].text, 30);
		text_free(&text);
	}
}

static void addresses_come_back(void **state)
{
	static const char *const addresses[] = {"10.1.2.3", "2001:db8::1", "::", "::ffff:1.2.3.4"};
	const struct weir_flow_column *column = weir_flow_column_named("source_address");

	for (size_t i = 0; i < 4; i++) {
		struct text text = {0};
		struct weir_ip ip;
		assert_true(value_parse_ip((struct weir_bytes){(const uint8_t *)addresses[i], strlen(addresses[i])}, &ip));
		value_put_bytes(&text, column, (struct weir_bytes){(uint8_t *)&ip, sizeof ip});
		assert_int_equal(text.length, strlen(addresses[i]));
		assert_memory_equal(text.data, addresses[i], text.length);
		text_free(&text);
	}
	struct weir_ip ip;
	assert_false(value_parse_ip((struct weir_bytes){(const uint8_t *)"10.1.2.3.4", 10}, &ip));
	assert_int_equal(ip.version, 0);
	uint8_t mac[6];
	assert_true(value_parse_mac((struct weir_bytes){(const uint8_t *)"00:1b:2C:ff:0a:9e", 17}, mac));
	assert_memory_equal(mac, "\x00\x1b\x2c\xff\x0a\x9e", 6);
	assert_false(value_parse_mac((struct weir_bytes){(const uint8_t *)"00:1b:2C:ff:0a:9g", 17}, mac));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_and_packed_values_come_back),
		cmocka_unit_test(bits_are_written_as_values_are),
		cmocka_unit_test(cut_runs_give_no_values),
		cmocka_unit_test(differences_come_back),
		cmocka_unit_test(cut_differences_give_no_values),
		cmocka_unit_test(bent_differences_give_no_values),
		cmocka_unit_test(differences_of_33_bits_wrap_around),
		cmocka_unit_test(thrift_fields_come_back_and_unknown_ones_are_skipped),
		cmocka_unit_test(cut_thrift_fails),
		cmocka_unit_test(deep_thrift_fails_without_recursion),
		cmocka_unit_test(strings_are_kept_once),
		cmocka_unit_test(strings_are_numbered_several_at_a_time),
		cmocka_unit_test(times_are_rfc_3339),
		cmocka_unit_test(addresses_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
