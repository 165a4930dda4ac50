#include "../unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/archive.h>
#include <weir/decode.h>

#include "archive/chunk_walk.h"
#include "archive/gaps.h"
#include "archive/index_read.h"

/* ---- Archives made of packets that a test thinks up ---- */

#define PACKET_BYTES 60u

static char folder[] = "/tmp/weir-test-query.XXXXXX";
static char campaign_path[128];

static int make_folder(void **state)
{
	strcpy(strrchr(folder, '.') + 1, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(campaign_path, sizeof campaign_path, "%s/campaign", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char command[256];
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

/* A UDP packet whose source port and payload tell which it is. */
static void make_packet(uint8_t *data, uint16_t port, uint32_t number)
{
	static const uint8_t head[42] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0,
	                                 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0x10, 0x92, 0, 26, 0, 0};
	memset(data, 0, PACKET_BYTES);
	memcpy(data, head, sizeof head);
	weir_store_be16(data + 34, port);
	weir_store_be32(data + 42, number);
}

static enum weir_codec codec = WEIR_CODEC_ZSTD;

/* Archives count packets of a vantage; time gives the time of each. */
static void record_until(const char *node, const char *interface, uint16_t port, uint32_t count, uint64_t segment_bytes,
                         int64_t (*time)(uint32_t i), void (*meanwhile)(uint32_t count))
{
	struct weir_archive_options options = {.node = node, .interface = interface, .codec = codec, .segment_bytes = segment_bytes,
	                                       .buffered = true, .workers = 1, .flush_ns = 20000000};
	struct weir_interface description = {.linktype = 1, .resolution = 9, .snaplen = 65535};
	const struct weir_interface *interfaces[] = {&description};
	static uint8_t data[WEIR_BATCH_PACKETS][PACKET_BYTES];
	struct weir_batch *batch = weir_batch_new();
	struct weir_campaign *campaign;
	struct weir_fault fault;
	struct weir_sink *sink;

	snprintf(description.name, sizeof description.name, "%s", interface);
	assert_non_null(batch);
	assert_int_equal(weir_campaign_open(campaign_path, WEIR_CAMPAIGN_CREATE, &campaign, &fault), 0);
	assert_int_equal(weir_archive_sink_open(campaign, &options, &sink, &fault), 0);
	for (uint32_t done = 0; done < count;) {
		weir_batch_reset(batch);
		batch->interfaces = interfaces;
		batch->interface_count = 1;
		for (; batch->count < WEIR_BATCH_PACKETS && done < count; done++) {
			uint8_t *bytes = data[batch->count];

			make_packet(bytes, port, done);
			batch->packets[batch->count++] = (struct weir_packet){.time_ns = time(done), .data = bytes, .captured = PACKET_BYTES,
			                                                      .length = PACKET_BYTES, .linktype = 1, .ticks = (uint64_t)time(done)};
		}
		assert_int_equal(weir_decode_batch(batch, &fault), 0);
		if (sink->ops->consume(sink, batch, &fault) != 0)
			fail_msg("consume: %s", fault.message);
	}
	if (meanwhile)
		meanwhile(count);
	assert_int_equal(sink->ops->finish(sink, &fault), 0);
	weir_sink_close(sink);
	weir_campaign_close(campaign);
	weir_batch_free(batch);
}

static void record(const char *node, const char *interface, uint16_t port, uint32_t count, uint64_t segment_bytes,
                   int64_t (*time)(uint32_t i))
{
	record_until(node, interface, port, count, segment_bytes, time, NULL);
}

struct answer {
	uint64_t packets, disordered, wrong;
	uint64_t digest; /* of ports and numbers, in their order */
	struct weir_query_statistics statistics;
	int code;
	struct weir_fault fault;
};

/* The other threads of a pipeline, which read ahead. */
struct readers {
	struct weir_source *source;
	pthread_t threads[8];
	int count;
	_Atomic bool ended;
};

static void *read_ahead(void *argument)
{
	struct readers *readers = argument;

	while (!atomic_load(&readers->ended))
		if (!readers->source->ops->ahead(readers->source))
			sched_yield();
	return NULL;
}

static void start_readers(struct readers *readers, struct weir_source *source, int count)
{
	*readers = (struct readers){.source = source};
	for (; readers->count < count; readers->count++)
		assert_int_equal(pthread_create(&readers->threads[readers->count], NULL, read_ahead, readers), 0);
}

static void end_readers(struct readers *readers)
{
	atomic_store(&readers->ended, true);
	while (readers->count)
		pthread_join(readers->threads[--readers->count], NULL);
}

static struct answer ask(struct weir_query query)
{
	struct readers readers;
	struct weir_campaign *campaign;
	struct weir_source *source;
	struct weir_batch *batch = weir_batch_new();
	struct answer answer = {.digest = 14695981039346656037u};
	int64_t last_ns = INT64_MIN;

	if (query.to_ns == 0)
		query.to_ns = WEIR_TIME_LAST;
	assert_int_equal(weir_campaign_open(campaign_path, WEIR_CAMPAIGN_READ, &campaign, &answer.fault), 0);
	answer.code = weir_query_open(campaign, &query, &source, &answer.fault);
	if (answer.code == 0) {
		start_readers(&readers, source, query.pipelined ? query.threads - 1 : 0);
		while ((answer.code = source->ops->fill(source, batch, &answer.fault)) == 1) {
			for (uint32_t i = 0; i < batch->count; i++) {
				const struct weir_packet *packet = &batch->packets[i];
				uint16_t port = weir_load_be16(packet->data + 34);
				uint32_t number = weir_load_be32(packet->data + 42);

				answer.disordered += packet->time_ns < last_ns;
				last_ns = packet->time_ns;
				answer.wrong += packet->captured != PACKET_BYTES || packet->interface_id >= batch->interface_count ||
				                weir_load_native32(packet->block) != 6 || packet->verdict != WEIR_KEEP;
				answer.digest = (answer.digest ^ ((uint64_t)port << 32 | number)) * 1099511628211u;
			}
			answer.packets += batch->count;
			weir_batch_reset(batch);
		}
		end_readers(&readers);
		weir_query_statistics(source, &answer.statistics);
		weir_source_close(source);
	}
	weir_batch_free(batch);
	weir_campaign_close(campaign);
	return answer;
}

#define SECOND INT64_C(1000000000)
#define BEGIN (INT64_C(1700000000) * SECOND)

static int64_t ascending(uint32_t i) { return BEGIN + i * INT64_C(1000000); }
static int64_t all_equal(uint32_t i) { return BEGIN; }
static int64_t jumping(uint32_t i) { return BEGIN + (int64_t)(i * UINT64_C(2654435761) % 100000) * 1000000; }

/* ---- What is guarded ---- */

static void packets_of_many_vantages_come_in_order(void **state)
{
	/* More vantages than a batch can hold buffers. */
	for (int i = 0; i < 13; i++) {
		char node[16], interface[16];

		snprintf(node, sizeof node, "n%d", i % 4);
		snprintf(interface, sizeof interface, "i%d", i);
		record(node, interface, (uint16_t)(1000 + i), 5000, 128 << 10, ascending);
	}
	struct answer all = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST});
	assert_int_equal(all.code, 0);
	assert_int_equal(all.packets, 13 * 5000);
	assert_int_equal(all.disordered, 0);
	assert_int_equal(all.wrong, 0);
	assert_int_equal(all.statistics.packets_matched, 13 * 5000);
	assert_true(all.statistics.segments >= 13 * 4);

	/* The same in the same order, whatever the number of threads, and with a filter that is true of all. */
	for (int threads = 1; threads <= 5; threads++) {
		struct answer again = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .threads = threads, .filter = threads % 2 ? "udp" : NULL});
		assert_int_equal(again.packets, all.packets);
		assert_true(again.digest == all.digest);
		again = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .threads = threads, .pipelined = true, .filter = threads % 2 ? NULL : "udp"});
		assert_int_equal(again.packets, all.packets);
		assert_true(again.digest == all.digest);
	}
	struct answer one = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .filter = "port 1003"});
	assert_int_equal(one.packets, 5000);
	assert_int_equal(one.statistics.chunks_index, one.statistics.chunks_read);
	assert_true(one.statistics.chunks_index <= one.statistics.chunks_time / 13);
	assert_int_equal(ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .node = "n1"}).packets, 3 * 5000);
	assert_int_equal(ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .node = "n1", .interface = "i5"}).packets, 5000);
	assert_int_equal(ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .limit = 777}).packets, 777);
}

