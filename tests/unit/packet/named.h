/* Flows that are shown to a namer, one payload after the other, and what their records would say. */
#ifndef TESTS_PACKET_NAMED_H
#define TESTS_PACKET_NAMED_H

#include <stdio.h>

#include <weir/application.h>

#include "build.h"

static const struct weir_ip client = {{10, 0, 0, 1}, 4}, server = {{10, 0, 0, 2}, 4};

struct one { /* flow */
	struct weir_applications *namer;
	struct weir_application application;
	struct weir_application_flow flow;
	uint32_t sequence[2];
	int64_t time_ns;
};

static struct one flow_to(struct weir_applications *namer, uint8_t protocol, uint16_t source, uint16_t destination)
{
	return (struct one){.namer = namer,
	                    .flow = {&client, &server, source, destination, protocol},
	                    .sequence = {1000, 5000},
	                    .time_ns = 1700000000000000000};
}

/* Shows a packet with this payload; cut: so many bytes at its end were not captured. */
static void show_cut(struct one *one, bool reversed, const void *payload, uint32_t length, uint32_t cut)
{
	struct build b = {.linktype = 1};
	struct weir_facts facts;

	ethernet(&b, 0x0800);
	ipv4(&b, one->flow.protocol);
	uint16_t from = reversed ? one->flow.destination_port : one->flow.source_port,
			 to = reversed ? one->flow.source_port : one->flow.destination_port;
	if (one->flow.protocol == 6) {
		tcp(&b, from, to);
		weir_store_be32(b.data + b.length - 16, one->sequence[reversed]);
	} else {
		udp(&b, from, to);
	}
	bytes(&b, payload, length);
	one->sequence[reversed] += length;
	for (unsigned i = 0; i < b.length_count; i++)
		weir_store_be16(b.data + b.lengths[i].at, (uint16_t)(b.length - b.lengths[i].from));
	struct weir_packet packet = {.time_ns = one->time_ns, .data = b.data, .captured = b.length - cut, .length = b.length, .linktype = 1};
	weir_decode(&packet, &facts);
	weir_application_see(one->namer, &one->application, &one->flow, &packet, &facts, reversed);
}

static void show(struct one *one, bool reversed, const void *payload, uint32_t length) { show_cut(one, reversed, payload, length, 0); }
#define SHOW(one, reversed, text) show(one, reversed, text, sizeof text - 1)

static const char *text_of(struct weir_bytes bytes)
{
	static char texts[8][300];
	static unsigned next;
	char *text = texts[next++ % 8];

	snprintf(text, sizeof texts[0], "%.*s", bytes.data ? (int)bytes.length : 1, bytes.data ? (const char *)bytes.data : "-");
	return text;
}

/* "application, category, evidence, server name" of the flow as its record would have it. */
static const char *described(struct one *one)
{
	static char text[700];
	struct weir_flow flow;

	memset(&flow, 0, sizeof flow);
	weir_application_settle(one->namer, &one->application, &one->flow);
	weir_application_describe(one->namer, &one->application, &flow);
	snprintf(text, sizeof text, "%s, %s, %s, %s", text_of(flow.application), text_of(flow.category), text_of(flow.evidence),
	         text_of(flow.server_name));
	return text;
}

#endif
