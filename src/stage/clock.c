/* Correcting times by what is known of a clock: stage/clock.h. */
#include "stage/clock.h"

/* Enters the era that begins with knot `first`. */
static void enter_era(const struct weir_clock *clock, struct clock_piece *piece, size_t first)
{
	size_t end = first + 1;

	while (end < clock->count && clock->knots[end].time_ns >= clock->knots[end - 1].time_ns)
		end++;
	*piece = (struct clock_piece){.era_first = first, .era_end = end, .high_ns = INT64_MIN, .leave_ns = INT64_MAX,
	                              .back_from_ns = INT64_MAX};
	if (end == clock->count)
		return;
	/* Half of the way back: nothing else goes that far beyond the end, or jumps back as far just there. */
	int64_t last = clock->knots[end - 1].time_ns, next = clock->knots[end].time_ns;
	int64_t half = (int64_t)(((uint64_t)last - (uint64_t)next) / 2);
	if (__builtin_add_overflow(last, half, &piece->leave_ns))
		piece->leave_ns = INT64_MAX;
	if (__builtin_sub_overflow(next, half, &piece->back_from_ns))
		piece->back_from_ns = INT64_MIN;
	piece->back_ns = half;
}

/* The number of knots of the era whose time is not after time_ns, and of those before it. */
static size_t knots_until(const struct weir_clock *clock, const struct clock_piece *piece, int64_t time_ns)
{
	size_t low = piece->era_first, high = piece->era_end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (clock->knots[middle].time_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void clock_piece_find(const struct weir_clock *clock, struct clock_piece *piece, int64_t time_ns)
{
	const struct weir_clock_knot *knots = clock->knots;
	size_t after = knots_until(clock, piece, time_ns);

	piece->slope = 0;
	piece->base_ns = time_ns;
	if (after == piece->era_first) {
		piece->from_ns = INT64_MIN;
		piece->to_ns = knots[after].time_ns;
		piece->correction_ns = knots[after].correction_ns;
	} else if (after == piece->era_end) {
		piece->from_ns = knots[after - 1].time_ns;
		piece->to_ns = INT64_MAX;
		piece->correction_ns = knots[after - 1].correction_ns;
	} else {
		const struct weir_clock_knot *from = &knots[after - 1], *to = &knots[after];
		piece->from_ns = piece->base_ns = from->time_ns;
		piece->to_ns = to->time_ns;
		piece->correction_ns = from->correction_ns;
		piece->slope = ((double)to->correction_ns - (double)from->correction_ns) /
		               (double)((uint64_t)to->time_ns - (uint64_t)from->time_ns);
	}
}

void clock_piece_begin(const struct weir_clock *clock, struct clock_piece *piece) { enter_era(clock, piece, 0); }

void clock_piece_follow(const struct weir_clock *clock, struct clock_piece *piece, int64_t time_ns)
{
	while (piece->era_end < clock->count &&
	       (time_ns > piece->leave_ns ||
	        (time_ns >= piece->back_from_ns && piece->high_ns > time_ns && (uint64_t)piece->high_ns - (uint64_t)time_ns > (uint64_t)piece->back_ns)))
		enter_era(clock, piece, piece->era_end);
	if (time_ns > piece->high_ns)
		piece->high_ns = time_ns;
}

int64_t weir_clock_correct(const struct weir_clock *clock, int64_t time_ns)
{
	struct clock_piece piece;

	if (clock->count == 0)
		return time_ns;
	enter_era(clock, &piece, 0);
	while (piece.era_end < clock->count && time_ns > clock->knots[piece.era_end - 1].time_ns)
		enter_era(clock, &piece, piece.era_end);
	return clock_piece_correct(clock, &piece, time_ns);
}
