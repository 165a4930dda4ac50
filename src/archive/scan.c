/* Finding sound chunks: archive/scan.h. */
#include "archive/scan.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

int scan_new(enum weir_codec codec, struct scan *scan, struct weir_fault *fault)
{
	*scan = (struct scan){.last_ns = INT64_MIN};
	scan->content.codec = codec;
	scan->postings = postings_new();
	scan->codec = codec_context_new();
	if (!scan->postings || !scan->codec) {
		scan_free(scan);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to scan a segment");
	}
	/* How large it will be is not known: the bound for the keys follows the bytes that come. */
	postings_reset(scan->postings, UINT64_MAX);
	return 0;
}

void scan_free(struct scan *scan)
{
	index_content_free(&scan->content);
	section_free(&scan->section);
	postings_free(scan->postings);
	codec_context_free(scan->codec);
	free(scan->raw);
	*scan = (struct scan){0};
}

static int no_memory(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_MEMORY, "no memory to scan a segment");
}

/*
 * Whether a chunk of so many uncompressed bytes is what its trailer says, from its first block to the trailer, which must be its last
 * block, or, when the length is not known, where the chunk ends: *length is then set.
 */
static bool is_sound(const struct scan *scan, const uint8_t *raw, size_t size, bool known, size_t *length,
                     struct chunk_trailer *trailer)
{
	bool big = scan->section.big, first = scan->content.chunk_count == 0;
	size_t at = 0;
	struct block block;

	if (first && section_byte_order(raw, size, &big) != 0)
		return false;
	while (at < size && at < SCAN_CHUNK_MAX && block_at(raw, size, at, big, &block) == 1) {
		if (block.type == BLOCK_SECTION && !(first && at == 0))
			return false;
		if (block_is_trailer(&block, big, trailer)) {
			*length = at + block.length;
			return trailer->number == scan->content.chunk_count && trailer->checksum == XXH3_64bits(raw, at) &&
			       (!known || *length == size);
		}
		at += block.length;
	}
	return false;
}

/* Enters a sound chunk: its interfaces, its postings, its line in the table. */
static int enter(struct scan *scan, const uint8_t *raw, size_t raw_bytes, const struct chunk_trailer *trailer, size_t stored_bytes,
                 uint64_t stored_checksum, struct weir_fault *fault)
{
	struct index_content *content = &scan->content;
	uint32_t number = content->chunk_count;
	struct index_chunk *chunk = &content->chunks[number];
	struct block block;
	struct weir_packet packet;
	struct weir_facts facts;

	if (number == 0)
		section_byte_order(raw, raw_bytes, &scan->section.big);
	content->big = scan->section.big;
	*chunk = (struct index_chunk){
		.offset = scan->end,
		.raw_offset = scan->raw_end,
		.stored_bytes = (uint32_t)stored_bytes,
		.raw_bytes = (uint32_t)raw_bytes,
		.first_ns = trailer->first_ns,
		.last_ns = trailer->last_ns,
		.checksum = trailer->checksum,
		.stored_checksum = stored_checksum,
		.captured_bytes = trailer->captured_bytes,
		.wire_bytes = trailer->wire_bytes,
		.packets = trailer->packets,
		.flags = trailer->flags & CHUNK_UNSORTED,
		.interfaces_before = content->interfaces,
		.prologue_before = number ? content->prologue_bytes : 0,
	};
	postings_advance(scan->postings, scan->raw_end + raw_bytes);
	for (size_t at = 0; at < raw_bytes && block_at(raw, raw_bytes, at, content->big, &block) == 1; at += block.length) {
		int error = 0;
		if (block.type == BLOCK_SECTION || block.type == BLOCK_INTERFACE)
			error = index_content_prologue(content, block.data, block.length);
		int kind = error ? error : section_block(&scan->section, &block, &packet);
		if (kind == WEIR_E_MEMORY)
			return no_memory(fault);
		if (kind != 1)
			continue;
		weir_decode(&packet, &facts);
		chunk->flags |= postings_add(scan->postings, &packet, &facts, number);
	}
	content->interfaces = scan->section.interface_count;
	content->chunk_count++;
	scan->packets += trailer->packets;
	if (trailer->packets && trailer->last_ns > scan->last_ns)
		scan->last_ns = trailer->last_ns;
	scan->end = chunk_end(scan->end + stored_bytes);
	scan->raw_end += raw_bytes;
	return 0;
}

