/*
 * A trace for the Perfetto UI: its protobuf format (protos/perfetto/trace), of which we write a handful of messages. Context switches are scheduler events, which the UI
 * makes slices by CPU and by thread of; every other event stands as an instant on the track of its thread, with its fields.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "box/trace.h"
#include "bpf/trace_events.h"
#include "core/text.h"
#include "file/stream.h"
#include "packet/output.h"

#define TRACKS_MOST (1u << 20)
#define SEQUENCE 1
/* Tracks are numbered: threads by their id; one for what belongs to none. */
#define GLOBAL_TRACK UINT64_C(0x7765697200000000)

/* Numbers of fields, as the format's definitions have them. */
enum { TRACE_PACKET = 1 };
enum { PACKET_FTRACE = 1, PACKET_CLOCKS = 6, PACKET_TIMESTAMP = 8, PACKET_SEQUENCE = 10, PACKET_TRACK_EVENT = 11, PACKET_TRACK = 60 };
enum { WIRE_NUMBER = 0, WIRE_BYTES = 2 };

struct trace_perfetto {
	struct stream_writer *out;
	uint32_t *threads; /* whose tracks are told: an open-addressed set, 0 is free */
	size_t count, room; /* room: a power of two */
	struct text packet, inner, deeper, innermost;
	bool begun;
};

static void put_varint(struct text *out, uint64_t value)
{
	for (; value >= 128; value >>= 7)
		text_add_char(out, (char)(value | 128));
	text_add_char(out, (char)value);
}

static void put_number(struct text *out, unsigned field, uint64_t value)
{
	put_varint(out, field << 3 | WIRE_NUMBER);
	put_varint(out, value);
}

static void put_string(struct text *out, unsigned field, const void *data, size_t length)
{
	put_varint(out, field << 3 | WIRE_BYTES);
	put_varint(out, length);
	if (length)
		text_add_bytes(out, data, length);
}

static void put_message(struct text *out, unsigned field, const struct text *message) { put_string(out, field, message->data, message->length); }

static void put_name(struct text *out, unsigned field, const char *name, size_t most) { put_string(out, field, name, strnlen(name, most)); }

