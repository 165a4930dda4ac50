/*
 * archive/segment_scan.h: a segment without its index: finds the chunks by what is in the file alone.
 *
 * For segments that are still being written, for those whose index is lost or damaged, and for verify. Memory: one chunk,
 * decompressed, and the prologue.
 */
#ifndef ARCHIVE_SEGMENT_SCAN_H
#define ARCHIVE_SEGMENT_SCAN_H

#include <weir/archive.h>

#include "archive/format.h"

struct segment_scan {
	enum weir_codec codec;
	bool big, sealed;
	struct index_chunk chunks[SEGMENT_CHUNKS_MAX]; /* as the index would have them; sound ones only */
	uint8_t numbers[SEGMENT_CHUNKS_MAX];           /* what their trailers say */
	uint32_t chunk_count;
	uint8_t *prologue; /* SHB and IDBs of the sound chunks */
	uint32_t prologue_bytes, prologue_capacity, interface_count;
	uint64_t end;        /* of the last sound chunk with its padding */
	uint64_t file_bytes; /* of a sealed one: of what is sealed in it */
	bool torn;           /* it is sealed, and its end is missing: still being written, or cut off */
	bool seek_table;     /* what stands at `end` begins as a seek table does */
};

struct segment_scan_options {
	bool resume; /* behind damage go on at the next sound chunk */
	/* Called for each sound chunk, may be NULL: raw are its blocks, trailer included. Non-zero ends the scan with that. */
	int (*chunk)(void *context, const struct segment_scan *scan, const uint8_t *raw, struct weir_fault *fault);
	/* Called for each place where no sound chunk stands, may be NULL. */
	void (*damage)(void *context, const struct weir_fault *fault);
	void *context;
	const struct weir_identities *identities; /* that open a segment that is sealed; NULL: none */
};

/*
 * Scans the segment at path. 0, what options->chunk returned, or an error of reading. A segment that is damaged from its start has no
 * chunks. Free scan with segment_scan_free in any case.
 */
int segment_scan(const char *path, enum weir_codec codec, const struct segment_scan_options *options, struct segment_scan *scan,
                 struct weir_fault *fault);
void segment_scan_free(struct segment_scan *scan);

#endif
