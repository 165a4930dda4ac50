/* Who talks: hosts, flows, applications, of captured packets; and looking into a flow: cli/top_view.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/top_view.h"
#include "packet/flow_hash.h"

/* ---- hosts ---- */

enum { H_ADDRESS, H_SENT_RATE, H_RECEIVED_RATE, H_PACKET_RATE, H_FLOWS, H_SENT, H_RECEIVED };

static const struct top_column host_columns[] = {
	[H_ADDRESS] = {"host", "address", 0, false, true, 0},
	[H_SENT_RATE] = {"sent/s", "send_rate", 7, true, false, 0},
	[H_RECEIVED_RATE] = {"recv/s", "receive_rate", 7, true, false, 0},
	[H_PACKET_RATE] = {"pkts/s", "packet_rate", 7, true, false, 0},
	[H_FLOWS] = {"flows", "flows", 6, true, false, 0},
	[H_SENT] = {"sent", "bytes_sent", 7, true, false, 1},
	[H_RECEIVED] = {"recv", "bytes_received", 7, true, false, 1},
	{0},
};

static size_t host_rows(struct top_screen *screen) { return screen->top->host_count; }

static void host_cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	const struct top_host *host = &screen->top->host[row];
	char text[FORMAT_SIZE];

	switch (column) {
	case H_ADDRESS: value_text(value, address_text(&host->address, 0, false, text)); break;
	case H_SENT_RATE: value_rate(value, host->send_rate); break;
	case H_RECEIVED_RATE: value_rate(value, host->receive_rate); break;
	case H_PACKET_RATE: value_rate(value, host->packet_rate); break;
	case H_FLOWS: value_count(value, host->flows); break;
	case H_SENT: value_size(value, (double)host->bytes_sent); break;
	case H_RECEIVED: value_size(value, (double)host->bytes_received); break;
	}
}

static uint64_t host_identity(struct top_screen *screen, size_t row)
{
	const struct weir_ip *ip = &screen->top->host[row].address;
	uint64_t hash = flow_hash_mix(weir_load_native64(ip->bytes) ^ FLOW_HASH_KEY_1, weir_load_native64(ip->bytes + 8) ^ FLOW_HASH_KEY_2);

	return hash ? hash : 1;
}

static bool press_group(struct top_screen *screen, int key)
{
	if (key != 'g')
		return false;
	screen->by_flow = !screen->by_flow;
	return true;
}

/* Its flows: by the filter, which says so on the screen. */
static bool host_enter(struct top_screen *screen, size_t row)
{
	char address[FORMAT_SIZE], expression[FORMAT_SIZE + 16];

	snprintf(expression, sizeof expression, "host %s", address_text(&screen->top->host[row].address, 0, false, address));
	if (top_filter_set(screen->top, expression, NULL))
		return false;
	screen->by_flow = true;
	snprintf(screen->message, sizeof screen->message, "its flows, by the filter: \\ takes it away again");
	return true;
}

const struct top_view talkers_view = {
	.name = "talkers",
	.title = "Talkers",
	.key = '3',
	.keys = "Enter its flows  g flows",
	.lack = TOP_LACK_CAPTURE,
	.sort = H_SENT_RATE,
	.columns = host_columns,
	.rows = host_rows,
	.cell = host_cell,
	.identity = host_identity,
	.enter = host_enter,
	.press = press_group,
};

/* ---- flows ---- */

enum { F_PROTOCOL, F_SOURCE, F_DESTINATION, F_APPLICATION, F_SENT_RATE, F_RECEIVED_RATE, F_PACKET_RATE, F_PROCESS, F_SENT, F_RECEIVED, F_SERVER, F_INTERFACE, F_AGE };

