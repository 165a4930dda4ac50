/* Packets of many inputs in time order: src/stage/merge*.c. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/stage.h>

#include "../file/make.h"

#define SECOND INT64_C(1000000000)

/* What came out: the time, and the first byte of the data, which tells the packet. */
struct out {
	int64_t time_ns[8192];
	uint8_t mark[8192];
	char node[8192][16];
	uint32_t count;
	int result;
	struct weir_fault fault;
	struct weir_merge_statistics statistics;
};

static struct out *drain(struct weir_source *source)
{
	struct out *out = calloc(1, sizeof *out);
	struct weir_batch *batch = weir_batch_new();

	while ((out->result = source->ops->fill(source, batch, &out->fault)) > 0) {
		assert_int_equal(batch->first_number, out->count + 1);
		for (uint32_t i = 0; i < batch->count; i++) {
			const struct weir_packet *packet = &batch->packets[i];
			assert_true(packet->interface_id < batch->interface_count && out->count < 8192);
			out->time_ns[out->count] = packet->time_ns;
			snprintf(out->node[out->count], 16, "%.15s", batch->interfaces[packet->interface_id]->node);
			out->mark[out->count++] = packet->captured ? packet->data[0] : 0;
		}
		weir_batch_reset(batch);
	}
	weir_merge_statistics(source, &out->statistics);
	weir_source_close(source);
	weir_batch_free(batch);
	return out;
}

static struct out *merge(struct weir_merge_input *inputs, size_t count, const struct weir_merge_options *options)
{
	struct weir_source *source;
	struct weir_fault fault = {0};

	if (weir_merge_open(inputs, count, options, &source, &fault) != 0)
		fail_msg("%s", fault.message);
	return drain(source);
}

/* A file with a packet a time, in seconds + µs; each marked by `mark` and its place. */
static struct bytes *file_of(const int64_t *us, uint32_t count, uint8_t mark)
{
	struct bytes *b = calloc(1, sizeof *b);

	put_pcap_header(b, 0xa1b2c3d4, 4, 65535, 1);
	for (uint32_t i = 0; i < count; i++)
		put_pcap_record(b, (uint32_t)(us[i] / 1000000), (uint32_t)(us[i] % 1000000), 1, 1, 1, (uint8_t)(mark + i));
	return b;
}

static void test_equal_times_stand_in_the_order_of_inputs(void **state)
{
	struct bytes *a = file_of((int64_t[]){1, 2, 2, 5}, 4, 10), *b = file_of((int64_t[]){1, 2, 3, 5}, 4, 20);
	struct weir_merge_input inputs[] = {{.source = open_bytes(a), .name = "a"}, {.source = open_bytes(b), .name = "b"}};
	struct out *out = merge(inputs, 2, NULL);
	static const uint8_t wanted[] = {10, 20, 11, 12, 21, 22, 13, 23};

	assert_int_equal(out->result, 0);
	assert_int_equal(out->count, 8);
	assert_memory_equal(out->mark, wanted, 8);
	assert_string_equal(out->node[0], "a");
	assert_string_equal(out->node[1], "b");
	assert_int_equal(out->statistics.late, 0);
	free(out), free(a), free(b);
}

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* Each packet is up to `late_us` late: the order that comes out is that of a sort. */
static void check_disorder(int64_t late_us, uint64_t memory, uint32_t inputs_count)
{
	struct weir_merge_input inputs[4] = {0};
	struct bytes *files[4];
	static int64_t all[4096];
	uint32_t total = 0;

	srand(7);
	for (uint32_t k = 0; k < inputs_count; k++) {
		int64_t us[1000];
		for (uint32_t i = 0; i < 1000; i++) {
			us[i] = 1000000 + i * 1000 - (late_us ? rand() % late_us : 0);
			all[total++] = us[i] * 1000;
		}
		files[k] = file_of(us, 1000, 0);
		inputs[k].source = open_bytes(files[k]);
	}
	qsort(all, total, sizeof all[0], compare_times);
	struct weir_merge_options options = {.reorder_ns = late_us * 1000 + 1000, .memory_bytes = memory};
	struct out *out = merge(inputs, inputs_count, &options);
	assert_int_equal(out->count, total);
	assert_memory_equal(out->time_ns, all, total * sizeof all[0]);
	assert_int_equal(out->statistics.late, 0);
	for (uint32_t k = 0; k < inputs_count; k++)
		free(files[k]);
	free(out);
}

static void test_late_packets_get_to_their_place(void **state)
{
	check_disorder(0, 0, 1);
	check_disorder(2000, 0, 1);
	check_disorder(900000, 0, 1);
	check_disorder(900000, 0, 4);
}

