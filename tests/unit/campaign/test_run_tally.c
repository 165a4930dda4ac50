/* What a run counts of its packets: src/campaign/run_tally.c. */
#include "../unit.h"

#include <stdlib.h>

#include "campaign/run.h"
#include "campaign/run_chart.h"

#define SECOND INT64_C(1000000000)

static void add(struct run_tally *tally, int64_t time_ns)
{
	struct weir_batch *batch = weir_batch_new();

	assert_non_null(batch);
	batch->packets[0] = (struct weir_packet){.time_ns = time_ns, .captured = 60, .length = 100};
	batch->count = 1;
	run_tally_packets(tally, batch);
	weir_batch_free(batch);
}

static uint64_t in_buckets(const struct run_tally *tally)
{
	uint64_t packets = 0;

	for (size_t i = 0; i < TALLY_BUCKETS; i++)
		packets += tally->buckets[i].packets;
	return packets;
}

/* A file's times may be any: the first ones of all are no multiple of a second, and have none before them. */
static void packets_of_any_time_are_counted(void **state)
{
	static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN + SECOND, -SECOND - 1, -1, 0, 1700000000 * SECOND, INT64_MAX - SECOND, INT64_MAX};
	const size_t count = sizeof times / sizeof times[0];

	for (size_t from = 0; from < count; from++) {
		struct run_tally *tally = run_tally_new();
		struct text out = {0};
		assert_non_null(tally);
		for (size_t i = 0; i < count; i++)
			add(tally, times[(from + i) % count]);
		assert_int_equal(tally->packets, count);
		assert_int_equal(in_buckets(tally), count);
		assert_int_equal(tally->first_ns, INT64_MIN);
		assert_int_equal(tally->last_ns, INT64_MAX);
		chart_traffic(&out, tally, NULL, 0);
		assert_false(out.failed);
		text_free(&out);
		free(tally);
	}
}

static void late_packets_come_into_their_own_second(void **state)
{
	struct run_tally *tally = run_tally_new();

	assert_non_null(tally);
	add(tally, 100 * SECOND + 5);
	add(tally, 98 * SECOND);
	add(tally, 100 * SECOND + 999999999);
	assert_int_equal(tally->base_ns, 98 * SECOND);
	assert_int_equal(tally->buckets[0].packets, 1);
	assert_int_equal(tally->buckets[1].packets, 0);
	assert_int_equal(tally->buckets[2].packets, 2);
	free(tally);
}

#define INTERFACES 24 /* more than have a row of their own */

static uint64_t seed = 1;

static uint64_t number(uint64_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

struct expected {
	uint64_t packets, wire, captured, kept, kept_bytes, duplicates, dropped;
	int64_t first, last;
};

static void expect(struct expected *e, const struct weir_packet *packet)
{
	e->first = e->packets == 0 || packet->time_ns < e->first ? packet->time_ns : e->first;
	e->last = e->packets == 0 || packet->time_ns > e->last ? packet->time_ns : e->last;
	e->packets++;
	e->wire += packet->length;
	e->captured += packet->captured;
	e->kept += packet->verdict == WEIR_KEEP;
	e->kept_bytes += packet->verdict == WEIR_KEEP ? packet->captured : 0;
	e->duplicates += packet->verdict == WEIR_DUPLICATE;
	e->dropped += packet->verdict == WEIR_DROP;
}

static void fill(struct weir_batch *batch, int64_t *time_ns, bool in_order)
{
	batch->count = 1 + (uint32_t)number(WEIR_BATCH_PACKETS);
	for (uint32_t i = 0; i < batch->count; i++) {
		*time_ns += (int64_t)number(SECOND / 64);
		batch->packets[i] = (struct weir_packet){
			.time_ns = *time_ns - (in_order ? 0 : (int64_t)number(3 * SECOND)),
			.captured = (uint32_t)number(200),
			.length = number(100) ? (uint32_t)number(1600) : UINT32_MAX,
			.interface_id = (uint32_t)number(in_order ? 2 : INTERFACES + 1), /* the last is none of the batch's */
			.verdict = (uint8_t)number(3),
		};
	}
}

/* Against a count of each packet by itself. */
static void count(bool in_order)
{
	static struct weir_interface interfaces[INTERFACES];
	const struct weir_interface *table[INTERFACES];
	struct expected all = {0}, of[INTERFACES] = {{0}};
	uint32_t order[INTERFACES], seen = 0;
	struct run_tally *tally = run_tally_new();
	struct weir_batch *batch = weir_batch_new();
	int64_t time_ns = 1700000000 * SECOND;

	assert_non_null(tally);
	for (uint32_t i = 0; i < INTERFACES; i++) {
		snprintf(interfaces[i].name, sizeof interfaces[i].name, "span%u", i);
		table[i] = &interfaces[i];
	}
	batch->interfaces = table;
	batch->interface_count = INTERFACES;
	for (unsigned round = 0; round < 40; round++) {
		fill(batch, &time_ns, in_order);
		run_tally_packets(tally, batch);
		for (uint32_t i = 0; i < batch->count; i++) {
			uint32_t id = batch->packets[i].interface_id;
			expect(&all, &batch->packets[i]);
			if (id >= INTERFACES)
				continue;
			if (of[id].packets == 0)
				order[seen++] = id;
			expect(&of[id], &batch->packets[i]);
		}
	}
	assert_int_equal(tally->packets, all.packets);
	assert_int_equal(tally->wire_bytes, all.wire);
	assert_int_equal(tally->captured_bytes, all.captured);
	assert_int_equal(tally->kept, all.kept);
	assert_int_equal(tally->kept_bytes, all.kept_bytes);
	assert_int_equal(tally->duplicates, all.duplicates);
	assert_int_equal(tally->dropped, all.dropped);
	assert_int_equal(tally->first_ns, all.first);
	assert_int_equal(tally->last_ns, all.last);
	assert_int_equal(tally->vantage_count, seen);
	for (uint32_t i = 0; i < seen; i++) {
		const struct tally_vantage *vantage = &tally->vantages[i];
		const struct expected *e = &of[order[i]];
		assert_string_equal(run_tally_vantage(tally, order[i]), interfaces[order[i]].name);
		assert_string_equal(vantage->name, interfaces[order[i]].name);
		assert_int_equal(vantage->packets, e->packets);
		assert_int_equal(vantage->wire_bytes, e->wire);
		assert_int_equal(vantage->kept, e->kept);
		assert_int_equal(vantage->duplicates, e->duplicates);
		assert_int_equal(vantage->first_ns, e->first);
		assert_int_equal(vantage->last_ns, e->last);
	}
	uint64_t packets = 0, wire = 0;
	for (unsigned i = 0; i < TALLY_BUCKETS; i++) {
		packets += tally->buckets[i].packets;
		wire += tally->buckets[i].wire_bytes;
	}
	assert_int_equal(packets, all.packets);
	assert_int_equal(wire, all.wire);
	weir_batch_free(batch);
	free(tally);
}

static void packets_in_order_of_two_interfaces(void **state) { count(true); }
static void packets_out_of_order_of_many_interfaces(void **state) { count(false); }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_any_time_are_counted),
		cmocka_unit_test(late_packets_come_into_their_own_second),
		cmocka_unit_test(packets_in_order_of_two_interfaces),
		cmocka_unit_test(packets_out_of_order_of_many_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
