/* Columns of endpoints: cli/endpoint_columns.h. */
#include "cli/endpoint_columns.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include <weir/flow.h>

#include "core/clock.h"

static const char *protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP: return "tcp";
	case IPPROTO_UDP: return "udp";
	case IPPROTO_UDPLITE: return "udplite";
	case IPPROTO_ICMP: return "icmp";
	case IPPROTO_ICMPV6: return "icmp6";
	default: return NULL;
	}
}

void endpoint_put_protocol(struct text *out, const struct endpoint *endpoint)
{
	const char *name = protocol_name(endpoint->protocol);

	text_add(out, endpoint->raw ? "raw/" : "");
	if (name)
		text_add(out, name);
	else
		text_add_unsigned(out, endpoint->protocol);
}

static const char *address_text(const struct weir_ip *ip, char text[static INET6_ADDRSTRLEN])
{
	inet_ntop(ip->version == 4 ? AF_INET : AF_INET6, ip->bytes, text, INET6_ADDRSTRLEN);
	return text;
}

void endpoint_put_address(struct text *out, const struct endpoint *endpoint, bool remote)
{
	const struct weir_ip *ip = remote ? &endpoint->remote : &endpoint->local;
	uint16_t port = remote ? endpoint->remote_port : endpoint->local_port;
	char text[INET6_ADDRSTRLEN];

	text_add(out, ip->version == 6 ? "[" : "");
	text_add(out, ip->version ? address_text(ip, text) : "*");
	text_add(out, ip->version == 6 ? "]:" : ":");
	if (port)
		text_add_unsigned(out, port);
	else
		text_add_char(out, '*');
}

static void put_unsigned(struct text *out, uint64_t value)
{
	if (value == ENDPOINT_UNKNOWN)
		text_add_char(out, '-');
	else
		text_add_unsigned(out, value);
}

static void put_known(struct text *out, struct weir_bytes bytes)
{
	if (bytes.length)
		text_add_utf8(out, bytes.data, bytes.length);
	else
		text_add_char(out, '-');
}

