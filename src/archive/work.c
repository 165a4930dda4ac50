/* The threads that finish chunks and write them: archive/sink.h. */
#include <errno.h>
#include <string.h>

#include "archive/sink.h"
#include "core/clock.h"
#include "core/text.h"
#include "os/files.h"

/* The level that the backlog allows (automatic), or the one that was asked for. With the lock held. */
static int level_in_force(const struct archive_sink *sink, const struct slot *slot)
{
	if (sink->options.codec == WEIR_CODEC_NONE)
		return 0;
	if (!sink->options.automatic)
		return sink->options.level;
	/* Who waits for the buffer keeps it full: that is no sign of haste. */
	if (!sink->options.shed)
		return sink->options.codec == WEIR_CODEC_ZSTD ? 3 : 1;
	static const int zstd[] = {3, 1, -5, CODEC_STORE}, lz4[] = {1, -10, -50, CODEC_STORE};
	size_t fourth = 4 * sink->waiting_count / sink->slot_count;
	/*
	 * A large buffer holds more than what may wait until it has to be journaled, and journals cost the disk twice: so how long this chunk
	 * has waited counts too, by tenths of that time.
	 */
	size_t tenth = (size_t)(10 * (clock_monotonic_ns() - slot->waiting_since_ns) / sink->options.flush_ns);
	if (tenth > fourth)
		fourth = tenth;
	return (sink->options.codec == WEIR_CODEC_ZSTD ? zstd : lz4)[fourth < 4 ? fourth : 3];
}

static void finish_plain(struct slot *slot, bool big)
{
	size_t length = slot->filled + TRAILER_BLOCK_SIZE;

	/* The checksum in the trailer covers what stands before it, the other all of it: it goes on where that one ended. */
	uint32_t alignment = slot->segment->content.sealed ? SEALED_ALIGNMENT : SEGMENT_ALIGNMENT;
	uint32_t padding = (uint32_t)((length + alignment - 1) / alignment * alignment - length);

	slot->raw_bytes = slot->filled + put_trailer(slot->raw + slot->filled, &slot->trailer, padding, big);
	slot->stored = slot->raw;
	slot->stored_bytes = slot->padded_bytes = slot->raw_bytes;
	xxh3_add(slot->hash, slot->raw + slot->filled, slot->raw_bytes - slot->filled);
	slot->stored_checksum = xxh3_value(slot->hash);
}

static size_t room_for_padding(const struct archive_sink *sink)
{
	return 2 * (sink->recipients ? SEALED_ALIGNMENT : SEGMENT_ALIGNMENT);
}

static bool buffer_fits(struct stored *buffer, size_t capacity)
{
	if (buffer->capacity >= capacity)
		return true;
	os_pages_free(buffer->data, buffer->capacity);
	buffer->data = os_pages_new(capacity, false);
	buffer->capacity = buffer->data ? capacity : 0;
	return buffer->data != NULL;
}

static void finish_compressed(struct archive_sink *sink, struct codec_context *context, struct slot *slot, int level, bool big)
{
	enum weir_codec codec = sink->options.codec;
	size_t room;

	slot->raw_bytes = slot->filled + put_trailer(slot->raw + slot->filled, &slot->trailer, 0, big);
	size_t padding = room_for_padding(sink);
	room = codec_bound(codec, slot->raw_bytes) + padding;
	slot->stored_bytes = 0;
	if (buffer_fits(slot->buffer, room))
		slot->stored_bytes = codec_compress(context, codec, level, slot->raw, slot->raw_bytes, slot->buffer->data,
		                                    room - padding);
	slot->failed = slot->stored_bytes == 0;
	if (slot->failed)
		return;
	slot->stored = slot->buffer->data;
	slot->padded_bytes = pad_frame(codec, slot->stored, slot->stored_bytes, slot->segment->content.sealed);
}

static void finish_slot(struct archive_sink *sink, struct codec_context *context, struct slot *slot, int level)
{
	bool big = slot->segment->content.big;

	xxh3_add(slot->hash, slot->raw + slot->hashed, slot->filled - slot->hashed);
	slot->trailer.checksum = xxh3_value(slot->hash);
	if (sink->options.codec == WEIR_CODEC_NONE) {
		finish_plain(slot, big);
		return;
	}
	finish_compressed(sink, context, slot, level, big);
	if (!slot->failed)
		slot->stored_checksum = xxh3_of(slot->stored, slot->padded_bytes);
}

