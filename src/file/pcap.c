/* Reading pcap files: four magics, two byte orders, and what programs of the last century wrote. */
#include <string.h>

#include "file/capture.h"
#include "file/option.h"
#include "file/pcap.h"
#include "file/pen.h"

/* The network field: FCS length in 16-bit units, whether it is there, reserved, link type. */
#define NETWORK_FCS_BITS(network) (((network) >> 28) * 16)
#define NETWORK_HAS_FCS 0x04000000u
#define NETWORK_RESERVED 0x03ff0000u

bool pcap_recognise(const uint8_t *head, size_t length)
{
	if (length < 4)
		return false;
	uint32_t big = weir_load_be32(head), little = weir_load_le32(head);
	return big == PCAP_MAGIC || big == PCAP_MAGIC_NS || big == PCAP_MAGIC_MODIFIED || little == PCAP_MAGIC ||
	       little == PCAP_MAGIC_NS || little == PCAP_MAGIC_MODIFIED;
}

/* AIX's libpcap says it is version 2.2, counts ns, and has interface types of RFC 1573 where link types belong. */
static bool aix_linktype(uint32_t network, uint16_t *linktype)
{
	switch (network) {
	case 6:
		*linktype = 1; /* Ethernet */
		return true;
	case 9:
		*linktype = 6; /* Token Ring */
		return true;
	case 15:
		*linktype = 10; /* FDDI */
		return true;
	case 24:
		*linktype = 0; /* loopback */
		return true;
	default:
		return false;
	}
}

void pcap_shape_parse(const uint8_t header[static PCAP_HEADER_BYTES], struct pcap_shape *shape)
{
	uint32_t magic = weir_load_be32(header);

	*shape = (struct pcap_shape){.big_endian = magic >> 24 == 0xa1, .resolution = 6, .record_header = PCAP_RECORD_BYTES};
	bool big = shape->big_endian;
	magic = weir_load32(header, big);
	shape->version_major = weir_load16(header + 4, big);
	shape->version_minor = weir_load16(header + 6, big);
	shape->snaplen = weir_load32(header + 16, big);
	shape->network = weir_load32(header + 20, big);
	shape->linktype = (uint16_t)shape->network;
	shape->format = WEIR_FORMAT_PCAP;
	if (magic == PCAP_MAGIC_NS) {
		shape->format = WEIR_FORMAT_PCAP_NS;
		shape->resolution = 9;
	} else if (magic == PCAP_MAGIC_MODIFIED) {
		shape->format = WEIR_FORMAT_PCAP_MODIFIED;
		shape->record_header = PCAP_MODIFIED_RECORD_BYTES;
	}
	if ((shape->version_major == 2 && shape->version_minor < 3) || shape->version_major == 543)
		shape->lengths = PCAP_LENGTH_FIRST;
	else if (shape->version_major == 2 && shape->version_minor == 3)
		shape->lengths = PCAP_LESS_IS_CAPTURED;
	if (magic == PCAP_MAGIC && shape->version_major == 2 && shape->version_minor == 2 &&
	    aix_linktype(shape->network, &shape->linktype))
		shape->resolution = 9;
}

void pcap_header_make(const struct pcap_shape *shape, uint8_t header[static PCAP_HEADER_BYTES])
{
	bool big = shape->big_endian;
	uint32_t magic = shape->format == WEIR_FORMAT_PCAP_NS         ? PCAP_MAGIC_NS
	                 : shape->format == WEIR_FORMAT_PCAP_MODIFIED ? PCAP_MAGIC_MODIFIED
	                                                              : PCAP_MAGIC;

	memset(header, 0, PCAP_HEADER_BYTES);
	weir_store32(header, magic, big);
	weir_store16(header + 4, 2, big);
	weir_store16(header + 6, 4, big);
	weir_store32(header + 16, shape->snaplen, big);
	weir_store32(header + 20, shape->linktype, big);
}

void pcap_record_make(const struct pcap_shape *shape, uint32_t seconds, uint32_t fraction, uint32_t captured, uint32_t length,
                      uint8_t *header)
{
	bool big = shape->big_endian, swap = shape->lengths == PCAP_LENGTH_FIRST;

	weir_store32(header, seconds, big);
	weir_store32(header + 4, fraction, big);
	weir_store32(header + 8, swap ? length : captured, big);
	weir_store32(header + 12, swap ? captured : length, big);
	if (shape->record_header > PCAP_RECORD_BYTES)
		memset(header + PCAP_RECORD_BYTES, 0, shape->record_header - PCAP_RECORD_BYTES);
}

