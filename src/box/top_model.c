/* Looking at everything: box/top.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box/top.h"
#include "box/top_filter.h"
#include "core/clock.h"

static void say_lack(struct top *top, enum top_lack lack, const char *text)
{
	snprintf(top->lack[lack], TOP_LACK_SIZE, "%.*s", TOP_LACK_SIZE - 1, text);
}

static int open_traffic(struct top *top, struct weir_fault *fault)
{
	struct weir_fault refused;

	if (top->options.unwanted[TOP_LACK_CAPTURE])
		return 0;
	if (top->options.no_capture) {
		say_lack(top, TOP_LACK_CAPTURE, "packets are not captured (--no-capture)");
		return 0;
	}
	int error = top_traffic_new(&top->options.traffic, &top->traffic, fault);
	if (error)
		return error;
	if (top_capture_open(&top->options.capture, top->traffic, &top->capture, &refused)) {
		/* That an interface does not exist is the caller's mistake; that a right is missing is told beside what can be shown. */
		if (top->options.capture.count && refused.code != WEIR_E_PERMISSION) {
			*fault = refused;
			return refused.code;
		}
		say_lack(top, TOP_LACK_CAPTURE, refused.message);
	}
	return 0;
}

/* Those that are shown; all, when the system lacks a group of them. */
static int open_counters(struct top *top, struct weir_fault *fault)
{
	static const char *const groups[] = {"interface", "disk", "cpu", "memory", "pressure"};
	int error = counters_open(groups, sizeof groups / sizeof *groups, &top->counters, fault);

	return error == WEIR_E_NOT_FOUND ? counters_open(NULL, 0, &top->counters, fault) : error;
}

static void open_box(struct top *top)
{
	const struct endpoints_options endpoints = {0};
	struct weir_fault refused;

	const bool *unwanted = top->options.unwanted;

	if (!unwanted[TOP_LACK_COUNTERS])
		say_lack(top, TOP_LACK_COUNTERS, open_counters(top, &refused) ? refused.message : counters_lack(top->counters));
	if (!unwanted[TOP_LACK_ENDPOINTS])
		say_lack(top, TOP_LACK_ENDPOINTS,
		         endpoints_open(&endpoints, &top->endpoints, &refused) ? refused.message : endpoints_lack(top->endpoints));
	if (!unwanted[TOP_LACK_DROPS] && drops_open(&top->drops, &refused))
		say_lack(top, TOP_LACK_DROPS, refused.message);
}

int top_open(const struct top_options *options, struct top **top, struct weir_fault *fault)
{
	struct top *made = calloc(1, sizeof *made);

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory");
	made->options = *options;
	int error = open_traffic(made, fault);
	if (error) {
		top_close(made);
		return error;
	}
	open_box(made);
	if (!options->campaign)
		say_lack(made, TOP_LACK_RECORDER, "no campaign here: name that of a recording with --campaign DIR");
	*top = made;
	return 0;
}

static void free_recorders(struct top *top)
{
	for (size_t i = 0; i < top->recorder_count; i++)
		recorder_status_free(&top->recorder[i]);
	free(top->recorder);
	top->recorder = NULL;
	top->recorder_count = 0;
}

void top_close(struct top *top)
{
	if (!top)
		return;
	top_capture_close(top->capture);
	top_traffic_free(top->traffic);
	counters_close(top->counters);
	endpoints_close(top->endpoints);
	drops_close(top->drops);
	free_recorders(top);
	top_filter_free(top->filter);
	free(top->process);
	free(top->flow);
	free(top->host);
	free(top->application);
	free(top->packets);
	free(top->frozen_copy);
	free(top->frozen_list);
	free(top->tuples);
	free(top);
}

/* ---- looking ---- */

static int look_at_traffic(struct top *top, double seconds, struct weir_fault *fault)
{
	if (!top->capture)
		return 0;
	top_capture_tick(top->capture, seconds);
	top_traffic_tick(top->traffic, top->now_ns, seconds);
	if (top->frozen)
		return 0;
	int error = top_traffic_flows(top->traffic, &top->flow, &top->flow_count, &top->flow_room, fault);
	if (!error && top->wants_packets) {
		free(top->packets);
		top->packets = NULL;
		error = top_traffic_packets(top->traffic, &top->packets, fault);
	}
	return error;
}

static void look_at_recorders(struct top *top)
{
	struct weir_fault refused;

	if (!top->options.campaign || top->frozen)
		return;
	free_recorders(top);
	say_lack(top, TOP_LACK_RECORDER, "");
	if (recorder_status_list(top->options.campaign, &top->recorder, &top->recorder_count, &refused))
		say_lack(top, TOP_LACK_RECORDER, refused.message);
}

