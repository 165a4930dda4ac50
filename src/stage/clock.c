/* Correcting times by what is known of a clock: weir/stage.h. */
#include "stage/clock.h"

/* The number of knots whose time is not after time_ns. */
static size_t knots_until(const struct weir_clock *clock, int64_t time_ns)
{
	size_t low = 0, high = clock->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (clock->knots[middle].time_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int64_t weir_clock_correct(const struct weir_clock *clock, int64_t time_ns)
{
	struct clock_piece piece = {0};

	return clock->count ? clock_correct(clock, &piece, time_ns) : time_ns;
}

void clock_piece_find(const struct weir_clock *clock, struct clock_piece *piece, int64_t time_ns)
{
	const struct weir_clock_knot *knots = clock->knots;
	size_t after = knots_until(clock, time_ns);

	if (after == 0) {
		*piece = (struct clock_piece){INT64_MIN, knots[0].time_ns, time_ns, knots[0].correction_ns, 0};
	} else if (after == clock->count) {
		const struct weir_clock_knot *last = &knots[after - 1];
		*piece = (struct clock_piece){last->time_ns, INT64_MAX, last->time_ns, last->correction_ns, 0};
	} else {
		const struct weir_clock_knot *from = &knots[after - 1], *to = &knots[after];
		*piece = (struct clock_piece){from->time_ns, to->time_ns, from->time_ns, from->correction_ns,
		                              ((double)to->correction_ns - (double)from->correction_ns) /
		                                      ((double)to->time_ns - (double)from->time_ns)};
	}
}
