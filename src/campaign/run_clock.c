/* The corrections of clocks in a run: estimated once when it begins, then part of its state. */
#include <stdlib.h>
#include <string.h>

#include "campaign/run.h"

static int no_memory(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_MEMORY, "no memory for the clocks of the run");
}

/* Whose clock an input was recorded by: in a campaign the node's ("raw/NODE/…"), of files each its own. */
static void clock_name(const struct run *run, const struct run_input *input, char name[static RUN_CLOCK_NAME])
{
	if (!run->campaign) {
		snprintf(name, RUN_CLOCK_NAME, "%s", input->path);
		return;
	}
	const char *node = strchr(input->path, '/');
	node = node ? node + 1 : input->path;
	snprintf(name, RUN_CLOCK_NAME, "%.*s", (int)strcspn(node, "/"), node);
}

/* A clock for each node, or file, without a correction as yet. */
int run_clocks_list(struct run *run, struct weir_fault *fault)
{
	for (size_t i = 0; i < run->plan.input_count; i++) {
		char name[RUN_CLOCK_NAME];
		clock_name(run, &run->plan.inputs[i], name);
		size_t k = run->campaign ? 0 : run->clock_count;
		while (k < run->clock_count && strcmp(run->clocks[k].name, name) != 0)
			k++;
		if (k < run->clock_count)
			continue;
		struct run_clock *more = realloc(run->clocks, (run->clock_count + 1) * sizeof *more);
		if (!more)
			return no_memory(fault);
		run->clocks = more;
		more[run->clock_count] = (struct run_clock){0};
		memcpy(more[run->clock_count++].name, name, sizeof name);
	}
	return 0;
}

static int keep_estimate(struct run_clock *clock, const struct weir_clock_estimate *estimate, struct weir_fault *fault)
{
	clock->knots = malloc((estimate->clock.count ? estimate->clock.count : 1) * sizeof *clock->knots);
	if (!clock->knots)
		return no_memory(fault);
	clock->count = estimate->clock.count;
	clock->shared = estimate->matches;
	clock->steps = estimate->steps;
	clock->drift = estimate->drift;
	snprintf(clock->basis, sizeof clock->basis, "%s", weir_clock_basis_name(estimate->basis));
	if (clock->count)
		memcpy(clock->knots, estimate->clock.knots, clock->count * sizeof *clock->knots);
	return 0;
}

/* Moments of the campaign, between its first and last packet that are asked for. *vantages: by clock. */
static int see_nodes(struct run *run, struct weir_clock_estimator *estimator, uint32_t *vantages, struct weir_fault *fault)
{
	const struct run_plan *plan = &run->plan;
	struct weir_clock_campaign what = {
		.from_ns = plan->from_ns > plan->inputs[0].first_ns ? plan->from_ns : plan->inputs[0].first_ns,
		.to_ns = plan->to_ns,
		.threads = run->threads,
		.memory_bytes = plan->memory_bytes / 4,
		.stop = run->options->stop,
	};
	size_t count = 0;
	char **nodes = NULL;
	int error = weir_clock_estimator_read_campaign(estimator, run->campaign, &what, &nodes, &count, fault);

	for (size_t i = 0; !error && i < run->clock_count; i++) {
		vantages[i] = UINT32_MAX; /* nothing of it was seen */
		for (size_t k = 0; k < count; k++)
			if (strcmp(nodes[k], run->clocks[i].name) == 0)
				vantages[i] = (uint32_t)k;
	}
	if (!error)
		weir_clock_nodes_free(nodes, count);
	return error;
}

static int see_files(struct run *run, struct weir_clock_estimator *estimator, uint32_t *vantages, struct weir_fault *fault)
{
	struct weir_clock_reading reading = {.threads = run->threads, .stop = run->options->stop, .identities = run->options->identities};
	const char **paths = malloc(run->plan.input_count * sizeof *paths);

	if (!paths)
		return no_memory(fault);
	for (size_t i = 0; i < run->plan.input_count; i++)
		paths[i] = run->plan.inputs[i].path;
	int error = weir_clock_estimator_read_files(estimator, paths, run->plan.input_count, &reading, vantages, fault);
	free(paths);
	return error;
}

