/* Network protocols: ARP, IPv4, IPv6 with its extension headers, the authentication header. */
#include "packet/decoding.h"

/* Address resolution (RFC 826) and its reverse: filters for hosts look at both of its protocol addresses. */
void decode_arp(struct decoding *d)
{
	if (!decoding_has(d, 8) || !decoding_layer(d, WEIR_LAYER_ARP, weir_load_be16(decoding_here(d) + 6)))
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t length = 8 + 2u * p[4] + 2u * p[5];
	/* Filters take Ethernet and IPv4 addresses for granted. */
	if (p[4] != 6 || p[5] != 4)
		decoding_incomplete(d);
	if (decoding_has(d, length))
		d->at += length;
	else
		d->at = d->end;
}

/* Begins a network. NULL when there is no room. */
static struct weir_network *begin_network(struct decoding *d, enum weir_layer_kind kind, uint16_t value)
{
	struct weir_facts *facts = d->facts;

	if (facts->network_count == WEIR_NETWORKS_MAX) {
		facts->flags |= WEIR_FACT_DEEP;
		decoding_incomplete(d);
		return NULL;
	}
	d->network = facts->network_count;
	if (!decoding_layer(d, kind, value))
		return NULL;
	facts->network_count++;
	return &facts->networks[d->network];
}

void decode_ipv4(struct decoding *d)
{
	if (!decoding_has(d, 20))
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t header = (p[0] & 15u) * 4u, total = weir_load_be16(p + 2);
	uint16_t fragment = weir_load_be16(p + 6);

	if (p[0] >> 4 == 6) {
		/* A sender's mistake that others read as it was meant; filters read it as IPv4. */
		decoding_malformed(d);
		d->next = decode_ipv6;
		return;
	}
	/* 0: left to the network card, which cuts the datagram into segments (TSO). */
	if (p[0] >> 4 != 4 || header < 20 || (total != 0 && total < header)) {
		decoding_malformed(d);
		return;
	}
	struct weir_network *network = begin_network(d, WEIR_LAYER_IPV4, p[9]);
	if (!network)
		return;
	if (total)
		decoding_limit(d, total);
	*network = (struct weir_network){
		.version = 4,
		.protocol = p[9],
		.hops = p[8],
		.flags = WEIR_NETWORK_ADDRESSES,
		.offset = d->at,
		.source = d->at + 12,
		.destination = d->at + 16,
		.end = d->end,
	};
	if (fragment & 0x3fff)
		network->flags |= WEIR_NETWORK_FRAGMENT;
	if (decoding_left(d) < header) {
		d->facts->flags |= WEIR_FACT_CUT;
		d->at = d->end;
		return;
	}
	d->at += header;
	if (fragment & 0x1fff)
		network->flags |= WEIR_NETWORK_LATER_FRAGMENT;
	else
		decode_by_protocol(d, p[9]);
}

void decode_ipv6(struct decoding *d)
{
	if (!decoding_has(d, 40))
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t length = weir_load_be16(p + 4);

	if (p[0] >> 4 != 6) {
		decoding_malformed(d);
		return;
	}
	struct weir_network *network = begin_network(d, WEIR_LAYER_IPV6, p[6]);
	if (!network)
		return;
	/* 0: a jumbogram (RFC 2675), or left to the network card. */
	if (length)
		decoding_limit(d, 40 + length);
	*network = (struct weir_network){
		.version = 6,
		.protocol = p[6],
		.hops = p[7],
		.flags = WEIR_NETWORK_ADDRESSES,
		.offset = d->at,
		.source = d->at + 8,
		.destination = d->at + 24,
		.end = d->end,
	};
	d->at += 40;
	decode_by_protocol(d, p[6]);
}

/* Whichever of the two the version says. */
void decode_ip_any(struct decoding *d)
{
	if (!decoding_has(d, 1))
		return;
	switch (decoding_here(d)[0] >> 4) {
	case 4:
		d->next = decode_ipv4;
		break;
	case 6:
		d->next = decode_ipv6;
		break;
	default:
		decoding_malformed(d);
	}
}

/* Extension headers of the common form (RFC 6564): next header, length in units of 8 bytes without the first. */
void decode_ipv6_extension(struct decoding *d)
{
	struct weir_network *network = decoding_network(d);

	if (!decoding_has(d, 2) || !decoding_layer(d, WEIR_LAYER_IPV6_EXTENSION, network->protocol))
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t length = 8u + p[1] * 8u;
	if (decoding_left(d) < length) {
		decoding_has(d, length);
		d->at = d->end;
		return;
	}
	d->at += length;
	decode_by_protocol(d, p[0]);
}

void decode_ipv6_fragment(struct decoding *d)
{
	struct weir_network *network = decoding_network(d);

	if (!decoding_has(d, 8) || !decoding_layer(d, WEIR_LAYER_FRAGMENT, decoding_here(d)[0]))
		return;
	const uint8_t *p = decoding_here(d);
	uint16_t field = weir_load_be16(p + 2);
	d->at += 8;
	/* Offset 0 and none to come: an atomic fragment (RFC 6946), whole. */
	if (field & 0xfff9)
		network->flags |= WEIR_NETWORK_FRAGMENT;
	if (field & 0xfff8) {
		network->flags |= WEIR_NETWORK_LATER_FRAGMENT;
		network->protocol = p[0];
	} else {
		decode_by_protocol(d, p[0]);
	}
}

/* Authentication header (RFC 4302): length in units of 4 bytes less 2. */
void decode_ah(struct decoding *d)
{
	if (!decoding_has(d, 12) || !decoding_layer(d, WEIR_LAYER_AH, decoding_here(d)[0]))
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t length = (p[1] + 2u) * 4u;
	if (length < 12) {
		d->facts->flags |= WEIR_FACT_MALFORMED;
		return;
	}
	if (!decoding_has(d, length)) {
		d->at = d->end;
		return;
	}
	/* Filters for ports take the protocol from the IP header alone: they find nothing behind this. */
	d->at += length;
	decode_by_protocol(d, p[0]);
}
