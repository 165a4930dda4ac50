/* Reading: plain and compressed bytes from files, pipes and memory. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/codec.h"
#include "file/sealed.h"
#include "file/stream.h"

#define HEAD_BYTES 512                /* read to see what a file is */
#define INPUT_BYTES ((size_t)128 << 10) /* compressed bytes read at once */
#define TEXT_BYTES ((size_t)64 << 10)

struct stream {
	int fd; /* -1: memory */
	bool owned, pipe;
	char *name;
	struct weir_bytes memory;
	uint64_t disk; /* where reading is in the file on disk, or in the memory */

	const struct weir_identities *identities;
	struct sealed_stream *sealed; /* NULL: it is not */

	const struct codec *codec; /* NULL: plain */
	void *decoder;
	bool whole; /* the compressed data may end here */
	uint64_t frame_from; /* where the frame in hand begins, in the file on disk */

	uint8_t *input; /* compressed bytes, or the head of a plain file: input_left of them, at input_at */
	const uint8_t *input_at;
	size_t input_left;
	bool input_ended;
	uint64_t position, size; /* of what was read: when sealed, in what was sealed */

	/* CRs before LFs are left out: what was read and not looked at yet. NULL: they are not. */
	uint8_t *text;
	size_t text_at, text_left;
	bool text_cr; /* a CR was read, and not yet what follows */

	struct weir_fault held; /* an error that waits until what was decoded before it has been read */
};

/* What people try to open and that has a better answer than "no capture file". */
static const struct {
	const char *magic;
	size_t length;
	const char *what;
} others[] = {
	{"\xfd" "7zXZ", 6, "xz-compressed, which weir does not read: decompress it first (xz -dk)"},
	{"BZh", 3, "bzip2-compressed, which weir does not read: decompress it first (bzip2 -dk)"},
	{AGE_ARMOR, sizeof AGE_ARMOR - 1, "sealed with age, in its form for mail: open it first (age -d -i KEY)"},
	{"PK\x03\x04", 4, "a zip archive: unpack it first"},
};

/* The bytes of the file on disk. */
static int64_t read_disk(void *context, uint8_t *out, size_t size, struct weir_fault *fault)
{
	struct stream *stream = context;

	if (stream->fd < 0) {
		size_t left = stream->memory.length - (size_t)stream->disk;
		size = size < left ? size : left;
		memcpy(out, stream->memory.data + stream->disk, size);
		stream->disk += size;
		return (int64_t)size;
	}
	for (;;) {
		ssize_t n = read(stream->fd, out, size);
		if (n >= 0) {
			stream->disk += (uint64_t)n;
			return n;
		}
		if (errno != EINTR)
			return weir_fail_errno(fault, errno, stream->name, "could not be read");
	}
}

/* Opened, when it is sealed. */
static int64_t read_raw(struct stream *stream, uint8_t *out, size_t size, struct weir_fault *fault)
{
	int64_t n = stream->sealed ? sealed_stream_read(stream->sealed, out, size, fault) : read_disk(stream, out, size, fault);

	if (n > 0)
		stream->position += (uint64_t)n;
	return n;
}

/* Reads the first bytes, as many as a magic needs, also from a pipe that gives them one by one. */
static int read_head(struct stream *stream, struct weir_fault *fault)
{
	while (stream->input_left < HEAD_BYTES) {
		int64_t n = read_raw(stream, stream->input + stream->input_left, HEAD_BYTES - stream->input_left, fault);
		if (n < 0)
			return (int)n;
		if (n == 0) {
			stream->input_ended = true;
			break;
		}
		stream->input_left += (size_t)n;
		if (stream->input_left >= 24) /* enough for every magic and for a pcap header */
			break;
	}
	stream->input_at = stream->input;
	return 0;
}

/* What was read is the beginning of an age file: from now on what is sealed in it is read. */
static int unseal(struct stream *stream, struct weir_fault *fault)
{
	int error = sealed_stream_open(stream->input, stream->input_left, read_disk, stream, stream->identities, stream->name,
	                               &stream->sealed, fault);

	stream->position = 0;
	stream->input_left = 0;
	stream->input_ended = false;
	return error ? error : read_head(stream, fault);
}

