/* Writing indexes and seek tables: archive/index_write.h. */
#include "archive/index_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "archive/blocks.h"
#include "file/sealed.h"
#include "os/files.h"

void index_content_free(struct index_content *content)
{
	free(content->prologue);
	content->prologue = NULL;
	content->prologue_bytes = content->prologue_capacity = 0;
}

int index_content_prologue(struct index_content *content, const void *block, uint32_t length)
{
	if (length > UINT32_MAX / 4 - content->prologue_bytes)
		return WEIR_E_LIMIT;
	if (content->prologue_capacity - content->prologue_bytes < length) {
		uint32_t capacity = 2 * (content->prologue_bytes + length);
		uint8_t *more = realloc(content->prologue, capacity);
		if (!more)
			return WEIR_E_MEMORY;
		content->prologue = more;
		content->prologue_capacity = capacity;
	}
	memcpy(content->prologue + content->prologue_bytes, block, length);
	content->prologue_bytes += length;
	return 0;
}

void index_content_row(const struct index_content *content, struct segment_row *row)
{
	row->codec = content->codec;
	row->chunks = content->chunk_count;
	row->stored_bytes = content->segment_bytes;
	row->first_ns = INT64_MAX;
	row->last_ns = INT64_MIN;
	row->packets = row->captured_bytes = row->wire_bytes = row->raw_bytes = 0;
	for (uint32_t i = 0; i < content->chunk_count; i++) {
		const struct index_chunk *chunk = &content->chunks[i];
		row->packets += chunk->packets;
		row->captured_bytes += chunk->captured_bytes;
		row->wire_bytes += chunk->wire_bytes;
		row->raw_bytes += chunk->raw_bytes;
		if (chunk->packets && chunk->first_ns < row->first_ns)
			row->first_ns = chunk->first_ns;
		if (chunk->packets && chunk->last_ns > row->last_ns)
			row->last_ns = chunk->last_ns;
	}
	if (!row->packets)
		row->first_ns = row->last_ns = 0;
}

/*
 * A Zstandard frame without content, of any size from PADDING_LEAST on: as many empty raw blocks of 3 bytes as it takes, and a
 * dictionary id of 0 (none) in 0, 1 or 2 bytes for what is left.
 */
static void put_empty_zstd(uint8_t *at, size_t size)
{
	static const uint8_t descriptors[3] = {0, 1, 2};
	size_t id_bytes = size % 3;

	memset(at, 0, size);
	weir_store_le32(at, 0xFD2FB528u);
	at[4] = descriptors[id_bytes];
	at[size - 3] = 1; /* the last block */
}

void put_padding(enum weir_codec codec, uint8_t *at, size_t size)
{
	if (codec == WEIR_CODEC_ZSTD) {
		put_empty_zstd(at, size);
		return;
	}
	memset(at, 0, size);
	weir_store_le32(at, PADDING_FRAME_MAGIC);
	weir_store_le32(at + 4, (uint32_t)(size - 8));
}

size_t pad_frame(enum weir_codec codec, uint8_t *buffer, size_t end, bool sealed)
{
	size_t padded = chunk_end_in(end, sealed);

	if (padded != end)
		put_padding(codec, buffer + end, padded - end);
	return padded;
}

int seek_table(const struct index_content *content, uint64_t chunks_end, uint8_t **table, size_t *size)
{
	uint32_t frames = 0;

	*table = NULL;
	*size = 0;
	if (content->codec == WEIR_CODEC_NONE) {
		if (!content->sealed)
			return 0;
		*table = malloc(END_BLOCK_SIZE);
		*size = *table ? put_end_block(*table, content->big) : 0;
		return *table ? 0 : WEIR_E_MEMORY;
	}
	uint8_t *out = malloc(8 + 2 * 8 * (size_t)content->chunk_count + 9);
	if (!out)
		return WEIR_E_MEMORY;
	uint8_t *at = out + 8;
	for (uint32_t i = 0; i < content->chunk_count; i++) {
		const struct index_chunk *chunk = &content->chunks[i];
		uint64_t next = i + 1 < content->chunk_count ? chunk[1].offset : chunks_end;
		uint32_t padding = (uint32_t)(next - chunk->offset - chunk->stored_bytes);
		weir_store_le32(at, chunk->stored_bytes);
		weir_store_le32(at + 4, chunk->raw_bytes);
		at += 8;
		frames++;
		if (padding) {
			weir_store_le32(at, padding);
			weir_store_le32(at + 4, 0);
			at += 8;
			frames++;
		}
	}
	weir_store_le32(at, frames);
	at[4] = 0; /* no checksums in the entries: the frames have their own */
	weir_store_le32(at + 5, SEEK_TABLE_FOOTER);
	at += 9;
	weir_store_le32(out, SEEK_TABLE_MAGIC);
	weir_store_le32(out + 4, (uint32_t)(at - out - 8));
	*table = out;
	*size = (size_t)(at - out);
	return 0;
}

