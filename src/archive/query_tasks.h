/*
 * archive/query_tasks.h: which chunks a query must read, in the order of their first time.
 *
 * The catalog names the segments within the time; each is opened only when its time comes: its index says which chunks are
 * left, and is closed again. So planning takes memory for one row a segment, and the first packets come at once.
 */
#ifndef ARCHIVE_QUERY_TASKS_H
#define ARCHIVE_QUERY_TASKS_H

#include <stdatomic.h>

#include "archive/campaign.h"
#include "archive/chunk_walk.h"
#include "archive/format.h"
#include "archive/plan.h"

/* All interfaces that the packets of a query came from; entries never move. One thread at a time changes it. */
struct query_interfaces;

/* A segment of which chunks are still to be read. Counted: query_segment_drop frees it with the last. */
struct query_segment {
	atomic_uint references;
	char *path;           /* as one opens it */
	uint32_t vantage;     /* rank by node, then interface */
	uint64_t sequence;    /* order within the vantage */
	enum weir_codec codec;
	bool big;
	struct walk_interface *interfaces;
	uint32_t interface_count;
	struct index_chunk *chunks; /* those to be read, by first time */
	uint8_t *numbers;           /* of these chunks in the segment */
	uint32_t chunk_count, next;
	uint8_t *journal;     /* not NULL: the one chunk is this memory, the journal of a segment that is being written */
};

void query_segment_drop(struct query_segment *segment);

/* One chunk to be read. */
struct query_task {
	struct query_segment *segment; /* holds a reference */
	struct index_chunk chunk;
	unsigned number; /* of the chunk */
};

struct query_tasks;

/* plan: the tasks' own from then on. Asks the catalog; opens no segment. */
int query_tasks_new(struct weir_campaign *campaign, const struct weir_query *query, struct plan *plan,
                    struct query_tasks **tasks, struct weir_fault *fault);
void query_tasks_free(struct query_tasks *tasks);

/* The next task, without taking it: 1; 0 at the end; or an error. Its segment is the tasks' own until it is taken. */
int query_tasks_peek(struct query_tasks *tasks, const struct query_task **task, struct weir_fault *fault);

/* Takes what peek showed. */
void query_tasks_take(struct query_tasks *tasks);

/* The counters of segments and chunks so far. */
void query_tasks_count(const struct query_tasks *tasks, struct weir_query_statistics *statistics);

/* The first segment whose index could not be used, so that it was read whole; "" when there is none. */
const struct weir_fault *query_tasks_damage(const struct query_tasks *tasks);

const struct weir_interface *const *query_tasks_interfaces(const struct query_tasks *tasks, uint32_t *count);

#endif
