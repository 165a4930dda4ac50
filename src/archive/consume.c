/* Packets into chunks: what archive/sink.h does with the packets and blocks of each batch, on the thread that consumes. */
#include "archive/sink.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "file/option.h"

#define HASH_PIECE (32u << 10) /* small against the cache, large against the price of a call */

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

int archive_consume(struct weir_sink *base, struct weir_batch *batch, struct weir_fault *fault)
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
