#include "archive/query_heap.h"

#include <stdlib.h>

/* The next packet of a whole chunk. False at its end. */
static inline bool walk(struct load *load)
{
	int found = chunk_walk_next(&load->loaded.walk, &load->packet);

	load->time_ns = load->packet.time_ns;
	load->broken = found == WEIR_E_FORMAT;
	return found == 1;
}

bool load_begin(struct load *load)
{
	if (load->loaded.whole)
		return walk(load);
	if (!load->loaded.count)
		return false;
	load->time_ns = load->loaded.items[0].time_ns;
	return true;
}

bool load_next(struct load *load)
{
	if (load->loaded.whole)
		return walk(load);
	if (++load->at == load->loaded.count)
		return false;
	load->time_ns = load->loaded.items[load->at].time_ns;
	return true;
}

void load_show(const struct load *load, struct weir_packet *packet)
{
	if (load->loaded.whole) {
		*packet = load->packet;
		return;
	}
	const struct found *item = &load->loaded.items[load->at];
	packet->time_ns = item->time_ns;
	packet->data = load->loaded.buffer->data + item->data;
	packet->captured = item->captured;
	packet->length = item->length;
	packet->interface_id = item->interface_id;
	packet->linktype = item->linktype;
	packet->flags = item->flags;
	packet->verdict = WEIR_KEEP;
	packet->block = load->loaded.buffer->data + item->block;
	packet->block_length = item->block_length;
	packet->reserved = 0;
	packet->ticks = item->ticks;
	packet->facts = NULL;
}

void load_heap_sink(struct load_heap *heap)
{
	struct load **loads = heap->loads;

	for (uint32_t at = 0;;) {
		uint32_t least = at, left = 2 * at + 1, right = left + 1;

		if (left < heap->count && load_compare(loads[left], loads[least]) < 0)
			least = left;
		if (right < heap->count && load_compare(loads[right], loads[least]) < 0)
			least = right;
		if (least == at)
			return;
		struct load *load = loads[at];
		loads[at] = loads[least];
		loads[least] = load;
		at = least;
	}
}

void load_heap_pop(struct load_heap *heap)
{
	heap->loads[0] = heap->loads[--heap->count];
	load_heap_sink(heap);
}

int load_heap_push(struct load_heap *heap, struct load *load)
{
	if (heap->count == heap->capacity) {
		uint32_t capacity = heap->capacity ? heap->capacity * 2 : 32;
		struct load **loads = realloc(heap->loads, capacity * sizeof *loads);
		if (!loads)
			return WEIR_E_MEMORY;
		heap->loads = loads;
		heap->capacity = capacity;
	}
	uint32_t at = heap->count++;
	heap->loads[at] = load;
	while (at && load_compare(heap->loads[at], heap->loads[(at - 1) / 2]) < 0) {
		struct load *above = heap->loads[(at - 1) / 2];
		heap->loads[(at - 1) / 2] = heap->loads[at];
		heap->loads[at] = above;
		at = (at - 1) / 2;
	}
	return 0;
}

const struct load *load_heap_second(const struct load_heap *heap)
{
	if (heap->count < 2)
		return NULL;
	return heap->count > 2 && load_compare(heap->loads[2], heap->loads[1]) < 0 ? heap->loads[2] : heap->loads[1];
}
