/* Reading traces back: custom blocks among whatever a capture file holds. Schemas come from the file, bounded; nothing of it is believed. */
#include <stdlib.h>
#include <string.h>

#include <weir/file.h>

#include "box/trace.h"
#include "box/trace_format.h"
#include "core/arena.h"
#include "core/xxh3.h"
#include "file/pen.h"

#define SCHEMAS_MOST ((size_t)16 << 20)
#define NAMES_MOST 8192 /* of all fields of an event type: to print an event they are gone through */
#define LOSSES_MOST 65536
#define LOSS_SLOTS (2 * LOSSES_MOST)

struct weir_trace_reader {
	struct weir_source *source;
	struct weir_batch *batch;
	uint32_t next;    /* block of the batch */
	uint32_t section; /* that the providers are of */
	int result;       /* of the last fill */
	struct weir_fault fault;
	struct weir_arena *arena; /* what providers are made of */
	bool full;                /* it is */
	struct weir_trace_provider *providers[TRACE_PROVIDERS_MOST];
	/* As described last, in whatever section: traces put behind each other mostly describe the same. */
	struct {
		struct weir_bytes description;
		struct weir_trace_provider *provider;
	} known[TRACE_PROVIDERS_MOST];
	struct weir_trace_loss *losses;
	uint32_t *loss_sections;
	uint32_t *loss_slots; /* by section, provider and CPU: index + 1; open addressing */
	size_t loss_count, loss_room;
};

/* NULL: the arena is full. */
static void *take_memory(struct weir_trace_reader *reader, size_t size)
{
	void *memory = arena_take(reader->arena, size);

	reader->full |= !memory;
	return memory;
}

static int opened(int error, struct weir_trace_reader *made, struct weir_trace_reader **reader, struct weir_fault *fault)
{
	if (!error && (!(made->batch = weir_batch_new()) || !(made->arena = arena_new(SCHEMAS_MOST))))
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to read a trace");
	if (error) {
		weir_trace_read_close(made);
		return error;
	}
	made->result = 1;
	weir_fault_clear(&made->fault);
	*reader = made;
	return 0;
}

int weir_trace_read_open(const char *path, const struct weir_identities *identities, struct weir_trace_reader **reader, struct weir_fault *fault)
{
	const struct weir_capture_options options = {.identities = identities};
	struct weir_trace_reader *made = calloc(1, sizeof *made);

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read a trace");
	return opened(weir_capture_open(path, &options, &made->source, fault), made, reader, fault);
}

int weir_trace_read_open_memory(const void *data, size_t length, const char *name, struct weir_trace_reader **reader, struct weir_fault *fault)
{
	struct weir_trace_reader *made = calloc(1, sizeof *made);

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read a trace");
	return opened(weir_capture_open_memory(data, length, name, NULL, &made->source, fault), made, reader, fault);
}

void weir_trace_read_close(struct weir_trace_reader *reader)
{
	if (!reader)
		return;
	weir_batch_free(reader->batch);
	weir_source_close(reader->source);
	arena_free(reader->arena);
	free(reader->losses);
	free(reader->loss_sections);
	free(reader->loss_slots);
	free(reader);
}

/* ---- schemas ---- */

static char *take_text(struct weir_trace_reader *reader, struct weir_cursor *cursor)
{
	size_t length = weir_take8(cursor);
	const uint8_t *data = weir_take(cursor, length);
	char *text = data ? take_memory(reader, length + 1) : NULL;

	if (!text) {
		cursor->failed = true;
		return NULL;
	}
	memcpy(text, data, length);
	text[length] = '\0';
	return text;
}

static struct weir_trace_name *take_names(struct weir_trace_reader *reader, struct weir_cursor *cursor, size_t count, size_t most)
{
	if (count > most || count > weir_cursor_left(cursor) / 5) {
		cursor->failed = true;
		return NULL;
	}
	struct weir_trace_name *names = take_memory(reader, (count + 1) * sizeof *names);
	if (!names) {
		cursor->failed = true;
		return NULL;
	}
	memset(names, 0, (count + 1) * sizeof *names);
	for (size_t i = 0; i < count && !cursor->failed; i++) {
		names[i].value = weir_take_le32(cursor);
		names[i].name = take_text(reader, cursor);
	}
	return names;
}

/* `before`: the fields of the event type told before, `before_count` of them; may be NULL. */
static struct weir_trace_field *take_fields(struct weir_trace_reader *reader, struct weir_cursor *cursor,
                                            const struct weir_trace_field *before, size_t before_count, size_t *taken)
{
	size_t count = weir_take8(cursor), names_left = NAMES_MOST;
	struct weir_trace_field *fields = count <= TRACE_FIELDS_MOST ? take_memory(reader, (count + 1) * sizeof *fields) : NULL;

	if (!fields) {
		cursor->failed = true;
		return NULL;
	}
	memset(fields, 0, (count + 1) * sizeof *fields);
	for (size_t i = 0; i < count && !cursor->failed; i++) {
		fields[i].type = weir_take8(cursor);
		fields[i].size = weir_take8(cursor);
		fields[i].name = take_text(reader, cursor);
		size_t names = weir_take_le16(cursor);
		if (names == 0xffff)
			fields[i].names = before && i < before_count ? before[i].names : NULL;
		else if (names)
			fields[i].names = take_names(reader, cursor, names, names_left);
		for (const struct weir_trace_name *name = cursor->failed ? NULL : fields[i].names; name && name->name; name++)
			cursor->failed |= names_left-- == 0;
	}
	*taken = count;
	return fields;
}

