/* Reading pcapng files (draft-ietf-opsawg-pcapng): sections of either byte order, every block in its place. */
#include <string.h>

#include "file/capture.h"
#include "file/option.h"

#define BLOCK_LEAST 12
#define BLOCK_MARGIN ((uint32_t)1 << 20)      /* options beside the largest packet */
#define BLOCK_LIMIT_LEAST ((uint32_t)64 << 20) /* of blocks that are no packets: decryption secrets, name tables */

bool pcapng_recognise(const uint8_t *head, size_t length)
{
	return length >= 4 && weir_load_be32(head) == PCAPNG_SHB; /* the same in both byte orders */
}

static bool big_endian(const struct capture *capture) { return capture->state.pcapng.swapped != WEIR_NATIVE_BIG; }

static inline uint32_t load32(const uint8_t *p, bool swapped)
{
	uint32_t v = weir_load_native32(p);
	return swapped ? weir_swap32(v) : v;
}

/* Some old writers gave lengths without the padding, which is there all the same. */
static inline uint64_t rounded(uint32_t length) { return ((uint64_t)length + 3) & ~(uint64_t)3; }

static inline int64_t time_of(const struct capture *capture, const struct interface_key *key, uint32_t id, uint64_t ticks)
{
	if (__builtin_expect(key->multiplier && ticks <= key->ticks_most, 1))
		return (int64_t)(ticks * key->multiplier);
	return weir_interface_time(capture->interfaces[id], ticks);
}

/* What a plain Enhanced Packet Block that lies whole in the window says; false for anything else. */
struct plain {
	uint32_t total, id, captured, length;
	uint64_t ticks;
};

static inline __attribute__((always_inline)) bool plain_packet(const struct capture *capture, const uint8_t *at,
                                                               const uint8_t *end, bool swapped, struct plain *plain)
{
	if ((size_t)(end - at) < PCAPNG_EPB_BYTES || load32(at, swapped) != PCAPNG_EPB)
		return false;
	uint32_t total = load32(at + 4, swapped);
	if (total < PCAPNG_EPB_BYTES || (total & 3) || total > (size_t)(end - at))
		return false;
	plain->total = total;
	plain->id = load32(at + 8, swapped);
	plain->ticks = (uint64_t)load32(at + 12, swapped) << 32 | load32(at + 16, swapped);
	plain->captured = load32(at + 20, swapped);
	plain->length = load32(at + 24, swapped);
	/* With options, which are to be checked, it is not plain. */
	if (plain->id >= capture->interface_count - capture->state.pcapng.first_interface ||
	    pcapng_padded(plain->captured) != total - PCAPNG_EPB_BYTES || load32(at + total - 4, swapped) != total)
		return false;
	plain->id += capture->state.pcapng.first_interface;
	return plain->captured <= capture->keys[plain->id].packet_limit;
}

static inline __attribute__((always_inline)) void fill_order(struct capture *capture, struct weir_batch *batch, bool swapped)
{
	const uint8_t *at = capture->at, *end = capture->end;
	uint32_t count = batch->count;
	struct plain plain;

	while (count < WEIR_BATCH_PACKETS && plain_packet(capture, at, end, swapped, &plain)) {
		const struct interface_key *key = &capture->keys[plain.id];
		batch->packets[count++] = (struct weir_packet){
			.time_ns = time_of(capture, key, plain.id, plain.ticks),
			.data = at + 28,
			.captured = plain.captured,
			.length = plain.length,
			.interface_id = plain.id,
			.linktype = key->linktype,
			.block = at,
			.block_length = plain.total,
			.ticks = plain.ticks,
		};
		at += plain.total;
	}
	if (count > batch->count)
		capture->last_ns = batch->packets[count - 1].time_ns;
	capture->at = at;
	batch->count = count;
}

static void pcapng_fill(struct capture *capture, struct weir_batch *batch)
{
	if (capture->state.pcapng.swapped)
		fill_order(capture, batch, true);
	else
		fill_order(capture, batch, false);
}

