/* core/clock.h: the time, in ns. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND INT64_C(1000000000)

static inline int64_t clock_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static inline int64_t clock_wall_ns(void) { return clock_ns(CLOCK_REALTIME); }       /* since the epoch, UTC */
static inline int64_t clock_monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); } /* for measuring */

#endif
