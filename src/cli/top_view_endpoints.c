/* Endpoints, by process and one by one, and looking into one of either: cli/top_view.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/top_view.h"
#include "packet/flow_hash.h"

/* ---- one by one ---- */

enum { E_PROTOCOL, E_LOCAL, E_REMOTE, E_STATE, E_SENT_RATE, E_RECEIVED_RATE, E_PID, E_PROCESS, E_USER, E_RTT, E_RETRANSMITTED, E_QUEUES, E_SENT, E_RECEIVED, E_AGE, E_CONTAINER };

static const struct top_column endpoint_columns[] = {
	[E_PROTOCOL] = {"proto", "protocol", 5, false, true, 0},
	[E_LOCAL] = {"local", "local", 0, false, true, 0},
	[E_REMOTE] = {"remote", "remote", 0, false, true, 0},
	[E_STATE] = {"state", "state", 11, false, true, 0},
	[E_SENT_RATE] = {"sent/s", "send_rate", 6, true, false, 0},
	[E_RECEIVED_RATE] = {"recv/s", "receive_rate", 6, true, false, 0},
	[E_PID] = {"pid", "pid", 7, true, true, 2},
	[E_PROCESS] = {"process", "process", 0, false, true, 0, 11},
	[E_USER] = {"user", "user", 10, false, true, 4},
	[E_RTT] = {"rtt", "rtt_seconds", 7, true, false, 3},
	[E_RETRANSMITTED] = {"retrans", "retransmissions", 7, true, false, 5},
	[E_QUEUES] = {"queued", "queued_bytes", 7, true, false, 5},
	[E_SENT] = {"sent", "bytes_sent", 6, true, false, 4},
	[E_RECEIVED] = {"recv", "bytes_received", 6, true, false, 4},
	[E_AGE] = {"age", "age_seconds", 6, true, false, 6},
	[E_CONTAINER] = {"container", "container", 12, false, true, 7},
	{0},
};

static size_t endpoint_rows(struct top_screen *screen) { return screen->top->endpoint_count; }

static bool endpoint_shown(struct top_screen *screen, size_t row) { return top_endpoint_matches(screen->top, screen->top->endpoint[row]); }

static bool of_process(struct top_screen *screen, size_t row)
{
	return screen->top->endpoint[row]->process.pid == screen_subject(screen)->pid && endpoint_shown(screen, row);
}

static void size_cell(struct top_value *value, uint64_t bytes)
{
	if (bytes != ENDPOINT_UNKNOWN)
		value_size(value, (double)bytes);
}

static void queue_cell(struct top_value *value, const struct endpoint *e)
{
	uint64_t send = e->send_queue == ENDPOINT_UNKNOWN ? 0 : e->send_queue, receive = e->receive_queue == ENDPOINT_UNKNOWN ? 0 : e->receive_queue;

	if (e->send_queue == ENDPOINT_UNKNOWN && e->receive_queue == ENDPOINT_UNKNOWN)
		return;
	if (e->state == ENDPOINT_LISTEN)
		value_number(value, (double)receive, "%" PRIu64 "/%" PRIu64, receive, send);
	else
		value_size(value, (double)(send + receive));
}

static void address_cell(struct top_value *value, const struct weir_ip *ip, uint16_t port)
{
	char text[FORMAT_SIZE];

	value_text(value, address_text(ip, port, true, text));
}

