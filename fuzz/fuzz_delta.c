/* Numbers as packed differences: of any bytes as many as they say, up to a bound; and numbers of any kind come back as they were put. The first byte says which, and how wide. */
#include <stdlib.h>
#include <string.h>

#include "flow/delta.h"

#define NUMBERS_MOST 20000 /* a few bytes can say that there are billions */

static void read_any(const uint8_t *data, size_t size, bool wide)
{
	struct delta_reader reader;
	uint64_t values[61]; /* no part of a block */
	/* A copy of its own, so that sanitizers see a byte too far. */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	if (delta_over(&reader, (struct weir_bytes){copy, size}, wide))
		for (size_t taken = 0; taken < NUMBERS_MOST && delta_take(&reader, values, 61); taken += 61)
			for (size_t i = 0; !wide && i < 61; i++)
				if (values[i] > UINT32_MAX)
					abort();
	free(copy);
}

static void there_and_back(const uint8_t *data, size_t size, bool wide)
{
	size_t each = wide ? 8 : 4, count = size / each;
	uint64_t *values = calloc(count + 1, sizeof *values), *back = calloc(count + 1, sizeof *back);
	struct text packed = {0};
	struct delta_reader reader;

	if (!values || !back)
		abort();
	for (size_t i = 0; i < count; i++)
		values[i] = wide ? weir_load_le64(data + i * each) : weir_load_le32(data + i * each);
	delta_put(&packed, values, count, wide);
	if (packed.failed || !delta_over(&reader, (struct weir_bytes){(const uint8_t *)packed.data, packed.length}, wide) || !delta_take(&reader, back, count) ||
	    (count && memcmp(values, back, count * sizeof *values) != 0) || delta_take(&reader, back, 1))
		abort();
	text_free(&packed);
	free(values);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] & 2)
		there_and_back(data + 1, size - 1, data[0] & 1);
	else
		read_any(data + 1, size - 1, data[0] & 1);
	return 0;
}
