/*
 * archive/postings.h: gathers the index of one segment: for each key the chunks that it occurs in.
 */
#ifndef ARCHIVE_POSTINGS_H
#define ARCHIVE_POSTINGS_H

#include <weir/decode.h>

#include "archive/format.h"

/* One thread at a time. */
struct postings;

/* NULL when there is no memory. */
struct postings *postings_new(void);
void postings_free(struct postings *postings);

/*
 * Empties it for a new segment of about raw_bytes. Its keys may then take 1/256 of the bytes that came so far, and at least
 * POSTINGS_LEAST bytes; a chunk with more new keys than that is irregular: it is found by whatever key one asks for.
 */
#define POSTINGS_LEAST (64u << 10)
void postings_reset(struct postings *postings, uint64_t raw_bytes);

/*
 * Enters a packet of chunk `chunk` (below 64, ascending). Returns the flags of enum chunk_flags that it gives its chunk. The facts are
 * those of weir_decode.
 */
uint32_t postings_add(struct postings *postings, const struct weir_packet *packet, const struct weir_facts *facts,
                      unsigned chunk);

/* Bytes of the segment so far, for the bound. */
void postings_advance(struct postings *postings, uint64_t raw_bytes);

/*
 * The keys of a kind that occur in the first `chunks` chunks, in ascending order, in the byte layout of the index file:
 * count keys, padding to 8, count masks. *table is freed with free(). 0 or WEIR_E_MEMORY.
 */
int postings_table(struct postings *postings, enum posting_kind kind, unsigned chunks, uint8_t **table, size_t *size,
                   uint32_t *count);

extern const uint8_t posting_key_sizes[POSTING_KINDS];

#endif
