/* The pool of buffers of a source. */
#include <pthread.h>
#include <stdlib.h>

#include "file/buffer.h"
#include "os/files.h"

#define BUFFER_ALIGNMENT 4096
/* From this size on they are large pages where there are such: to copy 4 MiB in, hash them and walk over them takes a ninth less time then. */
#define LARGE_BYTES ((size_t)2 << 20)
#define KEPT_MAX 64 /* free ones; more come up only when a consumer held many batches */

struct buffer_pool {
	pthread_mutex_t lock; /* taken once a buffer, not once a packet */
	size_t size;
	size_t outstanding;
	size_t kept_count;
	struct weir_buffer *kept[KEPT_MAX];
	bool closed;
};

static void destroy(struct weir_buffer *buffer)
{
	if (buffer->size >= LARGE_BYTES)
		os_pages_free(buffer->data, buffer->size);
	else
		free(buffer->data);
	free(buffer);
}

static void pool_destroy(struct buffer_pool *pool)
{
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static void give_back(struct weir_buffer *buffer)
{
	struct buffer_pool *pool = buffer->owner;
	bool keep, last;

	pthread_mutex_lock(&pool->lock);
	keep = !pool->closed && buffer->size == pool->size && pool->kept_count < KEPT_MAX;
	if (keep)
		pool->kept[pool->kept_count++] = buffer;
	pool->outstanding--;
	last = pool->closed && pool->outstanding == 0;
	pthread_mutex_unlock(&pool->lock);

	if (!keep)
		destroy(buffer);
	if (last)
		pool_destroy(pool);
}

struct buffer_pool *buffer_pool_new(size_t size)
{
	struct buffer_pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return NULL;
	pool->size = size;
	if (pthread_mutex_init(&pool->lock, NULL) != 0) {
		free(pool);
		return NULL;
	}
	return pool;
}

void buffer_pool_free(struct buffer_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->closed = true;
	for (size_t i = 0; i < pool->kept_count; i++)
		destroy(pool->kept[i]);
	pool->kept_count = 0;
	bool last = pool->outstanding == 0;
	pthread_mutex_unlock(&pool->lock);
	if (last)
		pool_destroy(pool);
}

static struct weir_buffer *make(struct buffer_pool *pool, size_t size)
{
	struct weir_buffer *buffer = calloc(1, sizeof *buffer);

	if (!buffer)
		return NULL;
	size = (size + BUFFER_ALIGNMENT - 1) & ~(size_t)(BUFFER_ALIGNMENT - 1);
	buffer->data = size >= LARGE_BYTES ? os_pages_new(size, false) : aligned_alloc(BUFFER_ALIGNMENT, size);
	if (!buffer->data) {
		free(buffer);
		return NULL;
	}
	buffer->size = size;
	buffer->release = give_back;
	buffer->owner = pool;
	return buffer;
}

struct weir_buffer *buffer_take(struct buffer_pool *pool, size_t size)
{
	struct weir_buffer *buffer = NULL;

	pthread_mutex_lock(&pool->lock);
	if (size <= pool->size && pool->kept_count)
		buffer = pool->kept[--pool->kept_count];
	pool->outstanding++;
	pthread_mutex_unlock(&pool->lock);

	if (!buffer)
		buffer = make(pool, size <= pool->size ? pool->size : size);
	if (!buffer) {
		pthread_mutex_lock(&pool->lock);
		pool->outstanding--;
		pthread_mutex_unlock(&pool->lock);
		return NULL;
	}
	atomic_store_explicit(&buffer->references, 1, memory_order_relaxed);
	return buffer;
}
