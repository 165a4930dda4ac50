/*
 * file/stream.h: the bytes of a file, decompressed on the way in and compressed on the way out.
 */
#ifndef FILE_STREAM_H
#define FILE_STREAM_H

#include <weir/file.h>
#include <weir/seal.h>

/* One thread at a time. */
struct stream;

/*
 * Opens a file ("-": standard input) and looks at its first bytes to see how it is sealed and compressed. WEIR_E_UNSUPPORTED for xz and bzip2,
 * in words that say what to do; WEIR_E_PERMISSION when it is sealed and no identity opens it.
 */
int stream_open(const char *path, struct stream **stream, struct weir_fault *fault);

/* The same over memory, which stays the caller's and outlives the stream. */
int stream_open_memory(const void *data, size_t length, const char *name, struct stream **stream,
                       struct weir_fault *fault);

/* The same with identities (NULL: none), which outlive the stream. */
int stream_open_sealed(const char *path, const struct weir_identities *identities, struct stream **stream, struct weir_fault *fault);
int stream_open_sealed_memory(const void *data, size_t length, const char *name, const struct weir_identities *identities,
                              struct stream **stream, struct weir_fault *fault);
void stream_close(struct stream *stream);
bool stream_sealed(const struct stream *stream);

/*
 * Reads up to size bytes: what is there at once, at least one. 0 at the end. Damage in compressed data: first everything that
 * was decoded before it, then the error, again and again.
 */
int64_t stream_read(struct stream *stream, uint8_t *out, size_t size, struct weir_fault *fault);

/*
 * After stream_read failed by damage in compressed data: goes on with the next frame (member) that begins behind the beginning of the damaged
 * one; what is read then does not follow what was read before. 1; 0 when there is none; or an error. In a pipe what was read is gone, so
 * that it begins where reading had come to.
 */
int stream_resume(struct stream *stream, struct weir_fault *fault);

/*
 * From now on takes back what a transfer in text mode did: a CR before a LF is left out. The bytes given are read again before all others,
 * so that those already taken from the stream are among them. 0 or WEIR_E_MEMORY.
 */
int stream_undo_text(struct stream *stream, const void *data, size_t length, struct weir_fault *fault);

/* Whether the next read would wait for another process (a pipe that is empty at the moment). */
bool stream_waits(const struct stream *stream);

enum weir_compression stream_compression(const struct stream *stream);
uint64_t stream_position(const struct stream *stream); /* in the file as it is on disk; when sealed, in what was sealed */
bool stream_plain(const struct stream *stream);        /* what stream_read gives is what stands in a file, up to stream_position */
uint64_t stream_size(const struct stream *stream);     /* of the file on disk; 0: not known */

/* Memory that was opened and is neither sealed nor compressed can be used as it is: its bytes, else {NULL, 0}. */
struct weir_bytes stream_memory(const struct stream *stream);

/* One thread at a time. */
struct stream_writer;

/*
 * Opens a file for writing ("-": standard output). A regular file is written beside its place and put there by finish;
 * everything else is written directly.
 */
int stream_writer_open(const char *path, enum weir_compression compression, int level, struct stream_writer **writer,
                       struct weir_fault *fault);

struct stream_writing {
	enum weir_compression compression;
	int level;        /* 0: the codec's usual one */
	unsigned threads; /* see codec.h; 0: as many as there are processors */
	const struct weir_recipients *recipients; /* seal it for them, who may be forgotten when it is open; NULL: it is not sealed */
	size_t multiple;  /* of what the header of a sealed one is made to take a multiple; 0: as it comes */
};

/* The same with all that can be said. */
int stream_writer_open_as(const char *path, const struct stream_writing *writing, struct stream_writer **writer, struct weir_fault *fault);
int stream_writer_write(struct stream_writer *writer, const void *data, size_t length, struct weir_fault *fault);

/*
 * Room for `length` bytes (at most STREAM_ROOM) of the output, to be filled before the next call: for records that are built in
 * place. NULL and *fault when what stood before could not be written.
 */
#define STREAM_ROOM ((size_t)64 << 10)
uint8_t *stream_writer_room(struct stream_writer *writer, size_t length, struct weir_fault *fault);

/* Writes what is left and puts the file in its place. Once. */
int stream_writer_finish(struct stream_writer *writer, struct weir_fault *fault);

/* Closes it; what was not finished is removed. */
void stream_writer_close(struct stream_writer *writer);

/* Of a sealed one, before anything is written: finish puts the SHA-256 of what is sealed into hex. 0 or WEIR_E_MEMORY. */
int stream_writer_hash(struct stream_writer *writer, char hex[static 65], struct weir_fault *fault);

/* How many bytes it has been given. */
uint64_t stream_writer_position(const struct stream_writer *writer);

#endif
