/*
 * stage/clock_fit.h: working out the difference of two clocks: what its coarse and its fine part share.
 */
#ifndef STAGE_CLOCK_FIT_H
#define STAGE_CLOCK_FIT_H

#include "stage/clock_estimate.h"

#define STRETCHES_MOST 1024u
#define GATE_LEAST_NS 100000.0 /* what lies nearer than this to the others is no false match */

/* A window of the coarse part. */
struct window {
	size_t from, to;     /* of the matches in `fit->main` or `fit->used` */
	double time;         /* middle, in ns after the fit's origin */
	double centre, width;
};

/* The matches between two steps. */
struct stretch {
	size_t window_from, window_to;
	size_t from, to;     /* of fit->used */
	double slope;
};

struct fit {
	struct clock_pair *pair;
	const struct clock_match *used; /* all that count */
	size_t used_count;
	size_t *main;                   /* those of the direction with the most, as places in used */
	size_t main_count;
	int64_t origin_ns;
	struct window *windows;
	size_t window_count;
	struct stretch stretches[STRETCHES_MOST];
	size_t stretch_count;
	double *scratch;
	uint32_t main_direction;
	size_t window_size;
	double other, other_width;      /* where the centre of the other direction lies, from that of the main one, and how wide it is */
	double half_way;                /* half of what the fastest take there and back; 0: not known */
};

static inline double fit_time(const struct fit *fit, size_t at) { return (double)(fit->used[at].time_ns - fit->origin_ns); }

/* The median; sorts. count > 0 */
double fit_median(double *values, size_t count);

/* The centre and width of the shortest interval that holds most of the values; sorts. count > 0 */
void fit_centre(struct window *window, double *values, size_t count);

/* Sets windows, stretches and their slopes. The median slope over all goes to the pair. 0 or WEIR_E_MEMORY. */
int fit_stretches(struct fit *fit);

/* Finds the points of all stretches. 0 or WEIR_E_MEMORY. */
int fit_points(struct fit *fit);

#endif
