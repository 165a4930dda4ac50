/* What is read once and hashed, too: src/campaign/run_feed.c, and the tap of src/file/capture.c that it hangs on. */
#include "../unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <weir/file.h>

#include "campaign/run.h"
#include "file/pcap.h"
#include "file/stream.h"

#define CAPTURED 1000u
#define RECORD (PCAP_RECORD_BYTES + CAPTURED)

static char folder[] = "/tmp/weir-feed-XXXXXX", capture_path[64], zeros_path[64], packed_path[64];

/* A capture of `records` packets, and as many zeros. */
static void make_files(size_t records)
{
	size_t size = PCAP_HEADER_BYTES + records * RECORD;
	uint8_t *data = calloc(1, size);
	struct stream_writer *packed;
	struct weir_fault fault;
	FILE *zeros = fopen(zeros_path, "w"), *capture = fopen(capture_path, "w");

	assert_true(zeros && capture && data);
	assert_int_equal(fwrite(data, 1, size, zeros), size);
	pcap_header_make(&(struct pcap_shape){.snaplen = 65535, .linktype = 1}, data);
	for (size_t i = 0; i < records; i++) {
		uint8_t *record = data + PCAP_HEADER_BYTES + i * RECORD;
		weir_store32(record, (uint32_t)i, false);
		weir_store32(record + 8, CAPTURED, false);
		weir_store32(record + 12, CAPTURED, false);
		for (size_t j = 0; j < CAPTURED; j++)
			record[PCAP_RECORD_BYTES + j] = (uint8_t)(i * 31 + j * j);
	}
	assert_int_equal(fwrite(data, 1, size, capture), size);
	fclose(capture);
	fclose(zeros);
	assert_int_equal(stream_writer_open(packed_path, WEIR_COMPRESSION_ZSTD, 1, &packed, &fault), 0);
	assert_int_equal(stream_writer_write(packed, data, size, &fault), 0);
	assert_int_equal(stream_writer_finish(packed, &fault), 0);
	stream_writer_close(packed);
	free(data);
}

/* Reads a capture to its end, with windows of 4 KiB. */
static void read_all(const char *path, const struct weir_capture_tap *tap)
{
	struct weir_capture_options options = {.window_bytes = 4096, .tap = tap};
	struct weir_batch *batch = weir_batch_new();
	struct weir_source *source;
	struct weir_fault fault;

	assert_int_equal(weir_capture_open(path, &options, &source, &fault), 0);
	while (source->ops->fill(source, batch, &fault) > 0)
		weir_batch_reset(batch);
	weir_batch_free(batch);
	weir_source_close(source);
}

/* Hashes a file, with what the feed (may be NULL) has of it; where that has nothing yet, it comes again. */
static void hash(const char *path, struct run_feed *feed, char hex[static SHA256_HEX])
{
	struct run_hash_work *work;
	struct weir_fault fault;
	int state = RUN_HASH_MORE;
	size_t hashed;

	assert_int_equal(run_hash_open(NULL, path, feed, hex, &work, &fault), 0);
	assert_non_null(work);
	while (state == RUN_HASH_MORE || state == RUN_HASH_LATER) {
		state = run_hash_some(work, &hashed, &fault);
		if (state == RUN_HASH_LATER)
			sched_yield();
	}
	assert_int_equal(state, RUN_HASH_DONE);
	run_hash_close(work);
}

static void what_was_read_is_not_read_again(void **state)
{
	struct run_feed *feed = run_feed_new(1);
	char expected[SHA256_HEX], hex[SHA256_HEX];

	(void)state;
	make_files(200);
	run_feed_turn(feed, 0);
	read_all(capture_path, run_feed_tap(feed, 0));
	run_feed_end(feed);
	hash(capture_path, NULL, expected);
	/* Whatever it read by itself would be zeros. */
	hash(zeros_path, feed, hex);
	assert_string_equal(hex, expected);
	run_feed_free(feed);
}

static void what_there_was_no_room_for_is_read(void **state)
{
	struct run_feed *feed = run_feed_new(1);
	char expected[SHA256_HEX], hex[SHA256_HEX];

	(void)state;
	make_files(2000);
	run_feed_turn(feed, 0);
	read_all(capture_path, run_feed_tap(feed, 0));
	run_feed_end(feed);
	hash(capture_path, NULL, expected);
	hash(capture_path, feed, hex);
	assert_string_equal(hex, expected);
	run_feed_free(feed);
}

static void give(const struct weir_capture_tap *tap, struct weir_buffer *buffer, uint64_t offset)
{
	tap->read(tap->context, buffer, buffer->data, 4, offset);
}

static void never(struct weir_buffer *buffer) { fail(); }

