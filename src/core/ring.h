/*
 * core/ring.h: a bounded queue of pointers between one producing and one consuming thread.
 */
#ifndef CORE_RING_H
#define CORE_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring;

/* capacity: a power of two. NULL when there is no memory. */
struct ring *ring_new(size_t capacity);
void ring_free(struct ring *ring);

/* Without waiting: false when it is full or empty. */
bool ring_try_push(struct ring *ring, void *item);
bool ring_try_pop(struct ring *ring, void **item);

/* Waits, asleep. push is false when the ring was closed; pop is false when it is closed and empty. */
bool ring_push(struct ring *ring, void *item);
bool ring_pop(struct ring *ring, void **item);

/* Ends it: wakes both sides. Items that are in it can still be popped. From any thread. */
void ring_close(struct ring *ring);

/* How many are in it at this moment. */
size_t ring_length(const struct ring *ring);

#endif
