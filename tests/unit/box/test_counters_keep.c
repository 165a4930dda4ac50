/* Counters kept as Parquet: when files begin and end, how they are named, what is cleared away, what becomes a row. */
#include "../unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box/counters_keep.h"
#include "box/counters_store.h"
#include "core/text.h"
#include "file/stream.h"
#include "flow/parquet_pages.h"
#include "flow/parquet_table.h"

#define SECOND INT64_C(1000000000)
#define TEN_OCLOCK (INT64_C(1795773600) * SECOND) /* 2026-11-27T10:00:00Z */
#define DEV "Inter-|   Receive\n face |bytes\n"

static char folder[] = "/tmp/weir-keep.XXXXXX";

static int make_folder(void **state)
{
	strcpy(folder + sizeof folder - 7, "XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names in the folder, sorted, a blank behind each. */
static const char *names(void)
{
	static char all[4096];
	char *list[64];
	size_t count = 0;
	DIR *open = opendir(folder);
	struct dirent *entry;

	assert_non_null(open);
	while ((entry = readdir(open)) && count < 64)
		if (entry->d_name[0] != '.')
			list[count++] = strdup(entry->d_name);
	closedir(open);
	qsort(list, count, sizeof *list, by_name);
	all[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		snprintf(all + strlen(all), sizeof all - strlen(all), "%s ", list[i]);
		free(list[i]);
	}
	return all;
}

static int remove_folder(void **state)
{
	char path[PATH_MAX];
	DIR *open = opendir(folder);
	struct dirent *entry;

	while (open && (entry = readdir(open))) {
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		unlink(path);
	}
	if (open)
		closedir(open);
	return rmdir(folder);
}

static void feed(struct counters *counters, uint64_t bytes)
{
	char text[300];
	size_t source = 0;

	while (!counter_sources[source]->path || strcmp(counter_sources[source]->path, "/proc/net/dev") != 0)
		source++;
	int length = snprintf(text, sizeof text, DEV "eth0:%llu 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", (unsigned long long)bytes);
	counters_feed(counters, source, (struct weir_bytes){(const uint8_t *)text, (size_t)length}, TEN_OCLOCK);
}

static struct counters *open_counters(void)
{
	struct counters *counters = NULL;
	struct weir_fault fault;

	assert_int_equal(counters_new(counter_sources, NULL, 0, &counters, &fault), 0);
	feed(counters, 1000);
	return counters;
}

static struct counters_keep *open_keep(int64_t max_age_ns)
{
	struct counters_keep *keep = NULL;
	struct weir_fault fault;

	assert_int_equal(counters_keep_open(folder, NULL, max_age_ns, &keep, &fault), 0);
	return keep;
}

static void look(struct counters_keep *keep, const struct counters *counters, int64_t now_ns)
{
	struct weir_fault fault;
	assert_int_equal(counters_keep_look(keep, counters, now_ns, &fault), 0);
}

static void touch(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* What the footer says of rows; it must be sound, and of no flows. */
static uint64_t rows_of(const char *name)
{
	char path[PATH_MAX];
	struct weir_flow_source *source;
	struct weir_fault fault;
	uint8_t tail[8];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_int_equal(weir_flow_parquet_read(path, NULL, &source, &fault), WEIR_E_UNSUPPORTED);
	int fd = open(path, O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);
	assert_int_equal(pread(fd, tail, 8, size - 8), 8);
	uint32_t length = weir_load_le32(tail);
	uint8_t *footer = malloc(length);
	assert_int_equal(pread(fd, footer, length, size - 8 - (off_t)length), length);
	close(fd);
	/* Field 3 of FileMetaData. */
	struct thrift_reader reader = thrift_over(footer, length);
	enum thrift_type type;
	uint64_t rows = UINT64_MAX;
	int16_t field;
	while (thrift_next(&reader, &field, &type)) {
		if (field == 3)
			rows = (uint64_t)thrift_integer(&reader, type);
		else
			thrift_skip(&reader, type);
	}
	assert_false(reader.cursor.failed);
	free(footer);
	return rows;
}

static void a_file_ends_with_the_hour_and_has_all_at_first(void **state)
{
	struct counters *counters = open_counters();
	struct counters_keep *keep = open_keep(0);
	struct weir_fault fault;
	size_t all;

	counters_list(counters, &all);
	look(keep, counters, TEN_OCLOCK + 3598 * SECOND);
	assert_non_null(strstr(names(), "20261127-105958.parquet.")); /* under another name until then */
	feed(counters, 2000);
	look(keep, counters, TEN_OCLOCK + 3599 * SECOND);
	look(keep, counters, TEN_OCLOCK + 3599 * SECOND + 1);
	/* Set back within the hour, but not before its file: goes on in it. */
	look(keep, counters, TEN_OCLOCK + 3598 * SECOND);
	look(keep, counters, TEN_OCLOCK + 3600 * SECOND);
	feed(counters, 3000);
	look(keep, counters, TEN_OCLOCK + 3601 * SECOND);
	assert_int_equal(counters_keep_finish(keep, &fault), 0);
	counters_keep_close(keep);
	assert_string_equal(names(), "20261127-105958.parquet 20261127-110000.parquet ");
	assert_int_equal(rows_of("20261127-105958.parquet"), all + 1);
	assert_int_equal(rows_of("20261127-110000.parquet"), all + 1);
	counters_close(counters);
}

static void nothing_is_overwritten_when_the_clock_is_set_back(void **state)
{
	struct counters *counters = open_counters();
	struct counters_keep *keep = open_keep(0);
	struct weir_fault fault;

	for (int i = 0; i < 2; i++) {
		look(keep, counters, TEN_OCLOCK);
		look(keep, counters, TEN_OCLOCK - SECOND);
	}
	assert_int_equal(counters_keep_finish(keep, &fault), 0);
	counters_keep_close(keep);
	assert_string_equal(names(), "20261127-095959-2.parquet 20261127-095959.parquet 20261127-100000-2.parquet 20261127-100000.parquet ");
	counters_close(counters);
}

static void what_was_never_finished_and_what_is_old_goes(void **state)
{
	struct counters *counters = open_counters();

	touch("20261127-090000.parquet.77-0.part");
	touch("20261127-080000.parquet.age.77-0.part");
	touch("20261127-070000.parquet");
	touch("20261127-060000.parquet.age");
	touch("notes.part");
	struct counters_keep *keep = open_keep(3600 * SECOND);
	assert_string_equal(names(), "20261127-060000.parquet.age 20261127-070000.parquet notes.part ");
	/* By when they ended, which is now: as old as that they are when an hour and more went by. */
	struct stat status;
	assert_int_equal(stat(folder, &status), 0);
	int64_t now = (int64_t)status.st_mtime * SECOND;
	look(keep, counters, now);
	assert_non_null(strstr(names(), "20261127-070000.parquet"));
	look(keep, counters, now + 3 * 3600 * SECOND);
	assert_null(strstr(names(), "20261127-070000.parquet"));
	assert_null(strstr(names(), "20261127-060000.parquet.age"));
	assert_non_null(strstr(names(), "notes.part"));
	counters_keep_close(keep);
	assert_null(strstr(names(), ".parquet.")); /* what was not finished */
	counters_close(counters);
}

static void a_fault_gives_up_the_hour(void **state)
{
	struct counters *counters = open_counters();
	struct counters_keep *keep = NULL;
	struct weir_fault fault;
	char gone[PATH_MAX];

	snprintf(gone, sizeof gone, "%s/gone", folder);
	assert_int_equal(counters_keep_open(gone, NULL, 0, &keep, &fault), 0);
	assert_int_equal(counters_keep_look(keep, counters, TEN_OCLOCK, &fault), WEIR_E_NOT_FOUND);
	assert_int_equal(counters_keep_look(keep, counters, TEN_OCLOCK + SECOND, &fault), 0);
	assert_int_equal(counters_keep_look(keep, counters, TEN_OCLOCK + 3600 * SECOND, &fault), WEIR_E_NOT_FOUND);
	assert_int_equal(counters_keep_finish(keep, &fault), 0);
	counters_keep_close(keep);
	counters_close(counters);
}

/* ---- the writer ---- */

struct pair {
	int64_t number;
	double value;
};

static const struct weir_flow_column pair_columns[] = {
	{.name = "number", .type = WEIR_COLUMN_DURATION, .size = 8, .offset = offsetof(struct pair, number)},
	{.name = "value", .type = WEIR_COLUMN_DOUBLE, .size = 8, .offset = offsetof(struct pair, value)},
};
static const struct parquet_schema pairs = {.name = "pairs", .columns = pair_columns, .column_count = 2, .record_size = sizeof(struct pair)};

/* Writes pairs as a table and reads the column of doubles back, whose bits are those of numbers. */
static void doubles_come_back(const struct pair *rows, uint32_t count, bool bounds)
{
	const struct weir_parquet_options options = {.row_group_rows = 1000};
	struct parquet_table table;
	struct parquet_pages pages;
	struct parquet_budget budget = {.most = 1 << 20};
	struct weir_fault fault;
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/pairs.parquet", folder);
	assert_int_equal(parquet_table_open(&table, path, &pairs, &options, &fault), 0);
	for (uint32_t i = 0; i < count; i++)
		table.order[i] = i;
	parquet_table_keep(&table, rows, count / 2);
	parquet_table_keep(&table, rows + count / 2, count - count / 2);
	assert_int_equal(parquet_table_group(&table, &fault), 0);
	assert_int_equal(table.chunks[1].bounds, bounds);
	const struct parquet_leaf leaf = {.number = 1, .there = true, .optional = true, .type = PARQUET_INT64, .unit_ns = 1};
	const struct parquet_place place = {.there = true, .begin = table.chunks[1].begin, .length = table.chunks[1].compressed,
	                                    .values = count, .codec = PARQUET_ZSTD, .type = PARQUET_INT64};
	assert_int_equal(parquet_table_finish(&table, &fault), 0);
	parquet_table_close(&table);

	int fd = open(path, O_RDONLY);
	struct parquet_input input = {.fd = fd, .size = (uint64_t)lseek(fd, 0, SEEK_END), .name = path};
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	assert_int_equal(parquet_pages_new(&pages, &pair_columns[1], &leaf, &fault), 0);
	parquet_pages_begin(&pages, &place);
	assert_true(parquet_pages_ready(&pages, &input, zstd, &budget, &fault) >= 0);
	assert_int_equal(pages.rows_left, count);
	assert_true(parquet_pages_take(&pages, count, &input, &fault) >= 0);
	for (uint32_t i = 0; i < count; i++) {
		bool present = !pages.vector.present || pages.vector.present[i];
		assert_int_equal(present, !isnan(rows[i].value));
		assert_true(!present || memcmp(&pages.vector.numbers[i], &rows[i].value, 8) == 0);
	}
	parquet_pages_free(&pages);
	ZSTD_freeDCtx(zstd);
	close(fd);
}

static void any_table_can_be_written(void **state)
{
	static const struct pair some[] = {{1, 0.5}, {-2, NAN}, {WEIR_NO_TIME, 3.25}, {4, INFINITY}, {5, 0}, {6, 1e-300}};
	static const struct pair below[] = {{1, 0.5}, {2, -7}, {3, NAN}};
	struct pair many[1000];

	for (uint32_t i = 0; i < 1000; i++)
		many[i] = (struct pair){i, i % 3 ? i % 7 / 8.0 : NAN}; /* in a dictionary */
	doubles_come_back(some, 6, true);
	doubles_come_back(below, 3, false);
	doubles_come_back(many, 1000, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_ends_with_the_hour_and_has_all_at_first, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(nothing_is_overwritten_when_the_clock_is_set_back, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_was_never_finished_and_what_is_old_goes, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_fault_gives_up_the_hour, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(any_table_can_be_written, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
