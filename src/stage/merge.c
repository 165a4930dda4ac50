/*
 * Merging: the packets of many inputs in time order, in bounded memory: weir/stage.h.
 *
 * What has been read of the inputs waits in runs (merge.h). The first packet of all may go when no input can still give an earlier one: when
 * each has been read beyond its time by as much as packets may be late. Until then the input that was read the least is read on.
 */
#include <stdlib.h>

#include "file/buffer.h"
#include "file/option.h"
#include "stage/clock.h"
#include "stage/merge.h"

#define REORDER_DEFAULT INT64_C(1000000000)
#define MEMORY_DEFAULT (UINT64_C(256) << 20)
#define OPEN_ALL_MOST 64u /* so many files are opened at once and stay open, whatever their times */
#define WINDOW_MOST ((uint32_t)256 << 10)
#define WINDOW_LEAST ((uint32_t)16 << 10)
#define COPY_BYTES ((size_t)1 << 20)

struct merge {
	struct weir_source source;
	struct merge_input *inputs;
	uint32_t input_count;
	struct merge_input **open;    /* those that may give more */
	uint32_t open_count;
	struct merge_input **waiting; /* files that are not open yet, by first_ns, from waiting_first on */
	uint32_t waiting_count, waiting_first;
	struct merge_memory memory;
	struct merge_heap heap;
	struct merge_interfaces interfaces;
	struct buffer_pool *pool;     /* what is copied goes into these */
	struct weir_buffer *copies;   /* the one in hand */
	size_t copied;
	uint64_t batches;
	int64_t reorder_ns;
	uint64_t memory_most;
	uint32_t window_bytes;
	const struct weir_identities *identities;
	int64_t emitted_ns;           /* the latest time that has gone out */
	struct weir_fault damage;     /* of an input: told at the end */
	struct weir_merge_statistics statistics;
	bool delivered;
};

static int no_memory(struct weir_fault *fault) { return weir_fail(fault, WEIR_E_MEMORY, "no memory to merge packets"); }

static bool is_of_data(int error)
{
	return error == WEIR_E_FORMAT || error == WEIR_E_TRUNCATED || error == WEIR_E_CORRUPT || error == WEIR_E_UNSUPPORTED ||
	       error == WEIR_E_LIMIT;
}

/* ---- Reading ---- */

static int open_input(struct merge *merge, struct merge_input *input, struct weir_fault *fault)
{
	struct weir_capture_options options = {.window_bytes = merge->window_bytes, .identities = merge->identities};

	return weir_capture_open(input->path, &options, &input->source, fault);
}

static void close_input(struct merge_input *input)
{
	weir_source_close(input->source);
	input->source = NULL;
	input->last_buffer = NULL;
}

/* The input gives no more. Files are closed; sources that were given may own what waits, and are closed with the merge. */
static void end_input(struct merge *merge, struct merge_input *input)
{
	if (input->path)
		close_input(input);
	for (uint32_t i = 0; i < merge->open_count; i++)
		if (merge->open[i] == input) {
			merge->open[i] = merge->open[--merge->open_count];
			break;
		}
}

static void set_open(struct merge *merge, struct merge_input *input)
{
	merge->open[merge->open_count++] = input;
	if (merge->open_count > merge->statistics.open_most)
		merge->statistics.open_most = merge->open_count;
}

static void correct(struct merge_input *input, struct weir_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		batch->packets[i].time_ns = clock_correct(&input->clock, &input->piece, batch->packets[i].time_ns);
}

static void account(struct merge *merge, struct merge_held *held)
{
	struct merge_input *input = held->input;
	const struct weir_batch *batch = held->batch;

	held->memory = sizeof *batch + sizeof *held;
	for (uint32_t i = 0; i < batch->buffer_count; i++) {
		if (batch->buffers[i] != input->last_buffer)
			held->memory += batch->buffers[i]->size;
		input->last_buffer = batch->buffers[i];
	}
	merge->memory.used += held->memory;
	if (merge->memory.used > merge->statistics.memory_bytes)
		merge->statistics.memory_bytes = merge->memory.used;
}

