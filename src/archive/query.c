/*
 * Queries: the packets that match, in time order over all nodes and interfaces.
 *
 * Chunks are tasks in the order of their first time. Workers take them in that order, load them, and keep the packets that match.
 * The consumer merges: a loaded chunk enters its heap when its turn comes, and a packet leaves when no chunk that is
 * still to come can hold an earlier one. What is loaded and what is being loaded is bounded by memory_bytes: a worker takes a
 * task only when there is room for it, and when the consumer can't go on without a chunk for which there is none, then more
 * chunks overlap in time than may be in memory, and the query says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/filter.h>

#include "archive/query_reading.h"
#include "core/clock.h"

#define MEMORY_DEFAULT (UINT64_C(512) << 20)
#define CHUNK_USUAL (UINT64_C(4352) << 10)

/* ---- The merge ---- */

static void load_free(struct load *load)
{
	loaded_free(&load->loaded);
	if (load->task.segment)
		query_segment_drop(load->task.segment);
	free(load);
}

/* A chunk whose checksum holds and that is no sequence of blocks was written so. */
static void tell_broken(struct query *query, const struct load *load)
{
	const struct index_chunk *chunk = &load->task.chunk;
	struct weir_fault fault;

	if (query->settings.on_damage) {
		struct weir_damage damage = {.file = load->task.segment->path, .from = chunk->offset, .to = chunk->offset + chunk->stored_bytes,
		                             .packets = WEIR_UNKNOWN_COUNT, .cause = "blocks", .before_ns = chunk->first_ns, .after_ns = chunk->last_ns};
		query->settings.on_damage(query->settings.damage_context, &damage);
		return;
	}
	weir_fail_at(&fault, WEIR_E_FORMAT, load->task.segment->path, (int64_t)chunk->offset, WEIR_NOWHERE, "no sound block stands here in the chunk");
	query_reading_remember(&query->damage, &fault);
	query->damaged_chunks++;
}

/* Lets go of a chunk of which all is out; its memory is free for another. With the lock. */
static void release(struct query *query, struct load *load)
{
	query->memory_used -= load->memory;
	if (load->broken)
		tell_broken(query, load);
	load_free(load);
	pthread_cond_broadcast(&query->room);
}

static int too_many(struct query *query, struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_LIMIT,
	                 "more chunks overlap in time than fit into %llu MiB of memory; allow more (--memory), or ask for less: a shorter "
	                 "time, one node or one interface",
	                 (unsigned long long)(query->settings.memory_bytes >> 20));
}

static bool stopped(const struct query *query)
{
	return query->settings.stop && atomic_load_explicit(query->settings.stop, memory_order_relaxed);
}

/* Waits for news from the workers, but looks up ten times a second: Ctrl-C wakes nobody. */
static void wait_ready(struct query *query)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 100 * 1000 * 1000;
	if (until.tv_nsec >= 1000 * 1000 * 1000) {
		until.tv_nsec -= 1000 * 1000 * 1000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&query->ready, &query->lock, &until);
}

/*
 * Moves loaded chunks into the heap until its first packet is certain to be the next of all. 1: it is, up to *bound; 0: nothing is left;
 * 2: that would take waiting, and can_wait is false; or an error. *bound: no packet before it is still to come from other chunks.
 */
static int advance(struct query *query, bool can_wait, int64_t *bound, struct weir_fault *fault)
{
	int result;

	pthread_mutex_lock(&query->lock);
	for (;;) {
		const struct query_task *next = NULL;
		struct load *first = query->loads;
		bool more = first != NULL;

		if (query->failure.code) {
			*fault = query->failure;
			result = fault->code;
			break;
		}
		if (stopped(query)) {
			result = 0;
			break;
		}
		if (first) {
			*bound = first->task.chunk.first_ns;
		} else if (!query->tasks_ended) {
			struct weir_fault found = {0};
			int code = query_tasks_peek(query->tasks, &next, &found);
			if (code < 0) {
				*fault = query->failure = found;
				result = code;
				break;
			}
			more = code == 1;
			if (more)
				*bound = next->chunk.first_ns;
		}
		if (!more)
			*bound = INT64_MAX;
		if (query->merge.heap.count) {
			const struct load *top = query->merge.heap.loads[0];
			if (!more || load_packet(top)->time_ns < *bound) {
				result = 1;
				break;
			}
		} else if (!more) {
			result = 0;
			break;
		}
		if (first && first->ready) {
			query->loads = first->next;
			if (!query->loads)
				query->loads_end = &query->loads;
			query->load_count--;
			pthread_cond_broadcast(&query->room);
			for (uint32_t i = 0; i < first->loaded.range_count; i++) {
				first->loaded.ranges[i].file = first->loaded.damage.file;
				query->settings.on_damage(query->settings.damage_context, &first->loaded.ranges[i]);
			}
			if (!load_refill(first)) {
				release(query, first);
				continue;
			}
			result = load_heap_push(&query->merge.heap, first) < 0 ? weir_fail(fault, WEIR_E_MEMORY, "no memory to merge the packets of a query") : 0;
			if (result < 0) {
				release(query, first);
				break;
			}
			continue;
		}
		if (!first && next && !query_reading_has_room(query, query_reading_memory(next))) {
			result = too_many(query, fault);
			break;
		}
		if (!can_wait) {
			result = 2;
			break;
		}
		query->awaited = query->settings.pipelined;
		if (!query->settings.pipelined || !query_reading_load(query))
			wait_ready(query);
		query->awaited = false;
	}
	pthread_mutex_unlock(&query->lock);
	return result;
}

