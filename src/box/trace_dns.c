/* Provider dns: questions and answers of DNS that this box sends, gets or passes on, as packets of port 53 show them. */
#include <string.h>

#include "box/trace_packets.h"
#include "bpf/trace_events.h"
#include "packet/application.h"
#include "packet/dissect.h"

#define NAME_MOST 255u
#define HEAD 12u

enum { QUERY = 1, ANSWER = 2 };
enum { DNS_QUERY = 1, DNS_ANSWER };
enum { TCP = 6 };

static const struct weir_trace_keyword keywords[] = {{"query", QUERY}, {"answer", ANSWER}, {0}};

static const struct weir_trace_name types[] = {
	{1, "A"}, {2, "NS"}, {5, "CNAME"}, {6, "SOA"}, {12, "PTR"}, {13, "HINFO"}, {15, "MX"}, {16, "TXT"}, {28, "AAAA"}, {29, "LOC"}, {33, "SRV"},
	{35, "NAPTR"}, {39, "DNAME"}, {43, "DS"}, {44, "SSHFP"}, {46, "RRSIG"}, {47, "NSEC"}, {48, "DNSKEY"}, {50, "NSEC3"}, {52, "TLSA"}, {64, "SVCB"},
	{65, "HTTPS"}, {99, "SPF"}, {251, "IXFR"}, {252, "AXFR"}, {255, "ANY"}, {256, "URI"}, {257, "CAA"}, {0},
};
static const struct weir_trace_name results[] = {
	{0, "noerror"}, {1, "formerr"}, {2, "servfail"}, {3, "nxdomain"}, {4, "notimp"}, {5, "refused"}, {6, "yxdomain"}, {7, "yxrrset"}, {8, "nxrrset"},
	{9, "notauth"}, {10, "notzone"}, {0},
};

#define QUESTION_FIELDS \
	TRACE_TUPLE_FIELDS, {"server_process", WEIR_TRACE_UNSIGNED, 4, NULL}, {"message", WEIR_TRACE_UNSIGNED, 2, NULL}, \
	{"type", WEIR_TRACE_UNSIGNED, 2, types}, {"name", WEIR_TRACE_STRING, 0, NULL}

static const struct weir_trace_field query_fields[] = {QUESTION_FIELDS, {0}};
static const struct weir_trace_field answer_fields[] = {
	QUESTION_FIELDS, {"result", WEIR_TRACE_UNSIGNED, 1, results}, {"answers", WEIR_TRACE_UNSIGNED, 2, NULL}, {"address", WEIR_TRACE_ADDRESS, 17, NULL},
	{"latency", WEIR_TRACE_DURATION, 8, NULL}, {0},
};

static const struct weir_trace_event_type events[] = {
	{DNS_QUERY, 1, WEIR_TRACE_INFORMATION, QUERY, "query", query_fields},
	{DNS_ANSWER, 1, WEIR_TRACE_INFORMATION, ANSWER, "answer", answer_fields},
	{0},
};

/* Over TCP a message has its length before it; only one that a segment begins with is looked at. */
static bool take_message(const struct trace_packet *packet, struct weir_bytes *message)
{
	*message = packet->payload;
	if (packet->protocol == TCP) {
		if (packet->payload.length < 2)
			return false;
		size_t told = weir_load_be16(packet->payload.data);
		*message = (struct weir_bytes){packet->payload.data + 2, packet->payload.length - 2};
		if (told < message->length)
			message->length = told;
	}
	/* Opcode 0 alone asks and answers; the bit beside it has no use. */
	return message->length >= HEAD && (message->data[2] & 0x78) == 0 && (message->data[3] & 0x40) == 0;
}

static void keep_first(void *context, const struct weir_ip *address, uint32_t ttl)
{
	struct weir_ip *first = context;

	if (first->version == 0)
		*first = *address;
}

static void put_answer(struct trace_packet_event *event, struct weir_bytes message, uint64_t latency)
{
	struct weir_ip first = {0};

	application_dns_answers(message, keep_first, &first);
	trace_packet_event_number(event, message.data[3] & 15, 1);
	trace_packet_event_number(event, weir_load_be16(message.data + 6), 2);
	trace_packet_event_address(event, &first);
	trace_packet_event_number(event, latency, 8);
}

/* The name as asked, without its closing dot; and where its type stands, 0: it is broken, cut off, or there is none. */
static uint32_t take_name(struct text *name, struct weir_bytes message)
{
	if (weir_load_be16(message.data + 4) != 1)
		return 0;
	uint32_t end = put_dns_name(name, message, HEAD);
	output_end(name);
	if (end == 0 || name->failed || end + 4 > message.length)
		return 0;
	if (name->length > 1 && name->data[name->length - 1] == '.')
		name->length--;
	return end;
}

static void see(struct trace_packets *packets, const struct trace_packet *packet)
{
	struct trace_packet_event event;
	struct weir_bytes message;
	struct text name = {0};

	if (!take_message(packet, &message))
		return;
	bool asks = !(message.data[2] & 0x80);
	uint32_t end = take_name(&name, message);
	/* An answer may leave the question out; a question that can't be read is none. */
	if (end || (!asks && weir_load_be16(message.data + 4) == 0)) {
		struct trace_exchange *exchange = trace_exchange_of(packets, packet, asks, weir_load_be16(message.data));
		if (!trace_said_before(asks ? &exchange->question : &exchange->answer, packet)) {
			const struct weir_packet_processes *both = &packet->processes;
			if (asks)
				exchange->done = exchange->answer.said = false;
			uint64_t latency = asks ? UINT64_MAX : trace_exchange_latency(exchange, packet, true);
			trace_packet_event_begin(&event, asks ? DNS_QUERY : DNS_ANSWER, packet, asks ? &both->source : &both->destination,
			                         asks ? &both->destination : &both->source, exchange);
			trace_packet_event_number(&event, weir_load_be16(message.data), 2);
			trace_packet_event_number(&event, end ? weir_load_be16(message.data + end) : 0, 2);
			trace_packet_event_string(&event, name.data, end ? name.length : 0, NAME_MOST);
			if (!asks)
				put_answer(&event, message, latency);
			trace_packet_event_emit(packets, &event);
		}
	}
	text_free(&name);
}

static const struct trace_packets_user user = {.provider = TRACE_DNS, .filter = "port 53", .see = see};

static int open_feed(void **feed, int *descriptor, struct weir_fault *fault) { return trace_packets_open(&user, feed, descriptor, fault); }

const struct trace_provider trace_dns_provider = {
	.shown = {TRACE_DNS, "dns", "DNS: questions and their answers, from packets of port 53", keywords, events},
	.open = open_feed,
	TRACE_PACKETS_FEED,
};
