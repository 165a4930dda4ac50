/*
 * The fine part of comparing two clocks: in each stretch, less its line, the fastest packets of each direction: stage/clock_fit.h.
 */
#include <math.h>
#include <stdlib.h>

#include "stage/clock_fit.h"

#define GATE_WIDTHS 6.0  /* farther from the centre than so many widths of the centre interval is a false match */
#define FINE_LEAST 64u
#define FINE_MOST 512u
#define FINE_GAP_NS 1e10 /* after so long without a packet a window ends, once it has enough */
#define FINE_WANTED 256u
#define FEW_PACKETS 4u   /* of a direction in a window: fewer don't tell what the fastest takes */
#define WANDER 0.1e-6    /* how fast the drift may carry a clock off the line beyond the last packet */

/* A window of the fine part: matches [from, to) of used, less the slope of their stretch. */
struct fine {
	double time, low, high; /* the fastest there, and back; NAN: not seen */
	double middle;          /* of those at one place */
	double value;           /* the difference */
	double half;            /* half of what the fastest take there and back */
};

static int ascending(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return a < b ? -1 : a > b;
}

/* The second least of many, so that one false match does not count; else the least. */
static double least_of(double *values, size_t count)
{
	if (count < FEW_PACKETS)
		return NAN;
	qsort(values, count, sizeof *values, ascending);
	return values[count >= 32];
}

static double greatest_of(double *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		values[i] = -values[i];
	return -least_of(values, count);
}

/* How far a match lies from the centre of the coarse window that it falls into; *window goes along. */
static double off_centre(const struct fit *fit, const struct stretch *stretch, size_t *window, size_t at)
{
	double time = fit_time(fit, at);

	while (*window + 1 < stretch->window_to && fit->windows[*window + 1].time <= time)
		(*window)++;
	const struct window *near = &fit->windows[*window];
	return (double)fit->used[at].difference_ns - near->centre - stretch->slope * (time - near->time);
}

/* Whether a match is no false one: near the centre of those of its direction. */
static bool agrees(const struct fit *fit, const struct stretch *stretch, size_t *window, size_t at)
{
	double off = off_centre(fit, stretch, window, at), width = fit->windows[*window].width;

	if (fit->used[at].direction != fit->main_direction) {
		off -= fit->other;
		width = fit->other_width;
	}
	return fabs(off) <= fmax(GATE_WIDTHS * width, GATE_LEAST_NS);
}

/* Where the other direction lies. */
static int find_other(struct fit *fit)
{
	double *values = malloc((fit->used_count + 1) * sizeof *values);
	struct window all = {0};
	size_t count = 0;

	if (!values)
		return WEIR_E_MEMORY;
	for (size_t k = 0; k < fit->stretch_count; k++) {
		const struct stretch *stretch = &fit->stretches[k];
		size_t window = stretch->window_from;
		for (size_t i = stretch->from; i < stretch->to && stretch->window_from < stretch->window_to; i++)
			if (fit->used[i].direction != fit->main_direction)
				values[count++] = off_centre(fit, stretch, &window, i);
	}
	if (count)
		fit_centre(&all, values, count);
	fit->other = all.centre;
	fit->other_width = all.width;
	free(values);
	return 0;
}

