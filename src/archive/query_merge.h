/*
 * archive/query_merge.h: the packets of loaded chunks go into batches, in order.
 */
#ifndef ARCHIVE_QUERY_MERGE_H
#define ARCHIVE_QUERY_MERGE_H

#include "archive/query_heap.h"

struct query_merge {
	struct load_heap heap; /* each of its chunks has packets ahead */
	struct buffer_pool *pool;
	struct weir_buffer *copies; /* for packets that are copied, the one in hand */
	size_t copied;
	void (*let_go)(void *context, struct load *load); /* a chunk of which all is out; the batch holds its buffer */
	void *context;
};

/*
 * Puts packets into the batch until it has `most`, or the next is not before bound (INT64_MAX: is none), whatever chunks take turns: so what bound
 * is known from need not be asked at each turn, which at two busy vantages is each packet. 0; WEIR_E_LIMIT when the batch can hold no more buffers;
 * WEIR_E_MEMORY.
 */
int query_merge_put(struct query_merge *merge, struct weir_batch *batch, uint32_t most, int64_t bound);

/* Frees what it owns; the chunks that are left are the caller's. */
void query_merge_free(struct query_merge *merge);

#endif
