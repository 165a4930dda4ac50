#include "archive/index_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/key.h>

#include "archive/campaign.h"
#include "core/xxh3.h"
#include "file/sealed.h"

#define INDEX_BYTES_MAX ((size_t)1 << 30) /* a 256th of the largest segment, and much more */

#define BLOCK_INTERFACE 1u

static const uint8_t key_sizes[POSTING_KINDS] = {
	[POSTING_IPV4] = 4, [POSTING_IPV6] = 16, [POSTING_MAC] = 8, [POSTING_PORT] = 2,
	[POSTING_PROTOCOL] = 2, [POSTING_ETHERTYPE] = 2, [POSTING_VLAN] = 2,
};

unsigned index_key_size(enum posting_kind kind)
{
	return key_sizes[kind];
}

static uint64_t padded(uint64_t bytes)
{
	return (bytes + 7) & ~UINT64_C(7);
}

static bool inside(uint64_t offset, uint64_t bytes, uint64_t length)
{
	return offset <= length && length - offset >= bytes;
}

/* The header's fields in the order of the struct, which has no holes. */
static void load_header(const uint8_t *data, struct index_header *header)
{
	struct weir_cursor c = weir_cursor_over(data, sizeof *header);

	memcpy(header->magic, weir_take(&c, 8), 8);
	header->version = weir_take_le32(&c);
	header->codec = weir_take_le32(&c);
	header->file_bytes = weir_take_le64(&c);
	header->checksum = weir_take_le64(&c);
	header->segment_bytes = weir_take_le64(&c);
	header->raw_bytes = weir_take_le64(&c);
	header->first_ns = (int64_t)weir_take_le64(&c);
	header->last_ns = (int64_t)weir_take_le64(&c);
	header->packets = weir_take_le64(&c);
	header->captured_bytes = weir_take_le64(&c);
	header->wire_bytes = weir_take_le64(&c);
	header->chunk_count = weir_take_le32(&c);
	header->interface_count = weir_take_le32(&c);
	header->prologue_offset = weir_take_le32(&c);
	header->prologue_bytes = weir_take_le32(&c);
	header->chunks_offset = weir_take_le32(&c);
	header->flags = weir_take_le32(&c);
	header->big_endian = weir_take_le32(&c);
	header->reserved = weir_take_le32(&c);
	for (unsigned kind = 0; kind < POSTING_KINDS; kind++) {
		header->postings[kind].offset = weir_take_le64(&c);
		header->postings[kind].count = weir_take_le32(&c);
		header->postings[kind].key_size = weir_take_le32(&c);
	}
}

static void load_chunk(const uint8_t *data, struct index_chunk *chunk)
{
	struct weir_cursor c = weir_cursor_over(data, sizeof *chunk);

	chunk->offset = weir_take_le64(&c);
	chunk->raw_offset = weir_take_le64(&c);
	chunk->stored_bytes = weir_take_le32(&c);
	chunk->raw_bytes = weir_take_le32(&c);
	chunk->first_ns = (int64_t)weir_take_le64(&c);
	chunk->last_ns = (int64_t)weir_take_le64(&c);
	chunk->checksum = weir_take_le64(&c);
	chunk->stored_checksum = weir_take_le64(&c);
	chunk->captured_bytes = weir_take_le64(&c);
	chunk->wire_bytes = weir_take_le64(&c);
	chunk->packets = weir_take_le32(&c);
	chunk->flags = weir_take_le32(&c);
	chunk->interfaces_before = weir_take_le32(&c);
	chunk->prologue_before = weir_take_le32(&c);
}

static int damaged(struct weir_fault *fault, const char *path, uint64_t offset, const char *what)
{
	return weir_fail_at(fault, WEIR_E_FORMAT, path, (int64_t)offset, WEIR_NOWHERE, "the index is damaged: %s", what);
}

/* The open part of a sealed index tells of chunks, and has no table of them. */
static uint32_t tables_of(const struct index_header *header)
{
	return header->reserved & INDEX_SEALED ? 0 : header->chunk_count;
}

