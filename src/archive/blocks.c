/* pcapng blocks: archive/blocks.h. draft-ietf-opsawg-pcapng. */
#include "archive/blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "config.h"

enum {
	OPTION_END = 0,
	OPT_COMMENT = 1, SHB_OS = 3, SHB_USERAPPL = 4,
	IF_NAME = 2, IF_DESCRIPTION = 3, IF_TSRESOL = 9, IF_TSOFFSET = 14,
	ISB_IFRECV = 4, ISB_IFDROP = 5, ISB_OSDROP = 7, ISB_USRDELIV = 8,
};

#define BYTE_ORDER_MAGIC 0x1A2B3C4Du

static uint8_t *begin(uint8_t *out, uint32_t type, bool big)
{
	weir_store32(out, type, big);
	return out + 8;
}

/* Closes the block that began at out and whose body ends at `at`. */
static uint32_t end(uint8_t *out, uint8_t *at, bool big)
{
	uint32_t length = (uint32_t)(at - out) + 4;
	weir_store32(out + 4, length, big);
	weir_store32(at, length, big);
	return length;
}

static uint8_t *put_option(uint8_t *at, uint16_t code, const void *value, uint16_t length, bool big)
{
	weir_store16(at, code, big);
	weir_store16(at + 2, length, big);
	memset(at + 4 + (length & ~3u), 0, padded4(length) - (length & ~3u));
	memcpy(at + 4, value, length);
	return at + 4 + padded4(length);
}

static uint8_t *put_option64(uint8_t *at, uint16_t code, uint64_t value, bool big)
{
	uint8_t bytes[8];
	weir_store64(bytes, value, big);
	return put_option(at, code, bytes, sizeof bytes, big);
}

static uint8_t *put_end(uint8_t *at)
{
	memset(at, 0, 4);
	return at + 4;
}

uint32_t put_section(uint8_t *out, const char *comment, bool big)
{
	static const char application[] = "weir " WEIR_VERSION;
	struct utsname system;
	uint8_t *at = begin(out, BLOCK_SECTION, big);

	weir_store32(at, BYTE_ORDER_MAGIC, big);
	weir_store16(at + 4, 1, big);
	weir_store16(at + 6, 0, big);
	weir_store64(at + 8, UINT64_MAX, big); /* the section's length: not known */
	at += 16;
	if (comment && comment[0])
		at = put_option(at, OPT_COMMENT, comment, (uint16_t)strnlen(comment, SECTION_COMMENT_MAX), big);
	if (uname(&system) == 0) {
		char os[64];
		int length = snprintf(os, sizeof os, "%.16s %.40s", system.sysname, system.release);
		at = put_option(at, SHB_OS, os, (uint16_t)length, big);
	}
	at = put_option(at, SHB_USERAPPL, application, sizeof application - 1, big);
	return end(out, put_end(at), big);
}

static uint32_t own_options(uint8_t *out, const struct weir_interface *interface, bool big)
{
	uint8_t *at = out;

	if (interface->name[0])
		at = put_option(at, IF_NAME, interface->name, (uint16_t)strlen(interface->name), big);
	if (interface->description[0])
		at = put_option(at, IF_DESCRIPTION, interface->description, (uint16_t)strlen(interface->description), big);
	if (interface->resolution != 6)
		at = put_option(at, IF_TSRESOL, &interface->resolution, 1, big);
	if (interface->offset_seconds)
		at = put_option64(at, IF_TSOFFSET, (uint64_t)interface->offset_seconds, big);
	return at == out ? 0 : (uint32_t)(put_end(at) - out);
}

uint32_t interface_block_size(const struct weir_interface *interface)
{
	if (interface->options.length)
		return 20 + padded4((uint32_t)interface->options.length);
	return 20 + 4 + (uint32_t)sizeof interface->name + 4 + (uint32_t)sizeof interface->description + 8 + 12 + 4;
}

uint32_t put_interface(uint8_t *out, const struct weir_interface *interface, bool big)
{
	uint8_t *at = begin(out, BLOCK_INTERFACE, big);

	weir_store16(at, interface->linktype, big);
	weir_store16(at + 2, 0, big);
	weir_store32(at + 4, interface->snaplen, big);
	at += 8;
	if (interface->options.length) {
		size_t length = interface->options.length;
		memcpy(at, interface->options.data, length);
		memset(at + length, 0, padded4((uint32_t)length) - length);
		at += padded4((uint32_t)length);
	} else {
		at += own_options(at, interface, big);
	}
	return end(out, at, big);
}

