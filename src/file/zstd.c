/* Zstandard (RFC 8878): any number of frames, skippable ones (the seek table of the seekable format) passed over. */
#include <unistd.h>

#include <zstd.h>

#include "file/codec.h"

#define ZSTD_LEVEL 3
#define ZSTD_THREADS_MOST 8          /* each has some 8 MiB in hand */
#define ZSTD_JOB_BYTES (2 << 20)     /* by itself zstd takes four windows, 8 MiB at level 3, and 82 MiB in all for two threads */

static int decoder_new(void **decoder, struct weir_fault *fault)
{
	*decoder = ZSTD_createDStream();
	return *decoder ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to decompress zstd");
}

static int decode(void *decoder, struct codec_io *io, bool *whole, struct weir_fault *fault)
{
	ZSTD_inBuffer in = {io->in, io->in_left, 0};
	ZSTD_outBuffer out = {io->out, io->out_left, 0};
	size_t left;

	/* Between frames there is nothing to put out, and the decoder would take the call for the start of another frame. */
	if (!io->in_left && *whole)
		return 0;
	do {
		left = ZSTD_decompressStream(decoder, &out, &in);
	} while (!ZSTD_isError(left) && left && in.pos < in.size && out.pos < out.size);
	io->in += in.pos;
	io->in_left -= in.pos;
	io->out += out.pos;
	io->out_left -= out.pos;
	if (ZSTD_isError(left))
		return weir_fail(fault, WEIR_E_CORRUPT, "zstd data is damaged: %s", ZSTD_getErrorName(left));
	*whole = left == 0;
	return 0;
}

static void decoder_free(void *decoder) { ZSTD_freeDStream(decoder); }

/*
 * One thread makes 275 MB/s at level 1, and everything else that a pipeline does is faster. Jobs are cut by size alone, so that what comes out does not depend on how many
 * threads there are, as long as there is one; a library that was built without threads refuses, and compresses on the caller's. What is given in one piece of less than
 * 512 KiB starts no thread.
 */
static void use_threads(ZSTD_CCtx *context, unsigned threads)
{
	long processors = threads ? (long)threads : sysconf(_SC_NPROCESSORS_ONLN);
	int workers = processors < 1 ? 1 : processors > ZSTD_THREADS_MOST ? ZSTD_THREADS_MOST : (int)processors;

	(void)ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, workers);
	(void)ZSTD_CCtx_setParameter(context, ZSTD_c_jobSize, ZSTD_JOB_BYTES);
}

static int encoder_new(int level, unsigned threads, void **encoder, struct weir_fault *fault)
{
	if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel())
		return weir_fail(fault, WEIR_E_USAGE, "zstd has levels up to %d, not %d", ZSTD_maxCLevel(), level);
	ZSTD_CCtx *context = ZSTD_createCCtx();
	if (!context)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to compress zstd");
	if (ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level ? level : ZSTD_LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1))) {
		ZSTD_freeCCtx(context);
		return weir_fail(fault, WEIR_E_SYSTEM, "zstd refuses level %d", level);
	}
	use_threads(context, threads);
	*encoder = context;
	return 0;
}

static int encode(void *encoder, struct codec_io *io, bool finish, bool *done, struct weir_fault *fault)
{
	ZSTD_inBuffer in = {io->in, io->in_left, 0};
	ZSTD_outBuffer out = {io->out, io->out_left, 0};
	size_t left = ZSTD_compressStream2(encoder, &out, &in, finish ? ZSTD_e_end : ZSTD_e_continue);

	io->in += in.pos;
	io->in_left -= in.pos;
	io->out += out.pos;
	io->out_left -= out.pos;
	if (ZSTD_isError(left))
		return weir_fail(fault, WEIR_E_SYSTEM, "zstd could not compress: %s", ZSTD_getErrorName(left));
	*done = finish && left == 0;
	return 0;
}

static void encoder_free(void *encoder) { ZSTD_freeCCtx(encoder); }

const struct codec codec_zstd = {
	.compression = WEIR_COMPRESSION_ZSTD,
	.name = "zstd",
	.ending = ".zst",
	.magic = (const uint8_t[]){0x28, 0xb5, 0x2f, 0xfd},
	.magic_length = 4,
	.decoder_new = decoder_new,
	.decode = decode,
	.decoder_free = decoder_free,
	.encoder_new = encoder_new,
	.encode = encode,
	.encoder_free = encoder_free,
};
