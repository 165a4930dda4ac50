#include "archive/query_tasks.h"

#include <stdio.h>
#include <stdlib.h>

#include "archive/index_read.h"
#include "archive/journal_read.h"
#include "archive/query_interfaces.h"
#include "archive/query_rows.h"
#include "archive/segment_scan.h"
#include "file/sealed.h"

/* Indexes are held against their checksum as long as that stays below what a short query takes; `weir verify` does all. */
#define CHECKED_BYTES (64u << 20)

struct query_tasks {
	struct weir_campaign *campaign;
	struct plan *plan;
	int64_t from_ns, to_ns;
	struct query_rows rows;
	size_t next_row;
	struct query_segment **active; /* of which chunks are left */
	size_t active_count, active_capacity;
	struct query_task next;
	size_t next_active;
	bool peeked;
	uint64_t checked_bytes;
	struct query_interfaces interfaces;
	struct weir_query_statistics statistics;
	struct weir_fault damage;
};

void query_segment_drop(struct query_segment *segment)
{
	/* As for weir_buffer_drop: our reads come before, the memory is freed after. */
	if (atomic_fetch_sub_explicit(&segment->references, 1, memory_order_acq_rel) != 1)
		return;
	free(segment->path);
	free(segment->interfaces);
	free(segment->chunks);
	free(segment->numbers);
	free(segment->journal);
	free(segment);
}

void query_tasks_free(struct query_tasks *tasks)
{
	if (!tasks)
		return;
	for (size_t i = 0; i < tasks->active_count; i++)
		query_segment_drop(tasks->active[i]);
	query_rows_free(&tasks->rows);
	free(tasks->active);
	plan_free(tasks->plan);
	query_interfaces_free(&tasks->interfaces);
	free(tasks);
}

static int no_memory(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_MEMORY, "no memory to plan the query");
}

int query_tasks_new(struct weir_campaign *campaign, const struct weir_query *query, struct plan *plan,
                    struct query_tasks **out, struct weir_fault *fault)
{
	struct query_tasks *tasks = calloc(1, sizeof *tasks);

	*out = NULL;
	if (!tasks) {
		plan_free(plan);
		return no_memory(fault);
	}
	tasks->campaign = campaign;
	tasks->plan = plan;
	tasks->from_ns = query->from_ns;
	tasks->to_ns = query->to_ns;
	int code = query_rows_read(&tasks->rows, campaign->catalog, query, fault);
	if (code < 0) {
		query_tasks_free(tasks);
		return code;
	}
	tasks->statistics.segments_time = tasks->rows.count;
	*out = tasks;
	return 0;
}

static void note_damage(struct query_tasks *tasks, const struct weir_fault *fault)
{
	if (!tasks->damage.code)
		tasks->damage = *fault;
}

static int activate(struct query_tasks *tasks, struct query_segment *segment, struct weir_fault *fault)
{
	if (tasks->active_count == tasks->active_capacity) {
		size_t capacity = tasks->active_capacity ? tasks->active_capacity * 2 : 16;
		struct query_segment **active = realloc(tasks->active, capacity * sizeof *active);
		if (!active) {
			query_segment_drop(segment);
			return no_memory(fault);
		}
		tasks->active = active;
		tasks->active_capacity = capacity;
	}
	tasks->active[tasks->active_count++] = segment;
	return 0;
}

/* Insertion: the chunks of a segment are nearly always in order already. */
static void sort_chunks(struct query_segment *segment)
{
	for (uint32_t i = 1; i < segment->chunk_count; i++)
		for (uint32_t k = i; k > 0 && segment->chunks[k].first_ns < segment->chunks[k - 1].first_ns; k--) {
			struct index_chunk chunk = segment->chunks[k];
			uint8_t number = segment->numbers[k];

			segment->chunks[k] = segment->chunks[k - 1];
			segment->numbers[k] = segment->numbers[k - 1];
			segment->chunks[k - 1] = chunk;
			segment->numbers[k - 1] = number;
		}
}

