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
 * Of both rungs three blocks of 16 bytes are hashed, as short_hash does (core/short_hash.h): of the first those from the header's beginning on; of the second two from where the first
 * ends and the last 16 bytes up to the second's end, which overlap, and begin behind what routers change, where a datagram is shorter. `words` are those of the key: of each block
 * two for the first rung and two for the second, so that both rungs are hashed side by side.
 */
struct identity_key {
	_Alignas(32) uint64_t words[3][4];
	uint64_t last[4];
};
void identity_key_set(struct identity_key *key, uint64_t seed);

/*
 * What counts of the first rung's first and last block, of IPv4 and of IPv6, and of the second rung: all. As tables, because which version a packet has can't be foretold well enough
 * for a branch.
 * IPv4 (RFC 791, section 3.1): without DSCP and ECN (remarked at borders, marked in congestion), TTL and checksum. IPv6 (RFC 8200, section 3): without traffic
 * class, hop limit, and the flow label, which may be set at the first router (RFC 6437, section 3).
 */
struct identity_kept {
	_Alignas(32) uint8_t first[32], last[32];
};
extern const struct identity_kept identity_kept[2];

/* A datagram that is as long as the first rung at least, and captured as far as its end or the second rung's: so the first rung is there, but not more where it is IPv4. */
struct identity_place {
	const uint8_t *at;
	uint32_t six;  /* 1: IPv6 */
	uint32_t full; /* where the second rung ends: as far as the first at least, at IDENTITY_FULL_RUNG at most */
};

/* Decoding has looked at the header's length and at the datagram's. */
static inline bool identity_usual(const struct weir_packet *packet, const struct weir_facts *facts,
                                  struct identity_place *place)
{
	if (facts->network_count == 0)
		return false;
	const struct weir_network *network = &facts->networks[0];
	uint32_t captured = packet->captured - network->offset;
	/* More than there can be: facts of another packet. */
	if (captured < IDENTITY_IPV4_RUNG || captured > INT32_MAX)
		return false;
	place->at = packet->data + network->offset;
	place->six = network->version >> 1 & 1;
	uint32_t total = weir_load_be16(place->at + 2 + place->six * 2) + place->six * 40;
	place->full = total < IDENTITY_FULL_RUNG ? total : IDENTITY_FULL_RUNG;
	return (total >= IDENTITY_IPV4_RUNG + place->six * (IDENTITY_IPV6_RUNG - IDENTITY_IPV4_RUNG)) &
	       (captured >= place->full);
}

/* Where the second rung's blocks are. */
static inline void identity_blocks(const struct identity_place *place, const uint8_t *blocks[static 3])
{
	uint32_t last = place->full - 16,
			 first = IDENTITY_IPV4_RUNG + place->six * (IDENTITY_IPV6_RUNG - IDENTITY_IPV4_RUNG);

	blocks[0] = place->at + (first < last ? first : last);
	blocks[1] = place->at + (first + 16 < last ? first + 16 : last);
	blocks[2] = place->at + last;
}

static inline uint64_t identity_of_rungs(uint64_t first, const uint64_t *rest)
{
	uint64_t identity = first >> IDENTITY_LOW_BITS << IDENTITY_LOW_BITS;

	if (rest)
		identity |= (*rest & ((1u << IDENTITY_LOW_BITS) - 1)) | 1;
	return identity ? identity : UINT64_C(1) << IDENTITY_LOW_BITS;
}

/*
 * A hash over the outermost IP header without what routers change (TTL or hop limit, IPv4 checksum, DSCP and ECN, flow label), and what follows up to the
 * highest rung that was captured, as far as it belongs to the datagram. The link layer does not count. 0: there is no IP header, or none that
 * says how long the datagram is, or not even the first rung was captured of a datagram that is longer.
 *
 * The upper 40 bits are those of the first rung; bit 0 says that the 23 bits between are those of the second. key: of the seed of weir_dedup_options.
 * facts: as weir_decode made them; or NULL.
 */
uint64_t packet_identity_keyed(const struct weir_packet *packet, const struct weir_facts *facts,
                               const struct identity_key *key);
uint64_t packet_identity(const struct weir_packet *packet, const struct weir_facts *facts); /* with a seed of 0 */

#ifdef SHORT_HASH_WIDE

/* What becomes of the sums of a rung. */
static inline uint64_t identity_fold_128(__m128i both)
{
	return short_hash_fold((uint64_t)_mm_cvtsi128_si64(both),
	                       (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(both, both)));
}

