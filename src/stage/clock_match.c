/* Finding the packets that vantage points share: stage/clock_estimate.h. */
#include <stdlib.h>

#include "stage/clock_estimate.h"

#define COPIES_MOST 4u    /* of a packet at one vantage: more are no copies on its way */
#define TOGETHER_MOST 16u /* vantages that are all compared with each other; of more each with the one before it */

struct matcher {
	struct clock_match *matches;
	size_t count, capacity;
	int64_t offset_ns;
};

static int add(struct matcher *matcher, const struct clock_sample *a, const struct clock_sample *b)
{
	int64_t difference;

	if (__builtin_sub_overflow(b->time_ns, a->time_ns, &difference) || difference > matcher->offset_ns || difference < -matcher->offset_ns)
		return 0;
	if (matcher->count == matcher->capacity) {
		size_t capacity = matcher->capacity ? 2 * matcher->capacity : 4096;
		struct clock_match *matches = realloc(matcher->matches, capacity * sizeof *matches);
		if (!matches)
			return WEIR_E_MEMORY;
		matcher->matches = matches;
		matcher->capacity = capacity;
	}
	matcher->matches[matcher->count++] = (struct clock_match){
		.pair = (uint32_t)a->vantage << 16 | (uint32_t)b->vantage,
		.direction = a->hops > b->hops ? CLOCK_THERE : a->hops < b->hops ? CLOCK_BACK : CLOCK_SAME,
		.sequence = a->sequence,
		.time_ns = a->time_ns,
		.difference_ns = difference,
	};
	return 0;
}

/* By identity, then time. */
static int by_identity(const void *x, const void *y)
{
	const struct clock_sample *a = x, *b = y;

	if (a->identity != b->identity)
		return a->identity < b->identity ? -1 : 1;
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->vantage != b->vantage)
		return a->vantage < b->vantage ? -1 : 1;
	return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static int by_vantage(const void *x, const void *y)
{
	const struct clock_sample *a = x, *b = y;

	if (a->vantage != b->vantage)
		return a->vantage < b->vantage ? -1 : 1;
	return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static int by_pair(const void *x, const void *y)
{
	const struct clock_match *a = x, *b = y;

	if (a->pair != b->pair)
		return a->pair < b->pair ? -1 : 1;
	if (a->sequence != b->sequence)
		return a->sequence < b->sequence ? -1 : 1;
	return a->difference_ns < b->difference_ns ? -1 : a->difference_ns > b->difference_ns;
}

/* What was seen of one packet: the first copy at one vantage is the first at another, when both have as many. */
static int match_packet(struct matcher *matcher, struct clock_sample *samples, size_t count)
{
	struct {
		size_t from, count;
	} places[TOGETHER_MOST];
	size_t place_count = 0;

	qsort(samples, count, sizeof *samples, by_vantage);
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;
		while (end < count && samples[end].vantage == samples[i].vantage)
			end++;
		if (place_count == TOGETHER_MOST)
			memmove(places, places + 1, --place_count * sizeof places[0]);
		for (size_t k = 0; k < place_count; k++)
			for (size_t copy = 0; places[k].count == end - i && end - i <= COPIES_MOST && copy < end - i; copy++)
				if (add(matcher, &samples[places[k].from + copy], &samples[i + copy]) < 0)
					return WEIR_E_MEMORY;
		places[place_count].from = i;
		places[place_count++].count = end - i;
		i = end;
	}
	return 0;
}

int clock_match_all(struct clock_sample *samples, size_t count, int64_t offset_ns, struct clock_match **matches, size_t *match_count,
                    struct weir_fault *fault)
{
	struct matcher matcher = {.offset_ns = offset_ns};

	if (count)
		qsort(samples, count, sizeof *samples, by_identity);
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;
		/* The same bytes much later are another packet. */
		while (end < count && samples[end].identity == samples[i].identity &&
		       (uint64_t)samples[end].time_ns - (uint64_t)samples[end - 1].time_ns <= (uint64_t)offset_ns)
			end++;
		if (end - i > 1 && match_packet(&matcher, samples + i, end - i) < 0) {
			free(matcher.matches);
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to compare clocks");
		}
		i = end;
	}
	if (matcher.count)
		qsort(matcher.matches, matcher.count, sizeof *matcher.matches, by_pair);
	*matches = matcher.matches;
	*match_count = matcher.count;
	return 0;
}
