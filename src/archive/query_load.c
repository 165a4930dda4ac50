#include "archive/query_load.h"

#include <stdlib.h>

#include <weir/filter.h>

#include "archive/chunk_read.h"

#define LINKTYPES_MAX 32

struct loader {
	const char *expression; /* NULL: everything */
	int64_t from_ns, to_ns;
	struct buffer_pool *pool;
	struct chunk_reader *reader;
	struct {
		uint16_t linktype;
		struct weir_filter *filter; /* NULL: the expression does not compile for it */
	} filters[LINKTYPES_MAX];
	unsigned filter_count;
	struct found *items; /* of the chunk in hand, kept for the next */
	uint32_t capacity;
};

struct loader *loader_new(const struct weir_query *query, struct buffer_pool *pool)
{
	struct loader *loader = calloc(1, sizeof *loader);

	if (!loader)
		return NULL;
	loader->expression = query->filter && query->filter[strspn(query->filter, " \t\n")] ? query->filter : NULL;
	loader->from_ns = query->from_ns;
	loader->to_ns = query->to_ns;
	loader->pool = pool;
	loader->reader = chunk_reader_new();
	if (!loader->reader) {
		free(loader);
		return NULL;
	}
	return loader;
}

void loader_free(struct loader *loader)
{
	if (!loader)
		return;
	for (unsigned i = 0; i < loader->filter_count; i++)
		weir_filter_free(loader->filters[i].filter);
	chunk_reader_free(loader->reader);
	free(loader->items);
	free(loader);
}

void loaded_free(struct loaded *loaded)
{
	if (loaded->buffer)
		weir_buffer_drop(loaded->buffer);
	free(loaded->items);
	loaded->buffer = NULL;
	loaded->items = NULL;
}

/* The filter for a link type; *filter NULL when the expression means nothing there (`vlan` on raw IP). 0 or WEIR_E_MEMORY. */
static int filter_for(struct loader *loader, uint16_t linktype, struct weir_filter **filter, struct weir_fault *fault)
{
	struct weir_fault refused;

	for (unsigned i = 0; i < loader->filter_count; i++)
		if (loader->filters[i].linktype == linktype) {
			*filter = loader->filters[i].filter;
			return 0;
		}
	if (loader->filter_count == LINKTYPES_MAX) {
		/* Absurdly many: the oldest makes room. */
		weir_filter_free(loader->filters[0].filter);
		memmove(loader->filters, loader->filters + 1, sizeof loader->filters - sizeof loader->filters[0]);
		loader->filter_count--;
	}
	int code = weir_filter_new(loader->expression, linktype, filter, &refused);
	if (code == WEIR_E_MEMORY) {
		*fault = refused;
		return code;
	}
	if (code < 0)
		*filter = NULL;
	loader->filters[loader->filter_count].linktype = linktype;
	loader->filters[loader->filter_count++].filter = *filter;
	return 0;
}

static int grow(struct loader *loader, struct weir_fault *fault)
{
	uint32_t capacity = loader->capacity ? loader->capacity * 2 : 4096;
	struct found *items = realloc(loader->items, capacity * sizeof *items);

	if (!items)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the packets of a query");
	loader->items = items;
	loader->capacity = capacity;
	return 0;
}

/* Walks over the blocks in begin…end; the packets that match are in loader->items, *count of them. */
static int select_packets(struct loader *loader, const struct query_task *task, const uint8_t *begin, uint32_t length,
                          uint32_t *count, uint64_t *kept, struct loaded *loaded, struct weir_fault *fault)
{
	const struct query_segment *segment = task->segment;
	struct chunk_walk walk = {
		.begin = begin, .at = begin, .end = begin + length, .interfaces = segment->interfaces,
		.interface_count = segment->interface_count, .big = segment->big, .last_ns = task->chunk.first_ns,
	};
	const int64_t from_ns = loader->from_ns, to_ns = loader->to_ns;
	struct weir_filter *filter = NULL;
	int linktype = -1, found;
	struct weir_packet packet;

	while ((found = chunk_walk_next(&walk, &packet)) == 1) {
		loaded->packets++;
		if (packet.time_ns < from_ns || packet.time_ns > to_ns)
			continue;
		if (loader->expression) {
			if (packet.linktype != linktype) {
				int code = filter_for(loader, packet.linktype, &filter, fault);
				if (code < 0)
					return code;
				linktype = packet.linktype;
			}
			if (!filter) {
				loaded->not_compiled++;
				continue;
			}
			int match = weir_filter_match(filter, &packet, fault);
			if (match < 0)
				return match;
			if (!match)
				continue;
		}
		if (*count == loader->capacity) {
			int code = grow(loader, fault);
			if (code < 0)
				return code;
		}
		loader->items[(*count)++] = (struct found){
			.time_ns = packet.time_ns, .ticks = packet.ticks, .block = (uint32_t)(packet.block - begin),
			.block_length = packet.block_length, .data = (uint32_t)(packet.data - begin), .captured = packet.captured,
			.length = packet.length, .interface_id = packet.interface_id, .linktype = packet.linktype, .flags = packet.flags,
		};
		*kept += packet.block_length;
	}
	if (found < 0)
		weir_fail_at(&loaded->damage, WEIR_E_FORMAT, segment->path, (int64_t)task->chunk.offset, (int64_t)loaded->packets + 1,
		             "no sound block %lld bytes behind the start of the chunk", (long long)(walk.at - begin));
	return 0;
}

