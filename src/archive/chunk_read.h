/*
 * archive/chunk_read.h: reads one chunk of a segment: its exact range, decompressed, its checksum held against the trailer.
 */
#ifndef ARCHIVE_CHUNK_READ_H
#define ARCHIVE_CHUNK_READ_H

#include <weir/archive.h>

#include "archive/format.h"

/* What one thread needs to read chunks: a decompressor, memory for what is stored, and the last segment's file, kept open. */
struct chunk_reader;

/* identities open segments that are sealed; they outlive the reader; NULL: none. NULL: no memory. */
struct chunk_reader *chunk_reader_new(const struct weir_identities *identities);
void chunk_reader_free(struct chunk_reader *reader);

/*
 * Reads a chunk of the segment at path into out, which has room for chunk->raw_bytes. 0 or an error; faults name the segment and
 * where the chunk stands in it. Memory of the reader: the largest chunk stored.
 */
int chunk_read(struct chunk_reader *reader, const char *path, enum weir_codec codec, const struct index_chunk *chunk, bool big,
               uint8_t *out, struct weir_fault *fault);

/*
 * A chunk of a segment that is not compressed, a window at a time: read into memory that stays in the cache, hashed there, and looked
 * at there. That is twice as fast as reading it whole, where only a part of it is kept.
 */
struct chunk_window {
	const uint8_t *data; /* the reader's own, until the next slide */
	size_t length;
	uint64_t behind;     /* bytes of the chunk behind these, without the trailer */
	/* Of chunk_read.c. */
	uint64_t offset;     /* in the file, of what is behind */
	uint64_t checksum;
	uint64_t chunk_offset;
};

/* Shows the chunk's beginning. 0 or an error. */
int chunk_window_open(struct chunk_reader *reader, const char *path, const struct index_chunk *chunk, bool big,
                      struct chunk_window *window, struct weir_fault *fault);

/* Shows what begins at data + from, `need` bytes of it at least (no more than there are). 0 or an error. */
int chunk_window_slide(struct chunk_reader *reader, struct chunk_window *window, size_t from, size_t need, struct weir_fault *fault);

/* All has been shown: holds it against the checksum. What was not shown yet is read. 0 or an error. */
int chunk_window_close(struct chunk_reader *reader, struct chunk_window *window, struct weir_fault *fault);

/* Holds a chunk in memory against its trailer. 0 or WEIR_E_CORRUPT, WEIR_E_FORMAT. trailer (may be NULL) is filled in. */
int chunk_check(const uint8_t *data, uint32_t length, bool big, struct chunk_trailer *trailer);

#endif
