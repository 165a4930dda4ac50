/* A sink that keeps packets in the archive: weir/archive.h, archive/sink.h. */
#include "archive/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/recipients.h"
#include "archive/recover.h"
#include "core/clock.h"
#include "os/files.h"

#define CHUNK_LEAST (64u << 10)
#define SEALED_CHUNK_LEAST (256u << 10) /* padding to a chunk of age is dear below that */
#define CHUNK_MOST (64u << 20)

void sink_lost(struct archive_sink *sink, enum weir_loss_cause cause, int64_t from_ns, int64_t to_ns, uint64_t packets,
               uint64_t bytes)
{
	struct loss_interval *loss = &sink->losses[cause];

	if (!packets)
		return;
	if (!loss->packets || from_ns < loss->from_ns)
		loss->from_ns = from_ns;
	if (!loss->packets || to_ns > loss->to_ns)
		loss->to_ns = to_ns;
	loss->packets += packets;
	loss->bytes += bytes;
	loss->touched_ns = clock_monotonic_ns();
	sink->statistics.shed_packets += packets;
	sink->statistics.shed_bytes += bytes;
}

void sink_trouble(struct archive_sink *sink, int error, const struct weir_fault *fault)
{
	bool full = error == WEIR_E_NO_SPACE;

	sink->last_trouble = full ? WEIR_LOSS_DISK_FULL : WEIR_LOSS_DISK_ERROR;
	if (sink->options.shed) {
		sink->trouble = sink->last_trouble;
		sink->statistics.disk_full = full;
		atomic_store_explicit(&sink->troubled, true, memory_order_relaxed);
	} else if (!sink->failed) {
		sink->failure = *fault;
		sink->failed = true;
	}
	pthread_cond_broadcast(&sink->room);
}

void slot_release(struct archive_sink *sink, struct slot *slot)
{
	if (slot->state != SLOT_DONE || slot->references || slot->journal_fd >= 0)
		return;
	slot->state = SLOT_FREE;
	slot->segment = NULL;
	if (slot->capacity > sink->chunk_bytes) {
		sink->oversize_bytes -= slot->capacity;
		os_pages_free(slot->raw, slot->capacity);
		slot->raw = NULL;
		slot->capacity = 0;
	}
	/* The one that was used last is in the cache, and its pages are there. */
	slot->next = sink->unused;
	sink->unused = slot;
	pthread_cond_signal(&sink->room);
}

static void join_threads(struct archive_sink *sink)
{
	pthread_mutex_lock(&sink->lock);
	sink->workers_end = true;
	pthread_cond_broadcast(&sink->work);
	pthread_mutex_unlock(&sink->lock);
	for (int i = 0; i < sink->worker_count; i++)
		pthread_join(sink->workers[i], NULL);
	sink->worker_count = 0;
	if (sink->writer_runs) {
		pthread_mutex_lock(&sink->lock);
		sink->writer_end = true;
		pthread_cond_broadcast(&sink->ready);
		pthread_mutex_unlock(&sink->lock);
		pthread_join(sink->writer, NULL);
		sink->writer_runs = false;
	}
	if (sink->keeper_runs) {
		pthread_mutex_lock(&sink->lock);
		sink->keeper_end = true;
		pthread_cond_broadcast(&sink->keep);
		pthread_mutex_unlock(&sink->lock);
		pthread_join(sink->keeper, NULL);
		sink->keeper_runs = false;
	}
}

