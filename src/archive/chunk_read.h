/*
 * archive/chunk_read.h: reads one chunk of a segment: its exact range, decompressed, its checksum held against the trailer.
 */
#ifndef ARCHIVE_CHUNK_READ_H
#define ARCHIVE_CHUNK_READ_H

#include <weir/archive.h>

#include "archive/format.h"

/* What one thread needs to read chunks: a decompressor, memory for what is stored, and the last segment's file, kept open. */
struct chunk_reader;

struct chunk_reader *chunk_reader_new(void); /* NULL: no memory */
void chunk_reader_free(struct chunk_reader *reader);

/*
 * Reads a chunk of the segment at path into out, which has room for chunk->raw_bytes. 0 or an error; faults name the segment and
 * where the chunk stands in it. Memory of the reader: the largest chunk stored.
 */
int chunk_read(struct chunk_reader *reader, const char *path, enum weir_codec codec, const struct index_chunk *chunk, bool big,
               uint8_t *out, struct weir_fault *fault);

/* Holds a chunk in memory against its trailer. 0 or WEIR_E_CORRUPT, WEIR_E_FORMAT. trailer (may be NULL) is filled in. */
int chunk_check(const uint8_t *data, uint32_t length, bool big, struct chunk_trailer *trailer);

#endif
