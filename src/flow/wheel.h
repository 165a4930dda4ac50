/*
 * flow/wheel.h: when to look at a flow again: a wheel of slots, each a list of entries.
 *
 * A packet does not move its flow's timer: when the timer fires the flow is looked at, and if packets came meanwhile it is armed anew. So a flow
 * costs a look an idle timeout. Slots are lists of blocks of a cache line with 15 entries each: walking them does not wait for one
 * entry to find the next.
 */
#ifndef FLOW_WHEEL_H
#define FLOW_WHEEL_H

#include <weir/error.h>
#include <weir/state.h>

#define FLOW_WHEEL_SLOTS 1024u
#define FLOW_WHEEL_BLOCK 15u
#define FLOW_TIMERS_MAX 3u /* an entry is in the wheel at most so often */

struct flow_wheel_block {
	uint32_t entries[FLOW_WHEEL_BLOCK];
	uint32_t next; /* of the same slot; FLOW_NONE: none */
};

struct flow_wheel_slot {
	uint32_t block; /* the newest */
	uint32_t count; /* in that block; the others are full */
};

struct flow_wheel {
	struct flow_wheel_block *blocks;
	uint32_t block_count; /* allocated */
	uint32_t touched;
	uint32_t free;
	int64_t tick_ns;
	int64_t tick;         /* the tick that is now, in units of tick_ns since the epoch */
	int64_t due_ns;       /* when the next tick begins: INT64_MIN before the first packet */
	struct flow_wheel_slot slots[FLOW_WHEEL_SLOTS];
};

/* For so many entries; tick_ns: how exact it is. It reaches FLOW_WHEEL_SLOTS - 1 ticks ahead; what is later is looked at too early. */
int flow_wheel_init(struct flow_wheel *wheel, uint32_t entries, int64_t tick_ns, struct weir_fault *fault);
void flow_wheel_free(struct flow_wheel *wheel);

/* Arms `entry` for the time at_ns or a little later. */
void flow_wheel_arm(struct flow_wheel *wheel, uint32_t entry, int64_t at_ns);

/*
 * The clock is now_ns, which is not before due_ns or far before the tick that is now (time went back). Sets the new tick, and *from and
 * *count to the slots that are due: slots (*from + i) % FLOW_WHEEL_SLOTS for i < *count.
 */
void flow_wheel_advance(struct flow_wheel *wheel, int64_t now_ns, uint32_t *from, uint32_t *count);

/* Takes all of a slot out of the wheel: its blocks, newest first, as a list that flow_wheel_next walks. */
struct flow_wheel_slot flow_wheel_take(struct flow_wheel *wheel, uint32_t slot);

/* The next block of a slot that was taken: its entries are copied to `entries`, and the block is free. The count; 0 at the end. */
uint32_t flow_wheel_next(struct flow_wheel *wheel, struct flow_wheel_slot *taken, uint32_t entries[static FLOW_WHEEL_BLOCK]);

/* The slot that is due in so many ticks, to be walked with flow_wheel_look: as flow_wheel_next, but all stays where it is. */
static inline struct flow_wheel_slot flow_wheel_ahead(const struct flow_wheel *wheel, uint32_t ticks)
{
	return wheel->slots[((uint64_t)wheel->tick + ticks) % FLOW_WHEEL_SLOTS];
}

uint32_t flow_wheel_look(const struct flow_wheel *wheel, struct flow_wheel_slot *at, uint32_t entries[static FLOW_WHEEL_BLOCK]);

int flow_wheel_save(const struct flow_wheel *wheel, struct weir_state *state, struct weir_fault *fault);
/* Into a wheel that was just made; counts each entry's timers. WEIR_E_FORMAT when they are not the table's. */
struct flow_table;
int flow_wheel_load(struct flow_wheel *wheel, struct flow_table *table, struct weir_state *state, struct weir_fault *fault);

#endif
