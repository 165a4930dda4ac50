/*
 * weir/decode.h: where the headers of a packet are.
 *
 * Decoding finds the layers of a packet, from the link layer to the first thing that is not a header, through tunnels,
 * in one pass and without allocation. It reads nothing outside the captured bytes and never fails: what it can't follow
 * it marks. Fields for people and for JSON come from the dissectors (src/packet/dissect.h), which start from these facts.
 */
#ifndef WEIR_DECODE_H
#define WEIR_DECODE_H

#include <weir/packet.h>

#define WEIR_LAYERS_MAX 24
#define WEIR_NETWORKS_MAX 6
#define WEIR_VLANS_MAX 6

/* What a layer is. The names are in src/packet/layers.c, in this order. */
enum weir_layer_kind {
	WEIR_LAYER_NONE,
	/* link */
	WEIR_LAYER_ETHERNET, WEIR_LAYER_LLC, WEIR_LAYER_SNAP, WEIR_LAYER_SLL, WEIR_LAYER_SLL2, WEIR_LAYER_NULL,
	WEIR_LAYER_PPP, WEIR_LAYER_PPPOE, WEIR_LAYER_FDDI, WEIR_LAYER_NFLOG, WEIR_LAYER_IPNET, WEIR_LAYER_RADIOTAP,
	WEIR_LAYER_IEEE80211, WEIR_LAYER_VLAN, WEIR_LAYER_MPLS,
	/* network */
	WEIR_LAYER_ARP, WEIR_LAYER_IPV4, WEIR_LAYER_IPV6, WEIR_LAYER_IPV6_EXTENSION, WEIR_LAYER_FRAGMENT,
	WEIR_LAYER_AH, WEIR_LAYER_ESP,
	/* tunnel */
	WEIR_LAYER_GRE, WEIR_LAYER_VXLAN, WEIR_LAYER_GENEVE, WEIR_LAYER_GTPU, WEIR_LAYER_ERSPAN, WEIR_LAYER_L2TP,
	/* transport */
	WEIR_LAYER_ICMP, WEIR_LAYER_ICMPV6, WEIR_LAYER_IGMP, WEIR_LAYER_TCP, WEIR_LAYER_UDP, WEIR_LAYER_UDPLITE, WEIR_LAYER_SCTP,
	/* application: found by port and by look, only when the dissector asks for it */
	WEIR_LAYER_DNS, WEIR_LAYER_DHCP, WEIR_LAYER_NBNS, WEIR_LAYER_NTP, WEIR_LAYER_HTTP, WEIR_LAYER_TLS, WEIR_LAYER_QUIC,
	WEIR_LAYER_SSH, WEIR_LAYER_SMB, WEIR_LAYER_DCERPC, WEIR_LAYER_ISAKMP,
	WEIR_LAYER_KINDS
};

struct weir_layer {
	uint8_t kind;      /* enum weir_layer_kind */
	uint8_t network;   /* index of the network (struct weir_network) that it belongs to; 0xff: none yet */
	uint16_t value;    /* by kind: EtherType of the payload (Ethernet, VLAN, SLL, SNAP, PPP), next protocol (extension headers) */
	uint32_t offset;   /* of its first byte, from the packet's first */
};

/* One IP header, and the transport header on it. The outermost is networks[0]. */
struct weir_network {
	uint8_t version;         /* 4 or 6 */
	uint8_t protocol;        /* of the transport, after extension headers (IANA protocol number) */
	uint8_t flags;           /* enum weir_network_flags */
	uint8_t hops;            /* TTL or hop limit */
	uint16_t source_port;    /* TCP, UDP, SCTP; 0 when there is none or it was cut off: see WEIR_NETWORK_PORTS */
	uint16_t destination_port;
	uint32_t offset;         /* of the IP header */
	uint32_t source;         /* offset of the source address: 4 or 16 bytes; the addresses are in the captured bytes */
	uint32_t destination;    /* likewise */
	uint32_t transport;      /* offset of the transport header; 0 when not reached */
	uint32_t end;            /* offset of the first byte after the datagram as its length field has it, capped at captured */
};

