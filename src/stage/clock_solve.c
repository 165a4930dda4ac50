/*
 * Estimating clocks: the samples of all vantages, the reference, and what follows for each: weir/stage.h.
 *
 * Which packets are kept as samples is decided by their identity, so that all vantages keep the same ones: as they become too many for the
 * memory only those that have one more zero bit in their identity are kept.
 */
#include <stdlib.h>

#include "stage/clock.h"
#include "stage/clock_estimate.h"
#include "stage/identity.h"

#define OFFSET_DEFAULT (INT64_C(10) * 1000000000)
#define MEMORY_DEFAULT (UINT64_C(128) << 20)
/* Beside each sample there may be as many matches, and sorting needs its room. */
#define BYTES_A_SAMPLE (2 * sizeof(struct clock_sample) + sizeof(struct clock_match))
#define SAMPLES_LEAST 4096u
#define TIME_MOST INT64_C(4500000000000000000) /* the years 1827 to 2112: differences and sums of times stay within 64 bits */
#define ERROR_MOST INT64_C(100000000000000000)
#define BOUND_REACH (INT64_C(300) * 1000000000)

struct weir_clock_estimator {
	struct weir_clock_estimator_options options;
	struct clock_sample *samples;
	size_t count, capacity, most;
	bool by_time;  /* samples come in any order */
	uint64_t mask; /* identities that have none of these bits (is_sampled) are kept */
	struct clock_vantage *vantages;
	uint32_t vantage_count;
	struct clock_pair *pairs;
	size_t pair_count;
	struct weir_clock_estimate *estimates;
	size_t estimate_count;
};

const char *weir_clock_basis_name(enum weir_clock_basis basis)
{
	static const char *const names[] = {"reference", "no shared packets", "both directions", "one direction", "one place"};

	return (size_t)basis < sizeof names / sizeof names[0] ? names[basis] : "?";
}

static int no_memory(struct weir_fault *fault) { return weir_fail(fault, WEIR_E_MEMORY, "no memory to compare clocks"); }

int weir_clock_estimator_new(const struct weir_clock_estimator_options *options, struct weir_clock_estimator **estimator,
                             struct weir_fault *fault)
{
	static const struct weir_clock_estimator_options none = {.reference = UINT32_MAX};
	struct weir_clock_estimator *made = calloc(1, sizeof *made);

	if (!made)
		return no_memory(fault);
	made->options = options ? *options : none;
	if (made->options.offset_ns <= 0)
		made->options.offset_ns = OFFSET_DEFAULT;
	if (!made->options.memory_bytes)
		made->options.memory_bytes = MEMORY_DEFAULT;
	made->most = (size_t)(made->options.memory_bytes / BYTES_A_SAMPLE);
	if (made->most < SAMPLES_LEAST)
		made->most = SAMPLES_LEAST;
	*estimator = made;
	return 0;
}

/* Forgets what was worked out. */
static void forget(struct weir_clock_estimator *estimator)
{
	for (size_t i = 0; i < estimator->pair_count; i++)
		free(estimator->pairs[i].points);
	for (size_t i = 0; i < estimator->estimate_count; i++)
		free((void *)(uintptr_t)estimator->estimates[i].clock.knots);
	free(estimator->pairs);
	free(estimator->estimates);
	estimator->pairs = NULL;
	estimator->estimates = NULL;
	estimator->pair_count = estimator->estimate_count = 0;
}

void weir_clock_estimator_free(struct weir_clock_estimator *estimator)
{
	if (!estimator)
		return;
	for (uint32_t i = 0; i < estimator->vantage_count; i++)
		free(estimator->vantages[i].bounds);
	forget(estimator);
	free(estimator->samples);
	free(estimator->vantages);
	free(estimator);
}

