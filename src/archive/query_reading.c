#include "archive/query_reading.h"

#include <stdlib.h>

void query_reading_remember(struct weir_fault *kept, const struct weir_fault *fault)
{
	if (!kept->code)
		*kept = *fault;
}

uint64_t query_reading_memory(const struct query_task *task)
{
	return (uint64_t)task->chunk.raw_bytes + task->chunk.packets / 4 * sizeof(struct found);
}

bool query_reading_has_room(const struct query *query, uint64_t memory)
{
	/* One alone always may, unless it is larger than all that is allowed. */
	return query->memory_used + memory <= query->settings.memory_bytes ||
	       (query->memory_used == 0 && memory <= 2 * query->settings.memory_bytes);
}

/*
 * How many chunks may be on their way or waiting, behind those of which packets go out. What is neither compressed nor filtered comes faster than it is used up:
 * more of it would only push what is next out of the processor's cache. For a pipeline that reads for itself one is enough for a few threads: between reading and use
 * are then 4 MiB and not 20, which saves an eighth of a whole pass over packets of 690 bytes.
 */
static unsigned most_ahead(const struct query *query, const struct query_task *task)
{
	unsigned threads = (unsigned)query->threads_wanted;
	bool quick = task->segment->codec == WEIR_CODEC_NONE && !*query->filter;

	if (query->settings.pipelined)
		return quick ? (threads + 3) / 4 : threads + 1;
	return quick ? threads : threads * 2 + 2;
}

/* Takes the task that is next. NULL: no memory, which ends the query. */
static struct load *enter_load(struct query *query, const struct query_task *task)
{
	struct load *load = calloc(1, sizeof *load);

	if (!load) {
		weir_fail(&query->failure, WEIR_E_MEMORY, "no memory for a query");
		pthread_cond_broadcast(&query->ready);
		return NULL;
	}
	load->task = *task;
	load->vantage = task->segment->vantage;
	load->sequence = task->segment->sequence;
	load->memory = query_reading_memory(task);
	query_tasks_take(query->tasks);
	query->memory_used += load->memory;
	*query->loads_end = load;
	query->loads_end = &load->next;
	query->load_count++;
	return load;
}

/* Takes the next task if there is room, and it is not too far ahead. NULL: there is none, nothing is left, or the end is near: *left tells whether to come again. With the lock. */
static struct load *take_load(struct query *query, bool *left)
{
	const struct query_task *task;
	struct weir_fault fault = {0};

	*left = false;
	if (query->closing || query->failure.code || query->tasks_ended)
		return NULL;
	int code = query_tasks_peek(query->tasks, &task, &fault);
	if (code <= 0) {
		query->tasks_ended = true;
		if (code < 0)
			query->failure = fault;
		pthread_cond_broadcast(&query->ready);
		pthread_cond_broadcast(&query->room);
		return NULL;
	}
	*left = true;
	if (query->load_count >= most_ahead(query, task) + query->awaited)
		return NULL;
	if (query_reading_has_room(query, query_reading_memory(task)))
		return enter_load(query, task);
	/* The consumer may be waiting for just this one. */
	pthread_cond_signal(&query->ready);
	return NULL;
}

static void account(struct query *query, struct load *load)
{
	query->memory_used = query->memory_used - load->memory + load->loaded.memory;
	load->memory = load->loaded.memory;
	query->statistics.chunks_read++;
	query->statistics.packets_read += load->loaded.packets;
	query->statistics.packets_matched += load->loaded.count;
	query->statistics.bytes_read += load->loaded.bytes_read;
	query->statistics.bytes_decompressed += load->loaded.bytes_decompressed;
	query->not_compiled += load->loaded.not_compiled;
	if (load->loaded.damage.code && !query->settings.on_damage) {
		query_reading_remember(&query->damage, &load->loaded.damage);
		query->damaged_chunks++;
	}
}

/* With the lock, which it lets go of while it loads. */
static void do_load(struct query *query, struct loader *loader, struct load *load)
{
	struct weir_fault fault = {0};

	pthread_mutex_unlock(&query->lock);
	int code = loader_load(loader, &load->task, &load->loaded, &fault);
	if (!load->loaded.whole) {
		query_segment_drop(load->task.segment);
		load->task.segment = NULL;
	}
	pthread_mutex_lock(&query->lock);
	if (code < 0)
		query_reading_remember(&query->failure, &fault);
	account(query, load);
	load->ready = true;
	pthread_cond_signal(&query->ready);
	pthread_cond_broadcast(&query->room);
}

static struct loader *make_loader(struct query *query)
{
	struct loader *loader = loader_new(&query->settings, query->campaign->identities, query->pool);

	if (!loader)
		weir_fail(&query->failure, WEIR_E_MEMORY, "no memory for a query");
	return loader;
}

/* A thread of the query's own. */
static void *work(void *argument)
{
	struct query *query = argument;
	bool left = true;

	pthread_mutex_lock(&query->lock);
	struct loader *loader = make_loader(query);
	while (loader && left) {
		struct load *load = take_load(query, &left);
		if (load)
			do_load(query, loader, load);
		else if (left)
			pthread_cond_wait(&query->room, &query->lock);
		left |= load != NULL;
	}
	pthread_cond_broadcast(&query->ready);
	pthread_mutex_unlock(&query->lock);
	loader_free(loader);
	return NULL;
}

bool query_reading_load(struct query *query)
{
	bool left;
	struct load *load = take_load(query, &left);

	if (!load)
		return false;
	struct loader *loader = query->idle_count ? query->idle[--query->idle_count] : make_loader(query);
	if (!loader) {
		pthread_cond_signal(&query->ready);
		/* The failure ends the query before anybody looks for what this would have held. */
		load->ready = true;
		return false;
	}
	do_load(query, loader, load);
	if (query->idle_count < QUERY_THREADS_MAX)
		query->idle[query->idle_count++] = loader;
	else
		loader_free(loader);
	return true;
}

void query_reading_start(struct query *query)
{
	if (query->settings.pipelined)
		return;
	while (query->thread_count < query->threads_wanted) {
		int system = pthread_create(&query->threads[query->thread_count], NULL, work, query);
		if (system != 0) {
			pthread_mutex_lock(&query->lock);
			/* With one at least it goes on, slower. */
			if (query->thread_count == 0)
				weir_fail_errno(&query->failure, system, NULL, "cannot start a thread for the query");
			query->threads_wanted = query->thread_count;
			pthread_mutex_unlock(&query->lock);
			return;
		}
		query->thread_count++;
	}
}

void query_reading_end(struct query *query)
{
	pthread_mutex_lock(&query->lock);
	query->closing = true;
	pthread_cond_broadcast(&query->room);
	pthread_mutex_unlock(&query->lock);
	for (int i = 0; i < query->thread_count; i++)
		pthread_join(query->threads[i], NULL);
	while (query->idle_count)
		loader_free(query->idle[--query->idle_count]);
}