static const struct weir_trace_keyword *take_keywords(struct weir_trace_reader *reader, struct weir_cursor *cursor)
{
	size_t count = weir_take8(cursor);
	struct weir_trace_keyword *keywords = take_memory(reader, (count + 1) * sizeof *keywords);

	if (!keywords) {
		cursor->failed = true;
		return NULL;
	}
	memset(keywords, 0, (count + 1) * sizeof *keywords);
	for (size_t i = 0; i < count && !cursor->failed; i++) {
		keywords[i].bit = weir_take_le64(cursor);
		keywords[i].name = take_text(reader, cursor);
	}
	return keywords;
}

static const struct weir_trace_event_type *take_events(struct weir_trace_reader *reader, struct weir_cursor *cursor)
{
	size_t count = weir_take8(cursor), field_count = 0;
	struct weir_trace_event_type *events = take_memory(reader, (count + 1) * sizeof *events);

	if (!events) {
		cursor->failed = true;
		return NULL;
	}
	memset(events, 0, (count + 1) * sizeof *events);
	for (size_t i = 0; i < count && !cursor->failed; i++) {
		events[i].id = weir_take8(cursor);
		events[i].version = weir_take8(cursor);
		events[i].level = weir_take8(cursor);
		events[i].keywords = weir_take_le64(cursor);
		events[i].name = take_text(reader, cursor);
		events[i].fields = take_fields(reader, cursor, i ? events[i - 1].fields : NULL, field_count, &field_count);
		if (events[i].id == 0 || events[i].id > TRACE_EVENTS_MOST)
			cursor->failed = true;
	}
	return events;
}

static struct weir_trace_provider *read_provider(struct weir_trace_reader *reader, struct weir_cursor *cursor, uint16_t id)
{
	struct weir_trace_provider *provider = take_memory(reader, sizeof *provider);

	if (!provider)
		return NULL;
	provider->id = id;
	provider->name = take_text(reader, cursor);
	provider->meaning = take_text(reader, cursor);
	provider->keywords = take_keywords(reader, cursor);
	provider->events = take_events(reader, cursor);
	return cursor->failed ? NULL : provider;
}

/* One that makes no sense is passed over, and so are its events. */
static int take_provider(struct weir_trace_reader *reader, struct weir_cursor *cursor, struct weir_fault *fault)
{
	uint16_t id = weir_take_le16(cursor);
	struct weir_bytes description = {cursor->at, weir_cursor_left(cursor)};

	if (cursor->failed || id >= TRACE_PROVIDERS_MOST)
		return 0;
	const struct weir_bytes *known = &reader->known[id].description;
	if (reader->known[id].provider && known->length == description.length && memcmp(known->data, description.data, known->length) == 0) {
		reader->providers[id] = reader->known[id].provider;
		return 0;
	}
	struct weir_trace_provider *provider = read_provider(reader, cursor, id);
	uint8_t *copy = provider ? take_memory(reader, description.length) : NULL;
	if (reader->full)
		return weir_fail(fault, WEIR_E_LIMIT, "the trace's descriptions of providers take more than %zu MiB", SCHEMAS_MOST >> 20);
	if (!copy)
		return 0;
	memcpy(copy, description.data, description.length);
	reader->known[id].description = (struct weir_bytes){copy, description.length};
	reader->known[id].provider = reader->providers[id] = provider;
	return 0;
}

/* Makes room for one more. */
static int grow_losses(struct weir_trace_reader *reader, struct weir_fault *fault)
{
	size_t room = reader->loss_room ? reader->loss_room * 2 : 64;

	if (reader->loss_count < reader->loss_room)
		return 0;
	if (room > LOSSES_MOST)
		return weir_fail(fault, WEIR_E_LIMIT, "the trace tells of too many losses");
	if (!reader->loss_slots && !(reader->loss_slots = calloc(LOSS_SLOTS, sizeof *reader->loss_slots)))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the losses of a trace");
	struct weir_trace_loss *losses = realloc(reader->losses, room * sizeof *losses);
	if (losses)
		reader->losses = losses;
	uint32_t *sections = losses ? realloc(reader->loss_sections, room * sizeof *sections) : NULL;
	if (!sections)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the losses of a trace");
	reader->loss_sections = sections;
	reader->loss_room = room;
	return 0;
}