/* Keeps of the index's chunks those with packets in the time and in mask. */
static int select_chunks(struct query_tasks *tasks, const struct index *index, uint64_t mask, struct query_segment *segment,
                         struct weir_fault *fault)
{
	segment->chunks = malloc(SEGMENT_CHUNKS_MAX * sizeof *segment->chunks);
	segment->numbers = malloc(SEGMENT_CHUNKS_MAX);
	if (!segment->chunks || !segment->numbers)
		return no_memory(fault);
	tasks->statistics.chunks += index->header.chunk_count;
	for (unsigned i = 0; i < index->header.chunk_count; i++) {
		const struct index_chunk *chunk = &index->chunks[i];

		if (!chunk->packets || chunk->first_ns > tasks->to_ns || chunk->last_ns < tasks->from_ns)
			continue;
		tasks->statistics.chunks_time++;
		if (!(mask >> i & 1))
			continue;
		tasks->statistics.chunks_index++;
		segment->numbers[segment->chunk_count] = (uint8_t)i;
		segment->chunks[segment->chunk_count++] = *chunk;
	}
	sort_chunks(segment);
	return 0;
}

static struct query_segment *new_segment(struct query_tasks *tasks, const struct query_row *row)
{
	char path[PATH_MAX];
	struct query_segment *segment = calloc(1, sizeof *segment);

	if (!segment)
		return NULL;
	atomic_init(&segment->references, 1);
	segment->vantage = tasks->rows.vantages[row->vantage].rank;
	segment->sequence = row->sequence;
	segment->codec = row->codec;
	segment->path = campaign_path(tasks->campaign, row->path, path, NULL) < 0 ? NULL : strdup(path);
	if (!segment->path) {
		free(segment);
		return NULL;
	}
	return segment;
}

/* The index of a closed segment. What is wrong with it is noted. */
static int open_index(struct query_tasks *tasks, const struct query_row *row, const struct query_segment *segment, struct index *index,
                      struct weir_fault *fault)
{
	char path[PATH_MAX + 16];
	struct weir_fault own = {0};
	bool sealed = segment_is_sealed(segment->path);

	snprintf(path, sizeof path, "%s.idx%s", segment->path, sealed ? SEALED_ENDING : "");
	int code = index_open_of(segment->path, tasks->campaign->identities, index, &own);
	if (code == 0 && (tasks->checked_bytes += index->length) <= CHECKED_BYTES) {
		code = index_check(index, path, &own);
		if (code < 0)
			index_close(index);
	}
	if (code == 0 && index->header.codec != segment->codec) {
		code = weir_fail_at(&own, WEIR_E_CORRUPT, path, 12, WEIR_NOWHERE, "the index names another codec than the catalog");
		index_close(index);
	}
	if (code == WEIR_E_MEMORY || code == WEIR_E_PERMISSION)
		*fault = own;
	else if (code < 0 && !(sealed && code == WEIR_E_NOT_FOUND) && !query_row_was_deleted(tasks->campaign, row))
		note_damage(tasks, &own);
	return code;
}

/* A segment's scan in the form of an index that prunes nothing. Its prologue stays the scan's. */
static void index_of_scan(const struct segment_scan *scan, struct index *index)
{
	memset(index, 0, sizeof *index);
	memcpy(index->chunks, scan->chunks, sizeof scan->chunks);
	index->header.chunk_count = scan->chunk_count;
	index->prologue = (struct weir_bytes){scan->prologue, scan->prologue_bytes};
}

/* The chunks that selected one row's segment gives, if any, are to be read from now on. */
static int activate_selected(struct query_tasks *tasks, struct query_segment *segment, struct weir_bytes prologue,
                             struct weir_fault *fault)
{
	const struct query_vantage_row *named = query_rows_ranked(&tasks->rows, segment->vantage);
	struct query_vantage vantage = {segment->vantage, named->node, named->interface};
	int code = 0;

