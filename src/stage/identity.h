/*
 * stage/identity.h: what makes an IP packet the same one at another place of its way.
 */
#ifndef STAGE_IDENTITY_H
#define STAGE_IDENTITY_H

#include <weir/decode.h>

/* Bytes behind the outermost IP header that count. With the headers before them they fit into a snap length of 152. */
#define IDENTITY_PAYLOAD 96

/*
 * A hash over the outermost IP header without what routers change (TTL or hop limit, checksum, DSCP and ECN), and up to IDENTITY_PAYLOAD bytes
 * behind it, as far as they belong to the datagram and were captured. The link layer does not count. 0: no IP header was captured whole.
 */
uint64_t packet_identity(const struct weir_packet *packet, const struct weir_facts *facts);

#endif
