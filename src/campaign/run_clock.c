/* The corrections of clocks in a run: estimated once when it begins, then part of its state. */
#include <stdlib.h>
#include <string.h>

#include "campaign/run.h"

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