static int sink_finish(struct weir_sink *base, struct weir_fault *fault)
{
	struct archive_sink *sink = (struct archive_sink *)base;

	if (sink->finished)
		return 0;
	sink->finished = true;
	fill_end_segment(sink);
	join_threads(sink);
	if (!sink->opened)
		return 0;
	/* What could not be closed is for recovery: the mark stays. */
	if (!sink->segments && vantage_mark(sink->lock_fd, "", &sink->unentered) != 0)
		return sink->unentered.code;
	const struct chain_entry end = {.event = CHAIN_END, .file = ""};
	if (chain_append(sink->campaign, sink->node, &end, &sink->unentered) != 0)
		return sink->unentered.code;
	const struct weir_fault *failure = sink->failed ? &sink->failure : sink->segments ? &sink->unclosed : NULL;
	for (int i = 0; i < WEIR_LOSS_CAUSES && !failure; i++)
		if (sink->losses[i].packets)
			failure = &sink->unentered;
	if (!failure)
		return 0;
	if (fault)
		*fault = *failure;
	return failure->code;
}

static void sink_close(struct weir_sink *base)
{
	struct archive_sink *sink = (struct archive_sink *)base;

	sink_finish(base, NULL);
	output_free(sink->output);
	while (sink->segments) {
		struct segment *segment = sink->segments;
		sink->segments = segment->next;
		segment_free(segment);
	}
	for (unsigned i = 0; i < sink->postings_count; i++)
		postings_free(sink->postings[i]);
	for (size_t i = 0; sink->slots && i < sink->slot_count; i++) {
		xxh3_free(sink->slots[i].hash);
		os_pages_free(sink->slots[i].raw, sink->slots[i].capacity);
		journal_seal_free(sink->slots[i].journal);
		if (sink->slots[i].journal_fd >= 0)
			close(sink->slots[i].journal_fd);
	}
	for (size_t i = 0; sink->stored && i < sink->stored_count; i++)
		os_pages_free(sink->stored[i].data, sink->stored[i].capacity);
	for (size_t i = 0; i < WRITES_UNDER_WAY; i++)
		os_pages_free(sink->sealed[i].data, sink->sealed[i].capacity);
	weir_recipients_free(sink->recipients);
	free(sink->slots);
	free(sink->stored);
	free(sink->ordered);
	free(sink->map);
	free(sink->section_block);
	free(sink->joined.bytes);
	if (sink->lock_fd >= 0)
		close(sink->lock_fd);
	pthread_cond_destroy(&sink->room);
	pthread_cond_destroy(&sink->work);
	pthread_cond_destroy(&sink->ready);
	pthread_cond_destroy(&sink->keep);
	pthread_mutex_destroy(&sink->lock);
	free(sink);
}

static void set_defaults(struct archive_sink *sink)
{
	struct weir_archive_options *o = &sink->options;
	uint64_t cores = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);

	o->segment_bytes = o->segment_bytes ? o->segment_bytes : 256u << 20;
	o->buffer_bytes = o->buffer_bytes ? o->buffer_bytes : 64u << 20;
	o->flush_ns = o->flush_ns > 0 ? o->flush_ns : NS_PER_SECOND / 2;
	o->level = o->level || o->codec != WEIR_CODEC_ZSTD ? o->level : 1;
	if (o->automatic && o->codec == WEIR_CODEC_NONE)
		o->codec = WEIR_CODEC_ZSTD;
	if (o->workers <= 0)
		o->workers = (int)(cores < 1 ? 1 : cores);
	if (o->codec == WEIR_CODEC_NONE)
		o->workers = 1; /* it only makes checksums */
	if (o->workers > WORKERS_MAX)
		o->workers = WORKERS_MAX;
	uint64_t chunk = o->segment_bytes / SEGMENT_CHUNKS_MAX;
	uint64_t least_chunk = sink->recipients ? SEALED_CHUNK_LEAST : CHUNK_LEAST;
	chunk = chunk < least_chunk ? least_chunk : chunk > CHUNK_MOST ? CHUNK_MOST : chunk;
	sink->chunk_bytes = chunk_end(chunk);
	sink->slot_tail = SLOT_TAIL + (sink->recipients ? SEALED_ALIGNMENT : 0);
	sink->slot_count = o->buffer_bytes / sink->chunk_bytes;
	/* One being filled, one for each worker, some on their way to the disk. */
	size_t least = 3 + (size_t)o->workers;
	if (sink->slot_count < least)
		sink->slot_count = least;
	sink->stored_count = o->codec == WEIR_CODEC_NONE ? 0 : (size_t)o->workers + WRITES_UNDER_WAY;
	/* The index takes 1/256 of the segment, and there may be three of them waiting. */
	sink->reserve = o->segment_bytes / 64 + (256u << 10);
	if (sink->reserve < o->min_free)
		sink->reserve = o->min_free;
}

