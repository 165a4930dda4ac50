/* Memory given out piece by piece: core/arena.h. */
#include <stdint.h>
#include <stdlib.h>

#include "core/arena.h"

#define ARENA_BLOCK (256u * 1024u)

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(16) unsigned char data[];
};

struct weir_arena {
	struct arena_block *blocks; /* the one in use first */
	size_t held, limit;
};

struct weir_arena *arena_new(size_t limit)
{
	struct weir_arena *arena = calloc(1, sizeof *arena);
	if (arena)
		arena->limit = limit;
	return arena;
}

static void free_blocks(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
}

void arena_free(struct weir_arena *arena)
{
	if (!arena)
		return;
	free_blocks(arena->blocks);
	free(arena);
}

static struct arena_block *add_block(struct weir_arena *arena, size_t size)
{
	size_t wanted = size > ARENA_BLOCK ? size : ARENA_BLOCK;

	if (arena->limit) {
		size_t left = arena->limit - arena->held;
		if (size > left)
			return NULL;
		if (wanted > left)
			wanted = left & ~(size_t)15;
	}
	struct arena_block *block = malloc(sizeof *block + wanted);
	if (!block)
		return NULL;
	*block = (struct arena_block){.next = arena->blocks, .size = wanted};
	arena->blocks = block;
	arena->held += wanted;
	return block;
}

void *arena_take(struct weir_arena *arena, size_t size)
{
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + 15) & ~(size_t)15;

	struct arena_block *block = arena->blocks;
	if (!block || block->size - block->used < size) {
		block = add_block(arena, size);
		if (!block)
			return NULL;
	}
	void *p = block->data + block->used;
	block->used += size;
	return p;
}

void arena_reset(struct weir_arena *arena)
{
	struct arena_block *kept = arena->blocks;

	if (!kept)
		return;
	free_blocks(kept->next);
	kept->next = NULL;
	kept->used = 0;
	arena->held = kept->size;
}
