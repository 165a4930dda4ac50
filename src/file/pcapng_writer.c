/*
 * Writing pcapng files, section by section as they come: blocks and records of pcapng as they stand, everything else in sections
 * that are made for it.
 */
#include <stdlib.h>
#include <string.h>

#include "file/option.h"
#include "file/pen.h"
#include "file/writer.h"

#define RECORD_OPTIONS_MOST (4 + 4 + 4 + PCAP_MODIFIED_RECORD_BYTES + 4) /* wRec and the end of the options */

void pcapng_make_section(bool big, uint8_t block[static PCAPNG_SHB_BYTES])
{
	weir_store32(block, PCAPNG_SHB, big);
	weir_store32(block + 4, PCAPNG_SHB_BYTES, big);
	weir_store32(block + 8, PCAPNG_BYTE_ORDER, big);
	weir_store16(block + 12, 1, big);
	weir_store16(block + 14, 0, big);
	weir_store64(block + 16, UINT64_MAX, big); /* length not known */
	weir_store32(block + 24, PCAPNG_SHB_BYTES, big);
}

int pcapng_write_section(struct writer *writer, bool big, struct weir_fault *fault)
{
	uint8_t block[PCAPNG_SHB_BYTES];

	pcapng_make_section(big, block);
	return stream_writer_write(writer->out, block, sizeof block, fault);
}

/* Options for an interface that has none of its own (a live one), from what is known of it. */
static size_t described_options(const struct weir_interface *interface, bool big, uint8_t *out)
{
	size_t length = 0;

	if (interface->name[0])
		length += pcapng_option_put(out + length, big, PCAPNG_IF_NAME, interface->name, (uint16_t)strlen(interface->name));
	if (interface->description[0])
		length += pcapng_option_put(out + length, big, PCAPNG_IF_DESCRIPTION, interface->description,
		                            (uint16_t)strlen(interface->description));
	if (interface->resolution != 6)
		length += pcapng_option_put(out + length, big, PCAPNG_IF_TSRESOL, &interface->resolution, 1);
	if (interface->offset_seconds) {
		uint8_t offset[8];
		weir_store64(offset, (uint64_t)interface->offset_seconds, big);
		length += pcapng_option_put(out + length, big, PCAPNG_IF_TSOFFSET, offset, sizeof offset);
	}
	if (length)
		length += pcapng_option_put(out + length, big, PCAPNG_END_OF_OPTIONS, NULL, 0);
	return length;
}

uint8_t *pcapng_make_interface(const struct weir_interface *interface, bool big, uint32_t *length)
{
	size_t room = interface->options.length + sizeof interface->name + sizeof interface->description + 64;
	uint8_t *block = malloc(PCAPNG_IDB_BYTES + room);
	size_t options = interface->options.length;

	if (!block)
		return NULL;
	if (options) {
		memcpy(block + 16, interface->options.data, options);
		if (big != interface->big_endian)
			pcapng_options_turn(block + 16, options, interface->big_endian, pcapng_interface_option_wide);
	} else {
		options = described_options(interface, big, block + 16);
	}
	*length = (uint32_t)(PCAPNG_IDB_BYTES + options);
	weir_store32(block, PCAPNG_IDB, big);
	weir_store32(block + 4, *length, big);
	weir_store16(block + 8, interface->linktype, big);
	weir_store16(block + 10, 0, big);
	weir_store32(block + 12, interface->snaplen, big);
	weir_store32(block + *length - 4, *length, big);
	return block;
}

/* The header of a pcap record, as an option, when it does not follow from the packet. Returns the bytes of all options. */
static size_t record_options(struct writer *writer, const struct weir_interface *interface, const struct weir_packet *packet,
                             bool big, uint8_t *out)
{
	writer_shape(writer, interface);
	return pcap_record_option(&writer->shape_of_source, writer->plain_source, packet, big, out);
}

static inline __attribute__((always_inline)) void packet_header(uint8_t *out, bool big, uint32_t total, uint32_t id,
                                                                uint64_t ticks, const struct weir_packet *packet)
{
	weir_store32(out, PCAPNG_EPB, big);
	weir_store32(out + 4, total, big);
	weir_store32(out + 8, id, big);
	weir_store32(out + 12, (uint32_t)(ticks >> 32), big);
	weir_store32(out + 16, (uint32_t)ticks, big);
	weir_store32(out + 20, packet->captured, big);
	weir_store32(out + 24, packet->length, big);
}

