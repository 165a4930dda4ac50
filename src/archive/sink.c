/* A sink that keeps packets in the archive: weir/archive.h, archive/sink.h. */
#include "archive/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/recipients.h"
#include "archive/recover.h"
#include "core/clock.h"
#include "file/option.h"
#include "os/files.h"

#define CHUNK_LEAST (64u << 10)
#define SEALED_CHUNK_LEAST (256u << 10) /* padding to a chunk of age is dear below that */
#define HASH_PIECE (32u << 10) /* small against the cache, large against the price of a call */
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

/* How the bytes of a packet get into the chunk. */
enum shape {
	SHAPE_BLOCK,  /* as the pcapng block that they are */
	SHAPE_RECORD, /* wrapped into an Enhanced Packet Block */
};

/* A stage that changed a packet's bytes has put them elsewhere than in its block. */
static inline enum shape shape_of(const struct weir_packet *packet)
{
	bool block = packet->block && !(packet->flags & WEIR_PACKET_PCAP_RECORD) && packet->data > packet->block &&
	             packet->data + packet->captured < packet->block + packet->block_length;
	return block ? SHAPE_BLOCK : SHAPE_RECORD;
}

/* Some writers leave the padding out of a block's length; readers of segments may rely on it. */
static inline void mend_length(uint8_t *at, uint32_t length, bool big)
{
	if (__builtin_expect(weir_load32(at + 4, big) != length, 0)) {
		weir_store32(at + 4, length, big);
		weir_store32(at + length - 4, length, big);
	}
}

static bool is_mapped(const struct archive_sink *sink, uint32_t id)
{
	return id < sink->map_count && sink->segment && sink->map[id].sequence == sink->segment->sequence;
}

static int grow_map(struct archive_sink *sink, uint32_t id, struct weir_fault *fault)
{
	if (id < sink->map_count)
		return 0;
	uint32_t count = id < 32 ? 64 : 2 * id;
	void *more = realloc(sink->map, count * sizeof *sink->map);
	if (!more)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for %u interfaces", count);
	sink->map = more;
	for (uint32_t i = sink->map_count; i < count; i++)
		sink->map[i].sequence = UINT64_MAX;
	sink->map_count = count;
	return 0;
}

/* An interface's block is in the chunk: it has a number from here on. */
static int enter_interface(struct archive_sink *sink, uint32_t id, uint32_t length, struct weir_fault *fault)
{
	struct segment *segment = sink->segment;

	pthread_mutex_lock(&sink->lock);
	int error = index_content_prologue(&segment->content, sink->slot->raw + sink->slot->filled, length);
	pthread_mutex_unlock(&sink->lock);
	if (error)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the interfaces of a segment");
	sink->slot->filled += length;
	sink->map[id].sequence = segment->sequence;
	sink->map[id].local = segment->interfaces++;
	return 0;
}

static int set_section(struct archive_sink *sink, const uint8_t *block, uint32_t length, uint32_t number, bool big,
                       struct weir_fault *fault)
{
	fill_end_segment(sink);
	uint8_t *copy = malloc(length);
	if (!copy)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a section header of %u bytes", length);
	memcpy(copy, block, length);
	/* Our section ends elsewhere than its. */
	weir_store64(copy + 16, UINT64_MAX, big);
	mend_length(copy, length, big);
	free(sink->section_block);
	sink->section_block = copy;
	sink->section_block_length = length;
	sink->section_number = number;
	sink->section_big = big;
	sink->section_known = true;
	return 0;
}

/* Room for so many bytes that belong to interface id, whose block comes first if the segment has it not yet. 0, 1 shed, or an error. */
static int room_slowly(struct archive_sink *sink, const struct weir_interface *interface, uint32_t id, size_t bytes,
                       int64_t time_ns, struct weir_fault *fault)
{
	if (!sink->section_known || sink->section_number != interface->section) {
		uint8_t section[SECTION_BLOCK_MAX];
		uint32_t length = put_section(section, sink->comment, interface->big_endian);
		int error = set_section(sink, section, length, interface->section, interface->big_endian, fault);
		if (error)
			return error;
	}
	if (sink->segment && sink->options.segment_ns && time_ns - sink->segment->first_ns >= sink->options.segment_ns)
		fill_end_segment(sink);
	int error = grow_map(sink, id, fault);
	if (error)
		return error;
	/* Whether the interface is there may change when the room is found in a new segment. */
	for (;;) {
		size_t first = is_mapped(sink, id) ? 0 : interface_block_size(interface);
		int result = fill_room(sink, bytes + first, time_ns, fault);
		if (result)
			return result;
		if (is_mapped(sink, id))
			return 0;
		if (first)
			return enter_interface(sink, id, put_interface(sink->slot->raw + sink->slot->filled, interface, sink->section_big),
			                       fault);
	}
}