size_t pcap_record_option(const struct pcap_shape *shape, bool plain_file, const struct weir_packet *packet, bool big, uint8_t *out)
{
	uint8_t plain[PCAP_MODIFIED_RECORD_BYTES], marked[8 + PCAP_MODIFIED_RECORD_BYTES];
	uint32_t units = shape->resolution == 9 ? 1000000000u : 1000000u;
	if (packet->block_length < shape->record_header)
		return 0;
	if (plain_file && weir_load32(packet->block + 4, shape->big_endian) < units)
		return 0;
	pcap_record_make(shape, (uint32_t)(packet->ticks / units), (uint32_t)(packet->ticks % units), packet->captured,
	                 packet->length, plain);
	if (memcmp(plain, packet->block, shape->record_header) == 0)
		return 0;
	weir_store32(marked, WEIR_PEN, big);
	memcpy(marked + 4, PCAP_RECORD_MAGIC, 4);
	memcpy(marked + 8, packet->block, shape->record_header);
	size_t length = pcapng_option_put(out, big, PCAPNG_CUSTOM_BINARY_NO_COPY, marked, (uint16_t)(8 + shape->record_header));
	return length + pcapng_option_put(out + length, big, PCAPNG_END_OF_OPTIONS, NULL, 0);
}

/* The interface of the file, with the options that an IDB for it would have, the odd parts of the header among them. */
static int add_interface(struct capture *capture, const struct pcap_shape *shape, struct weir_fault *fault)
{
	uint8_t options[64], canonical[PCAP_HEADER_BYTES], marked[4 + 4 + PCAP_HEADER_BYTES];
	size_t length = 0;
	bool big = shape->big_endian;

	length += pcapng_option_put(options + length, big, PCAPNG_IF_TSRESOL, &shape->resolution, 1);
	if (shape->network & NETWORK_HAS_FCS) {
		uint8_t bits = (uint8_t)NETWORK_FCS_BITS(shape->network);
		length += pcapng_option_put(options + length, big, PCAPNG_IF_FCSLEN, &bits, 1);
	}
	pcap_header_make(shape, canonical);
	/* A snap length of 0 in pcapng is no oddity, and becomes another number in pcap. */
	if (memcmp(canonical, capture->header.raw.data, sizeof canonical) != 0 || shape->snaplen == 0 ||
	    shape->format == WEIR_FORMAT_PCAP_MODIFIED) {
		weir_store32(marked, WEIR_PEN, big);
		memcpy(marked + 4, PCAP_HEADER_MAGIC, 4);
		memcpy(marked + 8, capture->header.raw.data, PCAP_HEADER_BYTES);
		length += pcapng_option_put(options + length, big, PCAPNG_CUSTOM_BINARY_NO_COPY, marked, sizeof marked);
	}
	length += pcapng_option_put(options + length, big, PCAPNG_END_OF_OPTIONS, NULL, 0);

	struct weir_interface interface = {
		.linktype = shape->linktype,
		.resolution = shape->resolution,
		.big_endian = big,
		.snaplen = shape->snaplen,
		.section = capture->header.sections,
		.options = {options, length},
	};
	return capture_add_interface(capture, &interface, fault);
}

/* Takes the record at the window's beginning, which is whole. */
static inline __attribute__((always_inline)) void take(struct capture *capture, const uint8_t *at, uint32_t captured,
                                                       uint32_t length, struct weir_packet *packet)
{
	bool swapped = capture->state.pcap.swapped;
	uint32_t seconds = weir_load_native32(at), fraction = weir_load_native32(at + 4);
	if (swapped) {
		seconds = weir_swap32(seconds);
		fraction = weir_swap32(fraction);
	}
	uint64_t ticks = (uint64_t)seconds * capture->state.pcap.units + fraction;

	packet->time_ns = (int64_t)(capture->state.pcap.fraction_ns ? ticks : ticks * 1000);
	packet->data = at + capture->state.pcap.header;
	packet->captured = captured;
	packet->length = length;
	packet->interface_id = capture->state.pcap.interface;
	packet->linktype = capture->state.pcap.linktype;
	packet->flags = WEIR_PACKET_PCAP_RECORD;
	packet->verdict = WEIR_KEEP;
	packet->block = at;
	packet->block_length = capture->state.pcap.header + captured;
	packet->added = 0;
	packet->ticks = ticks;
	packet->facts = NULL;
}

static inline __attribute__((always_inline)) void lengths_of(const struct capture *capture, const uint8_t *at,
                                                             uint32_t *captured, uint32_t *length)
{
	uint32_t first = weir_load_native32(at + 8), second = weir_load_native32(at + 12);

	if (capture->state.pcap.swapped) {
		first = weir_swap32(first);
		second = weir_swap32(second);
	}
	uint8_t order = capture->state.pcap.lengths;
	bool swap = __builtin_expect(order != PCAP_CAPTURED_FIRST, 0) && (order == PCAP_LENGTH_FIRST || first > second);
	*captured = swap ? second : first;
	*length = swap ? first : second;
}

static void pcap_fill(struct capture *capture, struct weir_batch *batch)
{
	const uint8_t *at = capture->at, *end = capture->end;
	size_t header = capture->state.pcap.header;
	uint32_t limit = capture->state.pcap.limit, count = batch->count;

	while (count < WEIR_BATCH_PACKETS && (size_t)(end - at) >= header) {
		uint32_t captured, length;
		lengths_of(capture, at, &captured, &length);
		if (__builtin_expect(captured > limit || captured > (size_t)(end - at) - header, 0))
			break;
		take(capture, at, captured, length, &batch->packets[count++]);
		at += header + captured;
	}
	capture->at = at;
	batch->count = count;
}

