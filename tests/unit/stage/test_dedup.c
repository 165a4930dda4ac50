/* Duplicates: src/stage/dedup*.c; small windows in test_dedup_recent.c. */
#include "dedup_stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stage/dedup.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 33) * bound >> 31);
}

/* ---- exact duplicates against the loops of editcap, written down as they are ---- */

struct model {
	uint32_t digest[20000];
	int64_t time_ns[20000];
	int count;
};

static bool model_by_count(struct model *m, uint32_t window, uint32_t digest)
{
	m->digest[m->count++] = digest;
	for (int i = m->count - 2; i >= 0 && i > m->count - 1 - (int)window; i--)
		if (m->digest[i] == digest)
			return true;
	return false;
}

static bool model_by_time(struct model *m, int64_t window_ns, uint32_t digest, int64_t time_ns)
{
	m->digest[m->count] = digest;
	m->time_ns[m->count++] = time_ns;
	for (int i = m->count - 2; i >= 0; i--) {
		if (m->time_ns[i] > time_ns)
			continue;
		if (time_ns - m->time_ns[i] > window_ns)
			return false;
		if (m->digest[i] == digest)
			return true;
	}
	return false;
}

static uint64_t spread(uint32_t digest) { return (digest + 1) * UINT64_C(0x9e3779b97f4a7c15); }

static void windows_by_count_are_those_of_editcap(void **state)
{
	static const uint32_t windows[] = {1, 2, 3, 5, 16, 17, 100, 1000, 5000};

	for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
		struct weir_dedup_options options = {.window = windows[w]};
		struct dedup_exact exact = {0};
		struct model *model = calloc(1, sizeof *model);
		uint64_t memory = 1u << 30;
		assert_int_equal(dedup_exact_open(&exact, &options, &memory, NULL), 0);
		for (int i = 0; i < 8000; i++) {
			uint32_t digest = random_below(1 + random_below(2000));
			struct weir_packet packet = {.time_ns = i};
			assert_int_equal(dedup_exact_enter(&exact, spread(digest), &packet) != NULL, model_by_count(model, windows[w], digest));
		}
		dedup_exact_close(&exact);
		free(model);
	}
}

static void windows_of_each_interface_are_those_of_its_packets_alone(void **state)
{
	static const uint32_t windows[] = {1, 2, 3, 5, 7, 8, 9, 20};

	for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
		struct weir_dedup_options options = {.window = windows[w], .each_interface = true};
		struct model *models[3] = {calloc(1, sizeof *models[0]), calloc(1, sizeof *models[0]), calloc(1, sizeof *models[0])};
		struct dedup_exact exact = {0};
		uint64_t memory = 1u << 30;
		assert_int_equal(dedup_exact_open(&exact, &options, &memory, NULL), 0);
		for (int i = 0; i < 20000; i++) {
			/* One of them sees little. */
			uint32_t port = random_below(50) == 0 ? 2 : random_below(2), digest = random_below(1 + random_below(200));
			struct weir_packet packet = {.time_ns = i, .interface_id = port};
			const struct exact_entry *entry = dedup_exact_enter(&exact, spread(3 * digest + port), &packet);
			assert_int_equal(entry != NULL, model_by_count(models[port], windows[w], digest));
			assert_true(!entry || (entry->interface_id == port && entry->time_ns < i));
		}
		assert_int_equal(exact.forgotten, 0);
		dedup_exact_close(&exact);
		for (int i = 0; i < 3; i++)
			free(models[i]);
	}
}

