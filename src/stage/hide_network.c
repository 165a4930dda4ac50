/* Hiding in the headers of IP, its options and extensions, and of transport protocols. */
#include "stage/hide.h"

/* ---- IPv4 ---- */

enum {
	IP_END = 0,
	IP_NOP = 1,
	IP_RECORD_ROUTE = 7,
	IP_TIMESTAMP = 68,
	IP_LOOSE_ROUTE = 131,
	IP_ROUTER_ALERT = 148,
	IP_STRICT_ROUTE = 137
};

/* RFC 791, section 3.1: addresses, or pairs of address and time, from the fourth (fifth) byte on. */
static void address_list(struct hiding *h, uint32_t at, uint32_t end, uint32_t step)
{
	for (; end - at >= 4 && at < end; at += step) {
		hide_ipv4(h->context, h->out + at);
		if (step == 8 && end - at >= 8 && h->hider->time_changes)
			hide_zero(h, at + 4, at + 8);
		if (end - at < step)
			break;
	}
}

static void ipv4_option(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t length)
{
	uint8_t kind = h->in[at];

	switch (kind) {
	case IP_LOOSE_ROUTE:
	case IP_STRICT_ROUTE:
		/* Until the route's end the datagram is on the way to its last address: the checksum of its transport is over that one. */
		if (length >= 7 && (length - 3) % 4 == 0 && h->in[at + 2] <= length - 3)
			h->ends[layer->network].destination = at + length - 4;
		/* fall through */
	case IP_RECORD_ROUTE:
		if (length >= 3)
			address_list(h, at + 3, at + length, 4);
		return;
	case IP_TIMESTAMP:
		if (length >= 4 && (h->in[at + 3] & 15) != 0)
			address_list(h, at + 4, at + length, 8);
		else if (length >= 4 && h->hider->time_changes)
			hide_zero(h, at + 4, at + length);
		return;
	case IP_ROUTER_ALERT:
		return;
	default:
		memset(h->out + at, IP_NOP, length);
	}
}

static void ipv4_options(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	while (at < end && h->in[at] != IP_END) {
		if (h->in[at] == IP_NOP) {
			at++;
			continue;
		}
		uint32_t length = end - at >= 2 ? h->in[at + 1] : 0;
		if (length < 2 || length > end - at)
			break;
		ipv4_option(h, layer, at, length);
		at += length;
	}
	hide_zero(h, at, end);
}

uint32_t hide_ipv4_header(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 20 || layer->network >= h->facts->network_count)
		return hide_cut(h, at);
	uint32_t header = (h->in[at] & 15u) * 4u, whole = header < end - at ? at + header : end;

	weir_store_be16(h->out + at + 4, hide_ip_id(h->hider, weir_load_be16(h->in + at + 4)));
	hide_ipv4(h->context, h->out + at + 12);
	hide_ipv4(h->context, h->out + at + 16);
	h->ends[layer->network].source = at + 12;
	h->ends[layer->network].destination = at + 16;
	if (whole > at + 20)
		ipv4_options(h, layer, at + 20, whole);
	hide_checksum(h, &(struct hide_checksum){.at = at + 10, .from = at, .to = whole});
	return whole;
}

/* ---- IPv6 ---- */

uint32_t hide_ipv6_header(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 40 || layer->network >= h->facts->network_count)
		return hide_cut(h, at);
	hide_ipv6(h->context, h->out + at + 8);
	hide_ipv6(h->context, h->out + at + 24);
	h->ends[layer->network].source = at + 8;
	h->ends[layer->network].destination = at + 24;
	return at + 40;
}

enum { IP6_HOP_BY_HOP = 0, IP6_ROUTING = 43, IP6_DESTINATION = 60 };
enum { OPTION_PAD1 = 0, OPTION_PADN = 1, OPTION_ROUTER_ALERT = 5, OPTION_JUMBO = 0xc2, OPTION_HOME_ADDRESS = 0xc9 };

