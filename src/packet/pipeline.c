/* The scheduler: weir/pipeline.h. On one thread it is a loop. */
#include <pthread.h>
#include <stdlib.h>

#include <weir/pipeline.h>

#define THREADS_MAX 32
#define BESIDE_STEPS 4

static bool stopped(const struct weir_pipeline *pipeline)
{
	/* Relaxed: nothing else is read because of it. */
	return pipeline->stop && atomic_load_explicit((_Atomic int *)pipeline->stop, memory_order_relaxed);
}

/* The sink for one batch. 0, 1 (it has enough) or an error. */
static int give(const struct weir_pipeline *pipeline, struct weir_batch *batch, struct weir_fault *fault)
{
	int result = pipeline->sink->ops->consume(pipeline->sink, batch, fault);

	if (pipeline->progress && result >= 0)
		pipeline->progress(pipeline->progress_context, batch);
	return result;
}

/* Stages and sink for one batch. 0, 1 (the sink has enough) or an error. */
static int work(const struct weir_pipeline *pipeline, struct weir_batch *batch, struct weir_fault *fault)
{
	for (size_t i = 0; i < WEIR_PIPELINE_STAGES && pipeline->stages[i]; i++) {
		int error = pipeline->stages[i]->ops->process(pipeline->stages[i], batch, fault);
		if (error < 0)
			return error;
	}
	return give(pipeline, batch, fault);
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
		/* As many steps as keep up with what large packets bring; what has more to do than that must not hold up the batches. */
		for (int steps = 0; steps < BESIDE_STEPS && pipeline->beside && pipeline->beside(pipeline->beside_context); steps++)
			;
		result = work(pipeline, batch, fault);
		weir_batch_reset(batch);
		if (result != 0)
			break;
	}
	weir_batch_free(batch);
	return result < 0 ? result : 0;
}

/*
 * On more threads: a batch passes stations in their order: it is filled, goes through the stages, and into the sink. A station is one stage, or several
 * neighbours that are parallel, or the sink. Any thread takes whatever work there is: it stays with its batch as long as that can go on, and then takes the
 * furthest on, so that batches leave as soon as they can and no thread idles while there is work. A serial station takes the batches one at a time in the order in which they were filled, so that the result is
 * that of one thread.
 */
struct station {
	size_t first_stage, stage_count; /* 0 stages: the sink */
	bool parallel, busy;
	uint64_t next; /* serial: the batch whose turn it is */
};

struct slot {
	struct weir_batch *batch;
	uint64_t number; /* in the order of filling, from 0 */
	size_t station;  /* where it is to go next, or is */
	enum { SLOT_FREE, SLOT_READY, SLOT_AT_WORK } state;
};

struct schedule {
	const struct weir_pipeline *pipeline;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct station stations[WEIR_PIPELINE_STAGES + 1];
	size_t station_count;
	struct slot slots[8 * THREADS_MAX + 2];
	size_t slot_count;
	bool filling, ended; /* ended: nothing more is to be filled */
	bool ahead;          /* the source may have something to do ahead of filling */
	bool beside, beside_busy; /* there may be something to do beside the batches; it is being done */
	unsigned waiting;    /* threads that found nothing to do */
	uint64_t filled;     /* batches so far */
	uint64_t end;        /* batches from this number on count for nothing: one before them failed, or the sink had enough */
	int result;          /* of the batch `end`, or of the filling that came after all others */
	struct weir_fault fault;
};

static void make_stations(struct schedule *schedule)
{
	size_t stages = 0;

	for (; stages < WEIR_PIPELINE_STAGES && schedule->pipeline->stages[stages]; stages++) {
		bool parallel = schedule->pipeline->stages[stages]->ops->parallel;
		struct station *before = schedule->station_count ? &schedule->stations[schedule->station_count - 1] : NULL;
		if (parallel && before && before->parallel)
			before->stage_count++;
		else
			schedule->stations[schedule->station_count++] = (struct station){stages, 1, parallel, false, 0};
	}
	schedule->stations[schedule->station_count++] = (struct station){stages, 0, false, false, 0};
}

/* Whether a batch can go on now. */
static bool is_ready(const struct schedule *schedule, const struct slot *slot)
{
	const struct station *station = &schedule->stations[slot->station];

	return slot->state == SLOT_READY && (station->parallel || (!station->busy && station->next == slot->number));
}