/* Lets go of a chunk of which all is out. */
static void let_go(void *context, struct load *load)
{
	struct query *query = context;

	pthread_mutex_lock(&query->lock);
	release(query, load);
	pthread_mutex_unlock(&query->lock);
}

/* All packets are out: tells what was damaged on the way. */
static int end_of_query(struct query *query, struct weir_fault *fault)
{
	query->ended = true;
	pthread_mutex_lock(&query->lock);
	const struct weir_fault *unindexed = query_tasks_damage(query->tasks);
	if (query->settings.on_damage && unindexed->code) {
		uint64_t at = unindexed->offset > 0 ? (uint64_t)unindexed->offset : 0;
		struct weir_damage damage = {.file = unindexed->file, .from = at, .to = at, .packets = WEIR_UNKNOWN_COUNT, .cause = "index",
		                             .before_ns = WEIR_NO_TIME, .after_ns = WEIR_NO_TIME};
		query->settings.on_damage(query->settings.damage_context, &damage);
	} else if (!query->damage.code) {
		query_reading_remember(&query->damage, unindexed);
	}
	if (query->damage.code)
		*fault = query->damage;
	int code = query->damage.code;
	pthread_mutex_unlock(&query->lock);
	return code;
}

/* For a pipeline's threads that have nothing else to do. */
static bool query_ahead(struct weir_source *source)
{
	struct query *query = (struct query *)source;

	pthread_mutex_lock(&query->lock);
	bool loaded = query_reading_load(query);
	pthread_mutex_unlock(&query->lock);
	return loaded;
}

static int query_fill(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	struct query *query = (struct query *)source;
	struct weir_fault own;
	uint32_t most = WEIR_BATCH_PACKETS;
	int64_t bound = 0;
	int code = 0;

	if (!fault)
		fault = &own;
	if (query->ended)
		return 0;
	if (query->settings.limit && query->delivered == query->settings.limit)
		return end_of_query(query, fault);
	if (!query->thread_count)
		query_reading_start(query);
	batch->first_number = query->delivered + 1;
	if (query->settings.limit && query->settings.limit - query->delivered < most)
		most = (uint32_t)(query->settings.limit - query->delivered);
	while (code == 0 && batch->count < most) {
		int state = advance(query, batch->count == 0, &bound, fault);

		if (state < 0) {
			code = state;
			break;
		}
		if (state != 1)
			break;
		code = query_merge_put(&query->merge, batch, most, bound);
	}
	if (code == WEIR_E_LIMIT && batch->count) /* buffers, or memory: the error, if it is one, comes again */
		code = 0;
	if (code == WEIR_E_MEMORY)
		weir_fail(fault, WEIR_E_MEMORY, "no memory for the packets of a query");
	if (code < 0) {
		query->ended = true;
		return code;
	}
	pthread_mutex_lock(&query->lock);
	batch->interfaces = query_tasks_interfaces(query->tasks, &batch->interface_count);
	batch->source_bytes = query->statistics.bytes_read;
	pthread_mutex_unlock(&query->lock);
	query->delivered += batch->count;
	return batch->count ? 1 : end_of_query(query, fault);
}

/* ---- Open and close ---- */

static void query_close(struct weir_source *source)
{
	struct query *query = (struct query *)source;

	query_reading_end(query);
	for (uint32_t i = 0; i < query->merge.heap.count; i++)
		load_free(query->merge.heap.loads[i]);
	while (query->loads) {
		struct load *load = query->loads;
		query->loads = load->next;
		load_free(load);
	}
	query_merge_free(&query->merge);
	buffer_pool_free(query->pool);
	query_tasks_free(query->tasks);
	pthread_cond_destroy(&query->room);
	pthread_cond_destroy(&query->ready);
	pthread_mutex_destroy(&query->lock);
	free(query->filter);
	free(query);
}

