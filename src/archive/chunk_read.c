#include "archive/chunk_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "archive/blocks.h"
#include "archive/campaign.h"
#include "archive/codec.h"
#include "core/xxh3.h"
#include "file/sealed.h"
#include "os/files.h"

struct chunk_reader {
	struct codec_context *codec;
	uint8_t *stored;
	size_t stored_size;
	char *path;
	int file;
	const struct weir_identities *identities;
	struct sealed_file *sealed; /* of file; NULL: it is not */
	uint8_t *window;
	size_t window_size;
	struct xxh3 *hash;
};

#define WINDOW_BYTES (256u << 10) /* with what is kept of the one before it stays within the second-level cache */

struct chunk_reader *chunk_reader_new(const struct weir_identities *identities)
{
	struct chunk_reader *reader = calloc(1, sizeof *reader);

	if (!reader)
		return NULL;
	reader->file = -1;
	reader->identities = identities;
	reader->codec = codec_context_new();
	if (!reader->codec) {
		free(reader);
		return NULL;
	}
	/* The chunk's trailer and the index have one: XXH3 takes a third of the time of a frame's XXH64, which took a twelfth of that of reading. */
	codec_skip_checksums(reader->codec);
	return reader;
}

static void close_segment(struct chunk_reader *reader)
{
	sealed_file_close(reader->sealed);
	reader->sealed = NULL;
	if (reader->file >= 0)
		close(reader->file);
	reader->file = -1;
}

void chunk_reader_free(struct chunk_reader *reader)
{
	if (!reader)
		return;
	close_segment(reader);
	codec_context_free(reader->codec);
	xxh3_free(reader->hash);
	os_pages_free(reader->stored, reader->stored_size);
	free(reader->window);
	free(reader->path);
	free(reader);
}

static int open_segment(struct chunk_reader *reader, const char *path, struct weir_fault *fault)
{
	if (reader->file >= 0 && strcmp(reader->path, path) == 0)
		return 0;
	char *copy = strdup(path);
	if (!copy)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read a segment");
	close_segment(reader);
	free(reader->path);
	reader->path = copy;
	reader->file = open(path, O_RDONLY | O_CLOEXEC);
	if (reader->file < 0)
		return weir_fail_errno(fault, errno, path, "cannot open the segment");
	if (!segment_is_sealed(path))
		return 0;
	/* It may be in the writing: then its end is not there yet. What is read is proven all the same. */
	int error = sealed_file_open(reader->file, reader->identities, true, reader->path, &reader->sealed, fault);
	if (error)
		close_segment(reader);
	return error;
}

