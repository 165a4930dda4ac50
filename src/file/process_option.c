/* The processes of a packet as options of its block: file/process_option.h, weir/process.h. */
#include "file/process_option.h"

#include <stdlib.h>

#include <weir/packet.h>

#include "file/option.h"
#include "file/pen.h"

enum { SOURCE = 1, DESTINATION = 2 };

static size_t fitting(struct weir_bytes string, size_t most) { return string.length <= most ? string.length : 0; }

static size_t put_string(uint8_t *out, struct weir_bytes string, size_t length)
{
	if (length)
		memcpy(out, string.data, length);
	return length;
}

static size_t put_end(uint8_t *out, const struct weir_process *process)
{
	size_t name = fitting(process->name, PROCESS_NAME_MOST), user = fitting(process->user, PROCESS_NAME_MOST);
	size_t path = fitting(process->executable, PROCESS_PATH_MOST), at = PROCESS_END_BYTES;

	weir_store32(out, process->pid, false);
	weir_store32(out + 4, process->thread_id, false);
	weir_store32(out + 8, process->user_id, false);
	out[12] = (uint8_t)name;
	out[13] = (uint8_t)user;
	weir_store16(out + 14, (uint16_t)path, false);
	at += put_string(out + at, process->name, name);
	at += put_string(out + at, process->user, user);
	return at + put_string(out + at, process->executable, path);
}

size_t process_options_put(uint8_t out[static PROCESS_OPTIONS_MOST], bool big, const struct weir_packet_processes *processes)
{
	const struct weir_process *source = &processes->source, *destination = &processes->destination;
	const struct weir_process *standard = source->pid ? source : destination;
	uint8_t ids[8], value[PROCESS_OPTIONS_MOST];
	size_t at = 10;

	if (!standard->pid)
		return 0;
	weir_store32(ids, standard->pid, big);
	weir_store32(ids + 4, standard->thread_id, big);
	size_t length = pcapng_option_put(out, big, PCAPNG_EPB_PROCESS, ids, sizeof ids);
	weir_store32(value, WEIR_PEN, big);
	memcpy(value + 4, PROCESS_MAGIC, 4);
	value[8] = PROCESS_OPTION_VERSION;
	value[9] = (uint8_t)((source->pid ? SOURCE : 0) | (destination->pid ? DESTINATION : 0));
	if (source->pid)
		at += put_end(value + at, source);
	if (destination->pid)
		at += put_end(value + at, destination);
	return length + pcapng_option_put(out + length, big, PCAPNG_CUSTOM_BINARY_NO_COPY, value, (uint16_t)at);
}

static bool read_end(struct weir_cursor *cursor, struct weir_process *process)
{
	const uint8_t *head = weir_take(cursor, PROCESS_END_BYTES);

	if (!head)
		return false;
	*process = (struct weir_process){
		.pid = weir_load_le32(head),
		.thread_id = weir_load_le32(head + 4),
		.user_id = weir_load_le32(head + 8),
		.name.length = head[12],
		.user.length = head[13],
		.executable.length = weir_load_le16(head + 14),
	};
	process->name.data = weir_take(cursor, process->name.length);
	process->user.data = weir_take(cursor, process->user.length);
	process->executable.data = weir_take(cursor, process->executable.length);
	return !cursor->failed && process->pid != 0;
}

/* Our own option. False: it is not sound. */
static bool read_ours(struct weir_bytes value, struct weir_packet_processes *processes)
{
	struct weir_cursor cursor = weir_cursor_over(value.data, value.length);
	const uint8_t *head = weir_take(&cursor, 2);

	if (!head || head[0] != PROCESS_OPTION_VERSION || !(head[1] & (SOURCE | DESTINATION)))
		return false;
	if ((head[1] & SOURCE) && !read_end(&cursor, &processes->source))
		return false;
	return !(head[1] & DESTINATION) || read_end(&cursor, &processes->destination);
}

static void clear(struct weir_packet_processes *processes)
{
	const struct weir_process nobody = {.user_id = WEIR_NO_USER};

	*processes = (struct weir_packet_processes){nobody, nobody, nobody};
}

bool process_options_read(struct weir_bytes options, bool big, struct weir_packet_processes *processes)
{
	struct weir_cursor cursor = weir_cursor_over(options.data, options.length);
	struct weir_bytes value;
	uint16_t code;

	clear(processes);
	struct weir_bytes ours = pcapng_option_ours(options, big, PROCESS_MAGIC);
	if (ours.length) {
		if (read_ours(ours, processes))
			return true;
		clear(processes);
	}
	while (pcapng_option_next(&cursor, big, &code, &value))
		if (code == PCAPNG_EPB_PROCESS && value.length == 8 && weir_load32(value.data, big)) {
			processes->either.pid = weir_load32(value.data, big);
			processes->either.thread_id = weir_load32(value.data + 4, big);
			return true;
		}
	return false;
}

/* How many bytes of the options stand before their end; *named: there are processes among them. */
static size_t measure(struct weir_bytes options, bool big, bool *named)
{
	struct weir_cursor cursor = weir_cursor_over(options.data, options.length);
	struct weir_bytes value;
	uint16_t code;
	size_t length = 0;

	*named = pcapng_option_ours(options, big, PROCESS_MAGIC).length > 0;
	while (pcapng_option_next(&cursor, big, &code, &value)) {
		*named |= code == PCAPNG_EPB_PROCESS;
		length = (size_t)(cursor.at - options.data);
	}
	return length;
}

bool process_options_join(struct joined_options *out, struct weir_bytes options, bool from_big, struct weir_bytes added, bool big)
{
	bool named;
	size_t had = measure(options, from_big, &named), more = named ? 0 : added.length, needed = had + more + 4;

	if (needed > out->room) {
		uint8_t *bytes = realloc(out->bytes, 2 * needed);
		if (!bytes)
			return false;
		out->bytes = bytes;
		out->room = 2 * needed;
	}
	if (had)
		memcpy(out->bytes, options.data, had);
	if (had && from_big != big)
		pcapng_options_turn(out->bytes, had, from_big, pcapng_packet_option_wide);
	if (more)
		memcpy(out->bytes + had, added.data, more);
	if (more && big != WEIR_NATIVE_BIG)
		pcapng_options_turn(out->bytes + had, more, WEIR_NATIVE_BIG, pcapng_packet_option_wide);
	out->length = had + more;
	if (out->length)
		out->length += pcapng_option_put(out->bytes + out->length, big, PCAPNG_END_OF_OPTIONS, NULL, 0);
	return true;
}

bool weir_packet_process(const struct weir_batch *batch, const struct weir_packet *packet, struct weir_packet_processes *processes)
{
	if (packet->block && !(packet->flags & WEIR_PACKET_PCAP_RECORD) && packet->interface_id < batch->interface_count &&
	    packet->block_length > PCAPNG_EPB_BYTES + packet->captured) {
		bool big = batch->interfaces[packet->interface_id]->big_endian;
		struct weir_bytes options = pcapng_packet_options(packet->block, packet->block_length, big);
		if (options.length && process_options_read(options, big, processes))
			return true;
	}
	struct weir_bytes added = weir_packet_added(batch, packet);
	return added.length && process_options_read(added, WEIR_NATIVE_BIG, processes);
}
