/* LZ4 frames, by liblz4 where it was there when weir was built. */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "file/codec.h"

#ifdef HAVE_LZ4
#include <lz4frame.h>

static int decoder_new(void **decoder, struct weir_fault *fault)
{
	LZ4F_dctx *context;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to decompress lz4");
	*decoder = context;
	return 0;
}

static int decode(void *decoder, struct codec_io *io, bool *whole, struct weir_fault *fault)
{
	/* Also called with no input left: decoded bytes may still be in the decoder. */
	do {
		size_t in = io->in_left, out = io->out_left;
		size_t hint = LZ4F_decompress(decoder, io->out, &out, io->in, &in, NULL);
		if (LZ4F_isError(hint))
			return weir_fail(fault, WEIR_E_CORRUPT, "lz4 data is damaged: %s", LZ4F_getErrorName(hint));
		io->in += in;
		io->in_left -= in;
		io->out += out;
		io->out_left -= out;
		if (in || out)
			*whole = hint == 0;
		if ((!in && !out) || *whole)
			break;
	} while (io->in_left && io->out_left);
	return 0;
}

static void decoder_free(void *decoder) { LZ4F_freeDecompressionContext(decoder); }

#define LZ4_PIECE ((size_t)256 << 10) /* of input that is compressed in one call */

/* liblz4 writes whole blocks only, so they are made in a buffer of its size and handed on from there. */
struct lz4_encoder {
	LZ4F_cctx *context;
	LZ4F_preferences_t preferences;
	uint8_t *ready;
	size_t capacity, from, until;
	bool begun, ended;
};

static void encoder_free(void *encoder)
{
	struct lz4_encoder *lz4 = encoder;

	LZ4F_freeCompressionContext(lz4->context);
	free(lz4->ready);
	free(lz4);
}

static int encoder_new(int level, unsigned threads, void **encoder, struct weir_fault *fault)
{
	if (level < -65536 || level > LZ4F_compressionLevel_max())
		return weir_fail(fault, WEIR_E_USAGE, "lz4 has levels up to %d, not %d", LZ4F_compressionLevel_max(), level);
	struct lz4_encoder *lz4 = calloc(1, sizeof *lz4);
	if (!lz4)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to compress lz4");
	lz4->preferences.compressionLevel = level;
	lz4->preferences.frameInfo.blockSizeID = LZ4F_max256KB;
	lz4->preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
	lz4->capacity = LZ4F_compressBound(LZ4_PIECE, &lz4->preferences) + LZ4F_HEADER_SIZE_MAX;
	lz4->ready = malloc(lz4->capacity);
	if (!lz4->ready || LZ4F_isError(LZ4F_createCompressionContext(&lz4->context, LZ4F_VERSION))) {
		encoder_free(lz4);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to compress lz4");
	}
	*encoder = lz4;
	return 0;
}

/* Makes the next piece of the frame in `ready`. */
static size_t make(struct lz4_encoder *lz4, struct codec_io *io, bool finish)
{
	size_t made;

	if (!lz4->begun) {
		lz4->begun = true;
		return LZ4F_compressBegin(lz4->context, lz4->ready, lz4->capacity, &lz4->preferences);
	}
	if (io->in_left) {
		size_t piece = io->in_left < LZ4_PIECE ? io->in_left : LZ4_PIECE;
		made = LZ4F_compressUpdate(lz4->context, lz4->ready, lz4->capacity, io->in, piece, NULL);
		io->in += piece;
		io->in_left -= piece;
		return made;
	}
	if (!finish)
		return 0;
	lz4->ended = true;
	return LZ4F_compressEnd(lz4->context, lz4->ready, lz4->capacity, NULL);
}

static int encode(void *encoder, struct codec_io *io, bool finish, bool *done, struct weir_fault *fault)
{
	struct lz4_encoder *lz4 = encoder;

	*done = false;
	for (;;) {
		size_t piece = lz4->until - lz4->from;
		if (piece > io->out_left)
			piece = io->out_left;
		memcpy(io->out, lz4->ready + lz4->from, piece);
		lz4->from += piece;
		io->out += piece;
		io->out_left -= piece;
		if (lz4->from < lz4->until)
			return 0;
		if (lz4->ended || (lz4->begun && !io->in_left && !finish)) {
			*done = lz4->ended;
			return 0;
		}
		size_t made = make(lz4, io, finish);
		if (LZ4F_isError(made))
			return weir_fail(fault, WEIR_E_SYSTEM, "lz4 could not compress: %s", LZ4F_getErrorName(made));
		lz4->from = 0;
		lz4->until = made;
	}
}
#endif

const struct codec codec_lz4 = {
	.compression = WEIR_COMPRESSION_LZ4,
	.name = "lz4",
	.ending = ".lz4",
	.magic = (const uint8_t[]){0x04, 0x22, 0x4d, 0x18},
	.magic_length = 4,
#ifdef HAVE_LZ4
	.decoder_new = decoder_new,
	.decode = decode,
	.decoder_free = decoder_free,
	.encoder_new = encoder_new,
	.encode = encode,
	.encoder_free = encoder_free,
#endif
};
