/* The timer wheel: flow/wheel.h. */
#include "flow/wheel.h"

#include <string.h>

#include "flow/table.h"
#include "os/files.h"

int flow_wheel_init(struct flow_wheel *wheel, uint32_t entries, int64_t tick_ns, struct weir_fault *fault)
{
	/* Every slot may have one block that is not full. */
	uint64_t count = (uint64_t)entries * FLOW_TIMERS_MAX / FLOW_WHEEL_BLOCK + FLOW_WHEEL_SLOTS + 2;

	*wheel = (struct flow_wheel){
		.blocks = os_pages_new(count * sizeof *wheel->blocks, false),
		.block_count = (uint32_t)count,
		.free = FLOW_NONE,
		.tick_ns = tick_ns,
		.due_ns = INT64_MIN,
	};
	for (unsigned i = 0; i < FLOW_WHEEL_SLOTS; i++)
		wheel->slots[i].block = FLOW_NONE;
	return wheel->blocks ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for the timers of %u flows", entries);
}

void flow_wheel_free(struct flow_wheel *wheel)
{
	os_pages_free(wheel->blocks, wheel->block_count * sizeof *wheel->blocks);
	wheel->blocks = NULL;
}

/* Rounded down, also before the epoch. */
static int64_t tick_of(const struct flow_wheel *wheel, int64_t time_ns)
{
	int64_t tick = time_ns / wheel->tick_ns;
	return tick - (time_ns % wheel->tick_ns < 0);
}

void flow_wheel_arm(struct flow_wheel *wheel, uint32_t entry, int64_t at_ns)
{
	int64_t tick = tick_of(wheel, at_ns) + 1;

	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	if (tick > wheel->tick + (int64_t)FLOW_WHEEL_SLOTS - 1)
		tick = wheel->tick + (int64_t)FLOW_WHEEL_SLOTS - 1;
	struct flow_wheel_slot *slot = &wheel->slots[(uint64_t)tick % FLOW_WHEEL_SLOTS];
	if (slot->block == FLOW_NONE || slot->count == FLOW_WHEEL_BLOCK) {
		uint32_t block = wheel->free;
		if (block != FLOW_NONE)
			wheel->free = wheel->blocks[block].next;
		else
			block = wheel->touched++;
		wheel->blocks[block].next = slot->block;
		*slot = (struct flow_wheel_slot){.block = block};
	}
	wheel->blocks[slot->block].entries[slot->count++] = entry;
}

void flow_wheel_advance(struct flow_wheel *wheel, int64_t now_ns, uint32_t *from, uint32_t *count)
{
	int64_t tick = tick_of(wheel, now_ns);
	bool first = wheel->due_ns == INT64_MIN;
	/* Times are anything: unsigned differences do not overflow, and what wraps is merely a long way. */
	uint64_t ahead = (uint64_t)tick - (uint64_t)wheel->tick;

	*from = (uint32_t)((uint64_t)(wheel->tick + 1) % FLOW_WHEEL_SLOTS);
	*count = first || tick < wheel->tick ? 0 : ahead < FLOW_WHEEL_SLOTS ? (uint32_t)ahead : FLOW_WHEEL_SLOTS;
	wheel->tick = tick;
	wheel->due_ns = tick >= INT64_MAX / wheel->tick_ns - 1 ? INT64_MAX : (tick + 1) * wheel->tick_ns;
}

struct flow_wheel_slot flow_wheel_take(struct flow_wheel *wheel, uint32_t slot)
{
	struct flow_wheel_slot taken = wheel->slots[slot];

	wheel->slots[slot] = (struct flow_wheel_slot){.block = FLOW_NONE};
	return taken;
}

uint32_t flow_wheel_look(const struct flow_wheel *wheel, struct flow_wheel_slot *at, uint32_t entries[static FLOW_WHEEL_BLOCK])
{
	uint32_t block = at->block, count = at->count;

	if (block == FLOW_NONE)
		return 0;
	memcpy(entries, wheel->blocks[block].entries, sizeof wheel->blocks[block].entries);
	*at = (struct flow_wheel_slot){wheel->blocks[block].next, FLOW_WHEEL_BLOCK};
	return count;
}

uint32_t flow_wheel_next(struct flow_wheel *wheel, struct flow_wheel_slot *taken, uint32_t entries[static FLOW_WHEEL_BLOCK])
{
	uint32_t block = taken->block, count = flow_wheel_look(wheel, taken, entries);

	if (block == FLOW_NONE)
		return 0;
	wheel->blocks[block].next = wheel->free;
	wheel->free = block;
	return count;
}
