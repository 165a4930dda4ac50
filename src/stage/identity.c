/* The identity of an IP packet: stage/identity.h. */
#include <string.h>

#include "core/xxh3.h"
#include "stage/identity.h"

#define IPV4_BYTES 20
#define IPV6_BYTES 40

static inline uint64_t identity_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * Over the first rung, by words, which stay in registers: to copy the header and to blank bytes of the copy costs more than hashing, because the processor waits
 * for the narrow stores before it can load wide. Multiply and fold, as XXH3 does with short data.
 */
static inline uint64_t identity_mix(const uint64_t words[static 6], uint64_t seed)
{
	uint64_t hash = identity_fold(words[0] ^ (UINT64_C(0xbe4ba423396cfeb8) + seed), words[1] ^ (UINT64_C(0x1cad21f72c81017c) - seed)) +
	                identity_fold(words[2] ^ (UINT64_C(0xdb979083e96dd4de) + seed), words[3] ^ (UINT64_C(0x1f67b3b7a4a44072) - seed)) +
	                identity_fold(words[4] ^ (UINT64_C(0x78e5c0cc4ee679cb) + seed), words[5] ^ (UINT64_C(0x2172ffcc7dd05a82) - seed));
	hash = (hash ^ hash >> 37) * UINT64_C(0x165667919e3779f9);
	return hash ^ hash >> 32;
}

/* RFC 791, section 3.1: without DSCP and ECN (remarked at borders, marked in congestion), TTL and checksum. */
static inline uint64_t identity_ipv4(const uint8_t *at, uint64_t seed)
{
	const uint64_t words[6] = {
		weir_load_le64(at) & UINT64_C(0xffffffffffff00ff),
		weir_load_le64(at + 8) & UINT64_C(0xffffffff0000ff00),
		weir_load_le64(at + 16),
		weir_load_le64(at + 24),
		weir_load_le64(at + 32),
		4,
	};
	return identity_mix(words, seed);
}

/* RFC 8200, section 3: without traffic class, hop limit, and the flow label, which may be set at the first router (RFC 6437, section 3). */
static inline uint64_t identity_ipv6(const uint8_t *at, uint64_t seed)
{
	const uint64_t words[6] = {
		(weir_load_le64(at) & UINT64_C(0x00ffffff00000000)) | 6,
		weir_load_le64(at + 8),
		weir_load_le64(at + 16),
		weir_load_le64(at + 24),
		weir_load_le64(at + 32),
		weir_load_le64(at + 40),
	};
	return identity_mix(words, seed);
}

/* From the first rung to the second: 48 bytes of IPv4, 40 of IPv6. */
static inline uint64_t identity_rest(const uint8_t *at, bool four, uint64_t seed)
{
	const uint64_t words[6] = {
		weir_load_le64(at),
		weir_load_le64(at + 8),
		weir_load_le64(at + 16),
		weir_load_le64(at + 24),
		weir_load_le64(at + 32),
		four ? weir_load_le64(at + 40) : 0,
	};
	return identity_mix(words, seed);
}

/* The length of the datagram; 0 when its header says impossible things. */
static inline uint32_t identity_length(const uint8_t *at, bool four)
{
	if (!four)
		return IPV6_BYTES + weir_load_be16(at + 4);
	uint32_t header = (at[0] & 15) * 4u, total = weir_load_be16(at + 2);
	return header < IPV4_BYTES || total < header ? 0 : total;
}

uint64_t packet_identity_seeded(const struct weir_packet *packet, const struct weir_facts *facts, uint64_t seed)
{
	uint8_t whole[IDENTITY_IPV6_RUNG] = {0};

	if (!facts || facts->network_count == 0)
		return 0;
	const struct weir_network *network = &facts->networks[0];
	bool four = network->version == 4;
	if (network->offset > packet->captured || packet->captured - network->offset < (four ? IPV4_BYTES : IPV6_BYTES))
		return 0;
	const uint8_t *at = packet->data + network->offset, *header = at;
	uint32_t captured = packet->captured - network->offset, total = identity_length(at, four);
	uint32_t rung = four ? IDENTITY_IPV4_RUNG : IDENTITY_IPV6_RUNG;
	if (total == 0 || (captured < rung && captured < total))
		return 0;
	/* A datagram that is shorter than the rung is continued with zeros: its length is in its header. */
	if (total < rung)
		header = memcpy(whole, at, total);

	uint64_t hash = four ? identity_ipv4(header, seed) : identity_ipv6(header, seed);
	uint64_t identity = hash >> IDENTITY_LOW_BITS << IDENTITY_LOW_BITS;
	uint32_t full = total < IDENTITY_FULL_RUNG ? total : IDENTITY_FULL_RUNG;
	if (captured >= full) {
		if (full == IDENTITY_FULL_RUNG)
			hash = identity_rest(at + rung, four, ~seed);
		else if (full > rung)
			hash = xxh3_seeded(at + rung, full - rung, seed);
		identity |= (hash & ((1u << IDENTITY_LOW_BITS) - 1)) | 1;
	}
	return identity ? identity : UINT64_C(1) << IDENTITY_LOW_BITS;
}

uint64_t packet_identity(const struct weir_packet *packet, const struct weir_facts *facts)
{
	return packet_identity_seeded(packet, facts, 0);
}