static void a_duplicate_is_one_of_the_newest_packet_like_it(void **state)
{
	static const uint32_t windows[] = {5, 20};

	for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
		struct weir_dedup_options options = {.window = windows[w], .each_interface = true};
		struct dedup_exact exact = {0};
		uint64_t memory = 1u << 30;
		assert_int_equal(dedup_exact_open(&exact, &options, &memory, NULL), 0);
		for (int64_t i = 0; i < 300; i++) {
			struct weir_packet packet = {.time_ns = i};
			const struct exact_entry *entry = dedup_exact_enter(&exact, spread(i % 3 == 2), &packet);
			int64_t before = i % 3 == 0 ? i - 2 : i % 3 == 1 ? i - 1 : i - 3;
			assert_true(before < 0 ? !entry : entry && entry->time_ns == before);
		}
		dedup_exact_close(&exact);
	}
}

/* All share the ring, so that one that sees nothing for too long loses its packets. */
static void an_interface_that_sees_little_loses_packets_of_large_windows(void **state)
{
	struct weir_dedup_options options = {.window = 30, .each_interface = true};
	struct dedup_exact exact = {0};
	uint64_t memory = 1u << 30;

	assert_int_equal(dedup_exact_open(&exact, &options, &memory, NULL), 0);
	for (uint32_t i = 0; i < 10000; i++) {
		struct weir_packet packet = {.time_ns = i, .interface_id = i > 0 && i < 9999};
		assert_null(dedup_exact_enter(&exact, spread(i % 9999), &packet));
	}
	assert_int_equal(exact.forgotten, 1);
	dedup_exact_close(&exact);
}

static void windows_by_time_are_those_of_editcap_whatever_the_order(void **state)
{
	static const int64_t windows[] = {1, 40, 1000, 100000};

	for (int round = 0; round < 24; round++) {
		struct weir_dedup_options options = {.window_ns = windows[round % 4]};
		struct dedup_exact exact = {0};
		struct model *model = calloc(1, sizeof *model);
		uint64_t memory = 1u << 30;
		int64_t time_ns = 0;
		assert_int_equal(dedup_exact_open(&exact, &options, &memory, NULL), 0);
		for (int i = 0; i < 6000; i++) {
			/* In order; with jitter; with steps back and forth; anywhere; falling. */
			time_ns += random_below(20);
			int64_t at = time_ns;
			if (round / 4 == 1)
				at -= random_below(60);
			else if (round / 4 == 2 && random_below(200) == 0)
				at = time_ns += (int64_t)random_below(4000) - 2000;
			else if (round / 4 == 3)
				at = random_below(20000);
			else if (round / 4 == 4)
				at = time_ns = -i;
			else if (round / 4 == 5)
				at = random_below(2) ? 0 : 3000 + random_below(100);
			uint32_t digest = random_below(1 + random_below(300));
			struct weir_packet packet = {.time_ns = at};
			const struct exact_entry *entry = dedup_exact_enter(&exact, spread(digest), &packet);
			assert_int_equal(entry != NULL, model_by_time(model, options.window_ns, digest, at));
			assert_true(!entry || (entry->digest == spread(digest) && entry->time_ns <= at && at - entry->time_ns <= options.window_ns));
		}
		assert_int_equal(exact.forgotten, 0);
		dedup_exact_close(&exact);
		free(model);
	}
}

static void packets_without_time_are_in_no_window_by_time(void **state)
{
	struct weir_dedup_options options = {.window_ns = SECOND};
	struct dedup_exact exact = {0};
	struct weir_packet timed = {.time_ns = 5}, untimed = {.time_ns = 5, .flags = WEIR_PACKET_NO_TIME};
	uint64_t memory = 1u << 30;

	assert_int_equal(dedup_exact_open(&exact, &options, &memory, NULL), 0);
	assert_null(dedup_exact_enter(&exact, 7, &untimed));
	assert_null(dedup_exact_enter(&exact, 7, &timed));
	assert_null(dedup_exact_enter(&exact, 7, &untimed));
	assert_non_null(dedup_exact_enter(&exact, 7, &timed));
	dedup_exact_close(&exact);
}

/* ---- packets through the stages ---- */