	if (segment->chunk_count)
		code = query_interfaces_enter(&tasks->interfaces, &vantage, prologue, segment->path, &segment->interfaces,
		                              &segment->interface_count, fault);
	if (code < 0 || !segment->chunk_count) {
		query_segment_drop(segment);
		return code;
	}
	tasks->statistics.segments_index++;
	return activate(tasks, segment, fault);
}

/* A journal counts as a chunk of its segment that is not yet there. */
static int expand_journal(struct query_tasks *tasks, const struct query_row *row, struct journal *journal, struct weir_fault *fault)
{
	struct query_segment *segment = new_segment(tasks, row);
	struct index *index = calloc(1, sizeof *index);
	int code = 0;

	if (!segment || !index) {
		free(index);
		if (segment)
			query_segment_drop(segment);
		return no_memory(fault);
	}
	index->header.chunk_count = 1;
	index->chunks[0] = journal->chunk;
	code = select_chunks(tasks, index, 1, segment, fault);
	free(index);
	if (code < 0) {
		query_segment_drop(segment);
		return code;
	}
	segment->big = journal->big;
	segment->numbers[0] = journal->number;
	segment->journal = journal->data;
	journal->data = NULL;
	return activate_selected(tasks, segment, (struct weir_bytes){journal->prologue, journal->prologue_bytes}, fault);
}

static bool scan_has(const struct segment_scan *scan, uint8_t number)
{
	for (uint32_t i = 0; i < scan->chunk_count; i++)
		if (scan->numbers[i] == number)
			return true;
	return false;
}

static int expand_scan(struct query_tasks *tasks, const struct query_row *row, const struct segment_scan *scan,
                       struct weir_fault *fault)
{
	struct query_segment *segment = new_segment(tasks, row);
	struct index *index = malloc(sizeof *index);

	if (!segment || !index) {
		free(index);
		if (segment)
			query_segment_drop(segment);
		return no_memory(fault);
	}
	index_of_scan(scan, index);
	segment->big = scan->big;
	int code = select_chunks(tasks, index, UINT64_MAX, segment, fault);
	free(index);
	if (code < 0) {
		query_segment_drop(segment);
		return code;
	}
	for (uint32_t i = 0; i < segment->chunk_count; i++)
		segment->numbers[i] = scan->numbers[segment->numbers[i]];
	return activate_selected(tasks, segment, (struct weir_bytes){scan->prologue, scan->prologue_bytes}, fault);
}

static void note_scan_damage(void *context, const struct weir_fault *fault)
{
	note_damage(context, fault);
}

/*
 * A segment without an index: still being written, or its index is lost. The journals are opened before the segment is looked
 * through, so that a chunk that moves from one into the other meanwhile is found in one of them.
 */
static int expand_unindexed(struct query_tasks *tasks, const struct query_row *row, struct weir_fault *fault)
{
	struct segment_scan_options options = {.resume = !row->open, .damage = row->open ? NULL : note_scan_damage, .context = tasks,
	                                       .identities = tasks->campaign->identities};
	struct segment_scan scan;
	struct journals journals = {0};
	struct weir_fault own = {0};
	char path[PATH_MAX];
	int code = campaign_path(tasks->campaign, row->path, path, fault);

	if (code < 0)
		return code;
	if (row->open)
		code = journals_open(path, tasks->campaign->identities, &journals, fault);
	if (code < 0)
		return code;
	code = segment_scan(path, row->codec, &options, &scan, &own);
	if (code == WEIR_E_MEMORY || code == WEIR_E_PERMISSION) {
		*fault = own;
	} else if (code < 0) {
		if (!row->open || code != WEIR_E_NOT_FOUND)
			note_damage(tasks, &own);
		code = 0;
	} else if (scan.chunk_count) {
		code = expand_scan(tasks, row, &scan, fault);
	}
	for (uint32_t i = 0; i < journals.count && code == 0; i++) {
		struct journal journal;

		if (scan_has(&scan, journals.list[i].number))
			continue;
		int read = journal_read(&journals.list[i], &journal, fault);
		if (read == WEIR_E_PERMISSION || read == WEIR_E_MEMORY)
			code = read;
		if (read != 1)
			continue;
		code = expand_journal(tasks, row, &journal, fault);
		journal_free(&journal);
	}
	segment_scan_free(&scan);
	journals_close(&journals);
	return code;
}