/* Puts a batch that was read among what waits. */
static int take(struct merge *merge, struct merge_held *held, struct weir_fault *fault)
{
	struct merge_input *input = held->input;
	struct weir_batch *batch = held->batch;

	if (merge_interfaces_enter(&merge->interfaces, input, batch->interfaces, batch->interface_count) < 0)
		return no_memory(fault);
	if (input->clock.count)
		correct(input, batch);
	for (uint32_t i = 0; i < batch->count; i++) {
		int64_t time_ns = batch->packets[i].time_ns;
		merge->statistics.late += time_ns < merge->emitted_ns;
		if (time_ns > input->high_ns)
			input->high_ns = time_ns;
	}
	account(merge, held);
	held->first_sequence = input->sequence;
	held->left = 1; /* so that it stays while it is being queued */
	held->lying = 0;
	input->sequence += batch->count;
	input->source_bytes = batch->source_bytes;
	int error = merge_queue(&merge->memory, &merge->heap, held);
	if (--held->left == 0)
		merge_held_give_back(&merge->memory, held);
	return error ? no_memory(fault) : 0;
}

/* Reads the next batch of an input. 0, also when there was none and the input is at its end, or an error that ends the merge. */
static int read_on(struct merge *merge, struct merge_input *input, struct weir_fault *fault)
{
	struct weir_fault found;
	struct merge_held *held = merge_held_take(&merge->memory);

	if (!held)
		return no_memory(fault);
	held->input = input;
	weir_fault_clear(&found);
	int result = input->source->ops->fill(input->source, held->batch, &found);
	if (result > 0)
		return take(merge, held, fault);
	merge_held_give_back(&merge->memory, held);
	if (result < 0 && !is_of_data(result)) {
		if (fault)
			*fault = found;
		return result;
	}
	if (result < 0 && !merge->damage.code)
		merge->damage = found;
	end_input(merge, input);
	return 0;
}

static int64_t before(int64_t time_ns, int64_t by)
{
	int64_t result;
	return __builtin_sub_overflow(time_ns, by, &result) ? INT64_MIN : result;
}

/*
 * The time before which no input gives anything more. Also the input which is to be read on so that this changes: of those that are not open
 * it may be the first; NULL: none is left.
 */
static int64_t bound_of(const struct merge *merge, struct merge_input **next)
{
	/* With no room left the inputs have to be taken as sorted. */
	int64_t late = merge->memory.used < merge->memory_most ? merge->reorder_ns : 0;
	int64_t least = INT64_MAX;

	*next = NULL;
	for (uint32_t i = 0; i < merge->open_count; i++)
		if (!*next || merge->open[i]->high_ns < least) {
			*next = merge->open[i];
			least = merge->open[i]->high_ns;
		}
	if (merge->waiting_first < merge->waiting_count) {
		struct merge_input *first = merge->waiting[merge->waiting_first];
		if (!*next || first->first_ns <= least) {
			*next = first;
			least = first->first_ns;
		}
	}
	return *next ? before(least, late) : INT64_MAX;
}

static int open_waiting(struct merge *merge, struct weir_fault *fault)
{
	struct merge_input *input = merge->waiting[merge->waiting_first++];
	int error = open_input(merge, input, fault);

	if (error)
		return error;
	input->high_ns = INT64_MIN;
	set_open(merge, input);
	return read_on(merge, input, fault);
}

/* Reads on until the first packet of all is certain. *bound: those before it may go. 1; 0 at the end; or an error. */
static int see_to_next(struct merge *merge, int64_t *bound, struct weir_fault *fault)
{
	for (;;) {
		struct merge_input *next;

		*bound = bound_of(merge, &next);
		if (merge->heap.count && (!next || merge->heap.items[0].time_ns < *bound))
			return 1;
		if (!next)
			return 0;
		int error = next->source ? read_on(merge, next, fault) : open_waiting(merge, fault);
		if (error)
			return error;
	}
}

/* ---- Giving out ---- */

/* The buffer of its batch that a packet lies in; -1: none. */
static int lies_in(struct merge_held *held, const uint8_t *data)
{
	const struct weir_batch *batch = held->batch;
	uint32_t at = held->lying;

	for (uint32_t i = 0; i < batch->buffer_count; i++) {
		const struct weir_buffer *buffer = batch->buffers[at];
		if (data >= buffer->data && data < buffer->data + buffer->size) {
			held->lying = at;
			return (int)at;
		}
		at = at + 1 < batch->buffer_count ? at + 1 : 0;
	}
	return -1;
}