struct seen {
	int64_t time_ns;
	uint32_t vantage;
	uint8_t ttl, mac;
	uint16_t vlan;   /* 0: none */
	uint16_t id;     /* what tells datagrams apart; of IPv6 ones it is in the payload */
	bool six;
};

/* The rest by its place: VLAN id, id. */
#define AT(time, port, hops, address, ...) {.time_ns = time, .vantage = port, .ttl = hops, .mac = address, ##__VA_ARGS__}
#define FRAME 120

static uint32_t frame_of(const struct seen *seen, uint8_t *p)
{
	uint8_t *start = p;

	memset(p, 0, FRAME);
	memcpy(p, (uint8_t[]){2, 0, 0, 0, 0, seen->mac, 2, 0, 0, 0, 1, seen->mac}, 12);
	p += 12;
	if (seen->vlan) {
		weir_store_be16(p, 0x8100);
		weir_store_be16(p + 2, seen->vlan);
		p += 4;
	}
	weir_store_be16(p, seen->six ? 0x86dd : 0x0800);
	p += 2;
	if (seen->six) {
		p[0] = 0x60;
		weir_store_be16(p + 4, 28);
		p[6] = 17, p[7] = seen->ttl, p[23] = 1, p[39] = 2;
		p += 40;
	} else {
		p[0] = 0x45;
		weir_store_be16(p + 2, 48);
		weir_store_be16(p + 4, seen->id);
		p[8] = seen->ttl, p[9] = 17, p[10] = (uint8_t)~seen->ttl;
		p[12] = 10, p[15] = 1, p[16] = 10, p[19] = 2;
		p += 20;
	}
	weir_store_be16(p, 1000);
	weir_store_be16(p + 2, 2000);
	weir_store_be16(p + 4, 28);
	if (seen->six)
		weir_store_be16(p + 8, seen->id);
	return (uint32_t)(p + 28 - start);
}

/* Runs packets through both in batches of `size`; what is removed is 1 in `removed`. */
static void run(struct stages *stages, const struct seen *seen, size_t count, size_t size, uint8_t *removed)
{
	struct weir_batch *batch = weir_batch_new();
	uint8_t *frames = malloc(WEIR_BATCH_PACKETS * FRAME);

	for (size_t at = 0; at < count; at += size) {
		size_t here = count - at < size ? count - at : size;
		for (size_t i = 0; i < here; i++) {
			uint32_t length = frame_of(&seen[at + i], frames + i * FRAME);
			batch->packets[i] = (struct weir_packet){.time_ns = seen[at + i].time_ns, .data = frames + i * FRAME, .captured = length,
				.length = length, .interface_id = seen[at + i].vantage, .linktype = 1};
		}
		batch->count = (uint32_t)here;
		assert_int_equal(weir_decode_batch(batch, NULL), 0);
		assert_int_equal(stages->digest->ops->process(stages->digest, batch, NULL), 0);
		assert_int_equal(stages->dedup->ops->process(stages->dedup, batch, NULL), 0);
		for (size_t i = 0; i < here; i++)
			removed[at + i] = batch->packets[i].verdict == WEIR_DUPLICATE;
		weir_batch_reset(batch);
	}
	free(frames);
	weir_batch_free(batch);
}

static const struct weir_dedup_options routed = {.routed_ns = 100 * MS, .ignore_ttl = true, .ignore_mac = true, .ignore_vlan = true};

/* removed: a character a packet, 'x' what is expected to be removed. */
static void expect(const struct weir_dedup_options *options, const struct seen *seen, const char *expected)
{
	struct stages stages = stages_new(options);
	uint8_t removed[64];
	size_t count = strlen(expected);

	for (int six = 0; six < 2; six++) {
		struct seen now[64] = {0};
		for (size_t i = 0; i < count; i++) {
			now[i] = seen[i];
			now[i].six = six;
			now[i].time_ns += six * SECOND * 1000;
		}
		run(&stages, now, count, 1024, removed);
		for (size_t i = 0; i < count; i++)
			if (removed[i] != (expected[i] == 'x'))
				fail_msg("packet %zu of '%s' (IPv%d)", i, expected, six ? 6 : 4);
	}
	stages_free(&stages);
}

