/*
 * file/codec.h: a compression, as a record of functions over buffers. Streams do the reading and writing.
 */
#ifndef FILE_CODEC_H
#define FILE_CODEC_H

#include <weir/file.h>

/* What a codec works on: it moves both ends forward as far as it can. */
struct codec_io {
	const uint8_t *in;
	size_t in_left;
	uint8_t *out;
	size_t out_left;
};

struct codec {
	enum weir_compression compression;
	const char *name;
	const char *ending; /* of file names: ".gz" */
	const uint8_t *magic;
	size_t magic_length;

	/* NULL in both new functions: not built in. */
	int (*decoder_new)(void **decoder, struct weir_fault *fault);
	/*
	 * Decodes until in or out is used up, or a frame ends. *whole says whether the input may end here: between two frames.
	 * Returns 0 or an error; what was put out before the error counts.
	 */
	int (*decode)(void *decoder, struct codec_io *io, bool *whole, struct weir_fault *fault);
	void (*decoder_free)(void *decoder);

	/*
	 * threads: how many compress beside the caller, where the codec can and there is enough to compress; 0: as many as there are processors. What comes out is the
	 * same for any number.
	 */
	int (*encoder_new)(int level, unsigned threads, void **encoder, struct weir_fault *fault);
	/* Encodes; with finish set also ends the frame, and *done says when all of it has been put out. */
	int (*encode)(void *encoder, struct codec_io *io, bool finish, bool *done, struct weir_fault *fault);
	void (*encoder_free)(void *encoder);
};

extern const struct codec codec_gzip, codec_zstd, codec_lz4;

/* The codec whose magic stands at the head, or NULL. */
const struct codec *codec_recognise(const uint8_t *head, size_t length);

const struct codec *codec_find(enum weir_compression compression); /* NULL: none */

/* The codec whose ending the name of `length` bytes has, or NULL; *stem receives the length of the name without it. */
const struct codec *codec_by_name(const char *name, size_t length, size_t *stem);

#endif