/* A packet whose block does not fit into the room that the stream gives at once. */
static int write_long_packet(struct writer *writer, const uint8_t header[static 28], const struct weir_packet *packet,
                             const uint8_t *options, size_t options_length, bool big, struct weir_fault *fault)
{
	uint8_t end[4 + RECORD_OPTIONS_MOST] = {0};
	size_t padding = pcapng_padded(packet->captured) - packet->captured;

	int error = stream_writer_write(writer->out, header, 28, fault);
	if (!error)
		error = stream_writer_write(writer->out, packet->data, packet->captured, fault);
	if (!error && padding)
		error = stream_writer_write(writer->out, end, padding, fault);
	if (!error && options_length)
		error = stream_writer_write(writer->out, options, options_length, fault);
	weir_store32(end, weir_load32(header + 4, big), big);
	return error ? error : stream_writer_write(writer->out, end, 4, fault);
}

/* The options that a packet block already has, in the byte order of the section, in memory of their own; NULL: no memory. */
static uint8_t *turned_options(struct weir_bytes options, bool from_big, bool big)
{
	uint8_t *copy = malloc(options.length);

	if (!copy)
		return NULL;
	memcpy(copy, options.data, options.length);
	if (from_big != big)
		pcapng_options_turn(copy, options.length, from_big, pcapng_packet_option_wide);
	return copy;
}

static int write_packet(struct writer *writer, uint32_t id, uint64_t ticks, const struct weir_packet *packet,
                        const uint8_t *options, size_t options_length, bool big, struct weir_fault *fault)
{
	size_t data = pcapng_padded(packet->captured), total = PCAPNG_EPB_BYTES + data + options_length;

	if (total > STREAM_ROOM) {
		uint8_t header[28];
		packet_header(header, big, (uint32_t)total, id, ticks, packet);
		return write_long_packet(writer, header, packet, options, options_length, big, fault);
	}
	uint8_t *out = stream_writer_room(writer->out, total, fault);
	if (!out)
		return fault ? fault->code : WEIR_E_IO;
	packet_header(out, big, (uint32_t)total, id, ticks, packet);
	memcpy(out + 28, packet->data, packet->captured);
	memset(out + 28 + packet->captured, 0, data - packet->captured);
	if (options_length)
		memcpy(out + 28 + data, options, options_length);
	weir_store32(out + total - 4, (uint32_t)total, big);
	return 0;
}

int pcapng_write_packet(struct writer *writer, const struct weir_interface *interface, const struct weir_packet *packet,
                        uint32_t id, bool big, struct weir_fault *fault)
{
	uint8_t made[RECORD_OPTIONS_MOST];
	struct weir_bytes options = {made, 0};
	struct weir_bytes added = weir_packet_added(writer->batch, packet);
	uint8_t *turned = NULL;
	uint64_t ticks = packet->ticks;
	bool from_big = big; /* byte order of the options */

	int error = writer_flush_run(writer, fault);
	if (error)
		return error;
	if (!packet->block || (packet->flags & WEIR_PACKET_NO_TIME)) {
		ticks = weir_interface_ticks(interface, packet->time_ns);
		writer->losses.times_missing += packet->flags & WEIR_PACKET_NO_TIME;
	} else if (packet->flags & WEIR_PACKET_PCAP_RECORD) {
		options.length = record_options(writer, interface, packet, big, made);
	} else {
		options = pcapng_packet_options(packet->block, packet->block_length, interface->big_endian);
		from_big = interface->big_endian;
		if (options.length && !added.length) {
			turned = turned_options(options, interface->big_endian, big);
			if (!turned)
				return weir_fail(fault, WEIR_E_MEMORY, "no memory for the options of a packet");
			options.data = turned;
		}
	}
	if (added.length) {
		if (!process_options_join(&writer->joined, options, from_big, added, big))
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for the options of a packet");
		options = (struct weir_bytes){writer->joined.bytes, writer->joined.length};
	}
	error = write_packet(writer, id, ticks, packet, options.data, options.length, big, fault);
	free(turned);
	return error;
}

