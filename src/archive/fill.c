/* Beginning and ending chunks and segments, on the thread of consume: archive/sink.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "archive/sink.h"
#include "core/clock.h"
#include "os/files.h"

static int no_memory(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_MEMORY, "no memory for a chunk of packets");
}

/* What stands in the way of filling: 0 nothing, 1 shed, or the error that another thread met. With the lock held. */
static int obstacle(struct archive_sink *sink, struct weir_fault *fault)
{
	if (sink->failed) {
		if (fault)
			*fault = sink->failure;
		return sink->failure.code;
	}
	return sink->trouble != WEIR_LOSS_CAUSES;
}

/* Waits until something is there, or says that it is not. With the lock held. 0 to go on and look again. */
static int wait_or_shed(struct archive_sink *sink)
{
	if (sink->options.shed)
		return 1;
	pthread_cond_wait(&sink->room, &sink->lock);
	return 0;
}

static int take_postings(struct archive_sink *sink, struct postings **postings, struct weir_fault *fault)
{
	int result = 0;

	pthread_mutex_lock(&sink->lock);
	while ((result = obstacle(sink, fault)) == 0) {
		if (sink->postings_unused_count) {
			*postings = sink->postings_unused[--sink->postings_unused_count];
			break;
		}
		if (sink->postings_count < POSTINGS_POOL) {
			*postings = postings_new();
			if (*postings)
				sink->postings[sink->postings_count++] = *postings;
			else
				result = no_memory(fault);
			break;
		}
		result = wait_or_shed(sink);
		if (result)
			break;
	}
	pthread_mutex_unlock(&sink->lock);
	return result;
}

static void name_segment(const struct archive_sink *sink, struct segment *segment, int64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / NS_PER_SECOND - (time_ns % NS_PER_SECOND < 0));
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof tm);
	snprintf(segment->path, sizeof segment->path, "raw/%s/%s/%04d-%02d-%02d/%02d%02d%02d-%06llu%s%s", sink->node, sink->interface,
	         tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	         (unsigned long long)segment->sequence, codec_ending(sink->options.codec), sink->recipients ? SEALED_ENDING : "");
}

static int begin_segment(struct archive_sink *sink, int64_t time_ns, struct weir_fault *fault)
{
	struct postings *postings = NULL;
	int result = take_postings(sink, &postings, fault);

	if (result)
		return result;
	struct segment *segment = calloc(1, sizeof *segment);
	bool failed = !segment;
	if (segment) {
		segment->fd = -1;
		pthread_mutex_init(&segment->begin_lock, NULL);
		failed = index_content_prologue(&segment->content, sink->section_block, sink->section_block_length) != 0;
	}
	if (failed) {
		segment_free(segment);
		pthread_mutex_lock(&sink->lock);
		sink->postings_unused[sink->postings_unused_count++] = postings;
		pthread_mutex_unlock(&sink->lock);
		return no_memory(fault);
	}
	segment->sequence = sink->next_sequence++;
	segment->content.codec = sink->options.codec;
	segment->content.sealed = sink->recipients != NULL;
	segment->content.big = sink->section_big;
	segment->section_bytes = sink->section_block_length;
	segment->broken = SEGMENT_CHUNKS_MAX;
	segment->first_ns = time_ns;
	segment->opened_ns = clock_monotonic_ns();
	segment->postings = postings;
	postings_reset(postings, sink->options.segment_bytes);
	name_segment(sink, segment, time_ns);
	pthread_mutex_lock(&sink->lock);
	*sink->segments_end = segment;
	sink->segments_end = &segment->next;
	pthread_mutex_unlock(&sink->lock);
	sink->segment = segment;
	return 0;
}

/* A slot with room for so many bytes may be larger than others: packets that do not fit into a chunk get one of their own. */
static bool slot_fits(struct slot *slot, size_t capacity)
{
	if (slot->capacity >= capacity)
		return true;
	os_pages_free(slot->raw, slot->capacity);
	slot->raw = os_pages_new(capacity, false);
	slot->capacity = slot->raw ? capacity : 0;
	return slot->raw != NULL;
}

/* Packets that need slots larger than a chunk may not fill more memory than buffer_bytes, or than one of them needs. */
static bool slot_free(const struct archive_sink *sink, size_t capacity)
{
	bool oversize = capacity > sink->chunk_bytes;

	return sink->unused &&
	       (!oversize || !sink->oversize_bytes || sink->oversize_bytes + capacity <= sink->options.buffer_bytes);
}

