/*
 * The floor under every reader of a pcap file: read() into a buffer that stays in the cache, and step from record header to record header. Prints
 * packets, bytes and seconds.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/bytes.h>

#include "core/clock.h"

#define WINDOW (256u << 10)

int main(int argc, char **argv)
{
	int file = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	uint8_t *window = malloc(WINDOW);
	uint64_t packets = 0, captured = 0, total = 0, skip = 24;
	size_t held = 0;
	ssize_t n;

	if (file < 0 || !window) {
		fputs("floor FILE.pcap\n", stderr);
		free(window);
		return 2;
	}
	int64_t started = clock_monotonic_ns();
	while ((n = read(file, window + held, WINDOW - held)) > 0) {
		size_t end = held + (size_t)n, at = 0;
		total += (uint64_t)n;
		for (;;) {
			if (skip >= end - at) {
				skip -= end - at;
				held = 0;
				break;
			}
			at += skip;
			skip = 0;
			if (end - at < 16) {
				held = end - at;
				memmove(window, window + at, held);
				break;
			}
			uint32_t length = weir_load_le32(window + at + 8);
			packets++;
			captured += length;
			skip = 16 + (uint64_t)length;
		}
	}
	printf("%" PRIu64 " packets, %" PRIu64 " bytes captured, %" PRIu64 " bytes, %.6f s\n", packets, captured, total,
	       (double)(clock_monotonic_ns() - started) / 1e9);
	free(window);
	close(file);
	return n < 0 ? 3 : 0;
}
