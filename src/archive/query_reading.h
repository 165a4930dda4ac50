/*
 * archive/query_reading.h: loading the chunks of a query: on threads of its own, or on those of the pipeline that it feeds.
 *
 * Chunks are taken in the order of their first time, by whoever has nothing better to do, and wait in query->loads for the consumer. What is loaded and
 * what is being loaded is bounded by memory_bytes.
 */
#ifndef ARCHIVE_QUERY_READING_H
#define ARCHIVE_QUERY_READING_H

#include <pthread.h>

#include "archive/query.h"
#include "archive/query_merge.h"

#define QUERY_THREADS_MAX 64

struct query {
	struct weir_source source;
	struct weir_campaign *campaign;
	char *filter;
	struct weir_query settings;
	struct buffer_pool *pool;
	pthread_t threads[QUERY_THREADS_MAX];
	int thread_count, threads_wanted;

	pthread_mutex_t lock;
	pthread_cond_t room, ready; /* for workers; for the consumer */
	struct query_tasks *tasks;  /* lock */
	struct load *loads, **loads_end;
	unsigned load_count;
	bool awaited;               /* the consumer of a pipeline can't go on without the first of them: one more may be loaded meanwhile */
	struct loader *idle[QUERY_THREADS_MAX]; /* of pipelines' threads, for the next that comes */
	unsigned idle_count;
	uint64_t memory_used;
	bool tasks_ended, closing;
	struct weir_fault failure;  /* ends the query */
	struct weir_fault damage;   /* the first of what was damaged; told at the end */
	uint64_t damaged_chunks;
	struct weir_query_statistics statistics;
	uint64_t not_compiled;

	/* The consumer's own. */
	struct query_merge merge;
	uint64_t delivered;
	bool ended;
};

/* Starts the query's own threads, when it is to have some. */
void query_reading_start(struct query *query);

/* Ends them, and frees what was needed for loading. Loads that are there stay. */
void query_reading_end(struct query *query);

/* Loads the next chunk on the calling thread, if there is one for which there is room and it is not too far ahead. With the lock, which it lets go of meanwhile. False: it did not. */
bool query_reading_load(struct query *query);

/* Whether there is room for so many more bytes. With the lock. */
bool query_reading_has_room(const struct query *query, uint64_t memory);

/* What a task will take of memory. */
uint64_t query_reading_memory(const struct query_task *task);

/* Keeps the first fault of several. */
void query_reading_remember(struct weir_fault *kept, const struct weir_fault *fault);

#endif
