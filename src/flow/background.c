/*
 * A sink of flow records on a thread of its own: weir_flow_background.
 *
 * Records are copied into blocks, and whole blocks go to the thread, which gives them to the sink behind it in their order. There are so many blocks that the flow
 * stage goes on while a row group of Parquet (a tenth of a second) is written. The block that was freed last is taken first: where the sink keeps up, a few
 * of them stay in the cache and the rest is never touched.
 */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "flow/value.h"

#define BLOCK_ROWS 512u
#define BLOCK_TEXT (64u << 10) /* to begin with; a record whose strings are longer makes it grow */
#define BLOCKS 32u
#define STRINGS_MOST 16u /* columns that are views on strings */

struct block {
	struct weir_flow *flows;
	uint8_t *text;
	size_t text_size, text_used;
	uint32_t count;
};

struct background {
	struct weir_flow_sink sink;
	struct weir_flow_sink *behind;
	uint16_t strings[STRINGS_MOST]; /* where in a record the views on strings are */
	size_t string_count;
	struct block blocks[BLOCKS];
	struct block *current; /* that the caller fills; NULL: none yet */
	pthread_t thread;
	pthread_mutex_t lock; /* over all that is below */
	pthread_cond_t changed;
	struct block *unused[BLOCKS], *waiting[BLOCKS]; /* a stack, a ring */
	uint32_t unused_count, waiting_first, waiting_count;
	bool busy, over; /* the thread is writing; nothing more comes */
	int error;       /* of the sink behind: it gets nothing after that */
	struct weir_fault fault;
};

/* ---- the thread ---- */

static void *write_blocks(void *argument)
{
	struct background *b = argument;
	struct weir_fault fault;

	pthread_mutex_lock(&b->lock);
	for (;;) {
		while (!b->waiting_count && !b->over)
			pthread_cond_wait(&b->changed, &b->lock);
		if (!b->waiting_count)
			break;
		struct block *block = b->waiting[b->waiting_first];
		b->waiting_first = (b->waiting_first + 1) % BLOCKS;
		b->waiting_count--;
		b->busy = true;
		bool failed = b->error != 0;
		pthread_mutex_unlock(&b->lock);
		weir_fault_clear(&fault);
		int error = failed ? 0 : b->behind->ops->write(b->behind, block->flows, block->count, &fault);
		pthread_mutex_lock(&b->lock);
		b->busy = false;
		if (error) {
			b->error = error;
			b->fault = fault;
		}
		b->unused[b->unused_count++] = block;
		pthread_cond_broadcast(&b->changed);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

/* ---- the caller ---- */

/* What the sink behind had to say. Called with the lock. */
static int tell(const struct background *b, struct weir_fault *fault)
{
	if (b->error && fault)
		*fault = b->fault;
	return b->error;
}

static void hand_over(struct background *b)
{
	b->waiting[(b->waiting_first + b->waiting_count++) % BLOCKS] = b->current;
	b->current = NULL;
	pthread_cond_broadcast(&b->changed);
}

/* Hands the current block over, if there is one, and waits for an empty one. */
static int next_block(struct background *b, struct weir_fault *fault)
{
	pthread_mutex_lock(&b->lock);
	if (b->current)
		hand_over(b);
	while (!b->unused_count)
		pthread_cond_wait(&b->changed, &b->lock);
	b->current = b->unused[--b->unused_count];
	int error = tell(b, fault);
	pthread_mutex_unlock(&b->lock);
	b->current->count = 0;
	b->current->text_used = 0;
	return error;
}

static inline const struct weir_bytes *string_of(const struct background *b, size_t number, const struct weir_flow *flow)
{
	return (const struct weir_bytes *)((const uint8_t *)flow + b->strings[number]);
}

/* Makes an empty block that can hold so many bytes of strings. */
static int make_room(struct block *block, size_t bytes, struct weir_fault *fault)
{
	if (block->text_size >= bytes)
		return 0;
	uint8_t *more = realloc(block->text, bytes);
	if (!more)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the strings of flows");
	block->text = more;
	block->text_size = bytes;
	return 0;
}

static int keep(struct background *b, const struct weir_flow *flow, struct weir_fault *fault)
{
	size_t bytes = 0;
	int error = 0;

	for (size_t s = 0; s < b->string_count; s++)
		bytes += string_of(b, s, flow)->length;
	if (!b->current || b->current->count == BLOCK_ROWS || b->current->text_size - b->current->text_used < bytes)
		error = next_block(b, fault);
	if (!error && b->current->text_used == 0)
		error = make_room(b->current, bytes, fault);
	if (error)
		return error;
	struct weir_flow *copy = &b->current->flows[b->current->count++];
	uint8_t *to = b->current->text + b->current->text_used;
	*copy = *flow;
	for (size_t s = 0; s < b->string_count; s++) {
		const struct weir_bytes *string = string_of(b, s, flow);
		if (!string->data)
			continue;
		memcpy(to, string->data, string->length);
		((struct weir_bytes *)((uint8_t *)copy + b->strings[s]))->data = to;
		to += string->length;
	}
	b->current->text_used += bytes;
	return 0;
}

static int background_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count,
                            struct weir_fault *fault)
{
	struct background *b = (struct background *)sink;
	int error = 0;

	for (size_t i = 0; i < count && !error; i++)
		error = keep(b, &flows[i], fault);
	return error;
}

static int background_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct background *b = (struct background *)sink;

	pthread_mutex_lock(&b->lock);
	if (b->current)
		hand_over(b);
	while (b->waiting_count || b->busy)
		pthread_cond_wait(&b->changed, &b->lock);
	int error = tell(b, fault);
	pthread_mutex_unlock(&b->lock);
	return error ? error : b->behind->ops->finish(b->behind, fault);
}

