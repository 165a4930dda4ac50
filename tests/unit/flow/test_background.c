/* A sink on a thread of its own: what comes through, and how errors come back. */
#include "../unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
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

/*
 * The record numbered `number`: of columns of numbers some that are the same in all records, close together, far apart, each its own, missing in some and in all; of
 * strings likewise.
 */
static void make_varied(struct weir_flow *flow, uint64_t number)
{
	static const char *const names[] = {"some.example", "other.example", "", "caf\xc3\xa9.example"};
	const char *name = names[number % 4];

	make(flow, number, name, strlen(name));
	flow->forward.first_ns = number % 11 ? (int64_t)(number * 7919 % MANY) * 1000 - 5000000 : WEIR_NO_TIME;
	flow->forward.wire_bytes = number % 17 * UINT64_C(1000000007);
	flow->forward.ip_bytes = number * UINT64_C(0x9e3779b97f4a7c15);
	flow->forward.captured_bytes = UINT64_MAX - number % 300;
	flow->rtt_ns = number % 3 ? -(int64_t)(number % 500) : WEIR_NO_TIME;
	flow->source_port = (uint16_t)(number * 31);
	flow->destination_port = 443;
	flow->vlan = number % 5 ? 100 + (uint32_t)number % 7 : WEIR_NO_VALUE;
	flow->spi = number % 2 ? (uint32_t)number * 2654435761u : 0;
	flow->has_spi = number % 2;
	flow->source = (struct weir_ip){.bytes = {10, 0, (uint8_t)(number >> 8), (uint8_t)number}, .version = 4};
	flow->destination = (struct weir_ip){.bytes = {0x20, 1, 0xd, 0xb8, [15] = (uint8_t)number}, .version = 6};
	snprintf(flow->community_id, sizeof flow->community_id, "1:%u", (unsigned)number * 7);
	/* Two columns that are the same; one whose numbers need more bytes and more; values that are there from some row on, and up to one. */
	flow->forward.ttl_min = flow->forward.ttl_max = (uint8_t)(60 + number % 5);
	flow->reverse.packets = number << (number % 3000 < 1000 ? 0 : number % 3000 / 75);
	flow->icmp_type = number % 3000 < 1700 ? WEIR_NO_VALUE : (uint32_t)number % 50;
	flow->icmp_code = number % 3000 < 900 ? (uint32_t)number * 1000003 : WEIR_NO_VALUE;
}

/* Row groups of a few thousand, given a few or all at a time, by this thread or another, which has its columns made by several. */
static void write_parquet(bool background, size_t at_once, const char *path)
{
	struct weir_parquet_options options = {.row_group_rows = 3000, .threads = background ? 3 : 0};
	struct weir_flow *flows = malloc(MANY * sizeof *flows);
	struct weir_flow_sink *sink;
	struct weir_fault fault = {0};

	assert_non_null(flows);
	for (size_t i = 0; i < MANY; i++)
		make_varied(&flows[i], i + 1);
	assert_int_equal(weir_flow_parquet_open(path, &options, &sink, &fault), 0);
	if (background)
		assert_int_equal(weir_flow_background(&sink, &fault), 0);
	for (size_t i = 0; i < MANY; i += at_once)
		assert_int_equal(sink->ops->write(sink, flows + i, MANY - i < at_once ? MANY - i : at_once, &fault), 0);
	assert_int_equal(sink->ops->finish(sink, &fault), 0);
	sink->ops->close(sink);
	free(flows);
}

static const char *path_of_test(void)
{
	static char path[64];

	snprintf(path, sizeof path, "/tmp/weir-background-%u.parquet", (unsigned)getpid());
	return path;
}

static size_t parquet_bytes(bool background, size_t at_once, uint8_t **bytes)
{
	write_parquet(background, at_once, path_of_test());
	size_t length = read_whole(path_of_test(), bytes);
	unlink(path_of_test());
	return length;
}