static int make_room(struct scan *scan, size_t size, struct weir_fault *fault)
{
	if (scan->raw_capacity >= size)
		return 0;
	free(scan->raw);
	scan->raw_capacity = 0;
	scan->raw = malloc(size);
	if (!scan->raw)
		return no_memory(fault);
	scan->raw_capacity = size;
	return 0;
}

/* Padding goes out in one write with its frame: where it is not what it should be, the write was torn. */
static bool is_padded(enum weir_codec codec, const uint8_t *at, size_t size)
{
	uint8_t expected[SEGMENT_ALIGNMENT + PADDING_LEAST];

	if (size == 0)
		return true;
	put_padding(codec, expected, size);
	return memcmp(at, expected, size) == 0;
}

/* The next chunk, compressed: 1 when it is sound, 0 when not, or WEIR_E_MEMORY. */
static int next_compressed(struct scan *scan, const uint8_t *data, size_t size, struct weir_fault *fault)
{
	uint64_t content;
	size_t used, got, length;
	struct chunk_trailer trailer;

	if (codec_frame_content(scan->content.codec, data, size, &content) || content > SCAN_CHUNK_MAX || content == 0)
		return 0;
	/* No frame makes more than that out of so few bytes: what claims to is damage, and not worth the memory. */
	if (content / 40000 > size)
		return 0;
	int error = make_room(scan, (size_t)content, fault);
	if (error)
		return error;
	error = codec_decompress(scan->codec, scan->content.codec, data, size, scan->raw, (size_t)content, &used, &got);
	if (error == WEIR_E_MEMORY)
		return no_memory(fault);
	if (error || got != content || !is_sound(scan, scan->raw, got, true, &length, &trailer))
		return 0;
	uint64_t padded = chunk_end(scan->end + used) - scan->end;
	if (padded > size || !is_padded(scan->content.codec, data + used, (size_t)padded - used))
		return 0;
	error = enter(scan, scan->raw, got, &trailer, used, XXH3_64bits(data, (size_t)padded), fault);
	return error ? error : 1;
}

static int next_plain(struct scan *scan, const uint8_t *data, size_t size, struct weir_fault *fault)
{
	struct chunk_trailer trailer;
	size_t length;

	if (!is_sound(scan, data, size, false, &length, &trailer) || length % SEGMENT_ALIGNMENT)
		return 0;
	int error = enter(scan, data, length, &trailer, length, XXH3_64bits(data, length), fault);
	return error ? error : 1;
}

int scan_chunks(struct scan *scan, const uint8_t *data, size_t size, struct weir_fault *fault)
{
	while (scan->content.chunk_count < SEGMENT_CHUNKS_MAX && scan->end < size) {
		const uint8_t *at = data + scan->end;
		size_t left = size - (size_t)scan->end;
		int result = scan->content.codec == WEIR_CODEC_NONE ? next_plain(scan, at, left, fault)
		                                                    : next_compressed(scan, at, left, fault);
		if (result < 0)
			return result;
		if (result == 0)
			break;
	}
	return 0;
}

/* What a chunk made of a journal consists of. */
struct harvest {
	uint8_t *out;
	size_t length;
	struct chunk_trailer trailer;
};

static void take(struct harvest *harvest, const struct block *block)
{
	memcpy(harvest->out + harvest->length, block->data, block->length);
	harvest->length += block->length;
}

/*
 * Walks over a journal. The interfaces of chunks before it that the segment has are stepped over; those of a chunk that was lost are
 * taken along, so that the numbers in the packets stay right.
 */