/* Room for a copy that lives as long as the batch. *out NULL: the batch can hold no more. 0 or an error. */
static int room(struct merge *merge, struct weir_batch *batch, size_t length, uint8_t **out, struct weir_fault *fault)
{
	*out = NULL;
	if (!merge->copies || merge->copies->size - merge->copied < length) {
		if (batch->buffer_count == WEIR_BATCH_BUFFERS)
			return 0;
		if (merge->copies)
			weir_buffer_drop(merge->copies);
		merge->copied = 0;
		merge->copies = buffer_take(merge->pool, length > COPY_BYTES ? length : COPY_BYTES);
		if (!merge->copies)
			return no_memory(fault);
	}
	if (weir_batch_hold(batch, merge->copies) < 0)
		return 0;
	*out = merge->copies->data + merge->copied;
	merge->copied += length;
	return 0;
}

/* Whether the record of a packet has options: then its time is mended in place, and they stay. */
static bool has_options(const struct weir_packet *packet, const struct weir_interface *interface)
{
	if (!packet->block || (packet->flags & WEIR_PACKET_PCAP_RECORD) || packet->block_length < PCAPNG_EPB_BYTES)
		return false;
	uint32_t type = weir_load32(packet->block, interface->big_endian);
	return (type == PCAPNG_EPB || type == PCAPNG_PB) &&
	       pcapng_packet_options(packet->block, packet->block_length, interface->big_endian).length > 0;
}

/* A packet whose time is another than its record's. */
static int put_corrected(struct merge *merge, struct weir_batch *batch, struct weir_packet *packet,
                         const struct weir_interface *interface, struct weir_fault *fault)
{
	bool options = has_options(packet, interface);
	const uint8_t *from = options ? packet->block : packet->data;
	size_t length = options ? packet->block_length : packet->captured;
	uint8_t *copy;

	int error = room(merge, batch, length, &copy, fault);
	if (error || !copy)
		return error;
	if (length)
		memcpy(copy, from, length);
	packet->data = copy + (packet->data - from);
	packet->ticks = weir_interface_ticks(interface, packet->time_ns);
	packet->flags &= (uint8_t)~WEIR_PACKET_PCAP_RECORD;
	packet->block = options ? copy : NULL;
	packet->block_length = options ? packet->block_length : 0;
	if (options) {
		weir_store32(copy + 12, (uint32_t)(packet->ticks >> 32), interface->big_endian);
		weir_store32(copy + 16, (uint32_t)packet->ticks, interface->big_endian);
	}
	return 1;
}

/* Copies a packet with its record. */
static int put_copy(struct merge *merge, struct weir_batch *batch, struct weir_packet *packet, struct weir_fault *fault)
{
	const uint8_t *from = packet->block ? packet->block : packet->data;
	size_t length = packet->block ? packet->block_length : packet->captured;
	uint8_t *copy;

	int error = room(merge, batch, length, &copy, fault);
	if (error || !copy)
		return error;
	if (length)
		memcpy(copy, from, length);
	packet->data = copy + (packet->data - from);
	if (packet->block)
		packet->block = copy;
	return 1;
}

/* Puts one packet into the batch. 1; 0: the batch can hold no more buffers; or an error. */
static inline int put(struct merge *merge, struct weir_batch *batch, struct merge_held *held, uint32_t at, bool copy,
                      struct weir_fault *fault)
{
	struct weir_packet *packet = &batch->packets[batch->count];
	const struct merge_input *input = held->input;

	*packet = held->batch->packets[at];
	packet->interface_id = input->interfaces[packet->interface_id];
	packet->facts = NULL;
	if (input->clock.count)
		return put_corrected(merge, batch, packet, merge->interfaces.list[packet->interface_id], fault);
	int lies = copy ? -1 : lies_in(held, packet->data);
	if (lies < 0)
		return put_copy(merge, batch, packet, fault);
	if (held->stamp != merge->batches) {
		held->stamp = merge->batches;
		held->known = 0;
	}
	if (held->known >> lies & 1)
		return 1;
	if (weir_batch_hold(batch, held->batch->buffers[lies]) < 0)
		return 0;
	held->known |= 1u << lies;
	return 1;
}