void *worker_run(void *argument)
{
	struct archive_sink *sink = argument;
	struct codec_context *context = codec_context_new();
	bool compresses = sink->options.codec != WEIR_CODEC_NONE;

	pthread_mutex_lock(&sink->lock);
	for (;;) {
		while ((!sink->waiting || (compresses && !sink->stored_unused)) && !(sink->workers_end && !sink->waiting))
			pthread_cond_wait(&sink->work, &sink->lock);
		struct slot *slot = sink->waiting;
		if (!slot)
			break;
		int level = level_in_force(sink, slot);
		sink->waiting = slot->next;
		if (!sink->waiting)
			sink->waiting_end = &sink->waiting;
		sink->waiting_count--;
		slot->state = SLOT_WORKING;
		if (compresses) {
			slot->buffer = sink->stored_unused;
			sink->stored_unused = slot->buffer->next;
		}
		sink->statistics.level = level == CODEC_STORE ? 0 : level;
		pthread_mutex_unlock(&sink->lock);
		if (context)
			finish_slot(sink, context, slot, level);
		else
			slot->failed = true;
		pthread_mutex_lock(&sink->lock);
		slot->state = SLOT_READY;
		pthread_cond_signal(&sink->ready);
	}
	pthread_mutex_unlock(&sink->lock);
	codec_context_free(context);
	return NULL;
}

/* The slot's chunk is on disk, or given up. With the lock held. */
static void slot_done(struct archive_sink *sink, struct slot *slot)
{
	struct segment *segment = slot->segment;

	if (slot->buffer) {
		/* One that an oversize chunk needed is not kept. */
		if (slot->buffer->capacity > codec_bound(sink->options.codec, sink->chunk_bytes) + room_for_padding(sink)) {
			os_pages_free(slot->buffer->data, slot->buffer->capacity);
			*slot->buffer = (struct stored){0};
		}
		slot->buffer->next = sink->stored_unused;
		sink->stored_unused = slot->buffer;
		slot->buffer = NULL;
		pthread_cond_broadcast(&sink->work);
	}
	slot->state = SLOT_DONE;
	segment->outstanding--;
	if ((segment->ended && segment->outstanding == 0) || slot->journal_fd >= 0)
		pthread_cond_signal(&sink->keep);
	slot_release(sink, slot);
}

/* The chunk can't be kept: it and what follows in its segment is lost. With the lock held. */
static void give_up(struct archive_sink *sink, struct slot *slot)
{
	enum weir_loss_cause cause = sink->trouble != WEIR_LOSS_CAUSES ? sink->trouble : sink->last_trouble;

	if (slot->number < slot->segment->broken)
		slot->segment->broken = slot->number;
	sink_lost(sink, cause, slot->trailer.first_ns, slot->trailer.last_ns, slot->trailer.packets, slot->trailer.wire_bytes);
	sink->kept.packets -= slot->trailer.packets;
	sink->kept.captured -= slot->trailer.captured_bytes;
	sink->kept.wire -= slot->trailer.wire_bytes;
	slot_done(sink, slot);
}

static int check_space(struct archive_sink *sink, size_t bytes, struct weir_fault *fault)
{
	uint64_t free_bytes;
	int error = os_free_space(sink->campaign->path, &free_bytes, fault);

	if (!error && free_bytes < sink->reserve + bytes) {
		char left[FORMAT_SIZE], reserve[FORMAT_SIZE];
		return weir_fail_at(fault, WEIR_E_NO_SPACE, sink->campaign->path, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "the disk is full: %s are free, and %s are to stay free", format_size(free_bytes, left),
		                    format_size(sink->reserve, reserve));
	}
	return error;
}

/* Gives the slot's chunk to the disk, sealed if the segment is. 0 or an errno; other errors are in *error and *fault. */
static int submit_slot(struct archive_sink *sink, struct output *output, struct slot *slot, size_t *size, int *error, struct weir_fault *fault)
{
	struct segment *segment = slot->segment;
	struct sealing *sealing = segment->sealing;

	*size = slot->padded_bytes;
	if (!sealing)
		return output->ops->submit(output, segment->fd, slot->stored, slot->padded_bytes, segment->offset, slot);
	slot->sealed = sink->sealed_unused;
	sink->sealed_unused = slot->sealed->next;
	if (!buffer_fits(slot->sealed, sealing_bound(sealing, slot->padded_bytes)))
		*error = weir_fail(fault, WEIR_E_MEMORY, "no memory to seal a chunk");
	else
		*error = sealing_chunk(sealing, slot->stored, slot->padded_bytes, slot->sealed->data, size, fault);
	if (*error)
		return 0;
	return output->ops->submit(output, segment->fd, slot->sealed->data, *size, sealing->offset, slot);
}

static void drop_sealed(struct archive_sink *sink, struct slot *slot)
{
	if (!slot->sealed)
		return;
	slot->sealed->next = sink->sealed_unused;
	sink->sealed_unused = slot->sealed;
	slot->sealed = NULL;
}

