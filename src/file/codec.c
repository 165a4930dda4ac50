/* The table of compressions. */
#include <string.h>

#include "file/codec.h"

static const struct codec *const codecs[] = {&codec_gzip, &codec_zstd, &codec_lz4};
#define CODECS (sizeof codecs / sizeof codecs[0])

const struct codec *codec_recognise(const uint8_t *head, size_t length)
{
	for (size_t i = 0; i < CODECS; i++)
		if (length >= codecs[i]->magic_length && memcmp(head, codecs[i]->magic, codecs[i]->magic_length) == 0)
			return codecs[i];
	/* A skippable frame, common to Zstandard and LZ4; libzstd skips it and goes on with the frame behind it. */
	if (length >= 4 && (weir_load_le32(head) & 0xfffffff0u) == 0x184d2a50u)
		return &codec_zstd;
	return NULL;
}

const struct codec *codec_find(enum weir_compression compression)
{
	for (size_t i = 0; i < CODECS; i++)
		if (codecs[i]->compression == compression)
			return codecs[i];
	return NULL;
}

const struct codec *codec_by_name(const char *name, size_t length, size_t *stem)
{
	for (size_t i = 0; i < CODECS; i++) {
		size_t ending = strlen(codecs[i]->ending);
		if (length > ending && memcmp(name + length - ending, codecs[i]->ending, ending) == 0) {
			*stem = length - ending;
			return codecs[i];
		}
	}
	*stem = length;
	return NULL;
}

const char *weir_compression_name(enum weir_compression compression)
{
	const struct codec *codec = codec_find(compression);
	return codec ? codec->name : "none";
}