/* The packet in hand goes out. */
static int write_packet(struct trace_perfetto *perfetto, struct weir_fault *fault)
{
	uint8_t head[12];
	size_t length = perfetto->packet.length, n = 0;

	if (perfetto->packet.failed || perfetto->inner.failed || perfetto->deeper.failed || perfetto->innermost.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write a trace");
	head[n++] = TRACE_PACKET << 3 | WIRE_BYTES;
	for (; length >= 128; length >>= 7)
		head[n++] = (uint8_t)(length | 128);
	head[n++] = (uint8_t)length;
	int error = stream_writer_write(perfetto->out, head, n, fault);
	if (!error)
		error = stream_writer_write(perfetto->out, perfetto->packet.data, perfetto->packet.length, fault);
	text_clear(&perfetto->packet);
	return error;
}

int trace_perfetto_open(const char *path, struct trace_perfetto **perfetto, struct weir_fault *fault)
{
	struct trace_perfetto *made = calloc(1, sizeof *made);

	if (made) {
		made->room = 1024;
		made->threads = calloc(made->room, sizeof *made->threads);
	}
	int error = made && made->threads ? stream_writer_open(path, WEIR_COMPRESSION_NONE, 0, &made->out, fault)
	                                  : weir_fail(fault, WEIR_E_MEMORY, "no memory to write a trace");
	if (error) {
		trace_perfetto_close(made);
		return error;
	}
	*perfetto = made;
	return 0;
}

/* Where a thread stands or would stand in the set. */
static size_t slot_of(const uint32_t *threads, size_t room, uint32_t thread)
{
	size_t slot = thread * UINT64_C(0x9e3779b97f4a7c15) >> 32 & (room - 1);

	while (threads[slot] && threads[slot] != thread)
		slot = (slot + 1) & (room - 1);
	return slot;
}

static int grow(struct trace_perfetto *perfetto, struct weir_fault *fault)
{
	size_t room = perfetto->room * 2;
	uint32_t *threads = calloc(room, sizeof *threads);

	if (!threads)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to write a trace");
	for (size_t i = 0; i < perfetto->room; i++)
		if (perfetto->threads[i])
			threads[slot_of(threads, room, perfetto->threads[i])] = perfetto->threads[i];
	free(perfetto->threads);
	perfetto->threads = threads;
	perfetto->room = room;
	return 0;
}

/* Tells of a thread's track and of its process, once. */
static int tell_thread(struct trace_perfetto *perfetto, uint32_t process, uint32_t thread, const char *name, struct weir_fault *fault)
{
	size_t slot = slot_of(perfetto->threads, perfetto->room, thread);

	if (thread == 0 || perfetto->threads[slot] || perfetto->count >= TRACKS_MOST)
		return 0;
	perfetto->threads[slot] = thread;
	if (++perfetto->count * 2 > perfetto->room && grow(perfetto, fault) < 0)
		return WEIR_E_MEMORY;
	/* TrackDescriptor: uuid 1, thread 4 (ThreadDescriptor: pid 1, tid 2, thread_name 5). */
	text_clear(&perfetto->inner);
	text_clear(&perfetto->deeper);
	put_number(&perfetto->deeper, 1, process);
	put_number(&perfetto->deeper, 2, thread);
	put_name(&perfetto->deeper, 5, name, 16);
	put_number(&perfetto->inner, 1, thread);
	put_message(&perfetto->inner, 4, &perfetto->deeper);
	put_number(&perfetto->packet, PACKET_SEQUENCE, SEQUENCE);
	put_message(&perfetto->packet, PACKET_TRACK, &perfetto->inner);
	return write_packet(perfetto, fault);
}

/* Times are since the epoch, which we declare to be the clock of the trace; and the track of what belongs to no thread. */
static int tell_clock(struct trace_perfetto *perfetto, int64_t time_ns, struct weir_fault *fault)
{
	static const unsigned clocks[] = {6 /* BUILTIN_CLOCK_BOOTTIME */, 1 /* BUILTIN_CLOCK_REALTIME */};

	perfetto->begun = true;
	/* ClockSnapshot: clocks 1 (clock_id 1, timestamp 2). */
	for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
		text_clear(&perfetto->deeper);
		put_number(&perfetto->deeper, 1, clocks[i]);
		put_number(&perfetto->deeper, 2, (uint64_t)time_ns);
		put_message(&perfetto->inner, 1, &perfetto->deeper);
	}
	put_number(&perfetto->packet, PACKET_SEQUENCE, SEQUENCE);
	put_message(&perfetto->packet, PACKET_CLOCKS, &perfetto->inner);
	int error = write_packet(perfetto, fault);
	if (error)
		return error;
	text_clear(&perfetto->inner);
	put_number(&perfetto->inner, 1, GLOBAL_TRACK);
	put_name(&perfetto->inner, 2, "interrupts and system", 64);
	put_number(&perfetto->packet, PACKET_SEQUENCE, SEQUENCE);
	put_message(&perfetto->packet, PACKET_TRACK, &perfetto->inner);
	return write_packet(perfetto, fault);
}

/* The value of a switch's field by its name. */
static struct weir_trace_value value_of(const struct weir_trace_event *event, const char *name)
{
	struct weir_cursor payload = weir_cursor_over(event->payload.data, event->payload.length);
	struct weir_trace_value value = {0};

	for (const struct weir_trace_field *field = event->type->fields; field->name; field++) {
		if (!weir_trace_take(&payload, field, &value))
			break;
		if (strcmp(field->name, name) == 0)
			return value;
	}
	return (struct weir_trace_value){0};
}

static int put_switch(struct trace_perfetto *perfetto, const struct weir_trace_event *event, struct weir_fault *fault)
{
	struct weir_trace_value name = value_of(event, "next_name");
	uint32_t process = (uint32_t)value_of(event, "next_pid").number, thread = (uint32_t)value_of(event, "next_tid").number;
	char next[16] = {0};

	memcpy(next, name.text.data ? name.text.data : (const uint8_t *)"", name.text.length < 15 ? name.text.length : 15);
	int error = tell_thread(perfetto, process, thread, next, fault);
	if (error)
		return error;
	/* FtraceEventBundle: cpu 1, event 2 (FtraceEvent: timestamp 1, pid 2, sched_switch 4 (prev_comm 1, prev_pid 2, prev_prio 3, prev_state 4,
	   next_comm 5, next_pid 6, next_prio 7)). */
	text_clear(&perfetto->inner);
	text_clear(&perfetto->deeper);
	text_clear(&perfetto->innermost);
	put_name(&perfetto->innermost, 1, event->name, sizeof event->name);
	put_number(&perfetto->innermost, 2, event->thread_id);
	put_number(&perfetto->innermost, 3, value_of(event, "priority").number);
	put_number(&perfetto->innermost, 4, value_of(event, "state").number);
	put_name(&perfetto->innermost, 5, next, sizeof next);
	put_number(&perfetto->innermost, 6, thread);
	put_number(&perfetto->innermost, 7, value_of(event, "next_priority").number);
	put_number(&perfetto->deeper, 1, (uint64_t)event->time_ns);
	put_number(&perfetto->deeper, 2, event->thread_id);
	put_message(&perfetto->deeper, 4, &perfetto->innermost);
	put_number(&perfetto->inner, 1, event->cpu);
	put_message(&perfetto->inner, 2, &perfetto->deeper);
	put_number(&perfetto->packet, PACKET_SEQUENCE, SEQUENCE);
	put_message(&perfetto->packet, PACKET_FTRACE, &perfetto->inner);
	return write_packet(perfetto, fault);
}