/*
 * What a thread does next: it stays with the batch that it has just worked on, whose packets and facts are in its cache, when that can go on; else it takes
 * the batch that is furthest on. NULL: none can.
 */
static struct slot *find_ready(struct schedule *schedule, struct slot *own)
{
	struct slot *best = NULL;

	if (own && is_ready(schedule, own))
		return own;
	for (size_t i = 0; i < schedule->slot_count; i++) {
		struct slot *slot = &schedule->slots[i];
		if (!is_ready(schedule, slot))
			continue;
		if (!best || slot->station > best->station || (slot->station == best->station && slot->number < best->number))
			best = slot;
	}
	return best;
}

static struct slot *find_free(struct schedule *schedule)
{
	for (size_t i = 0; i < schedule->slot_count; i++)
		if (schedule->slots[i].state == SLOT_FREE)
			return &schedule->slots[i];
	return NULL;
}

/*
 * Wakes a thread when there is something left for it, before the lock is let go of for work; it does the same for the next one. To wake all at each step,
 * mostly for nothing, took a twentieth of what reading, checking and counting take on two threads.
 */
static void wake_another(struct schedule *schedule)
{
	bool can_fill = !schedule->ended && !schedule->filling && find_free(schedule);

	bool can_beside = schedule->beside && !schedule->beside_busy;

	if (schedule->waiting && (can_fill || (!schedule->ended && (can_beside || schedule->ahead)) || find_ready(schedule, NULL)))
		pthread_cond_signal(&schedule->changed);
}

/* The run ends with batch `number`: what comes before it is still worked on. */
static void end_at(struct schedule *schedule, uint64_t number, int result, const struct weir_fault *fault)
{
	schedule->ended = true;
	if (number >= schedule->end)
		return;
	schedule->end = number;
	schedule->result = result;
	schedule->fault = *fault;
}

static void free_slot(struct slot *slot)
{
	weir_batch_reset(slot->batch);
	slot->state = SLOT_FREE;
}

/* Gives back what waits behind the end. */
static void drop_behind_end(struct schedule *schedule)
{
	for (size_t i = 0; i < schedule->slot_count; i++)
		if (schedule->slots[i].state == SLOT_READY && schedule->slots[i].number >= schedule->end)
			free_slot(&schedule->slots[i]);
}

/* Called with the lock, which it lets go of while it fills. */
static void fill_slot(struct schedule *schedule, struct slot *slot)
{
	struct weir_fault fault;

	schedule->filling = true;
	schedule->ahead = schedule->pipeline->source->ops->ahead;
	slot->state = SLOT_AT_WORK;
	wake_another(schedule);
	pthread_mutex_unlock(&schedule->lock);
	weir_fault_clear(&fault);
	int result = schedule->pipeline->source->ops->fill(schedule->pipeline->source, slot->batch, &fault);
	pthread_mutex_lock(&schedule->lock);
	schedule->filling = false;
	if (result <= 0) {
		end_at(schedule, schedule->filled, result, &fault);
		free_slot(slot);
		return;
	}
	schedule->beside = schedule->pipeline->beside;
	slot->number = schedule->filled++;
	slot->station = 0;
	slot->state = SLOT_READY;
}

/* Likewise: what the source does ahead of being asked. */
static void work_ahead(struct schedule *schedule)
{
	struct weir_source *source = schedule->pipeline->source;

	wake_another(schedule);
	pthread_mutex_unlock(&schedule->lock);
	bool more = source->ops->ahead(source);
	pthread_mutex_lock(&schedule->lock);
	if (!more)
		schedule->ahead = false;
}

/* Likewise: what goes on beside the batches. */
static void work_beside(struct schedule *schedule)
{
	schedule->beside_busy = true;
	/* A batch that is filled meanwhile sets it again. */
	schedule->beside = false;
	wake_another(schedule);
	pthread_mutex_unlock(&schedule->lock);
	bool more = schedule->pipeline->beside(schedule->pipeline->beside_context);
	pthread_mutex_lock(&schedule->lock);
	schedule->beside_busy = false;
	schedule->beside |= more;
}

static int work_at(const struct weir_pipeline *pipeline, const struct station *station, struct weir_batch *batch,
                   struct weir_fault *fault)
{
	for (size_t i = 0; i < station->stage_count; i++) {
		struct weir_stage *stage = pipeline->stages[station->first_stage + i];
		int error = stage->ops->process(stage, batch, fault);
		if (error < 0)
			return error;
	}
	return station->stage_count ? 0 : give(pipeline, batch, fault);
}

