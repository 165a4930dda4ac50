/* How segments are to be written: cli/archive_options.h. */
#include "cli/archive_options.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/signing.h"
#include "core/text.h"

#define SEGMENT_LEAST (64u << 10)
#define SEGMENT_MOST (UINT64_C(4) << 30)

static int parse_level(const char *text, long least, long most, int *level, struct weir_fault *fault)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < least || value > most)
		return weir_fail(fault, WEIR_E_USAGE, "'%s' is no level from %ld to %ld", text, least, most);
	*level = (int)value;
	return 0;
}

int archive_options_codec(const char *text, struct weir_archive_options *options, struct weir_fault *fault)
{
	if (strcmp(text, "none") == 0) {
		options->codec = WEIR_CODEC_NONE;
		return 0;
	}
	if (strcmp(text, "auto") == 0) {
		options->codec = WEIR_CODEC_ZSTD;
		options->automatic = true;
		return 0;
	}
	bool zstd = strncmp(text, "zstd", 4) == 0, lz4 = strncmp(text, "lz4", 3) == 0;
	const char *rest = text + (zstd ? 4 : lz4 ? 3 : 0);
	if ((!zstd && !lz4) || (*rest && *rest != ':'))
		return weir_fail(fault, WEIR_E_USAGE, "'%s' is no codec: zstd, zstd:LEVEL, lz4, lz4:LEVEL, auto or none", text);
	options->codec = zstd ? WEIR_CODEC_ZSTD : WEIR_CODEC_LZ4;
	if (!*rest)
		return 0;
	return zstd ? parse_level(rest + 1, -7, 19, &options->level, fault) : parse_level(rest + 1, -100, 12, &options->level, fault);
}

int archive_options_segment(const char *text, struct weir_archive_options *options, struct weir_fault *fault)
{
	size_t length = strlen(text);

	if (length && strchr("smhdw", text[length - 1])) {
		int error = parse_duration(text, &options->segment_ns, fault);
		if (!error && options->segment_ns < NS_PER_SECOND)
			return weir_fail(fault, WEIR_E_USAGE, "a segment of '%s' is shorter than a second", text);
		return error;
	}
	int error = parse_size(text, &options->segment_bytes, fault);
	if (!error && (options->segment_bytes < SEGMENT_LEAST || options->segment_bytes > SEGMENT_MOST))
		return weir_fail(fault, WEIR_E_USAGE, "a segment of '%s' is not between 64 KiB and 4 GiB", text);
	return error;
}

int archive_options_signer(const char *path, struct signing_key **signer, struct weir_fault *fault)
{
	if (!path)
		path = getenv("WEIR_SIGNING_KEY");
	*signer = NULL;
	return path && *path ? signing_key_read(path, signer, fault) : 0;
}
