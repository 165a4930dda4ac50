/*
 * Repairing: whatever the bytes, it ends, in time bounded by their number; packets lie within what is there; damaged ranges say where they are and why;
 * and a file that repairing finds sound gives the packets that the ordinary reader gives.
 */
#include "capture.h"

#include <weir/stage.h>

struct told {
	uint64_t ranges;
};

static void on_damage(void *context, const struct weir_damage *damage)
{
	struct told *told = context;

	HOLDS(damage->cause && damage->cause[0]);
	HOLDS(strcmp(damage->file, "fuzz") == 0);
	HOLDS(damage->from <= damage->to);
	told->ranges++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct weir_capture_options options = {.tolerant_linktype = true};
	static volatile uint64_t sum;
	struct told told = {0};
	struct weir_source *source;
	struct weir_fault fault;
	uint64_t packets = 0;

	if (size > INPUT_MAX)
		return 0;
	struct outcome plain = read_batches(data, size, &options, NULL);
	weir_fault_clear(&fault);
	int code = weir_repair_open_memory(data, size, "fuzz", NULL, on_damage, &told, &source, &fault);
	if (code) {
		check_fault(&fault, code);
		return 0;
	}
	struct weir_batch *batch = weir_batch_new();
	HOLDS(batch);
	while ((code = source->ops->fill(source, batch, &fault)) > 0) {
		HOLDS(!batch->count || batch->first_number == packets + 1);
		for (uint32_t i = 0; i < batch->count; i++) {
			const struct weir_packet *packet = &batch->packets[i];
			HOLDS(packet->interface_id < batch->interface_count);
			HOLDS(packet->block && packet->data >= packet->block);
			HOLDS(packet->data + packet->captured <= packet->block + packet->block_length);
			sum += touch(packet->block, packet->block_length);
		}
		for (uint32_t i = 0; i < batch->block_count; i++) {
			HOLDS(batch->blocks[i].before <= batch->count);
			sum += touch(batch->blocks[i].data, batch->blocks[i].length);
		}
		packets += batch->count;
		weir_batch_reset(batch);
	}
	/* Only interfaces without end and memory stop it. */
	HOLDS(code == 0 || code == WEIR_E_LIMIT || code == WEIR_E_MEMORY);
	if (plain.code == 0 && code == 0 && !told.ranges)
		HOLDS(packets == plain.packets);
	weir_batch_free(batch);
	weir_source_close(source);
	return 0;
}
