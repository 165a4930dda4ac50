/*
 * archive/codec.h: how chunks are stored: each as one frame that stands alone.
 */
#ifndef ARCHIVE_CODEC_H
#define ARCHIVE_CODEC_H

#include <weir/archive.h>

/* What one thread needs to compress and decompress. */
struct codec_context;

/* NULL when there is no memory. */
struct codec_context *codec_context_new(void);
void codec_context_free(struct codec_context *context);

/* For who holds what was in a frame against a checksum of its own: zstd frames' own are not checked from then on, where the library can leave that out. */
void codec_skip_checksums(struct codec_context *context);

/* Whether this build has the codec. 0, or WEIR_E_UNSUPPORTED. */
int codec_available(enum weir_codec codec, struct weir_fault *fault);

/* Level that stores instead of compressing, in a frame of the codec. */
#define CODEC_STORE (-1000)

/* The most that a frame of size bytes takes. */
size_t codec_bound(enum weir_codec codec, size_t size);

/*
 * Compresses into one frame, with checksum and content size. Returns its size, or 0 when it could not. Not for WEIR_CODEC_NONE.
 */
size_t codec_compress(struct codec_context *context, enum weir_codec codec, int level, const void *data, size_t size,
                      void *out, size_t capacity);

/*
 * Looks at the frame at the start of data. 0 and the size of what is in it (*content, as the frame says it); a negative error when
 * there is no whole header of such a frame, or when it does not say how much is in it.
 */
int codec_frame_content(enum weir_codec codec, const void *data, size_t size, uint64_t *content);

/*
 * Decompresses the frame at the start of data. 0, *used (bytes of the frame) and *got, or a negative error: WEIR_E_TRUNCATED when
 * data ends within it, WEIR_E_CORRUPT when it is no sound frame or does not fit into out.
 */
int codec_decompress(struct codec_context *context, enum weir_codec codec, const void *data, size_t size, void *out,
                     size_t capacity, size_t *used, size_t *got);

#endif
