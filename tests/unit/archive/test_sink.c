/* The writing side of the archive: segments, journals, recovery, rebuilding, retention. */
#include "../unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/archive.h>
#include <weir/decode.h>

#include "archive/campaign.h"
#include "archive/folders.h"
#include "archive/index_read.h"
#include "archive/recover.h"
#include "archive/scan.h"
#include "core/clock.h"
#include "core/text.h"
#include "os/files.h"

#define BYTES 200u
#define BASE_NS (INT64_C(1700000000) * NS_PER_SECOND)

static char folder[64];
static const struct weir_interface wire = {.linktype = 1, .resolution = 9, .name = "wire"};
static const struct weir_interface *const interfaces[] = {&wire};

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/weir-unit.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status, (void)type, (void)at;
	return remove(path);
}

static int remove_folder(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct weir_campaign *campaign_of(enum weir_campaign_mode mode)
{
	char path[128];
	struct weir_campaign *campaign;
	struct weir_fault fault;

	snprintf(path, sizeof path, "%s/c", folder);
	if (weir_campaign_open(path, mode, &campaign, &fault) != 0)
		fail_msg("%s", fault.message);
	return campaign;
}

static struct weir_sink *sink_of(struct weir_campaign *campaign, struct weir_archive_options options)
{
	struct weir_sink *sink;
	struct weir_fault fault;

	options.node = "box";
	options.interface = "wire";
	if (weir_archive_sink_open(campaign, &options, &sink, &fault) != 0)
		fail_msg("%s", fault.message);
	return sink;
}

/* A packet with its number in it: UDP from 10.0.x.y, a host of its own for every 256. */
static void put_packet(uint8_t *at, uint64_t number)
{
	memset(at, (int)(number & 0xff), BYTES);
	memcpy(at, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0\x45\0", 16);
	weir_store_be16(at + 16, BYTES - 14);
	memset(at + 18, 0, 8);
	at[22] = 64;
	at[23] = 17;
	weir_store_be32(at + 26, 0x0a000000u + (uint32_t)(number >> 8));
	weir_store_be32(at + 30, 0x0a010001u);
	weir_store_be16(at + 34, 4000);
	weir_store_be16(at + 36, 53);
	weir_store_be16(at + 38, BYTES - 34);
	weir_store_be16(at + 40, 0);
	weir_store_be64(at + 42, number);
}

static void feed(struct weir_sink *sink, uint64_t first, uint64_t count)
{
	static uint8_t bytes[WEIR_BATCH_PACKETS][BYTES];
	struct weir_batch *batch = weir_batch_new();
	struct weir_fault fault;

	assert_non_null(batch);
	for (uint64_t number = first; number < first + count;) {
		weir_batch_reset(batch);
		batch->interfaces = interfaces;
		batch->interface_count = 1;
		for (; batch->count < WEIR_BATCH_PACKETS && number < first + count; number++, batch->count++) {
			put_packet(bytes[batch->count], number);
			batch->packets[batch->count] = (struct weir_packet){
				.time_ns = BASE_NS + (int64_t)number * 1000000,
				.data = bytes[batch->count],
				.captured = BYTES,
				.length = BYTES + 1000,
				.linktype = 1,
			};
		}
		assert_int_equal(weir_decode_batch(batch, &fault), 0);
		if (sink->ops->consume(sink, batch, &fault) != 0)
			fail_msg("%s", fault.message);
	}
	weir_batch_free(batch);
}

static void finish(struct weir_sink *sink)
{
	struct weir_fault fault;
	if (sink->ops->finish(sink, &fault) != 0)
		fail_msg("%s", fault.message);
	weir_sink_close(sink);
}

/* Reads all segments of the vantage with our own reader of capture files, and expects numbers from `first` on. Returns how many. */
static uint64_t numbers(struct weir_campaign *campaign, uint64_t first)
{
	struct folder_list list = {0};
	struct weir_batch *batch = weir_batch_new();
	uint64_t count = 0;

	assert_int_equal(list_segments(campaign, "box", "wire", &list, NULL), 0);
	for (size_t i = 0; i < list.count; i++) {
		struct weir_source *source;
		struct weir_fault fault;
		char path[PATH_MAX];
		int result;
		campaign_path(campaign, list.names[i], path, NULL);
		if (weir_capture_open(path, NULL, &source, &fault) != 0)
			fail_msg("%s", fault.message);
		while ((result = source->ops->fill(source, batch, &fault)) > 0) {
			for (uint32_t k = 0; k < batch->count; k++, count++) {
				assert_int_equal(batch->packets[k].captured, BYTES);
				assert_int_equal(batch->packets[k].length, BYTES + 1000);
				assert_true(weir_load_be64(batch->packets[k].data + 42) == first + count);
				assert_true(batch->packets[k].time_ns == BASE_NS + (int64_t)(first + count) * 1000000);
			}
			weir_batch_reset(batch);
		}
		if (result < 0)
			fail_msg("%s: %s", list.names[i], fault.message);
		weir_source_close(source);
	}
	weir_batch_free(batch);
	folder_list_free(&list);
	return count;
}

/* What the catalog says, as text; the same as `sqlite3 .dump` but for the form. */
static char *dump(struct weir_campaign *campaign)
{
	static const char *const queries[] = {
		"SELECT * FROM nodes", "SELECT * FROM interfaces", "SELECT * FROM segments", "SELECT * FROM ledger",
		"SELECT type, name, sql FROM sqlite_master ORDER BY name"};
	struct text text = {0};

	for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
		sqlite3_stmt *statement;
		assert_int_equal(sqlite3_prepare_v2(catalog_database(campaign->catalog), queries[i], -1, &statement, NULL), SQLITE_OK);
		while (sqlite3_step(statement) == SQLITE_ROW) {
			for (int k = 0; k < sqlite3_column_count(statement); k++) {
				const char *value = (const char *)sqlite3_column_text(statement, k);
				text_add(&text, value ? value : "NULL");
				text_add_char(&text, '|');
			}
			text_add_char(&text, '\n');
		}
		sqlite3_finalize(statement);
	}
	return text.data;
}

static int64_t ask(struct weir_campaign *campaign, const char *sql)
{
	sqlite3_stmt *statement;
	assert_int_equal(sqlite3_prepare_v2(catalog_database(campaign->catalog), sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	int64_t value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static const struct weir_archive_options small = {.segment_bytes = 1 << 20, .buffer_bytes = 1 << 20};

static void packets_come_back_in_order_whatever_the_codec(void **state)
{
	static const struct {
		enum weir_codec codec;
		int level;
		bool automatic, buffered;
	} cases[] = {{WEIR_CODEC_NONE, 0, false, false}, {WEIR_CODEC_NONE, 0, false, true}, {WEIR_CODEC_ZSTD, 1, false, false},
	             {WEIR_CODEC_ZSTD, -5, false, true}, {WEIR_CODEC_ZSTD, 0, true, false}, {WEIR_CODEC_LZ4, 0, false, false}};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		make_folder(NULL);
		struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
		struct weir_archive_options options = small;
		options.codec = cases[i].codec;
		options.level = cases[i].level;
		options.automatic = cases[i].automatic;
		options.buffered = cases[i].buffered;
		struct weir_sink *sink = sink_of(campaign, options);
		feed(sink, 0, 20000);
		finish(sink);
		assert_true(numbers(campaign, 0) == 20000);
		assert_true(ask(campaign, "SELECT sum(packets) FROM segments WHERE state = 'closed'") == 20000);
		assert_true(ask(campaign, "SELECT count(*) FROM segments") > 3);
		weir_campaign_close(campaign);
		remove_folder(NULL);
	}
}

static void the_index_finds_a_host_in_the_chunks_that_have_it(void **state)
{
	struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
	struct weir_sink *sink = sink_of(campaign, (struct weir_archive_options){.segment_bytes = 8 << 20});
	struct folder_list list = {0};
	struct index index;
	char path[PATH_MAX];
	(void)state;

	feed(sink, 0, 20000);
	finish(sink);
	assert_int_equal(list_segments(campaign, "box", "wire", &list, NULL), 0);
	assert_true(list.count == 1);
	campaign_path(campaign, list.names[0], path, NULL);
	strcat(path, ".idx");
	assert_int_equal(index_open(path, &index, NULL), 0);
	assert_int_equal(index_check(&index, path, NULL), 0);
	assert_true(index.header.packets == 20000);
	for (uint32_t host = 0; host <= 19999 >> 8; host++) {
		uint64_t expected = 0, packets = 0;
		for (uint32_t chunk = 0; chunk < index.header.chunk_count; chunk++) {
			/* Packets of this host have the numbers from host << 8 on. */
			uint64_t next = packets + index.chunks[chunk].packets;
			if (packets < ((uint64_t)host + 1) << 8 && next > (uint64_t)host << 8)
				expected |= 1ull << chunk;
			packets = next;
		}
		struct index_key key = index_key_number(0x0a000000u + host);
		assert_true(index_chunks_with(&index, POSTING_IPV4, &key, &key) == expected);
	}
	index_close(&index);
	folder_list_free(&list);
	weir_campaign_close(campaign);
}

static void a_vantage_has_one_writer(void **state)
{
	struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
	struct weir_sink *sink = sink_of(campaign, small), *second;
	struct weir_archive_options options = {.node = "box", .interface = "wire"};
	struct weir_fault fault;
	(void)state;

	assert_int_equal(weir_archive_sink_open(campaign, &options, &second, &fault), WEIR_E_BUSY);
	options.interface = "other";
	assert_int_equal(weir_archive_sink_open(campaign, &options, &second, &fault), 0);
	finish(second);
	finish(sink);
	weir_campaign_close(campaign);
}

static void names_stay_inside_the_campaign(void **state)
{
	char name[VANTAGE_NAME_MAX];
	(void)state;

	vantage_name("../../etc", name);
	assert_string_equal(name, "_._.._etc");
	assert_null(strchr(name, '/'));
	assert_true(name[0] != '.');
	vantage_name("", name);
	assert_string_equal(name, "_");
	vantage_name("eth0.100", name);
	assert_string_equal(name, "eth0.100");
}

static void what_is_older_than_the_flush_time_is_in_a_journal(void **state)
{
	struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
	struct weir_archive_options options = small;
	struct weir_source *source = NULL;
	struct weir_fault fault;
	char path[PATH_MAX];
	(void)state;

	options.flush_ns = NS_PER_SECOND / 10;
	struct weir_sink *sink = sink_of(campaign, options);
	feed(sink, 0, 10);
	/* Its name: 22:13:20 on 2023-11-14, the first segment, its first chunk. */
	campaign_path(campaign, "raw/box/wire/2023-11-14/221320-000001-00.open", path, NULL);
	for (int i = 0; i < 500 && access(path, F_OK) != 0; i++)
		usleep(10000);
	usleep(300000);
	if (weir_capture_open(path, NULL, &source, &fault) != 0)
		fail_msg("%s", fault.message);
	struct weir_batch *batch = weir_batch_new();
	assert_int_equal(source->ops->fill(source, batch, &fault), 1);
	assert_int_equal(batch->count, 10);
	weir_batch_free(batch);
	weir_source_close(source);
	finish(sink);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_true(numbers(campaign, 0) == 10);
	weir_campaign_close(campaign);
}

/* As if the writer had died: the mark is in the lock, the segment is open in the catalog and has no index. */
static void undo_close(struct weir_campaign *campaign, const char *segment)
{
	char path[PATH_MAX], sql[1024];

	campaign_path(campaign, segment, path, NULL);
	strcat(path, ".idx");
	assert_int_equal(unlink(path), 0);
	campaign_path(campaign, "raw/box/wire/.lock", path, NULL);
	FILE *lock = fopen(path, "w");
	fputs("live\n", lock);
	fclose(lock);
	snprintf(sql, sizeof sql, "UPDATE segments SET state = 'open' WHERE path = '%s'", segment);
	assert_int_equal(sqlite3_exec(catalog_database(campaign->catalog), sql, NULL, NULL, NULL), SQLITE_OK);
}

static void a_torn_segment_keeps_its_sound_chunks(void **state)
{
	static const enum weir_codec codecs[] = {WEIR_CODEC_NONE, WEIR_CODEC_ZSTD, WEIR_CODEC_LZ4};
	(void)state;

	for (int i = 0; i < 36; i++) {
		make_folder(NULL);
		struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
		struct folder_list list = {0};
		struct weir_archive_options options = {.segment_bytes = 8 << 20, .codec = codecs[i % 3]};
		struct weir_sink *sink = sink_of(campaign, options);
		char path[PATH_MAX];
		struct stat status;
		struct index index;

		feed(sink, 0, 5000);
		finish(sink);
		assert_int_equal(list_segments(campaign, "box", "wire", &list, NULL), 0);
		campaign_path(campaign, list.names[0], path, NULL);
		assert_int_equal(stat(path, &status), 0);
		/* Torn at many places; at every third also with what a file system may leave there: zeros. */
		off_t cut = status.st_size * i / 36;
		strcat(path, ".idx");
		assert_int_equal(index_open(path, &index, NULL), 0);
		uint64_t expected = 0;
		bool zeros = i / 3 % 3 == 1;
		for (uint32_t k = 0; k < index.header.chunk_count; k++) {
			uint64_t frame = index.chunks[k].offset + index.chunks[k].stored_bytes;
			/* LZ4's padding is zeros behind its first 8 bytes. */
			bool whole = zeros && options.codec == WEIR_CODEC_LZ4 ? frame + 8 <= (uint64_t)cut : chunk_end(frame) <= (uint64_t)cut;
			expected += whole ? index.chunks[k].packets : 0;
		}
		index_close(&index);
		undo_close(campaign, list.names[0]);
		path[strlen(path) - 4] = '\0';
		assert_int_equal(truncate(path, cut), 0);
		if (zeros)
			assert_int_equal(truncate(path, cut + 123457), 0);
		weir_campaign_close(campaign);

		campaign = campaign_of(WEIR_CAMPAIGN_READ);
		uint64_t kept = numbers(campaign, 0);
		if (kept != expected)
			fail_msg("round %d: %llu packets, expected %llu", i, (unsigned long long)kept, (unsigned long long)expected);
		assert_true(ask(campaign, "SELECT coalesce(sum(packets), 0) FROM segments WHERE state = 'closed'") == (int64_t)expected);
		assert_true(ask(campaign, "SELECT count(*) FROM segments WHERE state = 'open'") == 0);
		assert_true(ask(campaign, "SELECT count(*) FROM ledger WHERE cause = 'crash' AND packets IS NULL") == 1);
		/* It goes on where it was. */
		sink = sink_of(campaign, options);
		feed(sink, expected, 100);
		finish(sink);
		assert_true(numbers(campaign, 0) == expected + 100);
		weir_campaign_close(campaign);
		folder_list_free(&list);
		remove_folder(NULL);
	}
}

static void a_rebuilt_catalog_equals_the_lost_one(void **state)
{
	struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
	struct weir_sink *sink = sink_of(campaign, small);
	struct weir_loss loss = {.from_ns = 5, .to_ns = 7, .cause = WEIR_LOSS_RING, .packets = 3, .bytes = WEIR_UNKNOWN_COUNT,
	                         .node = "box", .interface = "wire", .detail = "a \"quoted\" word\n"};
	struct recover_report report = {0};
	struct folder_list list = {0};
	struct weir_fault fault;
	char path[PATH_MAX];
	uint64_t bad;
	(void)state;

	feed(sink, 0, 20000);
	finish(sink);
	for (int i = 0; i < 3; i++)
		assert_int_equal(weir_ledger_enter(campaign, &loss, &fault), 0);
	loss.node = "elsewhere";
	assert_int_equal(weir_ledger_enter(campaign, &loss, &fault), 0);
	char *before = dump(campaign);
	/* Without one of its indexes too. */
	assert_int_equal(list_segments(campaign, "box", "wire", &list, NULL), 0);
	campaign_path(campaign, list.names[1], path, NULL);
	strcat(path, ".idx");
	assert_int_equal(unlink(path), 0);
	weir_campaign_close(campaign);

	snprintf(path, sizeof path, "%s/c/catalog.db", folder);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof path, "%s/c", folder);
	assert_int_equal(weir_campaign_open(path, WEIR_CAMPAIGN_READ, &campaign, &fault), WEIR_E_CORRUPT);
	assert_int_equal(catalog_rebuild(path, &report, &bad, &fault), 0);
	assert_true(bad == 0 && report.damaged == 0 && report.recovered == 1);
	campaign = campaign_of(WEIR_CAMPAIGN_READ);
	char *after = dump(campaign);
	assert_string_equal(before, after);
	free(before);
	free(after);
	folder_list_free(&list);
	weir_campaign_close(campaign);
}

static void rebuilding_throws_no_sound_chunk_away(void **state)
{
	struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
	struct weir_sink *sink = sink_of(campaign, small);
	struct recover_report report = {0};
	struct folder_list list = {0};
	struct weir_fault fault;
	char segment[PATH_MAX], path[PATH_MAX + 8], byte;
	struct stat before, after;
	uint64_t bad;
	(void)state;

	feed(sink, 0, 20000);
	finish(sink);
	assert_int_equal(list_segments(campaign, "box", "wire", &list, NULL), 0);
	campaign_path(campaign, list.names[0], segment, NULL);
	int64_t all = ask(campaign, "SELECT sum(packets) FROM segments");
	weir_campaign_close(campaign);
	/* A bit of a chunk in the midst, and the index with it. */
	int fd = open(segment, O_RDWR);
	assert_true(fd >= 0 && fstat(fd, &before) == 0 && pread(fd, &byte, 1, before.st_size / 2) == 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, before.st_size / 2), 1);
	snprintf(path, sizeof path, "%s.idx", segment);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof path, "%s/c", folder);
	assert_int_equal(catalog_rebuild(path, &report, &bad, &fault), 0);
	assert_int_equal(report.damaged, 1);
	assert_true(fstat(fd, &after) == 0 && after.st_nlink == 1 && after.st_size == before.st_size);
	close(fd);
	campaign = campaign_of(WEIR_CAMPAIGN_READ);
	int64_t left = ask(campaign, "SELECT sum(packets) FROM segments");
	assert_true(left <= all && left > all * 3 / 4);
	folder_list_free(&list);
	weir_campaign_close(campaign);
}

