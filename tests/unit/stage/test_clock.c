/* Comparing clocks and correcting by them: src/stage/clock*.c. */
#include "../unit.h"

#include <stdlib.h>

#include <weir/stage.h>

#include "stage/clock.h"

#define SECOND INT64_C(1000000000)
#define START (1700000000 * SECOND)

static uint64_t state_of_random;

static uint64_t any(void)
{
	uint64_t z = state_of_random += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static struct weir_clock_estimator *new_estimator(uint64_t memory)
{
	struct weir_clock_estimator_options options = {.memory_bytes = memory, .reference = UINT32_MAX};
	struct weir_clock_estimator *estimator;

	assert_int_equal(weir_clock_estimator_new(&options, &estimator, NULL), 0);
	state_of_random = 42;
	return estimator;
}

static void see(struct weir_clock_estimator *estimator, uint32_t vantage, int64_t time_ns, uint64_t identity, uint8_t hops)
{
	assert_int_equal(weir_clock_estimator_see(estimator, vantage, time_ns, identity, hops, NULL), 0);
}

/* Packets between two vantages, both ways, whose clocks show the true time and so much more. 100 µs and up to 200 µs more on the way. */
static void exchange(struct weir_clock_estimator *estimator, uint32_t a, uint32_t b, int64_t more_a, int64_t more_b, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		int64_t at = START + i * (SECOND / 100);
		int64_t took = 100000 + (int64_t)(any() % 200000);
		uint64_t identity = any() | 1; /* as those of packets are */
		see(estimator, i % 2 ? a : b, at + (i % 2 ? more_a : more_b), identity, 64);
		see(estimator, i % 2 ? b : a, at + took + (i % 2 ? more_b : more_a), identity, 63);
	}
}

static const struct weir_clock_estimate *solve(struct weir_clock_estimator *estimator, size_t wanted)
{
	const struct weir_clock_estimate *estimates;
	size_t count;

	assert_int_equal(weir_clock_estimator_solve(estimator, &estimates, &count, NULL), 0);
	assert_int_equal(count, wanted);
	return estimates;
}

static void assert_near(int64_t value, int64_t wanted, int64_t within)
{
	if (llabs(value - wanted) > within)
		fail_msg("%lld is not within %lld of %lld", (long long)value, (long long)within, (long long)wanted);
}

static void test_clocks_are_corrected_by_way_of_others(void **state)
{
	struct weir_clock_estimator *estimator = new_estimator(0);

	/* 0 - 1 - 2: 0 and 2 share nothing. 1 shares the most, and is the reference. */
	exchange(estimator, 0, 1, 3 * SECOND, 0, 4000);
	exchange(estimator, 1, 2, 0, -SECOND / 2, 4000);
	/* 3 shares something with 0 only. */
	exchange(estimator, 0, 3, 3 * SECOND, SECOND, 3000);
	const struct weir_clock_estimate *estimates = solve(estimator, 4);
	assert_int_equal(estimates[1].basis, WEIR_CLOCK_REFERENCE);
	for (uint32_t v = 0; v < 4; v++)
		assert_int_equal(estimates[v].reference, 1);
	assert_int_equal(estimates[3].compared, 0);
	for (int i = 0; i < 30; i++) {
		int64_t at = START + i * SECOND;
		assert_near(weir_clock_correct(&estimates[0].clock, at + 3 * SECOND), at, 20000);
		assert_near(weir_clock_correct(&estimates[2].clock, at - SECOND / 2), at, 20000);
		assert_near(weir_clock_correct(&estimates[3].clock, at + SECOND), at, 40000);
	}
	assert_true(estimates[3].uncertainty_ns > estimates[0].uncertainty_ns);
	weir_clock_estimator_free(estimator);
}

static void test_a_reference_can_be_wanted(void **state)
{
	struct weir_clock_estimator_options options = {.reference = 0};
	struct weir_clock_estimator *estimator;

	assert_int_equal(weir_clock_estimator_new(&options, &estimator, NULL), 0);
	exchange(estimator, 0, 1, SECOND, 0, 2000);
	exchange(estimator, 1, 2, 0, 0, 4000);
	const struct weir_clock_estimate *estimates = solve(estimator, 3);
	assert_int_equal(estimates[0].basis, WEIR_CLOCK_REFERENCE);
	assert_near(weir_clock_correct(&estimates[1].clock, START), START + SECOND, 20000);
	assert_near(weir_clock_correct(&estimates[2].clock, START), START + SECOND, 40000);
	weir_clock_estimator_free(estimator);
}

