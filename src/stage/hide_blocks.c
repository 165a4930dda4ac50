/*
 * Hiding in what a capture file says beside its packets: what interfaces are called, and blocks that are no packets. Of options those are kept that are needed to read
 * the packets, and counters; names of interfaces are hidden as other names; everything else (descriptions, filters, addresses, hardware, systems, comments) is left out, as
 * are blocks of names, secrets, events, and those of others.
 */
#include <string.h>

#include "core/arena.h"
#include "file/option.h"
#include "stage/hide.h"

/*
 * What stood in a pcap file's header is not kept: whoever wrote it may have put anything into its odd fields. Nor is a number that is not as long as it should be: readers
 * pass it over, and it may be any text.
 */
static bool keep_interface_option(uint16_t code, size_t length)
{
	switch (code) {
	case PCAPNG_IF_NAME:
		return true;
	case PCAPNG_IF_SPEED:
	case PCAPNG_IF_TSOFFSET:
		return length == 8;
	case PCAPNG_IF_TSRESOL:
	case PCAPNG_IF_FCSLEN:
		return length == 1;
	default:
		return false;
	}
}

/* Writes what is kept of an interface's options, which is never more than there were (but for their end). Returns how many bytes that are. */
static size_t interface_options(struct hide_context *context, struct weir_bytes options, bool big, uint8_t *out)
{
	struct weir_cursor cursor = weir_cursor_over(options.data, options.length);
	struct weir_bytes value;
	uint16_t code;
	size_t length = 0;

	while (pcapng_option_next(&cursor, big, &code, &value)) {
		if (!keep_interface_option(code, value.length))
			continue;
		size_t at = length;
		length += pcapng_option_put(out + length, big, code, value.data, (uint16_t)value.length);
		if (code == PCAPNG_IF_NAME)
			hide_name(context, out + at + 4, value.length);
	}
	if (length)
		length += pcapng_option_put(out + length, big, PCAPNG_END_OF_OPTIONS, NULL, 0);
	return length;
}

static const struct weir_interface *hide_interface(struct hide_context *context, struct weir_arena *arena,
                                                   const struct weir_interface *interface)
{
	struct weir_interface *hidden = arena_take(arena, sizeof *hidden);
	uint8_t *options = arena_take(arena, interface->options.length + 4);

	if (!hidden || !options)
		return NULL;
	*hidden = *interface;
	hide_name(context, (uint8_t *)hidden->name, strnlen(hidden->name, sizeof hidden->name));
	hide_name(context, (uint8_t *)hidden->node, strnlen(hidden->node, sizeof hidden->node));
	memset(hidden->description, 0, sizeof hidden->description);
	hidden->options.data = options;
	hidden->options.length = interface_options(context, interface->options, interface->big_endian, options);
	return hidden;
}

int hide_interfaces(struct hide_context *context, struct weir_batch *batch)
{
	uint32_t count = batch->interface_count;
	const struct weir_interface **hidden = count ? arena_take(batch->arena, count * sizeof *hidden) : NULL;

	if (count && !hidden)
		return WEIR_E_MEMORY;
	for (uint32_t i = 0; i < count; i++) {
		hidden[i] = hide_interface(context, batch->arena, batch->interfaces[i]);
		if (!hidden[i])
			return WEIR_E_MEMORY;
	}
	if (count)
		batch->interfaces = hidden;
	return 0;
}

/* ---- blocks ---- */

static void finish_block(struct weir_block *block, uint8_t *data, uint32_t length)
{
	weir_store32(data + 4, length, block->big_endian);
	weir_store32(data + length - 4, length, block->big_endian);
	block->data = data;
	block->length = length;
}

/* A section header without options. How long the section is nobody knows any more. */
static void section(struct weir_block *block, uint8_t *data)
{
	memcpy(data, block->data, 16);
	memset(data + 16, 0xff, 8);
	finish_block(block, data, PCAPNG_SHB_BYTES);
}

static void description(struct hide_context *context, struct weir_block *block, uint8_t *data)
{
	struct weir_bytes options = {block->data + 16, block->length - PCAPNG_IDB_BYTES};

	memcpy(data, block->data, 16);
	finish_block(block, data,
	             (uint32_t)(PCAPNG_IDB_BYTES + interface_options(context, options, block->big_endian, data + 16)));
}

/* Counters; the times of the capture's begin and end only where times stay as they are. */
static void statistics(struct weir_block *block, uint8_t *data)
{
	struct weir_cursor cursor = weir_cursor_over(block->data + 20, block->length - 24);
	struct weir_bytes value;
	uint32_t length = 20;
	uint16_t code;

	memcpy(data, block->data, 20);
	while (pcapng_option_next(&cursor, block->big_endian, &code, &value))
		if (code >= PCAPNG_ISB_STARTTIME && code <= PCAPNG_ISB_USRDELIV && value.length == 8)
			length +=
				(uint32_t)pcapng_option_put(data + length, block->big_endian, code, value.data, (uint16_t)value.length);
	if (length > 20)
		length += (uint32_t)pcapng_option_put(data + length, block->big_endian, PCAPNG_END_OF_OPTIONS, NULL, 0);
	finish_block(block, data, length + 4);
}

static bool is_kept(const struct hide_context *context, const struct weir_block *block)
{
	switch (block->type) {
	case PCAPNG_SHB:
		return block->length >= PCAPNG_SHB_BYTES;
	case PCAPNG_IDB:
		return block->length >= PCAPNG_IDB_BYTES;
	case PCAPNG_ISB:
		return block->length >= 24 && !context->hider->time_changes;
	default:
		return false;
	}
}

int hide_blocks(struct hide_context *context, struct weir_batch *batch)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < batch->block_count; i++) {
		struct weir_block block = batch->blocks[i];
		if (!is_kept(context, &block))
			continue;
		uint8_t *data = arena_take(batch->arena, block.length + 8);
		if (!data)
			return WEIR_E_MEMORY;
		if (block.type == PCAPNG_SHB)
			section(&block, data);
		else if (block.type == PCAPNG_IDB)
			description(context, &block, data);
		else
			statistics(&block, data);
		batch->blocks[kept++] = block;
	}
	batch->block_count = kept;
	return 0;
}
