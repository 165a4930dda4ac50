/* The last packets, and one of them decoded: cli/top_view.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top_view.h"
#include "core/json_read.h"
#include "packet/print.h"

enum { K_NUMBER, K_TIME, K_INTERFACE, K_LENGTH, K_SUMMARY };

static const struct top_column columns[] = {
	[K_NUMBER] = {"number", "number", 8, true, false, 1},
	[K_TIME] = {"time", "time", 15, false, false, 0},
	[K_INTERFACE] = {"interface", "interface", 9, false, true, 2},
	[K_LENGTH] = {"length", "length", 6, true, false, 0},
	[K_SUMMARY] = {"summary", "summary", 0, false, true, 0, 45},
	{0},
};

static size_t rows(struct top_screen *screen) { return screen->top->packets ? screen->top->packets->count : 0; }

static const struct top_packet *packet_at(const struct top_screen *screen, size_t row) { return &screen->top->packets->packets[row]; }

static bool shown(struct top_screen *screen, size_t row) { return top_packet_matches(screen->top, packet_at(screen, row)); }

static struct weir_packet whole(const struct top_packet *packet)
{
	return (struct weir_packet){
		.time_ns = packet->time_ns,
		.data = packet->data,
		.captured = packet->captured,
		.length = packet->length,
		.linktype = packet->linktype,
	};
}

static void summary_cell(struct top_screen *screen, const struct top_packet *packet, struct top_value *value)
{
	const struct print_options options = {.numeric = true, .absolute = true, .time = PRINT_TIME_NONE};
	const struct weir_packet plain = whole(packet);
	struct text line = {0};

	if (!screen->printer)
		screen->printer = printer_new(&options);
	if (!screen->printer)
		return;
	printer_add(screen->printer, &plain, NULL, NULL, packet->number, &line);
	value_bytes_text(value, (struct weir_bytes){(const uint8_t *)text_string(&line), strcspn(text_string(&line), "\n")});
	text_free(&line);
}

static void cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	const struct top_packet *packet = packet_at(screen, row);
	char text[FORMAT_SIZE], name[64];

	switch (column) {
	case K_NUMBER: value_number(value, (double)packet->number, "%" PRIu64, packet->number); break;
	case K_TIME:
		format_time(packet->time_ns, screen->local, 6, text);
		/* Of the day only the time. */
		value_number(value, (double)packet->time_ns / 1e9, "%.15s", strchr(text, 'T') ? strchr(text, 'T') + 1 : text);
		break;
	case K_INTERFACE:
		top_lane_name(screen->top, packet->lane, name);
		value_text(value, name);
		break;
	case K_LENGTH: value_number(value, packet->length, "%" PRIu32, packet->length); break;
	case K_SUMMARY: summary_cell(screen, packet, value); break;
	}
}

static uint64_t identity(struct top_screen *screen, size_t row) { return packet_at(screen, row)->number; }

static bool enter(struct top_screen *screen, size_t row)
{
	const struct top_packet *packet = packet_at(screen, row);
	struct top_subject subject = {.packet = packet->number};
	uint8_t *bytes = malloc(packet->captured + 1);

	if (!bytes)
		return false;
	memcpy(bytes, packet->data, packet->captured);
	free((void *)screen->packet.data);
	screen->packet = *packet;
	screen->packet.data = bytes;
	snprintf(subject.name, sizeof subject.name, "%" PRIu64, subject.packet);
	return screen_enter(screen, &packet_view, &subject);
}

const struct top_view packets_view = {
	.name = "packets",
	.title = "Packets",
	.key = '6',
	.keys = "Enter decoded",
	.lack = TOP_LACK_CAPTURE,
	.wants_packets = true,
	.sort = K_NUMBER,
	.columns = columns,
	.rows = rows,
	.shown = shown,
	.cell = cell,
	.identity = identity,
	.enter = enter,
};

/* ---- one packet ---- */

static void indent(struct text *out, unsigned depth)
{
	for (unsigned i = 1; i < depth; i++)
		text_add(out, "  ");
}

static void add_visible(struct text *out, struct weir_bytes string, bool ascii)
{
	struct text plain = {0};

	json_unescape(string, &plain);
	text_add_visible(out, text_string(&plain), plain.length, ascii);
	text_free(&plain);
}

static void add_scalar(struct text *out, const struct json_token *token, bool ascii)
{
	switch (token->kind) {
	case JSON_STRING: add_visible(out, token->value, ascii); break;
	case JSON_NUMBER: text_add_bytes(out, token->value.data, token->value.length); break;
	case JSON_TRUE: text_add(out, "yes"); break;
	case JSON_FALSE: text_add(out, "no"); break;
	default: text_add(out, "-"); break;
	}
}

/* The fields as a tree: a line each, deeper ones further to the right; an array of plain values is one line; a layer begins with its name. */
static void add_tree(struct text *out, const char *data, size_t length, bool ascii)
{
	struct json_reader reader = json_reader_over(data, length);
	struct json_token token;
	bool in_line = false, unnamed = false;

	while (json_next(&reader, &token) > JSON_ENDED) {
		bool ends = token.kind == JSON_OBJECT_END || token.kind == JSON_ARRAY_END, opens = token.kind == JSON_OBJECT || token.kind == JSON_ARRAY;
		if (in_line && (ends || opens || token.has_key)) {
			text_add_char(out, '\n');
			in_line = false;
		}
		if (ends || token.depth == 0)
			continue;
		if (token.kind == JSON_OBJECT && !token.has_key) {
			unnamed = true;
			continue;
		}
		if (in_line) {
			text_add(out, ", ");
			add_scalar(out, &token, ascii);
			continue;
		}
		indent(out, token.depth - unnamed);
		if (unnamed && json_token_is(token.key, "protocol")) {
			add_scalar(out, &token, ascii);
		} else {
			add_visible(out, token.key, ascii);
			text_add(out, token.has_key ? ": " : "");
			if (token.kind == JSON_ARRAY)
				in_line = true;
			else if (!opens)
				add_scalar(out, &token, ascii);
		}
		unnamed = false;
		if (!in_line)
			text_add_char(out, '\n');
	}
}

static void add_hex(struct text *out, const struct top_packet *packet)
{
	struct text dump = {0};

	put_hex_dump(&dump, packet->data, packet->captured, true);
	output_end(&dump);
	for (const char *c = text_string(&dump) + (dump.length > 0); *c; c++)
		if (*c == '\t')
			text_add(out, "  ");
		else
			text_add_char(out, *c);
	text_add_char(out, '\n');
	text_free(&dump);
}

static void packet_text(struct top_screen *screen)
{
	const struct top_packet *packet = &screen->packet;
	const struct print_options options = {.json = true};
	struct text json = {0};

	if (screen->hex) {
		add_hex(&screen->text, packet);
		return;
	}
	struct printer *printer = printer_new(&options);
	if (printer) {
		const struct weir_packet plain = whole(packet);
		printer_add(printer, &plain, NULL, NULL, packet->number, &json);
		add_tree(&screen->text, text_string(&json), json.length, screen->ascii);
	}
	printer_free(printer);
	text_free(&json);
}

static bool press(struct top_screen *screen, int key)
{
	if (key != 'x')
		return false;
	screen->hex = !screen->hex;
	return true;
}

const struct top_view packet_view = {
	.name = "packet",
	.keys = "x bytes",
	.lack = TOP_LACKS,
	.text = packet_text,
	.press = press,
};