static int know_vantage(struct weir_clock_estimator *estimator, uint32_t vantage, struct weir_fault *fault)
{
	if (vantage >= CLOCK_VANTAGES_MAX)
		return weir_fail(fault, WEIR_E_LIMIT, "more than %u vantage points", CLOCK_VANTAGES_MAX);
	if (vantage >= estimator->vantage_count) {
		struct clock_vantage *vantages = realloc(estimator->vantages, (vantage + 1) * sizeof *vantages);
		if (!vantages)
			return no_memory(fault);
		memset(vantages + estimator->vantage_count, 0, (vantage + 1 - estimator->vantage_count) * sizeof *vantages);
		estimator->vantages = vantages;
		estimator->vantage_count = vantage + 1;
	}
	struct clock_vantage *place = &estimator->vantages[vantage];
	if (!place->known) {
		place->known = true;
		place->first_ns = INT64_MAX;
		place->last_ns = INT64_MIN;
	}
	return 0;
}

/* Not by the last bits of all, which tell how much of the packet the vantage captured (stage/identity.h). */
static bool is_sampled(const struct weir_clock_estimator *estimator, uint64_t identity)
{
	return (identity >> IDENTITY_LOW_BITS & estimator->mask) == 0;
}

/* Makes room: a larger array, or half of the samples go. */
static int make_room(struct weir_clock_estimator *estimator, struct weir_fault *fault)
{
	if (estimator->capacity < estimator->most) {
		size_t capacity = estimator->capacity ? 2 * estimator->capacity : 65536;
		capacity = capacity < estimator->most ? capacity : estimator->most;
		struct clock_sample *samples = realloc(estimator->samples, capacity * sizeof *samples);
		if (!samples)
			return no_memory(fault);
		estimator->samples = samples;
		estimator->capacity = capacity;
		return 0;
	}
	/* Should they all be the same packet no bit tells them apart: then the mask ends at all bits, and nothing more is kept. */
	while (estimator->count == estimator->capacity && estimator->mask != UINT64_MAX) {
		size_t kept = 0;
		estimator->mask = estimator->mask << 1 | 1;
		for (size_t i = 0; i < estimator->count; i++)
			if (is_sampled(estimator, estimator->samples[i].identity))
				estimator->samples[kept++] = estimator->samples[i];
		estimator->count = kept;
	}
	return 0;
}

int weir_clock_estimator_see(struct weir_clock_estimator *estimator, uint32_t vantage, int64_t time_ns, uint64_t identity,
                             uint8_t hops, struct weir_fault *fault)
{
	int error = 0;

	if (vantage >= estimator->vantage_count || !estimator->vantages[vantage].known)
		error = know_vantage(estimator, vantage, fault);
	if (error)
		return error;
	if (time_ns > TIME_MOST || time_ns < -TIME_MOST)
		return 0;
	struct clock_vantage *place = &estimator->vantages[vantage];
	if (time_ns < place->first_ns)
		place->first_ns = time_ns;
	if (time_ns > place->last_ns)
		place->last_ns = time_ns;
	place->seen++;
	if (identity == 0 || !is_sampled(estimator, identity))
		return 0;
	if (estimator->count == estimator->capacity) {
		error = make_room(estimator, fault);
		if (error || !is_sampled(estimator, identity) || estimator->count == estimator->capacity)
			return error;
	}
	estimator->samples[estimator->count++] = (struct clock_sample){
		.identity = identity, .time_ns = time_ns, .sequence = place->sequence++, .vantage = vantage, .hops = hops};
	return 0;
}

int weir_clock_estimator_bound(struct weir_clock_estimator *estimator, uint32_t vantage, int64_t time_ns, int64_t error_ns,
                               struct weir_fault *fault)
{
	int error = know_vantage(estimator, vantage, fault);

	/* A clock of which nothing is known says nothing. */
	if (error || error_ns < 0 || error_ns > ERROR_MOST || time_ns > TIME_MOST || time_ns < -TIME_MOST)
		return error;
	struct clock_vantage *place = &estimator->vantages[vantage];
	if (place->bound_count == place->bound_capacity) {
		size_t capacity = place->bound_capacity ? 2 * place->bound_capacity : 64;
		struct clock_bound *bounds = realloc(place->bounds, capacity * sizeof *bounds);
		if (!bounds)
			return no_memory(fault);
		place->bounds = bounds;
		place->bound_capacity = capacity;
	}
	place->bounds[place->bound_count++] = (struct clock_bound){time_ns, error_ns};
	return 0;
}

