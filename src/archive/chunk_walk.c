#include "archive/chunk_walk.h"

#include "archive/blocks.h"

#define NS_DIGITS 9u

struct walk_interface walk_interface_of(const struct weir_interface *interface, uint32_t number)
{
	struct walk_interface walk = {.number = number, .linktype = interface->linktype, .interface = interface};

	if (interface->offset_seconds == 0 && interface->resolution <= NS_DIGITS) {
		walk.multiplier = 1;
		for (unsigned digits = interface->resolution; digits < NS_DIGITS; digits++)
			walk.multiplier *= 10;
		walk.ticks_most = INT64_MAX / walk.multiplier;
	}
	return walk;
}

static inline int64_t time_of(const struct walk_interface *interface, uint64_t ticks)
{
	if (__builtin_expect(interface->multiplier && ticks <= interface->ticks_most, 1))
		return (int64_t)(ticks * interface->multiplier);
	return weir_interface_time(interface->interface, ticks);
}

static int take_simple(struct chunk_walk *walk, uint32_t length, struct weir_packet *packet)
{
	const uint8_t *p = walk->at;

	if (length < 16 || walk->interface_count == 0)
		return WEIR_E_FORMAT;
	const struct walk_interface *interface = &walk->interfaces[0];
	uint32_t room = length - 16, snaplen = interface->interface->snaplen;
	packet->length = weir_load32(p + 8, walk->big);
	packet->captured = packet->length < room ? packet->length : room;
	if (snaplen && packet->captured > snaplen)
		packet->captured = snaplen;
	packet->data = p + 12;
	packet->flags = WEIR_PACKET_NO_TIME;
	packet->time_ns = walk->last_ns;
	packet->ticks = 0;
	packet->interface_id = interface->number;
	packet->linktype = interface->linktype;
	return 1;
}

/* Enhanced and old Packet Blocks differ only in where the interface stands. */
static inline int take_packet(struct chunk_walk *walk, uint32_t length, bool old, struct weir_packet *packet)
{
	const uint8_t *p = walk->at;

	if (length < PACKET_OVERHEAD)
		return WEIR_E_FORMAT;
	uint32_t id = old ? weir_load16(p + 8, walk->big) : weir_load32(p + 8, walk->big);
	uint32_t captured = weir_load32(p + 20, walk->big);
	if (id >= walk->interface_count || captured > length - PACKET_OVERHEAD)
		return WEIR_E_FORMAT;
	const struct walk_interface *interface = &walk->interfaces[id];
	packet->ticks = (uint64_t)weir_load32(p + 12, walk->big) << 32 | weir_load32(p + 16, walk->big);
	packet->time_ns = walk->last_ns = time_of(interface, packet->ticks);
	packet->data = p + PACKET_HEAD;
	packet->captured = captured;
	packet->length = weir_load32(p + 24, walk->big);
	packet->flags = 0;
	packet->interface_id = interface->number;
	packet->linktype = interface->linktype;
	return 1;
}

int chunk_walk_next(struct chunk_walk *walk, struct weir_packet *packet)
{
	while (walk->at != walk->end) {
		const uint8_t *p = walk->at;
		size_t left = (size_t)(walk->end - p);
		if (left < 12)
			return left + walk->behind < 12 ? WEIR_E_FORMAT : WALK_MORE;
		uint32_t type = weir_load32(p, walk->big), length = weir_load32(p + 4, walk->big);
		int result = 0;

		if (length > left && length <= left + walk->behind)
			return WALK_MORE;
		/* Blocks come in runs of about one size: what may be the eighth from here is on its way. A wrong guess costs nothing. */
		__builtin_prefetch(p + 8 * (size_t)(length & 0xffff));
		if (length < 12 || length % 4 || length > left || weir_load32(p + length - 4, walk->big) != length)
			return WEIR_E_FORMAT;
		if (__builtin_expect(type == BLOCK_PACKET, 1))
			result = take_packet(walk, length, false, packet);
		else if (type == BLOCK_PACKET_OLD)
			result = take_packet(walk, length, true, packet);
		else if (type == BLOCK_PACKET_SIMPLE)
			result = take_simple(walk, length, packet);
		if (result < 0)
			return result;
		walk->at = p + length;
		if (result) {
			packet->block = p;
			packet->block_length = length;
			packet->verdict = WEIR_KEEP;
			packet->added = 0;
			packet->facts = NULL;
			return 1;
		}
	}
	return walk->behind ? WALK_MORE : 0;
}

/*
 * Blocks come in runs of about one size: what may be the 32nd from here is on its way, with the headers that stages will look at. One line of the eighth, as
 * in chunk_walk_next, left most to be waited for: the walk was twice as slow. A wrong guess costs nothing.
 */
static inline void prefetch_ahead(const uint8_t *block, uint32_t length)
{
	const uint8_t *ahead = block + 32 * (size_t)(length & 0xffff);

	__builtin_prefetch(ahead);
	__builtin_prefetch(ahead + 64);
	__builtin_prefetch(ahead + 128);
}

/*
 * As long as blocks are what nearly all are: sound Enhanced Packet Blocks of a little-endian section whose interface counts in a power of ten. Stops before
 * any other, which chunk_walk_next judges.
 */
static uint32_t walk_usual(struct chunk_walk *walk, struct weir_packet *packets, uint32_t most)
{
	const struct walk_interface *interfaces = walk->interfaces;
	const uint8_t *p = walk->at, *end = walk->end;
	uint32_t count = 0;

	for (; count < most && (size_t)(end - p) >= PACKET_OVERHEAD; count++) {
		uint32_t length = weir_load_le32(p + 4), id = weir_load_le32(p + 8), captured = weir_load_le32(p + 20);

		prefetch_ahead(p, length);
		if (weir_load_le32(p) != BLOCK_PACKET || length < PACKET_OVERHEAD || length % 4 || length > (size_t)(end - p) ||
		    weir_load_le32(p + length - 4) != length || id >= walk->interface_count ||
		    captured > length - PACKET_OVERHEAD)
			break;
		const struct walk_interface *interface = &interfaces[id];
		uint64_t ticks = (uint64_t)weir_load_le32(p + 12) << 32 | weir_load_le32(p + 16);
		if (!interface->multiplier || ticks > interface->ticks_most)
			break;
		packets[count] = (struct weir_packet){
			.time_ns = (int64_t)(ticks * interface->multiplier),
			.ticks = ticks,
			.data = p + PACKET_HEAD,
			.captured = captured,
			.length = weir_load_le32(p + 24),
			.interface_id = interface->number,
			.linktype = interface->linktype,
			.verdict = WEIR_KEEP,
			.block = p,
			.block_length = length,
		};
		p += length;
	}
	walk->at = p;
	if (count)
		walk->last_ns = packets[count - 1].time_ns;
	return count;
}

uint32_t chunk_walk_some(struct chunk_walk *walk, struct weir_packet *packets, uint32_t most, int *last)
{
	uint32_t count = 0;

	*last = 1;
	while (*last == 1 && count < most) {
		if (!walk->big)
			count += walk_usual(walk, packets + count, most - count);
		if (count == most)
			break;
		*last = chunk_walk_next(walk, &packets[count]);
		count += *last == 1;
	}
	return count;
}