uint32_t top_endpoints_every(double cost_ns, double interval_ns)
{
	double looks = interval_ns > 0 ? ceil(cost_ns / (interval_ns * TOP_ENDPOINTS_SHARE)) : 1;

	return looks < 1 ? 1 : looks > 60 ? 60 : (uint32_t)looks;
}

/* Nearly all of it is the kernel's time, and this thread's. */
static void look_at_endpoints(struct top *top, bool first)
{
	struct weir_fault refused;
	int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	if (top->endpoints_wait && --top->endpoints_wait)
		return;
	if (endpoints_refresh(top->endpoints, &refused))
		say_lack(top, TOP_LACK_ENDPOINTS, refused.message);
	if (!top->frozen) {
		top->endpoint = endpoints_list(top->endpoints, &top->endpoint_count);
		top->tuples_made = false;
	}
	double cost = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - before);
	/* The first look reads all of /proc, and says nothing about the others. */
	if (!first)
		top->endpoints_cost_ns = top->endpoints_cost_ns > 0 ? 0.75 * top->endpoints_cost_ns + 0.25 * cost : cost;
	top->endpoints_every = top_endpoints_every(top->endpoints_cost_ns, (double)(top->options.interval_ns ? top->options.interval_ns : NS_PER_SECOND));
	top->endpoints_wait = top->endpoints_every;
}

/* Endpoints and drops are looked at even when frozen, since their events have to go somewhere. */
static void look_at_events(struct top *top, bool first)
{
	struct weir_fault refused;

	if (top->endpoints)
		look_at_endpoints(top, first);
	if (!top->drops)
		return;
	if (drops_refresh(top->drops, &refused))
		say_lack(top, TOP_LACK_DROPS, refused.message);
	if (!top->frozen) {
		size_t count;
		const struct drop *list = drops_list(top->drops, &count);
		top->drop_count = drops_fold(list, count, top->drop, TOP_DROPS_MOST);
	}
}

int top_refresh(struct top *top, struct weir_fault *fault)
{
	struct weir_fault refused;
	int64_t now = clock_monotonic_ns();
	double seconds = top->looked_ns ? (double)(now - top->looked_ns) / 1e9 : 0;

	top->looked_ns = now;
	if (!top->frozen) {
		top->now_ns = clock_wall_ns();
		top->looks++;
		if (top->counters && counters_refresh(top->counters, &refused))
			say_lack(top, TOP_LACK_COUNTERS, refused.message);
	}
	look_at_events(top, seconds <= 0);
	look_at_recorders(top);
	int error = look_at_traffic(top, seconds, fault);
	if (!top->frozen)
		top_filter_looked(top->filter);
	return error || top->frozen ? error : top_group(top, true, fault);
}

int top_freeze(struct top *top, bool frozen, struct weir_fault *fault)
{
	size_t count = top->endpoint_count;

	if (frozen == top->frozen)
		return 0;
	if (frozen) {
		struct endpoint *copy = malloc((count + 1) * sizeof *copy);
		const struct endpoint **list = malloc((count + 1) * sizeof *list);
		if (!copy || !list) {
			free(copy);
			free(list);
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to freeze %zu endpoints", count);
		}
		for (size_t i = 0; i < count; i++) {
			copy[i] = *top->endpoint[i];
			list[i] = &copy[i];
		}
		free(top->frozen_copy);
		free(top->frozen_list);
		top->frozen_copy = copy;
		top->frozen_list = list;
		top->endpoint = list;
	}
	top->frozen = frozen;
	top->endpoints_wait = 0;
	/* Rates over less would tell nothing: then the next look comes soon. */
	return frozen || clock_monotonic_ns() - top->looked_ns < NS_PER_SECOND / 4 ? 0 : top_refresh(top, fault);
}

void top_lane_name(const struct top *top, uint16_t lane, char name[static 64])
{
	struct top_capture_lane state = {0};

	if (top->capture && lane < top_capture_lanes(top->capture))
		top_capture_lane(top->capture, lane, &state);
	memcpy(name, state.interface, 64);
}

static const struct counter *counter_of(const struct top *top, const char *group, const char *instance, const char *name)
{
	const struct counter *counter = top->counters ? counters_named(top->counters, group, instance, name) : NULL;

	return counter && counter->there ? counter : NULL;
}

double top_counter_rate(const struct top *top, const char *group, const char *instance, const char *name, bool *known)
{
	const struct counter *counter = counter_of(top, group, instance, name);

	*known = counter && !isnan(counter->rate);
	return *known ? counter->rate : 0;
}

double top_counter_value(const struct top *top, const char *group, const char *instance, const char *name, bool *known)
{
	const struct counter *counter = counter_of(top, group, instance, name);

	*known = counter != NULL;
	return *known ? counter->value : 0;
}