bool clock_bound_at(const struct clock_vantage *vantage, int64_t time_ns, int64_t *error_ns)
{
	size_t low = 0, high = vantage->bound_count;
	bool found = false;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (vantage->bounds[middle].time_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	/* The wider of those before and after: in between it may have been either. */
	*error_ns = 0;
	for (size_t i = low ? low - 1 : 0; i <= low && i < vantage->bound_count; i++) {
		const struct clock_bound *bound = &vantage->bounds[i];
		uint64_t away = bound->time_ns > time_ns ? (uint64_t)bound->time_ns - (uint64_t)time_ns : (uint64_t)time_ns - (uint64_t)bound->time_ns;
		if (away > (uint64_t)BOUND_REACH)
			continue;
		/* A clock that nobody corrects meanwhile is let drift by 500 ppm, as the kernel reckons. */
		int64_t error = bound->error_ns + (int64_t)(away / 2000);
		*error_ns = error > *error_ns ? error : *error_ns;
		found = true;
	}
	return found;
}

static int bound_by_time(const void *x, const void *y)
{
	const struct clock_bound *a = x, *b = y;
	return a->time_ns < b->time_ns ? -1 : a->time_ns > b->time_ns;
}

static int solve_pairs(struct weir_clock_estimator *estimator, struct clock_match *matches, size_t count, struct weir_fault *fault)
{
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;
		while (end < count && matches[end].pair == matches[i].pair)
			end++;
		struct clock_pair *pairs = realloc(estimator->pairs, (estimator->pair_count + 1) * sizeof *pairs);
		if (!pairs)
			return no_memory(fault);
		estimator->pairs = pairs;
		struct clock_pair *pair = &pairs[estimator->pair_count++];
		*pair = (struct clock_pair){.a = (uint16_t)(matches[i].pair >> 16), .b = (uint16_t)matches[i].pair};
		int error = clock_pair_solve(pair, matches + i, end - i, &estimator->vantages[pair->a], &estimator->vantages[pair->b], fault);
		if (error)
			return error;
		i = end;
	}
	return 0;
}

/* ---- From pairs to clocks ---- */

static bool tells(const struct clock_pair *pair) { return pair->basis != WEIR_CLOCK_NONE && pair->count > 0; }

/* The best of those that are not placed: NTP state, then no steps, then the most shared packets. */
static uint32_t choose_reference(const struct weir_clock_estimator *estimator, const bool *placed)
{
	uint32_t best = UINT32_MAX, best_steps = 0;
	uint64_t best_matches = 0;
	int64_t best_error = 0;

	for (uint32_t v = 0; v < estimator->vantage_count; v++) {
		uint64_t matches = 0;
		uint32_t steps = 0;
		int64_t error = WEIR_CLOCK_UNKNOWN;
		if (placed[v] || !estimator->vantages[v].known)
			continue;
		for (size_t i = 0; i < estimator->pair_count; i++) {
			const struct clock_pair *pair = &estimator->pairs[i];
			if (!tells(pair) || (pair->a != v && pair->b != v))
				continue;
			matches += pair->matches - pair->rejected;
			steps += pair->a == v ? pair->steps_of_a : pair->steps_of_b;
		}
		const struct clock_vantage *vantage = &estimator->vantages[v];
		if (vantage->bound_count)
			error = vantage->bounds[vantage->bound_count / 2].error_ns;
		/* Whoever shares nothing is no reference for anybody. */
		bool better = best == UINT32_MAX || (matches && !best_matches);
		if (!better && (matches != 0) == (best_matches != 0)) {
			/* Of NTP states only a great difference says anything. */
			if (error / 4 > best_error || best_error / 4 > error)
				better = error < best_error;
			else if (steps != best_steps)
				better = steps < best_steps;
			else
				better = matches > best_matches;
		}
		if (better) {
			best = v;
			best_steps = steps;
			best_matches = matches;
			best_error = error;
		}
	}
	return best;
}