static int read_exactly(struct chunk_reader *reader, uint64_t offset, uint8_t *out, size_t length, struct weir_fault *fault)
{
	size_t done = 0;

	while (done < length) {
		if (reader->sealed) {
			int64_t got = sealed_file_read(reader->sealed, out, length, offset, fault);
			if (got < 0)
				return (int)got;
			if ((size_t)got == length)
				return 0;
			return weir_fail_at(fault, WEIR_E_TRUNCATED, reader->path, (int64_t)offset + got, WEIR_NOWHERE,
			                    "the segment ends within a chunk");
		}
		ssize_t n = pread(reader->file, out + done, length - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return weir_fail_errno(fault, errno, reader->path, "cannot read the segment");
		if (n == 0)
			return weir_fail_at(fault, WEIR_E_TRUNCATED, reader->path, (int64_t)(offset + done), WEIR_NOWHERE,
			                    "the segment ends within a chunk");
		done += (size_t)n;
	}
	return 0;
}

int chunk_check(const uint8_t *data, uint32_t length, bool big, struct chunk_trailer *trailer)
{
	struct chunk_trailer own;
	struct block block;

	if (length < TRAILER_BLOCK_SIZE)
		return WEIR_E_FORMAT;
	uint32_t size = weir_load32(data + length - 4, big);
	if (size > length || block_at(data, length, length - size, big, &block) != 1)
		return WEIR_E_FORMAT;
	if (!trailer)
		trailer = &own;
	if (!block_is_trailer(&block, big, trailer))
		return WEIR_E_FORMAT;
	return xxh3_of(data, length - size) == trailer->checksum ? 0 : WEIR_E_CORRUPT;
}

static int decompress(struct chunk_reader *reader, enum weir_codec codec, const struct index_chunk *chunk, uint8_t *out,
                      struct weir_fault *fault)
{
	size_t used, got;

	if (reader->stored_size < chunk->stored_bytes) {
		os_pages_free(reader->stored, reader->stored_size);
		reader->stored_size = 0;
		reader->stored = os_pages_new(os_pages_round(chunk->stored_bytes), false);
		if (!reader->stored)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to read a chunk of %u bytes", chunk->stored_bytes);
		reader->stored_size = os_pages_round(chunk->stored_bytes);
	}
	int code = read_exactly(reader, chunk->offset, reader->stored, chunk->stored_bytes, fault);
	if (code < 0)
		return code;
	code = codec_available(codec, fault);
	if (code < 0)
		return code;
	code = codec_decompress(reader->codec, codec, reader->stored, chunk->stored_bytes, out, chunk->raw_bytes, &used, &got);
	if (code == 0 && (used != chunk->stored_bytes || got != chunk->raw_bytes))
		code = WEIR_E_CORRUPT;
	if (code < 0)
		return weir_fail_at(fault, code, reader->path, (int64_t)chunk->offset, WEIR_NOWHERE,
		                    code == WEIR_E_MEMORY ? "no memory to decompress a chunk" : "a chunk's frame is damaged");
	return 0;
}

int chunk_read(struct chunk_reader *reader, const char *path, enum weir_codec codec, const struct index_chunk *chunk, bool big,
               uint8_t *out, struct weir_fault *fault)
{
	int code = open_segment(reader, path, fault);

	if (code == 0 && codec == WEIR_CODEC_NONE)
		code = read_exactly(reader, chunk->offset, out, chunk->raw_bytes, fault);
	else if (code == 0)
		code = decompress(reader, codec, chunk, out, fault);
	if (code < 0)
		return code;
	struct chunk_trailer trailer;
	code = chunk_check(out, chunk->raw_bytes, big, &trailer);
	if (code == 0 && trailer.checksum != chunk->checksum)
		code = WEIR_E_CORRUPT;
	if (code < 0)
		return weir_fail_at(fault, code, path, (int64_t)chunk->offset, WEIR_NOWHERE,
		                    code == WEIR_E_CORRUPT ? "the checksum of a chunk does not hold" : "a chunk has no trailer");
	return 0;
}

/* ---- Window by window ---- */

static int fail_chunk(const struct chunk_reader *reader, const struct chunk_window *window, enum weir_error code, const char *what,
                      struct weir_fault *fault)
{
	return weir_fail_at(fault, code, reader->path, (int64_t)window->chunk_offset, WEIR_NOWHERE, "%s", what);
}

/* Reads up to `most` bytes of what is behind to the window's end, and hashes them. */
static int read_on(struct chunk_reader *reader, struct chunk_window *window, size_t most, struct weir_fault *fault)
{
	size_t bytes = window->behind < most ? (size_t)window->behind : most;
	uint8_t *to = reader->window + window->length;
	int code = read_exactly(reader, window->offset, to, bytes, fault);

	if (code < 0)
		return code;
	xxh3_add(reader->hash, to, bytes);
	window->offset += bytes;
	window->behind -= bytes;
	window->length += bytes;
	window->data = reader->window;
	return 0;
}

static int window_room(struct chunk_reader *reader, size_t size, struct weir_fault *fault)
{
	if (reader->window_size >= size)
		return 0;
	uint8_t *more = realloc(reader->window, size);
	if (!more)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read a chunk");
	reader->window = more;
	reader->window_size = size;
	return 0;
}

/* The trailer's checksum and where it begins. */
static int read_trailer(struct chunk_reader *reader, const struct index_chunk *chunk, bool big, struct chunk_window *window,
                        uint32_t *at, struct weir_fault *fault)
{
	uint8_t tail[SEALED_ALIGNMENT + TRAILER_BLOCK_SIZE];
	uint32_t most = (reader->sealed ? SEALED_ALIGNMENT : SEGMENT_ALIGNMENT) + TRAILER_BLOCK_SIZE;
	uint32_t bytes = chunk->raw_bytes < most ? chunk->raw_bytes : most;
	struct chunk_trailer trailer;
	struct block block;
	int code = read_exactly(reader, chunk->offset + chunk->raw_bytes - bytes, tail, bytes, fault);

	if (code < 0)
		return code;
	uint32_t size = weir_load32(tail + bytes - 4, big);
	if (size > bytes || block_at(tail, bytes, bytes - size, big, &block) != 1 || !block_is_trailer(&block, big, &trailer))
		return fail_chunk(reader, window, WEIR_E_FORMAT, "a chunk has no trailer", fault);
	if (trailer.checksum != chunk->checksum)
		return fail_chunk(reader, window, WEIR_E_CORRUPT, "the checksum of a chunk is not that of the index", fault);
	*at = chunk->raw_bytes - size;
	return 0;
}

int chunk_window_open(struct chunk_reader *reader, const char *path, const struct index_chunk *chunk, bool big,
                      struct chunk_window *window, struct weir_fault *fault)
{
	uint32_t trailer_at;

	*window = (struct chunk_window){.offset = chunk->offset, .chunk_offset = chunk->offset, .checksum = chunk->checksum};
	int code = open_segment(reader, path, fault);
	if (code == 0)
		code = window_room(reader, 2 * WINDOW_BYTES, fault);
	if (code == 0 && !reader->hash && !(reader->hash = xxh3_new()))
		code = weir_fail(fault, WEIR_E_MEMORY, "no memory to read a chunk");
	if (code == 0)
		code = read_trailer(reader, chunk, big, window, &trailer_at, fault);
	if (code < 0)
		return code;
	xxh3_reset(reader->hash);
	window->behind = trailer_at;
	return read_on(reader, window, WINDOW_BYTES, fault);
}

int chunk_window_slide(struct chunk_reader *reader, struct chunk_window *window, size_t from, size_t need, struct weir_fault *fault)
{
	size_t rest = window->length - from;
	size_t more = need > rest + WINDOW_BYTES ? need - rest : WINDOW_BYTES;

	memmove(reader->window, reader->window + from, rest);
	window->length = rest;
	int code = window_room(reader, rest + more, fault);
	return code < 0 ? code : read_on(reader, window, more, fault);
}

int chunk_window_close(struct chunk_reader *reader, struct chunk_window *window, struct weir_fault *fault)
{
	while (window->behind) {
		window->length = 0;
		int code = read_on(reader, window, WINDOW_BYTES, fault);
		if (code < 0)
			return code;
	}
	if (xxh3_value(reader->hash) == window->checksum)
		return 0;
	return fail_chunk(reader, window, WEIR_E_CORRUPT, "the checksum of a chunk does not hold", fault);
}
