/* Timeouts: flow/stage.h. */
#include "flow/stage.h"

#define BACK_NS INT64_C(60000000000) /* at least; by how much times may go back before the clock does */
#define EXPECTED_BLOCKS 4u           /* of a slot of the wheel: what they want stays in the second cache until it is their turn */

static inline int64_t earlier(int64_t time, int64_t by) { return time < INT64_MIN + by ? INT64_MIN : time - by; }

void flow_arm(struct flow_stage *stage, uint32_t entry, int64_t at_ns)
{
	struct flow_hot *hot = &stage->table.hot[entry];

	if (hot->timers == FLOW_TIMERS_MAX)
		return;
	hot->timers++;
	flow_wheel_arm(&stage->wheel, entry, at_ns);
}

static inline bool is_over(const struct flow_stage *stage, const struct flow_hot *hot, int64_t now_ns)
{
	int64_t limit = flow_silence_limit(stage, hot);

	return (hot->state & FLOW_USED) && limit && flow_passed(now_ns, hot->last_ns, limit);
}

/* A timer of the entry fired. */
static int look_at(struct flow_stage *stage, uint32_t entry, int64_t now_ns, struct weir_fault *fault)
{
	struct flow_hot *hot = &stage->table.hot[entry];

	hot->timers--;
	if (is_over(stage, hot, now_ns))
		return flow_end(stage, entry, hot->state & FLOW_FINISHED ? WEIR_FLOW_FINISHED : WEIR_FLOW_IDLE, fault);
	if ((hot->state & FLOW_USED) && hot->timers == 0 && flow_silence_limit(stage, hot))
		flow_arm(stage, entry, flow_later(hot->last_ns, flow_silence_limit(stage, hot)));
	return 0;
}

static int look_at_all(struct flow_stage *stage, const uint32_t *entries, uint32_t count, int64_t now_ns, struct weir_fault *fault)
{
	int error = 0;

	for (uint32_t k = 0; k < count; k++)
		if (flow_passed(now_ns, stage->table.hot[entries[k]].last_ns, stage->options.idle_ns))
			flow_name_expect(stage, entries[k]);
	for (uint32_t k = 0; k < count && !error; k++)
		error = look_at(stage, entries[k], now_ns, fault);
	return error;
}

/* Calls for what making the record of an entry's flow wants. */
static inline void fetch_record(const struct flow_table *table, uint32_t entry)
{
	flow_cold_fetch(table, entry);
	__builtin_prefetch(&table->hot[entry].directions[0], 1);
	__builtin_prefetch(&table->hot[entry].directions[1], 1);
}

/* Calls for what ending those of these entries' flows wants that are over. */
static void fetch_due(const struct flow_stage *stage, const uint32_t *entries, uint32_t count, int64_t now_ns)
{
	const struct flow_table *table = &stage->table;
	uint32_t over[FLOW_WHEEL_BLOCK], overs = 0;

	flow_has_effects();
	for (uint32_t k = 0; k < count; k++)
		__builtin_prefetch(&table->hot[entries[k]], 1);
	for (uint32_t k = 0; k < count; k++) {
		over[overs] = entries[k];
		overs += is_over(stage, &table->hot[entries[k]], now_ns);
	}
	for (uint32_t k = 0; k < overs; k++)
		fetch_record(table, over[k]);
	for (uint32_t k = 0; k < overs; k++)
		__builtin_prefetch(flow_bucket(table, table->cold[over[k]].hash), 1);
}

/*
 * Calls for what the next ticks want. Two ticks ahead the entries themselves, one tick ahead what the records of those are made of that will be over: of a
 * tick's flows too few end for one to cover the wait for another.
 */
static void expect(const struct flow_stage *stage)
{
	const struct flow_wheel *wheel = &stage->wheel;
	const struct flow_table *table = &stage->table;
	uint32_t entries[FLOW_WHEEL_BLOCK], count;
	struct flow_wheel_slot at = flow_wheel_ahead(wheel, 2);

	flow_has_effects();
	for (unsigned block = 0; block < EXPECTED_BLOCKS && (count = flow_wheel_look(wheel, &at, entries)); block++)
		for (uint32_t k = 0; k < count; k++)
			__builtin_prefetch(&table->hot[entries[k]], 1);
	at = flow_wheel_ahead(wheel, 1);
	for (unsigned block = 0; block < EXPECTED_BLOCKS && (count = flow_wheel_look(wheel, &at, entries)); block++)
		for (uint32_t k = 0; k < count; k++)
			if (is_over(stage, &table->hot[entries[k]], wheel->due_ns))
				fetch_record(table, entries[k]);
}

/* The time moved on to another tick, or far back. */
int flow_set_clock(struct flow_stage *stage, int64_t now_ns, struct weir_fault *fault)
{
	uint32_t entries[2][FLOW_WHEEL_BLOCK], from, slots, count, next;
	struct flow_datagram given;

	flow_wheel_advance(&stage->wheel, now_ns, &from, &slots);
	stage->back_ns = earlier(now_ns, stage->options.idle_ns > BACK_NS ? stage->options.idle_ns : BACK_NS);
	for (uint32_t i = 0; i < slots; i++) {
		struct flow_wheel_slot taken = flow_wheel_take(&stage->wheel, (from + i) % FLOW_WHEEL_SLOTS);
		/* What the block after this one wants is called for before this one is looked at. */
		count = flow_wheel_next(&stage->wheel, &taken, entries[0]);
		fetch_due(stage, entries[0], count, now_ns);
		for (unsigned side = 0; count; side = !side, count = next) {
			next = flow_wheel_next(&stage->wheel, &taken, entries[!side]);
			fetch_due(stage, entries[!side], next, now_ns);
			int error = look_at_all(stage, entries[side], count, now_ns, fault);
			if (error)
				return error;
		}
	}
	expect(stage);
	for (uint32_t at = 0; flow_fragments_late(&stage->fragments, now_ns, false, &at, &given);) {
		int error = flow_count_waiting(stage, &given, FLOW_NONE, fault);
		if (error)
			return error;
	}
	return 0;
}
