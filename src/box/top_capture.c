/* Capture for a screen: box/top_capture.h. */
#include "box/top_capture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/live.h>

#include "core/clock.h"

#define BUDGET_DEFAULT 10000u
#define SNAPLEN_DEFAULT 512u
#define RING_BYTES (UINT64_C(2) << 20)
#define QUIET_MS 500
#define REST_NS (10 * NS_PER_SECOND)
#define ONE_IN_MOST (1u << 20)

struct lane {
	struct weir_sink sink;
	struct weir_stage sampler;
	struct weir_stage *decode;
	struct top_capture *capture;
	uint16_t number;
	char interface[64];
	pthread_t thread;
	bool started;
	uint32_t pass;             /* the lane's thread's: packets to be passed over before the next that is looked at */
	_Atomic uint32_t one_in;   /* relaxed: a new value may come a batch late */
	_Atomic uint64_t looked_at; /* in this interval; relaxed likewise */
	/* Under the capture's lock: */
	struct weir_source *source; /* NULL: rests, or could not be opened */
	bool rest;
	uint64_t received_before, lost_before; /* of sources that are closed */
	uint64_t received_last;
	double rate;
	char fault[160];
};

struct top_capture {
	struct top_capture_options options;
	struct top_traffic *traffic;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	_Atomic int stop;
	struct lane *lanes;
	size_t count;
};

uint32_t top_capture_one_in(double rate, double budget)
{
	uint32_t one_in = 1;

	while (one_in < ONE_IN_MOST && rate > budget * one_in)
		one_in *= 2;
	return one_in;
}

uint32_t top_capture_sample(struct weir_batch *batch, uint32_t one_in, uint32_t *pass)
{
	uint32_t left = 0;

	/* What was to be passed over when much came would be all that comes for minutes when little does. */
	if (*pass >= one_in)
		*pass = one_in - 1;
	for (uint32_t i = 0; i < batch->count; i++) {
		if (*pass) {
			--*pass;
			batch->packets[i].verdict = WEIR_DROP;
		} else {
			*pass = one_in - 1;
			left++;
		}
	}
	return left;
}

/* Passes over all but one in N; when more comes than was expected N grows at once. The weight is that of the whole batch. */
static int sample(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct lane *lane = (struct lane *)((char *)base - offsetof(struct lane, sampler));
	uint32_t one_in = atomic_load_explicit(&lane->one_in, memory_order_relaxed);
	uint64_t looked_at = atomic_load_explicit(&lane->looked_at, memory_order_relaxed);
	uint32_t share = lane->capture->options.budget / (uint32_t)lane->capture->count + 1;

	while (looked_at + batch->count / one_in > share && batch->count > one_in && one_in < ONE_IN_MOST)
		one_in *= 2;
	atomic_store_explicit(&lane->one_in, one_in, memory_order_relaxed);
	looked_at += top_capture_sample(batch, one_in, &lane->pass);
	atomic_store_explicit(&lane->looked_at, looked_at, memory_order_relaxed);
	return 0;
}

static void nothing_to_close(struct weir_stage *stage) { (void)stage; }

static const struct weir_stage_ops sampler_ops = {.name = "sample", .process = sample, .close = nothing_to_close};

static int consume(struct weir_sink *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct lane *lane = (struct lane *)base;

	if (batch->count)
		top_traffic_add(lane->capture->traffic, batch, atomic_load_explicit(&lane->one_in, memory_order_relaxed), lane->number);
	return 0;
}

static int finish(struct weir_sink *sink, struct weir_fault *fault) { return 0; }

static void sink_close(struct weir_sink *sink) { (void)sink; }

static const struct weir_sink_ops sink_ops = {.name = "top", .consume = consume, .finish = finish, .close = sink_close};

static int open_source(struct lane *lane, struct weir_source **source, struct weir_fault *fault)
{
	const struct weir_live_options live = {
		.interface = lane->interface,
		.snaplen = lane->capture->options.snaplen,
		.ring_bytes = RING_BYTES,
		.no_promiscuous = true,
		.quiet_ms = QUIET_MS,
	};

	return weir_live_open(&live, source, fault);
}

