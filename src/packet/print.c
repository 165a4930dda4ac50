/* Printing packets: packet/print.h. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

#include "packet/decoding.h"
#include "packet/print.h"
#include "packet/sequences.h"

struct printer {
	struct print_options options;
	struct sequences *sequences;
	int64_t previous_ns, first_ns;
	bool begun;
	/* Packets of the same second share their time down to it. */
	int64_t second;
	bool second_known;
	char clock[16], date[24], zone[8];
	struct weir_facts facts;
};

struct printer *printer_new(const struct print_options *options)
{
	struct printer *printer = calloc(1, sizeof *printer);

	if (!printer)
		return NULL;
	printer->options = *options;
	if (!options->json && !options->absolute) {
		printer->sequences = sequences_new();
		if (!printer->sequences) {
			free(printer);
			return NULL;
		}
	}
	return printer;
}

void printer_free(struct printer *printer)
{
	if (!printer)
		return;
	sequences_free(printer->sequences);
	free(printer);
}

/* Seconds since 1970, rounded down, and the rest in ns. */
static int64_t split(int64_t ns, uint32_t *rest)
{
	int64_t second = ns / NS_PER_SECOND, left = ns % NS_PER_SECOND;
	if (left < 0) {
		left += NS_PER_SECOND;
		second--;
	}
	*rest = (uint32_t)left;
	return second;
}

static void prepare_second(struct printer *printer, int64_t second)
{
	time_t t = (time_t)second;
	struct tm tm;

	if (printer->second_known && printer->second == second)
		return;
	if (printer->options.local)
		localtime_r(&t, &tm);
	else
		gmtime_r(&t, &tm);
	strftime(printer->clock, sizeof printer->clock, "%H:%M:%S", &tm);
	strftime(printer->date, sizeof printer->date, "%Y-%m-%d", &tm);
	if (printer->options.local) {
		char zone[8];
		strftime(zone, sizeof zone, "%z", &tm); /* +0200, in RFC 3339 +02:00 */
		snprintf(printer->zone, sizeof printer->zone, "%.3s:%.2s", zone, zone + 3);
	} else {
		strcpy(printer->zone, "Z");
	}
	printer->second = second;
	printer->second_known = true;
}

static void put_fixed(struct text *out, uint32_t value, unsigned digits)
{
	char text[9];

	for (unsigned i = digits; i-- > 0; value /= 10)
		text[i] = (char)('0' + value % 10);
	put_bytes(out, text, digits);
}

static void put_interval(struct text *out, int64_t ns)
{
	uint64_t length = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

	put_char(out, ns < 0 ? '-' : ' ');
	put_padded(out, length / NS_PER_SECOND / 3600, 2);
	put_char(out, ':');
	put_padded(out, length / NS_PER_SECOND / 60 % 60, 2);
	put_char(out, ':');
	put_padded(out, length / NS_PER_SECOND % 60, 2);
	put_char(out, '.');
	put_fixed(out, (uint32_t)(length % NS_PER_SECOND / 1000), 6);
}

/* The difference of two times, held within what an int64_t has. */
static int64_t interval(int64_t from, int64_t to)
{
	int64_t difference;
	return __builtin_sub_overflow(to, from, &difference) ? (to > from ? INT64_MAX : INT64_MIN) : difference;
}

static void put_time(struct printer *printer, const struct weir_packet *packet, struct text *out)
{
	uint32_t rest;
	int64_t second = split(packet->time_ns, &rest);

	switch (printer->options.time) {
	case PRINT_TIME_NONE:
		return;
	case PRINT_TIME_EPOCH:
		if (second < 0)
			put_char(out, '-');
		put_unsigned(out, second < 0 ? 0 - (uint64_t)second : (uint64_t)second);
		break;
	case PRINT_TIME_DELTA:
		put_interval(out, printer->begun ? interval(printer->previous_ns, packet->time_ns) : 0);
		put_char(out, ' ');
		return;
	case PRINT_TIME_SINCE_FIRST:
		put_interval(out, printer->begun ? interval(printer->first_ns, packet->time_ns) : 0);
		put_char(out, ' ');
		return;
	case PRINT_TIME_DATE:
	case PRINT_TIME_CLOCK:
		prepare_second(printer, second);
		if (printer->options.time == PRINT_TIME_DATE) {
			put_bytes(out, printer->date, strlen(printer->date));
			put_char(out, ' ');
		}
		put_bytes(out, printer->clock, strlen(printer->clock));
		break;
	}
	put_char(out, '.');
	put_fixed(out, rest / 1000, 6);
	put_char(out, ' ');
}

