/* Transport protocols: their ports and where their payload begins. */
#include "packet/decoding.h"

/*
 * Notes the ports here. False when they are not there: cut off, or outside the datagram, where a filter would still read them (from
 * two bytes on, the source port alone), since libpcap's programs do not look at the datagram's length.
 */
static bool take_ports(struct decoding *d)
{
	struct weir_network *network = decoding_network(d);

	if (decoding_left(d) < 4) {
		d->facts->flags |= d->cut && d->end == d->captured ? WEIR_FACT_CUT : WEIR_FACT_MALFORMED;
		if (d->captured - d->at >= 2)
			decoding_incomplete(d);
		return false;
	}
	network->source_port = weir_load_be16(decoding_here(d));
	network->destination_port = weir_load_be16(decoding_here(d) + 2);
	network->flags |= WEIR_NETWORK_PORTS;
	return true;
}

/* Moves behind a header of `length` bytes, or marks that it is not whole. What filters look for is known already. */
static bool pass(struct decoding *d, uint32_t length)
{
	if (decoding_left(d) < length) {
		d->facts->flags |= d->cut && d->end == d->captured ? WEIR_FACT_CUT : WEIR_FACT_MALFORMED;
		d->at = d->end;
		return false;
	}
	d->at += length;
	return true;
}

void decode_tcp(struct decoding *d)
{
	if (!take_ports(d) || !decoding_layer(d, WEIR_LAYER_TCP, 0))
		return;
	if (decoding_left(d) < 20) {
		pass(d, 20);
		return;
	}
	uint32_t header = (uint32_t)(decoding_here(d)[12] >> 4) * 4;
	if (header < 20) {
		d->facts->flags |= WEIR_FACT_MALFORMED;
		header = 20;
	}
	pass(d, header);
}

void decode_udp(struct decoding *d)
{
	if (!take_ports(d) || !decoding_layer(d, WEIR_LAYER_UDP, 0))
		return;
	const uint8_t *p = decoding_here(d);
	if (!pass(d, 8))
		return;
	uint16_t length = weir_load_be16(p + 4);
	/* 0: a jumbogram, or segmented by the network card later. */
	if (length >= 8)
		decoding_limit(d, length - 8u);
	else if (length != 0)
		d->facts->flags |= WEIR_FACT_MALFORMED;
	decode_by_udp_port(d, weir_load_be16(p), weir_load_be16(p + 2));
}

/* RFC 3828: as UDP, but for the length, which is that of what the checksum covers. */
void decode_udplite(struct decoding *d)
{
	if (take_ports(d) && decoding_layer(d, WEIR_LAYER_UDPLITE, 0))
		pass(d, 8);
}

void decode_sctp(struct decoding *d)
{
	if (take_ports(d) && decoding_layer(d, WEIR_LAYER_SCTP, 0))
		pass(d, 12);
}

void decode_icmp(struct decoding *d)
{
	if (decoding_left(d) == 0 || !decoding_layer(d, WEIR_LAYER_ICMP, 0))
		return;
	uint8_t type = decoding_here(d)[0];
	if (pass(d, 8) && (type == 3 || type == 4 || type == 5 || type == 11 || type == 12))
		d->facts->flags |= WEIR_FACT_QUOTED;
}

void decode_icmpv6(struct decoding *d)
{
	if (decoding_left(d) == 0 || !decoding_layer(d, WEIR_LAYER_ICMPV6, 0))
		return;
	uint8_t type = decoding_here(d)[0];
	if (pass(d, 8) && type >= 1 && type <= 4)
		d->facts->flags |= WEIR_FACT_QUOTED;
}

void decode_igmp(struct decoding *d)
{
	if (decoding_left(d) > 0 && decoding_layer(d, WEIR_LAYER_IGMP, 0))
		pass(d, 8);
}

/* Encapsulating security payload (RFC 4303): whether what follows the sequence number is encrypted, the packet does not say. */
void decode_esp(struct decoding *d)
{
	if (decoding_left(d) > 0 && decoding_layer(d, WEIR_LAYER_ESP, 0) && pass(d, 8))
		d->facts->flags |= WEIR_FACT_ESP;
}