static void gaps_overlaps_and_other_inputs_do_no_harm(void **state)
{
	struct run_feed *feed = run_feed_new(2);
	struct weir_buffer buffer = {.data = (uint8_t[]){1, 2, 3, 4}, .size = 4096, .references = 1, .release = never};
	struct weir_buffer huge = {.data = buffer.data, .size = (size_t)1 << 30, .references = 1, .release = never};
	char expected[SHA256_HEX], hex[SHA256_HEX];
	/* Of pieces that overlap the second gives what the first has not: 4 to 8, then 8 to 10 of 6 to 10. */
	const uint8_t whole[12] = {0, 0, 0, 0, 1, 2, 3, 4, 3, 4, 0, 0};

	(void)state;
	FILE *file = fopen(zeros_path, "w");
	assert_int_equal(fwrite((uint8_t[12]){0}, 1, 12, file), 12);
	fclose(file);
	file = fopen(capture_path, "w");
	assert_int_equal(fwrite(whole, 1, 12, file), 12);
	fclose(file);
	run_feed_turn(feed, 0);
	give(run_feed_tap(feed, 1), &buffer, 0);
	give(run_feed_tap(feed, 0), &huge, 0);
	give(run_feed_tap(feed, 0), &buffer, 4);
	give(run_feed_tap(feed, 0), &buffer, 6);
	run_feed_end(feed);
	give(run_feed_tap(feed, 0), &buffer, 10);
	hash(capture_path, NULL, expected);
	hash(zeros_path, feed, hex);
	assert_string_equal(hex, expected);
	run_feed_free(feed);
	assert_int_equal(buffer.references, 1);
	assert_int_equal(huge.references, 1);
}

static void drop_nothing(struct weir_buffer *buffer) { (void)buffer; }

/* Fills a feed from offset on, and gives it 50 pieces more. How often the thread went to sleep for those. */
static long sleeps_when_full(struct run_feed *feed, struct weir_buffer *buffer, uint64_t offset)
{
	struct rusage before, after;

	for (unsigned i = 0; i < 64; i++, offset += 4)
		give(run_feed_tap(feed, 0), buffer, offset);
	getrusage(RUSAGE_THREAD, &before);
	for (unsigned i = 0; i < 50; i++, offset += 4)
		give(run_feed_tap(feed, 0), buffer, offset);
	getrusage(RUSAGE_THREAD, &after);
	return after.ru_nvcsw - before.ru_nvcsw;
}

static void *hash_a_little(void *feed)
{
	const uint8_t *data;

	run_feed_next(feed, 0, 1, &data);
	return NULL;
}

static void the_source_does_not_wait_for_itself_nor_for_who_is_far_behind(void **state)
{
	struct weir_buffer buffer = {.data = (uint8_t[]){1, 2, 3, 4}, .size = 4096, .references = 1, .release = drop_nothing};
	pthread_t thread;

	(void)state;
	for (int elsewhere = 0; elsewhere <= 1; elsewhere++) {
		struct run_feed *feed = run_feed_new(1);

		run_feed_turn(feed, 0);
		/* There is something, so that who hashes is at it. */
		give(run_feed_tap(feed, 0), &buffer, elsewhere ? (uint64_t)1 << 30 : 0);
		if (elsewhere) {
			assert_int_equal(pthread_create(&thread, NULL, hash_a_little, feed), 0);
			pthread_join(thread, NULL);
		} else {
			hash_a_little(feed);
		}
		assert_in_range(sleeps_when_full(feed, &buffer, elsewhere ? ((uint64_t)1 << 30) + 4 : 4), 0, 10);
		run_feed_free(feed);
	}
}

static void *read_beside(void *tap)
{
	read_all(capture_path, tap);
	return NULL;
}

static void beside_the_source_it_is_the_same(void **state)
{
	struct run_feed *feed = run_feed_new(1);
	char expected[SHA256_HEX], hex[SHA256_HEX];
	pthread_t thread;

	(void)state;
	make_files(8000);
	run_feed_turn(feed, 0);
	assert_int_equal(pthread_create(&thread, NULL, read_beside, (void *)(uintptr_t)run_feed_tap(feed, 0)), 0);
	/* That the source has ended nobody says: what is left is read after a while. */
	hash(capture_path, feed, hex);
	pthread_join(thread, NULL);
	hash(capture_path, NULL, expected);
	assert_string_equal(hex, expected);
	run_feed_free(feed);
}

static void count_read(void *context, struct weir_buffer *buffer, const uint8_t *data, size_t length, uint64_t offset)
{
	uint64_t *read = context;

	(void)buffer;
	(void)data;
	assert_int_equal(offset, *read);
	*read += length;
}

static void all_of_a_plain_file_is_shown_and_nothing_of_others(void **state)
{
	uint64_t shown = 0;
	struct weir_capture_tap tap = {count_read, &shown};

	(void)state;
	make_files(100);
	read_all(capture_path, &tap);
	assert_int_equal(shown, PCAP_HEADER_BYTES + 100 * RECORD);
	shown = 0;
	read_all(packed_path, &tap);
	assert_int_equal(shown, 0);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(capture_path, sizeof capture_path, "%s/capture", folder);
	snprintf(zeros_path, sizeof zeros_path, "%s/zeros", folder);
	snprintf(packed_path, sizeof packed_path, "%s/packed", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(capture_path);
	unlink(zeros_path);
	unlink(packed_path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_read_is_not_read_again),
		cmocka_unit_test(what_there_was_no_room_for_is_read),
		cmocka_unit_test(gaps_overlaps_and_other_inputs_do_no_harm),
		cmocka_unit_test(the_source_does_not_wait_for_itself_nor_for_who_is_far_behind),
		cmocka_unit_test(beside_the_source_it_is_the_same),
		cmocka_unit_test(all_of_a_plain_file_is_shown_and_nothing_of_others),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