static void rebuilding_waits_for_nobody_who_records(void **state)
{
	struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
	struct weir_sink *sink = sink_of(campaign, small);
	struct recover_report report = {0};
	struct weir_fault fault;
	char path[PATH_MAX];
	uint64_t bad;
	(void)state;

	snprintf(path, sizeof path, "%s/c", folder);
	assert_int_equal(catalog_rebuild(path, &report, &bad, &fault), WEIR_E_BUSY);
	feed(sink, 0, 10);
	finish(sink);
	assert_true(numbers(campaign, 0) == 10);
	weir_campaign_close(campaign);
}

static void retention_deletes_the_oldest_and_says_so(void **state)
{
	struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
	struct weir_sink *sink = sink_of(campaign, small);
	struct weir_fault fault;
	uint64_t deleted;
	(void)state;

	feed(sink, 0, 20000);
	finish(sink);
	int64_t total = ask(campaign, "SELECT sum(stored_bytes + index_bytes) FROM segments");
	struct weir_retention retention = {.max_size = (uint64_t)total / 2};
	assert_int_equal(weir_retention_apply(campaign, &retention, &deleted, &fault), 0);
	assert_true(deleted > 0);
	assert_true(ask(campaign, "SELECT sum(stored_bytes + index_bytes) FROM segments") <= total / 2);
	int64_t gone = ask(campaign, "SELECT sum(packets) FROM ledger WHERE cause = 'retention'");
	assert_true(gone + ask(campaign, "SELECT sum(packets) FROM segments") == 20000);
	assert_true(numbers(campaign, (uint64_t)gone) == 20000 - (uint64_t)gone);
	/* Everything is from 2023. */
	retention = (struct weir_retention){.max_age_ns = NS_PER_SECOND};
	assert_int_equal(weir_retention_apply(campaign, &retention, &deleted, &fault), 0);
	assert_true(ask(campaign, "SELECT count(*) FROM segments") == 0);
	assert_true(ask(campaign, "SELECT sum(packets) FROM ledger WHERE cause = 'retention'") == 20000);
	weir_campaign_close(campaign);
}