static void look_at_fine(struct fit *fit, const struct stretch *stretch, size_t from, size_t to, size_t *window, struct fine *fine)
{
	double *there = fit->scratch, *back = there + (to - from), *same = back + (to - from);
	size_t there_count = 0, back_count = 0, same_count = 0;

	*fine = (struct fine){.value = NAN, .half = NAN};
	fine->time = (fit_time(fit, from) + fit_time(fit, to - 1)) / 2;
	for (size_t i = from; i < to; i++) {
		if (!agrees(fit, stretch, window, i)) {
			fit->pair->rejected++;
			continue;
		}
		double value = (double)fit->used[i].difference_ns - stretch->slope * (fit_time(fit, i) - fine->time);
		if (fit->used[i].direction == CLOCK_THERE)
			there[there_count++] = value;
		else if (fit->used[i].direction == CLOCK_BACK)
			back[back_count++] = value;
		else
			same[same_count++] = value;
	}
	fine->low = least_of(there, there_count);
	fine->high = greatest_of(back, back_count);
	fine->middle = same_count >= FEW_PACKETS ? fit_median(same, same_count) : NAN;
	if (same_count >= FEW_PACKETS)
		fine->half = (same[same_count - 1 - same_count / 40] - same[same_count / 40]) / 2;
	if (fit->pair->basis == WEIR_CLOCK_TWO_WAY)
		fine->half = fmax((fine->low - fine->high) / 2, 0);
	/* What packets usually wait; what the fastest takes can't be seen. back has its values negated by now. */
	if (fit->pair->basis == WEIR_CLOCK_ONE_WAY && fit->main_direction == CLOCK_THERE && !isnan(fine->low))
		fine->half = there[there_count / 2] - fine->low;
	if (fit->pair->basis == WEIR_CLOCK_ONE_WAY && fit->main_direction == CLOCK_BACK && !isnan(fine->high))
		fine->half = back[back_count / 2] + fine->high;
}

static int add_point(struct clock_pair *pair, const struct clock_point *point)
{
	if (pair->count == pair->capacity) {
		size_t capacity = pair->capacity ? 2 * pair->capacity : 64;
		struct clock_point *points = realloc(pair->points, capacity * sizeof *points);
		if (!points)
			return WEIR_E_MEMORY;
		pair->points = points;
		pair->capacity = capacity;
	}
	pair->points[pair->count++] = *point;
	return 0;
}

/* The value of each window by what its direction has, NAN when it has nothing. */
static void settle(const struct fit *fit, struct fine *fine)
{
	double half = fit->half_way;

	if (fit->pair->basis == WEIR_CLOCK_ONE_PLACE)
		fine->value = fine->middle;
	else if (!isnan(fine->low) && !isnan(fine->high))
		fine->value = (fine->low + fine->high) / 2;
	else if (!isnan(fine->low))
		fine->value = fine->low - half;
	else if (!isnan(fine->high))
		fine->value = fine->high + half;
	if (isnan(fine->half))
		fine->half = half;
}

/* The median of a window and up to two on either side, less the slope: queues that were never empty for one window. */
static double smoothed(const struct fine *fine, size_t count, size_t at, double slope, double *scratch)
{
	size_t reach = at < 2 ? at : 2, taken = 0;

	reach = count - 1 - at < reach ? count - 1 - at : reach;
	for (size_t i = at - reach; i <= at + reach; i++)
		scratch[taken++] = fine[i].value - slope * (fine[i].time - fine[at].time);
	return fit_median(scratch, taken);
}

/* Puts the points of a stretch out: its beginning, its windows, its end. */
static int put_points(struct fit *fit, uint32_t number, const struct fine *fine, size_t count)
{
	const struct stretch *stretch = &fit->stretches[number];
	struct clock_pair *pair = fit->pair;
	size_t noises = 0;

	if (count == 0)
		return 0;
	double *values = fit->scratch, *noise = values + count, *small = noise + count;
	for (size_t i = 0; i < count; i++) {
		values[i] = smoothed(fine, count, i, stretch->slope, small);
		noise[noises++] = fabs(fine[i].value - values[i]);
	}
	double spread = 2 * 1.4826 * fit_median(noise, noises) + 1000;
	for (size_t i = 0; i < count + 2; i++) {
		size_t at = i == 0 ? 0 : i > count ? count - 1 : i - 1;
		double time = i == 0 ? fit_time(fit, stretch->from) : i > count ? fit_time(fit, stretch->to - 1) : fine[at].time;
		double far = fabs(time - fine[at].time);
		struct clock_point point = {
			.time_ns = fit->origin_ns + (int64_t)time,
			.difference_ns = (int64_t)llround(values[at] + stretch->slope * (time - fine[at].time)),
			.uncertainty_ns = (int64_t)(spread + fine[at].half + far * WANDER),
			.stretch = number,
		};
		if (add_point(pair, &point) < 0)
			return WEIR_E_MEMORY;
	}
	return 0;
}