/* Likewise, at the station where the slot is. */
static void work_slot(struct schedule *schedule, struct slot *slot)
{
	struct station *station = &schedule->stations[slot->station];
	struct weir_fault fault;

	slot->state = SLOT_AT_WORK;
	station->busy = true;
	wake_another(schedule);
	pthread_mutex_unlock(&schedule->lock);
	weir_fault_clear(&fault);
	int result = work_at(schedule->pipeline, station, slot->batch, &fault);
	pthread_mutex_lock(&schedule->lock);
	station->busy = false;
	if (!station->parallel)
		station->next = slot->number + 1;
	if (result != 0)
		end_at(schedule, slot->number, result, &fault);
	if (result != 0 || ++slot->station == schedule->station_count)
		free_slot(slot);
	else
		slot->state = SLOT_READY;
}

static bool at_rest(const struct schedule *schedule)
{
	for (size_t i = 0; i < schedule->slot_count; i++)
		if (schedule->slots[i].state != SLOT_FREE)
			return false;
	return true;
}

static void *work_until_end(void *argument)
{
	struct schedule *schedule = argument;
	struct slot *own = NULL;

	pthread_mutex_lock(&schedule->lock);
	for (;;) {
		if (stopped(schedule->pipeline))
			schedule->ended = true;
		drop_behind_end(schedule);
		if (schedule->beside && !schedule->beside_busy && !schedule->ended) {
			work_beside(schedule);
			continue;
		}
		struct slot *ready = find_ready(schedule, own);
		struct slot *empty = !ready && !schedule->ended && !schedule->filling ? find_free(schedule) : NULL;
		own = ready ? ready : empty;
		if (ready)
			work_slot(schedule, ready);
		else if (empty)
			fill_slot(schedule, empty);
		else if (schedule->ended && at_rest(schedule))
			break;
		else if (schedule->ahead && !schedule->ended)
			work_ahead(schedule);
		else {
			schedule->waiting++;
			pthread_cond_wait(&schedule->changed, &schedule->lock);
			schedule->waiting--;
		}
	}
	pthread_cond_broadcast(&schedule->changed);
	pthread_mutex_unlock(&schedule->lock);
	return NULL;
}

static int run_on_threads(const struct weir_pipeline *pipeline, int threads, struct weir_fault *fault)
{
	struct schedule *schedule = calloc(1, sizeof *schedule);
	pthread_t helpers[THREADS_MAX];
	int started = 0;

	if (!schedule)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for batches of packets");
	schedule->pipeline = pipeline;
	schedule->end = UINT64_MAX;
	schedule->beside = pipeline->beside; /* it may not be done with what the run before brought */
	make_stations(schedule);
	pthread_mutex_init(&schedule->lock, NULL);
	pthread_cond_init(&schedule->changed, NULL);
	/*
	 * One in hand for each thread, and more ahead, so that no one waits for the other: a stage that usually takes 50 µs a batch takes milliseconds when thousands of
	 * flows end at once. With 18 instead of 6 on two threads a whole pass takes 10 % less. The first free one is taken, so that the others cost nothing while
	 * they are not needed. Fewer where memory is short.
	 */
	while (schedule->slot_count < 8 * (size_t)threads + 2 && (schedule->slots[schedule->slot_count].batch = weir_batch_new()))
		schedule->slot_count++;
	if (schedule->slot_count == 0)
		end_at(schedule, 0, weir_fail(&schedule->fault, WEIR_E_MEMORY, "no memory for batches of packets"), &schedule->fault);
	/* Threads that can't be had are done without: the caller's own is enough. */
	while (started < threads - 1 && pthread_create(&helpers[started], NULL, work_until_end, schedule) == 0)
		started++;
	work_until_end(schedule);
	for (int i = 0; i < started; i++)
		pthread_join(helpers[i], NULL);
	int result = schedule->result;
	if (result < 0 && fault)
		*fault = schedule->fault;
	for (size_t i = 0; i < schedule->slot_count; i++)
		weir_batch_free(schedule->slots[i].batch);
	pthread_cond_destroy(&schedule->changed);
	pthread_mutex_destroy(&schedule->lock);
	free(schedule);
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
	int threads = pipeline->threads < THREADS_MAX ? pipeline->threads : THREADS_MAX;
	int result = threads > 1 ? run_on_threads(pipeline, threads, fault) : run_here(pipeline, fault);
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