static void test_packets_at_one_place_take_no_time(void **state)
{
	struct weir_clock_estimator *estimator = new_estimator(0);

	for (uint32_t i = 0; i < 3000; i++) {
		int64_t at = START + i * (SECOND / 100);
		uint64_t identity = any();
		see(estimator, 0, at, identity, 60);
		see(estimator, 1, at + 7 * SECOND / 10 + (int64_t)(any() % 2000), identity, 60);
	}
	const struct weir_clock_estimate *estimates = solve(estimator, 2);
	assert_int_equal(estimates[1].basis, WEIR_CLOCK_ONE_PLACE);
	assert_near(estimates[1].offset_ns, -7 * SECOND / 10, 2000);
	assert_in_range(estimates[1].uncertainty_ns, 0, 20000);
	weir_clock_estimator_free(estimator);
}

static void test_copies_and_repetitions_are_no_matches(void **state)
{
	struct weir_clock_estimator *estimator = new_estimator(0);

	/* The same ping every 100 ms, of which one vantage misses some; and what crosses a router in sight of one vantage alone. */
	for (uint32_t i = 0; i < 3000; i++) {
		see(estimator, 0, START + i * (SECOND / 10), 77, 64);
		if (i % 7)
			see(estimator, 1, START + i * (SECOND / 10) + 100000, 77, 63);
		uint64_t identity = any();
		see(estimator, 0, START + i * (SECOND / 10) + 1, identity, 64);
		see(estimator, 0, START + i * (SECOND / 10) + 2, identity, 63);
	}
	const struct weir_clock_estimate *estimates = solve(estimator, 2);
	assert_int_equal(estimates[0].basis, WEIR_CLOCK_NONE);
	assert_int_equal(estimates[1].basis, WEIR_CLOCK_NONE);
	assert_int_equal(estimates[1].clock.count, 0);
	assert_true(estimates[1].uncertainty_ns == WEIR_CLOCK_UNKNOWN);
	weir_clock_estimator_free(estimator);
}

static void test_less_memory_keeps_fewer_of_the_same_packets(void **state)
{
	struct weir_clock_estimator *estimator = new_estimator(1);

	exchange(estimator, 0, 1, SECOND, 0, 200000);
	const struct weir_clock_estimate *estimates = solve(estimator, 2);
	const struct weir_clock_estimate *corrected = &estimates[estimates[0].clock.count ? 0 : 1];
	assert_int_equal(corrected->seen, 200000);
	assert_in_range(corrected->matches, 500, 2100);
	for (int i = 0; i < 2000; i += 100)
		assert_near(weir_clock_correct(&estimates[0].clock, START + i * SECOND + SECOND) -
		            weir_clock_correct(&estimates[1].clock, START + i * SECOND), 0, 50000);
	weir_clock_estimator_free(estimator);
}

static void test_ntp_rules_out_what_cannot_be(void **state)
{
	/* Half of the matches are 5 s off; the clocks are known to within 50 ms. */
	for (int known = 0; known < 2; known++) {
		struct weir_clock_estimator *estimator = new_estimator(0);
		exchange(estimator, 0, 1, 0, SECOND / 50, 3000);
		exchange(estimator, 0, 1, 0, 5 * SECOND, 2400);
		for (int i = 0; known && i < 40; i++)
			for (uint32_t v = 0; v < 2; v++)
				assert_int_equal(weir_clock_estimator_bound(estimator, v, START + i * SECOND, SECOND / 20, NULL), 0);
		const struct weir_clock_estimate *estimates = solve(estimator, 2);
		const struct weir_clock_estimate *corrected = &estimates[estimates[0].clock.count ? 0 : 1];
		if (known) {
			assert_true(corrected->bounded);
			assert_near(llabs(corrected->offset_ns), SECOND / 50, 20000);
			assert_in_range(corrected->rejected, 2400, 2500);
		}
		assert_false(corrected->contradicted);
		weir_clock_estimator_free(estimator);
	}
}

static void test_ntp_that_packets_contradict_does_not_count(void **state)
{
	struct weir_clock_estimator *estimator = new_estimator(0);

	exchange(estimator, 0, 1, 0, 4 * SECOND, 3000);
	for (int i = 0; i < 40; i++)
		for (uint32_t v = 0; v < 2; v++)
			assert_int_equal(weir_clock_estimator_bound(estimator, v, START + i * SECOND, SECOND / 1000, NULL), 0);
	const struct weir_clock_estimate *estimates = solve(estimator, 2);
	const struct weir_clock_estimate *corrected = &estimates[estimates[0].clock.count ? 0 : 1];
	assert_true(corrected->contradicted);
	assert_near(llabs(corrected->offset_ns), 4 * SECOND, 20000);
	weir_clock_estimator_free(estimator);
}

