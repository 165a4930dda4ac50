/* Bytes of payload by flow: stage/keep.h. */
#include <stdlib.h>
#include <string.h>

#include <weir/state.h>

#include "core/clock.h"
#include "stage/keep.h"

#define SETS (1u << 17)
#define WAYS 8

struct entry {
	uint64_t hash; /* 0: free */
	uint32_t used; /* bytes; as many as fit */
	uint32_t seen_s;
};

struct keep_flows {
	struct entry entries[SETS][WAYS];
};

struct keep_flows *keep_flows_new(void) { return calloc(1, sizeof(struct keep_flows)); }
void keep_flows_free(struct keep_flows *flows) { free(flows); }

/* Packets from before the entry's last one do not make it old. */
static bool is_over(const struct entry *entry, uint32_t now_s)
{
	return now_s > entry->seen_s && now_s - entry->seen_s > KEEP_IDLE_SECONDS;
}

/* The flow's entry, new when there is none yet or it was over; NULL: no room. */
static struct entry *entry_of(struct keep_flows *flows, uint64_t hash, uint32_t now_s)
{
	struct entry *set = flows->entries[(hash ^ hash >> 32) % SETS], *room = NULL;

	for (unsigned way = 0; way < WAYS; way++) {
		struct entry *entry = &set[way];
		if (entry->hash == hash && !is_over(entry, now_s))
			return entry;
		if (!room && (entry->hash == 0 || entry->hash == hash || is_over(entry, now_s)))
			room = entry;
	}
	/* An entry of this flow that is over may stand behind a free one: it must not be found again. */
	for (unsigned way = 0; way < WAYS; way++)
		if (set[way].hash == hash)
			set[way] = (struct entry){0};
	if (room)
		*room = (struct entry){.hash = hash};
	return room;
}

uint32_t keep_flows_take(struct keep_flows *flows, uint64_t flow_hash, int64_t time_ns, uint32_t payload, uint32_t most)
{
	uint32_t now_s = (uint32_t)(time_ns / NS_PER_SECOND);

	if (payload == 0)
		return 0;
	struct entry *entry = entry_of(flows, flow_hash, now_s);
	if (!entry)
		return 0;
	uint32_t left = most > entry->used ? most - entry->used : 0;
	entry->used = payload > UINT32_MAX - entry->used ? UINT32_MAX : entry->used + payload;
	if (now_s > entry->seen_s)
		entry->seen_s = now_s;
	return left;
}

/* What is saved: the number of entries, then each with its set. */
struct saved {
	uint64_t hash;
	uint32_t used, seen_s;
	uint32_t set, way;
};

int keep_flows_save(const struct keep_flows *flows, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t count = 0;
	int error;

	for (uint32_t set = 0; set < SETS; set++)
		for (uint32_t way = 0; way < WAYS; way++)
			count += flows->entries[set][way].hash != 0;
	error = weir_state_put(state, &count, sizeof count, fault);
	for (uint32_t set = 0; set < SETS && !error; set++)
		for (uint32_t way = 0; way < WAYS && !error; way++) {
			const struct entry *entry = &flows->entries[set][way];
			const struct saved saved = {entry->hash, entry->used, entry->seen_s, set, way};
			if (entry->hash)
				error = weir_state_put(state, &saved, sizeof saved, fault);
		}
	return error;
}

int keep_flows_load(struct keep_flows *flows, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t count;
	int error = weir_state_get(state, &count, sizeof count, fault);

	if (!error && count > weir_state_left(state) / sizeof(struct saved))
		error = weir_fail(fault, WEIR_E_FORMAT, "the state of flows is cut off");
	for (uint64_t i = 0; i < count && !error; i++) {
		struct saved saved;
		error = weir_state_get(state, &saved, sizeof saved, fault);
		if (!error && (saved.set >= SETS || saved.way >= WAYS))
			error = weir_fail(fault, WEIR_E_FORMAT, "the state of flows names a place that is not there");
		if (!error)
			flows->entries[saved.set][saved.way] = (struct entry){saved.hash, saved.used, saved.seen_s};
	}
	return error;
}