/* The length of the link layers, those that -x leaves out. */
static uint32_t link_length(const struct weir_packet *packet, const struct weir_facts *facts)
{
	for (unsigned i = 0; i < facts->layer_count; i++)
		if (facts->layers[i].kind >= WEIR_LAYER_MPLS)
			return facts->layers[i].offset;
	return facts->payload < packet->captured ? facts->payload : packet->captured;
}

void put_hex_dump(struct text *out, const uint8_t *data, size_t length, bool ascii)
{
	for (size_t at = 0; at < length; at += 16) {
		size_t n = length - at < 16 ? length - at : 16;
		put(out, "\n\t0x");
		put_hex(out, at, 4);
		put(out, ": ");
		for (size_t i = 0; i < n; i++) {
			if (i % 2 == 0)
				put_char(out, ' ');
			put_hex(out, data[at + i], 2);
		}
		if (!ascii)
			continue;
		for (size_t column = n * 2 + (n + 1) / 2; column < 42; column++)
			put_char(out, ' ');
		for (size_t i = 0; i < n; i++)
			put_char(out, data[at + i] > 0x20 && data[at + i] < 0x7f ? (char)data[at + i] : '.');
	}
}

static void put_ascii_dump(struct text *out, const uint8_t *data, size_t length)
{
	put_char(out, '\n');
	for (size_t i = 0; i < length; i++) {
		uint8_t c = data[i];
		if (c == '\r' && i + 1 < length && data[i + 1] == '\n')
			continue;
		bool shown = (c >= 0x20 && c < 0x7f) || c == '\t' || c == '\n';
		put_char(out, shown ? (char)c : '.');
	}
}

static void put_dump(const struct printer *printer, const struct weir_packet *packet, const struct weir_facts *facts,
                     struct text *out)
{
	enum print_hex hex = printer->options.hex;
	bool whole = hex == PRINT_HEX_LINK || hex == PRINT_HEX_ASCII_LINK || hex == PRINT_ASCII_LINK;
	uint32_t skip = whole ? 0 : link_length(packet, facts);
	const uint8_t *data = packet->data + skip;
	uint32_t length = packet->captured - skip;

	if (hex == PRINT_HEX_NONE || length == 0)
		return;
	if (hex == PRINT_ASCII || hex == PRINT_ASCII_LINK)
		put_ascii_dump(out, data, length);
	else
		put_hex_dump(out, data, length, hex == PRINT_HEX_ASCII || hex == PRINT_HEX_ASCII_LINK);
}

static void put_process(const struct weir_process *process, struct text *out)
{
	if (process->name.length) {
		put_visible(out, process->name.data, process->name.length);
		put_char(out, ' ');
	}
	put_unsigned(out, process->pid);
	if (process->user.length) {
		put_char(out, ' ');
		put_visible(out, process->user.data, process->user.length);
	} else if (process->user_id != WEIR_NO_USER) {
		put_char(out, ' ');
		put_unsigned(out, process->user_id);
	}
}

/* " [curl 1234 alice]", with both ends here " [curl 1234 alice > nginx 77 www-data]". */
static void put_processes(const struct weir_packet_processes *processes, struct text *out)
{
	bool source = processes->source.pid != 0, destination = processes->destination.pid != 0;

	put(out, " [");
	if (source)
		put_process(&processes->source, out);
	if (source && destination)
		put(out, " > ");
	if (destination)
		put_process(&processes->destination, out);
	if (!source && !destination)
		put_process(&processes->either, out);
	put_char(out, ']');
}

