/* Batches of packets: weir/packet.h. */
#include <stdlib.h>
#include <string.h>

#include <weir/decode.h>
#include <weir/packet.h>

#include "core/arena.h"

struct weir_batch *weir_batch_new(void)
{
	/* Aligned so that a packet is one cache line. */
	size_t size = (sizeof(struct weir_batch) + 63) & ~(size_t)63;
	struct weir_batch *batch = aligned_alloc(64, size);

	if (!batch)
		return NULL;
	batch->arena = arena_new(0);
	if (!batch->arena) {
		free(batch);
		return NULL;
	}
	batch->facts = NULL;
	batch->items = NULL;
	batch->buffer_count = 0;
	weir_batch_reset(batch);
	return batch;
}

void weir_batch_free(struct weir_batch *batch)
{
	if (!batch)
		return;
	weir_batch_reset(batch);
	arena_free(batch->arena);
	free(batch->items);
	free(batch->facts);
	free(batch);
}

void weir_batch_reset(struct weir_batch *batch)
{
	for (uint32_t i = 0; i < batch->buffer_count; i++)
		weir_buffer_drop(batch->buffers[i]);
	batch->buffer_count = 0;
	batch->count = 0;
	batch->block_count = 0;
	batch->interface_count = 0;
	batch->interfaces = NULL;
	batch->first_number = 0;
	batch->source_bytes = 0;
	batch->added = NULL;
	batch->added_count = batch->added_room = 0;
	arena_reset(batch->arena);
}

uint32_t weir_batch_add_options(struct weir_batch *batch, struct weir_bytes options)
{
	if (batch->added_count == batch->added_room) {
		uint32_t room = batch->added_room ? 4 * batch->added_room : 16;
		struct weir_bytes *more = arena_take(batch->arena, room * sizeof *more);
		if (!more)
			return 0;
		if (batch->added_count)
			memcpy(more, batch->added, batch->added_count * sizeof *more);
		batch->added = more;
		batch->added_room = room;
	}
	batch->added[batch->added_count] = options;
	return ++batch->added_count;
}

int weir_batch_hold(struct weir_batch *batch, struct weir_buffer *buffer)
{
	for (uint32_t i = 0; i < batch->buffer_count; i++)
		if (batch->buffers[i] == buffer)
			return 0;
	if (batch->buffer_count == WEIR_BATCH_BUFFERS)
		return WEIR_E_LIMIT;
	weir_buffer_hold(buffer);
	batch->buffers[batch->buffer_count++] = buffer;
	return 0;
}
