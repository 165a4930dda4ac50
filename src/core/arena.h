/*
 * core/arena.h: memory that is given out piece by piece and taken back all at once.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

/* One thread at a time. What it gives out lives until the next reset or the free. */
struct weir_arena;

/* limit: bytes that it may hold in all, 0 = no limit. NULL when there is no memory. */
struct weir_arena *arena_new(size_t limit);
void arena_free(struct weir_arena *arena);

/* `size` bytes, aligned to 16, not cleared; NULL when there is no memory or the limit is reached. */
void *arena_take(struct weir_arena *arena, size_t size);

/* Takes everything back and keeps one block of memory for the next round. */
void arena_reset(struct weir_arena *arena);

#endif
