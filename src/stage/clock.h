/*
 * stage/clock.h: applying a clock's correction to packet after packet.
 */
#ifndef STAGE_CLOCK_H
#define STAGE_CLOCK_H

#include <weir/stage.h>

/* The piece of a clock between two knots that the last time fell into. Zero-initialise it. */
struct clock_piece {
	int64_t from_ns, to_ns; /* [from, to); both 0: none yet */
	int64_t base_ns, correction_ns;
	double slope;
};

void clock_piece_find(const struct weir_clock *clock, struct clock_piece *piece, int64_t time_ns);

/* The corrected time; what has no place in 64 bits stays at their end. The clock has knots. */
static inline int64_t clock_correct(const struct weir_clock *clock, struct clock_piece *piece, int64_t time_ns)
{
	if (time_ns < piece->from_ns || time_ns >= piece->to_ns)
		clock_piece_find(clock, piece, time_ns);
	/* Where the slope is not 0 the base is not after the time. Slopes are parts per million and pieces at most years: exact to the ns. */
	double drift = (double)((uint64_t)time_ns - (uint64_t)piece->base_ns) * piece->slope;
	drift = drift > 1e20 ? 1e20 : drift < -1e20 ? -1e20 : drift;
	__int128 corrected = (__int128)time_ns + piece->correction_ns + (__int128)drift;
	return corrected > INT64_MAX ? INT64_MAX : corrected < INT64_MIN ? INT64_MIN : (int64_t)corrected;
}

#endif
