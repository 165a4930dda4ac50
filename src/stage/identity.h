/*
 * stage/identity.h: what makes an IP packet the same one at another place of its way.
 */
#ifndef STAGE_IDENTITY_H
#define STAGE_IDENTITY_H

#include <weir/decode.h>

/*
 * How many bytes count, from the first of the outermost IP header on. The first rung has the ports, sequence numbers and checksum of TCP and UDP, the SPI
 * and sequence number of ESP, and is captured also at a snap length of 68. The second is chosen so that vantages with the same snap length reach it both
 * or neither, although one captures fewer bytes of the datagram because tags or labels (up to 16 bytes) stand before it: snap lengths of 120 and more do, those
 * of 100 and less do not.
 */
#define IDENTITY_IPV4_RUNG 40
#define IDENTITY_IPV6_RUNG 48
#define IDENTITY_FULL_RUNG 88

/*
 * A hash over the outermost IP header without what routers change (TTL or hop limit, IPv4 checksum, DSCP and ECN, flow label), and what follows up to the
 * highest rung that was captured, as far as it belongs to the datagram. The link layer does not count. 0: there is no IP header, or not even the
 * first rung was captured of a datagram that is longer.
 *
 * The upper 40 bits are those of the first rung; bit 0 says that the 23 bits between are those of the second. seed: see weir_dedup_options.
 */
uint64_t packet_identity_seeded(const struct weir_packet *packet, const struct weir_facts *facts, uint64_t seed);
uint64_t packet_identity(const struct weir_packet *packet, const struct weir_facts *facts); /* with a seed of 0 */

#define IDENTITY_LOW_BITS 24 /* not those of the first rung */

/* Whether two identities are that of one packet: as far as both vantages captured it. */
static inline bool identity_same(uint64_t a, uint64_t b)
{
	return a == b || ((a ^ b) >> IDENTITY_LOW_BITS == 0 && !(a & b & 1));
}

#endif