static const struct weir_source_ops query_ops = {
	.name = "query",
	.fill = query_fill,
	.ahead = query_ahead,
	.close = query_close,
};

/*
 * The expression must compile for a link type that there is. Which these are is known from the first segment only: later ones
 * for which it does not compile are counted.
 */
static int check_filter(struct query *query, const struct query_task *first, struct weir_fault *fault)
{
	struct weir_filter *filter;
	struct weir_fault other;
	int code = weir_filter_new(query->filter, 1, &filter, fault);

	for (uint32_t i = 0; code == WEIR_E_FILTER && first && i < first->segment->interface_count; i++)
		code = weir_filter_new(query->filter, first->segment->interfaces[i].linktype, &filter, &other);
	if (code == 0)
		weir_filter_free(filter);
	return code;
}

static uint64_t largest_chunk(const struct query_task *task)
{
	uint64_t largest = CHUNK_USUAL;

	for (uint32_t i = 0; task && i < task->segment->chunk_count; i++)
		if (task->segment->chunks[i].raw_bytes > largest)
			largest = task->segment->chunks[i].raw_bytes;
	return largest;
}

static int threads_of(const struct weir_query *settings)
{
	long threads = settings->threads > 0 ? settings->threads : sysconf(_SC_NPROCESSORS_ONLN);
	return threads < 1 ? 1 : threads > QUERY_THREADS_MAX ? QUERY_THREADS_MAX : (int)threads;
}

static int prepare(struct query *query, struct weir_fault *fault)
{
	const struct query_task *first = NULL;
	struct plan *plan;
	int code = plan_new(query->filter, &plan, fault);

	if (code == 0)
		code = query_tasks_new(query->campaign, &query->settings, plan, &query->tasks, fault);
	if (code == 0)
		code = query_tasks_peek(query->tasks, &first, fault);
	if (code < 0)
		return code;
	if (code == 0)
		first = NULL;
	code = check_filter(query, first, fault);
	if (code < 0)
		return code;
	query->pool = buffer_pool_new(largest_chunk(first));
	query->merge.pool = query->pool;
	return query->pool ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for a query");
}

int weir_query_open(struct weir_campaign *campaign, const struct weir_query *settings, struct weir_source **source,
                    struct weir_fault *fault)
{
	struct query *query = calloc(1, sizeof *query);
	pthread_condattr_t attributes;

	*source = NULL;
	if (!query)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a query");
	query->source.ops = &query_ops;
	query->campaign = campaign;
	query->settings = *settings;
	query->loads_end = &query->loads;
	query->merge.let_go = let_go;
	query->merge.context = query;
	query->threads_wanted = threads_of(settings);
	if (!query->settings.memory_bytes)
		query->settings.memory_bytes = MEMORY_DEFAULT;
	pthread_mutex_init(&query->lock, NULL);
	pthread_cond_init(&query->room, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&query->ready, &attributes);
	pthread_condattr_destroy(&attributes);
	query->filter = strdup(settings->filter ? settings->filter : "");
	query->settings.filter = query->filter;
	int code = query->filter ? prepare(query, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory for a query");
	if (code < 0) {
		query_close(&query->source);
		return code;
	}
	*source = &query->source;
	return 0;
}

static uint64_t count_segments(struct query *query)
{
	sqlite3_stmt *statement;
	uint64_t count = 0;

	if (sqlite3_prepare_v2(catalog_database(query->campaign->catalog), "SELECT count(*) FROM segments", -1, &statement, NULL) !=
	    SQLITE_OK)
		return 0;
	if (sqlite3_step(statement) == SQLITE_ROW)
		count = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return count;
}

void weir_query_statistics(const struct weir_source *source, struct weir_query_statistics *statistics)
{
	struct query *query = (struct query *)source;

	pthread_mutex_lock(&query->lock);
	*statistics = query->statistics;
	query_tasks_count(query->tasks, statistics);
	pthread_mutex_unlock(&query->lock);
	statistics->segments = count_segments(query);
}

uint64_t query_not_compiled(const struct weir_source *source)
{
	struct query *query = (struct query *)source;

	pthread_mutex_lock(&query->lock);
	uint64_t packets = query->not_compiled;
	pthread_mutex_unlock(&query->lock);
	return packets;
}