static inline int room_for(struct archive_sink *sink, const struct weir_interface *interface, uint32_t id, size_t bytes,
                           int64_t time_ns, struct weir_fault *fault)
{
	const struct slot *slot = sink->slot;

	if (__builtin_expect(slot && slot->capacity - sink->slot_tail - slot->filled >= bytes && is_mapped(sink, id) &&
	                         interface->section == sink->section_number &&
	                         (!sink->options.segment_ns || time_ns - sink->segment->first_ns < sink->options.segment_ns),
	                     1))
		return 0;
	return room_slowly(sink, interface, id, bytes, time_ns, fault);
}

/* Puts a record of pcap, or a live packet, into an Enhanced Packet Block. */
static void put_record(uint8_t *at, const struct weir_packet *packet, const struct weir_interface *interface, uint32_t local,
                       const uint8_t *options, uint32_t options_length, bool big)
{
	bool exact = packet->block && !(packet->flags & WEIR_PACKET_NO_TIME);
	uint64_t ticks = exact ? packet->ticks : weir_interface_ticks(interface, packet->time_ns);
	uint32_t data = padded4(packet->captured), length = PACKET_OVERHEAD + data + options_length;

	weir_store32(at, BLOCK_PACKET, big);
	weir_store32(at + 4, length, big);
	weir_store32(at + 8, local, big);
	weir_store32(at + 12, (uint32_t)(ticks >> 32), big);
	weir_store32(at + 16, (uint32_t)ticks, big);
	weir_store32(at + 20, packet->captured, big);
	/* The padding; the last bytes of the packet go over it, and, when nothing was captured, the length on the wire. */
	memset(at + PACKET_HEAD + data - 4, 0, 4);
	weir_store32(at + 24, packet->length, big);
	memcpy(at + PACKET_HEAD, packet->data, packet->captured);
	if (options_length)
		memcpy(at + PACKET_HEAD + data, options, options_length);
	weir_store32(at + length - 4, length, big);
}

static void put_block(uint8_t *at, const struct weir_packet *packet, const struct weir_interface *interface, uint32_t local,
                      bool big)
{
	memcpy(at, packet->block, packet->block_length);
	mend_length(at, packet->block_length, big);
	if (local == interface->section_id)
		return;
	uint32_t type = weir_load32(at, big);
	if (type == BLOCK_PACKET)
		weir_store32(at + 8, local, big);
	else if (type == BLOCK_PACKET_OLD)
		weir_store16(at + 8, (uint16_t)local, big);
}

/*
 * Simple Packet Blocks belong to the section's first interface by definition: where ours has another one first, or an old block's
 * 16 bits do not hold the number, the packet becomes an Enhanced one.
 */
static bool must_wrap(const struct archive_sink *sink, const struct weir_packet *packet, const struct weir_interface *interface)
{
	uint32_t local = sink->map[packet->interface_id].local;
	if (local == interface->section_id)
		return false;
	uint32_t type = weir_load32(packet->block, sink->section_big);
	return type == BLOCK_PACKET_SIMPLE || (type == BLOCK_PACKET_OLD && local > UINT16_MAX);
}

static void count_packet(struct archive_sink *sink, const struct weir_packet *packet)
{
	struct chunk_trailer *trailer = &sink->slot->trailer;
	const struct weir_facts *facts = packet->facts;

	if (!facts) {
		weir_decode(packet, &sink->facts);
		facts = &sink->facts;
	}
	trailer_count(trailer, packet);
	trailer->flags |= postings_add(sink->segment->postings, packet, facts, sink->slot->number);
}

/* Puts what the batch adds to a packet's options behind those that it has, into sink->joined. */
static __attribute__((noinline)) int join_options(struct archive_sink *sink, const struct weir_interface *interface, const struct weir_batch *batch,
                                                  const struct weir_packet *packet, struct weir_bytes options, struct weir_fault *fault)
{
	bool big = interface->big_endian;

	if (shape_of(packet) == SHAPE_BLOCK)
		options = pcapng_packet_options(packet->block, packet->block_length, big);
	if (!process_options_join(&sink->joined, options, big, weir_packet_added(batch, packet), big))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the options of a packet");
	return 0;
}