static void a_packet_is_known_again_behind_routers_and_at_other_ports(void **state)
{
	/* Twice past one port, then past another with a tag, and past a third in the same segment. */
	expect(&routed, (struct seen[]){AT(0, 0, 64, 1), AT(1 * MS, 0, 63, 2), AT(2 * MS, 1, 62, 3, 10), AT(2 * MS, 2, 62, 3, 10)}, ".xxx");
	/* Bridged past one port twice: another tag, the same TTL. */
	expect(&routed, (struct seen[]){AT(0, 0, 64, 1, 10), AT(1, 0, 64, 1, 20)}, ".x");
	/* Other packets are others. */
	expect(&routed, (struct seen[]){AT(0, 0, 64, 1, 0, 1), AT(1, 1, 63, 1, 0, 2)}, "..");
}

static void what_is_sent_again_is_no_duplicate(void **state)
{
	/* Repeated pings at one vantage. */
	expect(&routed, (struct seen[]){AT(0, 0, 64, 1), AT(1 * MS, 0, 64, 1), AT(2 * MS, 0, 64, 1)}, "...");
	/* Each with its copy, in turn, and behind each other. */
	expect(&routed, (struct seen[]){AT(0, 0, 64, 1), AT(1, 1, 63, 2), AT(2, 0, 64, 1), AT(3, 1, 63, 2)}, ".x.x");
	expect(&routed, (struct seen[]){AT(0, 0, 64, 1), AT(1, 0, 64, 1), AT(2, 1, 63, 2), AT(3, 1, 63, 2)}, "..xx");
	/* A copy more than there were packets: one got past the first vantage unseen. */
	expect(&routed, (struct seen[]){AT(0, 0, 64, 1), AT(1, 1, 63, 2), AT(2, 1, 63, 2)}, ".x.");
	/* Sent again with a higher TTL, as traceroute does. */
	expect(&routed, (struct seen[]){AT(0, 0, 1, 1), AT(1, 0, 2, 1), AT(2, 0, 3, 1)}, "...");
	/* Too late. */
	expect(&routed, (struct seen[]){AT(0, 0, 64, 1), AT(100 * MS, 1, 63, 1)}, ".x");
	expect(&routed, (struct seen[]){AT(0, 0, 64, 1), AT(100 * MS + 1, 1, 63, 1)}, "..");
}

static void clocks_may_turn_the_order_round(void **state)
{
	/* The router's far side first, by up to a tenth of 100 ms, or as clock_ns has it. */
	expect(&routed, (struct seen[]){AT(0, 1, 63, 2), AT(10 * MS, 0, 64, 1)}, ".x");
	expect(&routed, (struct seen[]){AT(0, 1, 63, 2), AT(10 * MS + 1, 0, 64, 1)}, "..");
	struct weir_dedup_options options = routed;
	options.clock_ns = 1;
	expect(&options, (struct seen[]){AT(0, 1, 63, 2), AT(2, 0, 64, 1)}, "..");
	/* Times that go back. */
	expect(&routed, (struct seen[]){AT(200 * MS, 0, 64, 1), AT(150 * MS, 1, 63, 2), AT(99 * MS, 2, 62, 2)}, ".x.");
}

static void what_may_not_differ_does_not(void **state)
{
	struct weir_dedup_options options = routed;
	const struct seen mac[] = {AT(0, 0, 64, 1), AT(1, 1, 63, 2)}, ttl[] = {AT(0, 0, 64, 1), AT(1, 1, 63, 1)}, vlan[] = {AT(0, 0, 64, 1, 5), AT(1, 1, 64, 1, 6)};

	options.ignore_mac = false;
	expect(&options, mac, "..");
	expect(&options, ttl, ".x");
	expect(&options, vlan, ".x");
	options = routed;
	options.ignore_ttl = false;
	expect(&options, mac, "..");
	expect(&options, vlan, ".x");
	options = routed;
	options.ignore_vlan = false;
	expect(&options, vlan, "..");
	expect(&options, mac, ".x");
}