struct image {
	uint8_t *data;
	size_t length, capacity;
	bool failed;
};

static void append(struct image *image, const void *data, size_t length)
{
	size_t padded = (length + 7) & ~(size_t)7;

	if (image->failed)
		return;
	if (image->capacity - image->length < padded) {
		size_t capacity = 2 * (image->length + padded);
		uint8_t *more = realloc(image->data, capacity);
		if (!more) {
			image->failed = true;
			return;
		}
		image->data = more;
		image->capacity = capacity;
	}
	memcpy(image->data + image->length, data, length);
	memset(image->data + image->length + length, 0, padded - length);
	image->length += padded;
}

/* Structs go to disk as they stand in memory on a little-endian machine; on others every field is turned. */
static void chunk_to_disk(struct index_chunk *c)
{
	c->offset = WEIR_FROM_LE(64, c->offset);
	c->raw_offset = WEIR_FROM_LE(64, c->raw_offset);
	c->stored_bytes = WEIR_FROM_LE(32, c->stored_bytes);
	c->raw_bytes = WEIR_FROM_LE(32, c->raw_bytes);
	c->first_ns = (int64_t)WEIR_FROM_LE(64, (uint64_t)c->first_ns);
	c->last_ns = (int64_t)WEIR_FROM_LE(64, (uint64_t)c->last_ns);
	c->checksum = WEIR_FROM_LE(64, c->checksum);
	c->stored_checksum = WEIR_FROM_LE(64, c->stored_checksum);
	c->captured_bytes = WEIR_FROM_LE(64, c->captured_bytes);
	c->wire_bytes = WEIR_FROM_LE(64, c->wire_bytes);
	c->packets = WEIR_FROM_LE(32, c->packets);
	c->flags = WEIR_FROM_LE(32, c->flags);
	c->interfaces_before = WEIR_FROM_LE(32, c->interfaces_before);
	c->prologue_before = WEIR_FROM_LE(32, c->prologue_before);
}

static void header_to_disk(struct index_header *h)
{
	h->version = WEIR_FROM_LE(32, h->version);
	h->codec = WEIR_FROM_LE(32, h->codec);
	h->file_bytes = WEIR_FROM_LE(64, h->file_bytes);
	h->segment_bytes = WEIR_FROM_LE(64, h->segment_bytes);
	h->raw_bytes = WEIR_FROM_LE(64, h->raw_bytes);
	h->first_ns = (int64_t)WEIR_FROM_LE(64, (uint64_t)h->first_ns);
	h->last_ns = (int64_t)WEIR_FROM_LE(64, (uint64_t)h->last_ns);
	h->packets = WEIR_FROM_LE(64, h->packets);
	h->captured_bytes = WEIR_FROM_LE(64, h->captured_bytes);
	h->wire_bytes = WEIR_FROM_LE(64, h->wire_bytes);
	h->chunk_count = WEIR_FROM_LE(32, h->chunk_count);
	h->interface_count = WEIR_FROM_LE(32, h->interface_count);
	h->prologue_offset = WEIR_FROM_LE(32, h->prologue_offset);
	h->prologue_bytes = WEIR_FROM_LE(32, h->prologue_bytes);
	h->chunks_offset = WEIR_FROM_LE(32, h->chunks_offset);
	h->flags = WEIR_FROM_LE(32, h->flags);
	h->big_endian = WEIR_FROM_LE(32, h->big_endian);
	for (int i = 0; i < POSTING_KINDS; i++) {
		h->postings[i].offset = WEIR_FROM_LE(64, h->postings[i].offset);
		h->postings[i].count = WEIR_FROM_LE(32, h->postings[i].count);
		h->postings[i].key_size = WEIR_FROM_LE(32, h->postings[i].key_size);
	}
}

static struct index_header header_of(const struct index_content *content)
{
	struct segment_row row = {0};
	struct index_header header = {
		.version = INDEX_VERSION,
		.codec = content->codec,
		.segment_bytes = content->segment_bytes,
		.chunk_count = content->chunk_count,
		.interface_count = content->interfaces,
		.prologue_bytes = content->prologue_bytes,
		.big_endian = content->big,
	};

