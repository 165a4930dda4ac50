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

/* The number in the file of the source's interface. */
static int number_of(struct writer *writer, uint32_t source, uint32_t *id, struct weir_fault *fault)
{
	const struct weir_interface *interface = writer->interfaces[source];

	if (source < writer->pcapng.map_length && writer->pcapng.mapped[source] == interface) {
		*id = writer->pcapng.map[source];
		return 0;
	}
	if (source >= writer->pcapng.map_length) {
		uint32_t length = writer->interface_count;
		uint32_t *map = realloc(writer->pcapng.map, length * sizeof *map);
		if (map)
			writer->pcapng.map = map;
		const struct weir_interface **mapped = realloc((void *)writer->pcapng.mapped, length * sizeof *mapped);
		if (mapped)
			writer->pcapng.mapped = mapped;
		if (!map || !mapped)
			return no_memory(fault);
		for (uint32_t i = writer->pcapng.map_length; i < length; i++)
			mapped[i] = NULL;
		writer->pcapng.map_length = length;
	}
	int error = begin(writer, fault);
	if (!error)
		error = gather(writer, interface, id, fault);
	if (error)
		return error;
	writer->pcapng.map[source] = *id;
	writer->pcapng.mapped[source] = interface;
	return 0;
}

static int merge_batch(struct writer *writer, const struct weir_batch *batch, struct weir_fault *fault)
{
	for (uint32_t i = 0; i < batch->block_count; i++) {
		uint32_t type = batch->blocks[i].type;
		writer->losses.blocks += type != PCAPNG_SHB && type != PCAPNG_IDB;
	}
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		uint32_t id = 0;
		if (packet->verdict != WEIR_KEEP)
			continue;
		int error = number_of(writer, packet->interface_id, &id, fault);
		if (!error)
			error = pcapng_write_packet(writer, batch->interfaces[packet->interface_id], packet, id, BIG, fault);
		if (error)
			return error;
		writer->packets++;
	}
	return 0;
}

static void merge_close(struct writer *writer)
{
	for (uint32_t i = 0; i < writer->pcapng.merged_count; i++)
		free(writer->pcapng.merged[i].block);
	free(writer->pcapng.merged);
	free(writer->pcapng.buckets);
	free(writer->pcapng.map);
	free((void *)writer->pcapng.mapped);
}

const struct writer_format pcapng_merger = {
	.batch = merge_batch,
	.finish = begin,
	.close = merge_close,
};
