/* The identity of an IP packet: stage/identity.h. */
#include <string.h>

#include "core/xxh3.h"
#include "stage/identity.h"

#define IPV4_LEAST 20
#define IPV4_MOST 60
#define IPV6_BYTES 40

/* RFC 791, section 3.1. The length of the header, 0 when it is not there. */
static uint32_t identity_ipv4(const uint8_t *at, uint32_t left, uint8_t *out)
{
	if (left < IPV4_LEAST)
		return 0;
	uint32_t length = (uint32_t)(at[0] & 15) * 4;
	if (length < IPV4_LEAST || length > left)
		return 0;
	memcpy(out, at, length);
	out[1] = 0;  /* DSCP and ECN: remarked at borders, marked in congestion */
	out[8] = 0;  /* TTL */
	out[10] = 0; /* checksum */
	out[11] = 0;
	return length;
}

/* RFC 8200, section 3. The flow label stays on the way. */
static uint32_t identity_ipv6(const uint8_t *at, uint32_t left, uint8_t *out)
{
	if (left < IPV6_BYTES)
		return 0;
	memcpy(out, at, IPV6_BYTES);
	out[0] &= 0xf0; /* traffic class */
	out[1] &= 0x0f;
	out[7] = 0; /* hop limit */
	return IPV6_BYTES;
}

uint64_t packet_identity(const struct weir_packet *packet, const struct weir_facts *facts)
{
	uint8_t bytes[IPV4_MOST + IDENTITY_PAYLOAD];

	if (!facts || facts->network_count == 0)
		return 0;
	const struct weir_network *network = &facts->networks[0];
	uint32_t end = network->end < packet->captured ? network->end : packet->captured;
	if (network->offset >= end)
		return 0;
	const uint8_t *at = packet->data + network->offset;
	uint32_t left = end - network->offset;
	uint32_t header = network->version == 4 ? identity_ipv4(at, left, bytes) : identity_ipv6(at, left, bytes);
	if (!header)
		return 0;
	uint32_t payload = left - header < IDENTITY_PAYLOAD ? left - header : IDENTITY_PAYLOAD;
	memcpy(bytes + header, at + header, payload);
	uint64_t hash = xxh3_of(bytes, header + payload);
	return hash ? hash : 1;
}