static void test_a_reversed_file_is_sorted(void **state)
{
	int64_t us[3000];
	for (uint32_t i = 0; i < 3000; i++)
		us[i] = 1000000 - i;
	struct bytes *b = file_of(us, 3000, 0);
	struct weir_merge_input input = {.source = open_bytes(b)};
	struct out *out = merge(&input, 1, NULL);
	assert_int_equal(out->count, 3000);
	for (uint32_t i = 1; i < 3000; i++)
		assert_true(out->time_ns[i] > out->time_ns[i - 1]);
	free(out), free(b);
}

static void test_later_ones_are_passed_on_and_counted(void **state)
{
	/* 3,000 in order, then one that is more than five seconds late. */
	int64_t us[3001];
	for (uint32_t i = 0; i < 3000; i++)
		us[i] = 10000000 + i * 2000;
	us[3000] = 10000000 + 500000;
	struct bytes *b = file_of(us, 3001, 0);
	struct weir_merge_input input = {.source = open_bytes(b)};
	struct weir_merge_options options = {.reorder_ns = SECOND / 10};
	struct out *out = merge(&input, 1, &options);
	assert_int_equal(out->count, 3001);
	assert_int_equal(out->statistics.late, 1);
	free(out);
	/* With room enough it is in order. */
	input.source = open_bytes(b);
	options.reorder_ns = 6 * SECOND;
	out = merge(&input, 1, &options);
	assert_int_equal(out->statistics.late, 0);
	for (uint32_t i = 1; i < 3001; i++)
		assert_true(out->time_ns[i] >= out->time_ns[i - 1]);
	free(out), free(b);
}

static void test_sorted_inputs_need_no_window_however_little_memory(void **state)
{
	check_disorder(0, 1, 4);
	struct weir_merge_options options = {.reorder_ns = -1, .memory_bytes = 1};
	int64_t us[3000];
	for (uint32_t i = 0; i < 3000; i++)
		us[i] = i;
	struct bytes *b = file_of(us, 3000, 0);
	struct weir_merge_input inputs[] = {{.source = open_bytes(b)}, {.source = open_bytes(b)}};
	struct out *out = merge(inputs, 2, &options);
	assert_int_equal(out->count, 6000);
	for (uint32_t i = 0; i < 6000; i++)
		assert_int_equal(out->time_ns[i], i / 2 * 1000);
	free(out), free(b);
}

static void test_damage_of_one_costs_the_others_nothing(void **state)
{
	struct bytes *a = file_of((int64_t[]){1, 3, 5, 7}, 4, 10), *b = file_of((int64_t[]){2, 4, 6, 8, 9}, 5, 20);
	a->length -= 1;
	struct weir_merge_input inputs[] = {{.source = open_bytes(a)}, {.source = open_bytes(b)}};
	struct out *out = merge(inputs, 2, NULL);
	static const uint8_t wanted[] = {10, 20, 11, 21, 12, 22, 23, 24};
	assert_int_equal(out->result, WEIR_E_TRUNCATED);
	assert_int_equal(out->count, 8);
	assert_memory_equal(out->mark, wanted, 8);
	free(out), free(a), free(b);
}

static void test_many_files_are_open_only_while_they_overlap(void **state)
{
	enum { FILES = 200 };
	static struct weir_merge_input inputs[FILES];
	char folder[] = "/tmp/weir-test-merge.XXXXXX", path[FILES][64];

	assert_non_null(mkdtemp(folder));
	/* In an order that is not that of their times; each overlaps with the next. */
	for (int i = 0; i < FILES; i++) {
		int at = i * 77 % FILES;
		int64_t us[3] = {at * 10000000, at * 10000000 + 5000000, at * 10000000 + 12000000};
		struct bytes *b = file_of(us, 3, (uint8_t)at);
		snprintf(path[i], sizeof path[i], "%s/%d", folder, i);
		FILE *file = fopen(path[i], "w");
		assert_int_equal(fwrite(b->data, 1, b->length, file), b->length);
		fclose(file);
		free(b);
		inputs[i] = (struct weir_merge_input){.path = path[i], .name = "node"};
	}
	struct out *out = merge(inputs, FILES, NULL);
	assert_int_equal(out->result, 0);
	assert_int_equal(out->count, 3 * FILES);
	assert_int_equal(out->statistics.late, 0);
	for (uint32_t i = 1; i < out->count; i++)
		assert_true(out->time_ns[i] >= out->time_ns[i - 1]);
	assert_in_range(out->statistics.open_most, 2, 4);
	for (int i = 0; i < FILES; i++)
		unlink(path[i]);
	rmdir(folder);
	free(out);
}

