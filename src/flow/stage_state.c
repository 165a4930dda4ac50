/*
 * The flow stage from one part of a run to the next. Nothing in the table is a pointer: it is written as it stands, and what is read is
 * checked, so that a file that is not what was written can do no harm.
 */
#include <stdlib.h>

#include "flow/stage.h"

#define SECTION "flow"
#define VERSION 4

struct table_header {
	uint32_t capacity, touched, used, free, hand, reserved;
	uint64_t bucket_mask;
};

struct wheel_header {
	int64_t tick_ns, tick, due_ns;
};

struct stage_header {
	int64_t idle_ns, active_ns, back_ns;
	uint64_t sequence;
	struct weir_flow_statistics statistics;
};

static int unsound(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_FORMAT, "the saved flows are not sound, or of other options: start the run anew");
}

/* ---- the table ---- */

int flow_table_save(const struct flow_table *table, struct weir_state *state, struct weir_fault *fault)
{
	struct table_header header = {table->capacity, table->touched, table->used, table->free, table->hand, 0, table->bucket_mask};
	int error = weir_state_put(state, &header, sizeof header, fault);

	if (!error)
		error = weir_state_put(state, table->buckets, (table->bucket_mask + 1) * sizeof *table->buckets, fault);
	for (uint32_t i = 0; !error && i < table->touched; i++) {
		error = weir_state_put(state, &table->hot[i], sizeof table->hot[i], fault);
		if (!error && (table->hot[i].state & FLOW_USED))
			error = weir_state_put(state, &table->cold[i], sizeof table->cold[i], fault);
		if (!error && (table->hot[i].state & FLOW_TUNNELLED))
			error = weir_state_put(state, &table->outer[i], sizeof table->outer[i], fault);
		if (!error && (table->hot[i].state & FLOW_PROCESSES))
			error = weir_state_put(state, &table->processes[i], sizeof table->processes[i], fault);
	}
	return error;
}

/* Marks an entry as seen in a list. False: it can't be there, or was seen before (a circle). */
static bool mark(const struct flow_table *table, uint8_t *seen, uint32_t entry, bool used)
{
	if (entry >= table->touched || seen[entry] || !!(table->hot[entry].state & FLOW_USED) != used)
		return false;
	seen[entry] = 1;
	return true;
}

/* Every entry is in one place: used ones in the bucket of their hash, others in the list of free ones. */
static bool table_is_sound(const struct flow_table *table, uint8_t *seen)
{
	uint32_t used = 0, unused = 0;

	for (uint64_t b = 0; b <= table->bucket_mask; b++) {
		const struct flow_bucket *bucket = &table->buckets[b];
		for (unsigned i = 0; i < FLOW_BUCKET_SLOTS; i++) {
			uint32_t entry = bucket->entries[i];
			if (!bucket->tags[i])
				continue;
			if (!mark(table, seen, entry, true) || flow_tag(table->cold[entry].hash) != bucket->tags[i] ||
			    flow_bucket(table, table->cold[entry].hash) != bucket)
				return false;
			used++;
		}
		for (uint32_t entry = bucket->chain; entry != FLOW_NONE; entry = table->hot[entry].next) {
			if (!mark(table, seen, entry, true) || flow_bucket(table, table->cold[entry].hash) != bucket)
				return false;
			used++;
		}
	}
	for (uint32_t entry = table->free; entry != FLOW_NONE; entry = table->hot[entry].next) {
		if (!mark(table, seen, entry, false))
			return false;
		unused++;
	}
	return used == table->used && unused == table->touched - table->used;
}

static int load_entries(struct flow_table *table, struct weir_state *state, struct weir_fault *fault)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < table->touched; i++) {
		error = weir_state_get(state, &table->hot[i], sizeof table->hot[i], fault);
		table->hot[i].timers = 0; /* the wheel counts them anew */
		if (!error && (table->hot[i].state & FLOW_USED))
			error = weir_state_get(state, &table->cold[i], sizeof table->cold[i], fault);
		if (!error && (table->hot[i].state & FLOW_TUNNELLED))
			error = weir_state_get(state, &table->outer[i], sizeof table->outer[i], fault);
		if (!error && (table->hot[i].state & FLOW_PROCESSES))
			error = weir_state_get(state, &table->processes[i], sizeof table->processes[i], fault);
		for (unsigned side = 0; side < 2; side++)
			table->hot[i].directions[side].vantage %= FLOW_VANTAGES_MAX;
	}
	return error;
}

int flow_table_load(struct flow_table *table, struct weir_state *state, struct weir_fault *fault)
{
	struct table_header header;
	int error = weir_state_get(state, &header, sizeof header, fault);

	if (error)
		return error;
	uint64_t buckets = header.bucket_mask + 1;
	if (header.capacity != table->capacity || header.touched > table->capacity || header.used > header.touched ||
	    buckets == 0 || (buckets & header.bucket_mask) || buckets > table->bucket_most ||
	    (header.hand >= header.touched && header.hand != 0) || !flow_table_buckets(table, buckets))
		return unsound(fault);
	table->touched = header.touched;
	table->used = header.used;
	table->free = header.free;
	table->hand = header.hand;
	error = weir_state_get(state, table->buckets, buckets * sizeof *table->buckets, fault);
	if (!error)
		error = load_entries(table, state, fault);
	uint8_t *seen = error ? NULL : calloc(table->touched + 1u, 1);
	if (!error && !seen)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to check the saved flows");
	if (!error && !table_is_sound(table, seen))
		error = unsound(fault);
	free(seen);
	return error;
}

/* ---- the wheel ---- */