static void test_the_better_ntp_state_is_the_reference_and_bounds_what_shares_nothing(void **state)
{
	struct weir_clock_estimator *estimator = new_estimator(0);

	exchange(estimator, 0, 1, 0, SECOND / 100, 2000);
	assert_int_equal(weir_clock_estimator_bound(estimator, 0, START, SECOND, NULL), 0);
	assert_int_equal(weir_clock_estimator_bound(estimator, 1, START, SECOND / 100, NULL), 0);
	assert_int_equal(weir_clock_estimator_bound(estimator, 2, START, SECOND / 30, NULL), 0);
	const struct weir_clock_estimate *estimates = solve(estimator, 3);
	assert_int_equal(estimates[1].basis, WEIR_CLOCK_REFERENCE);
	assert_int_equal(estimates[2].basis, WEIR_CLOCK_NONE);
	assert_int_equal(estimates[2].uncertainty_ns, SECOND / 30);
	weir_clock_estimator_free(estimator);
}

static void test_nonsense_is_survived(void **state)
{
	static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX, 4499999999999999999, -4499999999999999999};

	for (uint32_t seed = 0; seed < 50; seed++) {
		struct weir_clock_estimator *estimator = new_estimator(1);
		state_of_random = seed;
		for (uint32_t i = 0; i < 5000; i++) {
			int64_t time_ns = times[any() % 9];
			if (seed % 3)
				time_ns = (seed % 3 == 1 ? 0 : 4499999000000000000) + (int64_t)(any() % (seed * 1000000000ull + 1));
			see(estimator, (uint32_t)(any() % (2 + seed)), time_ns, any() % (seed % 2 ? 100 : 3000), (uint8_t)(any() % 3));
			if (i % 50 == 0)
				assert_int_equal(weir_clock_estimator_bound(estimator, (uint32_t)(any() % 3), time_ns, times[any() % 9], NULL), 0);
		}
		const struct weir_clock_estimate *estimates;
		size_t count;
		assert_int_equal(weir_clock_estimator_solve(estimator, &estimates, &count, NULL), 0);
		for (size_t i = 0; i < count; i++)
			for (int k = 0; k < 9; k++)
				(void)weir_clock_correct(&estimates[i].clock, times[k]);
		weir_clock_estimator_free(estimator);
	}
	struct weir_clock_estimator *estimator = new_estimator(0);
	assert_int_equal(weir_clock_estimator_see(estimator, 65535, 0, 1, 1, NULL), WEIR_E_LIMIT);
	assert_int_equal(weir_clock_estimator_see(estimator, UINT32_MAX, 0, 1, 1, NULL), WEIR_E_LIMIT);
	solve(estimator, 0);
	weir_clock_estimator_free(estimator);
}

static void test_times_that_were_there_twice_are_told_apart(void **state)
{
	/* Set back by 1 s at 100 s. */
	static const struct weir_clock_knot knots[] = {
		{.time_ns = 0, .correction_ns = 0},
		{.time_ns = 100 * SECOND, .correction_ns = 0},
		{.time_ns = 99 * SECOND, .correction_ns = SECOND},
		{.time_ns = 200 * SECOND, .correction_ns = SECOND},
	};
	struct weir_clock clock = {knots, 4};
	struct clock_piece piece;

	assert_true(weir_clock_correct(&clock, 99 * SECOND + 1) == 99 * SECOND + 1);
	assert_true(weir_clock_correct(&clock, 100 * SECOND + 1) == 101 * SECOND + 1);
	clock_piece_begin(&clock, &piece);
	for (int64_t at = 0; at < 150 * SECOND; at += SECOND / 50) {
		int64_t shown = at < 100 * SECOND ? at : at - SECOND;
		/* Now and then a packet is late by less than the step. */
		assert_true(clock_correct(&clock, &piece, shown) == at);
		if (at % SECOND == SECOND / 2)
			assert_true(clock_correct(&clock, &piece, shown - SECOND / 3) == at - SECOND / 3 || llabs(at - 100 * SECOND) < SECOND);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clocks_are_corrected_by_way_of_others),
		cmocka_unit_test(test_a_reference_can_be_wanted),
		cmocka_unit_test(test_packets_at_one_place_take_no_time),
		cmocka_unit_test(test_copies_and_repetitions_are_no_matches),
		cmocka_unit_test(test_less_memory_keeps_fewer_of_the_same_packets),
		cmocka_unit_test(test_ntp_rules_out_what_cannot_be),
		cmocka_unit_test(test_ntp_that_packets_contradict_does_not_count),
		cmocka_unit_test(test_the_better_ntp_state_is_the_reference_and_bounds_what_shares_nothing),
		cmocka_unit_test(test_nonsense_is_survived),
		cmocka_unit_test(test_times_that_were_there_twice_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
