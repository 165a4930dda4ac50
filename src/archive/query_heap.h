/*
 * archive/query_heap.h: loaded chunks, each with the packets that are its next to go out, in a heap: the earliest is on top.
 */
#ifndef ARCHIVE_QUERY_HEAP_H
#define ARCHIVE_QUERY_HEAP_H

#include "archive/query_load.h"

/* So many packets of a chunk are walked over at once: what is ahead of two chunks that are merged stays in the first-level cache. */
#define LOAD_AHEAD 64u

/* A task that was taken. */
struct load {
	struct load *next;      /* in query->loads, by first time */
	struct query_task task; /* its segment only until it is loaded */
	uint32_t vantage;
	uint64_t sequence;
	struct loaded loaded;
	uint64_t memory;                      /* what it counts for in query->memory_used */
	struct weir_packet ahead[LOAD_AHEAD]; /* the next packets to go out, in order, from `at` to before ahead_count */
	uint32_t at, ahead_count;
	uint32_t item;      /* of loaded.items, the one behind these */
	bool walked;        /* nothing is behind these */
	bool ready, broken; /* broken: of a whole chunk, there is no sound block behind the last packet */
};

/* The packets that are next to go out, when none is ahead. False: there are none. */
bool load_refill(struct load *load);

/* The packet that is next to go out, its bytes in the load's buffer. One is ahead. */
static inline const struct weir_packet *load_packet(const struct load *load) { return &load->ahead[load->at]; }

/* Goes on to the packet that is `count` further; so many are ahead. False: there is none. */
static inline bool load_pass(struct load *load, uint32_t count)
{
	load->at += count;
	return load->at < load->ahead_count || load_refill(load);
}

/* Whether of packets of the same time that of a goes first: by vantage, then the order in the archive. */
static inline bool load_precedes(const struct load *a, const struct load *b)
{
	if (a->vantage != b->vantage)
		return a->vantage < b->vantage;
	if (a->sequence != b->sequence)
		return a->sequence < b->sequence;
	return a->task.number < b->task.number;
}

/* Whether the packet of a goes before that of b: by time, then as load_precedes says. */
static inline bool load_before(const struct load *a, const struct load *b)
{
	int64_t a_ns = load_packet(a)->time_ns, b_ns = load_packet(b)->time_ns;

	return a_ns != b_ns ? a_ns < b_ns : load_precedes(a, b);
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
