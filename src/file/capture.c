/* Capture files as sources: the window, the interfaces, the batches. The formats are in pcap.c and pcapng.c. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/capture.h"

/* Large enough that a system call costs nothing, small enough that what it copied is still in the L2 cache when it is walked. */
#define WINDOW_BYTES ((uint32_t)256 << 10)
#define WINDOW_LEAST ((uint32_t)4 << 10)
#define INTERFACES_MAX ((uint32_t)1 << 18) /* bounds the memory that a file can demand by claiming interfaces */

static const struct {
	const char *magic;
	size_t length;
	const char *what;
} others[] = {
	{"snoop\0\0\0", 8, "a snoop"},
	{"GMBU", 4, "a Network Monitor 2"},
	{"RTSS", 4, "a Network Monitor 1"},
	{"XCP\0", 4, "a NetXRay or Windows Sniffer"},
	{"TRSNIFF data    \x1a", 17, "a DOS Sniffer"},
};

int capture_fail(const struct capture *capture, struct weir_fault *fault, enum weir_error code, const char *format, ...)
{
	char message[sizeof fault->message];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	return weir_fail_at(fault, code, capture->name, (int64_t)capture_offset(capture), (int64_t)capture->number, "%s",
	                    message);
}

/* Shows what was read last, `length` bytes of it. */
static void show(const struct capture *capture, const uint8_t *data, size_t length)
{
	const struct weir_capture_tap *tap = capture->options.tap;

	if (tap && length && stream_plain(capture->stream))
		tap->read(tap->context, capture->buffer, data, length, stream_position(capture->stream) - length);
}

/* Puts the unread bytes at the front of a buffer with room for more. */
static int make_room(struct capture *capture, size_t need, struct weir_fault *fault)
{
	size_t left = capture_left(capture);
	struct weir_buffer *buffer = capture->buffer;

	/* A claim alone gets no memory: it doubles as the bytes really come. */
	size_t size = need < 2 * left ? need : 2 * left;
	if (size < capture->options.window_bytes)
		size = capture->options.window_bytes;
	/*
	 * Acquire: whoever dropped the other reference is done reading what is overwritten now. Only a buffer like the one that would be taken otherwise: whether others
	 * have let go of it yet must not show in how long the batches are, which is where the parts of a run end; and what had grown for one record
	 * is given back.
	 */
	bool ours = buffer && buffer->size == size && atomic_load_explicit(&buffer->references, memory_order_acquire) == 1;
	if (ours) {
		memmove(buffer->data, capture->at, left);
	} else {
		buffer = buffer_take(capture->pool, size);
		if (!buffer)
			return capture_fail(capture, fault, WEIR_E_MEMORY, "no memory for a record of %zu bytes", need);
		if (left)
			memcpy(buffer->data, capture->at, left);
		if (capture->buffer)
			weir_buffer_drop(capture->buffer);
		capture->buffer = buffer;
	}
	capture->at = buffer->data;
	capture->end = buffer->data + left;
	return 0;
}

/* Whether there is no room to read into, or moving the unread bytes to the front makes the record fit. */
static bool window_short(const struct capture *capture, size_t need)
{
	if (!capture->buffer)
		return true;
	const uint8_t *limit = capture->buffer->data + capture->buffer->size;
	return capture->end == limit || (need > (size_t)(limit - capture->at) && capture->at != capture->buffer->data);
}

int capture_need(struct capture *capture, size_t need, struct weir_fault *fault)
{
	while (capture_left(capture) < need) {
		if (capture->ended)
			return 0;
		if (window_short(capture, need)) {
			int error = make_room(capture, need, fault);
			if (error)
				return error;
		}
		const uint8_t *limit = capture->buffer->data + capture->buffer->size;
		uint8_t *out = capture->buffer->data + (capture->end - capture->buffer->data);
		int64_t n = stream_read(capture->stream, out, (size_t)(limit - capture->end), fault);
		if (n < 0) {
			if (fault) {
				fault->offset = (int64_t)capture->end_offset;
				fault->packet = (int64_t)capture->number;
			}
			return (int)n;
		}
		show(capture, out, (size_t)n);
		capture->ended = n == 0;
		capture->end += n;
		capture->end_offset += (uint64_t)n;
	}
	return 1;
}

/* Keeps an outgrown table until the source is closed. */
static int retire(struct capture *capture, void *table)
{
	if (!table)
		return 0;
	void **grown = realloc(capture->outgrown, (capture->outgrown_count + 1) * sizeof *grown);
	if (!grown)
		return WEIR_E_MEMORY;
	capture->outgrown = grown;
	capture->outgrown[capture->outgrown_count++] = table;
	return 0;
}

