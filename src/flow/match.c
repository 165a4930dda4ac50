/* Filters on flow records: flow/match.h. */
#include <stdlib.h>

#include <weir/filter.h>

#include "flow/match.h"

#define LINKTYPE_ETHERNET 1
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_NONE 0xffff /* reserved (RFC 1701): no filter asks for it by name */
#define HEADERS_MOST 96

enum { ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58, SCTP = 132, UDPLITE = 136 };

struct flow_match {
	struct weir_filter *filter;
	uint8_t headers[HEADERS_MOST];
};

static const char *const columns_read[] = {
	"source_address", "destination_address", "source_port", "destination_port", "protocol", "packets", "reverse_packets", "tcp_flags",
	"reverse_tcp_flags", "ttl_min", "reverse_ttl_min", "dscp", "reverse_dscp", "vlan", "source_mac", "destination_mac", "icmp_type", "icmp_code",
};

int flow_match_new(const char *expression, struct flow_match **match, struct weir_fault *fault)
{
	struct flow_match *made = calloc(1, sizeof *made);
	int error;

	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
	error = weir_filter_new(expression, LINKTYPE_ETHERNET, &made->filter, fault);
	if (error) {
		free(made);
		return error;
	}
	*match = made;
	return 0;
}

void flow_match_free(struct flow_match *match)
{
	if (!match)
		return;
	weir_filter_free(match->filter);
	free(match);
}

void flow_match_columns(bool *wanted)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t i = 0; i < sizeof columns_read / sizeof *columns_read; i++)
		wanted[weir_flow_column_named(columns_read[i]) - columns] = true;
}

/* What the other end answers to a query of this type. */
static uint8_t icmp_answer(uint8_t protocol, uint8_t type)
{
	if (protocol == ICMPV6)
		return type == 128 ? 129 : type;
	return type == 8 ? 0 : type == 13 || type == 15 || type == 17 ? type + 1 : type;
}

/* The transport header, of which as much is made as filters may look at. Its length. */
static size_t put_transport(uint8_t *at, const struct weir_flow *flow, bool reverse)
{
	const struct weir_flow_direction *direction = reverse ? &flow->reverse : &flow->forward;

	switch (flow->protocol) {
	case TCP:
	case UDP:
	case UDPLITE:
	case SCTP:
		weir_store_be16(at, reverse ? flow->destination_port : flow->source_port);
		weir_store_be16(at + 2, reverse ? flow->source_port : flow->destination_port);
		if (flow->protocol == TCP) {
			at[12] = 5 << 4;
			at[13] = direction->tcp_flags;
			return 20;
		}
		weir_store_be16(at + 4, 8);
		return flow->protocol == SCTP ? 12 : 8;
	case ICMP:
	case ICMPV6:
		at[0] = (uint8_t)(flow->icmp_type == WEIR_NO_VALUE ? 0xff : flow->icmp_type);
		at[1] = (uint8_t)(flow->icmp_code == WEIR_NO_VALUE ? 0xff : flow->icmp_code);
		if (reverse)
			at[0] = icmp_answer(flow->protocol, at[0]);
		return 8;
	default: return 8;
	}
}

/* The IP header before so many bytes of transport. Its length. */
static size_t put_network(uint8_t *at, const struct weir_flow *flow, bool reverse, size_t transport)
{
	const struct weir_flow_direction *direction = reverse ? &flow->reverse : &flow->forward;
	const struct weir_ip *from = reverse ? &flow->destination : &flow->source, *to = reverse ? &flow->source : &flow->destination;

	if (flow->source.version == 4) {
		at[0] = 0x45;
		at[1] = (uint8_t)(direction->dscp << 2);
		weir_store_be16(at + 2, (uint16_t)(20 + transport));
		at[8] = direction->ttl_min;
		at[9] = flow->protocol;
		memcpy(at + 12, from->bytes, 4);
		memcpy(at + 16, to->bytes, 4);
		return 20;
	}
	weir_store_be32(at, UINT32_C(6) << 28 | (uint32_t)direction->dscp << 22);
	weir_store_be16(at + 4, (uint16_t)transport);
	at[6] = flow->protocol;
	at[7] = direction->ttl_min;
	memcpy(at + 8, from->bytes, 16);
	memcpy(at + 24, to->bytes, 16);
	return 40;
}

static size_t put_headers(uint8_t *at, const struct weir_flow *flow, bool reverse)
{
	uint16_t type = flow->source.version == 4 ? ETHERTYPE_IPV4 : flow->source.version == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_NONE;
	size_t length = 12;

	memset(at, 0, HEADERS_MOST);
	memcpy(at, reverse ? flow->source_mac : flow->destination_mac, 6);
	memcpy(at + 6, reverse ? flow->destination_mac : flow->source_mac, 6);
	if (flow->vlan != WEIR_NO_VALUE) {
		weir_store_be16(at + length, ETHERTYPE_VLAN);
		weir_store_be16(at + length + 2, (uint16_t)flow->vlan);
		length += 4;
	}
	weir_store_be16(at + length, type);
	length += 2;
	if (type == ETHERTYPE_NONE)
		return length;
	size_t network = type == ETHERTYPE_IPV4 ? 20 : 40;
	size_t transport = put_transport(at + length + network, flow, reverse);
	return length + put_network(at + length, flow, reverse, transport) + transport;
}

int flow_match(struct flow_match *match, const struct weir_flow *flow, struct weir_fault *fault)
{
	int matches = 0;

	for (int reverse = 0; reverse < 2 && matches == 0; reverse++) {
		if (!(reverse ? flow->reverse.packets : flow->forward.packets))
			continue;
		struct weir_packet packet = {.data = match->headers, .linktype = LINKTYPE_ETHERNET};
		packet.captured = packet.length = (uint32_t)put_headers(match->headers, flow, reverse);
		matches = weir_filter_match(match->filter, &packet, fault);
	}
	return matches;
}
