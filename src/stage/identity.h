/*
 * stage/identity.h: what makes an IP packet the same one at another place of its way.
 */
#ifndef STAGE_IDENTITY_H
#define STAGE_IDENTITY_H

#include <weir/decode.h>

#include "core/short_hash.h"

/*
 * How many bytes count, from the first of the outermost IP header on. The first rung has the ports, sequence numbers and checksum of TCP and UDP, the SPI
 * and sequence number of ESP, and is captured also at a snap length of 68. The second is chosen so that vantages with the same snap length reach it both
 * or neither, although one captures fewer bytes of the datagram because tags or labels (up to 16 bytes) stand before it: snap lengths of 120 and more do, those
 * of 100 and less do not.
 */
#define IDENTITY_IPV4_RUNG 40
#define IDENTITY_IPV6_RUNG 48
#define IDENTITY_FULL_RUNG 88

#define IDENTITY_LOW_BITS 24 /* not those of the first rung */

/*
 * What counts of the first rung, by words, which stay in registers: to copy the header and to blank bytes of the copy costs more than hashing, because the processor waits for
 * the narrow stores before it can load wide. As tables, because which version a packet has can't be foretold well enough for a branch.
 * IPv4 (RFC 791, section 3.1): without DSCP and ECN (remarked at borders, marked in congestion), TTL and checksum. IPv6 (RFC 8200, section 3): without traffic
 * class, hop limit, and the flow label, which may be set at the first router (RFC 6437, section 3).
 */
static inline uint64_t identity_first(const uint8_t at[static IDENTITY_IPV6_RUNG], bool four, uint64_t seed)
{
	static const struct {
		uint64_t keep_0, keep_1, keep_5, version;
	} rungs[2] = {
		{UINT64_C(0x00ffffff00000000), UINT64_MAX, UINT64_MAX, 6},
		{UINT64_C(0xffffffffffff00ff), UINT64_C(0xffffffff0000ff00), 0, 4},
	};
	uint64_t hash =
		short_hash_fold(((weir_load_le64(at) & rungs[four].keep_0) + rungs[four].version) ^
	                        (UINT64_C(0xbe4ba423396cfeb8) + seed),
	                    (weir_load_le64(at + 8) & rungs[four].keep_1) ^ (UINT64_C(0x1cad21f72c81017c) - seed)) +
		short_hash_fold(weir_load_le64(at + 16) ^ (UINT64_C(0xdb979083e96dd4de) + seed),
	                    weir_load_le64(at + 24) ^ (UINT64_C(0x1f67b3b7a4a44072) - seed)) +
		short_hash_fold(weir_load_le64(at + 32) ^ (UINT64_C(0x78e5c0cc4ee679cb) + seed),
	                    (weir_load_le64(at + 40) & rungs[four].keep_5) ^ (UINT64_C(0x2172ffcc7dd05a82) - seed));
	return short_hash_finish(hash);
}

/*
 * From the first rung on to `full`, which may be less than the second rung: three words from the one on, or the last again, and three up to the other, which are
 * behind what routers change.
 */
static inline uint64_t identity_rest(const uint8_t *at, uint32_t rung, uint32_t full, uint64_t seed)
{
	uint32_t last = full - 8, second = rung + 8 < last ? rung + 8 : last, third = rung + 16 < last ? rung + 16 : last;
	const uint8_t *end = at + full - 24;

	uint64_t hash =
		short_hash_fold(weir_load_le64(at + (rung < last ? rung : last)) ^ (UINT64_C(0x8e2443f7744608b8) - seed),
	                    weir_load_le64(at + second) ^ (UINT64_C(0x4c263a81e69035e0) + seed)) +
		short_hash_fold(weir_load_le64(at + third) ^ (UINT64_C(0xcb00c391bb52283c) - seed),
	                    weir_load_le64(end) ^ (UINT64_C(0xa32e531b8b65d088) + seed)) +
		short_hash_fold(weir_load_le64(end + 8) ^ (UINT64_C(0x4ef90da297486471) - seed),
	                    weir_load_le64(end + 16) ^ (UINT64_C(0xd8acdea946ef1938) + seed));
	return short_hash_finish(hash);
}

static inline uint64_t identity_of_rungs(uint64_t first, const uint64_t *rest)
{
	uint64_t identity = first >> IDENTITY_LOW_BITS << IDENTITY_LOW_BITS;

	if (rest)
		identity |= (*rest & ((1u << IDENTITY_LOW_BITS) - 1)) | 1;
	return identity ? identity : UINT64_C(1) << IDENTITY_LOW_BITS;
}

/* Of an IP header with few bytes behind it, or an impossible one. */
uint64_t packet_identity_short(const uint8_t *at, uint32_t captured, bool four, uint64_t seed);

/*
 * A hash over the outermost IP header without what routers change (TTL or hop limit, IPv4 checksum, DSCP and ECN, flow label), and what follows up to the
 * highest rung that was captured, as far as it belongs to the datagram. The link layer does not count. 0: there is no IP header, or not even the
 * first rung was captured of a datagram that is longer.
 *
 * The upper 40 bits are those of the first rung; bit 0 says that the 23 bits between are those of the second. seed: see weir_dedup_options.
 */
static inline uint64_t packet_identity_seeded(const struct weir_packet *packet, const struct weir_facts *facts,
                                              uint64_t seed)
{
	if (!facts || facts->network_count == 0)
		return 0;
	const struct weir_network *network = &facts->networks[0];
	bool four = network->version == 4;
	if (network->offset > packet->captured)
		return 0;
	const uint8_t *at = packet->data + network->offset;
	uint32_t captured = packet->captured - network->offset;
	if (captured < IDENTITY_IPV6_RUNG)
		return packet_identity_short(at, captured, four, seed);
	uint32_t six = !four, rung = IDENTITY_IPV4_RUNG + six * (IDENTITY_IPV6_RUNG - IDENTITY_IPV4_RUNG);
	uint32_t total = weir_load_be16(at + 2 + six * 2) + six * 40, header = (at[0] & 15) * 4u;
	if ((total < rung) | (four & ((header < 20) | (total < header))))
		return packet_identity_short(at, captured, four, seed);
	uint64_t first = identity_first(at, four, seed);
	uint32_t full = total < IDENTITY_FULL_RUNG ? total : IDENTITY_FULL_RUNG;
	if (captured < full)
		return identity_of_rungs(first, NULL);
	uint64_t rest = full > rung ? identity_rest(at, rung, full, seed) : first;
	return identity_of_rungs(first, &rest);
}

uint64_t packet_identity(const struct weir_packet *packet, const struct weir_facts *facts); /* with a seed of 0 */

/* Whether two identities are that of one packet: as far as both vantages captured it. */
static inline bool identity_same(uint64_t a, uint64_t b)
{
	return a == b || ((a ^ b) >> IDENTITY_LOW_BITS == 0 && !(a & b & 1));
}

#endif