static void times_are_inclusive(void **state)
{
	record("n", "i", 1, 10000, 64 << 10, ascending);
	struct answer answer = ask((struct weir_query){.from_ns = ascending(100), .to_ns = ascending(199)});
	assert_int_equal(answer.packets, 100);
	assert_true(answer.statistics.segments_time < answer.statistics.segments);
	assert_int_equal(ask((struct weir_query){.from_ns = ascending(9999), .to_ns = ascending(9999)}).packets, 1);
	assert_int_equal(ask((struct weir_query){.from_ns = ascending(9999) + 1, .to_ns = INT64_MAX}).packets, 0);
	assert_int_equal(ask((struct weir_query){.from_ns = INT64_MIN, .to_ns = ascending(0)}).packets, 1);
	assert_int_equal(ask((struct weir_query){.from_ns = 5, .to_ns = 4}).packets, 0);
}

static void equal_times_are_in_the_order_of_node_interface_and_archive(void **state)
{
	record("b", "x", 3, 300, 16 << 10, all_equal);
	record("a", "y", 2, 300, 16 << 10, all_equal);
	record("a", "x", 1, 300, 16 << 10, all_equal);
	struct answer answer = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST});
	uint64_t digest = 14695981039346656037u;

	for (uint32_t port = 1; port <= 3; port++)
		for (uint32_t number = 0; number < 300; number++)
			digest = (digest ^ ((uint64_t)port << 32 | number)) * 1099511628211u;
	assert_int_equal(answer.packets, 900);
	assert_true(answer.digest == digest);
}