struct knots {
	struct weir_clock_knot *list;
	size_t count, capacity;
};

static int add_knot(struct knots *knots, int64_t time_ns, int64_t correction_ns, int64_t uncertainty_ns)
{
	if (knots->count == knots->capacity) {
		size_t capacity = knots->capacity ? 2 * knots->capacity : 64;
		struct weir_clock_knot *list = realloc(knots->list, capacity * sizeof *list);
		if (!list)
			return WEIR_E_MEMORY;
		knots->list = list;
		knots->capacity = capacity;
	}
	knots->list[knots->count++] = (struct weir_clock_knot){time_ns, correction_ns, uncertainty_ns};
	return 0;
}

/* The i-th point of a pair as a knot of one of its clocks: by its time, and what takes it to the other's. */
static struct weir_clock_knot knot_of(const struct clock_pair *pair, size_t at, bool of_b)
{
	const struct clock_point *point = &pair->points[at];

	if (of_b)
		return (struct weir_clock_knot){point->time_ns + point->difference_ns, -point->difference_ns, point->uncertainty_ns};
	return (struct weir_clock_knot){point->time_ns, point->difference_ns, point->uncertainty_ns};
}

/* Beyond the first and last shared packets a clock goes on as it did, less and less surely. */
static int extend(struct knots *knots, const struct weir_clock_knot *knot, int64_t time_ns, double slope)
{
	double far = (double)(time_ns - knot->time_ns);

	return add_knot(knots, time_ns, knot->correction_ns + (int64_t)(slope * far),
	                knot->uncertainty_ns + (int64_t)((far < 0 ? -far : far) * 1e-6));
}

/* The knots of vantage v, b of its pair or a, against the other one's clock. */
static int make_knots(const struct clock_pair *pair, bool of_b, const struct clock_vantage *vantage, struct knots *knots)
{
	double slope = of_b ? -pair->drift : pair->drift;
	struct weir_clock_knot first = knot_of(pair, 0, of_b), last = knot_of(pair, pair->count - 1, of_b);

	if (vantage->first_ns < first.time_ns && extend(knots, &first, vantage->first_ns, slope) < 0)
		return WEIR_E_MEMORY;
	for (size_t i = 0; i < pair->count; i++) {
		struct weir_clock_knot knot = knot_of(pair, i, of_b);
		if (i && pair->points[i].stretch != pair->points[i - 1].stretch) {
			/* Where the clock was set: between the two packets, in the middle of what it left out; or where it went back. */
			struct weir_clock_knot *before = &knots->list[knots->count - 1];
			if (knot.time_ns >= before->time_ns) {
				int64_t middle = before->time_ns + (knot.time_ns - before->time_ns) / 2;
				before->time_ns = knot.time_ns = middle;
			}
		}
		if (add_knot(knots, knot.time_ns, knot.correction_ns, knot.uncertainty_ns) < 0)
			return WEIR_E_MEMORY;
	}
	return vantage->last_ns > last.time_ns ? extend(knots, &last, vantage->last_ns, slope) : 0;
}