/* Gives out of the first run what goes before all others. 1: there may be more; 0: the batch is full; or an error. */
static int put_run(struct merge *merge, struct weir_batch *batch, int64_t bound, bool copy, struct weir_fault *fault)
{
	struct merge_stretch *stretch = merge->heap.items[0].run->first;
	struct merge_held *held = stretch->held;
	int64_t limit = bound;
	uint32_t at = stretch->at;
	int result;

	for (uint32_t i = 1; i < 3 && i < merge->heap.count; i++)
		if (merge->heap.items[i].time_ns < limit)
			limit = merge->heap.items[i].time_ns;
	/* The first one in any case: equal times were decided by the heap. */
	do {
		result = put(merge, batch, held, at, copy, fault);
		if (result <= 0)
			break;
		batch->count++;
		at++;
	} while (at < stretch->end && batch->count < WEIR_BATCH_PACKETS && held->batch->packets[at].time_ns < limit);
	uint32_t count = at - stretch->at;
	if (count) {
		int64_t last_ns = held->batch->packets[at - 1].time_ns;
		if (last_ns > merge->emitted_ns)
			merge->emitted_ns = last_ns;
		merge->statistics.packets += count;
		merge_advance(&merge->memory, &merge->heap, count);
	}
	return result < 0 ? result : result > 0 && batch->count < WEIR_BATCH_PACKETS;
}

static int fill(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	struct merge *merge = (struct merge *)source;
	int64_t bound;
	int result;

	merge->batches++;
	batch->first_number = merge->statistics.packets + 1;
	while ((result = see_to_next(merge, &bound, fault)) == 1) {
		/* A batch holds few buffers: packets of more inputs than one lie in too many. */
		bool copy = merge->heap.count > 1 && merge->open_count > 1;
		do
			result = put_run(merge, batch, bound, copy, fault);
		while (result == 1 && merge->heap.count && merge->heap.items[0].time_ns < bound);
		if (result <= 0)
			break;
	}
	batch->interfaces = merge->interfaces.list;
	batch->interface_count = merge->interfaces.count;
	for (uint32_t i = 0; i < merge->input_count; i++)
		batch->source_bytes += merge->inputs[i].source_bytes;
	if (result < 0)
		return result;
	if (batch->count || !merge->delivered) {
		merge->delivered = true;
		return 1;
	}
	if (!merge->damage.code)
		return 0;
	if (fault)
		*fault = merge->damage;
	return merge->damage.code;
}

static void close_merge(struct weir_source *source)
{
	struct merge *merge = (struct merge *)source;

	for (uint32_t i = 0; i < merge->input_count; i++) {
		struct merge_input *input = &merge->inputs[i];
		merge_input_clear(&merge->memory, input);
		close_input(input);
		free(input->interfaces);
		free(input->path);
		free(input->name);
	}
	if (merge->copies)
		weir_buffer_drop(merge->copies);
	buffer_pool_free(merge->pool);
	merge_memory_free(&merge->memory);
	merge_interfaces_free(&merge->interfaces);
	free(merge->heap.items);
	free(merge->inputs);
	free(merge->open);
	free(merge->waiting);
	free(merge);
}

static const struct weir_source_ops merge_ops = {
	.name = "merge",
	.fill = fill,
	.close = close_merge,
};

/* ---- Opening ---- */

/* Learns the time of a file's first batch. It stays open when it is one of few, or has no packets; otherwise it is opened again later. */
static int look_at(struct merge *merge, struct merge_input *input, struct weir_fault *fault)
{
	struct weir_batch *batch = weir_batch_new();
	int result = batch ? open_input(merge, input, fault) : no_memory(fault);

	input->first_ns = INT64_MAX;
	if (result == 0) {
		while ((result = input->source->ops->fill(input->source, batch, fault)) > 0 && batch->count == 0)
			weir_batch_reset(batch);
		if (result > 0 && input->clock.count)
			correct(input, batch);
		if (input->clock.count)
			clock_piece_begin(&input->clock, &input->piece);
		for (uint32_t i = 0; result > 0 && i < batch->count; i++)
			if (batch->packets[i].time_ns < input->first_ns)
				input->first_ns = batch->packets[i].time_ns;
		close_input(input);
		/* What is wrong with it is found again, in its turn. */
		result = result < 0 && !is_of_data(result) ? result : 0;
	}
	weir_batch_free(batch);
	return result;
}