/* Takes the source from those who look, and its counts into the sums. */
static void close_source(struct lane *lane)
{
	struct weir_live_statistics live;
	struct weir_source *source = lane->source;

	pthread_mutex_lock(&lane->capture->lock);
	weir_live_statistics(source, &live);
	lane->received_before += live.received;
	lane->lost_before += live.ring_dropped;
	lane->source = NULL;
	pthread_mutex_unlock(&lane->capture->lock);
	weir_source_close(source);
}

/* Waits until it is time to try again. False: it is over. */
static bool rest(struct lane *lane)
{
	struct top_capture *capture = lane->capture;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += REST_NS / NS_PER_SECOND;
	pthread_mutex_lock(&capture->lock);
	while (!atomic_load(&capture->stop) && pthread_cond_timedwait(&capture->changed, &capture->lock, &until) == 0)
		;
	pthread_mutex_unlock(&capture->lock);
	return !atomic_load(&capture->stop);
}

static void say_fault(struct lane *lane, const struct weir_fault *fault)
{
	pthread_mutex_lock(&lane->capture->lock);
	snprintf(lane->fault, sizeof lane->fault, "%.*s", (int)sizeof lane->fault - 1, fault ? fault->message : "");
	pthread_mutex_unlock(&lane->capture->lock);
}

static void *lane_run(void *argument)
{
	struct lane *lane = argument;
	struct weir_fault fault;

	do {
		struct weir_source *source = NULL;
		/* The first was opened by top_capture_open. */
		if (!lane->source && open_source(lane, &source, &fault)) {
			say_fault(lane, &fault);
			continue;
		}
		pthread_mutex_lock(&lane->capture->lock);
		lane->source = lane->source ? lane->source : source;
		lane->rest = false;
		lane->fault[0] = 0;
		pthread_mutex_unlock(&lane->capture->lock);
		const struct weir_pipeline pipeline = {
			.source = lane->source,
			.stages = {&lane->sampler, lane->decode},
			.sink = &lane->sink,
			.threads = 1,
			.stop = &lane->capture->stop,
		};
		if (weir_pipeline_run(&pipeline, &fault) < 0)
			say_fault(lane, &fault);
		close_source(lane);
	} while (rest(lane));
	return NULL;
}

static int add_lane(struct top_capture *capture, const char *interface, struct weir_fault *fault)
{
	struct lane *lane = &capture->lanes[capture->count];

	*lane = (struct lane){
		.sink = {&sink_ops}, .sampler = {&sampler_ops}, .capture = capture, .number = (uint16_t)capture->count, .one_in = 1};
	snprintf(lane->interface, sizeof lane->interface, "%s", interface);
	int error = open_source(lane, &lane->source, fault);
	if (error)
		return error;
	lane->decode = weir_decode_stage_new();
	if (!lane->decode) {
		weir_source_close(lane->source);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a stage");
	}
	capture->count++;
	return 0;
}

/* All that are up but loopback; loopback when there is nothing else. */
static int add_what_is_up(struct top_capture *capture, struct weir_fault *fault)
{
	struct weir_live_interface *list;
	size_t count;
	int error = weir_live_interfaces(&list, &count, fault);

	if (error)
		return error;
	for (int loopback = 0; loopback < 2 && !capture->count; loopback++)
		for (size_t i = 0; i < count && capture->count < TOP_CAPTURE_INTERFACES_MOST; i++)
			if (list[i].up && list[i].loopback == loopback)
				error = add_lane(capture, list[i].name, fault);
	free(list);
	if (capture->count)
		return 0;
	return error ? error : weir_fail(fault, WEIR_E_NOT_FOUND, "no interface is up");
}

static int open_lanes(struct top_capture *capture, struct weir_fault *fault)
{
	int error = 0;

	if (!capture->options.count)
		return add_what_is_up(capture, fault);
	if (capture->options.count > TOP_CAPTURE_INTERFACES_MOST)
		return weir_fail(fault, WEIR_E_USAGE, "at most %d interfaces", TOP_CAPTURE_INTERFACES_MOST);
	for (size_t i = 0; i < capture->options.count && !error; i++)
		error = add_lane(capture, capture->options.interfaces[i], fault);
	return error;
}

