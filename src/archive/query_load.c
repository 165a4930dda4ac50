#include "archive/query_load.h"

#include <stdlib.h>

#include <weir/filter.h>

#include "archive/chunk_read.h"
#include "file/sound.h"
#include "os/files.h"

#define LINKTYPES_MAX 32
#define RANGES_MAX 256 /* of one chunk */

struct loader {
	const char *expression; /* NULL: everything */
	bool salvage;           /* what is sound of damaged chunks, too */
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
	uint8_t *scratch; /* a chunk, decompressed */
	size_t scratch_size;
};

struct loader *loader_new(const struct weir_query *query, const struct weir_identities *identities, struct buffer_pool *pool)
{
	struct loader *loader = calloc(1, sizeof *loader);

	if (!loader)
		return NULL;
	loader->expression = query->filter && query->filter[strspn(query->filter, " \t\n")] ? query->filter : NULL;
	loader->salvage = query->on_damage;
	loader->from_ns = query->from_ns;
	loader->to_ns = query->to_ns;
	loader->pool = pool;
	loader->reader = chunk_reader_new(identities);
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
	os_pages_free(loader->scratch, loader->scratch_size);
	free(loader);
}

void loaded_free(struct loaded *loaded)
{
	if (loaded->buffer)
		weir_buffer_drop(loaded->buffer);
	free(loaded->items);
	free(loaded->ranges);
	loaded->ranges = NULL;
	loaded->range_count = 0;
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

/* What one chunk is walked with. */
struct selection {
	struct loader *loader;
	const struct query_task *task;
	struct loaded *loaded;
	struct chunk_walk walk;
	struct weir_filter *filter; /* for linktype */
	int linktype;
	uint32_t count;             /* in loader->items */
	uint64_t kept;              /* bytes of their blocks */
	bool salvaging;             /* the chunk is damaged */
	int64_t last_ns;            /* time of the last sound packet then; WEIR_NO_TIME */
	struct weir_buffer *kept_in; /* where the blocks are copied to; NULL: they stay where they are, behind `base` */
	const uint8_t *base;
};

/* Whether the packet is asked for: 1, 0, or an error. */
static inline int is_wanted(struct selection *selection, const struct weir_packet *packet, struct weir_fault *fault)
{
	struct loader *loader = selection->loader;

	if (packet->time_ns < loader->from_ns || packet->time_ns > loader->to_ns)
		return 0;
	if (!loader->expression)
		return 1;
	if (packet->linktype != selection->linktype) {
		int code = filter_for(loader, packet->linktype, &selection->filter, fault);
		if (code < 0)
			return code;
		selection->linktype = packet->linktype;
	}
	if (!selection->filter) {
		selection->loaded->not_compiled++;
		return 0;
	}
	return weir_filter_match(selection->filter, packet, fault);
}

static inline int take(struct selection *selection, const struct weir_packet *packet, struct weir_fault *fault)
{
	struct loader *loader = selection->loader;
	uint32_t at = (uint32_t)selection->kept;

	if (selection->count == loader->capacity) {
		int code = grow(loader, fault);
		if (code < 0)
			return code;
	}
	/* All blocks together are no more than the chunk, for which there is room. */
	if (selection->kept_in)
		memcpy(selection->kept_in->data + at, packet->block, packet->block_length);
	else
		at = (uint32_t)(packet->block - selection->base);
	loader->items[selection->count++] = (struct found){
		.time_ns = packet->time_ns, .ticks = packet->ticks, .block = at, .block_length = packet->block_length,
		.data = at + (uint32_t)(packet->data - packet->block), .captured = packet->captured, .length = packet->length,
		.interface_id = packet->interface_id, .linktype = packet->linktype, .flags = packet->flags,
	};
	selection->kept += packet->block_length;
	return 0;
}

/* Takes what is wanted of the blocks in the walk. As chunk_walk_next: 0 at the end, WALK_MORE, WEIR_E_FORMAT; or another error. */
static int select_packets(struct selection *selection, struct weir_fault *fault)
{
	struct weir_packet packet;
	int found;

	while ((found = chunk_walk_next(&selection->walk, &packet)) == 1) {
		if (__builtin_expect(selection->salvaging, 0)) {
			/* The index knows between which times all were: another time is damage. */
			if (packet.time_ns < selection->task->chunk.first_ns || packet.time_ns > selection->task->chunk.last_ns)
				continue;
			selection->last_ns = packet.time_ns;
		}
		selection->loaded->packets++;
		int wanted = is_wanted(selection, &packet, fault);
		if (wanted > 0)
			wanted = take(selection, &packet, fault);
		if (wanted < 0)
			return wanted;
	}
	if (found == WEIR_E_FORMAT)
		weir_fail_at(fault, WEIR_E_FORMAT, selection->task->segment->path, (int64_t)selection->task->chunk.offset,
		             (int64_t)selection->loaded->packets + 1, "no sound block stands here in the chunk");
	return found;
}

static int select_in_memory(struct selection *selection, const uint8_t *data, uint32_t length, struct weir_fault *fault)
{
	selection->base = selection->walk.at = data;
	selection->walk.end = data + length;
	selection->walk.behind = 0;
	return select_packets(selection, fault);
}

/* A chunk that is not compressed, through a window. */
static int select_in_windows(struct selection *selection, struct weir_fault *fault)
{
	const struct query_task *task = selection->task;
	struct chunk_reader *reader = selection->loader->reader;
	struct chunk_window window;
	int code = chunk_window_open(reader, task->segment->path, &task->chunk, task->segment->big, &window, fault);

	selection->walk.at = window.data;
	while (code == 0) {
		selection->walk.end = window.data + window.length;
		selection->walk.behind = window.behind;
		code = select_packets(selection, fault);
		if (code != WALK_MORE)
			break;
		size_t from = (size_t)(selection->walk.at - window.data), left = window.length - from;
		size_t need = left >= 8 ? weir_load32(selection->walk.at + 4, task->segment->big) : 12;
		code = chunk_window_slide(reader, &window, from, need, fault);
		selection->walk.at = window.data;
	}
	return code < 0 ? code : chunk_window_close(reader, &window, fault);
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

/*
 * What was found goes into loaded. Its blocks lie behind base, which is the buffer's memory if there is a buffer. Where they are few,
 * they get memory of their own, so that the buffer can be used again.
 */
static int keep(struct selection *selection, struct weir_buffer *buffer, const uint8_t *base, struct weir_fault *fault)
{
	struct loaded *loaded = selection->loaded;
	uint32_t count = selection->count;
	bool unsorted = selection->task->chunk.flags & CHUNK_UNSORTED;

	loaded->items = malloc(count * sizeof *loaded->items * (unsorted ? 2 : 1));
	if (!loaded->items)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the packets of a query");
	memcpy(loaded->items, selection->loader->items, count * sizeof *loaded->items);
	if (unsorted)
		merge_sort(loaded->items, loaded->items + count, count);
	/* Fresh memory costs more than a copy: only where little matched is the buffer given back at once. */
	if (buffer && selection->kept >= buffer->size / 8) {
		weir_buffer_hold(buffer);
		loaded->buffer = buffer;
		loaded->memory = buffer->size;
	} else {
		loaded->buffer = compact(loaded->items, count, base, selection->kept);
		if (!loaded->buffer)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for the packets of a query");
		loaded->memory = selection->kept;
	}
	loaded->count = count;
	loaded->memory += count * sizeof *loaded->items;
	return 0;
}

/*
 * Chunks differ a little in size: with large pages, and room for those that are a little larger, the first touch, which is a third of
 * the time of a query that reads ten chunks, costs a few faults instead of a thousand for each new size.
 */
static bool room_for(struct loader *loader, uint32_t bytes)
{
	if (loader->scratch_size >= bytes)
		return true;
	size_t size = os_pages_round(bytes);
	os_pages_free(loader->scratch, loader->scratch_size);
	loader->scratch = os_pages_new(size, false);
	loader->scratch_size = loader->scratch ? size : 0;
	return loader->scratch;
}

/* Whether all that is in the chunk is wanted, as it stands: then it is walked over when its packets go out, and not before. */
static bool wants_whole(const struct loader *loader, const struct index_chunk *chunk)
{
	return !loader->expression && !(chunk->flags & CHUNK_UNSORTED) && chunk->first_ns >= loader->from_ns && chunk->last_ns <= loader->to_ns;
}

static void keep_whole(struct selection *selection, struct weir_buffer *buffer)
{
	struct loaded *loaded = selection->loaded;

	weir_buffer_hold(buffer);
	loaded->buffer = buffer;
	loaded->memory = buffer->size;
	loaded->whole = true;
	loaded->walk = selection->walk;
	loaded->walk.begin = loaded->walk.at = buffer->data;
	loaded->walk.end = buffer->data + selection->task->chunk.raw_bytes;
	loaded->packets = loaded->count = selection->task->chunk.packets;
}

/*
 * A chunk from its segment. Without a filter nearly all of it is wanted: it stays whole in the buffer. With one it passes through
 * memory that stays in the cache, and what is wanted is copied into the buffer.
 */
static int load_chunk(struct selection *selection, struct weir_buffer *buffer, struct weir_fault *fault)
{
	struct loader *loader = selection->loader;
	const struct query_task *task = selection->task;
	const struct query_segment *segment = task->segment;
	uint8_t *raw = buffer->data;

	if (loader->expression) {
		selection->kept_in = buffer;
		if (segment->codec == WEIR_CODEC_NONE)
			return select_in_windows(selection, fault);
		if (!room_for(loader, task->chunk.raw_bytes))
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for a chunk of %u bytes", task->chunk.raw_bytes);
		raw = loader->scratch;
	}
	int code = chunk_read(loader->reader, segment->path, segment->codec, &task->chunk, segment->big, raw, fault);
	if (code == 0 && wants_whole(loader, &task->chunk)) {
		keep_whole(selection, buffer);
		return 0;
	}
	return code < 0 ? code : select_in_memory(selection, raw, task->chunk.raw_bytes, fault);
}

static bool is_damage(int code)
{
	return code != WEIR_E_MEMORY && code != WEIR_E_FILTER;
}

/* Enters a damaged range of the chunk; more than RANGES_MAX become one with the last. */
static int add_range(struct selection *selection, uint64_t from, uint64_t to, uint64_t packets_before, const char *cause,
                     struct weir_fault *fault)
{
	struct loaded *loaded = selection->loaded;

	if (loaded->range_count == RANGES_MAX) {
		loaded->ranges[RANGES_MAX - 1].to = to;
		return 0;
	}
	struct weir_damage *ranges = realloc(loaded->ranges, (loaded->range_count + 1) * sizeof *ranges);
	if (!ranges)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for what is damaged");
	loaded->ranges = ranges;
	ranges[loaded->range_count++] = (struct weir_damage){
		.from = from, .to = to, .packets_before = packets_before, .cause = cause,
		.before_ns = selection->last_ns, .after_ns = WEIR_NO_TIME,
	};
	return 0;
}

/* The next place in the chunk at which sound blocks go on; NULL: none. */
static const uint8_t *next_sound(const struct selection *selection, const struct weir_interface *const *interfaces)
{
	const struct chunk_walk *walk = &selection->walk;
	const struct index_chunk *chunk = &selection->task->chunk;
	struct sound_search search = {
		.shapes = {{.pcapng = true, .big = walk->big, .limit = (uint32_t)256 << 10, .interfaces = interfaces,
		            .interface_count = walk->interface_count, .odd_lengths = true, .odd_padding = true}},
		.shape_count = 1, .own = 1,
		.before_ns = {chunk->first_ns, selection->last_ns},
		.back_ns = chunk->last_ns - chunk->first_ns,
	};
	struct sound_found found;

	if (!sound_find(&search, walk->at + 1, walk->end, walk->end, true, &found) || found.kind != SOUND_RECORDS)
		return NULL;
	return found.at;
}

/* Walks over a damaged chunk in memory, from one sound stretch to the next. */
static int walk_damaged(struct selection *selection, const uint8_t *data, const struct weir_interface *const *interfaces,
                        struct weir_fault *fault)
{
	const struct index_chunk *chunk = &selection->task->chunk;
	struct weir_fault ignored;
	int code = select_in_memory(selection, data, chunk->raw_bytes, &ignored);

	while (code == WEIR_E_FORMAT) {
		uint64_t from = (uint64_t)(selection->walk.at - data);
		const uint8_t *next = next_sound(selection, interfaces);
		uint64_t to = next ? (uint64_t)(next - data) : chunk->raw_bytes;
		code = add_range(selection, chunk->offset + from, chunk->offset + to, selection->loaded->packets, "overwritten", fault);
		if (code < 0 || !next)
			return code;
		uint32_t range = selection->loaded->range_count - 1;
		uint64_t before = selection->loaded->packets;
		selection->walk.at = next;
		code = select_packets(selection, &ignored);
		if (selection->loaded->packets > before)
			selection->loaded->ranges[range].after_ns = selection->last_ns;
	}
	if (code == WALK_MORE)
		code = 0;
	if (code < 0)
		*fault = ignored;
	return code;
}

/*
 * What is sound of a chunk that is not what was written. Its blocks are only to be had where it is not compressed. 0, or an error that
 * ends the query.
 */
static int salvage(struct selection *selection, struct weir_buffer *buffer, struct weir_fault *fault)
{
	struct loader *loader = selection->loader;
	struct loaded *loaded = selection->loaded;
	const struct query_task *task = selection->task;
	const struct index_chunk *chunk = &task->chunk;
	uint8_t *raw = buffer ? buffer->data : NULL;
	struct weir_fault found;
	int code = 0;

	selection->salvaging = true;
	selection->last_ns = WEIR_NO_TIME;
	selection->count = 0;
	selection->kept = 0;
	selection->linktype = -1;
	selection->walk.last_ns = chunk->first_ns;
	loaded->packets = 0;
	if (raw && task->segment->codec == WEIR_CODEC_NONE) {
		const struct weir_interface **interfaces = malloc((task->segment->interface_count + 1) * sizeof *interfaces);
		if (!interfaces || (selection->kept_in && !room_for(loader, chunk->raw_bytes))) {
			free(interfaces);
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for a chunk of %u bytes", chunk->raw_bytes);
		}
		for (uint32_t i = 0; i < task->segment->interface_count; i++)
			interfaces[i] = task->segment->interfaces[i].interface;
		if (selection->kept_in)
			raw = loader->scratch;
		/* What can't be read, because the file ends before it, is zeros: no block. */
		memset(raw, 0, chunk->raw_bytes);
		(void)chunk_read(loader->reader, task->segment->path, WEIR_CODEC_NONE, chunk, task->segment->big, raw, &found);
		code = walk_damaged(selection, raw, interfaces, fault);
		free(interfaces);
	}
	if (code == 0 && loaded->range_count == 0) {
		bool given = loaded->packets > 0;
		code = add_range(selection, chunk->offset, chunk->offset + chunk->stored_bytes, 0, given ? "checksum" : "compressed data", fault);
		if (code == 0) {
			loaded->ranges[0].before_ns = chunk->first_ns;
			loaded->ranges[0].after_ns = chunk->last_ns;
		}
	}
	/* How many are missing is known of the chunk, not of each range. */
	if (code == 0)
		loaded->ranges[0].packets = chunk->packets > loaded->packets ? chunk->packets - loaded->packets : 0;
	return code;
}

int loader_load(struct loader *loader, const struct query_task *task, struct loaded *loaded, struct weir_fault *fault)
{
	const struct query_segment *segment = task->segment;
	struct selection selection = {
		.loader = loader, .task = task, .loaded = loaded, .linktype = -1,
		.walk = {.interfaces = segment->interfaces, .interface_count = segment->interface_count, .big = segment->big,
		         .last_ns = task->chunk.first_ns},
	};
	struct weir_buffer *buffer = NULL;
	const uint8_t *base = segment->journal;
	struct weir_fault found = {0};
	int code;

	*loaded = (struct loaded){0};
	if (base) {
		code = select_in_memory(&selection, base, task->chunk.raw_bytes, &found);
	} else {
		buffer = buffer_take(loader->pool, task->chunk.raw_bytes);
		if (!buffer)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for a chunk of %u bytes", task->chunk.raw_bytes);
		base = buffer->data;
		code = load_chunk(&selection, buffer, &found);
		loaded->bytes_read = task->chunk.stored_bytes;
	}
	loaded->bytes_decompressed = task->chunk.raw_bytes;
	if (code < 0 && is_damage(code)) {
		/* Nothing of a chunk whose checksum does not hold, unless it is wanted all the same; the rest of the query goes on. */
		loaded->damage = found;
		selection.count = 0;
		code = loader->salvage ? salvage(&selection, buffer, &found) : 0;
	}
	if (code < 0)
		*fault = found;
	else if (selection.count)
		code = keep(&selection, buffer, base, fault);
	if (buffer)
		weir_buffer_drop(buffer);
	if (code < 0)
		loaded_free(loaded);
	return code;
}
