/* Writing pcap files. */
#include <string.h>

#include "file/option.h"
#include "file/pen.h"
#include "file/writer.h"

#define SNAPLEN_UNLIMITED 262144u /* what tcpdump writes for "no limit": 0 makes old readers refuse the file */
#define LINKTYPE_ETHERNET 1

static bool finer_than_microseconds(const struct weir_interface *interface)
{
	if (interface->resolution & 0x80)
		return (interface->resolution & 0x7f) > 0; /* 2^-n is no whole number of µs */
	return interface->resolution > 6;
}

/* The variant that loses the least of what is known by now. */
static enum weir_format fitting_format(const struct writer *writer, const struct pcap_shape *source)
{
	for (uint32_t i = 0; i < writer->interface_count; i++)
		if (finer_than_microseconds(writer->interfaces[i]) && source->resolution < 9)
			return WEIR_FORMAT_PCAP_NS;
	return source->format;
}

/* Works out what the file will be when this interface's packets go into it; NULL: when there is none. */
static void prepare(struct writer *writer, const struct weir_interface *interface)
{
	static const struct weir_interface nothing = {.linktype = LINKTYPE_ETHERNET, .resolution = 6,
	                                              .big_endian = WEIR_NATIVE_BIG};
	struct weir_bytes original;
	struct pcap_shape *shape = &writer->pcap.shape;

	writer->pcap.prepared = true;
	writer_source_shape(interface ? interface : &nothing, shape, &original);
	enum weir_format wanted = writer->any_pcap ? fitting_format(writer, shape) : writer->options.format;
	if (original.data && wanted == shape->format) {
		memcpy(writer->pcap.header, original.data, PCAP_HEADER_BYTES);
		return;
	}
	shape->format = wanted;
	shape->resolution = wanted == WEIR_FORMAT_PCAP_NS ? 9 : 6;
	shape->record_header = wanted == WEIR_FORMAT_PCAP_MODIFIED ? PCAP_MODIFIED_RECORD_BYTES : PCAP_RECORD_BYTES;
	shape->lengths = PCAP_CAPTURED_FIRST;
	shape->version_major = 2;
	shape->version_minor = 4;
	if (shape->snaplen == 0)
		shape->snaplen = SNAPLEN_UNLIMITED;
	pcap_header_make(shape, writer->pcap.header);
}

static int begin(struct writer *writer, struct weir_fault *fault)
{
	writer->pcap.begun = true;
	return stream_writer_write(writer->out, writer->pcap.header, PCAP_HEADER_BYTES, fault);
}

/* Whether a pcap file with this interface has its records in the very form that is written. */
static bool fits_as_it_stands(struct writer *writer, const struct weir_interface *interface)
{
	const struct pcap_shape *to = &writer->pcap.shape, *from = &writer->shape_of_source;

	writer_shape(writer, interface);
	return from->big_endian == to->big_endian && from->resolution == to->resolution &&
	       from->record_header == to->record_header && from->lengths == to->lengths;
}

static int wrong_linktype(const struct writer *writer, const struct weir_packet *packet, uint64_t number,
                          struct weir_fault *fault)
{
	return weir_fail_at(fault, WEIR_E_UNSUPPORTED, writer->name, WEIR_NOWHERE, (int64_t)number,
	                    "is of link type %u, and a pcap file has only one, here %u: write pcapng, or filter by interface",
	                    packet->linktype, writer->pcap.shape.linktype);
}

