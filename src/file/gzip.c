/* gzip (RFC 1952), by zlib. */
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "file/codec.h"

#define GZIP_WINDOW (15 + 16) /* the largest window; 16: with gzip's header and trailer */
#define GZIP_LEVEL 6

struct gzip {
	z_stream z;
	bool between; /* two members */
};

static uInt chunk(size_t length) { return length > UINT_MAX ? UINT_MAX : (uInt)length; }

static void start(struct gzip *gzip, const struct codec_io *io)
{
	gzip->z.next_in = (Bytef *)(uintptr_t)io->in;
	gzip->z.avail_in = chunk(io->in_left);
	gzip->z.next_out = io->out;
	gzip->z.avail_out = chunk(io->out_left);
}

static void advance(struct gzip *gzip, struct codec_io *io)
{
	io->in_left -= (size_t)(gzip->z.next_in - io->in);
	io->in = gzip->z.next_in;
	io->out_left -= (size_t)(gzip->z.next_out - io->out);
	io->out = gzip->z.next_out;
}

static int decoder_new(void **decoder, struct weir_fault *fault)
{
	struct gzip *gzip = calloc(1, sizeof *gzip);

	if (!gzip || inflateInit2(&gzip->z, GZIP_WINDOW) != Z_OK) {
		free(gzip);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to decompress gzip");
	}
	*decoder = gzip;
	return 0;
}

static int decode(void *decoder, struct codec_io *io, bool *whole, struct weir_fault *fault)
{
	struct gzip *gzip = decoder;

	while (io->out_left) {
		if (gzip->between) {
			/* Tapes and block devices pad with zeros, which gzip skips as well. */
			while (io->in_left && *io->in == 0)
				io->in++, io->in_left--;
			if (!io->in_left)
				break;
			if (*io->in != codec_gzip.magic[0])
				return weir_fail(fault, WEIR_E_CORRUPT, "what follows the end of the gzip data is not gzip");
			if (inflateReset(&gzip->z) != Z_OK)
				return weir_fail(fault, WEIR_E_MEMORY, "no memory to decompress gzip");
			gzip->between = false;
		}
		/* Also without input: the decoder may still hold output that did not fit the last time. */
		start(gzip, io);
		int result = inflate(&gzip->z, Z_NO_FLUSH);
		advance(gzip, io);
		if (result == Z_STREAM_END) {
			gzip->between = true;
			break;
		}
		if (result == Z_BUF_ERROR)
			break;
		else if (result == Z_MEM_ERROR)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to decompress gzip");
		else if (result != Z_OK)
			return weir_fail(fault, WEIR_E_CORRUPT, "gzip data is damaged: %s",
			                 gzip->z.msg ? gzip->z.msg : "it needs a dictionary");
	}
	*whole = gzip->between;
	return 0;
}

static void decoder_free(void *decoder)
{
	struct gzip *gzip = decoder;
	inflateEnd(&gzip->z);
	free(gzip);
}

static int encoder_new(int level, unsigned threads, void **encoder, struct weir_fault *fault)
{
	if (level < 0 || level > 9)
		return weir_fail(fault, WEIR_E_USAGE, "gzip has levels 1 to 9, not %d", level);
	struct gzip *gzip = calloc(1, sizeof *gzip);
	if (!gzip || deflateInit2(&gzip->z, level ? level : GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 9,
	                          Z_DEFAULT_STRATEGY) != Z_OK) {
		free(gzip);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to compress gzip");
	}
	*encoder = gzip;
	return 0;
}

static int encode(void *encoder, struct codec_io *io, bool finish, bool *done, struct weir_fault *fault)
{
	struct gzip *gzip = encoder;

	start(gzip, io);
	/* Only the last piece of a very long input may carry the end. */
	bool last = finish && gzip->z.avail_in == io->in_left;
	int result = deflate(&gzip->z, last ? Z_FINISH : Z_NO_FLUSH);
	advance(gzip, io);
	if (result == Z_STREAM_ERROR)
		return weir_fail(fault, WEIR_E_SYSTEM, "gzip could not compress");
	*done = result == Z_STREAM_END;
	return 0;
}

static void encoder_free(void *encoder)
{
	struct gzip *gzip = encoder;
	deflateEnd(&gzip->z);
	free(gzip);
}

const struct codec codec_gzip = {
	.compression = WEIR_COMPRESSION_GZIP,
	.name = "gzip",
	.ending = ".gz",
	.magic = (const uint8_t[]){0x1f, 0x8b, 8}, /* deflate: there is no other method */
	.magic_length = 3,
	.decoder_new = decoder_new,
	.decode = decode,
	.decoder_free = decoder_free,
	.encoder_new = encoder_new,
	.encode = encode,
	.encoder_free = encoder_free,
};