static void endpoint_cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	const struct endpoint *e = screen->top->endpoint[row];
	char text[FORMAT_SIZE];

	switch (column) {
	case E_PROTOCOL: value_text(value, protocol_text(e->protocol, e->raw, text)); break;
	case E_LOCAL: address_cell(value, &e->local, e->local_port); break;
	case E_REMOTE: address_cell(value, &e->remote, e->remote_port); break;
	case E_STATE:
		value_text(value, endpoint_state_name(e->state));
		value->style = e->state == ENDPOINT_ESTABLISHED || e->state == ENDPOINT_CONNECTED ? STYLE_GOOD
		               : e->state == ENDPOINT_LISTEN                                      ? STYLE_BOLD
		                                                                                  : STYLE_PLAIN;
		break;
	case E_SENT_RATE: value_rate(value, e->send_rate); break;
	case E_RECEIVED_RATE: value_rate(value, e->receive_rate); break;
	case E_PID:
		if (e->process.pid)
			value_number(value, e->process.pid, "%" PRIu32, e->process.pid);
		break;
	case E_PROCESS: value_bytes_text(value, e->process.name); break;
	case E_USER: value_bytes_text(value, e->process.user); break;
	case E_RTT:
		if (e->rtt_ns != ENDPOINT_UNKNOWN && e->rtt_ns)
			value_duration(value, (int64_t)e->rtt_ns);
		break;
	case E_RETRANSMITTED:
		if (e->retransmissions != ENDPOINT_UNKNOWN)
			value_count(value, e->retransmissions);
		break;
	case E_QUEUES: queue_cell(value, e); break;
	case E_SENT: size_cell(value, e->bytes_sent); break;
	case E_RECEIVED: size_cell(value, e->bytes_received); break;
	case E_AGE:
		if (e->opened_ns != WEIR_NO_TIME && screen->top->now_ns >= e->opened_ns)
			value_duration(value, screen->top->now_ns - e->opened_ns);
		break;
	case E_CONTAINER: value_bytes_text(value, e->container); break;
	}
}

static uint64_t ip_mix(uint64_t hash, const struct weir_ip *ip, uint16_t port)
{
	hash = flow_hash_mix(hash ^ weir_load_native64(ip->bytes), FLOW_HASH_KEY_1 + port);
	return flow_hash_mix(hash ^ weir_load_native64(ip->bytes + 8), FLOW_HASH_KEY_2);
}

uint64_t endpoint_identity(const struct endpoint *e)
{
	if (e->id)
		return e->id;
	uint64_t hash = ip_mix(ip_mix(FLOW_HASH_KEY_1 + e->protocol, &e->local, e->local_port), &e->remote, e->remote_port);
	return hash ? hash : 1;
}

const struct endpoint *endpoint_with_id(const struct top *top, uint64_t id)
{
	for (size_t i = 0; i < top->endpoint_count; i++)
		if (endpoint_identity(top->endpoint[i]) == id)
			return top->endpoint[i];
	return NULL;
}

static uint64_t row_identity(struct top_screen *screen, size_t row) { return endpoint_identity(screen->top->endpoint[row]); }

void endpoint_identity_text(const struct endpoint *e, char *out, size_t size)
{
	char local[FORMAT_SIZE], remote[FORMAT_SIZE], protocol[FORMAT_SIZE];

	snprintf(out, size, "%s %s %s", protocol_text(e->protocol, e->raw, protocol), address_text(&e->local, e->local_port, true, local),
	         address_text(&e->remote, e->remote_port, true, remote));
}

static bool endpoint_enter(struct top_screen *screen, size_t row)
{
	const struct endpoint *e = screen->top->endpoint[row];
	struct top_subject subject = {.endpoint = endpoint_identity(e), .pid = e->process.pid};

	endpoint_identity_text(e, subject.name, sizeof subject.name);
	return screen_enter(screen, &endpoint_view, &subject);
}

static bool press_group(struct top_screen *screen, int key)
{
	if (key != 'g')
		return false;
	screen->flat = !screen->flat;
	return true;
}

const struct top_view endpoints_view = {
	.name = "endpoints",
	.title = "Endpoints",
	.key = '4',
	.keys = "g by process",
	.lack = TOP_LACK_ENDPOINTS,
	.sort = E_SENT_RATE,
	.columns = endpoint_columns,
	.rows = endpoint_rows,
	.shown = endpoint_shown,
	.cell = endpoint_cell,
	.identity = row_identity,
	.enter = endpoint_enter,
	.press = press_group,
};

/* ---- by process ---- */

enum { P_PID, P_PROCESS, P_USER, P_ENDPOINTS, P_ESTABLISHED, P_LISTENING, P_SENT_RATE, P_RECEIVED_RATE, P_SENT, P_RECEIVED, P_RETRANSMITTED, P_THREADS, P_EXECUTABLE };