static void harvest_blocks(struct scan *scan, struct section *section, const uint8_t *data, size_t size, struct harvest *harvest)
{
	bool big = section->big;
	struct journal_head head;
	struct weir_packet packet;
	struct block block;
	size_t at = 0;

	for (unsigned i = 0; block_at(data, size, at, big, &block) == 1; i++) {
		at += block.length;
		if (i == 0) {
			if (scan->content.chunk_count == 0)
				take(harvest, &block);
			continue;
		}
		/* Every journal has its head second; another section, or a trailer, has no place in it. */
		if (i == 1 && !block_is_journal_head(&block, big, &head))
			return;
		if (i == 1)
			continue;
		if (block.type == BLOCK_SECTION || block_is_trailer(&block, big, &(struct chunk_trailer){0}))
			return;
		int kind = section_block(section, &block, &packet);
		if (kind < 0)
			return;
		if (block.type == BLOCK_INTERFACE && section->interface_count <= scan->content.interfaces)
			continue;
		take(harvest, &block);
		if (kind == 1)
			trailer_count(&harvest->trailer, &packet);
	}
}

int scan_journal(struct scan *scan, const uint8_t *data, size_t size, uint8_t **raw, size_t *raw_bytes,
                 struct weir_fault *fault)
{
	struct harvest harvest = {.trailer = {.number = scan->content.chunk_count, .first_ns = INT64_MAX, .last_ns = INT64_MIN}};
	struct section section = {.last_ns = scan->section.last_ns};

	if (section_byte_order(data, size, &section.big) != 0 || size > SCAN_CHUNK_MAX)
		return WEIR_E_NOT_FOUND;
	/* A segment is one section: a journal in another byte order is not of this one. */
	if (scan->content.chunk_count && section.big != scan->section.big)
		return WEIR_E_NOT_FOUND;
	harvest.out = malloc(size + TRAILER_BLOCK_SIZE + SEGMENT_ALIGNMENT);
	if (!harvest.out)
		return no_memory(fault);
	harvest_blocks(scan, &section, data, size, &harvest);
	section_free(&section);
	if (!harvest.trailer.packets) {
		free(harvest.out);
		return WEIR_E_NOT_FOUND;
	}
	harvest.trailer.checksum = XXH3_64bits(harvest.out, harvest.length);
	uint32_t padding = 0;
	size_t length = harvest.length + TRAILER_BLOCK_SIZE;
	if (scan->content.codec == WEIR_CODEC_NONE)
		padding = (uint32_t)((length + SEGMENT_ALIGNMENT - 1) / SEGMENT_ALIGNMENT * SEGMENT_ALIGNMENT - length);
	harvest.length += put_trailer(harvest.out + harvest.length, &harvest.trailer, padding, section.big);
	*raw = harvest.out;
	*raw_bytes = harvest.length;
	return 0;
}

int scan_append(struct scan *scan, uint8_t *raw, size_t raw_bytes, uint8_t **out, size_t *out_bytes, struct weir_fault *fault)
{
	enum weir_codec codec = scan->content.codec;
	size_t capacity = codec_bound(codec, raw_bytes) + 2 * SEGMENT_ALIGNMENT, length, stored = raw_bytes;
	struct chunk_trailer trailer;

	if (!is_sound(scan, raw, raw_bytes, true, &length, &trailer))
		return weir_fail(fault, WEIR_E_FORMAT, "a journal that makes no chunk");
	*out = malloc(capacity);
	if (!*out)
		return no_memory(fault);
	*out_bytes = raw_bytes;
	if (codec == WEIR_CODEC_NONE) {
		memcpy(*out, raw, raw_bytes);
	} else {
		stored = codec_compress(scan->codec, codec, 1, raw, raw_bytes, *out, capacity - 2 * SEGMENT_ALIGNMENT);
		*out_bytes = stored ? pad_frame(codec, *out, stored, false) : 0;
	}
	int error = stored ? enter(scan, raw, raw_bytes, &trailer, stored, XXH3_64bits(*out, *out_bytes), fault)
	                   : no_memory(fault);
	if (error)
		free(*out);
	return error;
}