static bool begins_sealed(const struct stream *stream)
{
	size_t length = sizeof AGE_ANY_MAGIC - 1;
	return stream->input_left >= length && memcmp(stream->input, AGE_ANY_MAGIC, length) == 0;
}

static int recognise(struct stream *stream, struct weir_fault *fault)
{
	if (begins_sealed(stream)) {
		int error = unseal(stream, fault);
		if (error)
			return error;
		if (begins_sealed(stream))
			return weir_fail_at(fault, WEIR_E_UNSUPPORTED, stream->name, WEIR_NOWHERE, WEIR_NOWHERE,
			                    "is sealed twice: open it once first (age -d -i KEY)");
	}
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (stream->input_left >= others[i].length && memcmp(stream->input, others[i].magic, others[i].length) == 0)
			return weir_fail_at(fault, WEIR_E_UNSUPPORTED, stream->name, WEIR_NOWHERE, WEIR_NOWHERE, "is %s",
			                    others[i].what);
	stream->codec = codec_recognise(stream->input, stream->input_left);
	if (!stream->codec)
		return 0;
	if (!stream->codec->decoder_new)
		return weir_fail_at(fault, WEIR_E_UNSUPPORTED, stream->name, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "is %s-compressed, and this weir was built without %s", stream->codec->name,
		                    stream->codec->name);
	return stream->codec->decoder_new(&stream->decoder, fault);
}

static struct stream *stream_new(const char *name)
{
	struct stream *stream = calloc(1, sizeof *stream);

	if (!stream)
		return NULL;
	stream->fd = -1;
	stream->name = strdup(name);
	stream->input = malloc(INPUT_BYTES);
	if (!stream->name || !stream->input) {
		stream_close(stream);
		return NULL;
	}
	return stream;
}