static void enter_chunk(struct segment *segment, const struct slot *slot)
{
	segment->content.chunks[slot->number] = (struct index_chunk){
		.offset = segment->offset,
		.raw_offset = segment->raw_offset,
		.stored_bytes = (uint32_t)slot->stored_bytes,
		.raw_bytes = (uint32_t)slot->raw_bytes,
		.first_ns = slot->trailer.first_ns,
		.last_ns = slot->trailer.last_ns,
		.checksum = slot->trailer.checksum,
		.stored_checksum = slot->stored_checksum,
		.captured_bytes = slot->trailer.captured_bytes,
		.wire_bytes = slot->trailer.wire_bytes,
		.packets = slot->trailer.packets,
		.flags = slot->trailer.flags,
		.interfaces_before = slot->interfaces_before,
		.prologue_before = slot->prologue_before,
	};
	segment->interfaces_after[slot->number] = slot->interfaces_after;
	segment->prologue_after[slot->number] = slot->prologue_after;
	segment->submitted = slot->number + 1;
	segment->offset += slot->padded_bytes;
	segment->raw_offset += slot->raw_bytes;
}

/* How a sealed segment ends behind this chunk. Without it the chunk can't be kept. */
static void record_chunk(struct archive_sink *sink, const struct slot *slot, size_t size)
{
	struct segment *segment = slot->segment;
	struct weir_fault fault;

	if (!segment->sealing)
		return;
	segment->content.chunk_count = segment->submitted;
	int error = sealing_record(segment->sealing, &segment->content, segment->offset, size, &fault);
	if (!error)
		return;
	pthread_mutex_lock(&sink->lock);
	if (slot->number < segment->broken)
		segment->broken = slot->number;
	sink_trouble(sink, error, &fault);
	pthread_mutex_unlock(&sink->lock);
}

/* Begins to write a slot. True when a write is under way. */
static bool write_slot(struct archive_sink *sink, struct output *output, struct slot *slot)
{
	struct segment *segment = slot->segment;
	struct weir_fault fault = {0};
	int error = 0;

	pthread_mutex_lock(&sink->lock);
	bool hopeless = sink->trouble != WEIR_LOSS_CAUSES || sink->failed || segment->broken != SEGMENT_CHUNKS_MAX;
	slot->state = SLOT_WRITING;
	pthread_mutex_unlock(&sink->lock);
	if (!hopeless && slot->failed)
		error = weir_fail(&fault, WEIR_E_MEMORY, "a chunk of packets could not be compressed");
	if (!hopeless && !error)
		error = check_space(sink, slot->padded_bytes, &fault);
	if (!hopeless && !error)
		error = segment_begin(sink, segment, &fault);
	if (!hopeless && !error) {
		size_t size;
		int system = submit_slot(sink, output, slot, &size, &error, &fault);
		if (!error && !system) {
			/* While it is under way, and in order: nothing has to be read again. */
			segment_digest(segment, slot->sealed ? slot->sealed->data : slot->stored, size);
			enter_chunk(segment, slot);
			record_chunk(sink, slot, size);
			return true;
		}
		if (!error)
			error = weir_fail_errno(&fault, system, segment->path, "cannot write");
	}
	drop_sealed(sink, slot);
	pthread_mutex_lock(&sink->lock);
	if (error)
		sink_trouble(sink, error, &fault);
	give_up(sink, slot);
	pthread_mutex_unlock(&sink->lock);
	return false;
}

static void reap(struct archive_sink *sink, struct output *output)
{
	struct weir_fault fault;
	void *tag;
	int result;

	if (output->ops->reap(output, &tag, &result))
		return;
	struct slot *slot = tag;
	drop_sealed(sink, slot);
	pthread_mutex_lock(&sink->lock);
	if (result) {
		if (slot->number < slot->segment->broken)
			slot->segment->broken = slot->number;
		int error = weir_fail_errno(&fault, result, slot->segment->path, "cannot write");
		sink_trouble(sink, error, &fault);
	} else {
		sink->statistics.written_bytes += slot->padded_bytes;
		sink->statistics.chunks++;
		slot->segment->unsynced = true;
	}
	slot_done(sink, slot);
	pthread_mutex_unlock(&sink->lock);
}

void *writer_run(void *argument)
{
	struct archive_sink *sink = argument;
	struct output *output = sink->output;
	unsigned under_way = 0;

	for (;;) {
		struct slot *slot = NULL;
		pthread_mutex_lock(&sink->lock);
		for (;;) {
			if (sink->next_write < sink->next_order)
				slot = sink->ordered[sink->next_write % sink->slot_count];
			if (slot && slot->state != SLOT_READY)
				slot = NULL;
			if (slot || under_way || (sink->writer_end && sink->next_write == sink->next_order))
				break;
			pthread_cond_wait(&sink->ready, &sink->lock);
		}
		if (slot && under_way < WRITES_UNDER_WAY)
			sink->next_write++;
		pthread_mutex_unlock(&sink->lock);
		if (slot && under_way < WRITES_UNDER_WAY) {
			under_way += write_slot(sink, output, slot);
		} else if (under_way) {
			reap(sink, output);
			under_way--;
		} else {
			break;
		}
	}
	return NULL;
}