/* Stable, by halves; nearly sorted chunks are the rule, so that runs in order cost one look each. */
static void merge_sort(struct found *items, struct found *space, uint32_t count)
{
	for (uint32_t width = 1; width < count; width *= 2)
		for (uint32_t low = 0; low + width < count; low += 2 * width) {
			uint32_t middle = low + width, high = middle + width < count ? middle + width : count, a = low, b = middle, out = low;

			if (items[middle - 1].time_ns <= items[middle].time_ns)
				continue;
			while (a < middle && b < high)
				space[out++] = items[b].time_ns < items[a].time_ns ? items[b++] : items[a++];
			while (a < middle)
				space[out++] = items[a++];
			memcpy(items + low, space + low, (out - low) * sizeof *items);
		}
}

static void release_compact(struct weir_buffer *buffer)
{
	free(buffer);
}

/* Copies what matched into memory of its own, so that the chunk's can be used again. */
static struct weir_buffer *compact(struct found *items, uint32_t count, const uint8_t *begin, uint64_t kept)
{
	struct weir_buffer *buffer = malloc(sizeof *buffer + kept);
	uint32_t at = 0;

	if (!buffer)
		return NULL;
	*buffer = (struct weir_buffer){.data = (uint8_t *)(buffer + 1), .size = kept, .release = release_compact};
	atomic_init(&buffer->references, 1);
	for (uint32_t i = 0; i < count; i++) {
		memcpy(buffer->data + at, begin + items[i].block, items[i].block_length);
		items[i].data = at + (items[i].data - items[i].block);
		items[i].block = at;
		at += items[i].block_length;
	}
	return buffer;
}

static int keep(struct loader *loader, uint32_t count, uint64_t kept, struct weir_buffer *chunk, uint32_t raw_bytes, const uint8_t *begin,
                bool unsorted, struct loaded *loaded, struct weir_fault *fault)
{
	loaded->items = malloc(count * sizeof *loaded->items * (unsorted ? 2 : 1));
	if (!loaded->items)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the packets of a query");
	memcpy(loaded->items, loader->items, count * sizeof *loaded->items);
	if (unsorted)
		merge_sort(loaded->items, loaded->items + count, count);
	/* Fresh memory costs more than a copy: only where little matched is the chunk given back at once. */
	if (chunk && kept >= raw_bytes / 8) {
		weir_buffer_hold(chunk);
		loaded->buffer = chunk;
		loaded->memory = chunk->size;
	} else {
		loaded->buffer = compact(loaded->items, count, begin, kept);
		if (!loaded->buffer)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for the packets of a query");
		loaded->memory = kept;
	}
	loaded->count = count;
	loaded->memory += count * sizeof *loaded->items;
	return 0;
}

int loader_load(struct loader *loader, const struct query_task *task, struct loaded *loaded, struct weir_fault *fault)
{
	const struct query_segment *segment = task->segment;
	const uint8_t *begin = segment->journal;
	struct weir_buffer *buffer = NULL;
	uint32_t count = 0;
	uint64_t kept = 0;
	int code = 0;

	*loaded = (struct loaded){0};
	if (!begin) {
		buffer = buffer_take(loader->pool, task->chunk.raw_bytes);
		if (!buffer)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for a chunk of %u bytes", task->chunk.raw_bytes);
		begin = buffer->data;
		code = chunk_read(loader->reader, segment->path, segment->codec, &task->chunk, segment->big, buffer->data, &loaded->damage);
		loaded->bytes_read = task->chunk.stored_bytes;
	}
	if (code == WEIR_E_MEMORY)
		*fault = loaded->damage;
	else if (code < 0)
		code = 0; /* told in loaded->damage; what else there is goes on */
	else
		code = select_packets(loader, task, begin, task->chunk.raw_bytes, &count, &kept, loaded, fault);
	loaded->bytes_decompressed = task->chunk.raw_bytes;
	if (code == 0 && count)
		code = keep(loader, count, kept, buffer, task->chunk.raw_bytes, begin, task->chunk.flags & CHUNK_UNSORTED, loaded, fault);
	if (buffer)
		weir_buffer_drop(buffer);
	if (code < 0)
		loaded_free(loaded);
	return code;
}