static const struct top_column flow_columns[] = {
	[F_PROTOCOL] = {"proto", "protocol", 5, false, true, 0},
	[F_SOURCE] = {"source", "source", 0, false, true, 0},
	[F_DESTINATION] = {"destination", "destination", 0, false, true, 0},
	[F_APPLICATION] = {"application", "application", 12, false, true, 1},
	[F_SENT_RATE] = {"sent/s", "send_rate", 6, true, false, 0},
	[F_RECEIVED_RATE] = {"recv/s", "receive_rate", 6, true, false, 0},
	[F_PACKET_RATE] = {"pkts/s", "packet_rate", 6, true, false, 3},
	[F_PROCESS] = {"process", "process", 12, false, true, 4},
	[F_SENT] = {"sent", "bytes_sent", 6, true, false, 5},
	[F_RECEIVED] = {"recv", "bytes_received", 6, true, false, 5},
	[F_SERVER] = {"server", "server_name", 20, false, true, 6},
	[F_INTERFACE] = {"interface", "interface", 9, false, true, 7},
	[F_AGE] = {"age", "age_seconds", 6, true, false, 7},
	{0},
};

static size_t flow_rows(struct top_screen *screen) { return screen->top->flow_count; }

static bool flow_shown(struct top_screen *screen, size_t row) { return top_flow_matches(screen->top, &screen->top->flow[row]); }

static void flow_cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	const struct top_flow *f = &screen->top->flow[row];
	const struct endpoint *endpoint;
	char text[FORMAT_SIZE];

	switch (column) {
	case F_PROTOCOL: value_text(value, protocol_text(f->protocol, false, text)); break;
	case F_SOURCE: value_text(value, address_text(&f->source, f->source_port, f->source_port != 0, text)); break;
	case F_DESTINATION: value_text(value, address_text(&f->destination, f->destination_port, f->destination_port != 0, text)); break;
	case F_APPLICATION: value_text(value, f->name); break;
	case F_SENT_RATE: value_rate(value, f->byte_rate[0]); break;
	case F_RECEIVED_RATE: value_rate(value, f->byte_rate[1]); break;
	case F_PACKET_RATE: value_rate(value, f->packet_rate[0] + f->packet_rate[1]); break;
	case F_PROCESS:
		endpoint = top_endpoint_of_flow(screen->top, f);
		if (endpoint)
			value_bytes_text(value, endpoint->process.name);
		break;
	case F_SENT: value_size(value, (double)f->bytes[0]); break;
	case F_RECEIVED: value_size(value, (double)f->bytes[1]); break;
	case F_SERVER: value_text(value, f->server_name); break;
	case F_INTERFACE:
		top_lane_name(screen->top, f->lane, text);
		value_text(value, text);
		break;
	case F_AGE: value_duration(value, f->last_ns > f->first_ns ? f->last_ns - f->first_ns : 0); break;
	}
}

static uint64_t flow_identity(struct top_screen *screen, size_t row) { return screen->top->flow[row].hash; }

const struct top_flow *flow_with_hash(const struct top *top, uint64_t hash)
{
	for (size_t i = 0; i < top->flow_count; i++)
		if (top->flow[i].hash == hash)
			return &top->flow[i];
	return NULL;
}

static bool flow_enter(struct top_screen *screen, size_t row)
{
	const struct top_flow *f = &screen->top->flow[row];
	char protocol[FORMAT_SIZE], source[FORMAT_SIZE], destination[FORMAT_SIZE];
	struct top_subject subject = {.flow = f->hash};

	snprintf(subject.name, sizeof subject.name, "%s %s %s", protocol_text(f->protocol, false, protocol),
	         address_text(&f->source, f->source_port, f->source_port != 0, source),
	         address_text(&f->destination, f->destination_port, f->destination_port != 0, destination));
	return screen_enter(screen, &flow_view, &subject);
}

const struct top_view flows_view = {
	.name = "flows",
	.keys = "Enter figures  g hosts",
	.lack = TOP_LACK_CAPTURE,
	.sort = F_SENT_RATE,
	.columns = flow_columns,
	.rows = flow_rows,
	.shown = flow_shown,
	.cell = flow_cell,
	.identity = flow_identity,
	.enter = flow_enter,
	.press = press_group,
};

/* ---- a flow ---- */

#define GRAPH_ROWS 4