static int by_first(const void *a, const void *b)
{
	const struct merge_input *x = *(struct merge_input *const *)a, *y = *(struct merge_input *const *)b;

	if (x->first_ns != y->first_ns)
		return x->first_ns < y->first_ns ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

static int add_inputs(struct merge *merge, const struct weir_merge_input *inputs, size_t count, struct weir_fault *fault)
{
	size_t files = 0;

	for (size_t i = 0; i < count; i++) {
		struct merge_input *input = &merge->inputs[i];
		*input = (struct merge_input){.number = (uint32_t)i, .source = inputs[i].source, .clock = inputs[i].clock,
		                              .high_ns = INT64_MIN};
		merge->input_count++;
		if (input->clock.count)
			clock_piece_begin(&input->clock, &input->piece);
		files += !input->source;
		if (!input->source)
			input->path = strdup(inputs[i].path);
		input->name = inputs[i].name ? strdup(inputs[i].name) : NULL;
		if ((!input->source && !input->path) || (inputs[i].name && !input->name)) {
			/* The sources that were not reached are ours too. */
			while (++i < count)
				weir_source_close(inputs[i].source);
			return no_memory(fault);
		}
	}
	for (size_t i = 0; i < count; i++) {
		struct merge_input *input = &merge->inputs[i];
		int error = 0;
		if (!input->path || files <= OPEN_ALL_MOST) {
			if (input->path)
				error = open_input(merge, input, fault);
			if (!error)
				set_open(merge, input);
		} else {
			error = look_at(merge, input, fault);
			merge->waiting[merge->waiting_count++] = input;
		}
		if (error)
			return error;
	}
	qsort(merge->waiting, merge->waiting_count, sizeof *merge->waiting, by_first);
	return 0;
}

int weir_merge_open(const struct weir_merge_input *inputs, size_t count, const struct weir_merge_options *options,
                    struct weir_source **source, struct weir_fault *fault)
{
	static const struct weir_merge_options none;
	struct merge *merge = calloc(1, sizeof *merge);

	options = options ? options : &none;
	if (merge) {
		merge->inputs = calloc(count ? count : 1, sizeof *merge->inputs);
		merge->open = calloc(count ? count : 1, sizeof(struct merge_input *));
		merge->waiting = calloc(count ? count : 1, sizeof(struct merge_input *));
		merge->pool = buffer_pool_new(COPY_BYTES);
	}
	if (!merge || !merge->inputs || !merge->open || !merge->waiting || !merge->pool) {
		for (size_t i = 0; i < count; i++)
			weir_source_close(inputs[i].source);
		if (merge)
			close_merge(&merge->source);
		return no_memory(fault);
	}
	merge->source.ops = &merge_ops;
	merge->reorder_ns = options->reorder_ns < 0 ? 0 : options->reorder_ns ? options->reorder_ns : REORDER_DEFAULT;
	merge->memory_most = options->memory_bytes ? options->memory_bytes : MEMORY_DEFAULT;
	merge->emitted_ns = INT64_MIN;
	/* A batch lies in up to WEIR_BATCH_BUFFERS windows, and each input that overlaps with others has one. */
	uint64_t window = merge->memory_most / (2 * WEIR_BATCH_BUFFERS) / (count ? count : 1);
	merge->window_bytes = window > WINDOW_MOST ? WINDOW_MOST : window < WINDOW_LEAST ? WINDOW_LEAST : (uint32_t)window;
	merge->identities = options->identities;
	int error = add_inputs(merge, inputs, count, fault);
	if (error) {
		close_merge(&merge->source);
		return error;
	}
	*source = &merge->source;
	return 0;
}

void weir_merge_statistics(const struct weir_source *source, struct weir_merge_statistics *statistics)
{
	*statistics = ((const struct merge *)source)->statistics;
}