static int open_file(struct stream *stream, const char *path, struct weir_fault *fault)
{
	struct stat status;

	if (strcmp(path, "-") == 0) {
		stream->fd = STDIN_FILENO;
	} else {
		stream->fd = open(path, O_RDONLY | O_CLOEXEC);
		stream->owned = true;
		if (stream->fd < 0)
			return weir_fail_errno(fault, errno, stream->name, "could not be opened");
	}
	if (fstat(stream->fd, &status) < 0)
		return weir_fail_errno(fault, errno, stream->name, "could not be looked at");
	if (S_ISDIR(status.st_mode))
		return weir_fail_errno(fault, EISDIR, stream->name, "could not be read");
	stream->pipe = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || S_ISCHR(status.st_mode);
	if (S_ISREG(status.st_mode)) {
		stream->size = (uint64_t)status.st_size;
		/* Only advice: what comes of it does not matter. */
		(void)posix_fadvise(stream->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	return 0;
}

static int begin(struct stream *opened, struct stream **stream, int error, struct weir_fault *fault)
{
	if (!error)
		error = read_head(opened, fault);
	if (!error)
		error = recognise(opened, fault);
	if (error) {
		stream_close(opened);
		return error;
	}
	*stream = opened;
	return 0;
}

int stream_open(const char *path, struct stream **stream, struct weir_fault *fault)
{
	return stream_open_sealed(path, NULL, stream, fault);
}

int stream_open_sealed(const char *path, const struct weir_identities *identities, struct stream **stream, struct weir_fault *fault)
{
	struct stream *opened = stream_new(strcmp(path, "-") == 0 ? "standard input" : path);

	if (!opened)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", path);
	opened->identities = identities;
	return begin(opened, stream, open_file(opened, path, fault), fault);
}

int stream_open_memory(const void *data, size_t length, const char *name, struct stream **stream,
                       struct weir_fault *fault)
{
	return stream_open_sealed_memory(data, length, name, NULL, stream, fault);
}

int stream_open_sealed_memory(const void *data, size_t length, const char *name, const struct weir_identities *identities,
                              struct stream **stream, struct weir_fault *fault)
{
	struct stream *opened = stream_new(name);

	if (!opened)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", name);
	opened->identities = identities;
	opened->memory = (struct weir_bytes){data, length};
	opened->size = length;
	return begin(opened, stream, 0, fault);
}

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	if (stream->decoder)
		stream->codec->decoder_free(stream->decoder);
	sealed_stream_close(stream->sealed);
	if (stream->owned && stream->fd >= 0)
		close(stream->fd);
	free(stream->input);
	free(stream->text);
	free(stream->name);
	free(stream);
}

static int64_t read_plain(struct stream *stream, uint8_t *out, size_t size, struct weir_fault *fault)
{
	if (!stream->input_left)
		return read_raw(stream, out, size, fault);
	size_t piece = size < stream->input_left ? size : stream->input_left;
	memcpy(out, stream->input_at, piece);
	stream->input_at += piece;
	stream->input_left -= piece;
	return (int64_t)piece;
}

static int hold(struct stream *stream)
{
	/* A damaged compressed file: where it is in the decoded bytes, who reads them knows better. */
	if (!stream->held.file[0])
		weir_fail_at(&stream->held, (enum weir_error)stream->held.code, stream->name, WEIR_NOWHERE, WEIR_NOWHERE,
		             "%s (before byte %llu of the compressed file)", stream->held.message,
		             (unsigned long long)(stream->position - stream->input_left));
	return stream->held.code;
}

/* Decodes until there is something. Errors are held. */
static int64_t decode_some(struct stream *stream, uint8_t *out, size_t size)
{
	for (;;) {
		if (!stream->input_left && !stream->input_ended) {
			int64_t n = read_raw(stream, stream->input, INPUT_BYTES, &stream->held);
			if (n < 0)
				return hold(stream);
			stream->input_at = stream->input;
			stream->input_left = (size_t)n;
			stream->input_ended = n == 0;
		}
		struct codec_io io = {stream->input_at, stream->input_left, out, size};
		int error = stream->codec->decode(stream->decoder, &io, &stream->whole, &stream->held);
		size_t made = size - io.out_left;
		stream->input_at = io.in;
		stream->input_left = io.in_left;
		if (stream->whole)
			stream->frame_from = stream->position - io.in_left;
		if (error)
			hold(stream);
		if (made)
			return (int64_t)made;
		if (error)
			return error;
		if (stream->input_ended && !stream->input_left) {
			if (stream->whole)
				return 0;
			weir_fail(&stream->held, WEIR_E_TRUNCATED, "the %s data ends in the middle", stream->codec->name);
			return hold(stream);
		}
	}
}

static int64_t read_any(struct stream *stream, uint8_t *out, size_t size, struct weir_fault *fault)
{
	if (!stream->codec)
		return read_plain(stream, out, size, fault);
	int64_t n = stream->held.code ? stream->held.code : decode_some(stream, out, size);
	if (n < 0 && fault)
		*fault = stream->held;
	return n;
}

static int64_t read_text(struct stream *stream, uint8_t *out, size_t size, struct weir_fault *fault)
{
	size_t made = 0;

	while (made < size) {
		if (!stream->text_left) {
			int64_t n = made ? 0 : read_any(stream, stream->text, TEXT_BYTES, fault);
			if (made || n < 0)
				return made ? (int64_t)made : n;
			if (n == 0 && stream->text_cr) {
				stream->text_cr = false;
				out[0] = '\r';
				return 1;
			}
			if (n == 0)
				return 0;
			stream->text_at = 0;
			stream->text_left = (size_t)n;
		}
		uint8_t byte = stream->text[stream->text_at];
		if (stream->text_cr && byte != '\n') {
			stream->text_cr = false;
			out[made++] = '\r';
			continue;
		}
		stream->text_at++;
		stream->text_left--;
		stream->text_cr = byte == '\r';
		if (!stream->text_cr)
			out[made++] = byte;
	}
	return (int64_t)made;
}

int64_t stream_read(struct stream *stream, uint8_t *out, size_t size, struct weir_fault *fault)
{
	return stream->text ? read_text(stream, out, size, fault) : read_any(stream, out, size, fault);
}

int stream_undo_text(struct stream *stream, const void *data, size_t length, struct weir_fault *fault)
{
	uint8_t *text = malloc(length > TEXT_BYTES ? length : TEXT_BYTES);

	if (!text)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", stream->name);
	memcpy(text, data, length);
	free(stream->text);
	stream->text = text;
	stream->text_at = 0;
	stream->text_left = length;
	stream->text_cr = false;
	return 0;
}

/* Goes back to a place in the file, or stays where it is in a pipe. */
static int go_back(struct stream *stream, uint64_t offset, struct weir_fault *fault)
{
	uint64_t begin = stream->position - (uint64_t)(stream->input_at + stream->input_left - stream->input);

	if (offset >= begin) {
		stream->input_at = stream->input + (offset - begin);
		stream->input_left = (size_t)(stream->position - offset);
		return 0;
	}
	if (stream->pipe)
		return 0;
	stream->disk = stream->sealed ? sealed_stream_payload(stream->sealed) + offset / AGE_CHUNK * AGE_SEALED : offset;
	if (stream->fd >= 0 && lseek(stream->fd, (off_t)stream->disk, SEEK_SET) < 0)
		return weir_fail_errno(fault, errno, stream->name, "could not be read again");
	if (stream->sealed)
		sealed_stream_seek(stream->sealed, offset / AGE_CHUNK, (uint32_t)(offset % AGE_CHUNK));
	stream->position = offset;
	stream->input_at = stream->input;
	stream->input_left = 0;
	stream->input_ended = false;
	return 0;
}

/* Moves on to the next magic. 1, 0 at the end, or an error. */
static int find_frame(struct stream *stream, struct weir_fault *fault)
{
	const struct codec *codec = stream->codec;

	for (;;) {
		for (; stream->input_left >= codec->magic_length; stream->input_at++, stream->input_left--)
			if (memcmp(stream->input_at, codec->magic, codec->magic_length) == 0)
				return 1;
		memmove(stream->input, stream->input_at, stream->input_left);
		stream->input_at = stream->input;
		int64_t n = read_raw(stream, stream->input + stream->input_left, INPUT_BYTES - stream->input_left, fault);
		if (n <= 0) {
			stream->input_ended = n == 0;
			stream->input_left = 0;
			return (int)n;
		}
		stream->input_left += (size_t)n;
	}
}

int stream_resume(struct stream *stream, struct weir_fault *fault)
{
	if (!stream->codec || (stream->held.code != WEIR_E_CORRUPT && stream->held.code != WEIR_E_TRUNCATED))
		return 0;
	int result = go_back(stream, stream->frame_from + 1, fault);
	if (result == 0)
		result = find_frame(stream, fault);
	if (result <= 0)
		return result;
	stream->codec->decoder_free(stream->decoder);
	stream->decoder = NULL;
	result = stream->codec->decoder_new(&stream->decoder, fault);
	if (result < 0)
		return result;
	stream->frame_from = stream->position - stream->input_left;
	stream->whole = false;
	weir_fault_clear(&stream->held);
	return 1;
}

bool stream_waits(const struct stream *stream)
{
	struct pollfd ready = {.fd = stream->fd, .events = POLLIN};

	return stream->pipe && !stream->text_left && !stream->input_left && !stream->input_ended && poll(&ready, 1, 0) == 0;
}

enum weir_compression stream_compression(const struct stream *stream)
{
	return stream->codec ? stream->codec->compression : WEIR_COMPRESSION_NONE;
}

uint64_t stream_position(const struct stream *stream) { return stream->position - stream->input_left; }

bool stream_plain(const struct stream *stream)
{
	return stream->fd >= 0 && !stream->pipe && !stream->codec && !stream->sealed && !stream->text;
}

bool stream_sealed(const struct stream *stream) { return stream->sealed != NULL; }

uint64_t stream_size(const struct stream *stream) { return stream->size; }

struct weir_bytes stream_memory(const struct stream *stream)
{
	return stream->codec || stream->sealed ? (struct weir_bytes){NULL, 0} : stream->memory;
}