static int flow_head(struct top_screen *screen, struct canvas *canvas, int row, int height)
{
	const struct top_flow *f = flow_with_hash(screen->top, screen_subject(screen)->flow);
	double history[TOP_HISTORY];
	char rate[FORMAT_SIZE];

	if (!f) {
		canvas_put(canvas, row, 0, canvas->columns, STYLE_WARNING, "it has been quiet for more than 30 s");
		return 1;
	}
	if (height < GRAPH_ROWS + 3)
		return 0;
	size_t count = top_history_read(&f->history, history);
	canvas_format(canvas, row, 0, 18, STYLE_BOLD, "bytes/s %s", short_number(f->byte_rate[0] + f->byte_rate[1], 1000, rate));
	canvas_put(canvas, row + 1, 0, 18, STYLE_DIM, "60 looks:");
	canvas_graph(canvas, row, 18, GRAPH_ROWS, canvas->columns - 18 < TOP_HISTORY ? canvas->columns - 18 : TOP_HISTORY, STYLE_GOOD, history, count, 0);
	return GRAPH_ROWS + 1;
}

static void flow_text(struct top_screen *screen)
{
	const struct top_flow *f = flow_with_hash(screen->top, screen_subject(screen)->flow);

	if (!f)
		return;
	size_t row = (size_t)(f - screen->top->flow);
	for (unsigned column = 0; flow_columns[column].title; column++) {
		struct top_value value = {.with_text = true};
		flow_cell(screen, row, column, &value);
		screen_line(screen, flow_columns[column].title, value.text, value.known ? strlen(value.text) : 0);
	}
	screen_line(screen, "category", f->category, strlen(f->category));
	const struct endpoint *endpoint = top_endpoint_of_flow(screen->top, f);
	if (endpoint && endpoint->process.pid)
		screen_line(screen, "held by", endpoint->process.executable.data, endpoint->process.executable.length);
}

const struct top_view flow_view = {
	.name = "flow",
	.lack = TOP_LACK_CAPTURE,
	.head = flow_head,
	.text = flow_text,
};

/* ---- applications ---- */

enum { A_NAME, A_CATEGORY, A_BYTE_RATE, A_PACKET_RATE, A_FLOWS, A_BYTES };

static const struct top_column application_columns[] = {
	[A_NAME] = {"application", "application", 0, false, true, 0},
	[A_CATEGORY] = {"category", "category", 20, false, true, 0},
	[A_BYTE_RATE] = {"bytes/s", "byte_rate", 8, true, false, 0},
	[A_PACKET_RATE] = {"pkts/s", "packet_rate", 8, true, false, 0},
	[A_FLOWS] = {"flows", "flows", 6, true, false, 0},
	[A_BYTES] = {"bytes", "bytes", 7, true, false, 0},
	{0},
};

static size_t application_rows(struct top_screen *screen) { return screen->top->application_count; }

static void application_cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	const struct top_application *a = &screen->top->application[row];

	switch (column) {
	case A_NAME: value_text(value, *a->name ? a->name : "(not known)"); break;
	case A_CATEGORY: value_text(value, a->category); break;
	case A_BYTE_RATE: value_rate(value, a->byte_rate); break;
	case A_PACKET_RATE: value_rate(value, a->packet_rate); break;
	case A_FLOWS: value_count(value, a->flows); break;
	case A_BYTES: value_size(value, (double)a->bytes); break;
	}
}

static uint64_t application_identity(struct top_screen *screen, size_t row)
{
	uint64_t hash = FLOW_HASH_KEY_1;

	for (const char *c = screen->top->application[row].name; *c; c++)
		hash = flow_hash_mix(hash ^ (uint8_t)*c, FLOW_HASH_KEY_2);
	return hash ? hash : 1;
}

const struct top_view applications_view = {
	.name = "applications",
	.title = "Apps",
	.key = '5',
	.lack = TOP_LACK_CAPTURE,
	.sort = A_BYTE_RATE,
	.columns = application_columns,
	.rows = application_rows,
	.cell = application_cell,
	.identity = application_identity,
};