static int grow_interfaces(struct capture *capture, struct weir_fault *fault)
{
	uint32_t capacity = capture->interface_capacity ? 2 * capture->interface_capacity : 4;
	struct interface_key *keys = realloc(capture->keys, capacity * sizeof *keys);

	if (keys)
		capture->keys = keys;
	const struct weir_interface **table = malloc(capacity * sizeof *table);
	if (!keys || !table || retire(capture, (void *)capture->interfaces) < 0) {
		free(table);
		return capture_fail(capture, fault, WEIR_E_MEMORY, "no memory for interfaces");
	}
	if (capture->interface_count)
		memcpy(table, capture->interfaces, capture->interface_count * sizeof *table);
	capture->interfaces = table;
	capture->interface_capacity = capacity;
	return 0;
}

uint32_t capture_packet_limit(const struct capture *capture, uint16_t linktype)
{
	if (capture->options.packet_limit_bytes)
		return capture->options.packet_limit_bytes;
	switch (linktype) {
	case 231: /* LINKTYPE_DBUS */
	case 249: /* LINKTYPE_USBPCAP */
		return (uint32_t)128 << 20;
	case 279: /* LINKTYPE_EBHSCR */
		return (uint32_t)8 << 20;
	default:
		return (uint32_t)256 << 10;
	}
}

static struct interface_key key_of(const struct capture *capture, const struct weir_interface *interface)
{
	struct interface_key key = {
		.linktype = interface->linktype,
		.packet_limit = capture_packet_limit(capture, interface->linktype),
	};

	if (interface->offset_seconds == 0 && interface->resolution <= 9) {
		key.multiplier = 1;
		for (unsigned i = interface->resolution; i < 9; i++)
			key.multiplier *= 10;
		key.ticks_most = INT64_MAX / key.multiplier;
	}
	return key;
}

int capture_add_interface(struct capture *capture, const struct weir_interface *interface, struct weir_fault *fault)
{
	if (capture->interface_count >= INTERFACES_MAX)
		return capture_fail(capture, fault, WEIR_E_LIMIT, "more than %u interfaces", INTERFACES_MAX);
	if (capture->interface_count == capture->interface_capacity) {
		int error = grow_interfaces(capture, fault);
		if (error)
			return error;
	}
	struct weir_interface *copy = malloc(sizeof *copy + interface->options.length);
	if (!copy)
		return capture_fail(capture, fault, WEIR_E_MEMORY, "no memory for an interface");
	*copy = *interface;
	if (copy->options.length)
		memcpy(copy + 1, interface->options.data, interface->options.length);
	copy->options.data = (const uint8_t *)(copy + 1);
	capture->keys[capture->interface_count] = key_of(capture, copy);
	capture->interfaces[capture->interface_count++] = copy;
	return 0;
}

int capture_keep_header(struct capture *capture, const uint8_t *data, size_t length, struct weir_fault *fault)
{
	uint8_t *copy = malloc(length);

	if (!copy)
		return capture_fail(capture, fault, WEIR_E_MEMORY, "no memory for a header");
	memcpy(copy, data, length);
	free(capture->header_copy);
	capture->header_copy = copy;
	capture->header.raw = (struct weir_bytes){copy, length};
	return 0;
}

int capture_hold(struct capture *capture, struct weir_batch *batch, uint32_t packets, uint32_t blocks)
{
	if (!capture->buffer || (batch->count == packets && batch->block_count == blocks))
		return 0;
	if (batch->buffer_count && batch->buffers[batch->buffer_count - 1] == capture->buffer)
		return 0;
	return weir_batch_hold(batch, capture->buffer);
}

bool capture_batch_full(const struct capture *capture, const struct weir_batch *batch)
{
	if (batch->count == WEIR_BATCH_PACKETS || batch->block_count == WEIR_BATCH_BLOCKS ||
	    batch->buffer_count == WEIR_BATCH_BUFFERS)
		return true;
	/* A buffer that had to grow for a huge record is enough for one batch: this bounds the memory of all that are under way. */
	return capture->buffer && capture->buffer->size > capture->options.window_bytes && (batch->count || batch->block_count);
}

/* Fills the batch as far as it goes. 0 at the end or when it is full, or an error. */
static int fill_batch(struct capture *capture, struct weir_batch *batch, struct weir_fault *fault)
{
	int result = 0;

	for (;;) {
		uint32_t packets = batch->count, blocks = batch->block_count;
		capture->format->fill(capture, batch);
		capture->number += batch->count - packets;
		result = capture_hold(capture, batch, packets, blocks);
		if (result < 0 || capture_batch_full(capture, batch))
			return result;

		/* From a live pipe: hand over what there is before going to sleep. */
		if ((batch->count || batch->block_count) && capture->stream && stream_waits(capture->stream))
			return 0;
		packets = batch->count;
		struct weir_packet *packet = &batch->packets[batch->count];
		struct weir_block *block = &batch->blocks[batch->block_count];
		result = capture->format->next(capture, packet, block, fault);
		if (result <= RECORD_END)
			return result;
		if (result == RECORD_PACKET) {
			batch->count++;
			capture->number++;
		} else {
			block->before = batch->count;
			batch->block_count++;
		}
		result = capture_hold(capture, batch, packets, blocks);
		if (result < 0 || capture_batch_full(capture, batch))
			return result;
	}
}

