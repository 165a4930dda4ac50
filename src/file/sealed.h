/*
 * file/sealed.h: sealed files as bytes: from their beginning on, at any place, and written.
 *
 * Nothing is given out that was not proven to be what was sealed, at its place. Of a file that is damaged or cut what is sound before it comes first.
 */
#ifndef FILE_SEALED_H
#define FILE_SEALED_H

#include "file/age.h"

#define SEALED_ENDING ".age" /* of names */

/* Gives up to size bytes, at least one; 0 at the end; or an error. */
typedef int64_t (*sealed_more)(void *context, uint8_t *out, size_t size, struct weir_fault *fault);

/* ---- From its beginning on. One thread at a time. ---- */

struct sealed_stream;

/*
 * head: the first bytes of the file, which may be few; more gives what follows them. name stays the caller's. 0; WEIR_E_PERMISSION when no identity opens it;
 * or another error of the header.
 */
int sealed_stream_open(const void *head, size_t length, sealed_more more, void *context,
                       const struct weir_identities *identities, const char *name, struct sealed_stream **stream,
                       struct weir_fault *fault);
void sealed_stream_close(struct sealed_stream *stream); /* takes NULL */

/* As sealed_more. After an error the same error, again and again. */
int64_t sealed_stream_read(struct sealed_stream *stream, uint8_t *out, size_t size, struct weir_fault *fault);

/* Where the payload begins: behind header and nonce. */
uint64_t sealed_stream_payload(const struct sealed_stream *stream);

/* more will go on at the beginning of this chunk (its offset is payload + number × AGE_SEALED); `skip` bytes of it are passed over. */
void sealed_stream_seek(struct sealed_stream *stream, uint64_t number, uint32_t skip);

/* ---- At any place. One thread at a time. ---- */

struct sealed_file;

/*
 * fd: the file, which stays the caller's, as does name. Its end is proven first: WEIR_E_TRUNCATED when it is not the end that was sealed, unless torn is set: then
 * the file may still be in the writing, and only whole chunks count. Else as sealed_stream_open.
 */
int sealed_file_open(int fd, const struct weir_identities *identities, bool torn, const char *name,
                     struct sealed_file **file, struct weir_fault *fault);
void sealed_file_close(struct sealed_file *file);          /* takes NULL */
uint64_t sealed_file_size(const struct sealed_file *file); /* of what was sealed */
bool sealed_file_torn(const struct sealed_file *file);     /* its end is missing */

/* Reads up to size bytes from offset; fewer only at the end. The count, or an error, with what is damaged at its place in the file on disk. */
int64_t sealed_file_read(struct sealed_file *file, void *out, size_t size, uint64_t offset, struct weir_fault *fault);

/* All of a file that is at most limit bytes, opened; to be wiped and freed. */
int sealed_file_load(const char *path, const struct weir_identities *identities, size_t limit, uint8_t **data,
                     size_t *length, struct weir_fault *fault);

/* How many bytes are sealed in a file, by its length alone: without a proof. 0 or an error. */
int sealed_file_length(const char *path, uint64_t *bytes, struct weir_fault *fault);

/* Whether the file begins as an age file does: 1, 0, or an error of reading. */
int sealed_file_is(const char *path, struct weir_fault *fault);

/* ---- Writing. One thread at a time. ---- */

typedef int (*sealed_put)(void *context, const uint8_t *data, size_t length, struct weir_fault *fault);

struct sealed_writer;

/* Puts the header out. multiple: as in age_header_write. */
int sealed_writer_new(const struct weir_recipients *recipients, size_t multiple, sealed_put put, void *context,
                      struct sealed_writer **writer, struct weir_fault *fault);
int sealed_writer_write(struct sealed_writer *writer, const void *data, size_t length, struct weir_fault *fault);

/* finish puts the SHA-256 of all that was written into hex. Before the first write. 0 or WEIR_E_MEMORY. */
int sealed_writer_hash(struct sealed_writer *writer, char hex[static 65], struct weir_fault *fault);
int sealed_writer_finish(struct sealed_writer *writer, struct weir_fault *fault); /* once */
void sealed_writer_free(struct sealed_writer *writer);                            /* takes NULL */

/* Makes a sealed file of these bytes appear whole under its name. */
int sealed_write_file(const char *path, const struct weir_recipients *recipients, const void *data, size_t length,
                      struct weir_fault *fault);

/* What sealed files of an archive begin with: header and nonce take a multiple of this, so that recipients can be added in place. */
#define SEALED_HEADER 4096u

#endif