uint32_t put_statistics(uint8_t *out, uint32_t interface_id, uint64_t ticks, const struct interface_counters *counters,
                        bool big)
{
	uint8_t *at = begin(out, BLOCK_STATISTICS, big);

	weir_store32(at, interface_id, big);
	weir_store32(at + 4, (uint32_t)(ticks >> 32), big);
	weir_store32(at + 8, (uint32_t)ticks, big);
	at += 12;
	at = put_option64(at, ISB_IFRECV, counters->received, big);
	at = put_option64(at, ISB_IFDROP, counters->dropped_by_interface, big);
	at = put_option64(at, ISB_OSDROP, counters->dropped_by_system, big);
	at = put_option64(at, ISB_USRDELIV, counters->delivered, big);
	return end(out, put_end(at), big);
}

uint32_t put_trailer(uint8_t *out, const struct chunk_trailer *trailer, uint32_t padding, bool big)
{
	uint8_t *at = begin(out, WEIR_BLOCK_TYPE, big);

	weir_store32(at, WEIR_PEN, big);
	memcpy(at + 4, CHUNK_TRAILER_MAGIC, 4);
	weir_store32(at + 8, trailer->number, big);
	weir_store64(at + 12, trailer->checksum, big);
	weir_store64(at + 20, (uint64_t)trailer->first_ns, big);
	weir_store64(at + 28, (uint64_t)trailer->last_ns, big);
	weir_store32(at + 36, trailer->packets, big);
	weir_store32(at + 40, trailer->flags, big);
	weir_store64(at + 44, trailer->captured_bytes, big);
	weir_store64(at + 52, trailer->wire_bytes, big);
	memset(at + 60, 0, padding);
	return end(out, at + 60 + padding, big);
}

uint32_t put_journal_head(uint8_t *out, const struct journal_head *head, bool big)
{
	uint8_t *at = begin(out, WEIR_BLOCK_TYPE, big);

	weir_store32(at, WEIR_PEN, big);
	memcpy(at + 4, JOURNAL_MAGIC, 4);
	weir_store32(at + 8, head->number, big);
	weir_store32(at + 12, head->prologue_bytes, big);
	weir_store32(at + 16, head->interfaces, big);
	return end(out, at + 20, big);
}

int block_at(const uint8_t *data, size_t size, size_t at, bool big, struct block *block)
{
	if (at == size)
		return 0;
	if (at > size || size - at < 12)
		return -1;
	block->data = data + at;
	block->type = weir_load32(data + at, big);
	block->length = weir_load32(data + at + 4, big);
	if (block->length < 12 || block->length % 4 || block->length > size - at)
		return -1;
	return weir_load32(data + at + block->length - 4, big) == block->length ? 1 : -1;
}

static bool is_custom(const struct block *block, bool big, const char *magic, uint32_t least)
{
	return block->type == WEIR_BLOCK_TYPE && block->length >= least && weir_load32(block->data + 8, big) == WEIR_PEN &&
	       memcmp(block->data + 12, magic, 4) == 0;
}

bool block_is_trailer(const struct block *block, bool big, struct chunk_trailer *trailer)
{
	if (!is_custom(block, big, CHUNK_TRAILER_MAGIC, TRAILER_BLOCK_SIZE))
		return false;
	const uint8_t *at = block->data + 12;
	memcpy(trailer->magic, at, 4);
	trailer->number = weir_load32(at + 4, big);
	trailer->checksum = weir_load64(at + 8, big);
	trailer->first_ns = (int64_t)weir_load64(at + 16, big);
	trailer->last_ns = (int64_t)weir_load64(at + 24, big);
	trailer->packets = weir_load32(at + 32, big);
	trailer->flags = weir_load32(at + 36, big);
	trailer->captured_bytes = weir_load64(at + 40, big);
	trailer->wire_bytes = weir_load64(at + 48, big);
	return true;
}

bool block_is_journal_head(const struct block *block, bool big, struct journal_head *head)
{
	if (!is_custom(block, big, JOURNAL_MAGIC, JOURNAL_BLOCK_SIZE))
		return false;
	const uint8_t *at = block->data + 12;
	memcpy(head->magic, at, 4);
	head->number = weir_load32(at + 4, big);
	head->prologue_bytes = weir_load32(at + 8, big);
	head->interfaces = weir_load32(at + 12, big);
	return true;
}

static uint32_t put_empty(uint8_t *out, const char *magic, uint32_t size, bool big)
{
	uint8_t *at = begin(out, WEIR_BLOCK_TYPE, big);

	weir_store32(at, WEIR_PEN, big);
	memcpy(at + 4, magic, 4);
	memset(at + 8, 0, size - PADDING_BLOCK_LEAST);
	return end(out, out + size - 4, big);
}

