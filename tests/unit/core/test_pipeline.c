#include "../unit.h"

#include <weir/pipeline.h>

/* A source of `left` packets, numbered by their time, that ends with `end`. */
struct counting_source {
	struct weir_source base;
	int64_t next, left;
	int end;
};

static int fill(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	struct counting_source *s = (struct counting_source *)source;

	if (s->left == 0)
		return s->end < 0 ? weir_fail(fault, s->end, "the end") : 0;
	batch->first_number = (uint64_t)s->next;
	while (s->left > 0 && batch->count < WEIR_BATCH_PACKETS) {
		batch->packets[batch->count++] = (struct weir_packet){.time_ns = s->next++};
		s->left--;
	}
	return 1;
}

static int drop_odd(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	for (uint32_t i = 0; i < batch->count; i++)
		if (batch->packets[i].time_ns % 2)
			batch->packets[i].verdict = WEIR_DROP;
	return 0;
}

struct summing_sink {
	struct weir_sink base;
	int64_t sum, last, enough;
	int finished;
};

static int consume(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	struct summing_sink *s = (struct summing_sink *)sink;

	for (uint32_t i = 0; i < batch->count; i++) {
		if (batch->packets[i].verdict == WEIR_DROP)
			continue;
		assert_true(batch->packets[i].time_ns > s->last);
		s->last = batch->packets[i].time_ns;
		s->sum += s->last;
	}
	return s->enough && s->sum > s->enough;
}

static int finish(struct weir_sink *sink, struct weir_fault *fault)
{
	((struct summing_sink *)sink)->finished++;
	return 0;
}

static const struct weir_source_ops source_ops = {.name = "counting", .fill = fill};
static const struct weir_stage_ops stage_ops = {.name = "drop odd", .process = drop_odd};
static const struct weir_sink_ops sink_ops = {.name = "summing", .consume = consume, .finish = finish};

static int run(int threads, int end, int64_t enough, struct summing_sink *sink, struct weir_fault *fault)
{
	struct counting_source source = {{&source_ops}, 1, 100000, end};
	struct weir_stage stage = {&stage_ops};

	*sink = (struct summing_sink){{&sink_ops}, .enough = enough};
	struct weir_pipeline pipeline = {.source = &source.base, .stages = {&stage}, .sink = &sink->base, .threads = threads};
	return weir_pipeline_run(&pipeline, fault);
}

static void the_result_does_not_depend_on_threads(void **state)
{
	for (int threads = 0; threads <= 2; threads++) {
		struct summing_sink sink;
		struct weir_fault fault;
		assert_int_equal(run(threads, 0, 0, &sink, &fault), 0);
		assert_int_equal(sink.sum, INT64_C(50000) * 50001);
		assert_int_equal(sink.finished, 1);
	}
}

static void damage_keeps_what_came_before_it(void **state)
{
	for (int threads = 1; threads <= 2; threads++) {
		struct summing_sink sink;
		struct weir_fault fault;
		assert_int_equal(run(threads, WEIR_E_TRUNCATED, 0, &sink, &fault), WEIR_E_TRUNCATED);
		assert_int_equal(fault.code, WEIR_E_TRUNCATED);
		assert_int_equal(sink.last, 100000);
		assert_int_equal(sink.finished, 1);
	}
}

static void a_sink_that_has_enough_ends_the_run(void **state)
{
	for (int threads = 1; threads <= 2; threads++) {
		struct summing_sink sink;
		assert_int_equal(run(threads, 0, 1000000, &sink, NULL), 0);
		assert_in_range(sink.last, 1000, 5000);
		assert_int_equal(sink.finished, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_result_does_not_depend_on_threads),
		cmocka_unit_test(damage_keeps_what_came_before_it),
		cmocka_unit_test(a_sink_that_has_enough_ends_the_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
