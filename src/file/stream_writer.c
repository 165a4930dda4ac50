/* Writing: plain or compressed, into a file that appears under its name when it is whole, or directly into anything else. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/codec.h"
#include "file/sealed.h"
#include "file/stream.h"

#define BUFFER_BYTES ((size_t)1 << 20)
#define BUFFER_ALIGNMENT 4096
#define DIRECT_BYTES ((size_t)32 << 10) /* a write that large is worth a system call of its own rather than a copy */

struct stream_writer {
	int fd;
	bool owned, finished;
	char *name;      /* for faults, and where the file goes in the end */
	char *temporary; /* where it is until then; NULL: written directly */
	const struct codec *codec;
	void *encoder;
	struct sealed_writer *sealed; /* NULL: it is not */
	uint8_t *buffer; /* bytes to write, or to compress */
	size_t used;
	uint8_t *packed; /* compressed bytes */
	uint64_t position;
};

static int write_disk(void *context, const uint8_t *data, size_t length, struct weir_fault *fault)
{
	struct stream_writer *writer = context;

	while (length) {
		ssize_t n = write(writer->fd, data, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return weir_fail_errno(fault, errno, writer->name, "could not be written");
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

static int write_all(struct stream_writer *writer, const uint8_t *data, size_t length, struct weir_fault *fault)
{
	return writer->sealed ? sealed_writer_write(writer->sealed, data, length, fault) : write_disk(writer, data, length, fault);
}

static int compress(struct stream_writer *writer, const uint8_t *data, size_t length, bool finish,
                    struct weir_fault *fault)
{
	bool done = false;
	struct codec_io io = {.in = data, .in_left = length};

	do {
		io.out = writer->packed;
		io.out_left = BUFFER_BYTES;
		int error = writer->codec->encode(writer->encoder, &io, finish, &done, fault);
		if (!error)
			error = write_all(writer, writer->packed, BUFFER_BYTES - io.out_left, fault);
		if (error)
			return error;
	} while (io.in_left || (finish && !done));
	return 0;
}

static int put(struct stream_writer *writer, const uint8_t *data, size_t length, struct weir_fault *fault)
{
	return writer->codec ? compress(writer, data, length, false, fault) : write_all(writer, data, length, fault);
}

static int flush(struct stream_writer *writer, struct weir_fault *fault)
{
	size_t used = writer->used;

	writer->used = 0;
	return used ? put(writer, writer->buffer, used, fault) : 0;
}

int stream_writer_write(struct stream_writer *writer, const void *data, size_t length, struct weir_fault *fault)
{
	int error = 0;

	writer->position += length;
	if (length > BUFFER_BYTES - writer->used || length >= DIRECT_BYTES) {
		error = flush(writer, fault);
		if (!error && length >= DIRECT_BYTES)
			return put(writer, data, length, fault);
	}
	if (error)
		return error;
	memcpy(writer->buffer + writer->used, data, length);
	writer->used += length;
	return 0;
}

uint8_t *stream_writer_room(struct stream_writer *writer, size_t length, struct weir_fault *fault)
{
	if (length > BUFFER_BYTES - writer->used && flush(writer, fault) < 0)
		return NULL;
	uint8_t *room = writer->buffer + writer->used;
	writer->used += length;
	writer->position += length;
	return room;
}

/* Creates the file beside its place, with the mode of the one that it will replace. */
static int open_beside(struct stream_writer *writer, mode_t mode, bool replaces, struct weir_fault *fault)
{
	for (unsigned attempt = 0; attempt < 1000; attempt++) {
		free(writer->temporary);
		if (asprintf(&writer->temporary, "%s.%ld-%u.part", writer->name, (long)getpid(), attempt) < 0) {
			writer->temporary = NULL;
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", writer->name);
		}
		writer->fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (writer->fd >= 0) {
			writer->owned = true;
			if (replaces)
				(void)fchmod(writer->fd, mode & 0777); /* where it can't be had, the usual mode does */
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	int error = weir_fail_errno(fault, errno, writer->name, "could not be created");
	free(writer->temporary);
	writer->temporary = NULL;
	return error;
}

static int open_target(struct stream_writer *writer, struct weir_fault *fault)
{
	struct stat status;

	if (strcmp(writer->name, "-") == 0) {
		writer->fd = STDOUT_FILENO;
		return 0;
	}
	bool exists = stat(writer->name, &status) == 0;
	if (exists && !S_ISREG(status.st_mode)) {
		writer->fd = open(writer->name, O_WRONLY | O_CLOEXEC);
		writer->owned = true;
		return writer->fd < 0 ? weir_fail_errno(fault, errno, writer->name, "could not be opened") : 0;
	}
	/* Through a symbolic link the file that it names is replaced, not the link. */
	char *real = exists ? realpath(writer->name, NULL) : NULL;
	if (real) {
		free(writer->name);
		writer->name = real;
	}
	return open_beside(writer, exists ? status.st_mode : 0, exists, fault);
}

int stream_writer_open(const char *path, enum weir_compression compression, int level, struct stream_writer **writer,
                       struct weir_fault *fault)
{
	const struct stream_writing writing = {.compression = compression, .level = level};

	return stream_writer_open_as(path, &writing, writer, fault);
}

int stream_writer_open_as(const char *path, const struct stream_writing *writing, struct stream_writer **writer, struct weir_fault *fault)
{
	const struct codec *codec = codec_find(writing->compression);
	int error = 0;

	if (codec && !codec->encoder_new)
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "this weir was built without %s", codec->name);
	struct stream_writer *opened = calloc(1, sizeof *opened);
	if (!opened)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	opened->fd = -1;
	opened->codec = codec;
	opened->name = strdup(path);
	opened->buffer = aligned_alloc(BUFFER_ALIGNMENT, BUFFER_BYTES);
	opened->packed = codec ? aligned_alloc(BUFFER_ALIGNMENT, BUFFER_BYTES) : NULL;
	if (!opened->name || !opened->buffer || (codec && !opened->packed))
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to write %s", path);
	if (!error && codec)
		error = codec->encoder_new(writing->level, writing->threads, &opened->encoder, fault);
	if (!error)
		error = open_target(opened, fault);
	if (!error && writing->recipients)
		error = sealed_writer_new(writing->recipients, writing->multiple, write_disk, opened, &opened->sealed, fault);
	if (error) {
		stream_writer_close(opened);
		return error;
	}
	*writer = opened;
	return 0;
}

int stream_writer_finish(struct stream_writer *writer, struct weir_fault *fault)
{
	int error = writer->codec ? compress(writer, writer->buffer, writer->used, true, fault) : flush(writer, fault);

	writer->used = 0;
	if (!error && writer->sealed)
		error = sealed_writer_finish(writer->sealed, fault);
	if (!error && writer->owned) {
		/* Network file systems tell of a full disk only here. */
		int result = close(writer->fd);
		writer->owned = false;
		writer->fd = -1;
		if (result < 0)
			error = weir_fail_errno(fault, errno, writer->name, "could not be written");
	}
	if (!error && writer->temporary && rename(writer->temporary, writer->name) < 0)
		error = weir_fail_errno(fault, errno, writer->name, "could not be put in its place");
	writer->finished = !error;
	return error;
}

void stream_writer_close(struct stream_writer *writer)
{
	if (!writer)
		return;
	if (writer->encoder)
		writer->codec->encoder_free(writer->encoder);
	sealed_writer_free(writer->sealed);
	if (writer->owned && writer->fd >= 0)
		close(writer->fd);
	if (writer->temporary && !writer->finished)
		unlink(writer->temporary);
	free(writer->packed);
	free(writer->buffer);
	free(writer->temporary);
	free(writer->name);
	free(writer);
}

int stream_writer_hash(struct stream_writer *writer, char hex[static 65], struct weir_fault *fault)
{
	return sealed_writer_hash(writer->sealed, hex, fault);
}

uint64_t stream_writer_position(const struct stream_writer *writer) { return writer->position; }
