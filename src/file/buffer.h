/*
 * file/buffer.h: the buffers that a source reads into, kept for reuse.
 */
#ifndef FILE_BUFFER_H
#define FILE_BUFFER_H

#include <weir/packet.h>

/*
 * Buffers of one size. What comes back last goes out first, so that it is still in the cache. Buffers may be dropped from any
 * thread, and after buffer_pool_free: the last one takes the pool with it.
 */
struct buffer_pool;

struct buffer_pool *buffer_pool_new(size_t size); /* NULL when there is no memory */
void buffer_pool_free(struct buffer_pool *pool);

/* A buffer of at least `size` bytes, with one reference; larger ones than the pool's are made and not kept. NULL: no memory. */
struct weir_buffer *buffer_take(struct buffer_pool *pool, size_t size);

#endif
