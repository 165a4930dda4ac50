/*
 * live/losses.h: makes intervals of loss out of counters and states that are looked at now and then.
 */
#ifndef LIVE_LOSSES_H
#define LIVE_LOSSES_H

#include <stdbool.h>
#include <stdint.h>

/* A loss that has ended, or gone on for so long that it should be entered already. */
struct loss_span {
	int64_t from_ns, to_ns;
	uint64_t packets;
};

/*
 * A counter of lost packets that only grows. What it grew by was lost since the last look: looks that see it grow make one
 * interval as long as less than LOSS_QUIET_NS lie between them. The sum of all intervals is what the counter grew by.
 */
struct loss_counter {
	uint64_t counted;
	int64_t looked_ns; /* of the last look; 0: none yet */
	struct loss_span span;
	bool open;
};

#define LOSS_QUIET_NS INT64_C(1000000000)
#define LOSS_LONGEST_NS INT64_C(10000000000) /* then it is entered, so that a crash forgets no more */

/* The value at now_ns, and whether it is the last. True: *span is an interval to enter. */
bool loss_counter_look(struct loss_counter *counter, uint64_t value, int64_t now_ns, bool last, struct loss_span *span);

/* Takes back what loss_counter_look has just given: it could not be entered, and comes again, joined to what follows. */
void loss_counter_keep(struct loss_counter *counter, const struct loss_span *span);

/* A state in which nothing can be received. Its packets are not known: span->packets is 0. */
struct loss_state {
	int64_t since_ns;
	bool on;
};

#define LOSS_STATE_LONGEST_NS INT64_C(600000000000)

bool loss_state_look(struct loss_state *state, bool on, int64_t now_ns, bool last, struct loss_span *span);

/* Steps of the system's clock, seen as its distance from the monotonic one. */
struct clock_watch {
	int64_t apart_ns;
	bool known;
};

#define CLOCK_STEP_NS INT64_C(1000000) /* less is the noise of looking at two clocks one after the other */

/* True when the clock was stepped since the last look: by *step_ns. */
bool clock_watch_look(struct clock_watch *watch, int64_t wall_ns, int64_t monotonic_ns, int64_t *step_ns);

#endif