static const struct top_column process_columns[] = {
	[P_PID] = {"pid", "pid", 7, true, true, 0},
	[P_PROCESS] = {"process", "process", 0, false, true, 0},
	[P_USER] = {"user", "user", 10, false, true, 2},
	[P_ENDPOINTS] = {"sockets", "endpoints", 7, true, false, 0},
	[P_ESTABLISHED] = {"conns", "established", 6, true, false, 0},
	[P_LISTENING] = {"listen", "listening", 6, true, false, 1},
	[P_SENT_RATE] = {"sent/s", "send_rate", 6, true, false, 0},
	[P_RECEIVED_RATE] = {"recv/s", "receive_rate", 6, true, false, 0},
	[P_SENT] = {"sent", "bytes_sent", 6, true, false, 3},
	[P_RECEIVED] = {"recv", "bytes_received", 6, true, false, 3},
	[P_RETRANSMITTED] = {"retrans", "retransmissions", 7, true, false, 5},
	[P_THREADS] = {"threads", "threads", 7, true, false, 4},
	[P_EXECUTABLE] = {"executable", "executable", 0, false, true, 6},
	{0},
};

static size_t process_rows(struct top_screen *screen) { return screen->top->process_count; }

static void process_cell(struct top_screen *screen, size_t row, unsigned column, struct top_value *value)
{
	const struct top_process *p = &screen->top->process[row];

	switch (column) {
	case P_PID:
		if (p->pid)
			value_number(value, p->pid, "%" PRIu32, p->pid);
		break;
	case P_PROCESS:
		if (p->pid)
			value_bytes_text(value, p->process.name);
		else
			value_text(value, "(not known)");
		break;
	case P_USER:
		if (p->pid)
			value_bytes_text(value, p->process.user);
		break;
	case P_ENDPOINTS: value_count(value, p->endpoints); break;
	case P_ESTABLISHED: value_count(value, p->established); break;
	case P_LISTENING: value_count(value, p->listening); break;
	case P_SENT_RATE: value_rate(value, p->send_rate); break;
	case P_RECEIVED_RATE: value_rate(value, p->receive_rate); break;
	case P_SENT: value_size(value, (double)p->bytes_sent); break;
	case P_RECEIVED: value_size(value, (double)p->bytes_received); break;
	case P_RETRANSMITTED: value_count(value, p->retransmissions); break;
	case P_THREADS:
		if (p->threads)
			value_count(value, p->threads);
		break;
	case P_EXECUTABLE:
		if (p->pid)
			value_bytes_text(value, p->process.executable);
		break;
	}
}

static uint64_t process_identity(struct top_screen *screen, size_t row) { return UINT64_C(1) << 32 | screen->top->process[row].pid; }

static bool process_enter(struct top_screen *screen, size_t row)
{
	const struct top_process *p = &screen->top->process[row];
	struct top_subject subject = {.pid = p->pid};

	if (p->pid)
		snprintf(subject.name, sizeof subject.name, "%" PRIu32 " %.*s", p->pid, (int)p->process.name.length,
		         p->process.name.length ? (const char *)p->process.name.data : "");
	else
		snprintf(subject.name, sizeof subject.name, "(not known)");
	return screen_enter(screen, &process_view, &subject);
}

const struct top_view processes_view = {
	.name = "processes",
	.keys = "Enter its endpoints  g one by one",
	.lack = TOP_LACK_ENDPOINTS,
	.sort = P_SENT_RATE,
	.columns = process_columns,
	.rows = process_rows,
	.cell = process_cell,
	.identity = process_identity,
	.enter = process_enter,
	.press = press_group,
};

/* ---- a process ---- */

static const struct top_process *process_with_pid(const struct top *top, uint32_t pid)
{
	for (size_t i = 0; i < top->process_count; i++)
		if (top->process[i].pid == pid)
			return &top->process[i];
	return NULL;
}

#define GRAPH_ROWS 3

