/* Exact duplicates in small windows: src/stage/dedup_recent.c and what dedup_digest.c makes for it, against comparing all bytes. */
#include "dedup_stages.h"

#include <stdlib.h>

#include "stage/dedup_recent.h"

#define LONGEST 3000

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 33) * bound >> 31);
}

struct frame {
	uint32_t length, interface_id;
	uint8_t bytes[LONGEST];
};

/* UDP in Ethernet, or something that is no IP, whose bytes say no more than how long it is. */
static void frame_make(struct frame *frame, uint32_t interface_id, uint32_t length, bool ip)
{
	uint8_t *p = frame->bytes;

	frame->interface_id = interface_id;
	frame->length = length;
	memset(p, 0, sizeof frame->bytes);
	memcpy(p, (uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ip ? 0x08 : 0x88, ip ? 0x00 : 0xcc}, 14);
	if (!ip)
		return;
	memcpy(p + 14, (uint8_t[]){0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 232, 7, 208}, 24);
	weir_store_be16(p + 16, (uint16_t)(length < 42 ? 28 : length - 14));
	weir_store_be16(p + 38, (uint16_t)(length < 42 ? 8 : length - 34));
}

/* A batch of packets, in memory that is exactly as long as each and gone afterwards, so that the sanitizer finds what is read of a batch before. */
static void run_batch(struct stages *stages, const struct frame *frames, uint32_t count, uint64_t number,
                      uint8_t *removed)
{
	struct weir_batch *batch = weir_batch_new();
	uint8_t *copies[WEIR_BATCH_PACKETS];

	assert_non_null(batch);
	for (uint32_t i = 0; i < count; i++) {
		copies[i] = malloc(frames[i].length);
		assert_true(copies[i] || frames[i].length == 0);
		if (frames[i].length)
			memcpy(copies[i], frames[i].bytes, frames[i].length);
		batch->packets[i] = (struct weir_packet){.time_ns = (int64_t)(number + i),
		                                         .data = copies[i],
		                                         .captured = frames[i].length,
		                                         .length = frames[i].length,
		                                         .interface_id = frames[i].interface_id,
		                                         .linktype = 1};
	}
	batch->count = count;
	batch->first_number = number;
	assert_int_equal(weir_decode_batch(batch, NULL), 0);
	assert_int_equal(stages->digest->ops->process(stages->digest, batch, NULL), 0);
	assert_int_equal(stages->dedup->ops->process(stages->dedup, batch, NULL), 0);
	for (uint32_t i = 0; i < count; i++) {
		removed[i] = batch->packets[i].verdict == WEIR_DUPLICATE;
		free(copies[i]);
	}
	weir_batch_free(batch);
}

static void run(struct stages *stages, const struct frame *frames, uint32_t count, uint32_t size, uint8_t *removed)
{
	for (uint32_t at = 0; at < count; at += size)
		run_batch(stages, frames + at, count - at < size ? count - at : size, at + 1, removed + at);
}

/* As the options have it, by all bytes. */
static bool is_duplicate(const struct weir_dedup_options *options, const struct frame *frames, uint32_t at)
{
	uint32_t before = 0;

	for (uint32_t i = at; i-- > 0 && before + 1 < options->window;) {
		if (options->each_interface && frames[i].interface_id != frames[at].interface_id)
			continue;
		before++;
		if (frames[i].length == frames[at].length && memcmp(frames[i].bytes, frames[at].bytes, frames[at].length) == 0)
			return true;
	}
	return false;
}

/* Frames of few kinds, which are mostly alike: many differ by one byte, at the head, in the middle or at the end. */
static struct frame *traffic(uint32_t count)
{
	static const uint32_t lengths[] = {0,   1,   15,  16,  17,  42,  60,  63,  64,   65,
	                                   102, 191, 192, 193, 194, 240, 241, 257, 1500, LONGEST};
	struct frame *frames = calloc(count, sizeof *frames);

	assert_non_null(frames);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t length = lengths[random_below(sizeof lengths / sizeof lengths[0])];
		frame_make(&frames[i], random_below(3), length, random_below(3) > 0);
		if (i > 0 && random_below(3))
			frames[i] = frames[i - 1 - random_below(i < 12 ? i : 12)];
		if (frames[i].length && random_below(3) == 0) {
			uint32_t places[] = {0, 14, 60, 120, frames[i].length / 2, frames[i].length - 1};
			frames[i].bytes[places[random_below(6)] % frames[i].length] ^= 0x55;
		}
	}
	return frames;
}

#define TRAFFIC 6000

