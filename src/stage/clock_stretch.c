/*
 * The coarse part of comparing two clocks: where one of them was set, and how they drift in between: stage/clock_fit.h.
 *
 * From the direction that has the most packets: the centre of the shortest interval that holds most differences of a window, which neither false
 * matches nor queues move much. Where centres jump off the line that they follow, and stay off, a clock was set: there the matches are cut.
 */
#include <math.h>
#include <stdlib.h>

#include "stage/clock_fit.h"

#define WINDOW_LEAST 16u
#define WINDOW_MOST 256u
#define WINDOWS_WANTED 64u
#define MAJORITY 0.6          /* of a window's differences lie in its centre interval */
#define STEP_LEAST_NS 50000.0 /* smaller steps are followed, not located */
#define STEP_NOISES 8.0
#define AROUND 3u             /* windows on either side that have to agree on a step */
#define DRIFT_MOST 0.005      /* no clock of a computer is worse: the times themselves are nonsense */
#define SCATTERED 100.0       /* a stretch whose windows are so many times wider than all are is nothing but false matches */

static int ascending(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return a < b ? -1 : a > b;
}

double fit_median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, ascending);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void fit_centre(struct window *window, double *values, size_t count)
{
	size_t most = (size_t)ceil(MAJORITY * (double)count), best = 0;

	qsort(values, count, sizeof *values, ascending);
	for (size_t i = 1; i + most <= count; i++)
		if (values[i + most - 1] - values[i] < values[best + most - 1] - values[best])
			best = i;
	window->centre = (values[best] + values[best + most - 1]) / 2;
	window->width = values[best + most - 1] - values[best];
}

/* Centre of the main direction's matches [from, to), less a line. */
static void look_at_window(struct fit *fit, struct window *window, double slope)
{
	size_t count = window->to - window->from;

	for (size_t i = 0; i < count; i++)
		fit->scratch[i] = fit_time(fit, fit->main[window->from + i]);
	window->time = fit_median(fit->scratch, count);
	for (size_t i = 0; i < count; i++) {
		size_t at = fit->main[window->from + i];
		fit->scratch[i] = (double)fit->used[at].difference_ns - slope * (fit_time(fit, at) - window->time);
	}
	fit_centre(window, fit->scratch, count);
}

/* Makes windows of the main matches [from, to). */
static void add_windows(struct fit *fit, size_t from, size_t to, double slope)
{
	size_t count = (to - from) / fit->window_size;

	if (count == 0 && to > from)
		count = 1;
	for (size_t i = 0; i < count; i++) {
		struct window *window = &fit->windows[fit->window_count++];
		window->from = from + i * fit->window_size;
		window->to = i + 1 < count ? window->from + fit->window_size : to;
		look_at_window(fit, window, slope);
	}
}

static int make_windows(struct fit *fit)
{
	size_t size = fit->main_count / WINDOWS_WANTED;

	fit->window_size = size < WINDOW_LEAST ? WINDOW_LEAST : size > WINDOW_MOST ? WINDOW_MOST : size;
	/* Each stretch may have one that is not full. */
	fit->windows = calloc(fit->main_count / fit->window_size + STRETCHES_MOST, sizeof *fit->windows);
	if (!fit->windows)
		return WEIR_E_MEMORY;
	add_windows(fit, 0, fit->main_count, 0);
	return 0;
}

/* The median of `count` slopes in scratch, as far as a clock can have it. */
static double sane_slope(struct fit *fit, size_t count)
{
	double slope = count ? fit_median(fit->scratch, count) : 0;

	return slope > DRIFT_MOST ? DRIFT_MOST : slope < -DRIFT_MOST ? -DRIFT_MOST : slope;
}

/* The slope of windows [from, to): the median of those between windows that are half of them apart, which steps in between don't move much. */
static double slope_of(struct fit *fit, size_t from, size_t to)
{
	size_t count = 0, apart = (to - from) / 2;

	if (to - from >= 2 && apart == 0)
		apart = 1;
	for (size_t i = from; apart && i + apart < to; i++) {
		double time = fit->windows[i + apart].time - fit->windows[i].time;
		if (time > 0)
			fit->scratch[count++] = (fit->windows[i + apart].centre - fit->windows[i].centre) / time;
	}
	return sane_slope(fit, count);
}

