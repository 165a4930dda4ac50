/*
 * pcapng files: reading, counting, writing in every form; and a sound file that is mirrored is the same file.
 * An input that does not begin with a section header gets one.
 */
#include "capture.h"

#include "file/option.h"

static void check_mirror(const uint8_t *data, size_t size)
{
	static const struct weir_capture_options options;
	static const struct weir_capture_writer_options mirror = {.format = WEIR_FORMAT_PCAPNG};
	struct outcome outcome = read_batches(data, size, &options, NULL);
	size_t length;

	if (outcome.code != 0)
		return;
	uint8_t *out = rewrite(data, size, &options, &mirror, &length);
	HOLDS(out && length == size && memcmp(out, data, size) == 0);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4 || size > INPUT_MAX)
		return 0;
	if (weir_load_be32(data) == PCAPNG_SHB) {
		check_capture(data, size);
		check_mirror(data, size);
		return 0;
	}
	bool big = data[0] & 1;
	uint8_t *made = malloc(PCAPNG_SHB_BYTES + size);
	HOLDS(made);
	weir_store32(made, PCAPNG_SHB, big);
	weir_store32(made + 4, PCAPNG_SHB_BYTES, big);
	weir_store32(made + 8, PCAPNG_BYTE_ORDER, big);
	weir_store32(made + 12, big ? 0x00010000 : 0x00000001, big);
	weir_store64(made + 16, UINT64_MAX, big);
	weir_store32(made + 24, PCAPNG_SHB_BYTES, big);
	memcpy(made + PCAPNG_SHB_BYTES, data + 1, size - 1);
	check_capture(made, PCAPNG_SHB_BYTES + size - 1);
	check_mirror(made, PCAPNG_SHB_BYTES + size - 1);
	free(made);
	return 0;
}
