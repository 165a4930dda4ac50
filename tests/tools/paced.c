/*
 * paced: writes a capture of numbered packets to standard output at a given rate, and to a log, every few milliseconds, the time and
 * how many it had written. For tests that kill who reads it: what was written long enough before must not be lost.
 *
 *	paced RATE BYTES SECONDS LOG
 *	paced check FILE...             prints "PACKETS FIRST LAST GAPS" of what the files hold one behind the other
 *
 * A packet is UDP over IPv4 over Ethernet, with its number (64 bits, big-endian, from 1) behind the UDP header.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/file.h>

#include "core/clock.h"

#define HEADERS 42u
#define BURST_NS 2000000

static int write_all(const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(STDOUT_FILENO, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static size_t put_packet(uint8_t *at, uint64_t number, uint32_t bytes)
{
	int64_t now = clock_wall_ns();

	memset(at, 0, 16 + HEADERS);
	weir_store_le32(at, (uint32_t)(now / NS_PER_SECOND));
	weir_store_le32(at + 4, (uint32_t)(now % NS_PER_SECOND));
	weir_store_le32(at + 8, bytes);
	weir_store_le32(at + 12, bytes);
	at += 16;
	memcpy(at, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0\x45", 15);
	weir_store_be16(at + 16, (uint16_t)(bytes - 14));
	at[22] = 64;
	at[23] = 17;
	memcpy(at + 26, "\x0a\0\0\1\x0a\0\0\2", 8);
	weir_store_be16(at + 34, (uint16_t)(1024 + number % 1000));
	weir_store_be16(at + 36, 53);
	weir_store_be16(at + 38, (uint16_t)(bytes - 34));
	weir_store_be64(at + HEADERS, number);
	/* Hard to compress, so that the disk gets its share. */
	uint64_t noise = number * 0x9E3779B97F4A7C15u;
	for (uint32_t i = HEADERS + 8; i < bytes; i++) {
		noise ^= noise << 13;
		noise ^= noise >> 7;
		noise ^= noise << 17;
		at[i] = (uint8_t)noise;
	}
	return 16 + bytes;
}

struct tally {
	uint64_t packets, first, last, gaps;
};

static int check_file(const char *path, struct tally *tally)
{
	struct weir_batch *batch = weir_batch_new();
	struct weir_source *source = NULL;
	struct weir_fault fault;
	char text[1200];
	int result = batch ? weir_capture_open(path, NULL, &source, &fault) : weir_fail(&fault, WEIR_E_MEMORY, "no memory");

	while (!result && (result = source->ops->fill(source, batch, &fault)) > 0) {
		for (uint32_t i = 0; i < batch->count; i++) {
			const struct weir_packet *packet = &batch->packets[i];
			uint64_t number = packet->captured >= HEADERS + 8 ? weir_load_be64(packet->data + HEADERS) : 0;
			if (!tally->packets++)
				tally->first = number;
			else
				tally->gaps += number != tally->last + 1;
			tally->last = number;
		}
		weir_batch_reset(batch);
		result = 0;
	}
	if (result < 0)
		fprintf(stderr, "paced: %s\n", weir_fault_text(&fault, text, sizeof text));
	weir_source_close(source);
	weir_batch_free(batch);
	return result;
}

static int check(int count, char **files)
{
	struct tally tally = {0};
	int result = 0;

	for (int i = 0; i < count && !result; i++)
		result = check_file(files[i], &tally);
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", tally.packets, tally.first, tally.last, tally.gaps);
	return result ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "check") == 0)
		return check(argc - 2, argv + 2);

	static uint8_t buffer[1 << 20];
	uint8_t header[24] = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, [17] = 0, [18] = 4, [20] = 1};

	if (argc != 5) {
		fprintf(stderr, "usage: paced RATE BYTES SECONDS LOG\n");
		return 2;
	}
	double rate = atof(argv[1]), seconds = atof(argv[3]);
	uint32_t bytes = (uint32_t)atoi(argv[2]);
	FILE *log = fopen(argv[4], "w");
	if (!log || bytes < HEADERS + 8 || bytes > 9000 || rate <= 0) {
		fprintf(stderr, "paced: no log, or no sensible size or rate\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (write_all(header, sizeof header) != 0)
		return 1;
	int64_t start = clock_monotonic_ns();
	uint64_t number = 0;
	for (int64_t at = 0; at < (int64_t)(seconds * 1e9); at = clock_monotonic_ns() - start) {
		uint64_t due = (uint64_t)((double)at * 1e-9 * rate);
		while (number < due) {
			size_t used = 0;
			while (number < due && used + 16 + bytes <= sizeof buffer)
				used += put_packet(buffer + used, ++number, bytes);
			if (write_all(buffer, used) != 0)
				goto out;
		}
		fprintf(log, "%" PRId64 " %" PRIu64 "\n", clock_wall_ns(), number);
		fflush(log);
		struct timespec nap = {0, BURST_NS};
		nanosleep(&nap, NULL);
	}
out:
	fclose(log);
	return 0;
}