static inline __attribute__((always_inline)) void walk_order(struct capture *capture, struct capture_walk *walk, bool swapped)
{
	const uint8_t *at = capture->at, *end = capture->end;
	int64_t previous = walk->previous_ns;
	bool unsorted = walk->unsorted;
	uint64_t packets = 0;
	struct plain plain;

	while (plain_packet(capture, at, end, swapped, &plain)) {
		struct capture_tally *tally = &walk->interfaces[plain.id];
		int64_t time_ns = time_of(capture, &capture->keys[plain.id], plain.id, plain.ticks);
		capture_tally_add(tally, plain.captured, plain.length, time_ns);
		tally->timed++;
		unsorted |= time_ns < previous;
		previous = time_ns;
		packets++;
		at += plain.total;
	}
	if (packets)
		capture->last_ns = previous;
	capture->at = at;
	capture->number += packets;
	walk->previous_ns = previous;
	walk->unsorted = unsorted;
}

static void pcapng_walk(struct capture *capture, struct capture_walk *walk)
{
	if (capture->state.pcapng.swapped)
		walk_order(capture, walk, true);
	else
		walk_order(capture, walk, false);
}

/*
 * Sees to a whole block at the window's beginning, with its length checked at both ends. A section header may change the byte
 * order. Gives its type and length, both 0 at the end of the file.
 */
static int whole_block(struct capture *capture, uint32_t *type, uint32_t *length, struct weir_fault *fault)
{
	int result = capture_need(capture, BLOCK_LEAST, fault);

	*type = *length = 0;
	if (result < 0 || (result == 0 && capture_left(capture) == 0))
		return result;
	if (result == 0)
		return capture_fail(capture, fault, WEIR_E_TRUNCATED, "the file ends in the header of a block (%zu bytes)",
		                    capture_left(capture));
	*type = load32(capture->at, capture->state.pcapng.swapped);
	if (*type == PCAPNG_SHB) {
		uint32_t order = weir_load_native32(capture->at + 8);
		if (order != PCAPNG_BYTE_ORDER && order != weir_swap32(PCAPNG_BYTE_ORDER))
			return capture_fail(capture, fault, WEIR_E_FORMAT, "a section header without a byte order (0x%08x)", order);
		capture->state.pcapng.swapped = order != PCAPNG_BYTE_ORDER;
	}
	uint32_t claimed = load32(capture->at + 4, capture->state.pcapng.swapped);
	uint64_t total = rounded(claimed);
	if (claimed < BLOCK_LEAST)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a block of type 0x%08x claims %u bytes, less than a block has",
		                    *type, claimed);
	if (total > capture->state.pcapng.block_limit)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a block of type 0x%08x claims %u bytes, more than the %u it may have",
		                    *type, claimed, capture->state.pcapng.block_limit);
	result = capture_need(capture, (size_t)total, fault);
	if (result < 0)
		return result;
	if (result == 0)
		return capture_fail(capture, fault, WEIR_E_TRUNCATED, "the file ends in a block (%zu bytes of %llu)",
		                    capture_left(capture), (unsigned long long)total);
	uint32_t trailer = load32(capture->at + total - 4, capture->state.pcapng.swapped);
	if (rounded(trailer) != total)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a block begins with the length %u and ends with %u", claimed,
		                    trailer);
	*length = (uint32_t)total;
	return 1;
}

static int section(struct capture *capture, uint32_t length, struct weir_fault *fault)
{
	const uint8_t *at = capture->at;
	bool big = big_endian(capture);

	if (length < PCAPNG_SHB_BYTES)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a section header of %u bytes is too short", length);
	uint16_t major = weir_load16(at + 12, big), minor = weir_load16(at + 14, big);
	if (major != 1 || (minor != 0 && minor != 2))
		return capture_fail(capture, fault, WEIR_E_UNSUPPORTED, "a section of pcapng version %u.%u; weir reads 1.0", major,
		                    minor);
	if (!pcapng_options_sound((struct weir_bytes){at + 24, length - PCAPNG_SHB_BYTES}, big))
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a section header's option is longer than the block");
	int error = capture_keep_header(capture, at, length, fault);
	if (error)
		return error;
	capture->header.big_endian = big;
	capture->header.version_major = major;
	capture->header.version_minor = minor;
	capture->header.sections++;
	capture->state.pcapng.first_interface = capture->interface_count;
	return 0;
}

