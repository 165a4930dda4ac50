/* Frames of chunks: archive/codec.h. */
#include "archive/codec.h"

#include <stdlib.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "config.h"
#ifdef HAVE_LZ4
#include <lz4frame.h>
#endif

struct codec_context {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
	int level;
	bool skip_checksums;
#ifdef HAVE_LZ4
	LZ4F_dctx *lz4_decompress;
#endif
};

struct codec_context *codec_context_new(void)
{
	return calloc(1, sizeof(struct codec_context));
}

void codec_context_free(struct codec_context *context)
{
	if (!context)
		return;
	ZSTD_freeCCtx(context->compress);
	ZSTD_freeDCtx(context->decompress);
#ifdef HAVE_LZ4
	LZ4F_freeDecompressionContext(context->lz4_decompress);
#endif
	free(context);
}

void codec_skip_checksums(struct codec_context *context)
{
	context->skip_checksums = true;
}

int codec_available(enum weir_codec codec, struct weir_fault *fault)
{
#ifndef HAVE_LZ4
	if (codec == WEIR_CODEC_LZ4)
		return weir_fail(fault, WEIR_E_UNSUPPORTED, "this weir was built without lz4");
#endif
	if (codec != WEIR_CODEC_NONE && codec != WEIR_CODEC_ZSTD && codec != WEIR_CODEC_LZ4)
		return weir_fail(fault, WEIR_E_USAGE, "no such codec");
	return 0;
}

/* RFC 8878: a frame of raw blocks, for when there is no time to compress. */
#define STORED_BLOCK (128u << 10)

static size_t stored_bound(size_t size) { return 4 + 1 + 4 + (size / STORED_BLOCK + 1) * 3 + size + 4; }

static size_t store_zstd(const uint8_t *data, size_t size, uint8_t *out, size_t capacity)
{
	uint8_t *at = out;

	if (capacity < stored_bound(size) || size > UINT32_MAX)
		return 0;
	weir_store_le32(at, ZSTD_MAGICNUMBER);
	at[4] = 2 << 6 | 1 << 5 | 1 << 2; /* content size in 4 bytes, single segment, checksum */
	weir_store_le32(at + 5, (uint32_t)size);
	at += 9;
	size_t done = 0;
	do {
		size_t part = size - done < STORED_BLOCK ? size - done : STORED_BLOCK;
		uint32_t head = (uint32_t)part << 3 | (done + part == size);
		at[0] = (uint8_t)head;
		at[1] = (uint8_t)(head >> 8);
		at[2] = (uint8_t)(head >> 16);
		memcpy(at + 3, data + done, part);
		at += 3 + part;
		done += part;
	} while (done < size);
	weir_store_le32(at, (uint32_t)XXH64(data, size, 0));
	return (size_t)(at + 4 - out);
}

static size_t compress_zstd(struct codec_context *context, int level, const void *data, size_t size, void *out,
                            size_t capacity)
{
	if (level == CODEC_STORE)
		return store_zstd(data, size, out, capacity);
	if (!context->compress) {
		context->compress = ZSTD_createCCtx();
		if (!context->compress)
			return 0;
		ZSTD_CCtx_setParameter(context->compress, ZSTD_c_checksumFlag, 1);
		ZSTD_CCtx_setParameter(context->compress, ZSTD_c_compressionLevel, level);
		context->level = level;
	}
	if (context->level != level) {
		ZSTD_CCtx_setParameter(context->compress, ZSTD_c_compressionLevel, level);
		context->level = level;
	}
	/* ZSTD_compress2 puts the content size into the header by itself. */
	size_t n = ZSTD_compress2(context->compress, out, capacity, data, size);
	return ZSTD_isError(n) ? 0 : n;
}

static ZSTD_DCtx *new_decompressor(bool skip_checksums)
{
	ZSTD_DCtx *decompressor = ZSTD_createDCtx();

#ifdef ZSTD_d_forceIgnoreChecksum /* not in every version, for it is experimental */
	if (decompressor && skip_checksums)
		ZSTD_DCtx_setParameter(decompressor, ZSTD_d_forceIgnoreChecksum, ZSTD_d_ignoreChecksum);
#endif
	return decompressor;
}

static int decompress_zstd(struct codec_context *context, const void *data, size_t size, void *out, size_t capacity,
                           size_t *used, size_t *got)
{
	size_t frame = ZSTD_findFrameCompressedSize(data, size);

	if (ZSTD_isError(frame))
		/* Cut short or damaged: in a frame of raw sizes the two look alike. */
		return WEIR_E_TRUNCATED;
	if (!context->decompress && !(context->decompress = new_decompressor(context->skip_checksums)))
		return WEIR_E_MEMORY;
	size_t n = ZSTD_decompressDCtx(context->decompress, out, capacity, data, frame);
	if (ZSTD_isError(n))
		return WEIR_E_CORRUPT;
	*used = frame;
	*got = n;
	return 0;
}