static void exact_duplicates_are_sightings_and_no_instances(void **state)
{
	struct weir_dedup_options options = routed;

	options.window = 3;
	/* Seen twice at the port of one segment, then once at that of another. */
	expect(&options, (struct seen[]){AT(0, 0, 64, 1), AT(1, 0, 64, 1), AT(2, 1, 63, 2)}, ".xx");
	/* The same frame at two ports, and the second time at the second alone. */
	expect(&options, (struct seen[]){AT(0, 0, 64, 1), AT(1, 1, 64, 1), AT(2, 5, 9, 9, 0, 77), AT(3, 5, 9, 9, 0, 78), AT(4, 1, 64, 1)}, ".x...");
}

static struct seen *traffic(size_t count)
{
	struct seen *seen = calloc(count, sizeof *seen);

	random_state = 42;
	for (size_t i = 0; i < count; i++) {
		if (i > 10 && random_below(4) == 0) {
			seen[i] = seen[i - 1 - random_below(10)];
			if (random_below(3)) {
				seen[i].ttl = (uint8_t)(seen[i].ttl - random_below(3));
				seen[i].vantage = random_below(3);
				seen[i].mac = (uint8_t)random_below(4);
			}
		} else {
			seen[i] = (struct seen){.vantage = random_below(3), .ttl = 64, .mac = 1, .id = (uint16_t)random_below(3000), .six = random_below(2)};
		}
		seen[i].time_ns = (int64_t)i * 20000 + random_below(100000);
	}
	return seen;
}

static void assert_same_pairs(const struct stages *a, const struct stages *b)
{
	struct weir_dedup_statistics x, y;
	size_t m, n;
	const struct weir_dedup_pair *p = weir_dedup_pairs(a->dedup, &m), *q = weir_dedup_pairs(b->dedup, &n);

	assert_int_equal(m, n);
	assert_true(m > 3);
	assert_memory_equal(p, q, m * sizeof *p);
	weir_dedup_statistics(a->dedup, &x);
	weir_dedup_statistics(b->dedup, &y);
	assert_memory_equal(&x, &y, sizeof x);
	assert_true(x.exact > 100 && x.routed > 100);
}

#define TRAFFIC 12000

static const struct weir_dedup_options both[] = {
	{.window = 7, .routed_ns = 100 * MS, .ignore_ttl = true, .ignore_mac = true, .ignore_vlan = true, .seed = 99},
	{.window_ns = 2 * MS, .routed_ns = 30 * MS, .ignore_ttl = true, .ignore_mac = true},
	{.window = 9, .each_interface = true, .routed_ns = 100 * MS, .ignore_ttl = true, .ignore_mac = true, .ignore_vlan = true},
	{.window = 5, .each_interface = true, .routed_ns = 100 * MS, .ignore_ttl = true, .ignore_mac = true, .ignore_vlan = true},
	/* A ring that is full and forgets. */
	{.window_ns = 500 * MS, .routed_ns = 5000 * MS, .ignore_ttl = true, .ignore_mac = true, .ignore_vlan = true, .memory_bytes = 300 << 10},
};

static void results_do_not_depend_on_batches(void **state)
{
	struct seen *seen = traffic(TRAFFIC);
	uint8_t *one = malloc(TRAFFIC), *other = malloc(TRAFFIC);

	for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
		struct stages whole = stages_new(&both[i]);
		run(&whole, seen, TRAFFIC, 1024, one);
		for (size_t size = 1; size < 1024; size = size * 9 + 4) {
			struct stages pieces = stages_new(&both[i]);
			run(&pieces, seen, TRAFFIC, size, other);
			assert_memory_equal(one, other, TRAFFIC);
			assert_same_pairs(&whole, &pieces);
			stages_free(&pieces);
		}
		stages_free(&whole);
	}
	free(seen);
	free(one);
	free(other);
}