static int fill(struct weir_source *source, struct weir_batch *batch, struct weir_fault *fault)
{
	struct capture *capture = (struct capture *)source;
	uint64_t first = capture->number;
	int result = capture->held.code;

	if (!result)
		result = fill_batch(capture, batch, &capture->held);
	batch->first_number = first;
	batch->interfaces = capture->interfaces;
	batch->interface_count = capture->interface_count;
	batch->source_bytes = capture->stream ? stream_position(capture->stream) : capture_offset(capture);
	/* A file without sound packets still has interfaces, which one empty batch shows. */
	if (batch->count || batch->block_count || !capture->delivered) {
		capture->delivered = true;
		return 1;
	}
	if (result < 0 && fault)
		*fault = capture->held;
	return result < 0 ? result : 0;
}

static int walk_interfaces(const struct capture *capture, struct capture_walk *walk, struct weir_fault *fault)
{
	if (walk->interface_count >= capture->interface_count)
		return 0;
	struct capture_tally *grown = realloc(walk->interfaces, capture->interface_capacity * sizeof *grown);
	if (!grown)
		return capture_fail(capture, fault, WEIR_E_MEMORY, "no memory for interfaces");
	walk->interfaces = grown;
	while (walk->interface_count < capture->interface_count)
		grown[walk->interface_count++] = (struct capture_tally){.first_ns = INT64_MAX, .last_ns = INT64_MIN,
		                                                        .cut_least = UINT32_MAX};
	return 0;
}

static void walk_packet(struct capture *capture, struct capture_walk *walk, const struct weir_packet *packet)
{
	struct capture_tally *tally = &walk->interfaces[packet->interface_id];

	capture->number++;
	if (packet->flags & WEIR_PACKET_NO_TIME) {
		struct capture_tally before = *tally;
		capture_tally_add(tally, packet->captured, packet->length, 0);
		tally->first_ns = before.first_ns;
		tally->last_ns = before.last_ns;
		return;
	}
	capture_tally_add(tally, packet->captured, packet->length, packet->time_ns);
	tally->timed++;
	walk->unsorted |= packet->time_ns < walk->previous_ns;
	walk->previous_ns = packet->time_ns;
}

int capture_walk(struct weir_source *source, struct capture_walk *walk, struct weir_fault *fault)
{
	struct capture *capture = (struct capture *)source;
	int result;

	walk->previous_ns = INT64_MIN;
	for (;;) {
		struct weir_packet packet;
		struct weir_block block;

		result = walk_interfaces(capture, walk, fault);
		if (result < 0)
			return result;
		capture->format->walk(capture, walk);
		result = capture->format->next(capture, &packet, &block, fault);
		if (result <= RECORD_END)
			break;
		/* The record itself may have been a new interface's. */
		int error = walk_interfaces(capture, walk, fault);
		if (error)
			return error;
		if (result == RECORD_PACKET)
			walk_packet(capture, walk, &packet);
		else if (walk->block && (result = walk->block(walk->context, &block, fault)) != 0)
			break;
	}
	return result;
}

void capture_walk_free(struct capture_walk *walk)
{
	free(walk->interfaces);
	walk->interfaces = NULL;
}

void capture_free(struct capture *capture)
{
	if (capture->buffer)
		weir_buffer_drop(capture->buffer);
	buffer_pool_free(capture->pool);
	stream_close(capture->stream);
	for (uint32_t i = 0; i < capture->interface_count; i++)
		free((void *)(uintptr_t)capture->interfaces[i]);
	for (uint32_t i = 0; i < capture->outgrown_count; i++)
		free(capture->outgrown[i]);
	free(capture->outgrown);
	free((void *)capture->interfaces);
	free(capture->keys);
	free(capture->header_copy);
	free(capture->name);
	free(capture);
}

static void close_capture(struct weir_source *source) { capture_free((struct capture *)source); }

static const struct weir_source_ops capture_ops = {
	.name = "capture file",
	.fill = fill,
	.close = close_capture,
};

static int unknown_format(const struct capture *capture, struct weir_fault *fault)
{
	size_t left = capture_left(capture);

	if (left == 0)
		return weir_fail_at(fault, WEIR_E_TRUNCATED, capture->name, WEIR_NOWHERE, WEIR_NOWHERE, "is empty");
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (left >= others[i].length && memcmp(capture->at, others[i].magic, others[i].length) == 0)
			return weir_fail_at(fault, WEIR_E_UNSUPPORTED, capture->name, WEIR_NOWHERE, WEIR_NOWHERE,
			                    "is %s file, which weir does not read: convert it first (editcap -F pcapng)",
			                    others[i].what);
	return weir_fail_at(fault, WEIR_E_FORMAT, capture->name, 0, WEIR_NOWHERE,
	                    "is neither pcap nor pcapng");
}

