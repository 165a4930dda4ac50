/*
 * archive/scan.h: finds the sound chunks of a segment from its bytes alone, and gathers its index from them. Recovery and the
 * rebuilding of the catalog stand on it. The bytes may be anything.
 */
#ifndef ARCHIVE_SCAN_H
#define ARCHIVE_SCAN_H

#include "archive/blocks.h"
#include "archive/codec.h"
#include "archive/index_write.h"

/* The most that one chunk may be, uncompressed: a full one, or one packet of the largest kind, and some. */
#define SCAN_CHUNK_MAX (192u << 20)

struct scan {
	struct index_content content;
	struct section section;
	struct postings *postings;
	struct codec_context *codec;
	uint8_t *raw; /* the chunk that was decompressed last */
	size_t raw_capacity;
	uint64_t end;     /* where the next chunk goes */
	uint64_t raw_end;
	int64_t last_ns;  /* greatest time; INT64_MIN when there are no packets */
	uint64_t packets;
};

/* 0 or WEIR_E_MEMORY. Free with scan_free. */
int scan_new(enum weir_codec codec, struct scan *scan, struct weir_fault *fault);
void scan_free(struct scan *scan);

/*
 * Takes in the chunks that stand one behind the other from the start of data. Stops at the first that is not whole and
 * sound: scan->end says where. 0, or WEIR_E_MEMORY.
 */
int scan_chunks(struct scan *scan, const uint8_t *data, size_t size, struct weir_fault *fault);

/*
 * Makes a chunk of what a journal holds, and of the interfaces that it needs: *raw (freed with free()) and *raw_bytes, its trailer
 * included. 0; WEIR_E_NOT_FOUND when there is nothing in it to keep; or an error.
 */
int scan_journal(struct scan *scan, const uint8_t *data, size_t size, uint8_t **raw, size_t *raw_bytes,
                 struct weir_fault *fault);

/* Stores a chunk that scan_journal made behind the others: its bytes on disk in *out (freed with free()). 0 or an error. */
int scan_append(struct scan *scan, uint8_t *raw, size_t raw_bytes, uint8_t **out, size_t *out_bytes, struct weir_fault *fault);

#endif