static void a_saved_stage_goes_on_to_the_same(void **state)
{
	struct seen *seen = traffic(TRAFFIC);
	uint8_t *one = malloc(TRAFFIC), *other = malloc(TRAFFIC);
	char path[] = "/tmp/weir-test-dedup-XXXXXX";
	struct weir_state *file;

	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
		struct stages whole = stages_new(&both[i]);
		run(&whole, seen, TRAFFIC, 1024, one);
		for (size_t cut = 0; cut < TRAFFIC; cut = cut * 5 + 3) {
			struct stages first = stages_new(&both[i]), second = stages_new(&both[i]), strange = stages_new(&both[(i + 1) % (sizeof both / sizeof both[0])]);
			run(&first, seen, cut, 1024, other);
			assert_int_equal(weir_state_create(path, &file, NULL), 0);
			assert_int_equal(first.dedup->ops->save(first.dedup, file, NULL), 0);
			assert_int_equal(weir_state_finish(file, NULL), 0);
			weir_state_close(file);
			assert_int_equal(weir_state_open(path, &file, NULL), 0);
			assert_int_equal(second.dedup->ops->load(second.dedup, file, NULL), 0);
			weir_state_close(file);
			run(&second, seen + cut, TRAFFIC - cut, 1000, other + cut);
			assert_memory_equal(one, other, TRAFFIC);
			assert_same_pairs(&whole, &second);
			assert_int_equal(weir_state_open(path, &file, NULL), 0);
			assert_int_equal(strange.dedup->ops->load(strange.dedup, file, NULL), WEIR_E_FORMAT);
			weir_state_close(file);
			stages_free(&first);
			stages_free(&second);
			stages_free(&strange);
		}
		stages_free(&whole);
	}
	unlink(path);
	free(seen);
	free(one);
	free(other);
}

/* count packets, then the same ones a hop further. */
static uint64_t found_again(uint64_t memory_bytes, uint32_t count, uint64_t *forgotten)
{
	struct weir_dedup_options options = routed;
	struct weir_dedup_statistics statistics;
	struct seen *seen = calloc(2 * count, sizeof *seen);
	uint8_t *removed = malloc(2 * count);

	options.memory_bytes = memory_bytes;
	for (uint32_t i = 0; i < 2 * count; i++)
		seen[i] = (struct seen){.time_ns = i, .vantage = i / count, .ttl = (uint8_t)(64 - i / count), .id = (uint16_t)(i % count)};
	struct stages stages = stages_new(&options);
	run(&stages, seen, 2 * count, 1024, removed);
	weir_dedup_statistics(stages.dedup, &statistics);
	*forgotten = statistics.forgotten;
	stages_free(&stages);
	free(seen);
	free(removed);
	return statistics.routed;
}

static void memory_bounds_what_is_remembered(void **state)
{
	uint64_t forgotten;

	/* The table grows as far as it has to, and where it may not the oldest are forgotten. */
	assert_int_equal(found_again(0, 60000, &forgotten), 60000);
	assert_int_equal(forgotten, 0);
	assert_in_range(found_again(2 << 20, 60000, &forgotten), 0, 30000);
	assert_true(forgotten > 30000);

	struct weir_dedup_options options = {.window = 1000000, .memory_bytes = 1 << 20};
	struct weir_stage *digest, *dedup;
	assert_int_equal(weir_dedup_stages_new(&options, &digest, &dedup, NULL), WEIR_E_LIMIT);
	assert_null(digest);
	assert_null(dedup);
	options = (struct weir_dedup_options){.window = 1000001};
	assert_int_equal(weir_dedup_stages_new(&options, &digest, &dedup, NULL), WEIR_E_USAGE);
	options = (struct weir_dedup_options){.window = 5, .window_ns = 5};
	assert_int_equal(weir_dedup_stages_new(&options, &digest, &dedup, NULL), WEIR_E_USAGE);
}