static void pcap_walk(struct capture *capture, struct capture_walk *walk)
{
	const uint8_t *at = capture->at, *end = capture->end;
	size_t header = capture->state.pcap.header;
	uint32_t limit = capture->state.pcap.limit;
	struct capture_tally tally = walk->interfaces[capture->state.pcap.interface];
	uint64_t before = tally.packets;
	int64_t previous = walk->previous_ns;
	bool unsorted = walk->unsorted, ns = capture->state.pcap.fraction_ns;

	while ((size_t)(end - at) >= header) {
		uint32_t captured, length, seconds = weir_load_native32(at), fraction = weir_load_native32(at + 4);
		lengths_of(capture, at, &captured, &length);
		if (__builtin_expect(captured > limit || captured > (size_t)(end - at) - header, 0))
			break;
		if (capture->state.pcap.swapped) {
			seconds = weir_swap32(seconds);
			fraction = weir_swap32(fraction);
		}
		int64_t time_ns = (int64_t)((uint64_t)seconds * 1000000000u + (uint64_t)fraction * (ns ? 1 : 1000));
		capture_tally_add(&tally, captured, length, time_ns);
		unsorted |= time_ns < previous;
		previous = time_ns;
		at += header + captured;
	}
	tally.timed = tally.packets;
	capture->at = at;
	capture->number += tally.packets - before;
	walk->interfaces[capture->state.pcap.interface] = tally;
	walk->previous_ns = previous;
	walk->unsorted = unsorted;
}

static int pcap_next(struct capture *capture, struct weir_packet *packet, struct weir_block *block, struct weir_fault *fault)
{
	size_t header = capture->state.pcap.header;
	uint32_t captured, length;

	(void)block;
	int result = capture_need(capture, header, fault);
	if (result < 0)
		return result;
	if (result == 0 && capture_left(capture) == 0)
		return RECORD_END;
	if (result == 0)
		return capture_fail(capture, fault, WEIR_E_TRUNCATED, "the file ends in the header of a record (%zu bytes of %zu)",
		                    capture_left(capture), header);
	lengths_of(capture, capture->at, &captured, &length);
	if (captured > capture->state.pcap.limit)
		return capture_fail(capture, fault, WEIR_E_FORMAT, "a record claims %u bytes, more than the %u that a packet may have",
		                    captured, capture->state.pcap.limit);
	result = capture_need(capture, header + captured, fault);
	if (result < 0)
		return result;
	if (result == 0)
		return capture_fail(capture, fault, WEIR_E_TRUNCATED, "the file ends in a packet (%zu bytes of %u)",
		                    capture_left(capture) - header, captured);
	take(capture, capture->at, captured, length, packet);
	capture->at += header + captured;
	return RECORD_PACKET;
}

static const struct capture_format pcap_format = {
	.fill = pcap_fill,
	.walk = pcap_walk,
	.next = pcap_next,
};

int pcap_begin(struct capture *capture, struct weir_fault *fault)
{
	struct pcap_shape shape;
	int result = capture_need(capture, PCAP_HEADER_BYTES, fault);

	if (result < 0)
		return result;
	if (result == 0)
		return weir_fail_at(fault, WEIR_E_TRUNCATED, capture->name, 0, WEIR_NOWHERE, "the file ends in its header");
	pcap_shape_parse(capture->at, &shape);
	if (shape.version_major < 2)
		return weir_fail_at(fault, WEIR_E_UNSUPPORTED, capture->name, 4, WEIR_NOWHERE,
		                    "is of version %u.%u; pcap files begin with 2.0", shape.version_major, shape.version_minor);
	if ((shape.network & NETWORK_RESERVED) && !capture->options.tolerant_linktype)
		return weir_fail_at(fault, WEIR_E_FORMAT, capture->name, 20, WEIR_NOWHERE,
		                    "the link type has reserved bits set (0x%08x)", shape.network);
	result = capture_keep_header(capture, capture->at, PCAP_HEADER_BYTES, fault);
	if (result == 0)
		result = add_interface(capture, &shape, fault);
	if (result < 0)
		return result;

	capture->at += PCAP_HEADER_BYTES;
	capture->format = &pcap_format;
	capture->header.format = shape.format;
	capture->header.big_endian = shape.big_endian;
	capture->header.version_major = shape.version_major;
	capture->header.version_minor = shape.version_minor;
	capture->header.snaplen = shape.snaplen;
	capture->header.linktype = shape.network;
	capture->header.sections++;
	capture->state.pcap.interface = capture->interface_count - 1;
	capture->state.pcap.linktype = shape.linktype;
	capture->state.pcap.swapped = shape.big_endian != WEIR_NATIVE_BIG;
	capture->state.pcap.fraction_ns = shape.resolution == 9;
	capture->state.pcap.lengths = (uint8_t)shape.lengths;
	capture->state.pcap.header = shape.record_header;
	capture->state.pcap.units = shape.resolution == 9 ? 1000000000u : 1000000u;
	capture->state.pcap.limit = capture->keys[capture->interface_count - 1].packet_limit;
	return 0;
}