static int estimate(struct run *run, uint32_t *vantages, struct weir_fault *fault)
{
	struct weir_clock_estimator_options options = {.memory_bytes = run->plan.memory_bytes / 4, .reference = UINT32_MAX};
	const struct weir_clock_estimate *estimates;
	struct weir_clock_estimator *estimator;
	size_t count = 0;
	int error = weir_clock_estimator_new(&options, &estimator, fault);

	if (error)
		return error;
	error = run->campaign ? see_nodes(run, estimator, vantages, fault) : see_files(run, estimator, vantages, fault);
	if (!error)
		error = weir_clock_estimator_solve(estimator, &estimates, &count, fault);
	for (size_t i = 0; !error && i < run->clock_count; i++)
		for (size_t k = 0; !error && k < count; k++)
			if (estimates[k].vantage == vantages[i])
				error = keep_estimate(&run->clocks[i], &estimates[k], fault);
	weir_clock_estimator_free(estimator);
	return error;
}

/* One clock has nothing to be compared with. */
int run_clocks_estimate(struct run *run, struct weir_fault *fault)
{
	if (run->clock_count < 2)
		return 0;
	uint32_t *vantages = calloc(run->clock_count, sizeof *vantages);
	int error = vantages ? estimate(run, vantages, fault) : no_memory(fault);
	free(vantages);
	return error;
}

bool run_clocks_correct(const struct run *run)
{
	for (size_t i = 0; i < run->clock_count; i++)
		if (run->clocks[i].count)
			return true;
	return false;
}

struct weir_clock run_clock_of(const struct run *run, size_t i)
{
	return i < run->clock_count ? (struct weir_clock){run->clocks[i].knots, run->clocks[i].count} : (struct weir_clock){0};
}

/* What clock i showed when it was time_ns: the first such time where it was set. Corrections are small against the span that is searched. */
int64_t run_clock_reading(const struct run *run, size_t i, int64_t time_ns)
{
	struct weir_clock clock = run_clock_of(run, i);
	int64_t most_ns = 0;

	for (size_t k = 0; k < clock.count; k++) {
		int64_t correction_ns = clock.knots[k].correction_ns;
		if (correction_ns > most_ns || -correction_ns > most_ns)
			most_ns = correction_ns < 0 ? -correction_ns : correction_ns;
	}
	int64_t low = time_ns - most_ns, high = time_ns + most_ns;
	if (!clock.count || low > time_ns || high < time_ns)
		return time_ns;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		if (weir_clock_correct(&clock, middle) < time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void run_clocks_free(struct run *run)
{
	for (size_t i = 0; i < run->clock_count; i++)
		free(run->clocks[i].knots);
	free(run->clocks);
	run->clocks = NULL;
	run->clock_count = 0;
}

int run_clocks_save(struct run *run, struct weir_state *state, struct weir_fault *fault)
{
	int error = weir_state_section(state, "clocks", 1, fault);

	for (size_t i = 0; !error && i < run->clock_count; i++) {
		error = weir_state_put(state, &run->clocks[i], sizeof run->clocks[i], fault);
		if (!error)
			error = weir_state_put(state, run->clocks[i].knots, run->clocks[i].count * sizeof *run->clocks[i].knots, fault);
	}
	return error;
}

static int load_clock(struct weir_state *state, struct run_clock *clock, struct weir_fault *fault)
{
	int error = weir_state_get(state, clock, sizeof *clock, fault);

	clock->knots = NULL;
	clock->name[sizeof clock->name - 1] = '\0';
	if (!error && clock->count > weir_state_left(state) / sizeof *clock->knots)
		error = weir_fail(fault, WEIR_E_FORMAT, "the state of the run is not sound: start the run anew");
	if (!error) {
		clock->knots = malloc(clock->count ? clock->count * sizeof *clock->knots : 1);
		error = clock->knots ? weir_state_get(state, clock->knots, clock->count * sizeof *clock->knots, fault)
		                     : weir_fail(fault, WEIR_E_MEMORY, "no memory for the state of the run");
	}
	return error;
}

/* run->clock_count says how many there are. */
int run_clocks_load(struct run *run, struct weir_state *state, struct weir_fault *fault)
{
	size_t count = run->clock_count;
	int error = weir_state_section(state, "clocks", 1, fault);

	run->clock_count = 0;
	if (!error && count > weir_state_left(state) / sizeof *run->clocks)
		error = weir_fail(fault, WEIR_E_FORMAT, "the state of the run is not sound: start the run anew");
	if (error)
		return error;
	run->clocks = calloc(count ? count : 1, sizeof *run->clocks);
	if (!run->clocks)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the state of the run");
	while (!error && run->clock_count < count)
		error = load_clock(state, &run->clocks[run->clock_count++], fault);
	return error;
}
