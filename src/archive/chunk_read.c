#include "archive/chunk_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <xxhash.h>

#include "archive/blocks.h"
#include "archive/codec.h"

struct chunk_reader {
	struct codec_context *codec;
	uint8_t *stored;
	size_t stored_size;
	char *path;
	int file;
};

struct chunk_reader *chunk_reader_new(void)
{
	struct chunk_reader *reader = calloc(1, sizeof *reader);

	if (!reader)
		return NULL;
	reader->file = -1;
	reader->codec = codec_context_new();
	if (!reader->codec) {
		free(reader);
		return NULL;
	}
	return reader;
}

void chunk_reader_free(struct chunk_reader *reader)
{
	if (!reader)
		return;
	if (reader->file >= 0)
		close(reader->file);
	codec_context_free(reader->codec);
	free(reader->stored);
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
	if (reader->file >= 0)
		close(reader->file);
	free(reader->path);
	reader->path = copy;
	reader->file = open(path, O_RDONLY | O_CLOEXEC);
	if (reader->file < 0)
		return weir_fail_errno(fault, errno, path, "cannot open the segment");
	return 0;
}

static int read_exactly(struct chunk_reader *reader, uint64_t offset, uint8_t *out, size_t length, struct weir_fault *fault)
{
	size_t done = 0;

	while (done < length) {
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
	return XXH3_64bits(data, length - size) == trailer->checksum ? 0 : WEIR_E_CORRUPT;
}

static int decompress(struct chunk_reader *reader, enum weir_codec codec, const struct index_chunk *chunk, uint8_t *out,
                      struct weir_fault *fault)
{
	size_t used, got;

	if (reader->stored_size < chunk->stored_bytes) {
		free(reader->stored);
		reader->stored_size = 0;
		reader->stored = malloc(chunk->stored_bytes);
		if (!reader->stored)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to read a chunk of %u bytes", chunk->stored_bytes);
		reader->stored_size = chunk->stored_bytes;
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
