/* Intervals of loss out of counters, states and clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "live/losses.h"

#define MS INT64_C(1000000)
#define START (INT64_C(1700000000) * 1000 * MS)

static void a_counter_that_does_not_grow_makes_no_interval(void **state)
{
	struct loss_counter counter = {0};
	struct loss_span span;
	for (int i = 0; i < 100; i++)
		assert_false(loss_counter_look(&counter, 0, START + i * 100 * MS, i == 99, &span));
}

static void losses_close_together_make_one_interval_from_the_look_before(void **state)
{
	struct loss_counter counter = {0};
	struct loss_span span;
	assert_false(loss_counter_look(&counter, 0, START, false, &span));
	assert_false(loss_counter_look(&counter, 3, START + 100 * MS, false, &span));
	assert_false(loss_counter_look(&counter, 3, START + 200 * MS, false, &span));
	assert_false(loss_counter_look(&counter, 10, START + 300 * MS, false, &span));
	assert_false(loss_counter_look(&counter, 10, START + 1200 * MS, false, &span));
	assert_true(loss_counter_look(&counter, 10, START + 1300 * MS, false, &span));
	assert_int_equal(span.from_ns, START);
	assert_int_equal(span.to_ns, START + 300 * MS);
	assert_int_equal(span.packets, 10);
	assert_false(loss_counter_look(&counter, 10, START + 9000 * MS, true, &span));
}

static void a_loss_that_goes_on_is_entered_in_pieces_whose_sum_is_the_counter(void **state)
{
	struct loss_counter counter = {0};
	struct loss_span span;
	uint64_t sum = 0, pieces = 0;
	for (int i = 0; i <= 1000; i++)
		if (loss_counter_look(&counter, (uint64_t)i * 7, START + i * 50 * MS, i == 1000, &span)) {
			assert_true(span.to_ns - span.from_ns <= LOSS_LONGEST_NS);
			sum += span.packets;
			pieces++;
		}
	assert_int_equal(sum, 7000);
	assert_true(pieces >= 5);
}

static void what_was_lost_before_the_end_is_not_forgotten(void **state)
{
	struct loss_counter counter = {0};
	struct loss_span span;
	assert_true(loss_counter_look(&counter, 5, START, true, &span));
	assert_int_equal(span.packets, 5);
}

static void a_clock_that_is_set_back_does_not_turn_an_interval_around(void **state)
{
	struct loss_counter counter = {0};
	struct loss_span span;
	loss_counter_look(&counter, 0, START, false, &span);
	assert_true(loss_counter_look(&counter, 5, START - 5000 * MS, true, &span));
	assert_true(span.from_ns <= span.to_ns);
}

static void an_interface_that_was_down_makes_one_interval(void **state)
{
	struct loss_state link = {0};
	struct loss_span span;
	assert_false(loss_state_look(&link, false, START, false, &span));
	assert_false(loss_state_look(&link, true, START + 100 * MS, false, &span));
	assert_false(loss_state_look(&link, true, START + 5000 * MS, false, &span));
	assert_true(loss_state_look(&link, false, START + 6000 * MS, false, &span));
	assert_int_equal(span.from_ns, START + 100 * MS);
	assert_int_equal(span.to_ns, START + 6000 * MS);
	assert_false(loss_state_look(&link, false, START + 7000 * MS, true, &span));
}

static void an_interface_that_is_still_down_at_the_end_is_entered(void **state)
{
	struct loss_state link = {0};
	struct loss_span span;
	assert_false(loss_state_look(&link, true, START, false, &span));
	assert_true(loss_state_look(&link, true, START + 300 * MS, true, &span));
	assert_int_equal(span.to_ns - span.from_ns, 300 * MS);
}

static void a_long_time_down_is_entered_on_the_way(void **state)
{
	struct loss_state link = {0};
	struct loss_span span;
	assert_false(loss_state_look(&link, true, START, false, &span));
	assert_true(loss_state_look(&link, true, START + LOSS_STATE_LONGEST_NS, false, &span));
	assert_false(loss_state_look(&link, true, START + LOSS_STATE_LONGEST_NS + 50 * MS, false, &span));
	assert_true(loss_state_look(&link, false, START + LOSS_STATE_LONGEST_NS + 100 * MS, false, &span));
	assert_int_equal(span.from_ns, START + LOSS_STATE_LONGEST_NS);
}

static void steps_of_the_clock_are_seen_and_drift_is_not(void **state)
{
	struct clock_watch watch = {0};
	int64_t step, wall = START, monotonic = 12345;
	assert_false(clock_watch_look(&watch, wall, monotonic, &step));
	for (int i = 0; i < 1000; i++) {
		/* 500 parts in a million: as much as adjtime does */
		wall += 50 * MS + 25000;
		monotonic += 50 * MS;
		assert_false(clock_watch_look(&watch, wall, monotonic, &step));
	}
	wall -= 3000 * MS;
	assert_true(clock_watch_look(&watch, wall, monotonic, &step));
	assert_int_equal(step, -3000 * MS);
	assert_false(clock_watch_look(&watch, wall, monotonic, &step));
	assert_true(clock_watch_look(&watch, wall + 2 * MS, monotonic, &step));
	assert_int_equal(step, 2 * MS);
}

static void a_loss_that_could_not_be_entered_comes_again_with_what_followed(void **state)
{
	struct loss_counter counter = {0};
	struct loss_span span;
	assert_false(loss_counter_look(&counter, 0, START, false, &span));
	assert_false(loss_counter_look(&counter, 5, START + 100 * MS, false, &span));
	assert_true(loss_counter_look(&counter, 5, START + 1200 * MS, false, &span));
	loss_counter_keep(&counter, &span);
	assert_false(loss_counter_look(&counter, 7, START + 1300 * MS, false, &span));
	assert_true(loss_counter_look(&counter, 7, START + 1400 * MS, true, &span));
	assert_int_equal(span.from_ns, START);
	assert_int_equal(span.to_ns, START + 1300 * MS);
	assert_int_equal(span.packets, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_that_does_not_grow_makes_no_interval),
		cmocka_unit_test(losses_close_together_make_one_interval_from_the_look_before),
		cmocka_unit_test(a_loss_that_goes_on_is_entered_in_pieces_whose_sum_is_the_counter),
		cmocka_unit_test(what_was_lost_before_the_end_is_not_forgotten),
		cmocka_unit_test(a_clock_that_is_set_back_does_not_turn_an_interval_around),
		cmocka_unit_test(a_loss_that_could_not_be_entered_comes_again_with_what_followed),
		cmocka_unit_test(an_interface_that_was_down_makes_one_interval),
		cmocka_unit_test(an_interface_that_is_still_down_at_the_end_is_entered),
		cmocka_unit_test(a_long_time_down_is_entered_on_the_way),
		cmocka_unit_test(steps_of_the_clock_are_seen_and_drift_is_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