/* The same clock against the reference, by way of the other one's own correction, which has knots of its own. */
static int compose(struct knots *own, const struct weir_clock *through, struct knots *out)
{
	struct weir_clock clock = {own->list, own->count};
	struct clock_piece piece;
	size_t at = 0;

	clock_piece_begin(through, &piece);
	for (size_t i = 0; i < own->count; i++) {
		const struct weir_clock_knot *knot = &own->list[i];
		int64_t time_ns = knot->time_ns + knot->correction_ns;
		/* The other's knots until here, each at the time when this clock showed what that one did. */
		for (; i && at < through->count && through->knots[at].time_ns < time_ns; at++) {
			const struct weir_clock_knot *other = &through->knots[at];
			const struct weir_clock_knot *before = &own->list[i - 1];
			if (other->time_ns <= before->time_ns + before->correction_ns)
				continue;
			int64_t when = other->time_ns - knot->correction_ns;
			for (int turn = 0; turn < 3; turn++)
				when = other->time_ns - (weir_clock_correct(&clock, when) - when);
			when = when < before->time_ns ? before->time_ns : when > knot->time_ns ? knot->time_ns : when;
			if (add_knot(out, when, other->time_ns - when + other->correction_ns, other->uncertainty_ns + knot->uncertainty_ns) < 0)
				return WEIR_E_MEMORY;
		}
		int64_t corrected = clock_correct(through, &piece, time_ns);
		int64_t uncertainty = knot->uncertainty_ns + through->knots[at < through->count ? at : through->count - 1].uncertainty_ns;
		if (add_knot(out, knot->time_ns, corrected - knot->time_ns, uncertainty) < 0)
			return WEIR_E_MEMORY;
	}
	return 0;
}

static int ascending(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
	return a < b ? -1 : a > b;
}

/* What 95 % of the knots are not above. */
static int common_uncertainty(const struct knots *knots, int64_t *uncertainty_ns)
{
	int64_t *all = malloc(knots->count * sizeof *all);

	if (!all)
		return WEIR_E_MEMORY;
	for (size_t i = 0; i < knots->count; i++)
		all[i] = knots->list[i].uncertainty_ns;
	qsort(all, knots->count, sizeof *all, ascending);
	*uncertainty_ns = all[(knots->count - 1) * 95 / 100];
	free(all);
	return 0;
}

/* Places a vantage beside one that is placed. */
static int place(struct weir_clock_estimator *estimator, const struct clock_pair *pair, uint32_t v, struct weir_clock_estimate *all)
{
	bool of_b = pair->b == v;
	struct weir_clock_estimate *estimate = &all[v], *other = &all[of_b ? pair->a : pair->b];
	struct knots own = {0}, out = {0};

	int error = make_knots(pair, of_b, &estimator->vantages[v], &own);
	if (!error && other->clock.count) {
		error = compose(&own, &other->clock, &out);
		free(own.list);
	} else {
		out = own;
	}
	if (!error)
		error = common_uncertainty(&out, &estimate->uncertainty_ns);
	estimate->clock = (struct weir_clock){out.list, out.count};
	if (error)
		return error;
	estimate->reference = other->reference;
	estimate->compared = other->vantage;
	estimate->basis = pair->basis;
	estimate->matches = pair->matches;
	estimate->rejected = pair->rejected;
	estimate->steps = pair->steps;
	estimate->drift = of_b ? pair->drift : -pair->drift;
	estimate->offset_ns = out.list[0].correction_ns;
	estimate->bounded = pair->bounded;
	estimate->contradicted = pair->contradicted;
	return 0;
}

/* The pair with the most shared packets between one that is placed and one that is not. */
static const struct clock_pair *next_pair(const struct weir_clock_estimator *estimator, const bool *placed)
{
	const struct clock_pair *best = NULL;

	for (size_t i = 0; i < estimator->pair_count; i++) {
		const struct clock_pair *pair = &estimator->pairs[i];
		if (tells(pair) && placed[pair->a] != placed[pair->b] && (!best || pair->matches - pair->rejected > best->matches - best->rejected))
			best = pair;
	}
	return best;
}

static int place_all(struct weir_clock_estimator *estimator, struct weir_clock_estimate *all, bool *placed)
{
	uint32_t wanted = estimator->options.reference;

	for (;;) {
		const struct clock_pair *pair;
		uint32_t root = wanted < estimator->vantage_count && estimator->vantages[wanted].known && !placed[wanted]
		                        ? wanted : choose_reference(estimator, placed);
		if (root == UINT32_MAX)
			return 0;
		placed[root] = true;
		while ((pair = next_pair(estimator, placed)) != NULL) {
			uint32_t v = placed[pair->a] ? pair->b : pair->a;
			all[root].basis = WEIR_CLOCK_REFERENCE;
			int error = place(estimator, pair, v, all);
			if (error)
				return error;
			placed[v] = true;
		}
	}
}

