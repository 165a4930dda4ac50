/* packet/application_memory.h: how the namer's memory is laid out, for the files that use it and save it. */
#ifndef PACKET_APPLICATION_MEMORY_H
#define PACKET_APPLICATION_MEMORY_H

#include "packet/application.h"

/* A hash of some bytes, never 0. The same on every machine of one byte order: it goes into state files. */
static inline uint64_t application_hash(const void *data, size_t length, uint64_t seed)
{
	const uint8_t *p = data;
	uint64_t hash = seed ^ length * 0x9e3779b97f4a7c15u;

	for (; length >= 8; p += 8, length -= 8) {
		hash = (hash ^ weir_load_native64(p)) * 0xff51afd7ed558ccdu;
		hash ^= hash >> 32;
	}
	uint64_t rest = 0;
	memcpy(&rest, p, length);
	hash = (hash ^ rest) * 0xc4ceb9fe1a85ec53u;
	hash ^= hash >> 29;
	hash *= 0x9e3779b97f4a7c15u;
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

/* ---- names ---- */

#define SHORT_NAME 40
#define LONG_NAME_BIT 0x80000000u

struct name_slot {
	uint32_t hash;
	uint32_t references; /* 0: free */
	uint32_t next;       /* name in the chain of its hash; number of the next free slot */
	uint16_t service;
	uint8_t length;
	uint8_t text[];
};
struct short_name {
	uint32_t words[14];
};
struct long_name {
	uint32_t words[68];
};
_Static_assert(sizeof(struct short_name) >= offsetof(struct name_slot, text) + SHORT_NAME, "a short name has to fit");
_Static_assert(sizeof(struct long_name) >= offsetof(struct name_slot, text) + 255, "a long name has to fit");

struct name_class {
	uint8_t *slots;
	uint32_t size, room;
	uint32_t count; /* slots there are; number 0 is not used */
	uint32_t used;  /* slots that were ever used, counting number 0 */
	uint32_t free;  /* number of the first free one below used; 0: none */
};

struct names {
	struct name_class classes[2]; /* short, long */
	uint32_t *heads;              /* of the chains, by hash: names */
	uint32_t heads_mask;
};

static inline struct name_slot *names_slot(const struct names *names, uint32_t name)
{
	const struct name_class *class = &names->classes[name >> 31];
	return (struct name_slot *)(class->slots + (size_t)(name & ~LONG_NAME_BIT) * class->size);
}
uint32_t names_hash(const void *text, size_t length);

/* ---- pairs ---- */

/* In place of the buckets that there are so many, empty. WEIR_E_MEMORY: none, and nothing changed. */
int pairs_resize(struct pairs *pairs, uint64_t count);

/* ---- copies of payloads ---- */

#define PENDING_FLOWS (1u << 20)
#define PENDING_BLOCK 508

struct pending_flow {
	uint32_t generation;
	uint32_t first, last; /* blocks; 0: free */
	uint32_t next_free;
	uint32_t bytes;
	uint32_t reserved;
	int64_t time_ns; /* of the first packet */
};
struct pending_block {
	uint32_t next;
	uint8_t data[PENDING_BLOCK];
};

struct pending {
	struct pending_flow *flows;
	struct pending_block *blocks;
	uint32_t flow_count, block_count; /* there are; number 0 is not used */
	uint32_t flows_used, blocks_used; /* ever used */
	uint32_t free_flow, free_block;
	uint32_t oldest; /* the flow forgotten last */
	uint8_t whole[PENDING_FLOW_BYTES];
};

#endif
