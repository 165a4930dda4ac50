/*
 * flow/item.h: what the flow stage needs of a packet, taken from its facts and headers once, small enough that some dozens stay in the first
 * cache while the table's lines for them are on their way.
 */
#ifndef FLOW_ITEM_H
#define FLOW_ITEM_H

#include "flow/table.h"

enum flow_item_bits {
	FLOW_ITEM_HIGH = 1,      /* sent by the higher end of the key */
	FLOW_ITEM_TCP = 2,       /* with a whole TCP header */
	FLOW_ITEM_DUPLICATE = 4,
	FLOW_ITEM_FRAGMENT = 8,
	FLOW_ITEM_LATER = 16,    /* a later fragment: no ports of its own */
	FLOW_ITEM_PAYLOAD = 32,  /* some of the payload behind the transport header was captured */
	FLOW_ITEM_ONE_WAY = 64,  /* ICMP that nobody answers: its directions are flows of their own */
};

enum { FLOW_TCP_FIN = 1, FLOW_TCP_SYN = 2, FLOW_TCP_RST = 4, FLOW_TCP_ACK = 16 };
enum { FLOW_PROTOCOL_ICMP = 1, FLOW_PROTOCOL_TCP = 6, FLOW_PROTOCOL_UDP = 17, FLOW_PROTOCOL_ICMPV6 = 58 };

struct flow_item {
	struct flow_key key;
	uint64_t hash;
	int64_t time_ns;
	uint32_t entry;       /* a guess: see flow_table_guess */
	uint32_t packet;      /* its number in the batch */
	uint32_t wire_bytes, captured_bytes, ip_bytes;
	uint32_t payload_bytes; /* TCP: on the wire */
	uint32_t sequence, acknowledged;
	uint16_t window;
	uint8_t tcp_flags;
	uint8_t ttl, dscp;
	uint8_t vantage;
	uint8_t bits;         /* enum flow_item_bits */
	uint8_t reserved;
};

/*
 * Takes what is needed of packet; entry and vantage are left to the caller. False: it has no IP header with both addresses, and belongs to no flow.
 */
bool flow_item_take(struct flow_item *restrict item, const struct weir_packet *restrict packet);

/* Type and code of an ICMP packet. False when they were cut off. */
bool flow_item_icmp(const struct weir_packet *packet, uint8_t *type, uint8_t *code);

#endif