static void the_same_as_comparing_all_bytes(void **state)
{
	struct frame *frames = traffic(TRAFFIC);
	uint8_t *removed = malloc(TRAFFIC);

	for (uint32_t window = 2; window <= RECENT_MOST + 2; window++)
		for (uint32_t kind = 0; kind < 4; kind++) {
			static const uint32_t sizes[] = {1, 2, 7, 1024};
			struct weir_dedup_options options = {.window = window,
			                                     .each_interface = kind & 1,
			                                     .routed_ns = kind & 2 ? 1 : 0,
			                                     .ignore_ttl = true,
			                                     .ignore_mac = true,
			                                     .ignore_vlan = true,
			                                     .seed = window};
			struct stages stages = stages_new(&options);
			struct weir_dedup_statistics statistics;
			uint64_t expected = 0;
			run(&stages, frames, TRAFFIC, sizes[window % 4], removed);
			for (uint32_t i = 0; i < TRAFFIC; i++) {
				bool duplicate = is_duplicate(&options, frames, i);
				expected += duplicate;
				/* What is no exact duplicate may be a routed one. */
				if (duplicate ? !removed[i] : removed[i] && !options.routed_ns)
					fail_msg("packet %u, window %u, kind %u", i, window, kind);
			}
			weir_dedup_statistics(stages.dedup, &statistics);
			assert_int_equal(statistics.exact, expected);
			assert_true(expected > 300);
			stages_free(&stages);
		}
	free(removed);
	free(frames);
}

/* removed: a character a packet, 'x' what is expected to be removed. The frames are the same but for the byte at `place`: the characters of kinds, '.' for another interface. */
static void expect(uint32_t window, uint32_t length, uint32_t place, const char *kinds, const char *expected)
{
	uint32_t count = (uint32_t)strlen(kinds);
	struct frame *frames = calloc(count, sizeof *frames);
	uint8_t removed[64];

	assert_non_null(frames);
	for (uint32_t routed = 0; routed < 2; routed++)
		for (uint32_t size = 1; size <= count; size++)
			for (uint32_t ip = 0; ip < 2; ip++) {
				struct weir_dedup_options options = {.window = window,
				                                     .each_interface = true,
				                                     .routed_ns = routed,
				                                     .ignore_ttl = true,
				                                     .ignore_mac = true,
				                                     .ignore_vlan = true};
				struct stages stages = stages_new(&options);
				for (uint32_t i = 0; i < count; i++) {
					frame_make(&frames[i], kinds[i] == '.', length, ip);
					frames[i].bytes[19] = kinds[i] == '.'; /* another datagram, lest it be a routed duplicate */
					frames[i].bytes[place] = (uint8_t)kinds[i];
				}
				run(&stages, frames, count, size, removed);
				for (uint32_t i = 0; i < count; i++)
					if (removed[i] != (expected[i] == 'x'))
						fail_msg("packet %u of '%s' in batches of %u, length %u, place %u, %s", i, kinds, size, length,
						         place, ip ? "IP" : "no IP");
				stages_free(&stages);
			}
	free(frames);
}

static void what_differs_where_no_digest_looks_stays(void **state)
{
	static const uint32_t places[] = {192, 193, 500, 1436, 1498, 1499};

	for (uint32_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		expect(5, 1500, places[i], "abcdefgh", "........");
		/* One that has the same digest stands between the two that are the same. */
		expect(5, 1500, places[i], "abaacbda", "..xx.x.x");
	}
	/* Behind what an identity is of. */
	expect(5, 192, 103, "abab", "..xx");
	expect(5, 103, 102, "abab", "..xx");
}

static void a_window_ends_where_it_is_said_to(void **state)
{
	expect(2, 400, 300, "aabab", ".x...");
	expect(5, 400, 300, "abcdaefghb", "....x.....");
	expect(5, 400, 300, "abcdea", "......");
	expect(9, 400, 300, "abcdefgha", "........x");
	expect(9, 400, 300, "abcdefghia", "..........");
	/* Another interface's packets do not count. */
	expect(3, 400, 300, "ab.....a", "...xxxxx");
}