/* How many entries a slot holds, walking its blocks. */
static uint32_t slot_entries(const struct flow_wheel *wheel, struct flow_wheel_slot slot)
{
	uint32_t total = 0;

	for (; slot.block != FLOW_NONE; slot = (struct flow_wheel_slot){wheel->blocks[slot.block].next, FLOW_WHEEL_BLOCK})
		total += slot.count;
	return total;
}

/* Slot by slot, in the order in which its timers will be looked at. */
int flow_wheel_save(const struct flow_wheel *wheel, struct weir_state *state, struct weir_fault *fault)
{
	struct wheel_header header = {wheel->tick_ns, wheel->tick, wheel->due_ns};
	int error = weir_state_put(state, &header, sizeof header, fault);

	for (unsigned i = 0; !error && i < FLOW_WHEEL_SLOTS; i++) {
		struct flow_wheel_slot slot = wheel->slots[i];
		uint32_t count = slot_entries(wheel, slot), first = slot.count;
		error = weir_state_put(state, &count, sizeof count, fault);
		if (!error)
			error = weir_state_put(state, &first, sizeof first, fault);
		while (!error && slot.block != FLOW_NONE) {
			error = weir_state_put(state, wheel->blocks[slot.block].entries, slot.count * sizeof(uint32_t), fault);
			slot = (struct flow_wheel_slot){wheel->blocks[slot.block].next, FLOW_WHEEL_BLOCK};
		}
	}
	return error;
}

/* One slot: its newest block has `first` entries, the others are full. */
static int load_slot(struct flow_wheel *wheel, struct flow_table *table, unsigned number, uint32_t count, uint32_t first,
                     struct weir_state *state, struct weir_fault *fault)
{
	uint32_t *link = &wheel->slots[number].block;

	if ((count == 0) != (first == 0) || first > FLOW_WHEEL_BLOCK || count < first || (count - first) % FLOW_WHEEL_BLOCK)
		return unsound(fault);
	wheel->slots[number].count = first;
	for (uint32_t room = first; count > 0; count -= room, room = FLOW_WHEEL_BLOCK) {
		room = room < count ? room : count;
		if (wheel->touched == wheel->block_count)
			return unsound(fault);
		uint32_t block = wheel->touched++;
		struct flow_wheel_block *to = &wheel->blocks[block];
		int error = weir_state_get(state, to->entries, room * sizeof(uint32_t), fault);
		if (error)
			return error;
		for (uint32_t i = 0; i < room; i++) {
			if (to->entries[i] >= table->touched || table->hot[to->entries[i]].timers == FLOW_TIMERS_MAX)
				return unsound(fault);
			table->hot[to->entries[i]].timers++;
		}
		to->next = FLOW_NONE;
		*link = block;
		link = &to->next;
	}
	return 0;
}

int flow_wheel_load(struct flow_wheel *wheel, struct flow_table *table, struct weir_state *state, struct weir_fault *fault)
{
	struct wheel_header header;
	uint32_t count, first;
	int error = weir_state_get(state, &header, sizeof header, fault);

	if (error)
		return error;
	if (header.tick_ns != wheel->tick_ns)
		return unsound(fault);
	wheel->tick = header.tick;
	wheel->due_ns = header.due_ns;
	for (unsigned i = 0; !error && i < FLOW_WHEEL_SLOTS; i++) {
		error = weir_state_get(state, &count, sizeof count, fault);
		if (!error)
			error = weir_state_get(state, &first, sizeof first, fault);
		if (!error)
			error = load_slot(wheel, table, i, count, first, state, fault);
	}
	return error;
}

/* ---- the stage ---- */

int flow_stage_save(struct weir_stage *generic, struct weir_state *state, struct weir_fault *fault)
{
	struct flow_stage *stage = (struct flow_stage *)generic;
	struct stage_header header = {
		.idle_ns = stage->options.idle_ns,
		.active_ns = stage->options.active_ns,
		.back_ns = stage->back_ns,
		.sequence = stage->sequence,
		.statistics = stage->statistics,
	};
	int error = weir_state_section(state, SECTION, VERSION, fault);

	if (!error)
		error = weir_state_put(state, &header, sizeof header, fault);
	if (!error)
		error = flow_table_save(&stage->table, state, fault);
	if (!error)
		error = flow_wheel_save(&stage->wheel, state, fault);
	if (!error)
		error = flow_fragments_save(&stage->fragments, state, fault);
	if (!error)
		error = flow_vantages_save(&stage->vantages, state, fault);
	return error ? error : flow_processes_save(&stage->processes, state, fault);
}

int flow_stage_load(struct weir_stage *generic, struct weir_state *state, struct weir_fault *fault)
{
	struct flow_stage *stage = (struct flow_stage *)generic;
	struct stage_header header;
	int error = weir_state_section(state, SECTION, VERSION, fault);

	if (!error)
		error = weir_state_get(state, &header, sizeof header, fault);
	if (!error && (header.idle_ns != stage->options.idle_ns || header.active_ns != stage->options.active_ns))
		error = unsound(fault);
	if (!error)
		error = flow_table_load(&stage->table, state, fault);
	if (!error)
		error = flow_wheel_load(&stage->wheel, &stage->table, state, fault);
	if (!error)
		error = flow_fragments_load(&stage->fragments, state, fault);
	if (!error)
		error = flow_vantages_load(&stage->vantages, state, fault);
	if (!error)
		error = flow_processes_load(&stage->processes, state, fault);
	if (error)
		return error;
	/* What was named before is not known to this namer when there is none. */
	for (uint32_t i = 0; !stage->options.applications && i < stage->table.touched; i++) {
		stage->table.hot[i].state &= (uint16_t)~FLOW_UNDECIDED;
		stage->table.cold[i].application = (struct weir_application){0};
	}
	stage->back_ns = header.back_ns;
	stage->sequence = header.sequence;
	stage->statistics = header.statistics;
	return 0;
}
