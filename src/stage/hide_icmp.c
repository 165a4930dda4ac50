/* Hiding in what stands behind the headers of ICMP, ICMPv6 and IGMP. */
#include "stage/hide.h"

#define LINKTYPE_IPV4 228
#define LINKTYPE_IPV6 229

/* What an error quotes is a packet of its own, hidden as such; what stands behind it (RFC 4884: addresses and names of interfaces) is not kept. */
static uint32_t quotation(struct hiding *h, uint32_t at, uint32_t end, uint16_t linktype)
{
	struct weir_facts facts;
	struct weir_packet packet = {.data = h->in + at,
	                             .captured = end - at,
	                             .length = end - at + 1,
	                             .linktype = linktype};

	if (h->quoted)
		return at;
	weir_decode_thoroughly(&packet, &facts);
	struct hiding inner = {
		.context = h->context,
		.hider = h->hider,
		.facts = &facts,
		.in = h->in + at,
		.out = h->out + at,
		.length = end - at,
		.quoted = true,
		.whole_copied = true,
	};
	hide_packet(&inner);
	return at + inner.keep;
}

/* ---- ICMP ---- */

/* RFC 1256: address and preference, as many as the header says. */
static uint32_t router_list(struct hiding *h, uint32_t at, uint32_t end)
{
	uint32_t count = h->in[at - 4], size = h->in[at - 3] * 4u;

	for (; size >= 8 && count > 0 && end - at >= size; count--, at += size) {
		hide_ipv4(h->context, h->out + at);
		hide_zero(h, at + 8, at + size);
	}
	return at;
}

uint32_t hide_icmp(struct hiding *h, uint32_t at, uint32_t end)
{
	switch (h->in[at - 8]) {
	case 3:  /* unreachable */
	case 4:  /* source quench */
	case 5:  /* redirect */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		return quotation(h, at, end, LINKTYPE_IPV4);
	case 9: /* router advertisement */
		return router_list(h, at, end);
	case 17:
	case 18: /* address mask */
		return end - at >= 4 ? at + 4 : at;
	default:
		return at;
	}
}

/* ---- neighbour discovery: RFC 4861 ---- */

enum {
	ND_SOURCE = 1,
	ND_TARGET = 2,
	ND_PREFIX = 3,
	ND_REDIRECTED = 4,
	ND_MTU = 5,
	ND_ROUTE = 24,
	ND_SERVERS = 25,
	ND_SEARCH = 31,
};

static void nd_addresses(struct hiding *h, uint32_t at, uint32_t end)
{
	for (; end - at >= 16; at += 16)
		hide_ipv6(h->context, h->out + at);
}

/* The prefix of a route, of which only as many bytes are there as it has (RFC 4191). */
static void nd_route(struct hiding *h, uint32_t at, uint32_t length)
{
	uint8_t prefix[16] = {0};
	uint32_t there = length - 8 < 16 ? length - 8 : 16;

	memcpy(prefix, h->in + at + 8, there);
	hide_prefix(h->context, prefix, 16, h->in[at + 2]);
	memcpy(h->out + at + 8, prefix, there);
	hide_zero(h, at + 8 + there, at + length);
}

/* RFC 8106: names one behind the other, then zeros. */
static void nd_search(struct hiding *h, uint32_t at, uint32_t end)
{
	while (at < end && h->in[at] != 0) {
		uint32_t took = hide_encoded_name(h->context, h->in + at, h->out + at, end - at);
		if (took == 0)
			break;
		at += took;
	}
	hide_zero(h, at, end);
}

static void nd_option(struct hiding *h, uint32_t at, uint32_t length)
{
	switch (h->in[at]) {
	case ND_SOURCE:
	case ND_TARGET:
		hide_mac(h->context, h->out + at + 2);
		hide_zero(h, at + 8, at + length);
		return;
	case ND_PREFIX:
		if (length == 32) {
			hide_prefix(h->context, h->out + at + 16, 16, h->in[at + 2]);
			return;
		}
		break;
	case ND_MTU:
		return;
	case ND_ROUTE:
		nd_route(h, at, length);
		return;
	case ND_SERVERS:
		nd_addresses(h, at + 8, at + length);
		return;
	case ND_SEARCH:
		nd_search(h, at + 8, at + length);
		return;
	default:
		break;
	}
	hide_zero(h, at + 2, at + length);
}

