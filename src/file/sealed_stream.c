/* Sealed files from their beginning on: file/sealed.h. */
#include <stdlib.h>
#include <string.h>

#include <weir/key.h>

#include "file/sealed.h"

#define BUFFER ((size_t)4 * AGE_SEALED)
#define HEADER_PIECE ((size_t)16 << 10)

struct sealed_stream {
	sealed_more more;
	void *context;
	const char *name;
	struct age_payload *payload;
	uint64_t payload_at; /* in the file */
	uint64_t number;     /* of the next chunk */
	uint8_t *sealed;     /* what was read: left bytes at `at` */
	size_t at, left;
	bool ended, finished;
	uint8_t *plain; /* a chunk that did not fit where it was wanted: plain_left bytes at plain_at */
	size_t plain_at, plain_left;
	uint32_t skip; /* of the next chunk */
	struct weir_fault held;
};

/* Reads the header, however it comes. What was read of the payload goes into stream->sealed. */
static int read_header(struct sealed_stream *stream, const void *head, size_t length,
                       const struct weir_identities *identities, struct weir_fault *fault)
{
	size_t capacity = length + HEADER_PIECE, held = length;
	uint8_t *data = malloc(capacity);
	int64_t header = data ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s", stream->name);

	if (data)
		memcpy(data, head, length);
	/* The nonce stands behind it. */
	while (header >= 0 && !(header && held >= (size_t)header + AGE_NONCE)) {
		if (capacity == held) {
			uint8_t *wider = realloc(data, capacity *= 2);
			if (!wider) {
				header = weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s", stream->name);
				break;
			}
			data = wider;
		}
		if (!header && (header = age_header_length(data, held, stream->name, fault)) != 0)
			continue;
		size_t piece = capacity - held < HEADER_PIECE ? capacity - held : HEADER_PIECE;
		int64_t n = stream->more(stream->context, data + held, piece, fault);
		if (n < 0)
			header = n;
		else if (n == 0)
			header = weir_fail_at(fault, WEIR_E_TRUNCATED, stream->name, (int64_t)held, WEIR_NOWHERE,
			                      "ends in its age header");
		else
			held += (size_t)n;
	}
	struct age_file_key key;
	int error = header < 0 ? (int)header : age_header_open(data, (size_t)header, identities, stream->name, &key, fault);
	if (!error) {
		error = age_payload_new(&key, data + header, &stream->payload, fault);
		weir_wipe(&key, sizeof key);
		stream->payload_at = (uint64_t)header + AGE_NONCE;
		stream->left = held - (size_t)stream->payload_at;
		/* Room for what was read of the payload, which a head may have much of. */
		stream->sealed = malloc(stream->left > BUFFER ? stream->left : BUFFER);
		stream->plain = malloc(AGE_CHUNK);
		if (!error && (!stream->sealed || !stream->plain))
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s", stream->name);
		if (!error)
			memcpy(stream->sealed, data + stream->payload_at, stream->left);
	}
	free(data);
	return error;
}

int sealed_stream_open(const void *head, size_t length, sealed_more more, void *context,
                       const struct weir_identities *identities, const char *name, struct sealed_stream **stream,
                       struct weir_fault *fault)
{
	struct sealed_stream *opened = calloc(1, sizeof *opened);

	if (!opened)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to open %s", name);
	opened->more = more;
	opened->context = context;
	opened->name = name;
	int error = read_header(opened, head, length, identities, fault);
	if (error) {
		sealed_stream_close(opened);
		return error;
	}
	*stream = opened;
	return 0;
}

void sealed_stream_close(struct sealed_stream *stream)
{
	if (!stream)
		return;
	age_payload_free(stream->payload);
	if (stream->plain)
		weir_wipe(stream->plain, AGE_CHUNK);
	free(stream->plain);
	free(stream->sealed);
	free(stream);
}

uint64_t sealed_stream_payload(const struct sealed_stream *stream) { return stream->payload_at; }

void sealed_stream_seek(struct sealed_stream *stream, uint64_t number, uint32_t skip)
{
	stream->number = number;
	stream->skip = skip;
	stream->at = stream->left = stream->plain_left = 0;
	stream->ended = stream->finished = false;
	weir_fault_clear(&stream->held);
}

/* Reads on until more than a chunk is there, so that it is known whether the next one is the last. 0 or an error. */
static int gather(struct sealed_stream *stream)
{
	while (!stream->ended && stream->left <= AGE_SEALED) {
		if (stream->at + stream->left + AGE_SEALED > BUFFER) {
			memmove(stream->sealed, stream->sealed + stream->at, stream->left);
			stream->at = 0;
		}
		size_t used = stream->at + stream->left;
		int64_t n = stream->more(stream->context, stream->sealed + used, BUFFER - used, &stream->held);
		if (n < 0)
			return (int)n;
		stream->ended = n == 0;
		stream->left += (size_t)n;
	}
	return 0;
}

static int fail(struct sealed_stream *stream, enum weir_error code, const char *what)
{
	return weir_fail_at(&stream->held, code, stream->name, (int64_t)(stream->payload_at + stream->number * AGE_SEALED),
	                    WEIR_NOWHERE, "%s", what);
}

/* Opens the next chunk into out, which has room for one. Its length, 0 at the end, or an error. */
static int64_t open_chunk(struct sealed_stream *stream, uint8_t *out)
{
	int error = gather(stream);

	if (error)
		return error;
	size_t length = stream->left < AGE_SEALED ? stream->left : AGE_SEALED;
	bool last = stream->ended && stream->left <= AGE_SEALED;
	const uint8_t *sealed = stream->sealed + stream->at;
	if (length < AGE_TAG)
		return fail(stream, WEIR_E_TRUNCATED, "the sealed file is cut off");
	if (!age_payload_open(stream->payload, stream->number, last, sealed, length, out)) {
		/* Cut where a chunk ends: the chunk is sound, and not the last. */
		if (last && length == AGE_SEALED &&
		    age_payload_open(stream->payload, stream->number, false, sealed, length, out)) {
			fail(stream, WEIR_E_TRUNCATED, "the sealed file is cut off");
			return AGE_CHUNK;
		}
		return last && length < AGE_SEALED ? fail(stream, WEIR_E_TRUNCATED, "the sealed file is cut off or damaged")
		                                   : fail(stream, WEIR_E_CORRUPT, "the sealed file is damaged");
	}
	if (last && length == AGE_TAG && stream->number)
		return fail(stream, WEIR_E_FORMAT, "the sealed file ends in an empty chunk");
	stream->at += length;
	stream->left -= length;
	stream->number++;
	stream->finished = last;
	return (int64_t)(length - AGE_TAG);
}

int64_t sealed_stream_read(struct sealed_stream *stream, uint8_t *out, size_t size, struct weir_fault *fault)
{
	while (!stream->plain_left) {
		if (stream->held.code) {
			if (fault)
				*fault = stream->held;
			return stream->held.code;
		}
		if (stream->finished)
			return 0;
		bool direct = size >= AGE_CHUNK && !stream->skip;
		int64_t n = open_chunk(stream, direct ? out : stream->plain);
		if (direct && n > 0)
			return n;
		uint32_t skip = stream->skip;
		stream->skip = 0;
		if (n <= 0 || (uint64_t)n <= skip)
			continue;
		stream->plain_at = skip;
		stream->plain_left = (size_t)n - skip;
	}
	size_t piece = size < stream->plain_left ? size : stream->plain_left;
	memcpy(out, stream->plain + stream->plain_at, piece);
	stream->plain_at += piece;
	stream->plain_left -= piece;
	return (int64_t)piece;
}