/* The time of a packet in the target's units. False when it has no place there. */
static bool split_time(struct writer *writer, const struct weir_interface *interface, const struct weir_packet *packet,
                       uint32_t *seconds, uint32_t *fraction)
{
	bool ns = writer->pcap.shape.resolution == 9;
	uint64_t whole, rest; /* in ns, at first */

	if (packet->block && interface->offset_seconds == 0 && interface->resolution == 6 &&
	    !(packet->flags & WEIR_PACKET_NO_TIME)) {
		whole = packet->ticks / 1000000;
		rest = packet->ticks % 1000000 * 1000;
	} else {
		if (packet->time_ns < 0)
			return false;
		whole = (uint64_t)packet->time_ns / 1000000000;
		rest = (uint64_t)packet->time_ns % 1000000000;
		bool finer = packet->block && interface->resolution > 9 && !(packet->flags & WEIR_PACKET_NO_TIME);
		if (finer && weir_interface_ticks(interface, packet->time_ns) != packet->ticks)
			writer->losses.times_rounded++;
	}
	if (whole > UINT32_MAX)
		return false;
	*seconds = (uint32_t)whole;
	*fraction = (uint32_t)(ns ? rest : rest / 1000);
	writer->losses.times_rounded += !ns && rest % 1000;
	writer->losses.times_missing += packet->flags & WEIR_PACKET_NO_TIME;
	return true;
}

/* The options of a packet that pcap has no place for; the header of the record that it once was is not among those. */
static bool has_other_options(struct weir_bytes options, bool big)
{
	struct weir_cursor cursor = weir_cursor_over(options.data, options.length);
	struct weir_bytes value;
	uint16_t code;

	while (pcapng_option_next(&cursor, big, &code, &value))
		if (code != PCAPNG_CUSTOM_BINARY_NO_COPY || value.length < 8 || memcmp(value.data + 4, PCAP_RECORD_MAGIC, 4) != 0)
			return true;
	return false;
}

/* The header that the record had when it was in a pcap file, as long as it still agrees with the packet. */
static const uint8_t *original_record(const struct pcap_shape *shape, const struct weir_packet *packet,
                                      struct weir_bytes options, bool big)
{
	struct weir_bytes record = pcapng_option_ours(options, big, PCAP_RECORD_MAGIC);

	if (record.length != shape->record_header)
		return NULL;
	uint64_t units = shape->resolution == 9 ? 1000000000u : 1000000u;
	uint32_t first = weir_load32(record.data + 8, shape->big_endian), second = weir_load32(record.data + 12, shape->big_endian);
	bool agrees = weir_load32(record.data, shape->big_endian) * units + weir_load32(record.data + 4, shape->big_endian) ==
	              packet->ticks;
	bool captured_first = first == packet->captured && second == packet->length;
	bool length_first = first == packet->length && second == packet->captured;
	agrees &= (captured_first && shape->lengths != PCAP_LENGTH_FIRST) ||
	          (length_first && shape->lengths != PCAP_CAPTURED_FIRST);
	return agrees ? record.data : NULL;
}

static int write_packet(struct writer *writer, const struct weir_interface *interface, const struct weir_packet *packet,
                        uint64_t number, struct weir_fault *fault)
{
	const struct pcap_shape *shape = &writer->pcap.shape;
	const uint8_t *original = NULL;
	uint32_t seconds = 0, fraction = 0;

	if (packet->block && !(packet->flags & WEIR_PACKET_PCAP_RECORD)) {
		struct weir_bytes options = pcapng_packet_options(packet->block, packet->block_length, interface->big_endian);
		if (options.length) {
			writer->losses.packet_options += has_other_options(options, interface->big_endian);
			original = original_record(shape, packet, options, interface->big_endian);
		}
	} else if (weir_packet_added(writer->batch, packet).length) {
		writer->losses.packet_options++;
	} else if (packet->block && packet->block_length == packet->captured + PCAP_MODIFIED_RECORD_BYTES) {
		writer->losses.extra_fields += weir_load_native64(packet->block + PCAP_RECORD_BYTES) != 0;
	}
	if (!original && !split_time(writer, interface, packet, &seconds, &fraction))
		return weir_fail_at(fault, WEIR_E_UNSUPPORTED, writer->name, WEIR_NOWHERE, (int64_t)number,
		                    "has a time that pcap can't hold (1970 to 2106): write pcapng");
	size_t length = shape->record_header + (size_t)packet->captured;
	int error = writer_flush_run(writer, fault);
	if (error)
		return error;
	uint8_t *out = stream_writer_room(writer->out, length <= STREAM_ROOM ? length : shape->record_header, fault);
	if (!out)
		return fault ? fault->code : WEIR_E_IO;
	if (original)
		memcpy(out, original, shape->record_header);
	else
		pcap_record_make(shape, seconds, fraction, packet->captured, packet->length, out);
	if (length > STREAM_ROOM)
		return stream_writer_write(writer->out, packet->data, packet->captured, fault);
	memcpy(out + shape->record_header, packet->data, packet->captured);
	return 0;
}

