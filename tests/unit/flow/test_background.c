/* A sink on a thread of its own: what comes through, and how errors come back. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/flow.h>

enum { MANY = 40000, LONG = 200000 };

/* Checks records as they come, takes its time at the first, and fails where it is told to. */
struct checking {
	struct weir_flow_sink sink;
	uint64_t seen, fail_at; /* 0: never */
	uint64_t calls_after;   /* the failure */
	bool failed, finished, closed;
};

static void make(struct weir_flow *flow, uint64_t number, const char *name, size_t length)
{
	weir_flow_clear(flow);
	flow->sequence = number;
	flow->forward.first_ns = (int64_t)number * 1000;
	flow->forward.packets = number % 7;
	flow->server_name = (struct weir_bytes){(const uint8_t *)name, length};
}

static int checking_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count,
                          struct weir_fault *fault)
{
	struct checking *c = (struct checking *)sink;

	if (c->seen == 0)
		usleep(50000); /* so that all blocks are taken meanwhile */
	c->calls_after += c->failed;
	for (size_t i = 0; i < count; i++) {
		char name[32];
		int length = snprintf(name, sizeof name, "host-%u.example", (unsigned)flows[i].sequence);
		if (c->fail_at && flows[i].sequence == c->fail_at) {
			c->failed = true;
			return weir_fail(fault, WEIR_E_IO, "the disk is full at %u", (unsigned)flows[i].sequence);
		}
		if (flows[i].sequence != ++c->seen)
			return weir_fail(fault, WEIR_E_FORMAT, "out of order");
		if (flows[i].sequence % 5000 == 0) {
			if (flows[i].server_name.length != LONG || flows[i].server_name.data[LONG - 1] != 'x')
				return weir_fail(fault, WEIR_E_FORMAT, "a long name did not come through");
		} else if (flows[i].server_name.length != (size_t)length ||
		           memcmp(flows[i].server_name.data, name, (size_t)length) != 0) {
			return weir_fail(fault, WEIR_E_FORMAT, "a name did not come through");
		}
		if (flows[i].application.data || flows[i].forward.packets != flows[i].sequence % 7)
			return weir_fail(fault, WEIR_E_FORMAT, "a record did not come through");
	}
	return 0;
}

static int checking_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	((struct checking *)sink)->finished = true;
	return 0;
}

static void checking_close(struct weir_flow_sink *sink) { ((struct checking *)sink)->closed = true; }

static const struct weir_flow_sink_ops checking_ops = {"checking", checking_write, checking_finish, checking_close};

/* Writes records from first to last, a few at a time, each from memory that is written over afterwards. */
static int write_some(struct weir_flow_sink *sink, uint64_t first, uint64_t last, struct weir_fault *fault)
{
	struct weir_flow flows[3];
	char names[3][32], *name_of_many = malloc(LONG);
	int error = 0;

	assert_non_null(name_of_many);
	memset(name_of_many, 'x', LONG);
	for (uint64_t n = first; n <= last && !error;) {
		size_t count = 0;
		for (; count < 3 && n <= last; count++, n++) {
			size_t length = (size_t)snprintf(names[count], sizeof names[count], "host-%u.example", (unsigned)n);
			bool many = n % 5000 == 0;
			make(&flows[count], n, many ? name_of_many : names[count], many ? LONG : length);
		}
		error = sink->ops->write(sink, flows, count, fault);
		memset(names, 0, sizeof names);
		memset(flows, 0xff, sizeof flows);
	}
	free(name_of_many);
	return error;
}

static void records_come_through_in_order(void **state)
{
	struct checking checking = {.sink = {&checking_ops}};
	struct weir_flow_sink *sink = &checking.sink;
	struct weir_fault fault = {0};

	assert_int_equal(weir_flow_background(&sink, &fault), 0);
	assert_ptr_not_equal(sink, &checking.sink);
	assert_int_equal(write_some(sink, 1, MANY, &fault), 0);
	assert_int_equal(sink->ops->finish(sink, &fault), 0);
	assert_int_equal(checking.seen, MANY);
	assert_true(checking.finished);
	assert_false(checking.closed);
	sink->ops->close(sink);
	assert_true(checking.closed);
}