/* RFC 8200, section 4.2. What is not known becomes padding. */
static void ipv6_options(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	while (at < end) {
		uint8_t kind = h->in[at];
		if (kind == OPTION_PAD1) {
			at++;
			continue;
		}
		uint32_t length = end - at >= 2 ? h->in[at + 1] + 2u : 0;
		if (length < 2 || length > end - at)
			break;
		if (kind == OPTION_HOME_ADDRESS && length == 18) {
			hide_ipv6(h->context, h->out + at + 2);
			h->ends[layer->network].source = at + 2; /* RFC 6275, section 6.3 */
		} else if (kind != OPTION_ROUTER_ALERT && kind != OPTION_JUMBO) {
			h->out[at] = OPTION_PADN;
			hide_zero(h, at + 2, at + length);
		}
		at += length;
	}
	hide_zero(h, at, end);
}

/* RFC 2460 (type 0), RFC 6275 (2), RFC 8754 (4). Of other types the addresses can't be told: they are zeroed. */
static void ipv6_route(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	uint8_t type = h->in[at + 2], left = h->in[at + 3];
	uint32_t addresses = (end - at - 8) / 16;

	if (type == 4 && end - at >= 8)
		addresses = h->in[at + 4] + 1u < addresses ? h->in[at + 4] + 1u : addresses;
	else if (type != 0 && type != 2)
		addresses = 0;
	if (type == 0 || type == 2)
		hide_zero(h, at + 4, at + 8);
	for (uint32_t i = 0; i < addresses; i++)
		hide_ipv6(h->context, h->out + at + 8 + 16 * i);
	/* On the way to the last address, which of type 4 stands first, checksums are over that one. */
	if (left && addresses)
		h->ends[layer->network].destination = at + 8 + (type == 4 ? 0 : 16 * (addresses - 1));
	hide_zero(h, at + 8 + 16 * addresses, end);
}

uint32_t hide_ipv6_extension(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	uint32_t length = end - at >= 8 ? 8u + h->in[at + 1] * 8u : 0;

	if (length == 0 || length > end - at || layer->network >= h->facts->network_count)
		return hide_cut(h, at);
	switch (layer->value) {
	case IP6_HOP_BY_HOP:
	case IP6_DESTINATION:
		ipv6_options(h, layer, at + 2, at + length);
		break;
	case IP6_ROUTING:
		ipv6_route(h, layer, at, at + length);
		break;
	default:
		return hide_cut(h, at); /* mobility, host identity, shim6: addresses and identities in many forms */
	}
	return at + length;
}

uint32_t hide_fragment(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 8)
		return hide_cut(h, at);
	weir_store_be32(h->out + at + 4, hide_fragment_id(h->context, weir_load_be32(h->in + at + 4)));
	return at + 8;
}

/* ---- transport ---- */

static void transport_checksum(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t field,
                               bool pseudo, bool udp)
{
	const struct weir_network *network = &h->facts->networks[layer->network];

	hide_checksum(h, &(struct hide_checksum){
						 .at = at + field,
						 .from = at,
						 .to = network->end,
						 .udp = udp,
						 .source = h->ends[layer->network].source,
						 .destination = h->ends[layer->network].destination,
						 .address_bytes = (uint8_t)(!pseudo                 ? 0
	                                                : network->version == 4 ? 4
	                                                                        : 16),
					 });
}

/* The ports, which are in front of all that has some. False: they are not there. */
static bool ports(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 4 || layer->network >= h->facts->network_count)
		return false;
	weir_store_be16(h->out + at, hide_port(h->hider, weir_load_be16(h->in + at)));
	weir_store_be16(h->out + at + 2, hide_port(h->hider, weir_load_be16(h->in + at + 2)));
	return true;
}

enum {
	TCP_END = 0,
	TCP_NOP = 1,
	TCP_MSS = 2,
	TCP_WINDOW = 3,
	TCP_SACK_PERMITTED = 4,
	TCP_SACK = 5,
	TCP_TIMESTAMPS = 8
};

static uint32_t timestamp_offset(struct hiding *h, const struct weir_layer *layer, uint32_t address)
{
	if (h->facts->networks[layer->network].version == 4)
		return hide_ipv4_entry(h->context, weir_load_be32(h->in + address))->offset;
	return hide_ipv6_entry(h->context, h->in + address)->offset;
}

