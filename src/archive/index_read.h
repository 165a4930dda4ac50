/*
 * archive/index_read.h: reads an index file: maps it, checks what its offsets and counts say, bisects its postings.
 *
 * The bytes may be anything: nothing outside of them is read, and what a posting says is bounded by the chunk table. A
 * changed bit that keeps the structure is found by index_check only, which reads the whole file.
 */
#ifndef ARCHIVE_INDEX_READ_H
#define ARCHIVE_INDEX_READ_H

#include <weir/archive.h>

#include "archive/format.h"

/* What the link types of a segment allow to conclude from its postings. */
enum index_links {
	INDEX_LINKS_KNOWN = 1,    /* all are decoded from their first byte on: addresses, ports and protocols */
	INDEX_LINKS_TYPED = 2,    /* all have an EtherType */
	INDEX_LINKS_ETHERNET = 4, /* all are Ethernet: MAC addresses */
};

/* Native forms of the header and the chunk table; prologue and postings are views. index_close frees what open made. */
struct index {
	struct index_header header;
	struct index_chunk chunks[SEGMENT_CHUNKS_MAX];
	struct weir_bytes prologue; /* SHB and IDBs */
	uint64_t all;               /* a bit for every chunk there is */
	uint64_t irregular;         /* the chunks that the postings must not prune */
	unsigned links;             /* enum index_links */
	const uint8_t *data;
	size_t length;
	bool mapped;
	bool owned; /* data was allocated, and is wiped */
};

/* 0, WEIR_E_NOT_FOUND, WEIR_E_FORMAT, WEIR_E_UNSUPPORTED (version), … Faults name path. */
int index_open(const char *path, struct index *index, struct weir_fault *fault);

/*
 * The index of the segment at this path: of a sealed one what the identities (NULL: none) open. Also WEIR_E_PERMISSION; WEIR_E_NOT_FOUND when it has only its open
 * part: a segment that was recovered where nobody could open it.
 */
int index_open_of(const char *segment, const struct weir_identities *identities, struct index *index, struct weir_fault *fault);

/* As index_open, over memory that stays the caller's. */
int index_open_memory(const void *data, size_t length, const char *path, struct index *index, struct weir_fault *fault);
void index_close(struct index *index);

/* The checksum of the whole file. 0 or WEIR_E_CORRUPT. */
int index_check(const struct index *index, const char *path, struct weir_fault *fault);

/* As index_open_memory does, without reading what is in it: the size of a key of this kind. */
unsigned index_key_size(enum posting_kind kind);

/* A key as it is compared: big-endian, in the last bytes for numbers. */
struct index_key {
	uint8_t bytes[16];
};
struct index_key index_key_number(uint64_t number);

/* The chunks that have a key in [least, most]; only bits of `all`. */
uint64_t index_chunks_with(const struct index *index, enum posting_kind kind, const struct index_key *least,
                           const struct index_key *most);

#endif