static void pairs_tell_delays_and_hops(void **state)
{
	struct stages stages = stages_new(&routed);
	const struct seen seen[] = {AT(1000, 2, 64, 1), AT(1100, 1, 62, 2), AT(2000, 2, 64, 1, 0, 9), AT(5000, 1, 63, 2, 0, 9), AT(5001, 3, 63, 2, 0, 9)};
	uint8_t removed[5];
	size_t count;

	run(&stages, seen, 5, 1024, removed);
	const struct weir_dedup_pair *pairs = weir_dedup_pairs(stages.dedup, &count);
	assert_int_equal(count, 2);
	assert_int_equal(pairs[0].first, 2);
	assert_int_equal(pairs[0].second, 1);
	assert_int_equal(pairs[1].second, 3);
	assert_int_equal(pairs[0].routed, 2);
	assert_int_equal(pairs[0].exact, 0);
	assert_int_equal(pairs[0].bytes, 2 * 62);
	assert_int_equal(pairs[0].delay_min_ns, 100);
	assert_int_equal(pairs[0].delay_max_ns, 3000);
	assert_int_equal(pairs[0].delay_sum_ns, 3100);
	assert_int_equal(pairs[0].delays[7], 1); /* 64 … 127 */
	assert_int_equal(pairs[0].delays[12], 1);
	assert_int_equal(pairs[0].hops[2], 1);
	assert_int_equal(pairs[0].hops[1], 1);
	stages_free(&stages);
}

static void pairs_are_bounded(void **state)
{
	struct dedup_pairs *pairs = calloc(1, sizeof *pairs);
	size_t count;

	assert_int_equal(dedup_pairs_open(pairs, NULL), 0);
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < WEIR_DEDUP_PAIRS + 100; i++)
			dedup_pairs_of(pairs, i / 7, i)->exact++;
	const struct weir_dedup_pair *sorted = dedup_pairs_sorted(pairs, &count);
	assert_int_equal(count, WEIR_DEDUP_PAIRS + 1);
	for (size_t i = 0; i < WEIR_DEDUP_PAIRS; i++) {
		assert_int_equal(sorted[i].second, i);
		assert_int_equal(sorted[i].exact, 2);
	}
	assert_int_equal(sorted[WEIR_DEDUP_PAIRS].exact, 200);
	assert_true(sorted[WEIR_DEDUP_PAIRS].first == UINT32_MAX);
	dedup_pairs_close(pairs);
	free(pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_by_count_are_those_of_editcap),
		cmocka_unit_test(windows_of_each_interface_are_those_of_its_packets_alone),
		cmocka_unit_test(a_duplicate_is_one_of_the_newest_packet_like_it),
		cmocka_unit_test(an_interface_that_sees_little_loses_packets_of_large_windows),
		cmocka_unit_test(windows_by_time_are_those_of_editcap_whatever_the_order),
		cmocka_unit_test(packets_without_time_are_in_no_window_by_time),
		cmocka_unit_test(a_packet_is_known_again_behind_routers_and_at_other_ports),
		cmocka_unit_test(what_is_sent_again_is_no_duplicate),
		cmocka_unit_test(clocks_may_turn_the_order_round),
		cmocka_unit_test(what_may_not_differ_does_not),
		cmocka_unit_test(exact_duplicates_are_sightings_and_no_instances),
		cmocka_unit_test(results_do_not_depend_on_batches),
		cmocka_unit_test(a_saved_stage_goes_on_to_the_same),
		cmocka_unit_test(memory_bounds_what_is_remembered),
		cmocka_unit_test(pairs_tell_delays_and_hops),
		cmocka_unit_test(pairs_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