/* Describes all interfaces up to `id` that no block has described: of a pcap file or a live capture. */
static int declare(struct writer *writer, uint32_t id, struct weir_fault *fault)
{
	int error = writer_flush_run(writer, fault);

	while (!error && writer->pcapng.declared <= id) {
		const struct weir_interface *interface = writer->interfaces[writer->pcapng.declared];
		bool big = interface->big_endian;
		if (!writer->pcapng.begun || big != writer->pcapng.big_endian || interface->section != writer->pcapng.section) {
			error = pcapng_write_section(writer, big, fault);
			writer->pcapng.begun = true;
			writer->pcapng.big_endian = big;
			writer->pcapng.section = interface->section;
		}
		uint32_t length;
		uint8_t *block = error ? NULL : pcapng_make_interface(interface, big, &length);
		if (!error && !block)
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory for an interface");
		if (!error)
			error = stream_writer_write(writer->out, block, length, fault);
		free(block);
		writer->pcapng.declared++;
	}
	return error;
}

/* A pcap file that pcapng stands behind may have had no packets: its interface is described before the section that follows. */
static int declare_before(struct writer *writer, uint32_t section, struct weir_fault *fault)
{
	uint32_t id = writer->pcapng.declared;

	while (id < writer->interface_count && writer->interfaces[id]->section < section)
		id++;
	return id > writer->pcapng.declared ? declare(writer, id - 1, fault) : 0;
}

static int mirror_block(struct writer *writer, const struct weir_block *block, struct weir_fault *fault)
{
	if (block->type == PCAPNG_IDB)
		writer->pcapng.declared++;
	if (block->type != PCAPNG_SHB)
		return writer_copy(writer, block->data, block->length, fault);

	int undeclared = declare_before(writer, block->section, fault);
	if (undeclared)
		return undeclared;
	writer->pcapng.begun = true;
	writer->pcapng.big_endian = block->big_endian;
	writer->pcapng.section = block->section;
	if (!writer->options.filtered)
		return writer_copy(writer, block->data, block->length, fault);
	uint8_t unknown[8];
	memset(unknown, 0xff, sizeof unknown);
	int error = writer_flush_run(writer, fault);
	if (!error)
		error = stream_writer_write(writer->out, block->data, 16, fault);
	if (!error)
		error = stream_writer_write(writer->out, unknown, sizeof unknown, fault);
	return error ? error : stream_writer_write(writer->out, block->data + 24, block->length - 24, fault);
}

static inline __attribute__((always_inline)) int mirror_packet(struct writer *writer, const struct weir_packet *packet,
                                                               struct weir_fault *fault)
{
	if (packet->verdict != WEIR_KEEP)
		return 0;
	writer->packets++;
	if (__builtin_expect(packet->interface_id >= writer->pcapng.declared, 0)) {
		int error = declare(writer, packet->interface_id, fault);
		if (error)
			return error;
	}
	if (packet->block && !(packet->flags & WEIR_PACKET_PCAP_RECORD) && !weir_packet_added(writer->batch, packet).length)
		return writer_copy(writer, packet->block, packet->block_length, fault);
	const struct weir_interface *interface = writer->interfaces[packet->interface_id];
	return pcapng_write_packet(writer, interface, packet, interface->section_id, interface->big_endian, fault);
}

static int mirror_batch(struct writer *writer, const struct weir_batch *batch, struct weir_fault *fault)
{
	uint32_t packet = 0;
	int error = 0;

	for (uint32_t i = 0; i <= batch->block_count && !error; i++) {
		uint32_t until = i < batch->block_count ? batch->blocks[i].before : batch->count;
		while (packet < until && !error)
			error = mirror_packet(writer, &batch->packets[packet++], fault);
		if (i < batch->block_count && !error)
			error = mirror_block(writer, &batch->blocks[i], fault);
	}
	/* Those that have no packets yet, and maybe never will. */
	if (!error && batch->interface_count > writer->pcapng.declared)
		error = declare(writer, batch->interface_count - 1, fault);
	return error;
}

static int mirror_finish(struct writer *writer, struct weir_fault *fault)
{
	return writer->pcapng.begun ? 0 : pcapng_write_section(writer, WEIR_NATIVE_BIG, fault);
}

const struct writer_format pcapng_writer = {
	.batch = mirror_batch,
	.finish = mirror_finish,
};