static bool interface_has_more(struct weir_bytes options, bool big)
{
	struct weir_cursor cursor = weir_cursor_over(options.data, options.length);
	struct weir_bytes value;
	uint16_t code;

	while (pcapng_option_next(&cursor, big, &code, &value)) {
		bool ours = code == PCAPNG_CUSTOM_BINARY_NO_COPY && value.length >= 8 &&
		            memcmp(value.data + 4, PCAP_HEADER_MAGIC, 4) == 0;
		if (!ours && code != PCAPNG_IF_TSRESOL && code != PCAPNG_IF_FCSLEN && code != PCAPNG_IF_TSOFFSET)
			return true;
	}
	return false;
}

static bool section_has_more(struct weir_bytes options, bool big)
{
	struct weir_cursor cursor = weir_cursor_over(options.data, options.length);
	struct weir_bytes value;
	uint16_t code;

	return pcapng_option_next(&cursor, big, &code, &value);
}

static void leave_out(struct writer *writer, const struct weir_block *block)
{
	struct weir_bytes options;

	switch (block->type) {
	case PCAPNG_SHB:
		options = (struct weir_bytes){block->data + 24, block->length - PCAPNG_SHB_BYTES};
		writer->losses.descriptions += section_has_more(options, block->big_endian);
		break;
	case PCAPNG_IDB:
		options = (struct weir_bytes){block->data + 16, block->length - PCAPNG_IDB_BYTES};
		writer->losses.descriptions += interface_has_more(options, block->big_endian);
		break;
	default:
		writer->losses.blocks++;
		break;
	}
}

static int pcap_batch(struct writer *writer, const struct weir_batch *batch, struct weir_fault *fault)
{
	for (uint32_t i = 0; i < batch->block_count; i++)
		leave_out(writer, &batch->blocks[i]);
	writer->pcap.checked = NULL;
	/* A file without packets is of the first interface, which may be gone when that is known. */
	if (!writer->pcap.begun && !writer->pcap.prepared && batch->interface_count)
		prepare(writer, batch->interfaces[0]);
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		if (packet->verdict != WEIR_KEEP)
			continue;
		const struct weir_interface *interface = batch->interfaces[packet->interface_id];
		int error = 0;
		if (__builtin_expect(!writer->pcap.begun, 0)) {
			prepare(writer, interface);
			error = begin(writer, fault);
		}
		if (!error && __builtin_expect(packet->linktype != writer->pcap.shape.linktype, 0))
			error = wrong_linktype(writer, packet, batch->first_number + i, fault);
		if (error)
			return error;
		if (__builtin_expect(interface != writer->pcap.checked, 0)) {
			writer->pcap.checked = interface;
			writer->pcap.verbatim = fits_as_it_stands(writer, interface);
		}
		if (writer->pcap.verbatim && (packet->flags & WEIR_PACKET_PCAP_RECORD) && packet->block)
			error = writer_copy(writer, packet->block, packet->block_length, fault);
		else
			error = write_packet(writer, interface, packet, batch->first_number + i, fault);
		if (error)
			return error;
		writer->packets++;
	}
	return 0;
}

static int pcap_finish(struct writer *writer, struct weir_fault *fault)
{
	if (writer->interface_count > 1)
		writer->losses.interfaces = writer->interface_count - 1;
	if (writer->pcap.begun)
		return 0;
	if (!writer->pcap.prepared)
		prepare(writer, NULL);
	return begin(writer, fault);
}

const struct writer_format pcap_writer = {
	.batch = pcap_batch,
	.finish = pcap_finish,
};