static int expand_closed(struct query_tasks *tasks, const struct query_row *row, struct weir_fault *fault)
{
	struct query_segment *segment = new_segment(tasks, row);
	struct index *index = malloc(sizeof *index);
	int code;

	if (!segment || !index) {
		free(index);
		if (segment)
			query_segment_drop(segment);
		return no_memory(fault);
	}
	code = open_index(tasks, row, segment, index, fault);
	if (code < 0) {
		query_segment_drop(segment);
		if (code != WEIR_E_MEMORY && code != WEIR_E_PERMISSION)
			code = query_row_was_deleted(tasks->campaign, row) ? 0 : expand_unindexed(tasks, row, fault);
	} else {
		segment->big = index->header.big_endian;
		code = select_chunks(tasks, index, plan_chunks(tasks->plan, index), segment, fault);
		if (code == 0)
			code = activate_selected(tasks, segment, index->prologue, fault);
		else
			query_segment_drop(segment);
		index_close(index);
	}
	free(index);
	return code;
}

/* The active segment whose next chunk begins first, or active_count. */
static size_t first_active(const struct query_tasks *tasks)
{
	size_t first = tasks->active_count;

	for (size_t i = 0; i < tasks->active_count; i++) {
		const struct query_segment *segment = tasks->active[i];

		if (first == tasks->active_count ||
		    segment->chunks[segment->next].first_ns < tasks->active[first]->chunks[tasks->active[first]->next].first_ns)
			first = i;
	}
	return first;
}

int query_tasks_peek(struct query_tasks *tasks, const struct query_task **task, struct weir_fault *fault)
{
	if (!tasks->peeked) {
		size_t first = first_active(tasks);

		while (tasks->next_row < tasks->rows.count &&
		       (first == tasks->active_count ||
		        tasks->rows.list[tasks->next_row].first_ns <= tasks->active[first]->chunks[tasks->active[first]->next].first_ns)) {
			const struct query_row *row = &tasks->rows.list[tasks->next_row++];
			int code = row->open ? expand_unindexed(tasks, row, fault) : expand_closed(tasks, row, fault);

			if (code < 0)
				return code;
			first = first_active(tasks);
		}
		if (first == tasks->active_count)
			return 0;
		struct query_segment *segment = tasks->active[first];
		tasks->next = (struct query_task){segment, segment->chunks[segment->next], segment->numbers[segment->next]};
		tasks->next_active = first;
		tasks->peeked = true;
	}
	*task = &tasks->next;
	return 1;
}

void query_tasks_take(struct query_tasks *tasks)
{
	struct query_segment *segment = tasks->next.segment;

	tasks->peeked = false;
	if (++segment->next < segment->chunk_count) {
		/* Relaxed, as in weir_buffer_hold: the tasks hold a reference of their own. */
		atomic_fetch_add_explicit(&segment->references, 1, memory_order_relaxed);
		return;
	}
	/* The last chunk takes the tasks' own reference along. */
	tasks->active[tasks->next_active] = tasks->active[--tasks->active_count];
}

void query_tasks_count(const struct query_tasks *tasks, struct weir_query_statistics *statistics)
{
	statistics->segments_time = tasks->statistics.segments_time;
	statistics->segments_index = tasks->statistics.segments_index;
	statistics->chunks = tasks->statistics.chunks;
	statistics->chunks_time = tasks->statistics.chunks_time;
	statistics->chunks_index = tasks->statistics.chunks_index;
	plan_describe(tasks->plan, statistics->plan, sizeof statistics->plan);
}

const struct weir_fault *query_tasks_damage(const struct query_tasks *tasks)
{
	return &tasks->damage;
}

const struct weir_interface *const *query_tasks_interfaces(const struct query_tasks *tasks, uint32_t *count)
{
	*count = tasks->interfaces.count;
	return (const struct weir_interface *const *)tasks->interfaces.list;
}
