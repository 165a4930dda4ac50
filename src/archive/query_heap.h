/*
 * archive/query_heap.h: loaded chunks, each with the packet that is its next to go out, in a heap: the earliest is on top.
 */
#ifndef ARCHIVE_QUERY_HEAP_H
#define ARCHIVE_QUERY_HEAP_H

#include "archive/query_load.h"

/* A task that was taken. */
struct load {
	struct load *next; /* in query->loads, by first time */
	struct query_task task; /* its segment only until it is loaded */
	uint32_t vantage;
	uint64_t sequence;
	struct loaded loaded;
	uint64_t memory;   /* what it counts for in query->memory_used */
	int64_t time_ns;   /* of the next packet to go out, which is … */
	uint32_t at;       /* … this one of loaded.items, */
	struct weir_packet packet; /* or, of a whole chunk, this one */
	bool ready, broken; /* broken: of a whole chunk, there is no sound block behind the last packet */
};

/* The first packet is the next to go out. False: there is none. */
bool load_begin(struct load *load);

/* … the one after that which went out. */
bool load_next(struct load *load);

/* The packet that is next in the load, its bytes in the load's buffer. */
void load_show(const struct load *load, struct weir_packet *packet);

/* Which of two goes first (negative: a): by time, then vantage, then the order in the archive. */
static inline int load_compare(const struct load *a, const struct load *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	if (a->vantage != b->vantage)
		return a->vantage < b->vantage ? -1 : 1;
	if (a->sequence != b->sequence)
		return a->sequence < b->sequence ? -1 : 1;
	return (int)a->task.number - (int)b->task.number;
}

struct load_heap {
	struct load **loads; /* free() it */
	uint32_t count, capacity;
};

/* 0 or WEIR_E_MEMORY. */
int load_heap_push(struct load_heap *heap, struct load *load);

/* The second to go, NULL when there is one alone. */
const struct load *load_heap_second(const struct load_heap *heap);

/* Takes the one on top out, or (sink) puts it where it belongs after it has moved on. */
void load_heap_pop(struct load_heap *heap);
void load_heap_sink(struct load_heap *heap);

#endif