static int make_slots(struct archive_sink *sink, struct weir_fault *fault)
{
	sink->slots = calloc(sink->slot_count, sizeof *sink->slots);
	sink->ordered = calloc(sink->slot_count, sizeof(struct slot *));
	sink->stored = calloc(sink->stored_count + 1, sizeof *sink->stored);
	sink->output = output_new(WRITES_UNDER_WAY);
	bool failed = !sink->slots || !sink->ordered || !sink->stored || !sink->output;
	for (size_t i = 0; !failed && i < sink->slot_count; i++) {
		struct slot *slot = &sink->slots[i];
		/* Live, there is no time for page faults later. */
		slot->raw = os_pages_new(sink->chunk_bytes, sink->options.shed);
		slot->capacity = slot->raw ? sink->chunk_bytes : 0;
		slot->journal_fd = -1;
		slot->hash = xxh3_new();
		failed = !slot->raw || !slot->hash;
		slot->next = sink->unused;
		sink->unused = slot;
	}
	for (size_t i = 0; !failed && i < sink->stored_count; i++) {
		sink->stored[i].next = sink->stored_unused;
		sink->stored_unused = &sink->stored[i];
	}
	for (size_t i = 0; i < WRITES_UNDER_WAY; i++) {
		sink->sealed[i].next = sink->sealed_unused;
		sink->sealed_unused = &sink->sealed[i];
	}
	if (!failed)
		return 0;
	if (sink->slots)
		for (size_t i = 0; i < sink->slot_count; i++)
			sink->slots[i].journal_fd = -1;
	return weir_fail(fault, WEIR_E_MEMORY, "no memory for the buffers of the archive");
}

static int start_threads(struct archive_sink *sink, struct weir_fault *fault)
{
	int error = 0;

	for (int i = 0; i < sink->options.workers && !error; i++) {
		error = pthread_create(&sink->workers[i], NULL, worker_run, sink);
		sink->worker_count += error == 0;
	}
	if (!error) {
		error = pthread_create(&sink->writer, NULL, writer_run, sink);
		sink->writer_runs = error == 0;
	}
	if (!error) {
		error = pthread_create(&sink->keeper, NULL, keeper_run, sink);
		sink->keeper_runs = error == 0;
	}
	return error ? weir_fail_errno(fault, error, NULL, "cannot start a thread") : 0;
}

static const struct weir_sink_ops archive_sink_ops = {.name = "archive", .consume = archive_consume, .finish = sink_finish, .close = sink_close};

static int open_vantage(struct archive_sink *sink, struct weir_fault *fault)
{
	struct weir_campaign *campaign = sink->campaign;
	char host[256] = "localhost", path[PATH_MAX], longest[3 * VANTAGE_NAME_MAX];

	gethostname(host, sizeof host - 1);
	vantage_name(sink->options.node ? sink->options.node : host, sink->node);
	vantage_name(sink->options.interface, sink->interface);
	sink->options.node = sink->node;
	snprintf(sink->comment, sizeof sink->comment, "%s", sink->options.comment ? sink->options.comment : "");
	sink->options.comment = sink->comment;
	sink->options.interface = sink->interface;
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	int error = campaign_path(campaign, longest, path, fault);
	if (!error)
		error = vantage_lock(campaign, sink->node, sink->interface, &sink->lock_fd, fault);
	if (!error)
		error = catalog_vantage(campaign->catalog, sink->node, sink->interface, fault);
	if (!error)
		error = catalog_last_sequence(campaign->catalog, sink->node, sink->interface, &sink->next_sequence, fault);
	sink->next_sequence++;
	if (!error)
		error = vantage_mark(sink->lock_fd, sink->options.shed ? "live\n" : "import\n", fault);
	return error;
}

