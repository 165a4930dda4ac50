/* Provider http: requests and responses of HTTP/1 in clear on ports 80 and 8080, as packets show them. */
#include <string.h>

#include "box/trace_packets.h"
#include "bpf/trace_events.h"
#include "packet/application.h"
#include "packet/dissect_http.h"

#define METHOD_MOST 20u
#define HOST_MOST 200u
#define PATH_MOST 200u

enum { REQUEST = 1, RESPONSE = 2 };
enum { HTTP_REQUEST = 1, HTTP_RESPONSE };
enum { TCP = 6 };

static const struct weir_trace_keyword keywords[] = {{"request", REQUEST}, {"response", RESPONSE}, {0}};

static const struct weir_trace_field request_fields[] = {
	TRACE_TUPLE_FIELDS, {"client_process", WEIR_TRACE_UNSIGNED, 4, NULL}, {"method", WEIR_TRACE_STRING, 0, NULL}, {"host", WEIR_TRACE_STRING, 0, NULL},
	{"path", WEIR_TRACE_STRING, 0, NULL}, {0},
};
static const struct weir_trace_field response_fields[] = {
	TRACE_TUPLE_FIELDS, {"client_process", WEIR_TRACE_UNSIGNED, 4, NULL}, {"status", WEIR_TRACE_UNSIGNED, 2, NULL},
	{"latency", WEIR_TRACE_DURATION, 8, NULL}, {0},
};

static const struct weir_trace_event_type events[] = {
	{HTTP_REQUEST, 1, WEIR_TRACE_INFORMATION, REQUEST, "request", request_fields},
	{HTTP_RESPONSE, 1, WEIR_TRACE_INFORMATION, RESPONSE, "response", response_fields},
	{0},
};

static void see_request(struct trace_packets *packets, const struct trace_packet *packet, const struct http_line *line)
{
	struct trace_exchange *exchange = trace_exchange_of(packets, packet, true, 0);
	bool open = exchange->question.said && !exchange->done;
	struct weir_bytes host = application_http_host(packet->payload);
	struct trace_packet_event event;

	if (trace_said_before(&exchange->question, packet))
		return;
	/* Which of the two the next response is for, a packet does not say. */
	exchange->unsure = open;
	exchange->done = false;
	trace_packet_event_begin(&event, HTTP_REQUEST, packet, &packet->processes.destination, &packet->processes.source, exchange);
	trace_packet_event_string(&event, line->method.data, line->method.length, METHOD_MOST);
	trace_packet_event_string(&event, host.data, host.length, HOST_MOST);
	trace_packet_event_string(&event, line->target.data, line->target.length, PATH_MOST);
	trace_packet_event_emit(packets, &event);
}

static void see_response(struct trace_packets *packets, const struct trace_packet *packet, unsigned status)
{
	struct trace_exchange *exchange = trace_exchange_of(packets, packet, false, 0);
	struct trace_packet_event event;

	if (trace_said_before(&exchange->answer, packet))
		return;
	/* What is below 200 comes before the response proper. */
	uint64_t latency = trace_exchange_latency(exchange, packet, status >= 200);
	trace_packet_event_begin(&event, HTTP_RESPONSE, packet, &packet->processes.source, &packet->processes.destination, exchange);
	trace_packet_event_number(&event, status, 2);
	trace_packet_event_number(&event, latency, 8);
	trace_packet_event_emit(packets, &event);
}

static void see(struct trace_packets *packets, const struct trace_packet *packet)
{
	struct http_line line;

	if (packet->protocol != TCP || !http_line_read(packet->payload, &line))
		return;
	if (line.method.length)
		see_request(packets, packet, &line);
	else if (line.status)
		see_response(packets, packet, line.status);
}

static const struct trace_packets_user user = {.provider = TRACE_HTTP, .filter = "tcp port 80 or tcp port 8080", .see = see};

static int open_feed(void **feed, int *descriptor, struct weir_fault *fault) { return trace_packets_open(&user, feed, descriptor, fault); }

const struct trace_provider trace_http_provider = {
	.shown = {TRACE_HTTP, "http", "HTTP/1 in clear: requests and responses, from packets of ports 80 and 8080", keywords, events},
	.open = open_feed,
	TRACE_PACKETS_FEED,
};