/* RFC 7323: the sender's clock, and what it last saw of the other's. Each host's gets an offset of its own. */
static void tcp_timestamps(struct hiding *h, const struct weir_layer *layer, uint32_t at)
{
	uint32_t value = weir_load_be32(h->in + at + 2), echo = weir_load_be32(h->in + at + 6);

	switch (h->hider->hide.tcp_timestamps.technique) {
	case WEIR_HIDE_BLACK:
		memset(h->out + at, TCP_NOP, 10);
		break;
	case WEIR_HIDE_PERMUTE:
		weir_store_be32(h->out + at + 2, value + timestamp_offset(h, layer, h->ends[layer->network].source));
		if (echo)
			weir_store_be32(h->out + at + 6, echo + timestamp_offset(h, layer, h->ends[layer->network].destination));
		break;
	default:
		break;
	}
}

/* What is not known (keys, cookies, addresses of MPTCP) becomes NOPs. */
static void tcp_options(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	while (at < end && h->in[at] != TCP_END) {
		uint8_t kind = h->in[at];
		if (kind == TCP_NOP) {
			at++;
			continue;
		}
		uint32_t length = end - at >= 2 ? h->in[at + 1] : 0;
		if (length < 2 || length > end - at)
			break;
		if (kind == TCP_TIMESTAMPS && length == 10)
			tcp_timestamps(h, layer, at);
		else if (kind != TCP_MSS && kind != TCP_WINDOW && kind != TCP_SACK_PERMITTED && kind != TCP_SACK)
			memset(h->out + at, TCP_NOP, length);
		at += length;
	}
	hide_zero(h, at, end);
}

uint32_t hide_tcp(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (!ports(h, layer, at, end))
		return hide_cut(h, at);
	if (end - at >= 18)
		transport_checksum(h, layer, at, 16, true, false);
	if (end - at < 20)
		return end;
	uint32_t header = (uint32_t)(h->in[at + 12] >> 4) * 4;
	if (header > 20)
		tcp_options(h, layer, at + 20, header < end - at ? at + header : end);
	return end;
}

uint32_t hide_udp(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (!ports(h, layer, at, end))
		return hide_cut(h, at);
	if (end - at < 8)
		return end;
	if (weir_load_be16(h->in + at + 6) != 0)
		transport_checksum(h, layer, at, 6, true, true);
	/* What of Teredo stands before the packet: which kind it is, and how long. */
	if (end - at > 12 && weir_load_be16(h->in + at + 8) == 0) {
		hide_zero(h, at + 10, at + 12);
		return at + 12;
	}
	return end - at > 12 ? at + 12 : at + 8;
}

uint32_t hide_udplite(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (!ports(h, layer, at, end))
		return hide_cut(h, at);
	if (end - at < 8)
		return end;
	transport_checksum(h, layer, at, 6, true, true);
	return at + 8;
}

uint32_t hide_sctp(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	return ports(h, layer, at, end) ? end : hide_cut(h, at);
}

uint32_t hide_icmp_header(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 4 || layer->network >= h->facts->network_count)
		return hide_cut(h, at);
	transport_checksum(h, layer, at, 2, false, false);
	if (h->in[at] == 5 && end - at >= 8) /* redirect: the gateway */
		hide_ipv4(h->context, h->out + at + 4);
	return end - at < 8 ? at + 4 : end;
}

uint32_t hide_icmpv6_header(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 4 || layer->network >= h->facts->network_count)
		return hide_cut(h, at);
	transport_checksum(h, layer, at, 2, true, false);
	return end - at < 8 ? at + 4 : end;
}

/* Versions 1 and 2 (RFC 2236) and queries of version 3 have a group here; reports of version 3 a number. */
uint32_t hide_igmp_header(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 8 || layer->network >= h->facts->network_count)
		return hide_cut(h, at);
	uint8_t type = h->in[at];
	transport_checksum(h, layer, at, 2, false, false);
	if (type == 0x11 || type == 0x12 || type == 0x16 || type == 0x17)
		hide_ipv4(h->context, h->out + at + 4);
	else if (type != 0x22)
		return hide_cut(h, at + 4); /* DVMRP and others */
	return at + 8;
}
