/* The identity of an IP packet: stage/identity.h. */
#include <string.h>

#include "core/xxh3.h"
#include "stage/identity.h"

#define IPV4_BYTES 20
#define IPV6_BYTES 40

/* RFC 791, section 3.1. The length of the datagram, 0 when its header is not there or says impossible things. */
static uint32_t identity_ipv4(uint8_t *header)
{
	uint32_t total = weir_load_be16(header + 2);

	if ((header[0] & 15) * 4 < IPV4_BYTES || total < (uint32_t)(header[0] & 15) * 4)
		return 0;
	header[1] = 0; /* DSCP and ECN: remarked at borders, marked in congestion */
	header[8] = 0; /* TTL */
	weir_store_be16(header + 10, 0);
	return total;
}

/* RFC 8200, section 3. The flow label may be set at the first router (RFC 6437, section 3). */
static uint32_t identity_ipv6(uint8_t *header)
{
	weir_store_be32(header, 0x60000000);
	header[7] = 0; /* hop limit */
	return IPV6_BYTES + weir_load_be16(header + 4);
}

uint64_t packet_identity_seeded(const struct weir_packet *packet, const struct weir_facts *facts, uint64_t seed)
{
	uint8_t bytes[IDENTITY_FULL_RUNG];

	if (!facts || facts->network_count == 0)
		return 0;
	const struct weir_network *network = &facts->networks[0];
	bool four = network->version == 4;
	uint32_t header = four ? IPV4_BYTES : IPV6_BYTES;
	if (network->offset > packet->captured || packet->captured - network->offset < header)
		return 0;
	uint32_t captured = packet->captured - network->offset;
	if (captured >= sizeof bytes) /* a length that the compiler knows */
		memcpy(bytes, packet->data + network->offset, sizeof bytes);
	else
		memcpy(bytes, packet->data + network->offset, captured);
	uint32_t total = four ? identity_ipv4(bytes) : identity_ipv6(bytes);
	uint32_t rung = four ? IDENTITY_IPV4_RUNG : IDENTITY_IPV6_RUNG;
	if (total == 0 || (captured < rung && captured < total))
		return 0;

	uint32_t first = total < rung ? total : rung;
	uint64_t hash = xxh3_seeded(bytes, first, seed);
	uint64_t identity = hash >> IDENTITY_LOW_BITS << IDENTITY_LOW_BITS;
	uint32_t full = total < IDENTITY_FULL_RUNG ? total : IDENTITY_FULL_RUNG;
	if (captured >= full) {
		hash = full > first ? xxh3_seeded(bytes + first, full - first, hash) : hash;
		identity |= (hash & ((1u << IDENTITY_LOW_BITS) - 1)) | 1;
	}
	return identity ? identity : UINT64_C(1) << IDENTITY_LOW_BITS;
}

uint64_t packet_identity(const struct weir_packet *packet, const struct weir_facts *facts)
{
	return packet_identity_seeded(packet, facts, 0);
}