static int process_head(struct top_screen *screen, struct canvas *canvas, int row, int height)
{
	const struct top_process *p = process_with_pid(screen->top, screen_subject(screen)->pid);
	double history[TOP_HISTORY];
	char sent[FORMAT_SIZE], received[FORMAT_SIZE];

	if (height < GRAPH_ROWS + 4)
		return 0;
	if (!p) {
		canvas_put(canvas, row, 0, canvas->columns, STYLE_WARNING, "it has no endpoints any more");
		return 1;
	}
	canvas_format(canvas, row, 0, canvas->columns, STYLE_PLAIN, "%.*s  user %.*s  %" PRIu32 " threads  %" PRIu32 " endpoints",
	              (int)p->process.executable.length, p->process.executable.length ? (const char *)p->process.executable.data : "",
	              (int)p->process.user.length, p->process.user.length ? (const char *)p->process.user.data : "", p->threads, p->endpoints);
	canvas_format(canvas, row + 1, 0, 18, STYLE_SEND, "sent/s %s", short_number(p->send_rate, 1000, sent));
	canvas_format(canvas, row + 2, 0, 18, STYLE_RECEIVE, "recv/s %s", short_number(p->receive_rate, 1000, received));
	canvas_put(canvas, row + 3, 0, 18, STYLE_DIM, "both, 60 looks:");
	size_t count = top_history_read(&p->history, history);
	canvas_graph(canvas, row + 1, 18, GRAPH_ROWS, canvas->columns - 18 < TOP_HISTORY ? canvas->columns - 18 : TOP_HISTORY, STYLE_GOOD, history, count, 0);
	return GRAPH_ROWS + 1;
}

const struct top_view process_view = {
	.name = "process",
	.lack = TOP_LACK_ENDPOINTS,
	.sort = E_SENT_RATE,
	.columns = endpoint_columns,
	.rows = endpoint_rows,
	.shown = of_process,
	.cell = endpoint_cell,
	.identity = row_identity,
	.enter = endpoint_enter,
	.head = process_head,
};

/* ---- an endpoint ---- */

static int figures(struct canvas *canvas, int row, const char *name, enum style style, const struct top_history *history, double rate)
{
	double values[TOP_HISTORY];
	char text[FORMAT_SIZE];
	int width = canvas->columns - 16 < TOP_HISTORY ? canvas->columns - 16 : TOP_HISTORY;

	canvas_format(canvas, row, 0, 15, style, "%s %s", name, rate < 0 ? "-" : short_number(rate, 1000, text));
	canvas_graph(canvas, row, 16, 2, width, style, values, top_history_read(history, values), 0);
	return 2;
}

static int endpoint_head(struct top_screen *screen, struct canvas *canvas, int row, int height)
{
	const struct endpoint *e = endpoint_with_id(screen->top, screen_subject(screen)->endpoint);
	int used = 0;

	if (!e) {
		canvas_put(canvas, row, 0, canvas->columns, STYLE_WARNING, "it is closed");
		return 1;
	}
	if (height < 8)
		return 0;
	used += figures(canvas, row + used, "sent/s", STYLE_SEND, &screen->endpoint_history[0], e->send_rate);
	used += figures(canvas, row + used, "recv/s", STYLE_RECEIVE, &screen->endpoint_history[1], e->receive_rate);
	return used + 1;
}

static void endpoint_text(struct top_screen *screen)
{
	const struct endpoint *e = endpoint_with_id(screen->top, screen_subject(screen)->endpoint);

	if (!e)
		return;
	for (size_t i = 0; i < screen->top->endpoint_count; i++) {
		if (screen->top->endpoint[i] != e)
			continue;
		for (unsigned column = 0; endpoint_columns[column].title; column++) {
			struct top_value value = {.with_text = true};
			endpoint_cell(screen, i, column, &value);
			screen_line(screen, endpoint_columns[column].title, value.text, value.known ? strlen(value.text) : 0);
		}
	}
	screen_line(screen, "executable", e->process.executable.data, e->process.executable.length);
	screen_line(screen, "cgroup", e->cgroup.data, e->cgroup.length);
	text_add_format(&screen->text, "%-12s %" PRIu64 "\n", "id", e->id);
}

const struct top_view endpoint_view = {
	.name = "endpoint",
	.lack = TOP_LACK_ENDPOINTS,
	.head = endpoint_head,
	.text = endpoint_text,
};
