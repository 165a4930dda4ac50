#include "archive/query_heap.h"

#include <stdlib.h>

/* A packet that was found, in the buffer into which it was put. */
static void show(const struct loaded *loaded, const struct found *item, struct weir_packet *packet)
{
	*packet = (struct weir_packet){
		.time_ns = item->time_ns,
		.ticks = item->ticks,
		.data = loaded->buffer->data + item->data,
		.captured = item->captured,
		.length = item->length,
		.interface_id = item->interface_id,
		.linktype = item->linktype,
		.flags = item->flags,
		.verdict = WEIR_KEEP,
		.block = loaded->buffer->data + item->block,
		.block_length = item->block_length,
	};
}

bool load_refill(struct load *load)
{
	struct loaded *loaded = &load->loaded;

	load->at = load->ahead_count = 0;
	if (loaded->whole && !load->walked) {
		int last;
		load->ahead_count = chunk_walk_some(&loaded->walk, load->ahead, LOAD_AHEAD, &last);
		load->walked = last != 1;
		load->broken = last == WEIR_E_FORMAT;
	} else if (!loaded->whole) {
		while (load->item < loaded->count && load->ahead_count < LOAD_AHEAD)
			show(loaded, &loaded->items[load->item++], &load->ahead[load->ahead_count++]);
	}
	return load->ahead_count > 0;
}

void load_heap_sink(struct load_heap *heap)
{
	struct load **loads = heap->loads;

	for (uint32_t at = 0;;) {
		uint32_t least = at, left = 2 * at + 1, right = left + 1;

		if (left < heap->count && load_before(loads[left], loads[least]))
			least = left;
		if (right < heap->count && load_before(loads[right], loads[least]))
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
	while (at && load_before(heap->loads[at], heap->loads[(at - 1) / 2])) {
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
	return heap->count > 2 && load_before(heap->loads[2], heap->loads[1]) ? heap->loads[2] : heap->loads[1];
}