static void put_size(struct text *out, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes == ENDPOINT_UNKNOWN) {
		text_add_char(out, '-');
		return;
	}
	if (bytes < 1024) {
		text_add_unsigned(out, bytes);
		return;
	}
	for (value /= 1024; value >= 1023.5 && units[unit + 1]; unit++)
		value /= 1024;
	text_add_format(out, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

static void put_rate(struct text *out, double rate) { put_size(out, rate < 0 ? ENDPOINT_UNKNOWN : (uint64_t)(rate + 0.5)); }

static void put_span(struct text *out, int64_t ns)
{
	int64_t seconds = ns / NS_PER_SECOND;

	if (ns < NS_PER_SECOND)
		text_add_format(out, "%" PRId64 "ms", ns < 0 ? 0 : ns / 1000000);
	else if (seconds < 60)
		text_add_format(out, "%" PRId64 "s", seconds);
	else if (seconds < 3600)
		text_add_format(out, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		text_add_format(out, "%" PRId64 "h%02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
	else
		text_add_format(out, "%" PRId64 "d%02" PRId64 "h", seconds / 86400, seconds / 3600 % 24);
}

static void id(struct text *out, const struct endpoint *e, int64_t now) { text_add_unsigned(out, e->id); }
static void protocol(struct text *out, const struct endpoint *e, int64_t now) { endpoint_put_protocol(out, e); }
static void state(struct text *out, const struct endpoint *e, int64_t now)
{
	const char *name = endpoint_state_name(e->state);
	text_add(out, *name ? name : "-");
}
static void local(struct text *out, const struct endpoint *e, int64_t now) { endpoint_put_address(out, e, false); }
static void remote(struct text *out, const struct endpoint *e, int64_t now) { endpoint_put_address(out, e, true); }
static void interface(struct text *out, const struct endpoint *e, int64_t now) { put_unsigned(out, e->interface_index ? e->interface_index : ENDPOINT_UNKNOWN); }
static void pid(struct text *out, const struct endpoint *e, int64_t now) { put_unsigned(out, e->process.pid ? e->process.pid : ENDPOINT_UNKNOWN); }
static void process(struct text *out, const struct endpoint *e, int64_t now) { put_known(out, e->process.name); }
static void executable(struct text *out, const struct endpoint *e, int64_t now) { put_known(out, e->process.executable); }
static void threads(struct text *out, const struct endpoint *e, int64_t now) { put_unsigned(out, e->process_threads ? e->process_threads : ENDPOINT_UNKNOWN); }
static void user(struct text *out, const struct endpoint *e, int64_t now)
{
	if (e->process.user.length || e->process.user_id == WEIR_NO_USER)
		put_known(out, e->process.user);
	else
		text_add_unsigned(out, e->process.user_id);
}
static void cgroup(struct text *out, const struct endpoint *e, int64_t now) { put_known(out, e->cgroup); }
static void container(struct text *out, const struct endpoint *e, int64_t now)
{
	/* As container engines show them. */
	put_known(out, (struct weir_bytes){e->container.data, e->container.length == 64 ? 12 : e->container.length});
}
static void sent(struct text *out, const struct endpoint *e, int64_t now) { put_size(out, e->bytes_sent); }
static void received(struct text *out, const struct endpoint *e, int64_t now) { put_size(out, e->bytes_received); }
static void packets_sent(struct text *out, const struct endpoint *e, int64_t now) { put_unsigned(out, e->packets_sent); }
static void packets_received(struct text *out, const struct endpoint *e, int64_t now) { put_unsigned(out, e->packets_received); }
static void send_rate(struct text *out, const struct endpoint *e, int64_t now) { put_rate(out, e->send_rate); }
static void receive_rate(struct text *out, const struct endpoint *e, int64_t now) { put_rate(out, e->receive_rate); }
static void rtt(struct text *out, const struct endpoint *e, int64_t now)
{
	if (e->rtt_ns == ENDPOINT_UNKNOWN)
		text_add_char(out, '-');
	else
		text_add_format(out, "%.2fms", (double)e->rtt_ns / 1e6);
}
static void retransmissions(struct text *out, const struct endpoint *e, int64_t now) { put_unsigned(out, e->retransmissions); }
static void send_queue(struct text *out, const struct endpoint *e, int64_t now) { put_unsigned(out, e->send_queue); }
static void receive_queue(struct text *out, const struct endpoint *e, int64_t now) { put_unsigned(out, e->receive_queue); }
static void age(struct text *out, const struct endpoint *e, int64_t now)
{
	if (e->opened_ns == WEIR_NO_TIME)
		text_add_char(out, '-');
	else
		put_span(out, now - e->opened_ns);
}

static const struct endpoint_column columns[] = {
	{"id", "ID", 'r', id, "what `weir endpoints close` takes"},
	{"protocol", "PROTO", 'l', protocol, "tcp, udp, udplite, icmp, icmp6, raw/…"},
	{"state", "STATE", 'l', state, "TCP's, else BOUND or CONNECTED"},
	{"local", "LOCAL", 'l', local, "address and port of this end; * is any"},
	{"remote", "REMOTE", 'l', remote, "address and port of the other end"},
	{"interface", "IF", 'r', interface, "index of the interface that it is bound to"},
	{"pid", "PID", 'r', pid, "of the process that used it last"},
	{"process", "PROCESS", 'l', process, "its name"},
	{"executable", "EXECUTABLE", 'l', executable, "path of its program"},
	{"threads", "THREADS", 'r', threads, "how many it has"},
	{"user", "USER", 'l', user, "whom it runs as"},
	{"cgroup", "CGROUP", 'l', cgroup, "path of its cgroup"},
	{"container", "CONTAINER", 'l', container, "the container that its cgroup names"},
	{"sent", "SENT", 'r', sent, "bytes of payload"},
	{"received", "RECEIVED", 'r', received, "bytes of payload"},
	{"packets_sent", "PKTS SENT", 'r', packets_sent, "segments or datagrams"},
	{"packets_received", "PKTS RECEIVED", 'r', packets_received, "segments or datagrams"},
	{"send_rate", "SENT/S", 'r', send_rate, "bytes/s between the last two looks"},
	{"receive_rate", "RECEIVED/S", 'r', receive_rate, "bytes/s between the last two looks"},
	{"rtt", "RTT", 'r', rtt, "smoothed round-trip time"},
	{"retransmissions", "RETRANS", 'r', retransmissions, "segments that were sent again"},
	{"send_queue", "SENDQ", 'r', send_queue, "bytes not acknowledged; listening: the limit of the backlog"},
	{"receive_queue", "RECVQ", 'r', receive_queue, "bytes not read; listening: connections not accepted"},
	{"age", "AGE", 'r', age, "since it was opened"},
};

const struct endpoint_column *endpoint_columns(size_t *count)
{
	*count = sizeof columns / sizeof *columns;
	return columns;
}

static const struct endpoint_column *column_named(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		if (strlen(columns[i].name) == length && memcmp(columns[i].name, name, length) == 0)
			return &columns[i];
	return NULL;
}

int endpoint_columns_of(const char *names, const struct endpoint_column *chosen[static ENDPOINT_COLUMNS_MOST], struct weir_fault *fault)
{
	int count = 0;

	if (!names)
		names = "id,protocol,state,local,remote,pid,process,user,sent,received,rtt,retransmissions";
	for (;;) {
		size_t length = strcspn(names, ",");
		const struct endpoint_column *column = column_named(names, length);
		if (!column)
			return weir_fail(fault, WEIR_E_USAGE, "there is no column '%.*s': weir endpoints --help lists them", (int)length, names);
		if (count == ENDPOINT_COLUMNS_MOST)
			return weir_fail(fault, WEIR_E_USAGE, "more than %d columns", ENDPOINT_COLUMNS_MOST);
		chosen[count++] = column;
		if (!names[length])
			return count;
		names += length + 1;
	}
}

static void put_bytes(struct json *json, const char *key, struct weir_bytes bytes)
{
	if (!bytes.length)
		return;
	json_key(json, key);
	json_string_bytes(json, bytes.data, bytes.length);
}

static void put_number(struct json *json, const char *key, uint64_t value)
{
	if (value != ENDPOINT_UNKNOWN)
		json_put_unsigned(json, key, value);
}

static void put_process(struct json *json, const struct weir_process *process)
{
	if (process->pid == 0)
		return;
	json_put_unsigned(json, "pid", process->pid);
	if (process->thread_id)
		json_put_unsigned(json, "thread_id", process->thread_id);
	put_bytes(json, "process", process->name);
	put_bytes(json, "executable", process->executable);
	if (process->user_id != WEIR_NO_USER)
		json_put_unsigned(json, "user_id", process->user_id);
	put_bytes(json, "user", process->user);
}

static void put_end(struct json *json, const char *address_key, const char *port_key, const struct weir_ip *ip, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	if (ip->version)
		json_put_string(json, address_key, address_text(ip, text));
	if (port)
		json_put_unsigned(json, port_key, port);
}

static void put_time(struct json *json, const char *key, int64_t ns)
{
	if (ns != WEIR_NO_TIME)
		json_put_signed(json, key, ns);
}

void endpoint_json(struct json *json, const struct endpoint *endpoint)
{
	const char *name = protocol_name(endpoint->protocol);

	json_put_unsigned(json, "id", endpoint->id);
	if (name)
		json_put_string(json, "protocol", name);
	json_put_unsigned(json, "protocol_number", endpoint->protocol);
	if (endpoint->raw)
		json_put_bool(json, "raw", true);
	if (*endpoint_state_name(endpoint->state))
		json_put_string(json, "state", endpoint_state_name(endpoint->state));
	put_end(json, "local_address", "local_port", &endpoint->local, endpoint->local_port);
	put_end(json, "remote_address", "remote_port", &endpoint->remote, endpoint->remote_port);
	if (endpoint->interface_index)
		json_put_unsigned(json, "interface_index", endpoint->interface_index);
	put_process(json, &endpoint->process);
	if (endpoint->process_threads)
		json_put_unsigned(json, "threads", endpoint->process_threads);
	put_bytes(json, "cgroup", endpoint->cgroup);
	put_bytes(json, "container", endpoint->container);
	put_number(json, "bytes_sent", endpoint->bytes_sent);
	put_number(json, "bytes_received", endpoint->bytes_received);
	put_number(json, "packets_sent", endpoint->packets_sent);
	put_number(json, "packets_received", endpoint->packets_received);
	if (endpoint->send_rate >= 0)
		json_put_double(json, "send_rate", endpoint->send_rate);
	if (endpoint->receive_rate >= 0)
		json_put_double(json, "receive_rate", endpoint->receive_rate);
	put_number(json, "rtt_ns", endpoint->rtt_ns);
	put_number(json, "retransmissions", endpoint->retransmissions);
	put_number(json, "send_queue", endpoint->send_queue);
	put_number(json, "receive_queue", endpoint->receive_queue);
	put_time(json, "opened_ns", endpoint->opened_ns);
	put_time(json, "closed_ns", endpoint->closed_ns);
}