/* The same from neighbours: noisy, but whatever steps there are. */
static double slope_of_neighbours(struct fit *fit, size_t from, size_t to)
{
	size_t count = 0;

	for (size_t i = from; i + 1 < to; i++) {
		double time = fit->windows[i + 1].time - fit->windows[i].time;
		if (time > 0)
			fit->scratch[count++] = (fit->windows[i + 1].centre - fit->windows[i].centre) / time;
	}
	return sane_slope(fit, count);
}

static double off_line(const struct fit *fit, size_t window, double slope)
{
	return fit->windows[window].centre - slope * fit->windows[window].time;
}

/* How far the windows from `at` on are off those before it. */
static double jump_at(const struct fit *fit, size_t from, size_t to, size_t at, double slope)
{
	double before[AROUND], after[AROUND];
	size_t before_count = 0, after_count = 0;

	for (size_t i = at; i > from && before_count < AROUND; i--)
		before[before_count++] = off_line(fit, i - 1, slope);
	for (size_t i = at; i < to && after_count < AROUND; i++)
		after[after_count++] = off_line(fit, i, slope);
	return fit_median(after, after_count) - fit_median(before, before_count);
}

/*
 * Finds the greatest step within windows [from, to). *at is the first window after it. A window in which a clock was set has its
 * centre on either side, or nowhere when the step is in its middle.
 */
static bool find_step(struct fit *fit, size_t from, size_t to, size_t *at, double *jump)
{
	if (to - from < 4)
		return false;
	double slope = slope_of_neighbours(fit, from, to), greatest = 0;
	size_t count = 0;

	for (size_t i = from; i + 1 < to; i++)
		fit->scratch[count++] = fabs(off_line(fit, i + 1, slope) - off_line(fit, i, slope));
	double noise = 1.4826 * fit_median(fit->scratch, count);
	for (size_t i = from + 1; i < to; i++) {
		double here = jump_at(fit, from, to, i, slope);
		/* The medians of several see a step from afar: it is where the neighbours differ. */
		double next = off_line(fit, i, slope) - off_line(fit, i - 1, slope);
		if (here * next > 0 && fabs(next) >= 0.4 * fabs(here) && fabs(here) > fabs(greatest)) {
			greatest = here;
			*at = i;
		}
	}
	double least = STEP_NOISES * noise > STEP_LEAST_NS ? STEP_NOISES * noise : STEP_LEAST_NS;
	*jump = greatest;
	return fabs(greatest) > least;
}

/* The place in used before which the clocks differ by one line and after which by another. */
static size_t locate_step(struct fit *fit, size_t from, size_t to, size_t at, double jump)
{
	double slope = slope_of_neighbours(fit, from, to);
	size_t first = at >= from + 2 ? at - 2 : from, last = at + 2 < to ? at + 2 : to;
	double before = 0, after = 0, best = 0, cost = 0, cap = fabs(jump);
	size_t place = fit->main[fit->windows[at].from];

	/* Lines from the windows that the step is not in. */
	size_t count = 0;
	for (size_t i = at > from + 1 ? at - 1 : at; i > from && count < AROUND; i--)
		fit->scratch[count++] = off_line(fit, i - 1, slope);
	before = fit_median(fit->scratch, count);
	count = 0;
	for (size_t i = at + 1 < to ? at + 1 : at; i < to && count < AROUND; i++)
		fit->scratch[count++] = off_line(fit, i, slope);
	after = fit_median(fit->scratch, count);
	/* What it costs, more or less than with the step behind all of them, to have it before the i-th. */
	for (size_t i = fit->windows[last - 1].to; i > fit->windows[first].from; i--) {
		size_t m = fit->main[i - 1];
		double value = (double)fit->used[m].difference_ns - slope * fit_time(fit, m);
		cost += fmin(fabs(value - after), cap) - fmin(fabs(value - before), cap);
		if (cost < best) {
			best = cost;
			place = m;
		}
	}
	return place;
}

