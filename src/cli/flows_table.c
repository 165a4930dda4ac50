/* Flow records for people: a line each, with its other direction beside it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/flows.h"
#include "core/clock.h"
#include "core/terminal.h"
#include "file/stream.h"
#include "flow/value.h"
#include "packet/output.h"

#define TEXT_FULL ((size_t)64 << 10)

enum { ADDRESS_WIDTH = 22, COUNT_WIDTH = 9, BYTES_WIDTH = 10 };

struct table_sink {
	struct weir_flow_sink sink;
	struct stream_writer *out;
	struct text text, cell;
	bool local;
};

const char *flows_protocol_name(unsigned protocol, char out[static FORMAT_SIZE])
{
	static const struct value_name names[] = {
		{1, "ICMP"}, {2, "IGMP"}, {4, "IPIP"}, {6, "TCP"}, {17, "UDP"}, {41, "IPv6"}, {47, "GRE"}, {50, "ESP"}, {51, "AH"},
		{58, "ICMP6"}, {89, "OSPF"}, {103, "PIM"}, {112, "VRRP"}, {132, "SCTP"}, {136, "UDPL"}, {0, NULL},
	};
	const char *name = name_of(names, protocol);

	snprintf(out, FORMAT_SIZE, "%u", protocol);
	return name ? name : out;
}

/* text in so many columns and a blank behind it; longer text pushes what follows. */
static void put_cell(struct text *out, const char *text, size_t length, int width, bool right)
{
	int pad = width > (int)length ? width - (int)length : 0;

	for (int i = 0; right && i < pad; i++)
		put_char(out, ' ');
	put_bytes(out, text, length);
	for (int i = 0; !right && i < pad; i++)
		put_char(out, ' ');
	put_char(out, ' ');
}

static void put_left(struct text *out, const char *text, int width) { put_cell(out, text, strlen(text), width, false); }
static void put_right(struct text *out, const char *text, int width) { put_cell(out, text, strlen(text), width, true); }

static void put_end(struct table_sink *table, const struct weir_ip *ip, const struct weir_flow *flow, uint16_t port)
{
	struct text *cell = &table->cell;
	bool ports = flow->protocol == 6 || flow->protocol == 17 || flow->protocol == 132 || flow->protocol == 136;

	text_clear(cell);
	if (ip->version == 6 && ports)
		put_char(cell, '[');
	if (ip->version)
		put_ip(cell, ip->version, ip->bytes);
	else
		put_char(cell, '-');
	if (ports) {
		put(cell, ip->version == 6 ? "]:" : ":");
		put_unsigned(cell, port);
	}
	table->text.failed |= cell->failed;
	put_cell(&table->text, cell->data ? cell->data : "", cell->length, ADDRESS_WIDTH, false);
}

static void put_flags(struct text *out, const struct weir_flow *flow)
{
	char flags[] = "CEUAPRSF";

	for (unsigned i = 0; i < 8; i++)
		if (flow->protocol != 6 || !((flow->forward.tcp_flags | flow->reverse.tcp_flags) & 0x80 >> i))
			flags[i] = '.';
	put_left(out, flags, 8);
}

/* The application, the name of the server behind it; what stands there came over the network. */
static void put_application(struct text *out, const struct weir_flow *flow)
{
	if (flow->application.data)
		put_visible(out, flow->application.data, flow->application.length);
	if (flow->server_name.data) {
		put(out, flow->application.data ? " " : "- ");
		put_visible(out, flow->server_name.data, flow->server_name.length);
	}
}

static void put_record(struct table_sink *table, const struct weir_flow *flow)
{
	const struct weir_flow_direction *forward = &flow->forward, *reverse = &flow->reverse;
	int64_t start = forward->first_ns, end = forward->last_ns > reverse->last_ns ? forward->last_ns : reverse->last_ns;
	char text[FORMAT_SIZE];
	struct text *out = &table->text;

	if (start == WEIR_NO_TIME || (reverse->first_ns != WEIR_NO_TIME && reverse->first_ns < start))
		start = reverse->first_ns;
	put_left(out, start == WEIR_NO_TIME ? "-" : format_time(start, table->local, 3, text), table->local ? 29 : 24);
	snprintf(text, sizeof text, "%.3f", start == WEIR_NO_TIME ? 0.0 : ((double)end - (double)start) / (double)NS_PER_SECOND);
	put_right(out, text, 9);
	put_left(out, flows_protocol_name(flow->protocol, text), 5);
	put_end(table, &flow->source, flow, flow->source_port);
	put_left(out, reverse->packets ? forward->packets ? "<->" : "<--" : "-->", 3);
	put_end(table, &flow->destination, flow, flow->destination_port);
	put_right(out, format_count(forward->packets, text), COUNT_WIDTH);
	put_right(out, format_size(forward->wire_bytes, text), BYTES_WIDTH);
	put_right(out, format_count(reverse->packets, text), COUNT_WIDTH);
	put_right(out, format_size(reverse->wire_bytes, text), BYTES_WIDTH);
	put_flags(out, flow);
	put_application(out, flow);
	while (out->length && out->data[out->length - 1] == ' ')
		out->length--;
	put_char(out, '\n');
}

static void put_headings(struct table_sink *table, bool bold)
{
	struct text *out = &table->text;

	if (bold)
		put(out, "\033[1m");
	put_left(out, "start", table->local ? 29 : 24);
	put_right(out, "seconds", 9);
	put_left(out, "proto", 5);
	put_left(out, "source", ADDRESS_WIDTH);
	put_left(out, "", 3);
	put_left(out, "destination", ADDRESS_WIDTH);
	put_right(out, "packets", COUNT_WIDTH);
	put_right(out, "bytes", BYTES_WIDTH);
	put_right(out, "packets<-", COUNT_WIDTH);
	put_right(out, "bytes<-", BYTES_WIDTH);
	put_left(out, "flags", 8);
	put(out, bold ? "application\033[0m\n" : "application\n");
}

static int flush(struct table_sink *table, struct weir_fault *fault)
{
	size_t length = table->text.length;

	if (table->text.failed || table->cell.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to print flows");
	table->text.length = 0;
	return length ? stream_writer_write(table->out, table->text.data, length, fault) : 0;
}

static int table_write(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault)
{
	struct table_sink *table = (struct table_sink *)sink;
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		put_record(table, &flows[i]);
		if (table->text.length >= TEXT_FULL)
			error = flush(table, fault);
	}
	return error;
}

static int table_finish(struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct table_sink *table = (struct table_sink *)sink;
	int error = flush(table, fault);

	return error ? error : stream_writer_finish(table->out, fault);
}

static void table_close(struct weir_flow_sink *sink)
{
	struct table_sink *table = (struct table_sink *)sink;

	stream_writer_close(table->out);
	text_free(&table->text);
	text_free(&table->cell);
	free(table);
}

static const struct weir_flow_sink_ops table_ops = {"table", table_write, table_finish, table_close};

int flows_table_open(const char *path, bool local, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	struct table_sink *table = calloc(1, sizeof *table);

	if (!table)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to print flows");
	table->sink.ops = &table_ops;
	table->local = local;
	int error = stream_writer_open(path, WEIR_COMPRESSION_NONE, 0, &table->out, fault);
	if (error) {
		table_close(&table->sink);
		return error;
	}
	put_headings(table, strcmp(path, "-") == 0 && terminal_colour(stdout));
	*sink = &table->sink;
	return 0;
}