/* A redirected header is the last option: what it quotes is shortened, and so the packet ends with it. */
static uint32_t nd_options(struct hiding *h, uint32_t at, uint32_t end)
{
	while (end - at >= 8) {
		uint32_t length = h->in[at + 1] * 8u;
		if (length == 0 || length > end - at)
			break;
		if (h->in[at] == ND_REDIRECTED) {
			hide_zero(h, at + 2, at + 8);
			return quotation(h, at + 8, at + length, LINKTYPE_IPV6);
		}
		nd_option(h, at, length);
		at += length;
	}
	return at;
}

/* So many addresses, then options. */
static uint32_t nd_message(struct hiding *h, uint32_t at, uint32_t end, unsigned addresses)
{
	for (; addresses; addresses--, at += 16) {
		if (end - at < 16)
			return at;
		hide_ipv6(h->context, h->out + at);
	}
	return nd_options(h, at, end);
}

/* ---- listeners: RFC 2710, RFC 3810; RFC 3376 ---- */

/* Reports of version 2 and 3: records of a group and its sources, of 16 or 4 bytes. */
static uint32_t group_records(struct hiding *h, uint32_t at, uint32_t end, uint32_t count, uint32_t width)
{
	for (; count > 0 && end - at >= 4 + width; count--) {
		uint32_t sources = weir_load_be16(h->in + at + 2), length = 4 + width * (1 + sources);
		if (length > end - at)
			return at;
		for (uint32_t i = 0; i <= sources; i++) {
			if (width == 4)
				hide_ipv4(h->context, h->out + at + 4 + 4 * i);
			else
				hide_ipv6(h->context, h->out + at + 4 + 16 * i);
		}
		length += h->in[at + 1] * 4u; /* auxiliary data, which nobody has defined */
		if (length > end - at)
			return at + length - h->in[at + 1] * 4u;
		hide_zero(h, at + length - h->in[at + 1] * 4u, at + length);
		at += length;
	}
	return at;
}

/* A group, and in queries of version 2 what is asked of it and its sources. */
static uint32_t mld_group(struct hiding *h, uint32_t at, uint32_t end)
{
	if (end - at < 16)
		return at;
	hide_ipv6(h->context, h->out + at);
	if (h->in[at - 8] != 130 || end - at < 20)
		return at + 16;
	uint32_t sources = weir_load_be16(h->in + at + 18);
	for (at += 20; sources > 0 && end - at >= 16; sources--, at += 16)
		hide_ipv6(h->context, h->out + at);
	return at;
}

uint32_t hide_icmpv6(struct hiding *h, uint32_t at, uint32_t end)
{
	switch (h->in[at - 8]) {
	case 1:
	case 2:
	case 3:
	case 4:
		return quotation(h, at, end, LINKTYPE_IPV6);
	case 130:
	case 131:
	case 132:
		return mld_group(h, at, end);
	case 133:
		return nd_message(h, at, end, 0);
	case 134:
		return end - at >= 8 ? nd_options(h, at + 8, end) : at;
	case 135:
	case 136:
		return nd_message(h, at, end, 1);
	case 137:
		return nd_message(h, at, end, 2);
	case 143:
		return group_records(h, at, end, weir_load_be16(h->in + at - 2), 16);
	default:
		return at;
	}
}

uint32_t hide_igmp(struct hiding *h, uint32_t at, uint32_t end)
{
	if (h->in[at - 8] == 0x22)
		return group_records(h, at, end, weir_load_be16(h->in + at - 2), 4);
	if (h->in[at - 8] != 0x11 || end - at < 4)
		return at;
	uint32_t sources = weir_load_be16(h->in + at + 2);
	for (at += 4; sources > 0 && end - at >= 4; sources--, at += 4)
		hide_ipv4(h->context, h->out + at);
	return at;
}