void clock_estimator_order_by_time(struct weir_clock_estimator *estimator) { estimator->by_time = true; }

int clock_estimator_cover(struct weir_clock_estimator *estimator, uint32_t vantage, int64_t first_ns, int64_t last_ns, struct weir_fault *fault)
{
	int error = know_vantage(estimator, vantage, fault);

	if (error || first_ns < -TIME_MOST || last_ns > TIME_MOST || first_ns > last_ns)
		return error;
	struct clock_vantage *place = &estimator->vantages[vantage];
	place->first_ns = place->first_ns < first_ns ? place->first_ns : first_ns;
	place->last_ns = place->last_ns > last_ns ? place->last_ns : last_ns;
	return 0;
}

size_t clock_estimator_gaps(const struct weir_clock_estimator *estimator, int64_t least_ns, struct clock_gap *gaps, size_t most)
{
	size_t count = 0;

	for (size_t i = 0; i < estimator->pair_count; i++) {
		const struct clock_pair *pair = &estimator->pairs[i];
		for (size_t k = 1; k < pair->count && count < most; k++) {
			const struct clock_point *before = &pair->points[k - 1], *after = &pair->points[k];
			if (before->stretch != after->stretch && after->time_ns - before->time_ns > least_ns)
				gaps[count++] = (struct clock_gap){pair->a, pair->b, before->time_ns, after->time_ns, before->difference_ns, after->difference_ns};
		}
	}
	return count;
}

static int sample_by_time(const void *x, const void *y)
{
	const struct clock_sample *a = x, *b = y;

	if (a->vantage != b->vantage)
		return a->vantage < b->vantage ? -1 : 1;
	return a->time_ns < b->time_ns ? -1 : a->time_ns > b->time_ns;
}

static void order_samples(struct weir_clock_estimator *estimator)
{
	if (!estimator->by_time || !estimator->count)
		return;
	qsort(estimator->samples, estimator->count, sizeof *estimator->samples, sample_by_time);
	for (size_t i = 0; i < estimator->count; i++)
		estimator->samples[i].sequence = i;
}

int weir_clock_estimator_solve(struct weir_clock_estimator *estimator, const struct weir_clock_estimate **estimates, size_t *count,
                               struct weir_fault *fault)
{
	struct clock_match *matches = NULL;
	size_t match_count = 0;

	forget(estimator);
	order_samples(estimator);
	for (uint32_t i = 0; i < estimator->vantage_count; i++)
		if (estimator->vantages[i].bound_count)
			qsort(estimator->vantages[i].bounds, estimator->vantages[i].bound_count, sizeof(struct clock_bound), bound_by_time);
	int error = clock_match_all(estimator->samples, estimator->count, estimator->options.offset_ns, &matches, &match_count, fault);
	if (!error)
		error = solve_pairs(estimator, matches, match_count, fault);
	free(matches);
	if (error)
		return error;

	size_t places = estimator->vantage_count ? estimator->vantage_count : 1;
	struct weir_clock_estimate *all = calloc(places, sizeof *all);
	bool *placed = calloc(places, sizeof *placed);
	for (uint32_t v = 0; all && v < estimator->vantage_count; v++) {
		int64_t bound = WEIR_CLOCK_UNKNOWN;
		const struct clock_vantage *vantage = &estimator->vantages[v];
		if (vantage->bound_count)
			bound = vantage->bounds[vantage->bound_count / 2].error_ns;
		all[v] = (struct weir_clock_estimate){.vantage = v, .reference = v, .compared = v, .basis = WEIR_CLOCK_NONE,
		                                      .seen = vantage->seen, .uncertainty_ns = bound};
	}
	estimator->estimates = all;
	estimator->estimate_count = all ? estimator->vantage_count : 0;
	error = all && placed ? place_all(estimator, all, placed) : WEIR_E_MEMORY;
	free(placed);
	if (error)
		return no_memory(fault);
	*estimates = all;
	*count = estimator->vantage_count;
	return 0;
}
