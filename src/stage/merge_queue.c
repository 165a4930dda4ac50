/* The packets of the inputs of a merge that wait for their turn: stage/merge.h. */
#include <stdlib.h>

#include "stage/merge.h"

#define HELD_FREE_MAX 64

struct merge_held *merge_held_take(struct merge_memory *memory)
{
	struct merge_held *held = memory->held;

	if (held) {
		memory->held = held->next;
		memory->held_free--;
		return held;
	}
	held = calloc(1, sizeof *held);
	if (held && !(held->batch = weir_batch_new())) {
		free(held);
		return NULL;
	}
	return held;
}

void merge_held_give_back(struct merge_memory *memory, struct merge_held *held)
{
	weir_batch_reset(held->batch);
	memory->used -= held->memory;
	held->memory = 0;
	held->stamp = 0;
	if (memory->held_free < HELD_FREE_MAX) {
		held->next = memory->held;
		memory->held = held;
		memory->held_free++;
		return;
	}
	weir_batch_free(held->batch);
	free(held);
}

void merge_memory_free(struct merge_memory *memory)
{
	while (memory->held) {
		struct merge_held *held = memory->held;
		memory->held = held->next;
		weir_batch_free(held->batch);
		free(held);
	}
	while (memory->stretches) {
		struct merge_stretch *stretch = memory->stretches;
		memory->stretches = stretch->next;
		free(stretch);
	}
	while (memory->runs) {
		struct merge_run *run = memory->runs;
		memory->runs = run->next;
		free(run);
	}
}

static struct merge_stretch *stretch_take(struct merge_memory *memory)
{
	struct merge_stretch *stretch = memory->stretches;

	if (stretch)
		memory->stretches = stretch->next;
	else
		stretch = malloc(sizeof *stretch);
	if (stretch)
		memory->used += sizeof *stretch;
	return stretch;
}

static void stretch_give_back(struct merge_memory *memory, struct merge_stretch *stretch)
{
	memory->used -= sizeof *stretch;
	stretch->next = memory->stretches;
	memory->stretches = stretch;
}

static struct merge_run *run_take(struct merge_memory *memory)
{
	struct merge_run *run = memory->runs;

	if (run)
		memory->runs = run->next;
	else
		run = malloc(sizeof *run);
	if (run)
		memory->used += sizeof *run;
	return run;
}

static void run_give_back(struct merge_memory *memory, struct merge_run *run)
{
	memory->used -= sizeof *run;
	run->next = memory->runs;
	memory->runs = run;
}

/* ---- The heap ---- */

static uint64_t sequence_of(const struct merge_run *run) { return run->first->held->first_sequence + run->first->at; }

bool merge_before(const struct merge_item *a, const struct merge_item *b)
{
	if (__builtin_expect(a->time_ns != b->time_ns, 1))
		return a->time_ns < b->time_ns;
	if (a->run->input != b->run->input)
		return a->run->input->number < b->run->input->number;
	return sequence_of(a->run) < sequence_of(b->run);
}

static void sift_down(struct merge_heap *heap)
{
	struct merge_item *items = heap->items, moved = items[0];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= heap->count)
			break;
		if (child + 1 < heap->count && merge_before(&items[child + 1], &items[child]))
			child++;
		if (!merge_before(&items[child], &moved))
			break;
		items[at] = items[child];
		at = child;
	}
	items[at] = moved;
}

static int push(struct merge_heap *heap, struct merge_run *run, int64_t time_ns)
{
	if (heap->count == heap->capacity) {
		uint32_t capacity = heap->capacity ? 2 * heap->capacity : 64;
		struct merge_item *items = realloc(heap->items, capacity * sizeof *items);
		if (!items)
			return WEIR_E_MEMORY;
		heap->items = items;
		heap->capacity = capacity;
	}
	struct merge_item item = {time_ns, run};
	uint32_t at = heap->count++;
	while (at && merge_before(&item, &heap->items[(at - 1) / 2])) {
		heap->items[at] = heap->items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->items[at] = item;
	return 0;
}

void merge_advance(struct merge_memory *memory, struct merge_heap *heap, uint32_t count)
{
	struct merge_run *run = heap->items[0].run;
	struct merge_stretch *stretch = run->first;
	struct merge_held *held = stretch->held;

	stretch->at += count;
	held->left -= count;
	if (stretch->at == stretch->end) {
		run->first = stretch->next;
		if (!run->first)
			run->last = NULL;
		stretch_give_back(memory, stretch);
	}
	if (held->left == 0)
		merge_held_give_back(memory, held);
	if (run->first) {
		heap->items[0].time_ns = run->first->held->batch->packets[run->first->at].time_ns;
		sift_down(heap);
		return;
	}
	heap->items[0] = heap->items[--heap->count];
	if (heap->count)
		sift_down(heap);
}

/* ---- The runs of an input ---- */

/* Lets go of runs in which nothing waits when they are most of all: a new one costs less than to search among so many. */
static void forget_empty(struct merge_memory *memory, struct merge_input *input)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < input->run_count; i++) {
		struct merge_run *run = input->runs[i];
		if (run->first)
			input->runs[kept++] = run;
		else
			run_give_back(memory, run);
	}
	input->run_count = kept;
}