enum weir_network_flags {
	WEIR_NETWORK_ADDRESSES = 1,      /* both addresses were captured whole */
	WEIR_NETWORK_PORTS = 2,          /* both ports were */
	WEIR_NETWORK_FRAGMENT = 4,       /* a fragment */
	WEIR_NETWORK_LATER_FRAGMENT = 8, /* … but not the first: no transport header */
};

enum weir_fact_flags {
	WEIR_FACT_CUT = 1,       /* a header was cut off by the snap length */
	WEIR_FACT_MALFORMED = 2, /* a header that says impossible things */
	WEIR_FACT_UNKNOWN = 4,   /* ends at something that weir does not decode (link type, EtherType, IP protocol) */
	WEIR_FACT_DEEP = 8,      /* more layers, networks or VLAN tags than there is room for */
	WEIR_FACT_QUOTED = 16,   /* an ICMP error: what it quotes is not among the layers */
	/*
	 * A pcap filter may find an address, port, protocol, EtherType or VLAN id in this packet that the facts do not list: libpcap's
	 * programs look at fixed places and check little (the IP version, the datagram's length, ARP's address lengths they don't).
	 * Not set for what only stands behind a tunnel that filters can't look into, nor for an EtherType or IP protocol that
	 * is merely unknown: its number and the addresses before it are listed.
	 */
	WEIR_FACT_INCOMPLETE = 32,
	WEIR_FACT_ESP_NULL = 64, /* the layers behind ESP were entered by the decapsulate stage */
	WEIR_FACT_ESP = 128,     /* ends at ESP, whose header was captured: what follows is encrypted, or nobody has found out yet */
};

/*
 * IRREGULAR facts are those from which the index must not conclude that an address or port is absent: whoever prunes by
 * facts keeps every packet that has one of these. Rare in sound traffic, so that pruning stays worth its while.
 */
#define WEIR_FACTS_IRREGULAR WEIR_FACT_INCOMPLETE

/* In whole cache lines: of most packets the first, what eight layers take, and the first network are touched. */
struct weir_facts {
	_Alignas(64) uint8_t layer_count;
	uint8_t network_count;
	uint8_t vlan_count;
	uint8_t flags;              /* enum weir_fact_flags */
	uint16_t ethertype;         /* of the innermost link layer; 0 when there is none */
	uint16_t vlans[WEIR_VLANS_MAX]; /* VLAN ids (12 bits), outermost first */
	uint32_t payload;           /* offset of the first byte after the last header that was decoded */
	uint32_t link_source;       /* offset of the outermost source MAC address, 0 (with link_destination 0) when there is none */
	uint32_t link_destination;
	uint64_t flow_hash;         /* over the innermost addresses, ports and protocol, the same in both directions; 0: no IP */
	uint64_t digest;            /* the dedup stages': over the captured bytes; not set by decoding */
	uint64_t identity;          /* theirs too: over what stays the same on the way through routers; 0: no IP */
	uint32_t path;              /* theirs too: TTL in the low 8 bits, a hash over MAC addresses and VLAN ids in the others */
	uint32_t trailer;           /* with WEIR_FACT_ESP_NULL: bytes at the end of the innermost network's datagram, on the wire, that are ESP's (padding,
	                               ICV) and not payload; up to 3 too many when they were cut off; 0 when ESP is around that datagram, not in it */
	struct weir_layer layers[WEIR_LAYERS_MAX];
	struct weir_network networks[WEIR_NETWORKS_MAX];
};

/*
 * Finds the layers of one packet. packet's data, captured, length and linktype are read. Of *facts everything is written but
 * the entries of networks, layers and vlans beyond their counts.
 */
void weir_decode(const struct weir_packet *packet, struct weir_facts *facts);

/* The same without the fast path for common packets; the same facts. For tests and for measuring. */
void weir_decode_thoroughly(const struct weir_packet *packet, struct weir_facts *facts);

/* Decodes every kept packet of a batch (allocating the batch's facts at first use) and sets packet->facts. */
int weir_decode_batch(struct weir_batch *batch, struct weir_fault *fault);

/* The stage that does so. Close it with weir_stage_close. NULL when there is no memory. */
struct weir_stage *weir_decode_stage_new(void);

/* The name of a layer in JSON and in lists ("ethernet", "ipv4", "tcp"). Never NULL. */
const char *weir_layer_name(enum weir_layer_kind kind);

#endif
