#include "../unit.h"

#include "core/terminal.h"
#include "core/text.h"

#define NOW (INT64_C(1700000000) * 1000000000)

static void sizes_are_powers_of_1024(void **state)
{
	static const struct { const char *text; uint64_t bytes; } good[] = {
		{"0", 0}, {"152", 152}, {"64K", 65536}, {"64k", 65536}, {"256M", 268435456}, {"256MiB", 268435456}, {"1.5G", 1610612736},
		{"2T", UINT64_C(2199023255552)}, {"10B", 10}, {"1P", UINT64_C(1125899906842624)},
	};
	static const char *const bad[] = {"", "M", "-1", "1X", "1MM", "1e3", "0x10", "1 M", "99999999P", "1.2.3", "inf"};
	uint64_t bytes;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(parse_size(good[i].text, &bytes, NULL), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(parse_size(bad[i], &bytes, NULL), WEIR_E_USAGE);
}

static void durations_take_units_and_sums(void **state)
{
	static const struct { const char *text; int64_t ns; } good[] = {
		{"90", INT64_C(90000000000)}, {"1.5s", 1500000000}, {"250ms", 250000000}, {"10m", INT64_C(600000000000)},
		{"1h30m", INT64_C(5400000000000)}, {"7d", INT64_C(604800000000000)}, {"5us", 5000}, {"5ns", 5},
		{"2min", INT64_C(120000000000)}, {"36525d", INT64_C(36525) * 86400 * 1000000000},
	};
	static const char *const bad[] = {"", "s", "10x", "-5s", "1h-3m", "999999999999w", "36526d", "5000w5000w"};
	int64_t ns;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(parse_duration(good[i].text, &ns, NULL), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(parse_duration(bad[i], &ns, NULL), WEIR_E_USAGE);
}

static void moments_are_utc_unless_they_say_otherwise(void **state)
{
	static const struct { const char *text; int64_t ns; } good[] = {
		{"2023-11-14T22:13:20Z", NOW},
		{"2023-11-14T22:13:20", NOW},
		{"2023-11-14 22:13:20.5", NOW + 500000000},
		{"2023-11-15T00:13:20+02:00", NOW},
		{"2023-11-14T22:13:20.123456789Z", NOW + 123456789},
		{"@1700000000", NOW}, {"1700000000.25", NOW + 250000000}, {"now", NOW}, {"-10m", NOW - INT64_C(600000000000)},
		{"22:13:20", NOW}, {"1970-01-01", 0}, {"@-1", -1000000000},
	};
	static const char *const bad[] = {"", "tomorrow", "2023-13-01", "2023-11-14T25:00", "2023-11-14T22:13:20 Z", "@", "12:6"};
	int64_t ns;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(parse_moment(good[i].text, NOW, false, &ns, NULL), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(parse_moment(bad[i], NOW, false, &ns, NULL), WEIR_E_USAGE);
}

static void times_before_the_epoch_are_written_right(void **state)
{
	char out[FORMAT_SIZE];

	assert_string_equal(format_time(-1, false, 9, out), "1969-12-31T23:59:59.999999999Z");
	assert_string_equal(format_time(NOW + 123456789, false, 6, out), "2023-11-14T22:13:20.123456Z");
	assert_string_equal(format_time(NOW, false, 0, out), "2023-11-14T22:13:20Z");
	assert_string_equal(format_time(INT64_MIN, false, 9, out), "1677-09-21T00:12:43.145224192Z");
	assert_string_equal(format_time(INT64_MAX, false, 9, out), "2262-04-11T23:47:16.854775807Z");
}

static void figures_read_well(void **state)
{
	char out[FORMAT_SIZE];

	assert_string_equal(format_count(5761834, out), "5,761,834");
	assert_string_equal(format_count(12, out), "12");
	assert_string_equal(format_size(1610612736, out), "1.50 GiB");
	assert_string_equal(format_rate(1520000, out), "1.52 M");
	assert_string_equal(format_duration(INT64_C(622) * 3600 * 1000000000, out), "25d 22h 00m 00.0s");
}

static void what_a_terminal_would_obey_is_shown_by_its_number(void **state)
{
	static const char from[] = "a\x1b[2J\x7f\t\n\xc3\xa9\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xe2\x82\xac\xff";
	struct text text = {0};
	char small[8];

	text_add_shown(&text, from, sizeof from - 1, false);
	assert_string_equal(text_string(&text), "a\\x1b[2J\\x7f\\x09\\x0a\xc3\xa9\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x81\\xa6\xe2\x82\xac\\xff");
	text_clear(&text);
	text_add_shown(&text, "\x1b\t\n", 3, true);
	assert_string_equal(text_string(&text), "\\x1b\t\n");
	text_free(&text);
	assert_string_equal(text_shown("ab\x1b" "cdefg", small, sizeof small), "ab\\x1bc");
}

static void cells_of_tables_are_shown_too(void **state)
{
	static const char *const headings[] = {"one", "two"};
	struct table *table = table_new("lr", headings);
	char out[200] = "";
	FILE *file = fmemopen(out, sizeof out - 1, "w");

	assert_non_null(table);
	assert_non_null(file);
	table_cell(table, "%s", "\x1b[31mx");
	table_cell(table, "%d", 7);
	table_print(table, file);
	fclose(file);
	table_free(table);
	assert_string_equal(out, "one        two\n\\x1b[31mx    7\n");
}

static void nearest_words_are_found(void **state)
{
	assert_int_equal(edit_distance("recrod", "record"), 1);
	assert_int_equal(edit_distance("", "abc"), 3);
	assert_int_equal(edit_distance("query", "query"), 0);
}

static void text_grows(void **state)
{
	struct text text = {0};

	for (int i = 0; i < 1000; i++)
		text_add_format(&text, "%d,", i);
	assert_int_equal(text.length, 3890);
	assert_int_equal(strlen(text_string(&text)), 3890);
	text_clear(&text);
	text_add_unsigned(&text, UINT64_MAX);
	assert_string_equal(text_string(&text), "18446744073709551615");
	text_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(durations_take_units_and_sums),
		cmocka_unit_test(moments_are_utc_unless_they_say_otherwise),
		cmocka_unit_test(times_before_the_epoch_are_written_right),
		cmocka_unit_test(figures_read_well),
		cmocka_unit_test(what_a_terminal_would_obey_is_shown_by_its_number),
		cmocka_unit_test(cells_of_tables_are_shown_too),
		cmocka_unit_test(nearest_words_are_found),
		cmocka_unit_test(text_grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
