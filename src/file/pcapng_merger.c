/* Writing packets of several sources into one pcapng section: interfaces are gathered, equal ones become one. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "file/option.h"
#include "file/writer.h"

#define BIG WEIR_NATIVE_BIG /* byte order of the section */

static int no_memory(struct weir_fault *fault) { return weir_fail(fault, WEIR_E_MEMORY, "no memory for interfaces"); }

static uint32_t *bucket_of(struct writer *writer, const struct merged_interface *wanted)
{
	uint32_t mask = 2 * writer->pcapng.merged_capacity - 1;

	for (uint32_t at = (uint32_t)wanted->hash & mask;; at = (at + 1) & mask) {
		uint32_t *bucket = &writer->pcapng.buckets[at];
		if (*bucket == 0)
			return bucket;
		const struct merged_interface *there = &writer->pcapng.merged[*bucket - 1];
		if (there->hash == wanted->hash && there->length == wanted->length &&
		    memcmp(there->block, wanted->block, wanted->length) == 0)
			return bucket;
	}
}

static int grow(struct writer *writer, struct weir_fault *fault)
{
	uint32_t capacity = writer->pcapng.merged_capacity ? 2 * writer->pcapng.merged_capacity : 16;
	struct merged_interface *merged = realloc(writer->pcapng.merged, capacity * sizeof *merged);

	if (merged)
		writer->pcapng.merged = merged;
	uint32_t *buckets = calloc(2 * (size_t)capacity, sizeof *buckets);
	if (!merged || !buckets) {
		free(buckets);
		return no_memory(fault);
	}
	free(writer->pcapng.buckets);
	writer->pcapng.buckets = buckets;
	writer->pcapng.merged_capacity = capacity;
	for (uint32_t i = 0; i < writer->pcapng.merged_count; i++)
		*bucket_of(writer, &merged[i]) = i + 1;
	return 0;
}

/* Finds the interface among those that are out, or puts it out. */
static int gather(struct writer *writer, const struct weir_interface *interface, uint32_t *id, struct weir_fault *fault)
{
	if (writer->pcapng.merged_count == writer->pcapng.merged_capacity) {
		int error = grow(writer, fault);
		if (error)
			return error;
	}
	struct merged_interface wanted;
	wanted.block = pcapng_make_interface(interface, BIG, &wanted.length);
	if (!wanted.block)
		return no_memory(fault);
	wanted.hash = XXH3_64bits(wanted.block, wanted.length);
	uint32_t *bucket = bucket_of(writer, &wanted);
	if (*bucket) {
		free(wanted.block);
		*id = *bucket - 1;
		return 0;
	}
	*id = writer->pcapng.merged_count;
	*bucket = *id + 1;
	writer->pcapng.merged[writer->pcapng.merged_count++] = wanted;
	return stream_writer_write(writer->out, wanted.block, wanted.length, fault);
}

static int begin(struct writer *writer, struct weir_fault *fault)
{
	if (writer->pcapng.begun)
		return 0;
	writer->pcapng.begun = true;
	return pcapng_write_section(writer, BIG, fault);
}

/* Empties the map: the numbers of one batch say nothing about the next one's, which may come from another source. */
static int clear_map(struct writer *writer, uint32_t length, struct weir_fault *fault)
{
	if (length > writer->pcapng.map_length) {
		uint32_t *map = realloc(writer->pcapng.map, length * sizeof *map);
		if (!map)
			return no_memory(fault);
		writer->pcapng.map = map;
		writer->pcapng.map_length = length;
	}
	if (length)
		memset(writer->pcapng.map, 0, length * sizeof *writer->pcapng.map);
	return 0;
}

/* The number in the file of the source's interface. */
static int number_of(struct writer *writer, uint32_t source, uint32_t *id, struct weir_fault *fault)
{
	uint32_t *mapped = &writer->pcapng.map[source];

	if (*mapped == 0) {
		int error = begin(writer, fault);
		if (!error)
			error = gather(writer, writer->interfaces[source], id, fault);
		if (error)
			return error;
		*mapped = *id + 1;
	}
	*id = *mapped - 1;
	return 0;
}

static int merge_batch(struct writer *writer, const struct weir_batch *batch, struct weir_fault *fault)
{
	for (uint32_t i = 0; i < batch->block_count; i++) {
		uint32_t type = batch->blocks[i].type;
		writer->losses.blocks += type != PCAPNG_SHB && type != PCAPNG_IDB;
	}
	int error = clear_map(writer, batch->interface_count, fault);
	for (uint32_t i = 0; i < batch->count && !error; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		uint32_t id = 0;
		if (packet->verdict != WEIR_KEEP)
			continue;
		error = number_of(writer, packet->interface_id, &id, fault);
		if (!error)
			error = pcapng_write_packet(writer, batch->interfaces[packet->interface_id], packet, id, BIG, fault);
		writer->packets++;
	}
	return error;
}

static void merge_close(struct writer *writer)
{
	for (uint32_t i = 0; i < writer->pcapng.merged_count; i++)
		free(writer->pcapng.merged[i].block);
	free(writer->pcapng.merged);
	free(writer->pcapng.buckets);
	free(writer->pcapng.map);
}

const struct writer_format pcapng_merger = {
	.batch = merge_batch,
	.finish = begin,
	.close = merge_close,
};