static int check_header(const struct index *index, const char *path, struct weir_fault *fault)
{
	const struct index_header *header = &index->header;

	if (memcmp(header->magic, INDEX_MAGIC, 8) != 0)
		return damaged(fault, path, 0, "it does not begin with " INDEX_MAGIC);
	if (header->version != INDEX_VERSION)
		return weir_fail_at(fault, WEIR_E_UNSUPPORTED, path, 8, WEIR_NOWHERE, "an index of version %u; this weir reads %u",
		                    header->version, INDEX_VERSION);
	if (header->file_bytes != index->length)
		return damaged(fault, path, 16, "its length is not what its header says");
	if (header->codec > WEIR_CODEC_LZ4)
		return damaged(fault, path, 12, "unknown codec");
	if (header->chunk_count > SEGMENT_CHUNKS_MAX || header->chunks_offset % 8 ||
	    !inside(header->chunks_offset, tables_of(header) * (uint64_t)sizeof(struct index_chunk), index->length))
		return damaged(fault, path, offsetof(struct index_header, chunk_count), "the chunk table lies outside of it");
	if (!inside(header->prologue_offset, header->prologue_bytes, index->length))
		return damaged(fault, path, offsetof(struct index_header, prologue_offset), "the prologue lies outside of it");
	if (header->big_endian > 1)
		return damaged(fault, path, offsetof(struct index_header, big_endian), "neither byte order");
	if (header->reserved & ~INDEX_SEALED)
		return damaged(fault, path, offsetof(struct index_header, reserved), "unknown flags");
	for (unsigned kind = 0; kind < POSTING_KINDS; kind++) {
		const struct posting_table *table = &header->postings[kind];
		uint64_t bytes = padded((uint64_t)table->count * key_sizes[kind]) + (uint64_t)table->count * 8;

		if (table->key_size != key_sizes[kind] || table->offset % 8 || !inside(table->offset, bytes, index->length))
			return damaged(fault, path, offsetof(struct index_header, postings) + kind * sizeof *table,
			               "a posting table lies outside of it");
	}
	return 0;
}

static int check_chunks(struct index *index, const char *path, struct weir_fault *fault)
{
	const struct index_header *header = &index->header;
	uint64_t stored_end = 0, raw_end = 0;

	for (unsigned i = 0; i < tables_of(header); i++) {
		uint64_t at = header->chunks_offset + i * (uint64_t)sizeof(struct index_chunk);
		struct index_chunk *chunk = &index->chunks[i];

		load_chunk(index->data + at, chunk);
		if (chunk->offset < stored_end || !inside(chunk->offset, chunk->stored_bytes, header->segment_bytes))
			return damaged(fault, path, at, "a chunk lies outside of its segment");
		if (chunk->raw_offset != raw_end || chunk->raw_bytes < 12)
			return damaged(fault, path, at + 8, "the chunks do not follow one another");
		if (header->codec == WEIR_CODEC_NONE && chunk->raw_bytes != chunk->stored_bytes)
			return damaged(fault, path, at + 16, "a chunk that is not compressed has two lengths");
		if (chunk->interfaces_before > header->interface_count || chunk->prologue_before > header->prologue_bytes)
			return damaged(fault, path, at, "a chunk refers to interfaces that do not exist");
		stored_end = chunk->offset + chunk->stored_bytes;
		raw_end += chunk->raw_bytes;
		index->all |= UINT64_C(1) << i;
		if (chunk->flags & CHUNK_IRREGULAR)
			index->irregular |= UINT64_C(1) << i;
	}
	return 0;
}

static unsigned links_of(uint16_t linktype)
{
	switch (linktype) {
	case 1: /* Ethernet */
		return INDEX_LINKS_KNOWN | INDEX_LINKS_TYPED | INDEX_LINKS_ETHERNET;
	case 113: case 276: /* Linux cooked, both versions */
		return INDEX_LINKS_KNOWN | INDEX_LINKS_TYPED;
	case 0: case 9: case 101: case 108: case 228: case 229: /* null, PPP, raw, loop, IPv4, IPv6 */
		return INDEX_LINKS_KNOWN;
	default:
		return 0;
	}
}

/* Walks the blocks of the prologue: its bounds, how many interfaces there are, and of which link types. */
static int check_prologue(struct index *index, const char *path, struct weir_fault *fault)
{
	const uint8_t *data = index->prologue.data;
	size_t length = index->prologue.length, at = 0;
	bool big = index->header.big_endian;
	uint32_t interfaces = 0;

	index->links = INDEX_LINKS_KNOWN | INDEX_LINKS_TYPED | INDEX_LINKS_ETHERNET;
	while (at < length) {
		uint32_t bytes = length - at >= 12 ? weir_load32(data + at + 4, big) : 0;

		if (bytes < 12 || bytes % 4 || bytes > length - at)
			return damaged(fault, path, index->header.prologue_offset + at, "the prologue is no list of blocks");
		if (weir_load32(data + at, big) == BLOCK_INTERFACE) {
			if (bytes < 20)
				return damaged(fault, path, index->header.prologue_offset + at, "an interface is too short");
			interfaces++;
			index->links &= links_of(weir_load16(data + at + 8, big));
		}
		at += bytes;
	}
	if (interfaces != index->header.interface_count)
		return damaged(fault, path, index->header.prologue_offset, "the prologue has not as many interfaces as the header says");
	return 0;
}