static void an_error_is_told_by_a_later_write(void **state)
{
	struct checking checking = {.sink = {&checking_ops}, .fail_at = 1000};
	struct weir_flow_sink *sink = &checking.sink;
	struct weir_fault fault = {0};

	assert_int_equal(weir_flow_background(&sink, &fault), 0);
	assert_int_equal(write_some(sink, 1, 10 * MANY, &fault), WEIR_E_IO);
	assert_string_equal(fault.message, "the disk is full at 1000");
	sink->ops->close(sink);
	assert_int_equal(checking.calls_after, 0);
	assert_false(checking.finished);
	assert_true(checking.closed);
}

static void an_error_is_told_by_finish(void **state)
{
	struct checking checking = {.sink = {&checking_ops}, .fail_at = 10};
	struct weir_flow_sink *sink = &checking.sink;
	struct weir_fault fault = {0};

	assert_int_equal(weir_flow_background(&sink, &fault), 0);
	assert_int_equal(write_some(sink, 1, 20, &fault), 0); /* it has not got them yet */
	assert_int_equal(sink->ops->finish(sink, &fault), WEIR_E_IO);
	assert_string_equal(fault.message, "the disk is full at 10");
	assert_false(checking.finished);
	sink->ops->close(sink);
}

static void what_is_not_finished_is_dropped(void **state)
{
	struct checking checking = {.sink = {&checking_ops}};
	struct weir_flow_sink *sink = &checking.sink;
	struct weir_fault fault = {0};

	assert_int_equal(weir_flow_background(&sink, &fault), 0);
	assert_int_equal(write_some(sink, 1, 5000, &fault), 0);
	sink->ops->close(sink);
	assert_false(checking.finished);
	assert_true(checking.closed);
}

static size_t read_whole(const char *path, uint8_t **bytes)
{
	FILE *file = fopen(path, "rb");
	long size;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	assert_true(size > 0);
	rewind(file);
	*bytes = malloc((size_t)size);
	assert_int_equal(fread(*bytes, 1, (size_t)size, file), (size_t)size);
	fclose(file);
	return (size_t)size;
}

/* Row groups of a few thousand, given a few or all at a time, by this thread or another. */
static size_t write_parquet(bool background, size_t at_once, uint8_t **bytes)
{
	struct weir_parquet_options options = {.row_group_rows = 3000};
	struct weir_flow *flows = malloc(MANY * sizeof *flows);
	struct weir_flow_sink *sink;
	struct weir_fault fault = {0};
	char path[64];

	snprintf(path, sizeof path, "/tmp/weir-background-%u.parquet", (unsigned)getpid());
	assert_non_null(flows);
	for (size_t i = 0; i < MANY; i++) {
		make(&flows[i], i + 1, i % 3 ? "some.example" : "other.example", i % 3 ? 12 : 13);
		flows[i].forward.first_ns = i % 11 ? (int64_t)(i * 7919 % MANY) * 1000 : WEIR_NO_TIME;
		flows[i].forward.wire_bytes = i % 17 * UINT64_C(1000000007);
		flows[i].spi = (uint32_t)i;
		flows[i].has_spi = i % 2;
		flows[i].source = (struct weir_ip){.bytes = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}, .version = 4};
		snprintf(flows[i].community_id, sizeof flows[i].community_id, "1:%u", (unsigned)i * 7);
	}
	assert_int_equal(weir_flow_parquet_open(path, &options, &sink, &fault), 0);
	if (background)
		assert_int_equal(weir_flow_background(&sink, &fault), 0);
	for (size_t i = 0; i < MANY; i += at_once)
		assert_int_equal(sink->ops->write(sink, flows + i, MANY - i < at_once ? MANY - i : at_once, &fault), 0);
	assert_int_equal(sink->ops->finish(sink, &fault), 0);
	sink->ops->close(sink);
	free(flows);
	size_t length = read_whole(path, bytes);
	unlink(path);
	return length;
}

static void bytes_do_not_depend_on_threads_or_portions(void **state)
{
	uint8_t *bytes, *others;
	size_t length = write_parquet(false, MANY, &bytes);

	for (int round = 0; round < 3; round++) {
		size_t other = write_parquet(round != 0, round == 1 ? MANY : 7, &others);
		assert_int_equal(other, length);
		assert_memory_equal(bytes, others, length);
		free(others);
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_through_in_order),
		cmocka_unit_test(an_error_is_told_by_a_later_write),
		cmocka_unit_test(an_error_is_told_by_finish),
		cmocka_unit_test(what_is_not_finished_is_dropped),
		cmocka_unit_test(bytes_do_not_depend_on_threads_or_portions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