static int keep_packet(struct archive_sink *sink, const struct weir_batch *batch, const struct weir_packet *packet,
                       struct weir_fault *fault)
{
	if (packet->interface_id >= batch->interface_count)
		return weir_fail(fault, WEIR_E_FORMAT, "a packet of an interface that is not there");
	const struct weir_interface *interface = batch->interfaces[packet->interface_id];
	enum shape shape = shape_of(packet);
	uint8_t made[RECORD_OPTIONS_MOST];
	const uint8_t *options = made;
	uint32_t options_length = 0;
	if (packet->block && (packet->flags & WEIR_PACKET_PCAP_RECORD))
		options_length = record_options(&sink->record_source, interface, packet, made);
	if (__builtin_expect(packet->added != 0, 0)) {
		int error = join_options(sink, interface, batch, packet, (struct weir_bytes){made, options_length}, fault);
		if (error)
			return error;
		options = sink->joined.bytes;
		options_length = (uint32_t)sink->joined.length;
		shape = SHAPE_RECORD;
	}
	size_t record = PACKET_OVERHEAD + (size_t)padded4(packet->captured) + options_length;
	size_t bytes = shape == SHAPE_BLOCK && packet->block_length > record ? packet->block_length : record;
	int result = room_for(sink, interface, packet->interface_id, bytes, packet->time_ns, fault);

	if (result)
		return result;
	uint8_t *at = sink->slot->raw + sink->slot->filled;
	uint32_t local = sink->map[packet->interface_id].local;
	if (shape == SHAPE_BLOCK && !must_wrap(sink, packet, interface)) {
		put_block(at, packet, interface, local, sink->section_big);
		sink->slot->filled += packet->block_length;
	} else {
		put_record(at, packet, interface, local, options, options_length, sink->section_big);
		sink->slot->filled += record;
	}
	if (sink->slot->filled - sink->slot->hashed >= HASH_PIECE) {
		xxh3_add(sink->slot->hash, sink->slot->raw + sink->slot->hashed, sink->slot->filled - sink->slot->hashed);
		sink->slot->hashed = sink->slot->filled;
	}
	count_packet(sink, packet);
	return 0;
}

/* The number in the batch of the interface that the source's next IDB describes: its blocks come in the order of its table. */
static int keep_interface(struct archive_sink *sink, const struct weir_batch *batch, const struct weir_block *block,
                          int64_t time_ns, struct weir_fault *fault)
{
	uint32_t id = sink->interface_blocks++;

	if (id >= batch->interface_count)
		return 0; /* it makes no interface: the source will say why */
	int result = grow_map(sink, id, fault);
	if (!result && !is_mapped(sink, id))
		result = fill_room(sink, block->length, time_ns, fault);
	if (result || is_mapped(sink, id))
		return result;
	memcpy(sink->slot->raw + sink->slot->filled, block->data, block->length);
	mend_length(sink->slot->raw + sink->slot->filled, block->length, block->big_endian);
	return enter_interface(sink, id, block->length, fault);
}

/* An Interface Statistics Block names an interface; others stand for themselves. */
static int keep_other(struct archive_sink *sink, const struct weir_batch *batch, const struct weir_block *block, int64_t time_ns,
                      struct weir_fault *fault)
{
	uint32_t id = UINT32_MAX;
	int result;

	if (block->type == BLOCK_STATISTICS && block->length >= 24) {
		uint64_t named = (uint64_t)sink->section_first + weir_load32(block->data + 8, block->big_endian);
		if (named < batch->interface_count && batch->interfaces[named]->section == block->section)
			id = (uint32_t)named;
	}
	if (id != UINT32_MAX)
		result = room_for(sink, batch->interfaces[id], id, block->length, time_ns, fault);
	else
		result = fill_room(sink, block->length, time_ns, fault);
	if (result)
		return result;
	uint8_t *at = sink->slot->raw + sink->slot->filled;
	memcpy(at, block->data, block->length);
	mend_length(at, block->length, block->big_endian);
	if (id != UINT32_MAX)
		weir_store32(at + 8, sink->map[id].local, block->big_endian);
	sink->slot->filled += block->length;
	return 0;
}

