/*
 * archive/index_write.h: what a segment's index says, as it is gathered, and writing it to disk.
 */
#ifndef ARCHIVE_INDEX_WRITE_H
#define ARCHIVE_INDEX_WRITE_H

#include "archive/campaign.h"
#include "archive/postings.h"

/* Of one segment. The writer, recovery and rebuilding all fill this and end with index_write. */
struct index_content {
	enum weir_codec codec;
	bool big;
	bool sealed;
	uint8_t *prologue; /* SHB and IDBs; freed by index_content_free */
	uint32_t prologue_bytes, prologue_capacity;
	uint32_t interfaces;
	struct index_chunk chunks[SEGMENT_CHUNKS_MAX];
	uint32_t chunk_count;
	uint64_t segment_bytes; /* of the file, seek table included */
};
void index_content_free(struct index_content *content);

/* Adds a block to the prologue. 0 or WEIR_E_MEMORY. */
int index_content_prologue(struct index_content *content, const void *block, uint32_t length);

/* Sums over the chunks. */
void index_content_row(const struct index_content *content, struct segment_row *row);

/* What stands behind the chunks, the seek table: *table is freed with free(); *size 0 for a codec without (sealed: a block of ours, for age's last chunk
 * must not be empty). 0 or WEIR_E_MEMORY. */
int seek_table(const struct index_content *content, uint64_t chunks_end, uint8_t **table, size_t *size);

/* Writes SEGMENT.idx, so that it appears whole; of a sealed segment SEGMENT.idx.age for the recipients before it. *bytes: its size, or of both. */
int index_write(const char *segment, const struct index_content *content, struct postings *postings,
                const struct weir_recipients *recipients, uint64_t *bytes, struct weir_fault *fault);

/* Writes the open part of a sealed segment's index: what the row says. */
int index_write_open(const char *segment, const struct segment_row *row, bool big, struct weir_fault *fault);

/* The bytes that the index takes on disk: SEGMENT.idx and, when there is one, SEGMENT.idx.age. */
uint64_t index_stored_bytes(const char *segment);

/* A padding frame of `size` bytes, PADDING_LEAST at least. */
void put_padding(enum weir_codec codec, uint8_t *at, size_t size);

/*
 * Pads a frame that ends at `end`, in a buffer whose start is aligned, with an empty one up to chunk_end. Returns the padded
 * size: less than SEGMENT_ALIGNMENT (SEALED_ALIGNMENT) + PADDING_LEAST more.
 */
size_t pad_frame(enum weir_codec codec, uint8_t *buffer, size_t end, bool sealed);

#endif