static void put_line(struct printer *printer, const struct weir_packet *packet, const struct weir_facts *facts,
                     const struct weir_packet_processes *processes, struct text *out)
{
	struct dissection d = {
		.packet = packet,
		.facts = facts,
		.options = &printer->options,
		.sequences = printer->sequences,
	};

	put_time(printer, packet, out);
	if (facts->layer_count == 0) {
		put(out, facts->flags & WEIR_FACT_UNKNOWN ? "link type " : "cut or malformed, link type ");
		put_unsigned(out, packet->linktype);
		put(out, ", length ");
		put_unsigned(out, packet->length);
		if (printer->options.hex == PRINT_HEX_NONE && !printer->options.quiet)
			put_hex_dump(out, packet->data, packet->captured, true);
	}
	dissect_text(&d, 0, out);
	if (processes)
		put_processes(processes, out);
	put_dump(printer, packet, facts, out);
	put_char(out, '\n');
}

/* opt_comment of an Enhanced Packet Block: code 1, in the byte order of its section. */
static void comment_fields(const struct weir_packet *packet, const struct weir_interface *interface, struct fields *f)
{
	bool big = interface && interface->big_endian;
	const uint8_t *block = packet->block;

	fields_array(f, "comments");
	/* Of records only Enhanced Packet Blocks have their data 28 bytes behind their beginning. */
	if (block && packet->block_length >= 32 && packet->data == block + 28 && weir_load32(block, big) == 6) {
		uint32_t end = packet->block_length - 4;
		uint64_t at = 28 + (((uint64_t)weir_load32(block + 20, big) + 3) & ~(uint64_t)3);
		while (at + 4 <= end) {
			uint16_t code = weir_load16(block + at, big), length = weir_load16(block + at + 2, big);
			at += 4;
			if (code == 0 || length > end - at)
				break;
			if (code == 1)
				element_text(f, block + at, length);
			at += (length + 3u) & ~3u;
		}
	}
	fields_end_array(f);
}

static void flag_fields(uint8_t flags, struct fields *f)
{
	static const char *const names[6] = {"cut", "malformed", "unknown", "deep", "quoted", "incomplete"};

	fields_array(f, "flags");
	for (unsigned bit = 0; bit < 6; bit++)
		if (flags & 1u << bit)
			element_word(f, names[bit]);
	fields_end_array(f);
}

static void process_fields(const char *key, const struct weir_process *process, struct fields *f)
{
	if (!process->pid)
		return;
	fields_object(f, key);
	field_unsigned(f, "pid", process->pid);
	if (process->thread_id)
		field_unsigned(f, "thread_id", process->thread_id);
	if (process->name.length)
		field_text(f, "name", process->name.data, process->name.length);
	if (process->executable.length)
		field_text(f, "executable", process->executable.data, process->executable.length);
	if (process->user_id != WEIR_NO_USER)
		field_unsigned(f, "user_id", process->user_id);
	if (process->user.length)
		field_text(f, "user", process->user.data, process->user.length);
	fields_end_object(f);
}

static void put_json(struct printer *printer, const struct weir_packet *packet, const struct weir_facts *facts,
                     const struct weir_interface *interface, const struct weir_packet_processes *processes, uint64_t number, struct text *out)
{
	struct fields f = {.out = out};
	uint32_t rest;
	int64_t second = split(packet->time_ns, &rest);

	prepare_second(printer, second);
	fields_object(&f, NULL);
	field_unsigned(&f, "number", number);
	field_key(&f, "time");
	put_char(out, '"');
	put_bytes(out, printer->date, strlen(printer->date));
	put_char(out, 'T');
	put_bytes(out, printer->clock, strlen(printer->clock));
	put_char(out, '.');
	put_fixed(out, rest, 9);
	put_bytes(out, printer->zone, strlen(printer->zone));
	put_char(out, '"');
	field_key(&f, "time_ns");
	if (packet->time_ns < 0)
		put_char(out, '-');
	put_unsigned(out, packet->time_ns < 0 ? 0 - (uint64_t)packet->time_ns : (uint64_t)packet->time_ns);
	if (interface && interface->name[0])
		field_text(&f, "interface", interface->name, strlen(interface->name));
	field_unsigned(&f, "interface_id", packet->interface_id);
	field_unsigned(&f, "linktype", packet->linktype);
	field_unsigned(&f, "captured_length", packet->captured);
	field_unsigned(&f, "length", packet->length);
	comment_fields(packet, interface, &f);
	flag_fields(facts->flags, &f);
	if (processes) {
		fields_object(&f, "process");
		process_fields("source", &processes->source, &f);
		process_fields("destination", &processes->destination, &f);
		process_fields("either", &processes->either, &f);
		fields_end_object(&f);
	}
	struct dissection d = {.packet = packet, .facts = facts, .options = &printer->options};
	fields_array(&f, "layers");
	dissect_fields(&d, &f);
	fields_end_array(&f);
	fields_end_object(&f);
	put_char(out, '\n');
}