/* Cuts the matches at steps, the greatest first. */
static void find_stretches(struct fit *fit)
{
	fit->stretches[0] = (struct stretch){0, fit->window_count, 0, fit->used_count, 0};
	fit->stretch_count = 1;
	for (size_t k = 0; k < fit->stretch_count;) {
		struct stretch *stretch = &fit->stretches[k];
		double jump;
		size_t at = stretch->window_from;
		if (fit->stretch_count == STRETCHES_MOST || !find_step(fit, stretch->window_from, stretch->window_to, &at, &jump)) {
			k++;
			continue;
		}
		size_t place = locate_step(fit, stretch->window_from, stretch->window_to, at, jump);
		if (place <= stretch->from || place >= stretch->to) {
			k++;
			continue;
		}
		memmove(stretch + 2, stretch + 1, (fit->stretch_count - k - 1) * sizeof *stretch);
		fit->stretch_count++;
		stretch[1] = (struct stretch){at, stretch->window_to, place, stretch->to, 0};
		stretch->window_to = at;
		stretch->to = place;
		/* A window with matches of both sides says nothing of either. */
		while (stretch[1].window_from < stretch[1].window_to && fit->main[fit->windows[stretch[1].window_from].from] < place)
			stretch[1].window_from++;
		while (stretch->window_to > stretch->window_from && fit->main[fit->windows[stretch->window_to - 1].to - 1] >= place)
			stretch->window_to--;
	}
}

/* Makes the windows again, so that none has matches of two stretches. */
static void renew_windows(struct fit *fit)
{
	size_t at = 0;

	fit->window_count = 0;
	for (size_t k = 0; k < fit->stretch_count; k++) {
		struct stretch *stretch = &fit->stretches[k];
		size_t from = at;
		while (at < fit->main_count && fit->main[at] < stretch->to)
			at++;
		stretch->window_from = fit->window_count;
		add_windows(fit, from, at, stretch->slope);
		stretch->window_to = fit->window_count;
	}
}
/* The median width of windows. */
static double width_of(struct fit *fit, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		fit->scratch[i - from] = fit->windows[i].width;
	return to > from ? fit_median(fit->scratch, to - from) : 0;
}

/* Takes stretches out in which nothing agrees. */
static void weed_stretches(struct fit *fit)
{
	double usual = width_of(fit, 0, fit->window_count);

	for (size_t k = 0; k < fit->stretch_count; k++) {
		struct stretch *stretch = &fit->stretches[k];
		double width = width_of(fit, stretch->window_from, stretch->window_to);
		if (fit->stretch_count > 1 && width > SCATTERED * usual + GATE_LEAST_NS)
			stretch->window_to = stretch->window_from;
	}
}
int fit_stretches(struct fit *fit)
{
	double slopes = 0, weight = 0;

	if (make_windows(fit) < 0)
		return WEIR_E_MEMORY;
	/* Twice: without the drift within a window its centre is sharper, so that smaller steps show, and the slope is better. */
	double overall = slope_of_neighbours(fit, 0, fit->window_count);
	for (size_t i = 0; i < fit->window_count; i++)
		look_at_window(fit, &fit->windows[i], overall);
	overall = slope_of_neighbours(fit, 0, fit->window_count);
	find_stretches(fit);
	for (size_t k = 0; k < fit->stretch_count; k++) {
		struct stretch *stretch = &fit->stretches[k];
		size_t count = stretch->window_to - stretch->window_from;
		stretch->slope = count >= 4 ? slope_of(fit, stretch->window_from, stretch->window_to) : overall;
	}
	renew_windows(fit);
	for (size_t k = 0; k < fit->stretch_count; k++) {
		struct stretch *stretch = &fit->stretches[k];
		size_t count = stretch->window_to - stretch->window_from;
		if (count >= 4)
			stretch->slope = slope_of(fit, stretch->window_from, stretch->window_to);
		slopes += stretch->slope * (double)count;
		weight += (double)count;
	}
	fit->pair->drift = slopes / weight;
	weed_stretches(fit);
	return 0;
}