/* DebugAnnotation: name 10, uint_value 3, int_value 4, string_value 6. */
static void put_annotation(struct text *out, struct text *room, const struct weir_trace_field *field, const struct weir_trace_value *value)
{
	struct text address = {0};

	text_clear(room);
	put_name(room, 10, field->name, 255);
	if (field->type == WEIR_TRACE_ADDRESS) {
		if (value->address.version)
			put_ip(&address, value->address.version, value->address.bytes);
		put_string(room, 6, address.data, address.length);
		text_free(&address);
	} else if (field->type == WEIR_TRACE_TEXT || field->type == WEIR_TRACE_STRING) {
		put_string(room, 6, value->text.data, value->text.length);
	} else if (value->name) {
		put_name(room, 6, value->name, 255);
	} else {
		put_number(room, field->type == WEIR_TRACE_SIGNED ? 4 : 3, value->number);
	}
	put_message(out, 4, room);
}

static int put_instant(struct trace_perfetto *perfetto, const struct weir_trace_event *event, struct weir_fault *fault)
{
	struct weir_cursor payload = weir_cursor_over(event->payload.data, event->payload.length);
	struct weir_trace_value value;

	/* TrackEvent: debug_annotations 4, type 9 (3 is an instant), track_uuid 11, categories 22, name 23. */
	text_clear(&perfetto->inner);
	put_number(&perfetto->inner, 9, 3);
	put_number(&perfetto->inner, 11, event->thread_id ? event->thread_id : GLOBAL_TRACK);
	put_name(&perfetto->inner, 22, event->provider->name, 255);
	put_name(&perfetto->inner, 23, event->type->name, 255);
	for (const struct weir_trace_field *field = event->type->fields; field->name; field++) {
		if (!weir_trace_take(&payload, field, &value))
			break;
		/* What is not known has no value to show. */
		if (field->type == WEIR_TRACE_DURATION && value.number == UINT64_MAX)
			continue;
		put_annotation(&perfetto->inner, &perfetto->deeper, field, &value);
	}
	put_number(&perfetto->packet, PACKET_TIMESTAMP, (uint64_t)event->time_ns);
	put_number(&perfetto->packet, PACKET_SEQUENCE, SEQUENCE);
	put_message(&perfetto->packet, PACKET_TRACK_EVENT, &perfetto->inner);
	return write_packet(perfetto, fault);
}

int trace_perfetto_event(struct trace_perfetto *perfetto, const struct weir_trace_event *event, struct weir_fault *fault)
{
	int error = perfetto->begun ? 0 : tell_clock(perfetto, event->time_ns, fault);

	if (!error)
		error = tell_thread(perfetto, event->process_id, event->thread_id, event->name, fault);
	if (error)
		return error;
	if (event->provider->id == TRACE_SCHED && strcmp(event->type->name, "switch") == 0)
		return put_switch(perfetto, event, fault);
	return put_instant(perfetto, event, fault);
}

int trace_perfetto_finish(struct trace_perfetto *perfetto, struct weir_fault *fault) { return stream_writer_finish(perfetto->out, fault); }

void trace_perfetto_close(struct trace_perfetto *perfetto)
{
	if (!perfetto)
		return;
	stream_writer_close(perfetto->out);
	free(perfetto->threads);
	text_free(&perfetto->packet);
	text_free(&perfetto->inner);
	text_free(&perfetto->deeper);
	text_free(&perfetto->innermost);
	free(perfetto);
}