static void values_come_back_from_parquet(void **state)
{
	static bool seen[MANY + 1];
	struct weir_flow_source *source;
	struct weir_flow flows[100], expected;
	struct weir_fault fault = {0};
	size_t all = 0;
	int count;

	write_parquet(true, 50, path_of_test());
	assert_int_equal(weir_flow_parquet_read(path_of_test(), NULL, &source, &fault), 0);
	while ((count = source->ops->fill(source, flows, 100, &fault)) > 0)
		for (int i = 0; i < count; i++, all++) {
			assert_in_range(flows[i].sequence, 1, MANY);
			assert_false(seen[flows[i].sequence]);
			seen[flows[i].sequence] = true;
			make_varied(&expected, flows[i].sequence);
			assert_int_equal(flows[i].server_name.length, expected.server_name.length);
			assert_non_null(flows[i].server_name.data);
			assert_memory_equal(flows[i].server_name.data, expected.server_name.data, expected.server_name.length);
			assert_null(flows[i].application.data);
			flows[i].server_name = expected.server_name;
			/* Everything else is memory: both were made from a cleared record. */
			assert_memory_equal(&flows[i].forward, &expected.forward, sizeof expected.forward);
			assert_memory_equal(&flows[i].reverse, &expected.reverse, sizeof expected.reverse);
			assert_memory_equal(&flows[i].source, &expected.source, sizeof expected.source);
			assert_memory_equal(&flows[i].destination, &expected.destination, sizeof expected.destination);
			assert_int_equal(flows[i].rtt_ns, expected.rtt_ns);
			assert_int_equal(flows[i].source_port, expected.source_port);
			assert_int_equal(flows[i].destination_port, 443);
			assert_int_equal(flows[i].vlan, expected.vlan);
			assert_int_equal(flows[i].has_spi, expected.has_spi);
			assert_int_equal(flows[i].spi, expected.spi);
			assert_int_equal(flows[i].icmp_type, expected.icmp_type);
			assert_int_equal(flows[i].icmp_code, expected.icmp_code);
			assert_int_equal(flows[i].outer_source.version, 0);
			assert_string_equal(flows[i].community_id, expected.community_id);
		}
	assert_int_equal(count, 0);
	assert_int_equal(all, MANY);
	source->ops->close(source);
	unlink(path_of_test());
}

static void bytes_do_not_depend_on_threads_or_portions(void **state)
{
	uint8_t *bytes, *others;
	size_t length = parquet_bytes(false, MANY, &bytes);

	for (int round = 0; round < 3; round++) {
		size_t other = parquet_bytes(round != 0, round == 1 ? MANY : 7, &others);
		assert_int_equal(other, length);
		assert_memory_equal(bytes, others, length);
		free(others);
	}
	free(bytes);
}

/* A file that can't grow: whatever is called after the first error tells it again, on one thread and several, and nothing appears. */
static void an_error_of_a_row_group_is_told_again(void **state)
{
	static struct weir_flow flows[9000];
	struct weir_parquet_options options = {.row_group_rows = 3000};
	struct rlimit before, little = {.rlim_cur = 20000};
	struct weir_flow_sink *sink;
	struct weir_fault fault = {0};

	for (uint64_t i = 0; i < 9000; i++)
		make_varied(&flows[i], i + 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	for (options.threads = 1; options.threads < 4; options.threads++) {
		assert_int_equal(weir_flow_parquet_open(path_of_test(), &options, &sink, &fault), 0);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
		int error = 0;
		for (int i = 0; i < 100 && !error; i++) /* some of it waits in the writer's memory */
			error = sink->ops->write(sink, flows, 9000, &fault);
		assert_true(error < 0);
		for (int again = 0; again < 2; again++) {
			weir_fault_clear(&fault);
			assert_int_equal(sink->ops->write(sink, flows, 9000, &fault), error);
			assert_true(fault.message[0] != '\0');
			assert_int_equal(sink->ops->finish(sink, &fault), error);
		}
		sink->ops->close(sink);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_int_not_equal(access(path_of_test(), F_OK), 0);
	}
	signal(SIGXFSZ, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_through_in_order), cmocka_unit_test(an_error_is_told_by_a_later_write),
		cmocka_unit_test(an_error_is_told_by_finish),    cmocka_unit_test(what_is_not_finished_is_dropped),
		cmocka_unit_test(values_come_back_from_parquet), cmocka_unit_test(bytes_do_not_depend_on_threads_or_portions),
		cmocka_unit_test(an_error_of_a_row_group_is_told_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