/* Where a window that begins at `from` ends: full, or before a gap; what would be left over belongs to it. */
static size_t fine_end(const struct fit *fit, const struct stretch *stretch, size_t from, size_t size)
{
	size_t to = from + FINE_LEAST;

	while (to < stretch->to && to < from + size && fit_time(fit, to) - fit_time(fit, to - 1) < FINE_GAP_NS)
		to++;
	return to + FINE_LEAST > stretch->to ? stretch->to : to;
}

static int solve_stretch(struct fit *fit, uint32_t number, struct fine *fine, size_t size)
{
	struct stretch *stretch = &fit->stretches[number];
	size_t count = 0, window = stretch->window_from;

	for (size_t from = stretch->from, to; from < stretch->to && stretch->window_from < stretch->window_to; from = to) {
		to = fine_end(fit, stretch, from, size);
		look_at_fine(fit, stretch, from, to, &window, &fine[count]);
		settle(fit, &fine[count]);
		count += !isnan(fine[count].value);
	}
	return put_points(fit, number, fine, count);
}

/* What the fastest take there and back, halved: the least over all windows that have both, so that queues don't count. */
static void find_half_way(struct fit *fit, struct fine *fine, size_t size)
{
	size_t count = 0, rejected = fit->pair->rejected;
	double least = 0;

	for (uint32_t k = 0; k < fit->stretch_count; k++) {
		const struct stretch *stretch = &fit->stretches[k];
		size_t window = stretch->window_from;
		for (size_t from = stretch->from; from + size <= stretch->to && stretch->window_from < stretch->window_to; from += size) {
			look_at_fine(fit, stretch, from, from + size, &window, fine);
			if (!isnan(fine->low) && !isnan(fine->high) && (count++ == 0 || fine->half < least))
				least = fine->half;
		}
	}
	fit->pair->rejected = rejected;
	fit->half_way = least;
}
static double off_window(const struct fit *fit, const struct stretch *stretch, const struct window *window, size_t at)
{
	return fabs((double)fit->used[at].difference_ns - fit->other - window->centre - stretch->slope * (fit_time(fit, at) - window->time));
}

/* Steps were located between matches of the main direction: those of the other one in between tell on which side they are. */
static void refine_places(struct fit *fit)
{
	for (size_t k = 1; k < fit->stretch_count; k++) {
		struct stretch *before = &fit->stretches[k - 1], *after = &fit->stretches[k];
		if (before->window_from == before->window_to || after->window_from == after->window_to)
			continue;
		const struct window *last = &fit->windows[before->window_to - 1], *first = &fit->windows[after->window_from];
		double near = fabs(first->centre - last->centre) / 2;
		for (size_t i = after->from; i-- > before->from + 1 && fit->used[i].direction != fit->main_direction;) {
			double off = off_window(fit, after, first, i), off_before = off_window(fit, before, last, i);
			if (off < off_before && off < near)
				after->from = before->to = i;
			else if (off_before < near)
				break;
		}
	}
}
int fit_points(struct fit *fit)
{
	size_t size = fit->used_count / FINE_WANTED;

	size = size < FINE_LEAST ? FINE_LEAST : size > FINE_MOST ? FINE_MOST : size;
	struct fine *fine = malloc((fit->used_count / FINE_LEAST + 2 + fit->stretch_count) * sizeof *fine);
	int error = fine ? find_other(fit) : WEIR_E_MEMORY;
	if (!error) {
		refine_places(fit);
		find_half_way(fit, fine, size);
	}
	for (uint32_t k = 0; k < fit->stretch_count && !error; k++)
		error = solve_stretch(fit, k, fine, size);
	free(fine);
	return error;
}