static void copy_text(char *out, size_t size, struct weir_bytes value)
{
	size_t length = value.length < size - 1 ? value.length : size - 1;

	memcpy(out, value.data, length);
	out[length] = '\0';
}

static void interface_option(struct weir_interface *interface, uint16_t code, struct weir_bytes value)
{
	if (code == PCAPNG_IF_NAME)
		copy_text(interface->name, sizeof interface->name, value);
	else if (code == PCAPNG_IF_DESCRIPTION)
		copy_text(interface->description, sizeof interface->description, value);
	else if (code == PCAPNG_IF_TSRESOL && value.length == 1)
		interface->resolution = value.data[0];
	else if (code == PCAPNG_IF_TSOFFSET && value.length == 8)
		interface->offset_seconds = (int64_t)weir_load64(value.data, interface->big_endian);
}

static int describe_interface(struct capture *capture, uint32_t length, struct weir_fault *fault)
{
	const uint8_t *at = capture->at;
	bool big = big_endian(capture);

	if (length < PCAPNG_IDB_BYTES)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "an interface description of %u bytes is too short", length);
	struct weir_interface interface = {
		.linktype = weir_load16(at + 8, big),
		.resolution = 6,
		.big_endian = big,
		.snaplen = weir_load32(at + 12, big),
		.section = capture->header.sections - 1,
		.section_id = capture->interface_count - capture->state.pcapng.first_interface,
		.options = {at + 16, length - PCAPNG_IDB_BYTES},
	};
	struct weir_cursor cursor = weir_cursor_over(interface.options.data, interface.options.length);
	struct weir_bytes value;
	uint16_t code;
	while (pcapng_option_next(&cursor, big, &code, &value))
		interface_option(&interface, code, value);
	if (cursor.failed)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "an interface description's option is longer than the block");
	if (capture->interface_count == 0) {
		capture->header.linktype = interface.linktype;
		capture->header.snaplen = interface.snaplen;
	}
	return capture_add_interface(capture, &interface, fault);
}

/* An EPB or PB that stands whole. */
static int packet_block(struct capture *capture, uint32_t type, uint32_t length, struct weir_packet *packet,
                        struct weir_fault *fault)
{
	const uint8_t *at = capture->at;
	bool big = big_endian(capture);
	uint32_t first = capture->state.pcapng.first_interface;

	if (length < PCAPNG_EPB_BYTES)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a packet block of %u bytes is too short", length);
	/* Of the obsolete Packet Block's first field only one half is the interface, the other counts drops. */
	uint32_t id = type == PCAPNG_PB ? weir_load16(at + 8, big) : weir_load32(at + 8, big);
	if (id >= capture->interface_count - first)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a packet of interface %u in a section that has described %u", id,
		                    capture->interface_count - first);
	id += first;
	uint32_t captured = weir_load32(at + 20, big);
	if (captured > capture->keys[id].packet_limit)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a packet claims %u bytes, more than the %u that it may have",
		                    captured, capture->keys[id].packet_limit);
	if (rounded(captured) > length - PCAPNG_EPB_BYTES)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a packet of %u bytes in a block of %u", captured, length);
	if (!pcapng_options_sound(pcapng_packet_options(at, length, big), big))
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a packet's option is longer than the block");
	uint64_t ticks = (uint64_t)weir_load32(at + 12, big) << 32 | weir_load32(at + 16, big);
	*packet = (struct weir_packet){
		.time_ns = time_of(capture, &capture->keys[id], id, ticks),
		.data = at + 28,
		.captured = captured,
		.length = weir_load32(at + 24, big),
		.interface_id = id,
		.linktype = capture->keys[id].linktype,
		.block = at,
		.block_length = length,
		.ticks = ticks,
	};
	capture->last_ns = packet->time_ns;
	return RECORD_PACKET;
}