static void a_deletion_that_a_crash_cut_short_is_entered_once(void **state)
{
	struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
	struct weir_sink *sink = sink_of(campaign, small);
	const struct weir_retention all = {.max_age_ns = NS_PER_SECOND};
	struct weir_fault fault;
	uint64_t deleted;
	(void)state;

	feed(sink, 0, 20000);
	finish(sink);
	/* As after a crash between the files and their rows. */
	sqlite3 *database = catalog_database(campaign->catalog);
	assert_int_equal(sqlite3_exec(database, "CREATE TEMP TABLE before AS SELECT * FROM segments", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(weir_retention_apply(campaign, &all, &deleted, &fault), 0);
	assert_int_equal(sqlite3_exec(database, "INSERT INTO segments SELECT * FROM before", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(weir_retention_apply(campaign, &all, &deleted, &fault), 0);
	assert_true(deleted > 0);
	assert_true(ask(campaign, "SELECT count(*) FROM segments") == 0);
	assert_true(ask(campaign, "SELECT sum(packets) FROM ledger WHERE cause = 'retention'") == 20000);
	weir_campaign_close(campaign);
}

static void packets_larger_than_a_chunk_get_one_of_their_own(void **state)
{
	struct weir_campaign *campaign = campaign_of(WEIR_CAMPAIGN_CREATE);
	struct weir_sink *sink = sink_of(campaign, small);
	struct weir_batch *batch = weir_batch_new();
	size_t size = 3u << 20;
	uint8_t *large = malloc(size);
	struct weir_fault fault;
	(void)state;

	assert_non_null(large);
	put_packet(large, 1);
	memset(large + BYTES, 0x5a, size - BYTES);
	batch->interfaces = interfaces;
	batch->interface_count = 1;
	for (; batch->count < 3; batch->count++)
		batch->packets[batch->count] = (struct weir_packet){.time_ns = BASE_NS, .data = large, .captured = (uint32_t)size,
		                                                    .length = (uint32_t)size, .linktype = 1};
	assert_int_equal(weir_decode_batch(batch, &fault), 0);
	assert_int_equal(sink->ops->consume(sink, batch, &fault), 0);
	finish(sink);
	assert_true(ask(campaign, "SELECT sum(packets) FROM segments") == 3);
	assert_true(ask(campaign, "SELECT sum(captured_bytes) FROM segments") == (int64_t)(3 * size));
	free(large);
	weir_batch_free(batch);
	weir_campaign_close(campaign);
}

static void classes_of_length_cover_what_is_in_them(void **state)
{
	(void)state;
	assert_int_equal(span_class(0, 0), 0);
	assert_int_equal(span_class(5, NS_PER_SECOND + 5), 0);
	assert_int_equal(span_class(5, NS_PER_SECOND + 6), 1);
	assert_int_equal(span_class(0, 2 * NS_PER_SECOND), 1);
	assert_int_equal(span_class(0, 3600 * NS_PER_SECOND), 12);
	assert_int_equal(span_class(INT64_MIN, INT64_MAX), 34);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_come_back_in_order_whatever_the_codec),
		cmocka_unit_test_setup_teardown(the_index_finds_a_host_in_the_chunks_that_have_it, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_vantage_has_one_writer, make_folder, remove_folder),
		cmocka_unit_test(names_stay_inside_the_campaign),
		cmocka_unit_test_setup_teardown(what_is_older_than_the_flush_time_is_in_a_journal, make_folder, remove_folder),
		cmocka_unit_test(a_torn_segment_keeps_its_sound_chunks),
		cmocka_unit_test_setup_teardown(a_rebuilt_catalog_equals_the_lost_one, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(rebuilding_throws_no_sound_chunk_away, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(rebuilding_waits_for_nobody_who_records, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(retention_deletes_the_oldest_and_says_so, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_deletion_that_a_crash_cut_short_is_entered_once, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(packets_larger_than_a_chunk_get_one_of_their_own, make_folder, remove_folder),
		cmocka_unit_test(classes_of_length_cover_what_is_in_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