static void background_free(struct background *b)
{
	for (size_t i = 0; i < BLOCKS; i++) {
		free(b->blocks[i].flows);
		free(b->blocks[i].text);
	}
	free(b);
}

static void background_close(struct weir_flow_sink *sink)
{
	struct background *b = (struct background *)sink;

	pthread_mutex_lock(&b->lock);
	b->over = true;
	b->waiting_count = 0; /* what was not asked to be finished need not be written */
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	b->behind->ops->close(b->behind);
	background_free(b);
}

static const struct weir_flow_sink_ops background_ops = {"background", background_write, background_finish,
                                                         background_close};

/* False: no memory. */
static bool make_blocks(struct background *b)
{
	for (size_t i = 0; i < BLOCKS; i++) {
		struct block *block = &b->blocks[i];
		block->flows = malloc(BLOCK_ROWS * sizeof *block->flows);
		block->text = malloc(BLOCK_TEXT);
		if (!block->flows || !block->text)
			return false;
		block->text_size = BLOCK_TEXT;
		b->unused[b->unused_count++] = block;
	}
	return true;
}

static void find_strings(struct background *b)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t c = 0; c < count; c++) {
		if (columns[c].type != WEIR_COLUMN_STRING)
			continue;
		assert(b->string_count < STRINGS_MOST);
		b->strings[b->string_count++] = columns[c].offset;
	}
}

int weir_flow_background(struct weir_flow_sink **sink, struct weir_fault *fault)
{
	struct background *b = calloc(1, sizeof *b);

	if (!b || !make_blocks(b)) {
		if (b)
			background_free(b);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for flow records on their way");
	}
	b->sink.ops = &background_ops;
	b->behind = *sink;
	find_strings(b);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	if (pthread_create(&b->thread, NULL, write_blocks, b) != 0) {
		/* A thread that can't be had is done without. */
		pthread_cond_destroy(&b->changed);
		pthread_mutex_destroy(&b->lock);
		background_free(b);
		return 0;
	}
	*sink = &b->sink;
	return 0;
}
