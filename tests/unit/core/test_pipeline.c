#include "../unit.h"

#include <stdatomic.h>
#include <time.h>

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

/* Sees every batch once, in order; fails at packet `fails`. */
struct ordered_stage {
	struct weir_stage base;
	int64_t last, fails;
};

static int check_order(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	struct ordered_stage *s = (struct ordered_stage *)stage;

	for (uint32_t i = 0; i < batch->count; i++) {
		assert_int_equal(batch->packets[i].time_ns, s->last + 1);
		s->last++;
		if (s->last == s->fails)
			return weir_fail(fault, WEIR_E_LIMIT, "packet %d", (int)s->last);
	}
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

static const struct weir_stage_ops ordered_ops = {.name = "ordered", .process = check_order};
static const struct weir_stage_ops parallel_ops = {.name = "drop odd", .process = drop_odd, .parallel = true};

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
	for (int threads = 0; threads <= 4; threads++) {
		struct summing_sink sink;
		struct weir_fault fault;
		assert_int_equal(run(threads, 0, 0, &sink, &fault), 0);
		assert_int_equal(sink.sum, INT64_C(50000) * 50001);
		assert_int_equal(sink.finished, 1);
	}
}

static void damage_keeps_what_came_before_it(void **state)
{
	for (int threads = 1; threads <= 4; threads++) {
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
	for (int threads = 1; threads <= 4; threads++) {
		struct summing_sink sink;
		assert_int_equal(run(threads, 0, 1000000, &sink, NULL), 0);
		assert_in_range(sink.last, 1000, 5000);
		assert_int_equal(sink.finished, 1);
	}
}

/* A source that has its packets made ahead of filling: one that waits for it, as a reader waits for a disk. */
struct reading_source {
	struct counting_source counting;
	_Atomic int ahead_calls;
	bool waited;
};

static int fill_what_was_read(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	struct reading_source *s = (struct reading_source *)source;

	for (int tenths = 0; !s->waited && !atomic_load(&s->ahead_calls) && tenths < 100; tenths++)
		nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
	s->waited = true;
	return fill(source, batch, fault);
}

static bool read_ahead(struct weir_source *source)
{
	return atomic_fetch_add(&((struct reading_source *)source)->ahead_calls, 1) % 3 == 0;
}

static void a_thread_without_work_reads_ahead(void **state)
{
	static const struct weir_source_ops reading_ops = {.name = "reading", .fill = fill_what_was_read, .ahead = read_ahead};

	for (int threads = 2; threads <= 4; threads++) {
		struct reading_source source = {.counting = {{&reading_ops}, 1, 100000, 0}};
		struct summing_sink sink = {.base = {&sink_ops}};
		struct weir_pipeline pipeline = {.source = &source.counting.base, .sink = &sink.base, .threads = threads};

		assert_int_equal(weir_pipeline_run(&pipeline, NULL), 0);
		assert_true(atomic_load(&source.ahead_calls) > 0);
		assert_int_equal(sink.sum, INT64_C(50000) * 100001);
	}
}

/* Work beside the batches: two steps for each that was filled. */
struct beside {
	_Atomic int64_t filled, done;
	_Atomic int at_once;
};

static struct beside beside;

static int fill_and_count(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	int result = fill(source, batch, fault);

	atomic_fetch_add(&beside.filled, result == 1);
	return result;
}

static bool step_beside(void *context)
{
	assert_ptr_equal(context, &beside);
	assert_int_equal(atomic_fetch_add(&beside.at_once, 1), 0);
	bool more = atomic_load(&beside.done) < 2 * atomic_load(&beside.filled);
	atomic_fetch_add(&beside.done, more);
	atomic_fetch_sub(&beside.at_once, 1);
	return more;
}

static void what_goes_on_beside_keeps_up(void **state)
{
	static const struct weir_source_ops counted_ops = {.name = "counted", .fill = fill_and_count};

	for (int threads = 1; threads <= 4; threads++) {
		struct counting_source source = {{&counted_ops}, 1, 100000, 0};
		struct summing_sink sink = {.base = {&sink_ops}};
		struct weir_pipeline pipeline = {.source = &source.base, .sink = &sink.base, .threads = threads, .beside = step_beside, .beside_context = &beside};

		atomic_store(&beside.filled, 0);
		atomic_store(&beside.done, 0);
		assert_int_equal(weir_pipeline_run(&pipeline, NULL), 0);
		assert_int_equal(sink.sum, INT64_C(50000) * 100001);
		assert_int_equal(beside.filled, 98);
		/* With more threads it may lag behind, and what is left when the source has ended is left. */
		assert_in_range(beside.done, threads == 1 ? 2 * 98 : 1, 2 * 98);
	}
}

/* Two parallel neighbours, then two in order. */
static int run_mixed(int threads, int64_t fails, struct summing_sink *sink, struct weir_fault *fault)
{
	struct counting_source source = {{&source_ops}, 1, 300000, WEIR_E_TRUNCATED};
	struct weir_stage first = {&parallel_ops}, second = {&parallel_ops};
	struct ordered_stage third = {{&ordered_ops}, 0, 0}, fourth = {{&ordered_ops}, 0, fails};

	*sink = (struct summing_sink){.base = {&sink_ops}};
	struct weir_pipeline pipeline = {.source = &source.base, .stages = {&first, &second, &third.base, &fourth.base}, .sink = &sink->base,
		.threads = threads};
	return weir_pipeline_run(&pipeline, fault);
}

static void stages_in_order_get_every_batch_in_order(void **state)
{
	for (int threads = 1; threads <= 5; threads++) {
		struct summing_sink sink;
		struct weir_fault fault;
		assert_int_equal(run_mixed(threads, 0, &sink, &fault), WEIR_E_TRUNCATED);
		assert_int_equal(sink.last, 300000);
		assert_int_equal(sink.sum, INT64_C(150000) * 150001);
	}
}

static void the_first_failure_counts_and_what_was_before_it_is_kept(void **state)
{
	for (int threads = 1; threads <= 5; threads++) {
		struct summing_sink sink;
		struct weir_fault fault;
		assert_int_equal(run_mixed(threads, 200000, &sink, &fault), WEIR_E_LIMIT);
		assert_string_equal(fault.message, "packet 200000");
		assert_int_equal(sink.last, 200000 / WEIR_BATCH_PACKETS * WEIR_BATCH_PACKETS); /* the batches before that one */
		assert_int_equal(sink.finished, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_result_does_not_depend_on_threads),
		cmocka_unit_test(damage_keeps_what_came_before_it),
		cmocka_unit_test(a_sink_that_has_enough_ends_the_run),
		cmocka_unit_test(a_thread_without_work_reads_ahead),
		cmocka_unit_test(what_goes_on_beside_keeps_up),
		cmocka_unit_test(stages_in_order_get_every_batch_in_order),
		cmocka_unit_test(the_first_failure_counts_and_what_was_before_it_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
