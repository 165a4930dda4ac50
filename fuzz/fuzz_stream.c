/* Compressed streams: whatever the bytes, reading ends, and an error stays; and bytes that are compressed are the same again. */
#include "capture.h"

#include "file/stream.h"

#define DECODED_MAX ((size_t)4 << 20) /* a bomb is stopped there: reading it is bounded by who reads */

static void check_reading(const uint8_t *data, size_t size)
{
	struct stream *stream;
	struct weir_fault fault;
	static uint8_t out[65536];
	size_t total = 0;
	int64_t n;

	weir_fault_clear(&fault);
	int error = stream_open_memory(data, size, "fuzz", &stream, &fault);
	if (error) {
		HOLDS(fault.code == error);
		return;
	}
	while (total < DECODED_MAX && (n = stream_read(stream, out, 1 + total % sizeof out, &fault)) > 0)
		total += (size_t)n;
	if (total < DECODED_MAX && n < 0) {
		check_fault(&fault, (int)n);
		HOLDS(stream_read(stream, out, 1, &fault) == n);
	} else if (total < DECODED_MAX) {
		HOLDS(stream_read(stream, out, 1, &fault) == 0);
	}
	HOLDS(stream_position(stream) <= size);
	stream_close(stream);
}

static void check_there_and_back(const uint8_t *data, size_t size, enum weir_compression compression, int level)
{
	struct stream_writer *writer;
	struct stream *stream;
	static uint8_t packed[2 * INPUT_MAX + 4096], out[INPUT_MAX];
	char path[64];
	int ends[2];
	size_t total = 0;
	int64_t n;

	HOLDS(pipe(ends) == 0);
	HOLDS(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES);
	snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
	if (stream_writer_open(path, compression, level, &writer, NULL) == 0) {
		HOLDS(stream_writer_write(writer, data, size, NULL) == 0);
		HOLDS(stream_writer_finish(writer, NULL) == 0);
		stream_writer_close(writer);
		ssize_t length = read(ends[0], packed, sizeof packed);
		HOLDS(length >= 0);
		HOLDS(stream_open_memory(packed, (size_t)length, "fuzz", &stream, NULL) == 0);
		while ((n = stream_read(stream, out + total, sizeof out - total, NULL)) > 0)
			total += (size_t)n;
		HOLDS(n == 0 && total == size && memcmp(out, data, size) == 0);
		stream_close(stream);
	}
	close(ends[0]);
	close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size >= INPUT_MAX)
		return 0;
	check_reading(data, size);
	/* A window or a capture inside: the whole way of weir_capture_open. */
	struct outcome outcome = read_batches(data, size, NULL, NULL);
	if (outcome.code < 0)
		check_fault(&outcome.fault, outcome.code);
	enum weir_compression compression = (enum weir_compression)(1 + data[0] % 3);
	check_there_and_back(data, size, compression, 1 + data[0] / 3 % 9);
	return 0;
}