int capture_begin(struct capture *capture, struct weir_fault *fault)
{
	int result = capture_need(capture, 4, fault);

	if (result < 0)
		return result;
	if (pcap_recognise(capture->at, capture_left(capture)))
		return pcap_begin(capture, fault);
	if (pcapng_recognise(capture->at, capture_left(capture)))
		return pcapng_begin(capture, fault);
	return unknown_format(capture, fault);
}

int capture_new(struct stream *stream, const char *name, const struct weir_capture_options *options, struct capture **made,
                struct weir_fault *fault)
{
	struct capture *capture = calloc(1, sizeof *capture);

	if (!capture) {
		stream_close(stream);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", name);
	}
	capture->source.ops = &capture_ops;
	capture->stream = stream;
	capture->name = strdup(name);
	capture->number = 1;
	weir_fault_clear(&capture->held);
	if (options)
		capture->options = *options;
	if (!capture->options.window_bytes)
		capture->options.window_bytes = WINDOW_BYTES;
	if (capture->options.window_bytes < WINDOW_LEAST)
		capture->options.window_bytes = WINDOW_LEAST;
	capture->pool = buffer_pool_new(capture->options.window_bytes);
	capture->header.compression = stream_compression(stream);
	capture->header.sealed = stream_sealed(stream);
	if (!capture->name || !capture->pool) {
		capture_free(capture);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", name);
	}
	*made = capture;
	return 0;
}

int capture_insert(struct capture *capture, const void *data, size_t length, struct weir_fault *fault)
{
	size_t left = capture_left(capture);
	struct weir_buffer *buffer = buffer_take(capture->pool, length + left);

	if (!buffer)
		return capture_fail(capture, fault, WEIR_E_MEMORY, "no memory for %zu bytes", length + left);
	memcpy(buffer->data, data, length);
	if (left)
		memcpy(buffer->data + length, capture->at, left);
	if (capture->buffer)
		weir_buffer_drop(capture->buffer);
	capture->buffer = buffer;
	capture->at = buffer->data;
	capture->end = buffer->data + length + left;
	capture->end_offset += length;
	return 0;
}

static int open_stream(struct stream *stream, const char *name, const struct weir_capture_options *options,
                       struct weir_source **source, struct weir_fault *fault)
{
	struct capture *capture;
	int error = capture_new(stream, name, options, &capture, fault);

	if (error)
		return error;
	struct weir_bytes memory = stream_memory(stream);
	if (memory.data) {
		capture->at = memory.data;
		capture->end = memory.data + memory.length;
		capture->end_offset = memory.length;
		capture->ended = true;
	}
	error = capture_begin(capture, fault);
	if (error) {
		capture_free(capture);
		return error;
	}
	*source = &capture->source;
	return 0;
}

int weir_capture_open(const char *path, const struct weir_capture_options *options, struct weir_source **source,
                      struct weir_fault *fault)
{
	struct stream *stream;
	int error = stream_open_sealed(path, options ? options->identities : NULL, &stream, fault);

	if (error)
		return error;
	return open_stream(stream, strcmp(path, "-") == 0 ? "standard input" : path, options, source, fault);
}

int weir_capture_open_memory(const void *data, size_t length, const char *name, const struct weir_capture_options *options,
                             struct weir_source **source, struct weir_fault *fault)
{
	struct stream *stream;
	int error = stream_open_sealed_memory(data, length, name, options ? options->identities : NULL, &stream, fault);

	if (error)
		return error;
	return open_stream(stream, name, options, source, fault);
}

const struct weir_file_header *weir_capture_header(const struct weir_source *source)
{
	return &((const struct capture *)source)->header;
}

const struct weir_interface *const *weir_capture_interfaces(const struct weir_source *source, uint32_t *count)
{
	const struct capture *capture = (const struct capture *)source;

	*count = capture->interface_count;
	return capture->interfaces;
}

uint64_t weir_capture_size(const struct weir_source *source)
{
	return stream_size(((const struct capture *)source)->stream);
}

const char *weir_format_name(enum weir_format format)
{
	switch (format) {
	case WEIR_FORMAT_PCAP:
		return "pcap";
	case WEIR_FORMAT_PCAP_NS:
		return "nanosecond pcap";
	case WEIR_FORMAT_PCAP_MODIFIED:
		return "modified pcap";
	case WEIR_FORMAT_PCAPNG:
		return "pcapng";
	case WEIR_FORMAT_UNKNOWN:
		break;
	}
	return "unknown";
}
