/*
 * archive/index_terms.h: what one packet adds to the index: the keys under which its chunk must be found.
 *
 * The planner prunes by these, so they must hold everything that libpcap's program for an expression could see in the packet,
 * however odd it is. Ports and protocols are therefore read as that program reads them, besides what the decoder found.
 */
#ifndef ARCHIVE_INDEX_TERMS_H
#define ARCHIVE_INDEX_TERMS_H

#include <weir/decode.h>

#define TERMS_MAX 64

struct index_terms {
	bool irregular; /* may hold what the decoder did not see: its chunk is CHUNK_IRREGULAR */
	uint8_t ipv4_count, ipv6_count, mac_count, port_count, protocol_count, ethertype_count, vlan_count;
	uint32_t ipv4[TERMS_MAX];     /* address as a number */
	const uint8_t *ipv6[TERMS_MAX]; /* 16 bytes in the packet */
	uint64_t mac[TERMS_MAX];      /* address as a number in the low 48 bits */
	uint16_t port[TERMS_MAX], protocol[TERMS_MAX], ethertype[TERMS_MAX], vlan[TERMS_MAX];
};

/* Fills terms (which need not be cleared) from a decoded packet. A key may stand there more than once. */
void index_terms_of(const struct weir_packet *packet, const struct weir_facts *facts, struct index_terms *terms);

#endif
