/* A segment of any bytes: what recovery finds in it is sound, and nothing is read outside of it. The first byte picks the codec. */
#include <stdlib.h>

#include "archive/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scan scan;
	uint8_t *table;
	size_t table_size;

	if (size < 1 || scan_new((enum weir_codec)(data[0] % 3), &scan, NULL) != 0)
		return 0;
	scan_chunks(&scan, data + 1, size - 1, NULL);
	if (scan.end > size - 1)
		abort();
	if (seek_table(&scan.content, scan.end, &table, &table_size) == 0)
		free(table);
	scan_free(&scan);
	return 0;
}
