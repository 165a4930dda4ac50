/*
 * archive/verify_segment.h: one segment with its index. For verify.
 */
#ifndef ARCHIVE_VERIFY_SEGMENT_H
#define ARCHIVE_VERIFY_SEGMENT_H

#include "archive/catalog.h"
#include "archive/verify.h"

/* What one thread uses again for each segment. */
struct verify_worker;

struct verify_worker *verify_worker_new(struct verify *verify); /* NULL: no memory */
void verify_worker_free(struct verify_worker *worker);

/*
 * A closed segment. row: what the catalog says of it, NULL when it is not asked. 0 or an error that ends the run.
 */
int verify_segment(struct verify_worker *worker, const char *path, enum weir_codec codec, const struct segment_row *row,
                   struct weir_fault *fault);

/* A segment that is being written: its sound chunks, as far as they are there. */
int verify_open_segment(struct verify_worker *worker, const char *path, enum weir_codec codec, struct weir_fault *fault);

/* Tells of a fault and counts it. */
void verify_tell(struct verify *verify, enum weir_error code, const char *file, int64_t offset, const char *format, ...)
	WEIR_PRINTF(5, 6);

#endif
