/*
 * flow/item.h: what the flow stage needs of a packet, taken from its facts and headers once. That depends on the packet alone: it may be done for several
 * batches at once, and what is left, which has to be done in order, touches neither packets nor facts, of which a batch has more than a cache holds.
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
	FLOW_ITEM_PROCESS = 64,  /* its record has options, or its batch adds some: there may be processes among them */
	FLOW_ITEM_PAYLOAD = 128, /* some of what is behind the last header was captured */
	FLOW_ITEM_ROUGH = 32,    /* TCP cut off inside ESP: the padding was not seen, payload_bytes is right to within FLOW_TCP_SLACK */
};

enum { FLOW_TCP_FIN = 1, FLOW_TCP_SYN = 2, FLOW_TCP_RST = 4, FLOW_TCP_ACK = 16 };
enum { FLOW_PROTOCOL_ICMP = 1, FLOW_PROTOCOL_TCP = 6, FLOW_PROTOCOL_UDP = 17, FLOW_PROTOCOL_ICMPV6 = 58 };

struct flow_item {
	struct flow_key key;
	uint64_t hash;
	int64_t time_ns;
	struct weir_packet *packet;
	uint32_t captured_bytes, wire_bytes; /* these three are copied as they lie in the packet, with the word behind them */
	uint32_t interface_id;   /* of the packet */
	uint32_t ip_bytes;       /* of the datagram as it was on the wire */
	uint32_t sequence, acknowledged;
	uint32_t payload_bytes;  /* TCP: likewise */
	uint32_t entry;          /* a guess: see flow_table_guess */
	uint16_t window;
	uint8_t tcp_flags;
	uint8_t ttl;
	uint8_t vantage;         /* number of the interface's; left to the stage */
	uint8_t bits;            /* enum flow_item_bits */
	uint8_t dscp;            /* of the header that holds the flow */
	uint8_t esp;             /* not 0: the facts still end at ESP, see flow_item_open */
};
_Static_assert(sizeof(struct flow_item) == 104, "no more than there is to be said");

struct flow_items {
	uint32_t count;
	uint32_t no_ip; /* packets that belong to no flow: without an IP header with both addresses */
	struct flow_item items[WEIR_BATCH_PACKETS];
};

struct decapsulate;

/*
 * Fills batch->items, which it makes at first use; entry and vantage are left to the caller. Packets that were dropped are left out. decapsulate: decides about
 * packets that end at ESP, which has to be done in order; NULL: that was done before, or is not wanted.
 */
int flow_items_take(struct weir_batch *batch, struct decapsulate *decapsulate, struct weir_fault *fault);

/*
 * Enters into the facts what was found behind ESP: for whoever looks at the facts of an item's packet behind its addresses. Most packets are only counted, and
 * their facts, in three cache lines, don't have to be fetched and written.
 */
void flow_item_open(const struct flow_item *item);

/* Type and code of an ICMP packet. False when they were cut off. */
bool flow_item_icmp(const struct weir_packet *packet, uint8_t *type, uint8_t *code);

#endif
