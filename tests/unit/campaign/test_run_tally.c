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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_any_time_are_counted),
		cmocka_unit_test(late_packets_come_into_their_own_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
