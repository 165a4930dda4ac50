/* Makes index files in memory, from terms or from packets, for the tests of their readers. Little-endian machines only. */
#ifndef TESTS_INDEX_MAKE_H
#define TESTS_INDEX_MAKE_H

#include <stdlib.h>

#include <xxhash.h>

#include "archive/format.h"
#include "archive/index_read.h"
#include "archive/index_terms.h"

struct made_posting {
	uint8_t kind;
	struct index_key key;
	uint64_t mask;
};

struct index_made {
	struct made_posting *postings;
	size_t count, capacity;
	struct index_chunk chunks[SEGMENT_CHUNKS_MAX];
	unsigned chunk_count;
	uint16_t linktypes[16];
	unsigned linktype_count;
};

static inline void made_add(struct index_made *made, enum posting_kind kind, struct index_key key, unsigned chunk)
{
	if (made->count == made->capacity) {
		made->capacity = made->capacity ? made->capacity * 2 : 1024;
		made->postings = realloc(made->postings, made->capacity * sizeof *made->postings);
		if (!made->postings)
			abort();
	}
	made->postings[made->count++] = (struct made_posting){(uint8_t)kind, key, UINT64_C(1) << chunk};
}

static inline void made_number(struct index_made *made, enum posting_kind kind, uint64_t number, unsigned chunk)
{
	made_add(made, kind, index_key_number(number), chunk);
}

static inline void made_packet(struct index_made *made, const struct weir_packet *packet, unsigned chunk)
{
	struct weir_facts facts;
	struct index_terms terms;

	weir_decode(packet, &facts);
	index_terms_of(packet, &facts, &terms);
	if (terms.irregular)
		made->chunks[chunk].flags |= CHUNK_IRREGULAR;
	for (unsigned i = 0; i < terms.ipv4_count; i++)
		made_number(made, POSTING_IPV4, terms.ipv4[i], chunk);
	for (unsigned i = 0; i < terms.ipv6_count; i++) {
		struct index_key key;
		memcpy(key.bytes, terms.ipv6[i], 16);
		made_add(made, POSTING_IPV6, key, chunk);
	}
	for (unsigned i = 0; i < terms.mac_count; i++)
		made_number(made, POSTING_MAC, terms.mac[i], chunk);
	for (unsigned i = 0; i < terms.port_count; i++)
		made_number(made, POSTING_PORT, terms.port[i], chunk);
	for (unsigned i = 0; i < terms.protocol_count; i++)
		made_number(made, POSTING_PROTOCOL, terms.protocol[i], chunk);
	for (unsigned i = 0; i < terms.ethertype_count; i++)
		made_number(made, POSTING_ETHERTYPE, terms.ethertype[i], chunk);
	for (unsigned i = 0; i < terms.vlan_count; i++)
		made_number(made, POSTING_VLAN, terms.vlan[i], chunk);
}

static int made_compare(const void *a, const void *b)
{
	const struct made_posting *x = a, *y = b;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return memcmp(&x->key, &y->key, sizeof x->key);
}

/* The bytes of the file; *length is a multiple of 8. Free with free(). */
static inline uint8_t *made_bytes(struct index_made *made, size_t *length)
{
	size_t unique = 0, at = sizeof(struct index_header);
	uint8_t *bytes = calloc(1, at + 64 + made->linktype_count * 20 + sizeof made->chunks + made->count * 24 + POSTING_KINDS * 16);
	struct index_header *header = (void *)bytes;

	memcpy(header->magic, INDEX_MAGIC, 8);
	header->version = INDEX_VERSION;
	header->prologue_offset = (uint32_t)at;
	static const uint8_t shb[28] = {0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
	                                255, 255, 255, 255, 255, 255, 255, 255, 28, 0, 0, 0};
	memcpy(bytes + at, shb, 28);
	at += 28;
	for (unsigned i = 0; i < made->linktype_count; i++, at += 20) {
		weir_store_le32(bytes + at, 1);
		weir_store_le32(bytes + at + 4, 20);
		weir_store_le16(bytes + at + 8, made->linktypes[i]);
		weir_store_le32(bytes + at + 16, 20);
	}
	header->interface_count = made->linktype_count;
	header->prologue_bytes = (uint32_t)at - header->prologue_offset;
	at = (at + 7) & ~(size_t)7;
	header->chunks_offset = (uint32_t)at;
	header->chunk_count = made->chunk_count;
	memcpy(bytes + at, made->chunks, made->chunk_count * sizeof made->chunks[0]);
	at += made->chunk_count * sizeof made->chunks[0];
	header->segment_bytes = made->chunk_count
		? made->chunks[made->chunk_count - 1].offset + made->chunks[made->chunk_count - 1].stored_bytes : 0;

	if (made->count)
		qsort(made->postings, made->count, sizeof *made->postings, made_compare);
	for (size_t i = 0; i < made->count; i++) {
		if (unique && made_compare(&made->postings[unique - 1], &made->postings[i]) == 0)
			made->postings[unique - 1].mask |= made->postings[i].mask;
		else
			made->postings[unique++] = made->postings[i];
	}
	made->count = unique;
	for (unsigned kind = 0; kind < POSTING_KINDS; kind++) {
		struct posting_table *table = &header->postings[kind];
		unsigned size = index_key_size(kind);

		table->offset = at;
		table->key_size = size;
		for (size_t i = 0; i < unique; i++)
			if (made->postings[i].kind == kind) {
				const uint8_t *key = made->postings[i].key.bytes;
				for (unsigned b = 0; b < size; b++)
					bytes[at + b] = size == 16 ? key[b] : key[15 - b];
				at += size;
				table->count++;
			}
		at = (at + 7) & ~(size_t)7;
		for (size_t i = 0; i < unique; i++)
			if (made->postings[i].kind == kind) {
				weir_store_le64(bytes + at, made->postings[i].mask);
				at += 8;
			}
	}
	header->file_bytes = at;
	uint64_t body = XXH3_64bits(bytes + sizeof *header, at - sizeof *header);
	header->checksum = body ^ XXH3_64bits(header, sizeof *header);
	*length = at;
	return bytes;
}

/* Chunks of 4096 bytes each, one behind the other. */
static inline void made_chunks(struct index_made *made, unsigned count)
{
	made->chunk_count = count;
	for (unsigned i = 0; i < count; i++)
		made->chunks[i] = (struct index_chunk){.offset = i * 4096u, .raw_offset = i * 4096u, .stored_bytes = 4096, .raw_bytes = 4096,
		                                       .packets = 1, .flags = made->chunks[i].flags};
}

static inline void made_free(struct index_made *made)
{
	free(made->postings);
	made->postings = NULL;
	made->count = made->capacity = 0;
}

#endif