int top_capture_open(const struct top_capture_options *options, struct top_traffic *traffic, struct top_capture **capture,
                     struct weir_fault *fault)
{
	struct top_capture *made = calloc(1, sizeof *made);
	pthread_condattr_t monotonic;

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to capture");
	made->options = *options;
	made->options.budget = options->budget ? options->budget : BUDGET_DEFAULT;
	made->options.snaplen = options->snaplen ? options->snaplen : SNAPLEN_DEFAULT;
	made->traffic = traffic;
	pthread_mutex_init(&made->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&made->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	made->lanes = calloc(TOP_CAPTURE_INTERFACES_MOST, sizeof *made->lanes);
	int error = made->lanes ? open_lanes(made, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory to capture");
	for (size_t i = 0; i < made->count && !error; i++) {
		int refused = pthread_create(&made->lanes[i].thread, NULL, lane_run, &made->lanes[i]);
		made->lanes[i].started = !refused;
		if (refused)
			error = weir_fail_errno(fault, refused, NULL, "cannot start a thread");
	}
	if (error)
		top_capture_close(made);
	else
		*capture = made;
	return error;
}

void top_capture_close(struct top_capture *capture)
{
	if (!capture)
		return;
	pthread_mutex_lock(&capture->lock);
	atomic_store(&capture->stop, 1);
	for (size_t i = 0; i < capture->count; i++)
		if (capture->lanes[i].source)
			weir_live_stop(capture->lanes[i].source);
	pthread_cond_broadcast(&capture->changed);
	pthread_mutex_unlock(&capture->lock);
	for (size_t i = 0; i < capture->count; i++) {
		struct lane *lane = &capture->lanes[i];
		if (lane->started)
			pthread_join(lane->thread, NULL);
		weir_source_close(lane->source);
		weir_stage_close(lane->decode);
	}
	pthread_cond_destroy(&capture->changed);
	pthread_mutex_destroy(&capture->lock);
	free(capture->lanes);
	free(capture);
}

static uint64_t received_by(const struct lane *lane, uint64_t *lost)
{
	struct weir_live_statistics live = {0};

	if (lane->source)
		weir_live_statistics(lane->source, &live);
	*lost = lane->lost_before + live.ring_dropped;
	return lane->received_before + live.received;
}

void top_capture_tick(struct top_capture *capture, double seconds)
{
	if (seconds <= 0)
		return;
	pthread_mutex_lock(&capture->lock);
	for (size_t i = 0; i < capture->count; i++) {
		struct lane *lane = &capture->lanes[i];
		uint64_t lost, received = received_by(lane, &lost);
		lane->rate = (double)(received - lane->received_last) / seconds;
		lane->received_last = received;
		atomic_store_explicit(&lane->one_in, top_capture_one_in(lane->rate, (double)capture->options.budget / (double)capture->count),
		                      memory_order_relaxed);
		atomic_store_explicit(&lane->looked_at, 0, memory_order_relaxed);
		if (lane->rate > TOP_CAPTURE_RATE_MOST && lane->source && !lane->rest) {
			lane->rest = true;
			weir_live_stop(lane->source);
		}
	}
	pthread_mutex_unlock(&capture->lock);
}

size_t top_capture_lanes(const struct top_capture *capture) { return capture->count; }

void top_capture_lane(struct top_capture *capture, size_t index, struct top_capture_lane *out)
{
	struct lane *lane = &capture->lanes[index];

	pthread_mutex_lock(&capture->lock);
	*out = (struct top_capture_lane){
		.rate = lane->rate,
		.one_in = atomic_load_explicit(&lane->one_in, memory_order_relaxed),
		.resting = lane->rest,
	};
	out->received = received_by(lane, &out->lost);
	snprintf(out->interface, sizeof out->interface, "%s", lane->interface);
	snprintf(out->fault, sizeof out->fault, "%s", lane->fault);
	pthread_mutex_unlock(&capture->lock);
}
