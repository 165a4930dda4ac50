/*
 * stage/merge.h: what the merge and its queues share.
 *
 * A batch that was read is held until all its packets have gone out. The packets of an input stand in runs, each in order of time: a packet
 * goes behind the run that ends the least before it, or begins a new one. A sorted input is one run, one of two interleaved rings is two, and
 * whatever the disorder, the first packet of all is the least of the runs' first ones, which a heap gives.
 */
#ifndef STAGE_MERGE_H
#define STAGE_MERGE_H

#include <weir/stage.h>

#include "stage/clock.h"

/* A batch that waits. */
struct merge_held {
	struct merge_held *next;
	struct weir_batch *batch;
	struct merge_input *input;
	uint64_t first_sequence; /* of packets[0], among all of its input */
	uint64_t memory;         /* what it counts for */
	uint64_t stamp;          /* the batch that is being filled knows of … */
	uint32_t known;          /* … these of its buffers, a bit each */
	uint32_t left;           /* packets that have not gone out */
	uint32_t lying;          /* the buffer in which the last packet lay */
};

/* packets[at … end) of a batch: a piece of a run. */
struct merge_stretch {
	struct merge_stretch *next;
	struct merge_held *held;
	uint32_t at, end;
};

struct merge_run {
	struct merge_run *next; /* among those free */
	struct merge_input *input;
	struct merge_stretch *first, *last; /* NULL: nothing waits */
	int64_t last_ns;                    /* of the last packet that was put there */
};

/* Memory for the above, kept for reuse, and how much is in use. */
struct merge_memory {
	struct merge_held *held;
	struct merge_stretch *stretches;
	struct merge_run *runs;
	uint64_t used;
	uint32_t held_free;
};

struct merge_input {
	uint32_t number;
	struct weir_source *source; /* NULL: not open, or ended */
	char *path;                 /* opened by the merge; NULL: the source was given */
	char *name;
	struct weir_clock clock;
	struct clock_piece piece;   /* of clock, where the input is */
	int64_t first_ns;           /* of the first batch: for those that are not open yet */
	int64_t high_ns;            /* the latest time read so far */
	uint64_t sequence;          /* of the next packet */
	uint64_t source_bytes;
	const struct weir_buffer *last_buffer; /* of the batch before: shared buffers count once */
	struct merge_run **runs;    /* by last_ns, the latest first */
	uint32_t run_count, run_capacity;
	uint32_t *interfaces;       /* the merge's number for each of the source's */
	uint32_t interface_count;
};

struct merge_item {
	int64_t time_ns;
	struct merge_run *run;
};

/* The runs by their first packet. */
struct merge_heap {
	struct merge_item *items;
	uint32_t count, capacity;
};

struct merge_held *merge_held_take(struct merge_memory *memory); /* NULL: no memory */
void merge_held_give_back(struct merge_memory *memory, struct merge_held *held);
void merge_memory_free(struct merge_memory *memory);

/* Puts packets [0, count) of a held batch into the runs of its input, those that are not kept left out. 0 or WEIR_E_MEMORY. */
int merge_queue(struct merge_memory *memory, struct merge_heap *heap, struct merge_held *held);

/* Takes the first `count` packets of the first stretch of the heap's first run, and sees to its place. */
void merge_advance(struct merge_memory *memory, struct merge_heap *heap, uint32_t count);

/* Frees the runs and stretches of an input and gives its batches back. */
void merge_input_clear(struct merge_memory *memory, struct merge_input *input);

/* Whether `a` comes before `b`: by time, then input, then place in it. */
bool merge_before(const struct merge_item *a, const struct merge_item *b);

/* All interfaces of all inputs. Tables that were outgrown stay until the end: batches still show them. */
struct merge_interfaces {
	const struct weir_interface **list;
	struct merge_interface_key {
		uint64_t hash;
		uint32_t section_id; /* as its source numbers it */
	} *keys;
	uint32_t *buckets; /* by hash: number + 1; twice the capacity */
	uint32_t count, capacity;
	void **outgrown;
	uint32_t outgrown_count;
};

/*
 * Enters the interfaces of an input that are new. Those that have the same description, node and number in their section are one: files
 * that one recorder wrote one after the other share theirs. 0 or WEIR_E_MEMORY.
 */
int merge_interfaces_enter(struct merge_interfaces *interfaces, struct merge_input *input, const struct weir_interface *const *list,
                           uint32_t count);
void merge_interfaces_free(struct merge_interfaces *interfaces);

#endif