	index_content_row(content, &row);
	memcpy(header.magic, INDEX_MAGIC, sizeof header.magic);
	header.raw_bytes = row.raw_bytes;
	header.first_ns = row.first_ns;
	header.last_ns = row.last_ns;
	header.packets = row.packets;
	header.captured_bytes = row.captured_bytes;
	header.wire_bytes = row.wire_bytes;
	for (uint32_t i = 0; i < content->chunk_count; i++)
		header.flags |= content->chunks[i].flags;
	return header;
}

static int add_postings(struct image *image, struct index_header *header, struct postings *postings)
{
	for (int kind = 0; kind < POSTING_KINDS; kind++) {
		uint8_t *table;
		size_t size;
		int error = postings_table(postings, (enum posting_kind)kind, header->chunk_count, &table, &size,
		                           &header->postings[kind].count);
		if (error)
			return error;
		header->postings[kind].offset = image->length;
		header->postings[kind].key_size = posting_key_sizes[kind];
		append(image, table, size);
		free(table);
	}
	return image->failed ? WEIR_E_MEMORY : 0;
}

uint64_t index_stored_bytes(const char *segment)
{
	static const char *const endings[] = {".idx", ".idx" SEALED_ENDING};
	char path[PATH_MAX];
	struct stat status;
	uint64_t bytes = 0;

	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
		if (snprintf(path, sizeof path, "%s%s", segment, endings[i]) < (int)sizeof path && stat(path, &status) == 0)
			bytes += (uint64_t)status.st_size;
	return bytes;
}

static void put_checksum(struct index_header *header, const uint8_t *rest, size_t length)
{
	header_to_disk(header);
	header->checksum = 0;
	uint64_t checksum = XXH3_64bits(rest, length) ^ XXH3_64bits(header, sizeof *header);
	weir_store_le64(&header->checksum, checksum);
}

int index_write_open(const char *segment, const struct segment_row *row, bool big, struct weir_fault *fault)
{
	struct index_header header = {
		.version = INDEX_VERSION,
		.codec = row->codec,
		.file_bytes = sizeof header,
		.segment_bytes = row->stored_bytes,
		.raw_bytes = row->raw_bytes,
		.first_ns = row->first_ns,
		.last_ns = row->last_ns,
		.packets = row->packets,
		.captured_bytes = row->captured_bytes,
		.wire_bytes = row->wire_bytes,
		.chunk_count = row->chunks,
		.prologue_offset = sizeof header,
		.chunks_offset = sizeof header,
		.big_endian = big,
		.reserved = INDEX_SEALED,
	};
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s.idx", segment) >= (int)sizeof path)
		return weir_fail(fault, WEIR_E_LIMIT, "the path of %s is too long", segment);
	memcpy(header.magic, INDEX_MAGIC, sizeof header.magic);
	for (int kind = 0; kind < POSTING_KINDS; kind++)
		header.postings[kind] = (struct posting_table){.offset = sizeof header, .key_size = posting_key_sizes[kind]};
	put_checksum(&header, NULL, 0);
	return os_write_file(path, &header, sizeof header, fault);
}

/* The image to its place: in the open, or sealed with the open part after it. */
static int put_image(const char *segment, const struct index_content *content, const struct image *image,
                     const struct weir_recipients *recipients, struct weir_fault *fault)
{
	struct segment_row row = {0};
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s.idx%s", segment, content->sealed ? SEALED_ENDING : "") >= (int)sizeof path)
		return weir_fail(fault, WEIR_E_LIMIT, "the path of %s is too long", segment);
	if (!content->sealed)
		return os_write_file(path, image->data, image->length, fault);
	int error = sealed_write_file(path, recipients, image->data, image->length, fault);
	index_content_row(content, &row);
	return error ? error : index_write_open(segment, &row, content->big, fault);
}

int index_write(const char *segment, const struct index_content *content, struct postings *postings,
                const struct weir_recipients *recipients, uint64_t *bytes, struct weir_fault *fault)
{
	struct index_header header = header_of(content);
	struct image image = {0};
	int error = 0;

	append(&image, &header, sizeof header);
	header.prologue_offset = (uint32_t)image.length;
	append(&image, content->prologue, content->prologue_bytes);
	header.chunks_offset = (uint32_t)image.length;
	for (uint32_t i = 0; i < content->chunk_count; i++) {
		struct index_chunk chunk = content->chunks[i];
		chunk_to_disk(&chunk);
		append(&image, &chunk, sizeof chunk);
	}
	error = add_postings(&image, &header, postings);
	if (error || image.failed) {
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the index of %s", segment);
		goto out;
	}
	header.file_bytes = image.length;
	put_checksum(&header, image.data + sizeof header, image.length - sizeof header);
	memcpy(image.data, &header, sizeof header);
	error = put_image(segment, content, &image, recipients, fault);
	*bytes = index_stored_bytes(segment);
out:
	free(image.data);
	return error;
}