int index_open_memory(const void *data, size_t length, const char *path, struct index *index, struct weir_fault *fault)
{
	memset(index, 0, offsetof(struct index, chunks));
	index->prologue = (struct weir_bytes){NULL, 0};
	index->all = index->irregular = 0;
	index->links = 0;
	index->data = data;
	index->length = length;
	index->mapped = index->owned = false;
	if (length < sizeof(struct index_header))
		return weir_fail_at(fault, WEIR_E_TRUNCATED, path, (int64_t)length, WEIR_NOWHERE, "shorter than the header of an index");
	load_header(index->data, &index->header);
	int code = check_header(index, path, fault);
	if (code == 0)
		code = check_chunks(index, path, fault);
	if (code < 0)
		return code;
	index->prologue = (struct weir_bytes){index->data + index->header.prologue_offset, index->header.prologue_bytes};
	return check_prologue(index, path, fault);
}

int index_open(const char *path, struct index *index, struct weir_fault *fault)
{
	struct stat status;
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return weir_fail_errno(fault, errno, path, "cannot open the index");
	if (fstat(file, &status) < 0) {
		int code = weir_fail_errno(fault, errno, path, "cannot read the index");
		close(file);
		return code;
	}
	if (!S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof(struct index_header)) {
		close(file);
		return weir_fail_at(fault, WEIR_E_TRUNCATED, path, 0, WEIR_NOWHERE, "shorter than the header of an index");
	}
	void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
	int system = errno;
	close(file);
	if (data == MAP_FAILED)
		return weir_fail_errno(fault, system, path, "cannot map the index");
	int code = index_open_memory(data, (size_t)status.st_size, path, index, fault);
	index->mapped = true;
	if (code < 0)
		index_close(index);
	return code;
}

int index_open_of(const char *segment, const struct weir_identities *identities, struct index *index, struct weir_fault *fault)
{
	char path[PATH_MAX];
	uint8_t *data;
	size_t length;
	bool sealed = segment_is_sealed(segment);

	if (snprintf(path, sizeof path, "%s.idx%s", segment, sealed ? SEALED_ENDING : "") >= (int)sizeof path)
		return weir_fail(fault, WEIR_E_LIMIT, "the path of %s is too long", segment);
	if (!sealed)
		return index_open(path, index, fault);
	int code = sealed_file_load(path, identities, INDEX_BYTES_MAX, &data, &length, fault);
	if (code < 0)
		return code;
	code = index_open_memory(data, length, path, index, fault);
	index->owned = true;
	if (code == 0 && index->header.reserved)
		code = damaged(fault, path, offsetof(struct index_header, reserved), "an open part that is sealed");
	if (code < 0)
		index_close(index);
	return code;
}

void index_close(struct index *index)
{
	if (index->mapped)
		munmap((void *)index->data, index->length);
	if (index->owned && index->data) {
		weir_wipe((void *)index->data, index->length);
		free((void *)index->data);
	}
	index->mapped = index->owned = false;
	index->data = NULL;
}

int index_check(const struct index *index, const char *path, struct weir_fault *fault)
{
	uint8_t header[sizeof(struct index_header)];

	memcpy(header, index->data, sizeof header);
	memset(header + offsetof(struct index_header, checksum), 0, 8);
	uint64_t sum = xxh3_of(index->data + sizeof header, index->length - sizeof header) ^ xxh3_of(header, sizeof header);
	if (sum == index->header.checksum)
		return 0;
	return weir_fail_at(fault, WEIR_E_CORRUPT, path, WEIR_NOWHERE, WEIR_NOWHERE, "the checksum of the index does not hold");
}

struct index_key index_key_number(uint64_t number)
{
	struct index_key key = {{0}};
	weir_store_be64(key.bytes + 8, number);
	return key;
}

static uint64_t key_as_number(const struct index_key *key)
{
	return weir_load_be64(key->bytes + 8);
}

static uint64_t load_number(const uint8_t *p, unsigned size)
{
	return size == 2 ? weir_load_le16(p) : size == 4 ? weir_load_le32(p) : weir_load_le64(p);
}

/* <0, 0, >0 as the table's key number i stands to key. */
static int compare(const uint8_t *keys, unsigned size, uint32_t i, const struct index_key *key)
{
	if (size == 16)
		return memcmp(keys + (size_t)i * 16, key->bytes, 16);
	uint64_t a = load_number(keys + (size_t)i * size, size), b = key_as_number(key);
	return (a > b) - (a < b);
}

uint64_t index_chunks_with(const struct index *index, enum posting_kind kind, const struct index_key *least,
                           const struct index_key *most)
{
	const struct posting_table *table = &index->header.postings[kind];
	const uint8_t *keys = index->data + table->offset;
	const uint8_t *masks = keys + padded((uint64_t)table->count * table->key_size);
	uint32_t low = 0, high = table->count;
	uint64_t found = 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare(keys, table->key_size, middle, least) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < table->count && compare(keys, table->key_size, low, most) <= 0; low++) {
		found |= weir_load_le64(masks + (size_t)low * 8);
		if ((found & index->all) == index->all)
			break;
	}
	return found & index->all;
}