static int take_slot(struct archive_sink *sink, size_t bytes, struct slot **out, struct weir_fault *fault)
{
	size_t capacity = (bytes + sink->slot_tail + SEGMENT_ALIGNMENT - 1) / SEGMENT_ALIGNMENT * SEGMENT_ALIGNMENT;
	struct slot *slot = NULL;
	int result = 0;

	if (capacity < sink->chunk_bytes)
		capacity = sink->chunk_bytes;
	pthread_mutex_lock(&sink->lock);
	while ((result = obstacle(sink, fault)) == 0 && !slot_free(sink, capacity)) {
		result = wait_or_shed(sink);
		if (result)
			break;
	}
	if (!result) {
		slot = sink->unused;
		sink->unused = slot->next;
		if (!slot_fits(slot, capacity)) {
			slot->next = sink->unused;
			sink->unused = slot;
			result = no_memory(fault);
		} else if (slot->capacity > sink->chunk_bytes) {
			sink->oversize_bytes += slot->capacity;
		}
	}
	if (!result) {
		slot->state = SLOT_FILLING;
		slot->segment = sink->segment;
		slot->filled = 0;
		slot->hashed = 0;
		xxh3_reset(slot->hash);
		slot->journaled = 0;
		slot->failed = false;
		slot->unsaved_since_ns = clock_monotonic_ns();
		atomic_store_explicit(&slot->published, 0, memory_order_relaxed);
		sink->segment->outstanding++;
		*out = slot;
	}
	pthread_mutex_unlock(&sink->lock);
	return result;
}

static int begin_chunk(struct archive_sink *sink, size_t bytes, struct weir_fault *fault)
{
	struct segment *segment = sink->segment;
	bool first = segment->chunks == 0;
	struct slot *slot;
	int result = take_slot(sink, bytes + (first ? segment->section_bytes : 0), &slot, fault);

	if (result)
		return result;
	slot->number = segment->chunks++;
	slot->trailer = (struct chunk_trailer){.number = slot->number, .first_ns = INT64_MAX, .last_ns = INT64_MIN};
	slot->interfaces_before = segment->interfaces;
	slot->prologue_before = first ? 0 : segment->content.prologue_bytes;
	if (first) {
		memcpy(slot->raw, segment->content.prologue, segment->section_bytes);
		slot->filled = segment->section_bytes;
	}
	postings_advance(segment->postings, segment->raw_bytes + sink->chunk_bytes);
	sink->slot = slot;
	return 0;
}

static void add_statistics(struct archive_sink *sink, struct slot *slot)
{
	struct interface_counters counters;
	struct segment *segment = sink->segment;

	pthread_mutex_lock(&sink->lock);
	bool known = sink->counters_known;
	counters = sink->counters;
	counters.delivered = sink->statistics.packets;
	pthread_mutex_unlock(&sink->lock);
	if (!known)
		return;
	/* Recorded interfaces count in ns. */
	uint64_t now = (uint64_t)clock_wall_ns();
	for (uint32_t i = 0; i < segment->interfaces && i < STATISTICS_INTERFACES; i++)
		slot->filled += put_statistics(slot->raw + slot->filled, i, now, &counters, sink->section_big);
}

void fill_end_chunk(struct archive_sink *sink)
{
	struct slot *slot = sink->slot;
	struct segment *segment = sink->segment;

	if (!slot)
		return;
	add_statistics(sink, slot);
	slot->interfaces_after = segment->interfaces;
	slot->prologue_after = segment->content.prologue_bytes;
	segment->raw_bytes += slot->filled;
	sink->slot = NULL;
	/* Release: the keeper reads what is below it. */
	atomic_store_explicit(&slot->published, slot->filled, memory_order_release);
	pthread_mutex_lock(&sink->lock);
	slot->state = SLOT_WAITING;
	slot->waiting_since_ns = clock_monotonic_ns();
	slot->order = sink->next_order++;
	sink->ordered[slot->order % sink->slot_count] = slot;
	slot->next = NULL;
	*sink->waiting_end = slot;
	sink->waiting_end = &slot->next;
	sink->waiting_count++;
	bool broken = segment->broken != SEGMENT_CHUNKS_MAX;
	pthread_cond_signal(&sink->work);
	pthread_mutex_unlock(&sink->lock);
	if (broken || segment->chunks == SEGMENT_CHUNKS_MAX ||
	    segment->raw_bytes + sink->chunk_bytes / 2 >= sink->options.segment_bytes)
		fill_end_segment(sink);
}

void fill_end_segment(struct archive_sink *sink)
{
	fill_end_chunk(sink);
	if (!sink->segment)
		return;
	pthread_mutex_lock(&sink->lock);
	sink->segment->ended = true;
	pthread_cond_signal(&sink->keep);
	pthread_mutex_unlock(&sink->lock);
	sink->segment = NULL;
}

int fill_room(struct archive_sink *sink, size_t bytes, int64_t time_ns, struct weir_fault *fault)
{
	int result = 0;

	if (sink->slot && sink->slot->capacity - sink->slot_tail - sink->slot->filled >= bytes)
		return 0;
	fill_end_chunk(sink);
	if (!sink->segment)
		result = begin_segment(sink, time_ns, fault);
	return result ? result : begin_chunk(sink, bytes, fault);
}