uint32_t put_padding_block(uint8_t *out, uint32_t size, bool big) { return put_empty(out, PADDING_MAGIC, size, big); }

uint32_t put_end_block(uint8_t *out, bool big) { return put_empty(out, END_MAGIC, END_BLOCK_SIZE, big); }

bool block_is_padding(const struct block *block, bool big)
{
	return is_custom(block, big, PADDING_MAGIC, PADDING_BLOCK_LEAST);
}

bool block_is_end(const struct block *block, bool big)
{
	return is_custom(block, big, END_MAGIC, END_BLOCK_SIZE);
}

int section_byte_order(const uint8_t *data, size_t size, bool *big)
{
	/* The type reads the same in both orders; the magic behind the length tells which it is. */
	if (size < 28 || weir_load_le32(data) != BLOCK_SECTION)
		return -1;
	uint32_t magic = weir_load_le32(data + 8);
	if (magic != BYTE_ORDER_MAGIC && weir_swap32(magic) != BYTE_ORDER_MAGIC)
		return -1;
	*big = magic != BYTE_ORDER_MAGIC;
	return 0;
}

void section_free(struct section *section)
{
	free(section->interfaces);
	*section = (struct section){0};
}

static int add_interface(struct section *section, const struct block *block)
{
	bool big = section->big;

	if (block->length < 20)
		return WEIR_E_FORMAT;
	if (section->interface_count == section->interface_capacity) {
		uint32_t capacity = section->interface_capacity ? 2 * section->interface_capacity : 8;
		struct weir_interface *more = realloc(section->interfaces, capacity * sizeof *more);
		if (!more)
			return WEIR_E_MEMORY;
		section->interfaces = more;
		section->interface_capacity = capacity;
	}
	struct weir_interface *interface = &section->interfaces[section->interface_count];
	*interface = (struct weir_interface){
		.linktype = weir_load16(block->data + 8, big),
		.resolution = 6,
		.big_endian = big,
		.snaplen = weir_load32(block->data + 12, big),
		.section_id = section->interface_count,
	};
	struct weir_cursor c = weir_cursor_over(block->data + 16, block->length - 20);
	while (weir_cursor_left(&c) >= 4) {
		uint16_t code = weir_load16(c.at, big), length = weir_load16(c.at + 2, big);
		weir_take(&c, 4);
		const uint8_t *value = weir_take(&c, padded4(length));
		if (code == OPTION_END || !value)
			break;
		if (code == IF_TSRESOL && length == 1)
			interface->resolution = value[0];
		else if (code == IF_TSOFFSET && length == 8)
			interface->offset_seconds = (int64_t)weir_load64(value, big);
	}
	section->interface_count++;
	return 0;
}

static int take_packet(struct section *section, const struct block *block, struct weir_packet *packet)
{
	bool big = section->big, simple = block->type == BLOCK_PACKET_SIMPLE, old = block->type == BLOCK_PACKET_OLD;
	uint32_t head = simple ? 12 : PACKET_HEAD;

	if (block->length < head + 4)
		return WEIR_E_FORMAT;
	const uint8_t *at = block->data;
	uint32_t id = simple ? 0 : old ? weir_load16(at + 8, big) : weir_load32(at + 8, big);
	if (id >= section->interface_count)
		return WEIR_E_FORMAT;
	const struct weir_interface *interface = &section->interfaces[id];
	uint32_t room = block->length - head - 4;
	*packet = (struct weir_packet){
		.data = at + head,
		.interface_id = id,
		.linktype = interface->linktype,
		.block = at,
		.block_length = block->length,
	};
	if (simple) {
		packet->length = weir_load32(at + 8, big);
		packet->captured = packet->length < room ? packet->length : room;
		if (interface->snaplen && packet->captured > interface->snaplen)
			packet->captured = interface->snaplen;
		packet->flags = WEIR_PACKET_NO_TIME;
		packet->time_ns = section->last_ns;
		return 1;
	}
	packet->captured = weir_load32(at + 20, big);
	packet->length = weir_load32(at + 24, big);
	packet->ticks = (uint64_t)weir_load32(at + 12, big) << 32 | weir_load32(at + 16, big);
	packet->time_ns = weir_interface_time(interface, packet->ticks);
	section->last_ns = packet->time_ns;
	return packet->captured > room ? WEIR_E_FORMAT : 1;
}

int section_block(struct section *section, const struct block *block, struct weir_packet *packet)
{
	switch (block->type) {
	case BLOCK_INTERFACE:
		return add_interface(section, block);
	case BLOCK_PACKET:
	case BLOCK_PACKET_OLD:
	case BLOCK_PACKET_SIMPLE:
		return take_packet(section, block, packet);
	default:
		return 0;
	}
}