/* The last block of the first rung; of IPv4 half of it counts, the other half of which need not be there. */
static inline __m128i identity_last_128(const struct identity_place *place)
{
	const uint8_t *at = place->at + 32;
	__m128i low = _mm_loadl_epi64((const __m128i *)(const void *)at);

	return _mm_unpacklo_epi64(low, _mm_loadl_epi64((const __m128i *)(const void *)(at + place->six * 8)));
}

/* One rung, as identity_of_blocks. */
static inline uint64_t identity_rung_128(__m128i first, __m128i middle, __m128i last, const struct identity_kept *kept,
                                         const struct identity_key *key, unsigned rung)
{
	struct short_hash_sums_128 sums = {_mm_setzero_si128(), _mm_setzero_si128()};

	first = _mm_and_si128(first, short_hash_load_128(kept->first + 16 * rung));
	last = _mm_and_si128(last, short_hash_load_128(kept->last + 16 * rung));
	sums = short_hash_add_128(sums, first, key->words[0] + 2 * rung);
	sums = short_hash_add_128(sums, middle, key->words[1] + 2 * rung);
	sums = short_hash_add_128(sums, last, key->words[2] + 2 * rung);
	__m128i both = short_hash_both_128(sums);
	return identity_fold_128(
		_mm_xor_si128(both, _mm_load_si128((const __m128i *)(const void *)(key->last + 2 * rung))));
}

/* The same as packet_identity_keyed. */
static inline uint64_t packet_identity_128(const struct weir_packet *packet, const struct weir_facts *facts,
                                           const struct identity_key *key)
{
	const uint8_t *blocks[3];
	struct identity_place place;

	if (__builtin_expect(!identity_usual(packet, facts, &place), 0))
		return packet_identity_keyed(packet, facts, key);
	const struct identity_kept *kept = &identity_kept[place.six];
	uint64_t first = identity_rung_128(short_hash_load_128(place.at), short_hash_load_128(place.at + 16),
	                                   identity_last_128(&place), kept, key, 0);
	identity_blocks(&place, blocks);
	uint64_t rest = identity_rung_128(short_hash_load_128(blocks[0]), short_hash_load_128(blocks[1]),
	                                  short_hash_load_128(blocks[2]), kept, key, 1);
	return identity_of_rungs(first, &rest);
}

static inline SHORT_HASH_256 __m256i identity_join_256(__m128i first, __m128i second)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
}

/* Likewise, both rungs at once. */
static inline SHORT_HASH_256 uint64_t packet_identity_256(const struct weir_packet *packet,
                                                          const struct weir_facts *facts,
                                                          const struct identity_key *key)
{
	const uint8_t *blocks[3];
	struct identity_place place;

	if (__builtin_expect(!identity_usual(packet, facts, &place), 0))
		return packet_identity_keyed(packet, facts, key);
	identity_blocks(&place, blocks);
	const struct identity_kept *kept = &identity_kept[place.six];
	__m256i first = identity_join_256(short_hash_load_128(place.at), short_hash_load_128(blocks[0]));
	__m256i middle = identity_join_256(short_hash_load_128(place.at + 16), short_hash_load_128(blocks[1]));
	__m256i last = identity_join_256(identity_last_128(&place), short_hash_load_128(blocks[2]));
	first = _mm256_and_si256(first, _mm256_load_si256((const __m256i *)(const void *)kept->first));
	last = _mm256_and_si256(last, _mm256_load_si256((const __m256i *)(const void *)kept->last));
	struct short_hash_sums_256 sums = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	sums = short_hash_add_256(sums, first, key->words[0]);
	sums = short_hash_add_256(sums, middle, key->words[1]);
	sums = short_hash_add_256(sums, last, key->words[2]);
	__m256i both =
		_mm256_xor_si256(short_hash_both_256(sums), _mm256_load_si256((const __m256i *)(const void *)key->last));
	uint64_t rest = identity_fold_128(_mm256_extracti128_si256(both, 1));
	return identity_of_rungs(identity_fold_128(_mm256_castsi256_si128(both)), &rest);
}

#endif

/* Whether two identities are that of one packet: as far as both vantages captured it. */
static inline bool identity_same(uint64_t a, uint64_t b)
{
	return a == b || ((a ^ b) >> IDENTITY_LOW_BITS == 0 && !(a & b & 1));
}

#endif
