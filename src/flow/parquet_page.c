/* Pages as they stand in a Parquet file (data pages are of version 1), each compressed by zstd: flow/parquet_page.h. */
#include <stdlib.h>
#include <zlib.h>

#include "flow/parquet_page.h"
#include "flow/thrift.h"

#define LEVEL_USUAL 1
#define INDEX_HASH_LOG 8          /* see set_up */
#define INDEX_MATCH_LEAST 7
#define BLOCK_MOST ((size_t)128 << 10) /* of zstd */
#define STORE_MORE 64 /* bytes that store takes at most beyond ZSTD_compressBound, that being a 256th more than there is */
#define SAMPLE_BYTES ((size_t)2 << 10)
#define STORE_LEAST ((size_t)8 << 10) /* smaller pages are compressed in any case */

/*
 * Indexes of some bits hardly ever repeat for as long as a match takes, and when they do then soon: a table of 256 places finds nearly all that a larger one does (files
 * of flows stay within 1 %), and pages take a quarter less time. What is set is remembered by the context.
 */
static bool set_up(ZSTD_CCtx *zstd, int level, bool indexes)
{
	if (ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level)))
		return false;
	if (!indexes || level != LEVEL_USUAL)
		return true;
	return !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_hashLog, INDEX_HASH_LOG)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_minMatch, INDEX_MATCH_LEAST));
}

bool parquet_output_new(struct parquet_output *output, uint32_t rows, int level)
{
	uint32_t page = rows < PARQUET_PAGE_ROWS ? rows : PARQUET_PAGE_ROWS;

	level = level ? level : LEVEL_USUAL;
	output->zstd = ZSTD_createCCtx();
	output->zstd_indexes = ZSTD_createCCtx();
	output->levels = malloc(page);
	output->values = malloc(page * sizeof *output->values);
	output->ids = malloc(rows * sizeof *output->ids);
	output->slots = malloc(PARQUET_SLOTS * sizeof *output->slots);
	output->known = malloc(PARQUET_NUMBERS_MOST * sizeof *output->known);
	return output->zstd && output->zstd_indexes && output->levels && output->values && output->ids && output->slots && output->known &&
	       set_up(output->zstd, level, false) && set_up(output->zstd_indexes, level, true);
}

void parquet_output_free(struct parquet_output *output)
{
	ZSTD_freeCCtx(output->zstd);
	ZSTD_freeCCtx(output->zstd_indexes);
	text_free(&output->page);
	text_free(&output->packed);
	text_free(&output->header);
	free(output->levels);
	free(output->values);
	free(output->ids);
	free(output->slots);
	free(output->known);
}

/*
 * A frame of zstd (RFC 8878) that holds the bytes as they are, in output->packed: for what does not become smaller, as indexes of many bits. Any reader reads it, and
 * neither side has work with it. The length.
 */
static size_t store(struct parquet_output *output, const char *data, size_t raw)
{
	uint8_t *at = (uint8_t *)output->packed.data;

	weir_store_le32(at, ZSTD_MAGICNUMBER);
	at[4] = 0xa0; /* one segment, its size in four bytes, no checksum */
	weir_store_le32(at + 5, (uint32_t)raw);
	at += 9;
	for (size_t done = 0, some; done < raw; done += some) {
		some = raw - done < BLOCK_MOST ? raw - done : BLOCK_MOST;
		uint32_t head = (uint32_t)some << 3 | (done + some == raw); /* a raw block, perhaps the last */
		at[0] = (uint8_t)head;
		weir_store_le16(at + 1, (uint16_t)(head >> 8));
		memcpy(at + 3, data + done, some);
		at += 3 + some;
	}
	return (size_t)(at - (uint8_t *)output->packed.data);
}

/* Compresses raw bytes into output->packed, where there is room for them. The length or an error of zstd's. */
static size_t compress_page(struct parquet_output *output, ZSTD_CCtx *zstd, const char *data, size_t raw)
{
	char *packed = output->packed.data;
	size_t room = ZSTD_compressBound(raw);

	/* What does not even become a sixteenth smaller in its middle is left as it is. */
	if (raw >= STORE_LEAST) {
		size_t length = ZSTD_compress2(zstd, packed, room, data + raw / 2, SAMPLE_BYTES);
		if (!ZSTD_isError(length) && length > SAMPLE_BYTES - SAMPLE_BYTES / 16)
			return store(output, data, raw);
	}
	return ZSTD_compress2(zstd, packed, room, data, raw);
}

int parquet_page_write(struct parquet_output *output, struct parquet_chunk *chunk, enum parquet_page kind, enum parquet_encoding encoding, uint32_t values,
                       struct weir_fault *fault)
{
	struct thrift_writer thrift = thrift_into(&output->header);
	size_t raw = output->page.length, bound = ZSTD_compressBound(raw);

	text_clear(&output->packed);
	if (output->page.failed || !text_reserve(&output->packed, bound + STORE_MORE))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a page of a table");
	size_t length = compress_page(output, encoding == PARQUET_RLE_DICTIONARY ? output->zstd_indexes : output->zstd, output->page.data, raw);
	if (ZSTD_isError(length))
		return weir_fail(fault, WEIR_E_MEMORY, "zstd could not compress a page: %s", ZSTD_getErrorName(length));
	text_clear(&output->header);
	thrift_put_integer(&thrift, 1, THRIFT_I32, kind);
	thrift_put_integer(&thrift, 2, THRIFT_I32, (int64_t)raw);
	thrift_put_integer(&thrift, 3, THRIFT_I32, (int64_t)length);
	thrift_put_integer(&thrift, 4, THRIFT_I32, (int32_t)crc32_z(0, (const uint8_t *)output->packed.data, length));
	thrift_begin(&thrift, kind == PARQUET_DICTIONARY_PAGE ? 7 : 5);
	thrift_put_integer(&thrift, 1, THRIFT_I32, values);
	thrift_put_integer(&thrift, 2, THRIFT_I32, encoding);
	if (kind == PARQUET_DATA_PAGE) {
		thrift_put_integer(&thrift, 3, THRIFT_I32, PARQUET_RLE);
		thrift_put_integer(&thrift, 4, THRIFT_I32, PARQUET_RLE);
	}
	thrift_end(&thrift);
	thrift_end(&thrift);
	if (output->header.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a page of a table");
	chunk->compressed += output->header.length + length;
	chunk->uncompressed += output->header.length + raw;
	text_add_bytes(&chunk->pages, output->header.data, output->header.length);
	text_add_bytes(&chunk->pages, output->packed.data, length);
	return chunk->pages.failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for a page of a table") : 0;
}