static int keep_block(struct archive_sink *sink, const struct weir_batch *batch, const struct weir_block *block,
                      int64_t time_ns, struct weir_fault *fault)
{
	struct block own = {block->data, block->length, block->type};
	struct chunk_trailer trailer;
	struct journal_head head;

	if (block->type == BLOCK_SECTION) {
		if (block->length < 28)
			return 0;
		sink->section_first = sink->interface_blocks;
		return set_section(sink, block->data, block->length, block->section, block->big_endian, fault);
	}
	/* What divides a segment of weir's (its file was imported) is not part of what was captured. */
	if (block_is_trailer(&own, block->big_endian, &trailer) || block_is_journal_head(&own, block->big_endian, &head) ||
	    block_is_padding(&own, block->big_endian) || block_is_end(&own, block->big_endian))
		return 0;
	if (!sink->section_known)
		return 0;
	return block->type == BLOCK_INTERFACE ? keep_interface(sink, batch, block, time_ns, fault)
	                                      : keep_other(sink, batch, block, time_ns, fault);
}

/* What a batch gave, to be added to the statistics at once. */
struct tally {
	uint64_t packets, captured, wire;
};

/* Packets from `first` on that there is no room for. */
static void shed(struct archive_sink *sink, const struct weir_batch *batch, uint32_t first)
{
	int64_t from = INT64_MAX, to = INT64_MIN;
	uint64_t packets = 0, bytes = 0;

	for (uint32_t i = first; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		if (packet->verdict != WEIR_KEEP)
			continue;
		packets++;
		bytes += packet->length;
		if (packet->time_ns < from)
			from = packet->time_ns;
		if (packet->time_ns > to)
			to = packet->time_ns;
	}
	pthread_mutex_lock(&sink->lock);
	sink_lost(sink, sink->trouble != WEIR_LOSS_CAUSES ? sink->trouble : WEIR_LOSS_SHED, from, to, packets, bytes);
	pthread_mutex_unlock(&sink->lock);
}

static int64_t time_near(const struct weir_batch *batch, uint32_t at)
{
	if (batch->count == 0)
		return clock_wall_ns();
	return batch->packets[at < batch->count ? at : batch->count - 1].time_ns;
}

static int keep_batch(struct archive_sink *sink, const struct weir_batch *batch, struct tally *tally, struct weir_fault *fault)
{
	uint32_t block = 0;
	int result = 0;

	for (uint32_t i = 0; i <= batch->count; i++) {
		for (; block < batch->block_count && batch->blocks[block].before <= i && !result; block++)
			result = keep_block(sink, batch, &batch->blocks[block], time_near(batch, i), fault);
		if (!result && i < batch->count && batch->packets[i].verdict == WEIR_KEEP) {
			const struct weir_packet *packet = &batch->packets[i];
			result = keep_packet(sink, batch, packet, fault);
			if (!result) {
				tally->packets++;
				tally->captured += packet->captured;
				tally->wire += packet->length;
			}
		}
		if (result == 1) {
			shed(sink, batch, i);
			return 0;
		}
		if (result)
			return result;
	}
	return 0;
}

static int sink_consume(struct weir_sink *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct archive_sink *sink = (struct archive_sink *)base;
	struct tally tally = {0};

	/* Relaxed: it only has to be seen soon. */
	if (atomic_load_explicit(&sink->troubled, memory_order_relaxed) && sink->segment)
		fill_end_segment(sink);
	if (sink->options.shed && sink->options.segment_ns && sink->segment &&
	    clock_monotonic_ns() - sink->segment->opened_ns >= sink->options.segment_ns)
		fill_end_segment(sink);
	int result = keep_batch(sink, batch, &tally, fault);
	if (sink->slot)
		/* Release: the keeper reads what is below it. */
		atomic_store_explicit(&sink->slot->published, sink->slot->filled, memory_order_release);
	pthread_mutex_lock(&sink->lock);
	sink->kept.packets += tally.packets;
	sink->kept.captured += tally.captured;
	sink->kept.wire += tally.wire;
	sink->statistics.packets = sink->kept.packets;
	pthread_mutex_unlock(&sink->lock);
	return result;
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

static const struct weir_sink_ops archive_sink_ops = {.name = "archive", .consume = sink_consume, .finish = sink_finish, .close = sink_close};

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