static int64_t uneven(uint32_t i) { return BEGIN + (int64_t)(i / 3 * 5) * 1000; }
static int64_t uneven_otherwise(uint32_t i) { return BEGIN + (int64_t)(i / 7 * 11 + i % 7 / 4) * 1000; }

/* One by one, as one would by hand: of equal times that of the first vantage goes first. */
static void two_vantages_take_turns_by_time(void **state)
{
	enum { A = 20000, B = 12000 };
	uint64_t digest = 14695981039346656037u;
	uint32_t a = 0, b = 0;

	record("a", "i", 1, A, 128 << 10, uneven);
	record("b", "i", 2, B, 96 << 10, uneven_otherwise);
	while (a < A || b < B) {
		bool is_b = a == A || (b < B && uneven_otherwise(b) < uneven(a));
		digest = (digest ^ ((uint64_t)(is_b ? 2 : 1) << 32 | (is_b ? b : a))) * 1099511628211u;
		*(is_b ? &b : &a) += 1;
	}
	for (int threads = 1; threads <= 3; threads++) {
		struct answer answer = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .threads = threads, .filter = threads == 3 ? "udp" : NULL});
		assert_int_equal(answer.packets, A + B);
		assert_int_equal(answer.wrong, 0);
		assert_true(answer.digest == digest);
	}
}

static void unsorted_packets_are_sorted(void **state)
{
	record("n", "i", 1, 20000, 1 << 20, jumping);
	record("n", "k", 2, 20000, 64 << 10, jumping);
	struct answer answer = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST});
	assert_int_equal(answer.code, 0);
	assert_int_equal(answer.packets, 40000);
	assert_int_equal(answer.disordered, 0);
}

static void memory_is_bounded_and_said_to_be(void **state)
{
	for (int i = 0; i < 8; i++) {
		char interface[16];
		snprintf(interface, sizeof interface, "i%d", i);
		record("n", interface, (uint16_t)i, 20000, 64 << 20, ascending);
	}
	struct answer answer = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .memory_bytes = 3 << 20});
	assert_int_equal(answer.code, WEIR_E_LIMIT);
	answer = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .memory_bytes = 3 << 20, .threads = 2, .pipelined = true});
	assert_int_equal(answer.code, WEIR_E_LIMIT);
	assert_non_null(strstr(answer.fault.message, "memory"));
	assert_int_equal(ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .memory_bytes = 64 << 20}).packets, 160000);
}

static void a_damaged_chunk_is_told_after_all_that_is_sound(void **state)
{
	char command[512];

	record("n", "i", 1, 20000, 2 << 20, ascending);
	uint64_t all = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST}).packets;
	snprintf(command, sizeof command, "f=$(find '%s/raw' -name '*.pcapng.zst' | head -n 1) && printf XXXX | dd of=\"$f\" bs=1 seek=50000 conv=notrunc status=none",
	         campaign_path);
	assert_int_equal(system(command), 0);
	struct answer answer = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST});
	assert_int_equal(answer.code, WEIR_E_CORRUPT);
	assert_true(answer.packets < all && answer.packets > all * 9 / 10);
	assert_true(answer.fault.offset >= 0 && answer.fault.file[0]);
	assert_int_equal(ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .filter = "udp"}).packets, answer.packets);
}

struct told {
	uint64_t ranges, packets, bytes;
	char cause[32];
};

