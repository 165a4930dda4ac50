#include "archive/query_merge.h"

#include <stdlib.h>
#include <string.h>

#define COPY_BYTES (UINT64_C(1) << 20)
/* With more chunks than this under way batches get packets copied: they can hold WEIR_BATCH_BUFFERS buffers only. */
#define MERGE_WITHOUT_COPY 6

/* Copies the packet's block into memory that the batch holds. */
static int copy_packet(struct query_merge *merge, struct weir_batch *batch, struct weir_packet *packet)
{
	if (!merge->copies || merge->copies->size - merge->copied < packet->block_length) {
		if (merge->copies)
			weir_buffer_drop(merge->copies);
		merge->copied = 0;
		merge->copies = buffer_take(merge->pool, packet->block_length > COPY_BYTES ? packet->block_length : COPY_BYTES);
		if (!merge->copies)
			return WEIR_E_MEMORY;
	}
	int code = weir_batch_hold(batch, merge->copies);
	if (code < 0)
		return code;
	uint8_t *copy = merge->copies->data + merge->copied;
	memcpy(copy, packet->block, packet->block_length);
	merge->copied += packet->block_length;
	packet->data = copy + (packet->data - packet->block);
	packet->block = copy;
	return 0;
}

/* Lets go of the chunk on top of the heap when all of it is out; else puts it where it belongs now. */
static void pass_top(struct query_merge *merge, bool more)
{
	struct load *load = merge->heap.loads[0];

	if (more) {
		load_heap_sink(&merge->heap);
		return;
	}
	load_heap_pop(&merge->heap);
	merge->let_go(merge->context, load);
}

/* How many of the packets that are ahead of load go out in a row: those up to last_ns, and no more than most. */
static uint32_t run_of(const struct load *load, int64_t last_ns, uint32_t most)
{
	uint32_t left = load->ahead_count - load->at, count = 0;

	if (most > left)
		most = left;
	while (count < most && load->ahead[load->at + count].time_ns <= last_ns)
		count++;
	return count;
}

/* The first chunk of the heap gives its packets as long as they are before the next chunk's, and up to last_ns. */
static int put_run(struct query_merge *merge, struct weir_batch *batch, uint32_t most, int64_t last_ns)
{
	struct load *load = merge->heap.loads[0];
	bool copy = merge->heap.count > MERGE_WITHOUT_COPY, more = true;
	const struct load *second = load_heap_second(&merge->heap);
	int code = copy ? 0 : weir_batch_hold(batch, load->loaded.buffer);

	if (second) {
		/* It is on top, so that what is before this is not before all times. */
		int64_t before_ns = load_packet(second)->time_ns - !load_precedes(load, second);
		if (before_ns < last_ns)
			last_ns = before_ns;
	}
	while (code == 0 && more && batch->count < most) {
		uint32_t count = run_of(load, last_ns, copy ? 1 : most - batch->count);
		if (!count)
			break;
		memcpy(&batch->packets[batch->count], load_packet(load), count * sizeof *batch->packets);
		if (copy)
			code = copy_packet(merge, batch, &batch->packets[batch->count]);
		if (code == 0) {
			batch->count += count;
			more = load_pass(load, count);
		}
	}
	pass_top(merge, more);
	return code;
}

/* Takes the second (or the first) of two chunks, of which all is out, from the heap. */
static void drop_of_two(struct query_merge *merge, bool second)
{
	struct load *load = merge->heap.loads[second];

	merge->heap.loads[0] = merge->heap.loads[!second];
	merge->heap.count = 1;
	merge->let_go(merge->context, load);
}

/*
 * Merges `count` packets of those from a and from b on, as many of each as there are at least, up to last_ns. How many; *of_b of them are from b. Which is next
 * is computed and not branched on.
 */
static uint32_t merge_ahead(const struct weir_packet *a, const struct weir_packet *b, bool b_precedes, int64_t last_ns,
                            struct weir_packet *out, uint32_t count, uint32_t *of_b)
{
	const struct weir_packet *b_begin = b;
	uint32_t done = 0;

	for (; done < count; done++) {
		bool is_b = (b->time_ns < a->time_ns) | ((b->time_ns == a->time_ns) & b_precedes);
		const struct weir_packet *next = is_b ? b : a;

		if (next->time_ns > last_ns)
			break;
		out[done] = *next;
		a += !is_b;
		b += is_b;
	}
	*of_b = (uint32_t)(b - b_begin);
	return done;
}

/*
 * As put_run, of two chunks, until one of them is out: two busy vantages take turns at nearly each packet, so that a run ends before it has paid for itself, and
 * no processor foretells which is next. Chosen without a branch: 4 ns a packet, where runs took 13.
 */
static int put_two(struct query_merge *merge, struct weir_batch *batch, uint32_t most, int64_t last_ns)
{
	struct load *a = merge->heap.loads[0], *b = merge->heap.loads[1];
	bool b_precedes = load_precedes(b, a);
	int code = weir_batch_hold(batch, a->loaded.buffer);

	if (code == 0)
		code = weir_batch_hold(batch, b->loaded.buffer);
	while (code == 0 && batch->count < most) {
		/* So many can go out, whichever they come from, without a look at what is ahead. */
		uint32_t a_left = a->ahead_count - a->at, b_left = b->ahead_count - b->at, room = most - batch->count;
		uint32_t sure = a_left < b_left ? a_left : b_left, count = sure < room ? sure : room;
		uint32_t of_b = 0, done = merge_ahead(load_packet(a), load_packet(b), b_precedes, last_ns,
		                                      &batch->packets[batch->count], count, &of_b);

		batch->count += done;
		bool a_more = load_pass(a, done - of_b), b_more = load_pass(b, of_b);
		if (!a_more || !b_more) {
			drop_of_two(merge, a_more);
			return 0;
		}
		if (done < count)
			break;
	}
	load_heap_sink(&merge->heap);
	return code;
}

int query_merge_put(struct query_merge *merge, struct weir_batch *batch, uint32_t most, int64_t bound)
{
	bool last = bound == INT64_MAX;
	int code = 0;

	while (code == 0 && batch->count < most && merge->heap.count) {
		if (!last && load_packet(merge->heap.loads[0])->time_ns >= bound)
			break;
		int64_t last_ns = last ? INT64_MAX : bound - 1;
		code = merge->heap.count == 2 ? put_two(merge, batch, most, last_ns) : put_run(merge, batch, most, last_ns);
	}
	return code;
}

void query_merge_free(struct query_merge *merge)
{
	if (merge->copies)
		weir_buffer_drop(merge->copies);
	free(merge->heap.loads);
}
