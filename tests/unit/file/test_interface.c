#include "../unit.h"

#include <weir/packet.h>

static int64_t time_of(uint8_t resolution, int64_t offset, uint64_t ticks)
{
	struct weir_interface interface = {.resolution = resolution, .offset_seconds = offset};
	return weir_interface_time(&interface, ticks);
}

static uint64_t ticks_of(uint8_t resolution, int64_t offset, int64_t ns)
{
	struct weir_interface interface = {.resolution = resolution, .offset_seconds = offset};
	return weir_interface_ticks(&interface, ns);
}

static void decimal_resolutions_are_exact(void **state)
{
	assert_int_equal(time_of(6, 0, 1700000000123456), 1700000000123456000);
	assert_int_equal(time_of(9, 0, 1700000000123456789), 1700000000123456789);
	assert_int_equal(time_of(3, 0, 1700000000123), 1700000000123000000);
	assert_int_equal(time_of(0, 0, 1700000000), 1700000000000000000);
	assert_int_equal(time_of(12, 0, 1700000123456789012), 1700000123456789); /* rounded down */
	assert_int_equal(time_of(28, 0, UINT64_MAX), 1);
	assert_int_equal(time_of(29, 0, UINT64_MAX), 0);
	assert_int_equal(time_of(127, 0, UINT64_MAX), 0);
}

static void binary_resolutions_are_exact(void **state)
{
	assert_int_equal(time_of(0x80 | 8, 0, (UINT64_C(1519128000) << 8) + 50), 1519128000195312500);
	assert_int_equal(time_of(0x80 | 32, 0, (UINT64_C(1700000000) << 32) + (UINT64_C(1) << 31)), 1700000000500000000);
	assert_int_equal(time_of(0x80, 0, 1700000000), 1700000000000000000);
	assert_int_equal(time_of(0x80 | 127, 0, UINT64_MAX), 0);
	assert_int_equal(time_of(0x80 | 64, 0, UINT64_MAX), 999999999);
}

static void offsets_count_in_seconds(void **state)
{
	assert_int_equal(time_of(6, 100, 5), 100000005000);
	assert_int_equal(time_of(6, -100, 5), -99999995000);
	assert_int_equal(time_of(9, INT64_MIN, 0), INT64_MIN);
	assert_int_equal(time_of(9, INT64_MAX, 0), INT64_MAX);
}

static void times_saturate(void **state)
{
	assert_int_equal(time_of(6, 0, UINT64_MAX), INT64_MAX);
	assert_int_equal(time_of(9, 0, UINT64_MAX), INT64_MAX);
	assert_int_equal(time_of(0, 0, UINT64_MAX), INT64_MAX);
	assert_int_equal(time_of(0x80, 0, UINT64_MAX), INT64_MAX);
	assert_true(ticks_of(12, 0, INT64_MAX) == UINT64_MAX);
	assert_true(ticks_of(127, 0, 1) == UINT64_MAX);
	assert_true(ticks_of(0xff, 0, 1) == UINT64_MAX);
	assert_int_equal(ticks_of(6, 0, -1), 0);
	assert_int_equal(ticks_of(127, 0, 0), 0);
}

static void ticks_are_the_inverse_up_to_nanoseconds(void **state)
{
	static const uint8_t resolutions[] = {0, 3, 6, 7, 9, 0x80, 0x81, 0x88, 0x8a, 0x94, 0x9d};
	uint64_t random = 88172645463325252u;

	for (size_t i = 0; i < sizeof resolutions; i++) {
		for (int k = 0; k < 2000; k++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			/* Within the range of times, so that nothing saturates: seconds below 2^32. */
			unsigned exponent = resolutions[i] & 0x7f;
			uint64_t units = 1;
			for (unsigned e = 0; e < exponent; e++)
				units *= resolutions[i] & 0x80 ? 2 : 10;
			uint64_t ticks = (random >> 32) * units + random % units;
			int64_t offset = k % 3 ? 0 : (int64_t)(random % 1000);
			assert_true(ticks_of(resolutions[i], offset, time_of(resolutions[i], offset, ticks)) == ticks);
		}
	}
}

static void ticks_of_coarse_clocks_round_down(void **state)
{
	assert_int_equal(ticks_of(6, 0, 1999), 1);
	assert_int_equal(ticks_of(0, 0, 1999999999), 1);
	assert_int_equal(ticks_of(0x88, 0, 3906249), 0);
	assert_int_equal(ticks_of(0x88, 0, 3906250), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimal_resolutions_are_exact),
		cmocka_unit_test(binary_resolutions_are_exact),
		cmocka_unit_test(offsets_count_in_seconds),
		cmocka_unit_test(times_saturate),
		cmocka_unit_test(ticks_are_the_inverse_up_to_nanoseconds),
		cmocka_unit_test(ticks_of_coarse_clocks_round_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
