/*
 * archive/query_load.h: loads one chunk of a query and finds the packets in it that match.
 */
#ifndef ARCHIVE_QUERY_LOAD_H
#define ARCHIVE_QUERY_LOAD_H

#include "archive/chunk_walk.h"
#include "archive/query_tasks.h"
#include "file/buffer.h"

/* A packet that matches, as it lies in its buffer. */
struct found {
	int64_t time_ns;
	uint64_t ticks;
	uint32_t block, block_length; /* offset of the block in the buffer */
	uint32_t data, captured, length;
	uint32_t interface_id;
	uint16_t linktype;
	uint8_t flags;
};

/* What a chunk gave. */
struct loaded {
	struct weir_buffer *buffer; /* holds a reference; NULL when nothing was found */
	bool whole;                 /* every packet of the chunk, in order of time: there are no items, walk gives them. It needs the segment */
	struct chunk_walk walk;
	struct found *items;        /* by time, equal ones in the order of the chunk */
	uint32_t count;
	uint64_t memory;            /* bytes that both take */
	uint64_t packets, bytes_read, bytes_decompressed;
	uint64_t not_compiled;      /* packets of link types for which the expression is no filter */
	struct weir_fault damage;   /* the chunk, or the rest of it, could not be read; code 0: all was sound */
	struct weir_damage *ranges; /* what was damaged, when the query wants to be told; their `file` is damage.file */
	uint32_t range_count;
};

/* What one thread needs for it. */
struct loader;

/* pool: of buffers of chunks, shared by all loaders and made by the caller. NULL: no memory. */
struct loader *loader_new(const struct weir_query *query, const struct weir_identities *identities, struct buffer_pool *pool);
void loader_free(struct loader *loader);

/* Loads a chunk. 0, or an error that ends the query (no memory); damage is told in loaded. Free with loaded_free. */
int loader_load(struct loader *loader, const struct query_task *task, struct loaded *loaded, struct weir_fault *fault);
void loaded_free(struct loaded *loaded);

#endif
