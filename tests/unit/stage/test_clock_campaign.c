/* Comparing the clocks of a campaign's nodes at moments of it: src/stage/clock_campaign.c. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <weir/archive.h>
#include <weir/decode.h>
#include <weir/stage.h>

#define SECOND INT64_C(1000000000)
#define START (1700000000 * SECOND)
#define SPAN 1500       /* seconds */
#define RATE 60         /* packets a second */
#define STEP_AT 777
#define BYTES 60u

static char folder[] = "/tmp/weir-test-clocks.XXXXXX", path[64];

static uint64_t mixed(uint64_t z)
{
	z = (z + 1) * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* What the clocks of both nodes show after so many ns: the first is true; the other is 3.5 s and 30 ppm off, and set by 0.25 s. */
static int64_t shown(int node, int64_t at)
{
	return START + at + (node ? 35 * SECOND / 10 + at * 3 / 100000 + (at >= STEP_AT * SECOND ? SECOND / 4 : 0) : 0);
}

static void record(int node, uint32_t count)
{
	struct weir_archive_options options = {.node = node ? "hall" : "lab", .interface = "eth0", .codec = WEIR_CODEC_NONE, .segment_bytes = 1 << 20,
	                                       .buffered = true, .workers = 1};
	struct weir_interface description = {.linktype = 1, .resolution = 9, .snaplen = 65535, .name = "eth0"};
	const struct weir_interface *interfaces[] = {&description};
	static uint8_t data[WEIR_BATCH_PACKETS][BYTES];
	static const uint8_t head[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0,
	                               10, 0, 0, 1, 10, 0, 0, 2, 0x10, 0, 0x20, 0, 0, 26, 0, 0};
	struct weir_batch *batch = weir_batch_new();
	struct weir_campaign *campaign;
	struct weir_sink *sink;

	assert_int_equal(weir_campaign_open(path, WEIR_CAMPAIGN_CREATE, &campaign, NULL), 0);
	assert_int_equal(weir_archive_sink_open(campaign, &options, &sink, NULL), 0);
	for (uint32_t done = 0; done < count;) {
		weir_batch_reset(batch);
		batch->interfaces = interfaces;
		batch->interface_count = 1;
		for (; batch->count < WEIR_BATCH_PACKETS && done < count; done++) {
			uint8_t *p = data[batch->count];
			bool back = done & 1, far = back != (node == 1);
			int64_t at = done * (SECOND / RATE) + (far ? 150000 + (int64_t)(mixed(done) % 100000) : 0);
			memset(p, 0, BYTES);
			memcpy(p, head, sizeof head);
			p[22] = far ? 63 : 64;
			weir_store_be32(p + 42, done);
			batch->packets[batch->count++] = (struct weir_packet){.time_ns = shown(node, at), .data = p, .captured = BYTES, .length = BYTES,
			                                                      .linktype = 1, .ticks = (uint64_t)shown(node, at)};
		}
		assert_int_equal(weir_decode_batch(batch, NULL), 0);
		assert_int_equal(sink->ops->consume(sink, batch, NULL), 0);
	}
	assert_int_equal(sink->ops->finish(sink, NULL), 0);
	weir_sink_close(sink);
	weir_campaign_close(campaign);
	weir_batch_free(batch);
}

static int make(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/campaign", folder);
	record(0, SPAN * RATE);
	record(1, SPAN * RATE);
	return 0;
}

static int clean(void **state)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static void test_moments_are_enough_to_correct_all_of_it(void **state)
{
	struct weir_clock_campaign what = {.every_ns = 60 * SECOND, .threads = 1};
	struct weir_clock_estimator_options options = {.reference = 1}; /* nodes are in order of their names: lab */
	struct weir_clock_estimator *estimator;
	const struct weir_clock_estimate *estimates;
	struct weir_campaign *campaign;
	struct weir_fault fault = {0};
	size_t count, node_count;
	char **nodes;

	assert_int_equal(weir_campaign_open(path, WEIR_CAMPAIGN_WRITE, &campaign, NULL), 0);
	struct weir_clock_state ntp = {.time_ns = START, .maximum_error_ns = 5 * SECOND, .synchronised = true};
	assert_int_equal(weir_clock_state_enter(campaign, "lab", &ntp, NULL), 0);
	assert_int_equal(weir_clock_state_enter(campaign, "hall", &ntp, NULL), 0);
	assert_int_equal(weir_clock_estimator_new(&options, &estimator, NULL), 0);
	if (weir_clock_estimator_read_campaign(estimator, campaign, &what, &nodes, &node_count, &fault) != 0)
		fail_msg("%s", fault.message);
	assert_int_equal(weir_clock_estimator_solve(estimator, &estimates, &count, NULL), 0);
	assert_int_equal(node_count, 2);
	assert_int_equal(count, 2);
	assert_string_equal(nodes[0], "hall");
	assert_int_equal(estimates[0].basis, WEIR_CLOCK_TWO_WAY);
	assert_int_equal(estimates[0].steps, 1);
	assert_true(estimates[0].bounded);
	/* Of 90,000 packets a few moments were looked at. */
	assert_in_range(estimates[0].seen, 1000, 15000);
	unsigned wrong = 0;
	for (int64_t at = 0; at < SPAN * SECOND; at += SECOND / 2) {
		int64_t error = weir_clock_correct(&estimates[0].clock, shown(1, at)) - shown(0, at);
		wrong += llabs(error) > 50000;
		if (llabs(at - STEP_AT * SECOND) > 5 * SECOND && llabs(error) > 50000)
			fail_msg("%lld ns off after %lld s", (long long)error, (long long)(at / SECOND));
	}
	assert_in_range(wrong, 0, 12);
	weir_clock_nodes_free(nodes, node_count);
	weir_clock_estimator_free(estimator);
	weir_campaign_close(campaign);
}

static void test_a_span_without_two_nodes_says_nothing(void **state)
{
	struct weir_clock_campaign what = {.from_ns = START - 100 * SECOND, .to_ns = START - 50 * SECOND};
	struct weir_clock_estimator *estimator;
	const struct weir_clock_estimate *estimates;
	struct weir_campaign *campaign;
	size_t count, node_count;
	char **nodes;

	assert_int_equal(weir_campaign_open(path, WEIR_CAMPAIGN_READ, &campaign, NULL), 0);
	assert_int_equal(weir_clock_estimator_new(NULL, &estimator, NULL), 0);
	assert_int_equal(weir_clock_estimator_read_campaign(estimator, campaign, &what, &nodes, &node_count, NULL), 0);
	assert_int_equal(weir_clock_estimator_solve(estimator, &estimates, &count, NULL), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(estimates[i].basis, WEIR_CLOCK_NONE);
	weir_clock_nodes_free(nodes, node_count);
	weir_clock_estimator_free(estimator);
	weir_campaign_close(campaign);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moments_are_enough_to_correct_all_of_it),
		cmocka_unit_test(test_a_span_without_two_nodes_says_nothing),
	};
	return cmocka_run_group_tests(tests, make, clean);
}
