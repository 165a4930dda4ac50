/* Segments of any bytes: the first byte says as what. Scanned for chunks, walked over as one chunk whole and in windows, read as a journal. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/chunk_walk.h"
#include "archive/journal_read.h"
#include "archive/segment_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned touched;

static void touch(const struct weir_packet *packet)
{
	if (packet->captured)
		touched += packet->data[0] + packet->data[packet->captured - 1] + packet->block[packet->block_length - 1];
}

static uint64_t walk(const uint8_t *data, size_t size, bool big, size_t window)
{
	const struct weir_interface interfaces[2] = {{.linktype = 1, .resolution = 9}, {.linktype = 1, .resolution = 0x95, .snaplen = 60}};
	struct walk_interface table[2] = {walk_interface_of(&interfaces[0], 0), walk_interface_of(&interfaces[1], 1)};
	struct chunk_walk walk = {.at = data, .interfaces = table, .interface_count = 2, .big = big};
	struct weir_packet packet;
	size_t end = window < size ? window : size;
	uint64_t packets = 0;
	int found;

	walk.end = data + end;
	walk.behind = size - end;
	while ((found = chunk_walk_next(&walk, &packet)) == 1 || found == WALK_MORE) {
		if (found == 1) {
			packets++;
			touch(&packet);
			continue;
		}
		if (end == size)
			abort(); /* more of what is all there */
		end = end + window < size ? end + window : size;
		walk.end = data + end;
		walk.behind = size - end;
	}
	return packets;
}

/* As a query does of a chunk that it wants whole: many at once. */
static uint64_t walk_many(const uint8_t *data, size_t size, bool big)
{
	const struct weir_interface interfaces[2] = {{.linktype = 1, .resolution = 9}, {.linktype = 1, .resolution = 0x95, .snaplen = 60}};
	struct walk_interface table[2] = {walk_interface_of(&interfaces[0], 0), walk_interface_of(&interfaces[1], 1)};
	struct chunk_walk walk = {.at = data, .end = data + size, .interfaces = table, .interface_count = 2, .big = big};
	struct weir_packet packets[16];
	uint64_t total = 0;

	for (int last = 1; last == 1;) {
		uint32_t count = chunk_walk_some(&walk, packets, 16, &last);
		for (uint32_t i = 0; i < count; i++)
			touch(&packets[i]);
		total += count;
	}
	return total;
}

static int on_chunk(void *context, const struct segment_scan *scan, const uint8_t *raw, struct weir_fault *fault)
{
	touched += (unsigned)walk(raw, scan->chunks[scan->chunk_count - 1].raw_bytes, scan->big, SIZE_MAX);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment_scan_options options = {.resume = true, .chunk = on_chunk};
	struct segment_scan scan;
	struct journal journal;
	struct weir_fault fault;
	struct journal_file file = {.path = "fuzz.open"};

	if (size < 2)
		return 0;
	enum weir_codec codec = data[0] % 3;
	bool big = data[0] & 4;
	data++;
	size--;
	uint64_t packets = walk(data, size, big, size);
	if (packets != walk(data, size, big, 100) || packets != walk_many(data, size, big))
		abort();
	file.descriptor = memfd_create("fuzz", MFD_CLOEXEC);
	if (file.descriptor < 0 || write(file.descriptor, data, size) != (ssize_t)size)
		abort();
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", file.descriptor);
	segment_scan(path, codec, &options, &scan, &fault);
	segment_scan_free(&scan);
	if (journal_read(&file, &journal, &fault) == 1)
		journal_free(&journal);
	close(file.descriptor);
	return 0;
}
