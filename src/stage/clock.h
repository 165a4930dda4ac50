/*
 * stage/clock.h: applying a clock's correction to packet after packet.
 *
 * A clock that was set back showed some times twice. An era is what lies between two such moments; whoever sees the packets in the order in
 * which they were recorded can tell the eras apart by the jump back.
 */
#ifndef STAGE_CLOCK_H
#define STAGE_CLOCK_H

#include <weir/stage.h>

/* The piece between two knots that the last time fell into, of the era in hand. */
struct clock_piece {
	int64_t from_ns, to_ns; /* [from, to) */
	int64_t base_ns, correction_ns;
	double slope;
	size_t era_first, era_end;     /* knots */
	int64_t high_ns;               /* the latest time in this era */
	int64_t leave_ns;              /* later times are of the next era; */
	int64_t back_from_ns, back_ns; /* and so are times from here on after which others by more than back_ns have been */
};

void clock_piece_begin(const struct weir_clock *clock, struct clock_piece *piece);
void clock_piece_find(const struct weir_clock *clock, struct clock_piece *piece, int64_t time_ns);
void clock_piece_follow(const struct weir_clock *clock, struct clock_piece *piece, int64_t time_ns);

/* The corrected time in the era in hand; what has no place in 64 bits stays at their end. */
static inline int64_t clock_piece_correct(const struct weir_clock *clock, struct clock_piece *piece, int64_t time_ns)
{
	if (time_ns < piece->from_ns || time_ns >= piece->to_ns)
		clock_piece_find(clock, piece, time_ns);
	/* Where the slope is not 0 the base is not after the time. Slopes are parts per million and pieces at most years: exact to the ns. */
	double drift = (double)((uint64_t)time_ns - (uint64_t)piece->base_ns) * piece->slope;
	drift = drift > 1e20 ? 1e20 : drift < -1e20 ? -1e20 : drift;
	__int128 corrected = (__int128)time_ns + piece->correction_ns + (__int128)drift;
	return corrected > INT64_MAX ? INT64_MAX : corrected < INT64_MIN ? INT64_MIN : (int64_t)corrected;
}

/* The corrected time of the next packet of a clock that has knots, after clock_piece_begin. */
static inline int64_t clock_correct(const struct weir_clock *clock, struct clock_piece *piece, int64_t time_ns)
{
	if (piece->era_end < clock->count)
		clock_piece_follow(clock, piece, time_ns);
	return clock_piece_correct(clock, piece, time_ns);
}

#endif
