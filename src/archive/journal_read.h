/*
 * archive/journal_read.h: the journals of a segment that is being written: chunks that are not in it yet.
 */
#ifndef ARCHIVE_JOURNAL_READ_H
#define ARCHIVE_JOURNAL_READ_H

#include <weir/archive.h>

#include "archive/format.h"

#define JOURNALS_MAX SEGMENT_CHUNKS_MAX

struct journal_file {
	int descriptor;
	uint8_t number; /* of the chunk, from the name */
	const struct weir_identities *identities; /* that open it when it is sealed */
	char path[4096];
};

struct journals {
	struct journal_file *list;
	uint32_t count;
};

/* Opens the journals beside the segment; none is no error. identities, which outlive them, open sealed ones. Close with journals_close. */
int journals_open(const char *segment, const struct weir_identities *identities, struct journals *journals, struct weir_fault *fault);
void journals_close(struct journals *journals);

/* A journal as far as it is sound. */
struct journal {
	uint8_t *data;            /* all its blocks from the SHB on */
	uint8_t *prologue;        /* SHB and all IDBs */
	uint32_t prologue_bytes, interface_count;
	struct index_chunk chunk; /* raw_bytes, times, packets, flags */
	uint8_t number;
	bool big;
};

/* 1; 0 when there is nothing sound in it; or an error. Free with journal_free. */
int journal_read(const struct journal_file *file, struct journal *journal, struct weir_fault *fault);
void journal_free(struct journal *journal);

#endif