static struct merge_run *new_run(struct merge_memory *memory, struct merge_input *input)
{
	if (input->run_count == input->run_capacity) {
		forget_empty(memory, input);
		if (input->run_count > input->run_capacity / 2 || input->run_capacity == 0) {
			uint32_t capacity = input->run_capacity ? 2 * input->run_capacity : 16;
			struct merge_run **runs = realloc(input->runs, capacity * sizeof(struct merge_run *));
			if (!runs)
				return NULL;
			input->runs = runs;
			input->run_capacity = capacity;
		}
	}
	struct merge_run *run = run_take(memory);
	if (!run)
		return NULL;
	*run = (struct merge_run){.input = input};
	input->runs[input->run_count++] = run;
	return run;
}

/* The run that ends the least before time_ns. A new one goes last: all others end after time_ns, or there are none. */
static struct merge_run *run_for(struct merge_memory *memory, struct merge_input *input, int64_t time_ns)
{
	uint32_t low = 0, high = input->run_count;

	if (high && input->runs[0]->last_ns <= time_ns)
		return input->runs[0];
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (input->runs[middle]->last_ns <= time_ns)
			high = middle;
		else
			low = middle + 1;
	}
	return low < input->run_count ? input->runs[low] : new_run(memory, input);
}

static int append(struct merge_memory *memory, struct merge_heap *heap, struct merge_run *run, struct merge_held *held, uint32_t at,
                  uint32_t end)
{
	if (run->last && run->last->held == held && run->last->end == at) {
		run->last->end = end;
	} else {
		struct merge_stretch *stretch = stretch_take(memory);
		if (!stretch)
			return WEIR_E_MEMORY;
		*stretch = (struct merge_stretch){.held = held, .at = at, .end = end};
		if (run->last) {
			run->last->next = stretch;
			run->last = stretch;
		} else {
			run->first = run->last = stretch;
			if (push(heap, run, held->batch->packets[at].time_ns) < 0) {
				run->first = run->last = NULL;
				stretch_give_back(memory, stretch);
				return WEIR_E_MEMORY;
			}
		}
	}
	held->left += end - at;
	run->last_ns = held->batch->packets[end - 1].time_ns;
	return 0;
}

int merge_queue(struct merge_memory *memory, struct merge_heap *heap, struct merge_held *held)
{
	const struct weir_packet *packets = held->batch->packets;
	uint32_t count = held->batch->count;

	for (uint32_t at = 0; at < count;) {
		if (packets[at].verdict != WEIR_KEEP) {
			at++;
			continue;
		}
		struct merge_run *run = run_for(memory, held->input, packets[at].time_ns);
		if (!run)
			return WEIR_E_MEMORY;
		/* As far as the times ascend; but in a run behind others only while that is still the one to take. */
		bool first = run == held->input->runs[0];
		uint32_t end = at + 1;
		while (first && end < count && packets[end].verdict == WEIR_KEEP && packets[end].time_ns >= packets[end - 1].time_ns)
			end++;
		int error = append(memory, heap, run, held, at, end);
		if (error)
			return error;
		at = end;
	}
	return 0;
}

void merge_input_clear(struct merge_memory *memory, struct merge_input *input)
{
	for (uint32_t i = 0; i < input->run_count; i++) {
		struct merge_run *run = input->runs[i];
		while (run->first) {
			struct merge_stretch *stretch = run->first;
			run->first = stretch->next;
			stretch->held->left -= stretch->end - stretch->at;
			if (stretch->held->left == 0)
				merge_held_give_back(memory, stretch->held);
			stretch_give_back(memory, stretch);
		}
		run_give_back(memory, run);
	}
	free(input->runs);
	input->runs = NULL;
	input->run_count = input->run_capacity = 0;
}