static void the_newest_is_told_of(void **state)
{
	struct weir_dedup_options options = {.window = 5, .each_interface = true};
	struct stages stages = stages_new(&options);
	struct frame *frames = calloc(3, sizeof *frames);
	uint8_t removed[3];
	size_t count;

	assert_non_null(frames);
	for (int i = 0; i < 3; i++)
		frame_make(&frames[i], 7, 800, true);
	/* At 1 in a batch of its own, at 10 and 11 in another: times are places. */
	run_batch(&stages, frames, 1, 1, removed);
	run_batch(&stages, frames, 2, 10, removed);
	const struct weir_dedup_pair *pair = weir_dedup_pairs(stages.dedup, &count);
	assert_int_equal(count, 1);
	assert_int_equal(pair->first, 7);
	assert_int_equal(pair->second, 7);
	assert_int_equal(pair->exact, 2);
	assert_int_equal(pair->delay_max_ns, 9);
	assert_int_equal(pair->delay_min_ns, 1);
	free(frames);
	stages_free(&stages);
}

static void a_window_of_all_packets_tells_interfaces(void **state)
{
	struct weir_dedup_options options = {.window = 5};
	struct frame *frames = calloc(3, sizeof *frames);
	uint8_t removed[3];
	size_t count;

	assert_non_null(frames);
	for (uint32_t i = 0; i < 3; i++)
		frame_make(&frames[i], i, 800, true);
	for (uint32_t size = 1; size < 4; size++) {
		struct stages stages = stages_new(&options);
		run(&stages, frames, 3, size, removed);
		const struct weir_dedup_pair *pairs = weir_dedup_pairs(stages.dedup, &count);
		assert_int_equal(count, 2);
		for (uint32_t i = 0; i < 2; i++) {
			assert_int_equal(pairs[i].first, i);
			assert_int_equal(pairs[i].second, i + 1);
		}
		stages_free(&stages);
	}
	free(frames);
}

/* However little an interface sees, and however many there are that share what is remembered. */
static void interfaces_keep_their_packets(void **state)
{
	for (uint32_t little = 0; little < 2; little++) {
		struct weir_dedup_options options = {.window = 3, .each_interface = true, .memory_bytes = little ? 1 << 12 : 0};
		struct stages stages = stages_new(&options);
		struct frame *frames = calloc(4000, sizeof *frames);
		uint8_t *removed = malloc(4000);
		assert_non_null(frames);
		for (uint32_t i = 0; i < 4000; i++) {
			frame_make(&frames[i], little ? i / 2 : i > 0 && i < 3999, 300, true);
			weir_store_be16(frames[i].bytes + 250, (uint16_t)(little ? i / 2 : i % 3999));
		}
		run(&stages, frames, 4000, 33, removed);
		for (uint32_t i = 0; i < 4000; i++)
			assert_int_equal(removed[i], little ? i % 2 : i == 3999);
		stages_free(&stages);
		free(removed);
		free(frames);
	}
}

static void interfaces_that_share_a_place_stay_apart(void **state)
{
	struct weir_dedup_options options = {.window = 4,
	                                     .each_interface = true,
	                                     .routed_ns = 1,
	                                     .ignore_ttl = true,
	                                     .ignore_mac = true,
	                                     .ignore_vlan = true,
	                                     .memory_bytes = 1 << 12};
	struct frame *frames = calloc(6, sizeof *frames);
	uint8_t removed[6];

	assert_non_null(frames);
	/* All have one place. */
	for (uint32_t i = 0; i < 6; i++)
		frame_make(&frames[i], 64 * (i % 3), 800, true);
	for (uint32_t size = 1; size <= 6; size++) {
		struct stages stages = stages_new(&options);
		struct weir_dedup_statistics statistics;
		run(&stages, frames, 6, size, removed);
		weir_dedup_statistics(stages.dedup, &statistics);
		assert_int_equal(statistics.exact, 3); /* others are routed ones */
		stages_free(&stages);
	}
	free(frames);
}

static void memory_is_counted(void **state)
{
	struct weir_dedup_options options = {.window = 5, .each_interface = true};
	struct dedup_recent *recent = calloc(1, sizeof *recent);
	uint64_t memory = 1u << 12;

	assert_non_null(recent);
	assert_int_equal(dedup_recent_open(recent, &options, &memory, NULL), 0);
	assert_in_range(memory, 1u << 11, (1u << 12) - 1);
	dedup_recent_close(recent);
	free(recent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_as_comparing_all_bytes),
		cmocka_unit_test(what_differs_where_no_digest_looks_stays),
		cmocka_unit_test(a_window_ends_where_it_is_said_to),
		cmocka_unit_test(the_newest_is_told_of),
		cmocka_unit_test(a_window_of_all_packets_tells_interfaces),
		cmocka_unit_test(interfaces_keep_their_packets),
		cmocka_unit_test(interfaces_that_share_a_place_stay_apart),
		cmocka_unit_test(memory_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
