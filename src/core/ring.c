/*
 * A bounded queue between one producer and one consumer: core/ring.h.
 *
 * A side that has to wait announces it in `sleepers` and sleeps on a condition variable; the other side looks at that after
 * each operation. The stores of head and tail, the announcement and the looks at either are sequentially consistent, so that
 * either the sleeper sees the item or the other side sees the sleeper. Items are batches, so the price does not count.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/ring.h"

struct ring {
	_Alignas(64) _Atomic size_t head; /* next to pop; written by the consumer */
	_Alignas(64) _Atomic size_t tail; /* next to push; written by the producer */
	_Alignas(64) _Atomic int sleepers;
	_Atomic bool closed;
	size_t mask;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void **items;
};

struct ring *ring_new(size_t capacity)
{
	struct ring *ring = aligned_alloc(64, sizeof *ring);
	if (!ring)
		return NULL;
	*ring = (struct ring){.mask = capacity - 1, .items = calloc(capacity, sizeof(void *))};
	if (!ring->items) {
		free(ring);
		return NULL;
	}
	pthread_mutex_init(&ring->lock, NULL);
	pthread_cond_init(&ring->changed, NULL);
	return ring;
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	pthread_cond_destroy(&ring->changed);
	pthread_mutex_destroy(&ring->lock);
	free(ring->items);
	free(ring);
}

static void wake(struct ring *ring)
{
	if (atomic_load(&ring->sleepers) == 0)
		return;
	pthread_mutex_lock(&ring->lock);
	pthread_cond_broadcast(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}

bool ring_try_push(struct ring *ring, void *item)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	/* Acquire: the consumer has read the item that stood in this place before we overwrite it. */
	if (tail - atomic_load_explicit(&ring->head, memory_order_acquire) > ring->mask)
		return false;
	ring->items[tail & ring->mask] = item;
	/* The consumer that sees the new tail sees the item and what it points to. Stronger than release: see the top. */
	atomic_store(&ring->tail, tail + 1);
	wake(ring);
	return true;
}

bool ring_try_pop(struct ring *ring, void **item)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	if (atomic_load_explicit(&ring->tail, memory_order_acquire) == head)
		return false;
	*item = ring->items[head & ring->mask];
	atomic_store(&ring->head, head + 1);
	wake(ring);
	return true;
}

size_t ring_length(const struct ring *ring)
{
	struct ring *r = (struct ring *)ring;
	size_t head = atomic_load(&r->head);
	return atomic_load(&r->tail) - head;
}

static bool has_room(struct ring *ring) { return ring_length(ring) <= ring->mask; }
static bool has_items(struct ring *ring) { return ring_length(ring) > 0; }

/* Sleeps until ready(ring) or the ring is closed. */
static void wait_until(struct ring *ring, bool (*ready)(struct ring *))
{
	pthread_mutex_lock(&ring->lock);
	atomic_fetch_add(&ring->sleepers, 1);
	while (!ready(ring) && !atomic_load_explicit(&ring->closed, memory_order_acquire))
		pthread_cond_wait(&ring->changed, &ring->lock);
	atomic_fetch_sub(&ring->sleepers, 1);
	pthread_mutex_unlock(&ring->lock);
}

bool ring_push(struct ring *ring, void *item)
{
	while (!atomic_load_explicit(&ring->closed, memory_order_acquire)) {
		if (ring_try_push(ring, item))
			return true;
		wait_until(ring, has_room);
	}
	return false;
}

bool ring_pop(struct ring *ring, void **item)
{
	for (;;) {
		if (ring_try_pop(ring, item))
			return true;
		if (atomic_load_explicit(&ring->closed, memory_order_acquire))
			return ring_try_pop(ring, item); /* what was pushed before the closing */
		wait_until(ring, has_items);
	}
}

void ring_close(struct ring *ring)
{
	pthread_mutex_lock(&ring->lock);
	atomic_store_explicit(&ring->closed, true, memory_order_release);
	pthread_cond_broadcast(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}