/* A Simple Packet Block: of the section's first interface, without a time; how much was captured follows from the lengths. */
static int simple_packet(struct capture *capture, uint32_t length, struct weir_packet *packet, struct weir_fault *fault)
{
	const uint8_t *at = capture->at;
	uint32_t first = capture->state.pcapng.first_interface;

	if (length < 16)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a simple packet block of %u bytes is too short", length);
	if (first == capture->interface_count)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a simple packet in a section that has described no interface");
	uint32_t wire = weir_load32(at + 8, big_endian(capture)), captured = wire;
	uint32_t snaplen = capture->interfaces[first]->snaplen;
	if (snaplen && captured > snaplen)
		captured = snaplen;
	/* The block has no captured length, so that one which does not fit the others leaves it unknown. */
	if (rounded(captured) != length - 16)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a simple packet of %u bytes in a block of %u", captured, length);
	if (captured > capture->keys[first].packet_limit)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a packet claims %u bytes, more than the %u that it may have",
		                    captured, capture->keys[first].packet_limit);
	*packet = (struct weir_packet){
		.time_ns = capture->last_ns,
		.data = at + 12,
		.captured = captured,
		.length = wire,
		.interface_id = first,
		.linktype = capture->keys[first].linktype,
		.flags = WEIR_PACKET_NO_TIME,
		.block = at,
		.block_length = length,
	};
	return RECORD_PACKET;
}

static int pcapng_next(struct capture *capture, struct weir_packet *packet, struct weir_block *block, struct weir_fault *fault)
{
	uint32_t type, length;
	int result = whole_block(capture, &type, &length, fault);

	if (result <= 0)
		return result;
	switch (type) {
	case PCAPNG_EPB:
	case PCAPNG_PB:
		result = packet_block(capture, type, length, packet, fault);
		break;
	case PCAPNG_SPB:
		result = simple_packet(capture, length, packet, fault);
		break;
	case PCAPNG_SHB:
		result = section(capture, length, fault);
		break;
	case PCAPNG_IDB:
		result = describe_interface(capture, length, fault);
		break;
	default:
		result = 0;
		break;
	}
	if (result < 0)
		return result;
	if (result == 0) {
		*block = (struct weir_block){
			.data = capture->at,
			.length = length,
			.type = type,
			.section = capture->header.sections - 1,
			.big_endian = big_endian(capture),
		};
		result = RECORD_BLOCK;
	}
	capture->at += length;
	return result;
}

static const struct capture_format pcapng_format = {
	.fill = pcapng_fill,
	.walk = pcapng_walk,
	.next = pcapng_next,
};

/* Looks ahead to the first interface, as far as the window reaches, so that the header can tell its link type before the first batch. */
static void look_ahead(struct capture *capture)
{
	const uint8_t *at = capture->at;
	bool big = big_endian(capture);

	while ((size_t)(capture->end - at) >= PCAPNG_IDB_BYTES) {
		uint32_t type = weir_load32(at, big);
		uint64_t total = rounded(weir_load32(at + 4, big));
		if (at != capture->at && type == PCAPNG_IDB) {
			capture->header.linktype = weir_load16(at + 8, big);
			capture->header.snaplen = weir_load32(at + 12, big);
			return;
		}
		if (total < BLOCK_LEAST || total > (size_t)(capture->end - at) || (at != capture->at && type == PCAPNG_SHB))
			return;
		at += total;
	}
}

int pcapng_begin(struct capture *capture, struct weir_fault *fault)
{
	uint32_t type, length;
	uint32_t limit = capture_packet_limit(capture, 231); /* the largest that any link type may have */
	uint32_t sections = capture->header.sections;

	capture->state.pcapng.block_limit = limit + BLOCK_MARGIN > BLOCK_LIMIT_LEAST ? limit + BLOCK_MARGIN : BLOCK_LIMIT_LEAST;
	int result = capture_need(capture, PCAPNG_SHB_BYTES + PCAPNG_IDB_BYTES, fault);
	if (result >= 0)
		result = whole_block(capture, &type, &length, fault);
	if (result < 0)
		return result;
	capture->format = &pcapng_format;
	capture->header.format = WEIR_FORMAT_PCAPNG;
	/* The section header itself is read again with the first batch, which delivers it; here it only has to be sound. */
	result = section(capture, length, fault);
	look_ahead(capture);
	capture->header.sections = sections;
	return result;
}