/* Where a loss of this section, provider and CPU stands among the slots, or would. */
static uint32_t *loss_slot(const struct weir_trace_reader *reader, const struct weir_trace_loss *loss)
{
	const uint32_t key[3] = {reader->section, loss->provider->id, loss->cpu};

	/* With a seed that a file can't know: who writes one may not make them all fall into one place. */
	for (uint64_t at = xxh3_seeded(key, sizeof key, (uintptr_t)reader->loss_slots);; at++) {
		uint32_t *slot = &reader->loss_slots[at % LOSS_SLOTS];
		const struct weir_trace_loss *other = *slot ? &reader->losses[*slot - 1] : NULL;
		if (!other || (other->provider == loss->provider && other->cpu == loss->cpu && reader->loss_sections[*slot - 1] == reader->section))
			return slot;
	}
}

static int take_loss(struct weir_trace_reader *reader, struct weir_cursor *cursor, struct weir_fault *fault)
{
	struct weir_trace_loss loss = {0};
	uint16_t id = weir_take_le16(cursor);

	weir_take(cursor, 2);
	loss.cpu = weir_take_le32(cursor);
	weir_take(cursor, 8);
	loss.sent = weir_take_le64(cursor);
	loss.kept = weir_take_le64(cursor);
	loss.lost = weir_take_le64(cursor);
	loss.provider = id < TRACE_PROVIDERS_MOST ? reader->providers[id] : NULL;
	if (cursor->failed || !loss.provider)
		return 0;
	/* Of this section: another one is another trace. */
	uint32_t *slot = reader->loss_slots ? loss_slot(reader, &loss) : NULL;
	if (slot && *slot) {
		reader->losses[*slot - 1] = loss;
		return 0;
	}
	int error = grow_losses(reader, fault);
	if (error)
		return error;
	*loss_slot(reader, &loss) = (uint32_t)reader->loss_count + 1;
	reader->loss_sections[reader->loss_count] = reader->section;
	reader->losses[reader->loss_count++] = loss;
	return 0;
}

/* ---- events ---- */

static bool take_event(struct weir_trace_reader *reader, struct weir_cursor *cursor, struct weir_trace_event *event)
{
	uint16_t id = weir_take_le16(cursor);
	unsigned type = weir_take8(cursor), version = weir_take8(cursor);

	*event = (struct weir_trace_event){.provider = id < TRACE_PROVIDERS_MOST ? reader->providers[id] : NULL};
	event->cpu = weir_take_le16(cursor);
	event->flags = weir_take8(cursor);
	weir_take(cursor, 1);
	size_t length = weir_take_le32(cursor);
	event->process_id = weir_take_le32(cursor);
	event->thread_id = weir_take_le32(cursor);
	event->time_ns = (int64_t)weir_take_le64(cursor);
	event->user_ns = weir_take_le64(cursor);
	event->kernel_ns = weir_take_le64(cursor);
	event->activity = weir_take_le64(cursor);
	const uint8_t *name = weir_take(cursor, sizeof event->name);
	event->payload = (struct weir_bytes){weir_take(cursor, length), length};
	if (cursor->failed || !event->provider)
		return false;
	memcpy(event->name, name, sizeof event->name);
	event->type = trace_event_type(event->provider, type);
	return event->type && event->type->version == version;
}

/* 1: it was an event. */
static int take_block(struct weir_trace_reader *reader, const struct weir_block *block, struct weir_trace_event *event, struct weir_fault *fault)
{
	if (block->type != TRACE_BLOCK || block->length < TRACE_BLOCK_HEAD + 8 || weir_load32(block->data + 8, block->big_endian) != WEIR_PEN)
		return 0;
	/* Each section tells its own providers; one that was copied behind another may not rely on it. */
	if (block->section != reader->section) {
		memset(reader->providers, 0, sizeof reader->providers);
		reader->section = block->section;
	}
	struct weir_cursor cursor = weir_cursor_over(block->data + TRACE_BLOCK_HEAD, block->length - TRACE_BLOCK_HEAD - 4);
	const uint8_t *magic = weir_take(&cursor, 4);
	if (memcmp(magic, TRACE_EVENT_MAGIC, 4) == 0)
		return take_event(reader, &cursor, event);
	if (memcmp(magic, TRACE_PROVIDER_MAGIC, 4) == 0)
		return take_provider(reader, &cursor, fault);
	if (memcmp(magic, TRACE_LOSS_MAGIC, 4) == 0)
		return take_loss(reader, &cursor, fault);
	return 0;
}

int weir_trace_read(struct weir_trace_reader *reader, struct weir_trace_event *event, struct weir_fault *fault)
{
	for (;;) {
		while (reader->next < reader->batch->block_count) {
			int result = take_block(reader, &reader->batch->blocks[reader->next++], event, fault);
			if (result)
				return result;
		}
		if (reader->result <= 0) {
			if (reader->result < 0 && fault)
				*fault = reader->fault;
			return reader->result;
		}
		weir_batch_reset(reader->batch);
		reader->next = 0;
		reader->result = reader->source->ops->fill(reader->source, reader->batch, &reader->fault);
	}
}

const struct weir_trace_loss *weir_trace_read_losses(const struct weir_trace_reader *reader, size_t *count)
{
	*count = reader->loss_count;
	return reader->losses;
}