#ifdef HAVE_LZ4
static LZ4F_preferences_t lz4_preferences(int level, size_t size)
{
	LZ4F_preferences_t preferences = {0};
	preferences.frameInfo.blockSizeID = LZ4F_max4MB;
	preferences.frameInfo.blockMode = LZ4F_blockIndependent;
	preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
	preferences.frameInfo.contentSize = size;
	preferences.compressionLevel = level;
	return preferences;
}

static size_t compress_lz4(int level, const void *data, size_t size, void *out, size_t capacity)
{
	/* A high acceleration is the nearest that LZ4 frames have to storing: it looks at few positions, and stores what it finds nothing in. */
	LZ4F_preferences_t preferences = lz4_preferences(level == CODEC_STORE ? -100 : level, size);
	size_t n = LZ4F_compressFrame(out, capacity, data, size, &preferences);
	return LZ4F_isError(n) ? 0 : n;
}

static int lz4_context(struct codec_context *context)
{
	if (!context->lz4_decompress && LZ4F_isError(LZ4F_createDecompressionContext(&context->lz4_decompress, LZ4F_VERSION)))
		return WEIR_E_MEMORY;
	LZ4F_resetDecompressionContext(context->lz4_decompress);
	return 0;
}

static int decompress_lz4(struct codec_context *context, const uint8_t *data, size_t size, uint8_t *out, size_t capacity,
                          size_t *used, size_t *got)
{
	int error = lz4_context(context);
	if (error)
		return error;
	*used = *got = 0;
	for (;;) {
		size_t produced = capacity - *got, consumed = size - *used;
		size_t hint = LZ4F_decompress(context->lz4_decompress, out + *got, &produced, data + *used, &consumed, NULL);
		if (LZ4F_isError(hint))
			return WEIR_E_CORRUPT;
		*got += produced;
		*used += consumed;
		if (hint == 0)
			return 0;
		if (produced == 0 && consumed == 0)
			return *used == size ? WEIR_E_TRUNCATED : WEIR_E_CORRUPT;
	}
}

static int content_lz4(const void *data, size_t size, uint64_t *content)
{
	LZ4F_dctx *context;
	LZ4F_frameInfo_t info;
	size_t consumed = size;

	if (size < 7 || weir_load_le32(data) != 0x184D2204u)
		return WEIR_E_FORMAT;
	if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
		return WEIR_E_MEMORY;
	size_t result = LZ4F_getFrameInfo(context, &info, data, &consumed);
	LZ4F_freeDecompressionContext(context);
	if (LZ4F_isError(result) || info.contentSize == 0)
		return WEIR_E_FORMAT;
	*content = info.contentSize;
	return 0;
}
#endif

size_t codec_bound(enum weir_codec codec, size_t size)
{
	switch (codec) {
	case WEIR_CODEC_ZSTD: {
		size_t bound = ZSTD_compressBound(size), stored = stored_bound(size);
		return bound > stored ? bound : stored;
	}
#ifdef HAVE_LZ4
	case WEIR_CODEC_LZ4: {
		LZ4F_preferences_t preferences = lz4_preferences(0, size);
		return LZ4F_compressFrameBound(size, &preferences);
	}
#endif
	default:
		return size;
	}
}

size_t codec_compress(struct codec_context *context, enum weir_codec codec, int level, const void *data, size_t size,
                      void *out, size_t capacity)
{
#ifdef HAVE_LZ4
	if (codec == WEIR_CODEC_LZ4)
		return compress_lz4(level, data, size, out, capacity);
#endif
	return codec == WEIR_CODEC_ZSTD ? compress_zstd(context, level, data, size, out, capacity) : 0;
}

int codec_frame_content(enum weir_codec codec, const void *data, size_t size, uint64_t *content)
{
#ifdef HAVE_LZ4
	if (codec == WEIR_CODEC_LZ4)
		return content_lz4(data, size, content);
#endif
	if (codec != WEIR_CODEC_ZSTD || size < 4 || weir_load_le32(data) != ZSTD_MAGICNUMBER)
		return WEIR_E_FORMAT;
	unsigned long long n = ZSTD_getFrameContentSize(data, size);
	if (n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR)
		return WEIR_E_FORMAT;
	*content = n;
	return 0;
}

int codec_decompress(struct codec_context *context, enum weir_codec codec, const void *data, size_t size, void *out,
                     size_t capacity, size_t *used, size_t *got)
{
#ifdef HAVE_LZ4
	if (codec == WEIR_CODEC_LZ4)
		return decompress_lz4(context, data, size, out, capacity, used, got);
#endif
	if (codec != WEIR_CODEC_ZSTD)
		return WEIR_E_UNSUPPORTED;
	return decompress_zstd(context, data, size, out, capacity, used, got);
}
