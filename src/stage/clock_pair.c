/* What the packets that two vantages share tell of their clocks: stage/clock_estimate.h. */
#include <math.h>
#include <stdlib.h>

#include "stage/clock_fit.h"

static enum weir_clock_basis basis_of(uint64_t there, uint64_t back, uint64_t same)
{
	if (there >= CLOCK_MATCHES_LEAST && back >= CLOCK_MATCHES_LEAST)
		return WEIR_CLOCK_TWO_WAY;
	if (same >= CLOCK_MATCHES_LEAST && same >= there + back)
		return WEIR_CLOCK_ONE_PLACE;
	if (there >= CLOCK_MATCHES_LEAST || back >= CLOCK_MATCHES_LEAST)
		return WEIR_CLOCK_ONE_WAY;
	return WEIR_CLOCK_NONE;
}

/* Chooses what counts and moves it to the front; used and main of the fit. */
static int choose(struct fit *fit, struct clock_match *matches, size_t count)
{
	uint64_t by[3] = {0};

	for (size_t i = 0; i < count; i++)
		by[matches[i].direction]++;
	fit->pair->basis = basis_of(by[CLOCK_THERE], by[CLOCK_BACK], by[CLOCK_SAME]);
	if (fit->pair->basis == WEIR_CLOCK_NONE)
		return 0;
	bool place = fit->pair->basis == WEIR_CLOCK_ONE_PLACE;
	fit->main_direction = place ? CLOCK_SAME : by[CLOCK_THERE] >= by[CLOCK_BACK] ? CLOCK_THERE : CLOCK_BACK;
	for (size_t i = 0; i < count; i++)
		if ((matches[i].direction == CLOCK_SAME) == place)
			matches[fit->used_count++] = matches[i];
	fit->used = matches;
	fit->origin_ns = matches[0].time_ns;
	fit->main = malloc(fit->used_count * sizeof *fit->main);
	/* look_at_fine takes three for each match of a window. */
	fit->scratch = malloc((4 * fit->used_count + 16) * sizeof *fit->scratch);
	if (!fit->main || !fit->scratch)
		return WEIR_E_MEMORY;
	for (size_t i = 0; i < fit->used_count; i++)
		if (fit->used[i].direction == fit->main_direction)
			fit->main[fit->main_count++] = i;
	return 0;
}
/* What NTP allows: matches that it rules out are left out, unless they are most. */
static size_t apply_bounds(struct clock_pair *pair, struct clock_match *matches, size_t count, const struct clock_vantage *a,
                           const struct clock_vantage *b)
{
	size_t inside = 0, told = 0, kept = 0;
	int64_t of_a, of_b;

	if (!a->bound_count || !b->bound_count)
		return count;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			const struct clock_match *match = &matches[i];
			bool known = clock_bound_at(a, match->time_ns, &of_a) && clock_bound_at(b, match->time_ns + match->difference_ns, &of_b);
			/* A packet may take its time as well: as long as the widest path. */
			bool allowed = !known || llabs(match->difference_ns) <= of_a + of_b + INT64_C(1000000000);
			told += pass == 0 && known;
			inside += pass == 0 && known && allowed;
			if (pass == 1 && allowed)
				matches[kept++] = *match;
		}
		if (told == 0)
			return count;
		if (pass == 0 && inside * 2 < told) {
			pair->contradicted = true;
			return count;
		}
	}
	pair->bounded = true;
	pair->rejected += count - kept;
	return kept;
}

/* The match nearest to a step, on one side of it, that is no false one: its difference is like that of the point. */
static size_t sound_match(const struct fit *fit, size_t at, int step, const struct clock_point *point, double near)
{
	for (unsigned i = 0; i < 64 && at < fit->used_count; i++, at += (size_t)step)
		if (fabs((double)(fit->used[at].difference_ns - point->difference_ns)) < near)
			return at;
	return SIZE_MAX;
}

/* Of which clock it can be told that it was set between two points: the one whose time went on by what it does not otherwise. */
static void blame(struct fit *fit)
{
	struct clock_pair *pair = fit->pair;

	for (size_t k = 1; k < pair->count; k++) {
		const struct clock_point *before = &pair->points[k - 1], *after = &pair->points[k];
		if (before->stretch == after->stretch)
			continue;
		pair->steps++;
		double near = fabs((double)(after->difference_ns - before->difference_ns)) / 2;
		size_t place = fit->stretches[after->stretch].from;
		size_t p = sound_match(fit, place - 1, -1, before, near), n = sound_match(fit, place, 1, after, near);
		if (p == SIZE_MAX || n == SIZE_MAX)
			continue;
		size_t count = 0;
		for (size_t i = p > 16 ? p - 16 : 1; i < n + 16 && i < fit->used_count; i++)
			if (i <= p || i > n)
				fit->scratch[count++] = fit_time(fit, i) - fit_time(fit, i - 1);
		if (count == 0)
			continue;
		double usual = fit_median(fit->scratch, count) * (double)(n - p), of_a = fit_time(fit, n) - fit_time(fit, p);
		double of_b = of_a + (double)(fit->used[n].difference_ns - fit->used[p].difference_ns);
		if (fabs(of_a - of_b) < 4 * usual)
			continue;
		if (fabs(of_a - usual) > fabs(of_b - usual))
			pair->steps_of_a++;
		else
			pair->steps_of_b++;
	}
}

/* Points that NTP narrows down, or that lie where it does not let them. */
static void bound_points(struct clock_pair *pair, const struct clock_vantage *a, const struct clock_vantage *b)
{
	int64_t of_a, of_b;

	for (size_t i = 0; pair->bounded && i < pair->count; i++) {
		struct clock_point *point = &pair->points[i];
		if (!clock_bound_at(a, point->time_ns, &of_a) || !clock_bound_at(b, point->time_ns + point->difference_ns, &of_b))
			continue;
		int64_t most = of_a + of_b;
		if (point->difference_ns > most)
			point->difference_ns = most;
		else if (point->difference_ns < -most)
			point->difference_ns = -most;
		if (point->uncertainty_ns > 2 * most)
			point->uncertainty_ns = 2 * most;
	}
}
int clock_pair_solve(struct clock_pair *pair, struct clock_match *matches, size_t count, const struct clock_vantage *a,
                     const struct clock_vantage *b, struct weir_fault *fault)
{
	struct fit *fit = calloc(1, sizeof *fit);
	int error = fit ? 0 : WEIR_E_MEMORY;

	pair->matches = count;
	pair->basis = WEIR_CLOCK_NONE;
	if (!error) {
		fit->pair = pair;
		error = choose(fit, matches, apply_bounds(pair, matches, count, a, b));
	}
	if (!error && pair->basis != WEIR_CLOCK_NONE)
		error = fit_stretches(fit);
	if (!error && pair->basis != WEIR_CLOCK_NONE)
		error = fit_points(fit);
	if (!error && pair->basis != WEIR_CLOCK_NONE)
		blame(fit);
	if (!error)
		bound_points(pair, a, b);
	if (fit) {
		free(fit->main);
		free(fit->scratch);
		free(fit->windows);
		free(fit);
	}
	return error ? weir_fail(fault, WEIR_E_MEMORY, "no memory to compare clocks") : 0;
}
