/*
 * archive/journal_seal.h: the journals of sealed segments: format.h, struct journal_record.
 *
 * What a journal holds is, opened, a segment of one chunk that is not compressed. So after a crash it becomes a segment of its own without anybody
 * opening it: nobody who could is there.
 */
#ifndef ARCHIVE_JOURNAL_SEAL_H
#define ARCHIVE_JOURNAL_SEAL_H

#include "archive/campaign.h"
#include "archive/format.h"

/* A journal that is being written; the keeper's. */
struct journal_seal;

/* Begins one with its own key; start: the SHB and the interfaces of earlier chunks. 0 or an error. */
int journal_seal_new(const struct weir_recipients *recipients, bool big, const void *start, size_t length,
                     struct journal_seal **journal, struct weir_fault *fault);
void journal_seal_free(struct journal_seal *journal); /* takes NULL; wipes */

/* Appends whole blocks to fd, which is empty before the first. Padded to a chunk of age each time. */
int journal_seal_append(struct journal_seal *journal, int fd, const uint8_t *blocks, size_t length,
                        struct weir_fault *fault);

/* Bytes of the file so far. */
uint64_t journal_seal_bytes(const struct journal_seal *journal);

/* Whether bytes are the beginning of such a file. */
bool journal_is_sealed(const void *data, size_t length);

/*
 * The file's bytes, opened as far as they are sound: *data, to be wiped and freed. WEIR_E_PERMISSION when no identity opens it; *length 0 when there is
 * nothing in it.
 */
int journal_seal_open(const uint8_t *file, size_t file_length, const struct weir_identities *identities,
                      const char *name, uint8_t **data, size_t *length, struct weir_fault *fault);

/*
 * Makes the file's bytes into an age file: *out of *length bytes, to be freed; *row: what its last sound record says. *length 0 when there is no sound
 * record. 0 or WEIR_E_MEMORY.
 */
int journal_seal_assemble(const uint8_t *file, size_t file_length, uint8_t **out, size_t *length,
                          struct segment_row *row, bool *big, struct weir_fault *fault);

#endif
