/* What nodes said of their clocks: src/archive/clock_states.c. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "archive/clock_states.h"

static bool parse(const char *line, struct weir_clock_state *state) { return clock_state_parse(line, strlen(line), state); }

static void test_what_is_written_is_read(void **state)
{
	struct weir_clock_state in = {1700000000000000001, -52113, 1500000, 12, -12.5, true, 8193}, out;
	struct text line = {0};

	clock_state_write(&line, &in);
	assert_int_equal(line.data[line.length - 1], '\n');
	assert_true(clock_state_parse(line.data, line.length - 1, &out));
	assert_true(out.time_ns == in.time_ns && out.offset_ns == in.offset_ns && out.maximum_error_ns == in.maximum_error_ns &&
	            out.estimated_error_ns == in.estimated_error_ns && out.frequency_ppm == in.frequency_ppm && out.synchronised &&
	            out.status == in.status);
	text_free(&line);
}

static void test_lines_that_are_no_states(void **state)
{
	static const char *const bad[] = {
		"", "{}", "[]", "{\"time_ns\":1}", "{\"time_ns\":1,\"maximum_error_ns\":2,\"synchronised\":true",
		"{\"time_ns\":1,\"maximum_error_ns\":2,\"synchronised\":maybe}", "{\"time_ns\":1,\"maximum_error_ns\":-2,\"synchronised\":true}",
		"{\"time_ns\":\"1\",\"maximum_error_ns\":2,\"synchronised\":true}", "{\"time_ns\":1.5,\"maximum_error_ns\":2,\"synchronised\":true}",
		"{\"time_ns\":9223372036854775808,\"maximum_error_ns\":2,\"synchronised\":true}",
		"{\"time_ns\":1,\"maximum_error_ns\":2,\"synchronised\":true}{", "{\"time_ns\":1,\"maximum_error_ns\":2,\"synchronised\":true,\"x\":{}}",
		"{\"time_ns\":1,\"maximum_error_ns\":2,\"synchronised\":true,}", "{\"a\\",
	};
	struct weir_clock_state out;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (parse(bad[i], &out))
			fail_msg("taken for a state: %s", bad[i]);
	assert_true(parse(" {\"time_ns\" : -9223372036854775808,\t\"maximum_error_ns\":2,\"new\":\"a\\\"}\",\"synchronised\":false} \r", &out));
	assert_true(out.time_ns == INT64_MIN && out.maximum_error_ns == 2 && !out.synchronised);
}

struct seen {
	int64_t times[8];
	unsigned count, most;
};

static int note(void *context, const struct weir_clock_state *state)
{
	struct seen *seen = context;
	seen->times[seen->count++] = state->time_ns;
	return seen->count == seen->most ? 7 : 0;
}

static void test_torn_lines_cost_only_themselves(void **state)
{
	char folder[] = "/tmp/weir-test-clock.XXXXXX", path[128], command[128];
	struct weir_campaign *campaign;
	struct seen seen = {.most = 99};
	uint64_t bad;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/campaign", folder);
	assert_int_equal(weir_campaign_open(path, WEIR_CAMPAIGN_CREATE, &campaign, NULL), 0);
	assert_int_equal(weir_clock_states_read(campaign, "lab", 0, 1000, note, &seen, &bad, NULL), 0);
	assert_int_equal(seen.count, 0);
	for (int64_t i = 1; i <= 4; i++) {
		assert_int_equal(weir_clock_state_enter(campaign, "lab", &(struct weir_clock_state){.time_ns = i * 10, .maximum_error_ns = i}, NULL), 0);
		snprintf(path, sizeof path, "%s/campaign/raw/lab/clock.jsonl", folder);
		FILE *file = fopen(path, "a");
		if (i == 2)
			for (int k = 0; k < 5000; k++)
				fputs("{}", file);
		if (i == 2)
			fputc('\n', file);
		fclose(file);
	}
	FILE *file = fopen(path, "a");
	fputs("{\"time_ns\":1", file);
	fclose(file);
	assert_int_equal(weir_clock_states_read(campaign, "lab", 20, 40, note, &seen, &bad, NULL), 0);
	assert_int_equal(bad, 2);
	assert_int_equal(seen.count, 3);
	assert_true(seen.times[0] == 20 && seen.times[1] == 30 && seen.times[2] == 40);
	seen = (struct seen){.most = 1};
	assert_int_equal(weir_clock_states_read(campaign, "lab", WEIR_TIME_FIRST, WEIR_TIME_LAST, note, &seen, NULL, NULL), 7);
	weir_campaign_close(campaign);
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_lines_that_are_no_states),
		cmocka_unit_test(test_torn_lines_cost_only_themselves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