static void test_interfaces_of_one_node_that_are_the_same_are_one(void **state)
{
	struct bytes *a = file_of((int64_t[]){1}, 1, 0), *b = file_of((int64_t[]){2}, 1, 0), *c = file_of((int64_t[]){3}, 1, 0);
	struct weir_merge_input inputs[] = {
		{.source = open_bytes(a), .name = "lab"}, {.source = open_bytes(b), .name = "lab"}, {.source = open_bytes(c), .name = "hall"}};
	struct weir_source *source;
	struct weir_batch *batch = weir_batch_new();

	assert_int_equal(weir_merge_open(inputs, 3, NULL, &source, NULL), 0);
	assert_int_equal(source->ops->fill(source, batch, NULL), 1);
	assert_int_equal(batch->count, 3);
	assert_int_equal(batch->interface_count, 2);
	assert_int_equal(batch->packets[0].interface_id, batch->packets[1].interface_id);
	assert_string_equal(batch->interfaces[batch->packets[2].interface_id]->node, "hall");
	weir_batch_free(batch);
	weir_source_close(source);
	free(a), free(b), free(c);
}

static void test_corrected_packets_keep_their_options(void **state)
{
	static const struct weir_clock_knot knots[] = {{.time_ns = 0, .correction_ns = 1500}};

	for (int big = 0; big < 2; big++) {
		struct bytes *b = calloc(1, sizeof *b);
		b->big = big;
		put_section(b);
		put_interface(b, 1, 65535, 9);
		put_packet(b, 0, 1000, 5, 5, "remark");
		put_packet(b, 0, 2000, 5, 5, NULL);
		struct weir_merge_input input = {.source = open_bytes(b), .clock = {knots, 1}};
		struct weir_source *source;
		struct weir_batch *batch = weir_batch_new();
		assert_int_equal(weir_merge_open(&input, 1, NULL, &source, NULL), 0);
		assert_int_equal(source->ops->fill(source, batch, NULL), 1);
		assert_int_equal(batch->count, 2);
		const struct weir_packet *first = &batch->packets[0], *second = &batch->packets[1];
		assert_true(first->time_ns == 2500 && first->ticks == 2500 && second->time_ns == 3500 && second->ticks == 3500);
		assert_non_null(first->block);
		assert_int_equal(weir_load32(first->block + 16, big), 2500);
		struct weir_bytes options = pcapng_packet_options(first->block, first->block_length, big);
		assert_true(options.length > 10);
		assert_memory_equal(options.data + 4, "remark", 6);
		assert_true(first->data == first->block + 28);
		assert_null(second->block);
		assert_memory_equal(second->data, "\0\1\2\3\4", 5);
		weir_batch_free(batch);
		weir_source_close(source);
		free(b);
	}
}

static void test_corrections_are_linear_between_knots_and_step_at_double_ones(void **state)
{
	static const struct weir_clock_knot knots[] = {
		{.time_ns = 1000, .correction_ns = 100},
		{.time_ns = 2000, .correction_ns = 200},
		{.time_ns = 2000, .correction_ns = -500},
		{.time_ns = 3000, .correction_ns = -400},
	};
	struct weir_clock clock = {knots, 4}, none = {0};

	assert_int_equal(weir_clock_correct(&clock, 0), 100);
	assert_int_equal(weir_clock_correct(&clock, 1000), 1100);
	assert_int_equal(weir_clock_correct(&clock, 1500), 1650);
	assert_int_equal(weir_clock_correct(&clock, 1999), 2198);
	assert_int_equal(weir_clock_correct(&clock, 2000), 1500);
	assert_int_equal(weir_clock_correct(&clock, 2500), 2050);
	assert_int_equal(weir_clock_correct(&clock, 9000), 8600);
	assert_int_equal(weir_clock_correct(&none, 77), 77);
	assert_true(weir_clock_correct(&clock, INT64_MIN) == INT64_MIN + 100);
	assert_true(weir_clock_correct(&clock, INT64_MAX) == INT64_MAX - 400);
	/* Nothing overflows. */
	struct weir_clock_knot far[] = {{.time_ns = INT64_MIN, .correction_ns = INT64_MAX}, {.time_ns = INT64_MAX, .correction_ns = INT64_MIN}};
	int64_t middle = weir_clock_correct(&(struct weir_clock){far, 2}, INT64_MAX - 1);
	assert_true(middle > -10000 && middle < 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_times_stand_in_the_order_of_inputs),
		cmocka_unit_test(test_late_packets_get_to_their_place),
		cmocka_unit_test(test_a_reversed_file_is_sorted),
		cmocka_unit_test(test_later_ones_are_passed_on_and_counted),
		cmocka_unit_test(test_sorted_inputs_need_no_window_however_little_memory),
		cmocka_unit_test(test_damage_of_one_costs_the_others_nothing),
		cmocka_unit_test(test_many_files_are_open_only_while_they_overlap),
		cmocka_unit_test(test_interfaces_of_one_node_that_are_the_same_are_one),
		cmocka_unit_test(test_corrected_packets_keep_their_options),
		cmocka_unit_test(test_corrections_are_linear_between_knots_and_step_at_double_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
