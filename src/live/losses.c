/* live/losses.c: intervals of loss. */
#include "live/losses.h"

bool loss_counter_look(struct loss_counter *counter, uint64_t value, int64_t now_ns, bool last, struct loss_span *span)
{
	bool complete = false;
	uint64_t grown = value > counter->counted ? value - counter->counted : 0;
	if (grown) {
		if (!counter->open)
			counter->span = (struct loss_span){counter->looked_ns ? counter->looked_ns : now_ns, now_ns, 0};
		counter->open = true;
		counter->span.to_ns = now_ns;
		counter->span.packets += grown;
		counter->counted = value;
	}
	if (counter->open &&
	    (last || now_ns - counter->span.to_ns >= LOSS_QUIET_NS || now_ns - counter->span.from_ns >= LOSS_LONGEST_NS)) {
		*span = counter->span;
		/* A clock that was set back must not make it end before it began. */
		if (span->to_ns < span->from_ns)
			span->from_ns = span->to_ns;
		counter->open = false;
		complete = true;
	}
	counter->looked_ns = now_ns;
	return complete;
}

void loss_counter_keep(struct loss_counter *counter, const struct loss_span *span)
{
	counter->span = *span;
	counter->open = true;
}

bool loss_state_look(struct loss_state *state, bool on, int64_t now_ns, bool last, struct loss_span *span)
{
	if (on && !state->on)
		state->since_ns = now_ns;
	bool ended = state->on && !on, due = on && (last || now_ns - state->since_ns >= LOSS_STATE_LONGEST_NS);
	state->on = on;
	if (!ended && !due)
		return false;
	*span = (struct loss_span){state->since_ns < now_ns ? state->since_ns : now_ns, now_ns, 0};
	state->since_ns = now_ns;
	return true;
}

bool clock_watch_look(struct clock_watch *watch, int64_t wall_ns, int64_t monotonic_ns, int64_t *step_ns)
{
	int64_t apart = wall_ns - monotonic_ns, moved = apart - watch->apart_ns;
	bool stepped = watch->known && (moved > CLOCK_STEP_NS || moved < -CLOCK_STEP_NS);
	watch->apart_ns = apart;
	watch->known = true;
	*step_ns = stepped ? moved : 0;
	return stepped;
}