void printer_add(struct printer *printer, const struct weir_packet *packet, const struct weir_interface *interface,
                 const struct weir_packet_processes *processes, uint64_t number, struct text *out)
{
	struct weir_packet cut;
	struct weir_facts *facts = &printer->facts;

	if (printer->options.snaplen && packet->captured > printer->options.snaplen) {
		cut = *packet;
		cut.captured = printer->options.snaplen;
		packet = &cut;
	}
	weir_decode(packet, facts);
	find_application(packet, facts);
	if (printer->options.json)
		put_json(printer, packet, facts, interface, processes, number, out);
	else
		put_line(printer, packet, facts, processes, out);
	if (!printer->begun)
		printer->first_ns = packet->time_ns;
	printer->previous_ns = packet->time_ns;
	printer->begun = true;
	output_end(out);
}

#define OUTPUT_BYTES (256u << 10)

struct print_sink {
	struct weir_sink sink;
	struct printer *printer;
	struct text out;
	uint64_t count, limit;
	int fd;
	bool flush;
};

/* 0, 1 when nobody reads any more, or an error. */
static int write_out(struct print_sink *sink, struct weir_fault *fault)
{
	size_t written = 0;

	if (sink->out.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to print packets");
	while (written < sink->out.length) {
		ssize_t n = write(sink->fd, sink->out.data + written, sink->out.length - written);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE)
			return 1;
		if (n < 0)
			return weir_fail_errno(fault, errno, NULL, "could not write to the output");
		written += (size_t)n;
	}
	text_clear(&sink->out);
	return 0;
}

static int sink_consume(struct weir_sink *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct print_sink *sink = (struct print_sink *)base;
	int result = 0;

	for (uint32_t i = 0; i < batch->count && result == 0; i++) {
		const struct weir_packet *packet = &batch->packets[i];
		if (i + 4 < batch->count)
			__builtin_prefetch(batch->packets[i + 4].data);
		if (packet->verdict != WEIR_KEEP)
			continue;
		const struct weir_interface *interface =
			packet->interface_id < batch->interface_count ? batch->interfaces[packet->interface_id] : NULL;
		struct weir_packet_processes processes;
		bool known = !sink->printer->options.no_process && weir_packet_process(batch, packet, &processes);
		printer_add(sink->printer, packet, interface, known ? &processes : NULL, batch->first_number + i, &sink->out);
		sink->count++;
		if (sink->out.length >= OUTPUT_BYTES || sink->out.failed)
			result = write_out(sink, fault);
		if (sink->limit && sink->count == sink->limit)
			result = result ? result : 1;
	}
	if (sink->flush && result >= 0) {
		int written = write_out(sink, fault);
		result = written ? written : result;
	}
	return result;
}

static int sink_finish(struct weir_sink *base, struct weir_fault *fault)
{
	int result = write_out((struct print_sink *)base, fault);
	return result < 0 ? result : 0;
}

static void sink_close(struct weir_sink *base)
{
	struct print_sink *sink = (struct print_sink *)base;

	printer_free(sink->printer);
	text_free(&sink->out);
	free(sink);
}

static const struct weir_sink_ops print_sink = {
	.name = "print",
	.consume = sink_consume,
	.finish = sink_finish,
	.close = sink_close,
};

struct weir_sink *print_sink_new(const struct print_options *options, int fd, uint64_t limit, bool flush)
{
	struct print_sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return NULL;
	sink->printer = printer_new(options);
	if (!sink->printer) {
		free(sink);
		return NULL;
	}
	sink->sink.ops = &print_sink;
	sink->fd = fd;
	sink->limit = limit;
	sink->flush = flush;
	return &sink->sink;
}

uint64_t print_sink_count(const struct weir_sink *sink)
{
	return ((const struct print_sink *)sink)->count;
}
