/*
 * The scheduler: weir/pipeline.h.
 *
 * On one thread it is a loop. On two, the source fills batches on a thread of its own and hands them over through a ring; empty
 * ones come back through another, so that the number of batches bounds the memory.
 */
#include <pthread.h>
#include <stdlib.h>

#include <weir/pipeline.h>

#include "core/ring.h"

#define BATCHES_AHEAD 4 /* a power of two: the capacity of the rings */

static bool stopped(const struct weir_pipeline *pipeline)
{
	/* Relaxed: nothing else is read because of it. */
	return pipeline->stop && atomic_load_explicit((_Atomic int *)pipeline->stop, memory_order_relaxed);
}

/* Stages and sink for one batch. 0, 1 (the sink has enough) or an error. */
static int work(const struct weir_pipeline *pipeline, struct weir_batch *batch, struct weir_fault *fault)
{
	for (size_t i = 0; i < WEIR_PIPELINE_STAGES && pipeline->stages[i]; i++) {
		int error = pipeline->stages[i]->ops->process(pipeline->stages[i], batch, fault);
		if (error < 0)
			return error;
	}
	int result = pipeline->sink->ops->consume(pipeline->sink, batch, fault);
	if (pipeline->progress && result >= 0)
		pipeline->progress(pipeline->progress_context, batch);
	return result;
}

static int run_here(const struct weir_pipeline *pipeline, struct weir_fault *fault)
{
	struct weir_batch *batch = weir_batch_new();
	int result = 0;

	if (!batch)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a batch of packets");
	while (!stopped(pipeline)) {
		result = pipeline->source->ops->fill(pipeline->source, batch, fault);
		if (result <= 0)
			break;
		result = work(pipeline, batch, fault);
		weir_batch_reset(batch);
		if (result != 0)
			break;
	}
	weir_batch_free(batch);
	return result < 0 ? result : 0;
}

struct ahead {
	const struct weir_pipeline *pipeline;
	struct ring *full, *empty;
	struct weir_fault fault;
	int result;
};

static void *fill_ahead(void *argument)
{
	struct ahead *ahead = argument;
	void *item;

	while (!stopped(ahead->pipeline) && ring_pop(ahead->empty, &item)) {
		struct weir_batch *batch = item;
		ahead->result = ahead->pipeline->source->ops->fill(ahead->pipeline->source, batch, &ahead->fault);
		if (ahead->result <= 0 || !ring_push(ahead->full, batch))
			break;
	}
	ring_close(ahead->full);
	return NULL;
}

static int take_full(struct ahead *ahead, struct weir_fault *fault)
{
	void *item;
	int result = 0;

	while (result == 0 && ring_pop(ahead->full, &item)) {
		struct weir_batch *batch = item;
		result = work(ahead->pipeline, batch, fault);
		weir_batch_reset(batch);
		ring_push(ahead->empty, batch);
	}
	/* Ends the filling thread, should it wait on either side. */
	ring_close(ahead->empty);
	ring_close(ahead->full);
	return result;
}

static int run_ahead(const struct weir_pipeline *pipeline, struct weir_fault *fault)
{
	struct ahead ahead = {.pipeline = pipeline, .full = ring_new(BATCHES_AHEAD), .empty = ring_new(BATCHES_AHEAD)};
	struct weir_batch *batches[BATCHES_AHEAD] = {0};
	pthread_t thread;
	int result = WEIR_E_MEMORY;

	weir_fault_clear(&ahead.fault);
	if (!ahead.full || !ahead.empty)
		goto out;
	for (size_t i = 0; i < BATCHES_AHEAD; i++) {
		batches[i] = weir_batch_new();
		if (!batches[i])
			goto out;
		ring_try_push(ahead.empty, batches[i]);
	}
	if (pthread_create(&thread, NULL, fill_ahead, &ahead) != 0)
		goto out;
	result = take_full(&ahead, fault);
	pthread_join(thread, NULL);
	if (result == 0 && ahead.result < 0) {
		result = ahead.result;
		if (fault)
			*fault = ahead.fault;
	}
out:
	if (result == WEIR_E_MEMORY && fault && fault->code == 0)
		weir_fail(fault, WEIR_E_MEMORY, "no memory or no thread for reading ahead");
	for (size_t i = 0; i < BATCHES_AHEAD; i++)
		weir_batch_free(batches[i]);
	ring_free(ahead.full);
	ring_free(ahead.empty);
	return result < 0 ? result : 0;
}

/* What a damaged or strange source gave before that is all that it has. Other errors leave it open what there would have been. */
static bool is_of_data(int error)
{
	return error == WEIR_E_FORMAT || error == WEIR_E_TRUNCATED || error == WEIR_E_CORRUPT || error == WEIR_E_UNSUPPORTED ||
	       error == WEIR_E_LIMIT;
}

int weir_pipeline_run(const struct weir_pipeline *pipeline, struct weir_fault *fault)
{
	struct weir_fault at_end;

	weir_fault_clear(fault);
	weir_fault_clear(&at_end);
	int result = pipeline->threads > 1 ? run_ahead(pipeline, fault) : run_here(pipeline, fault);
	if (result < 0 && !is_of_data(result) && pipeline->sink->ops->cut_short)
		pipeline->sink->ops->cut_short(pipeline->sink, result);
	int finished = pipeline->sink->ops->finish ? pipeline->sink->ops->finish(pipeline->sink, &at_end) : 0;
	/* That the sink could not keep what it was given is worse than that the source was damaged. */
	if (finished < 0 && (result == 0 || (is_of_data(result) && !is_of_data(finished)))) {
		result = finished;
		if (fault)
			*fault = at_end;
	}
	return result;
}