static void on_damage(void *context, const struct weir_damage *damage)
{
	struct told *told = context;

	assert_non_null(strstr(damage->file, "/raw/"));
	assert_true(damage->from < damage->to);
	told->ranges++;
	told->packets += damage->packets;
	told->bytes += damage->to - damage->from;
	snprintf(told->cause, sizeof told->cause, "%s", damage->cause);
}

static struct answer salvage(const char *filter, struct told *told)
{
	*told = (struct told){0};
	return ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .filter = filter, .on_damage = on_damage, .damage_context = told});
}

static void write_into_segment(const char *text, unsigned at)
{
	char command[512];

	snprintf(command, sizeof command, "f=$(find '%s/raw' -name '*.pcapng*' ! -name '*.idx' | head -n 1) && printf '%s' | dd of=\"$f\" bs=1 seek=%u conv=notrunc status=none",
	         campaign_path, text, at);
	assert_int_equal(system(command), 0);
}

static void what_is_sound_of_a_damaged_chunk_can_be_had(void **state)
{
	struct told told;

	codec = WEIR_CODEC_NONE;
	record("n", "i", 1, 20000, 2 << 20, ascending);
	codec = WEIR_CODEC_ZSTD;
	struct answer answer = salvage(NULL, &told);
	assert_int_equal(answer.packets, 20000);
	assert_int_equal(told.ranges, 0);
	/* 32 bytes over the blocks of one or two packets. */
	write_into_segment("XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", 50000);
	for (int filtered = 0; filtered < 2; filtered++) {
		answer = salvage(filtered ? "udp" : NULL, &told);
		assert_int_equal(answer.code, 0);
		assert_int_equal(answer.disordered, 0);
		assert_true(answer.packets >= 19998 && answer.packets <= 20000);
		assert_int_equal(answer.packets + told.packets, 20000);
		assert_int_equal(told.ranges, 1);
	}
	/* And where nobody asked for it, nothing of the chunk is given. */
	assert_true(ask((struct weir_query){.from_ns = WEIR_TIME_FIRST}).packets < 19998);
}

static void a_flipped_bit_that_no_block_shows_is_told(void **state)
{
	struct told told;

	codec = WEIR_CODEC_NONE;
	record("n", "i", 1, 20000, 2 << 20, ascending);
	codec = WEIR_CODEC_ZSTD;
	/* Into the zeros behind the number of a packet: all blocks are 92 bytes, behind the section's head. */
	char command[512];
	snprintf(command, sizeof command,
	         "f=$(find '%s/raw' -name '*.pcapng' | head -n 1) && at=$(grep -obUaP '\\x00{14,}' \"$f\" | sed -n 40p | cut -d: -f1) && printf X | dd of=\"$f\" bs=1 seek=$((at + 4)) conv=notrunc status=none",
	         campaign_path);
	assert_int_equal(system(command), 0);
	struct answer answer = salvage(NULL, &told);
	assert_int_equal(answer.code, 0);
	assert_int_equal(answer.packets, 20000);
	assert_int_equal(told.ranges, 1);
	assert_int_equal(told.packets, 0);
	assert_string_equal(told.cause, "checksum");
}

static void of_a_damaged_frame_the_range_is_told(void **state)
{
	struct told told;

	record("n", "i", 1, 20000, 2 << 20, ascending);
	write_into_segment("XXXX", 50000);
	struct answer answer = salvage(NULL, &told);
	assert_int_equal(answer.code, 0);
	assert_int_equal(told.ranges, 1);
	assert_int_equal(answer.packets + told.packets, 20000);
	assert_true(told.packets > 0);
}

/* What the chunk's checksum holds is sound, whatever stands in that of its frame: a query gives it, and leaves it to verify to tell. */
static void a_damaged_checksum_of_a_frame_costs_nothing(void **state)
{
	char command[256], path[256] = "";
	struct index *index = malloc(sizeof *index);
	struct weir_fault fault;

	assert_non_null(index);
	record("n", "i", 1, 20000, 64 << 20, ascending);
	snprintf(command, sizeof command, "find '%s/raw' -name '*.idx'", campaign_path);
	FILE *found = popen(command, "r");
	assert_non_null(found);
	assert_non_null(fgets(path, sizeof path, found));
	pclose(found);
	path[strcspn(path, "\n")] = '\0';
	assert_int_equal(index_open(path, index, &fault), 0);
	write_into_segment("XXXX", (unsigned)(index->chunks[0].offset + index->chunks[0].stored_bytes - 4));
	index_close(index);
	free(index);
	struct answer answer = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST});
	assert_int_equal(answer.code, 0);
	assert_int_equal(answer.packets, 20000);
}