int weir_archive_sink_open(struct weir_campaign *campaign, const struct weir_archive_options *options, struct weir_sink **out,
                           struct weir_fault *fault)
{
	pthread_condattr_t monotonic;

	if (!options->interface || !options->interface[0])
		return weir_fail(fault, WEIR_E_USAGE, "the packets need an interface to be filed under");
	if (!campaign->writable)
		return weir_fail_at(fault, WEIR_E_PERMISSION, campaign->path, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "the campaign cannot be written");
	int error = codec_available(options->codec, fault);
	if (error)
		return error;
	struct archive_sink *sink = calloc(1, sizeof *sink);
	if (!sink)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for an archive sink");
	sink->base.ops = &archive_sink_ops;
	sink->campaign = campaign;
	sink->options = *options;
	sink->lock_fd = -1;
	sink->trouble = WEIR_LOSS_CAUSES;
	sink->last_trouble = WEIR_LOSS_DISK_ERROR;
	sink->waiting_end = &sink->waiting;
	sink->segments_end = &sink->segments;
	pthread_mutex_init(&sink->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&sink->room, NULL);
	pthread_cond_init(&sink->work, NULL);
	pthread_cond_init(&sink->ready, NULL);
	pthread_cond_init(&sink->keep, &monotonic);
	pthread_condattr_destroy(&monotonic);
	error = recipients_gather(campaign->path, sink->options.recipients, &sink->recipients, fault);
	set_defaults(sink);
	if (!error)
		error = open_vantage(sink, fault);
	if (!error)
		error = make_slots(sink, fault);
	if (!error)
		error = start_threads(sink, fault);
	if (error) {
		sink_close(&sink->base);
		return error;
	}
	sink->opened = true;
	*out = &sink->base;
	return 0;
}

void weir_archive_sink_statistics(const struct weir_sink *base, struct weir_archive_statistics *statistics)
{
	struct archive_sink *sink = (struct archive_sink *)(uintptr_t)base;

	pthread_mutex_lock(&sink->lock);
	*statistics = sink->statistics;
	statistics->packets = sink->kept.packets;
	statistics->captured_bytes = sink->kept.captured;
	statistics->wire_bytes = sink->kept.wire;
	for (size_t i = 0; i < sink->slot_count; i++)
		if (sink->slots[i].state >= SLOT_WAITING && sink->slots[i].state <= SLOT_WRITING)
			statistics->backlog_bytes += sink->slots[i].filled;
	pthread_mutex_unlock(&sink->lock);
}

unsigned weir_archive_sink_fullness(const struct weir_sink *base)
{
	struct archive_sink *sink = (struct archive_sink *)(uintptr_t)base;
	size_t used = 0;

	pthread_mutex_lock(&sink->lock);
	for (size_t i = 0; i < sink->slot_count; i++)
		used += sink->slots[i].state != SLOT_FREE;
	pthread_mutex_unlock(&sink->lock);
	return (unsigned)(100 * used / sink->slot_count);
}

void weir_archive_sink_counters(struct weir_sink *base, uint64_t received, uint64_t dropped_by_interface,
                                uint64_t dropped_by_system)
{
	struct archive_sink *sink = (struct archive_sink *)base;

	pthread_mutex_lock(&sink->lock);
	sink->counters.received = received;
	sink->counters.dropped_by_interface = dropped_by_interface;
	sink->counters.dropped_by_system = dropped_by_system;
	sink->counters_known = true;
	pthread_mutex_unlock(&sink->lock);
}
