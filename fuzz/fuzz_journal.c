/* A journal of any bytes: what is made of it is a chunk that recovery itself would take for sound. The first byte picks the codec. */
#include <stdlib.h>

#include "archive/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scan scan, again;
	uint8_t *raw, *out;
	size_t raw_bytes, out_bytes;

	if (size < 1 || scan_new((enum weir_codec)(data[0] % 3), &scan, NULL) != 0)
		return 0;
	if (scan_new(scan.content.codec, &again, NULL) != 0)
		abort();
	if (scan_journal(&scan, data + 1, size - 1, &raw, &raw_bytes, NULL) == 0) {
		if (scan_append(&scan, raw, raw_bytes, &out, &out_bytes, NULL) != 0)
			abort();
		scan_chunks(&again, out, out_bytes, NULL);
		if (again.content.chunk_count != 1 || again.packets != scan.packets || again.end != out_bytes)
			abort();
		free(raw);
		free(out);
	}
	scan_free(&again);
	scan_free(&scan);
	return 0;
}
