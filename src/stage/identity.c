/* The identity of an IP packet: stage/identity.h. */
#include "stage/identity.h"

#define IPV4_BYTES 20
#define IPV6_BYTES 40

/* The length of the datagram; 0 when its header says impossible things. */
static uint32_t identity_length(const uint8_t *at, bool four)
{
	if (!four)
		return IPV6_BYTES + weir_load_be16(at + 4);
	uint32_t header = (at[0] & 15) * 4u, total = weir_load_be16(at + 2);
	return header < IPV4_BYTES || total < header ? 0 : total;
}

uint64_t packet_identity_short(const uint8_t *at, uint32_t captured, bool four, uint64_t seed)
{
	uint8_t whole[IDENTITY_IPV6_RUNG] = {0};
	uint32_t rung = four ? IDENTITY_IPV4_RUNG : IDENTITY_IPV6_RUNG;

	if (captured < (four ? IPV4_BYTES : IPV6_BYTES))
		return 0;
	uint32_t total = identity_length(at, four);
	if (total == 0 || (captured < rung && captured < total))
		return 0;
	/* A datagram that is shorter than the rung is continued with zeros: its length is in its header. */
	memcpy(whole, at, total < rung ? total : rung);
	uint64_t first = identity_first(whole, four, seed);
	uint32_t full = total < IDENTITY_FULL_RUNG ? total : IDENTITY_FULL_RUNG;
	if (captured < full)
		return identity_of_rungs(first, NULL);
	uint64_t rest = full > rung ? identity_rest(at, rung, full, seed) : first;
	return identity_of_rungs(first, &rest);
}

uint64_t packet_identity(const struct weir_packet *packet, const struct weir_facts *facts)
{
	return packet_identity_seeded(packet, facts, 0);
}
