/* Sealed files of any bytes: header, payload, at any place; texts of keys. What opens must be the same in both ways of reading. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/key.h>

#include "file/bech32.h"
#include "file/sealed.h"
#include "capture.h"

struct memory {
	const uint8_t *data;
	size_t left;
};

static int64_t more(void *context, uint8_t *out, size_t size, struct weir_fault *fault)
{
	struct memory *memory = context;
	size_t n = size < memory->left ? size : memory->left;

	(void)fault;
	memcpy(out, memory->data, n);
	memory->data += n;
	memory->left -= n;
	return (int64_t)n;
}

/* The corpus has files for this identity, which is no secret. */
static struct weir_identities *identities(void)
{
	static struct weir_identities *list;

	if (!list && weir_identities_new(&list, NULL) == 0)
		weir_identities_add(list, "AGE-SECRET-KEY-1XZ4CJRQHSAWPN69DVM4F2RPFQDFNV707V3TFTSZULMTCQMLC5K2QE6Q979", NULL);
	return list;
}

static size_t read_stream(const uint8_t *data, size_t size, uint8_t *out, size_t room)
{
	struct memory memory = {data, size};
	struct sealed_stream *stream;
	size_t length = 0;
	int64_t n;

	if (sealed_stream_open(data, 0, more, &memory, identities(), "fuzz", &stream, NULL) < 0)
		return 0;
	while (length < room && (n = sealed_stream_read(stream, out + length, room - length, NULL)) > 0)
		length += (size_t)n;
	sealed_stream_close(stream);
	return length;
}

static void read_places(const uint8_t *data, size_t size, const uint8_t *whole, size_t length)
{
	uint8_t piece[512];
	struct sealed_file *file;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	HOLDS(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (sealed_file_open(fd, identities(), true, "fuzz", &file, NULL) == 0) {
		uint64_t end = sealed_file_size(file);
		for (uint64_t at = 0; at < end; at += end / 7 + 1) {
			int64_t n = sealed_file_read(file, piece, sizeof piece, at, NULL);
			if (n > 0 && at + (uint64_t)n <= length)
				HOLDS(memcmp(piece, whole + at, (size_t)n) == 0);
		}
		sealed_file_close(file);
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size + 1;
	uint8_t *whole = malloc(room), key[BECH32_KEY];

	HOLDS(whole);
	size_t length = read_stream(data, size, whole, room);
	HOLDS(length <= size);
	read_places(data, size, whole, length);
	if (bech32_decode("age", (const char *)data, size, false, key)) {
		char text[BECH32_TEXT];
		bech32_encode("age", key, false, text);
		HOLDS(memcmp(text, data, size) == 0);
	}
	free(whole);
	return 0;
}
