/*
 * archive/sealing.h: sealing a segment while it is written, and ending one whose writer died: format.h, struct end_record.
 *
 * Chunks of the archive are whole numbers of age's chunks, sealed one behind the other by the writer's thread. With direct I/O what is written has to end at a
 * multiple of 4096, which sealed chunks do not: what is left over goes in front of the next, and, until there is one, stands in the record.
 */
#ifndef ARCHIVE_SEALING_H
#define ARCHIVE_SEALING_H

#include "archive/index_write.h"
#include "file/sealed.h"

/* Of one segment; the writer's alone, then the keeper's. */
struct xxh3;

struct sealing {
	struct age_payload *payload;
	uint64_t number; /* of the next chunk of age */
	uint8_t *header; /* with the nonce; NULL once it was written */
	size_t header_bytes;
	uint8_t carry[SEGMENT_ALIGNMENT];
	size_t carried;
	uint64_t offset; /* in the file, of what is written next */
	struct xxh3 *hash; /* of what the last chunk became: taken along while it is in the cache */
	bool direct;
	int end_fd; /* of HHMMSS-SEQ.end */
};

/* Makes the key and the header, and HHMMSS-SEQ.end at path. The key is nowhere but here. 0 or an error. */
int sealing_new(const struct weir_recipients *recipients, const char *path, bool direct, struct sealing **sealing,
                struct weir_fault *fault);
void sealing_free(struct sealing *sealing); /* takes NULL; wipes */

/* The most that sealing makes of so many bytes, with what was left over before and the header. */
size_t sealing_bound(const struct sealing *sealing, size_t bytes);

/* Seals a padded chunk into out, which is aligned: *size bytes to be written at sealing->offset, which is then moved on by sealing_written. */
int sealing_chunk(struct sealing *sealing, const uint8_t *data, size_t bytes, uint8_t *out, size_t *size,
                  struct weir_fault *fault);

/*
 * The chunk that is the last of content was given to the disk: its record is written. chunks_end: where it ends. size: as sealing_chunk gave it.
 */
int sealing_record(struct sealing *sealing, const struct index_content *content, uint64_t chunks_end, size_t size, struct weir_fault *fault);

/*
 * Ends a file behind its first `most` chunks, by the records in end_fd: *row receives the sums, *count how many chunks it is. check: each chunk's bytes are
 * held against the record first, and the file ends before the first that is not what was written. Nothing is done to the file when *count is 0. name is for
 * faults. 0 or an error.
 */
int sealing_end(int fd, int end_fd, uint32_t most, bool check, const char *name, struct segment_row *row,
                uint32_t *count, bool *big, struct weir_fault *fault);

#endif