static void a_lost_index_costs_time_and_no_packets(void **state)
{
	char command[512];

	record("n", "i", 1, 20000, 512 << 10, ascending);
	snprintf(command, sizeof command, "rm $(find '%s/raw' -name '*.idx' | sort | head -n 2)", campaign_path);
	assert_int_equal(system(command), 0);
	struct answer answer = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .filter = "port 1"});
	assert_int_equal(answer.packets, 20000);
	assert_int_equal(answer.disordered, 0);
	assert_true(answer.code < 0); /* and is told */
	assert_int_equal(ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .filter = "port 2"}).packets, 0);
}

static void expect_all(uint32_t count)
{
	struct answer answer = {0};

	/* What is written out is due after 20 ms; a busy machine gets longer. */
	for (int tries = 0; tries < 200 && answer.packets < count; tries++) {
		usleep(20000);
		answer = ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .filter = "port 7"});
	}
	assert_int_equal(answer.code, 0);
	assert_int_equal(answer.packets, count);
	assert_int_equal(answer.disordered, 0);
	assert_int_equal(answer.wrong, 0);
}

static void expect_all_of_both(uint32_t count)
{
	expect_all(25000);
}

static void what_is_being_recorded_is_found(void **state)
{
	/* In closed segments, in the segment that is open, and in its journal. */
	record_until("n", "i", 7, 25000, 1 << 20, ascending, expect_all);
	record_until("n", "k", 8, 10, 1 << 20, ascending, expect_all_of_both);
}

static void filters_that_are_none_are_refused(void **state)
{
	record("n", "i", 1, 10, 1 << 20, ascending);
	assert_int_equal(ask((struct weir_query){.from_ns = WEIR_TIME_FIRST, .filter = "host and"}).code, WEIR_E_FILTER);
}

static void count_loss(void *context, const struct weir_loss *loss)
{
	++*(int *)context;
}

static int gaps(struct weir_campaign *campaign, int64_t from, int64_t to, const char *node, const char *interface)
{
	int count = 0;
	assert_int_equal(gaps_between(campaign, from, to, node, interface, count_loss, &count, NULL), 0);
	return count;
}

static void gaps_that_touch_the_time_are_found(void **state)
{
	struct weir_campaign *campaign;
	struct weir_loss loss = {.from_ns = 100, .to_ns = 200, .cause = WEIR_LOSS_RING, .packets = 5, .bytes = WEIR_UNKNOWN_COUNT,
	                         .node = "n", .interface = "i", .detail = ""};

	assert_int_equal(weir_campaign_open(campaign_path, WEIR_CAMPAIGN_CREATE, &campaign, NULL), 0);
	assert_int_equal(weir_ledger_enter(campaign, &loss, NULL), 0);
	loss.interface = "";
	assert_int_equal(weir_ledger_enter(campaign, &loss, NULL), 0);
	assert_int_equal(gaps(campaign, 200, 300, NULL, NULL), 2);
	assert_int_equal(gaps(campaign, 0, 100, "n", "i"), 2);
	assert_int_equal(gaps(campaign, 0, 100, "n", "k"), 1);
	assert_int_equal(gaps(campaign, 0, 99, NULL, NULL), 0);
	assert_int_equal(gaps(campaign, 201, 300, NULL, NULL), 0);
	assert_int_equal(gaps(campaign, 0, 300, "m", NULL), 0);
	assert_int_equal(gaps_cause("ring"), WEIR_LOSS_RING);
	assert_int_equal(gaps_cause("no such"), WEIR_LOSS_CAUSES);
	weir_campaign_close(campaign);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packets_of_many_vantages_come_in_order),
		TEST(times_are_inclusive),
		TEST(equal_times_are_in_the_order_of_node_interface_and_archive),
		TEST(two_vantages_take_turns_by_time),
		TEST(unsorted_packets_are_sorted),
		TEST(memory_is_bounded_and_said_to_be),
		TEST(a_damaged_chunk_is_told_after_all_that_is_sound),
		TEST(what_is_sound_of_a_damaged_chunk_can_be_had),
		TEST(a_flipped_bit_that_no_block_shows_is_told),
		TEST(of_a_damaged_frame_the_range_is_told),
		TEST(a_damaged_checksum_of_a_frame_costs_nothing),
		TEST(a_lost_index_costs_time_and_no_packets),
		TEST(what_is_being_recorded_is_found),
		TEST(filters_that_are_none_are_refused),
		TEST(gaps_that_touch_the_time_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
