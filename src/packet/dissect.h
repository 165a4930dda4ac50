/*
 * packet/dissect.h: what the headers of a packet say, for people (in tcpdump's words) and as fields (JSON).
 *
 * A protocol is one constant record in one file, listed in the table of dissect.c by its layer kind. Its functions are
 * called for each layer that decoding found, in order; they read only d->bytes, through checks: whatever a packet says of its own
 * lengths, they may be cut off.
 */
#ifndef PACKET_DISSECT_H
#define PACKET_DISSECT_H

#include <weir/decode.h>

#include "packet/fields.h"
#include "packet/output.h"

struct sequences; /* packet/sequences.h */

enum print_hex {
	PRINT_HEX_NONE,
	PRINT_HEX,       /* -x: hex, without the link layer */
	PRINT_HEX_LINK,  /* -xx */
	PRINT_HEX_ASCII, /* -X */
	PRINT_HEX_ASCII_LINK, /* -XX */
	PRINT_ASCII,     /* -A */
	PRINT_ASCII_LINK, /* -AA */
};

enum print_time {
	PRINT_TIME_CLOCK,       /* 10:00:00.123456 */
	PRINT_TIME_NONE,        /* -t */
	PRINT_TIME_EPOCH,       /* -tt: seconds since 1970 */
	PRINT_TIME_DELTA,       /* -ttt: since the packet before */
	PRINT_TIME_DATE,        /* -tttt: with the date */
	PRINT_TIME_SINCE_FIRST, /* -ttttt */
};

struct print_options {
	bool json;
	bool numeric;    /* ports as numbers */
	bool no_process; /* not the processes that a packet belongs to */
	bool link;       /* -e: the link layer too */
	bool quiet;      /* -q */
	bool absolute;   /* -S: TCP sequence numbers as they are */
	bool local;      /* times in local time, not UTC */
	unsigned verbose;
	enum print_hex hex;
	enum print_time time;
	uint32_t snaplen; /* look at so many bytes of each packet; 0 = all */
};

struct dissection {
	const struct weir_packet *packet;
	const struct weir_facts *facts;
	const struct weir_layer *layer;
	const struct weir_network *network; /* that the layer belongs to; NULL: none */
	unsigned index;                     /* of the layer in facts->layers */
	struct weir_bytes bytes; /* from the layer's first byte to the end of what it carries, as far as captured */
	uint32_t wire_length;               /* how many bytes that was on the wire, as headers (else the record) say */
	const struct print_options *options;
	struct sequences *sequences;        /* NULL: print TCP's numbers as they are */
	unsigned depth;                     /* 1: inside what an ICMP error quotes */
};

struct dissector {
	enum weir_layer_kind kind;
	/* Writes the layer's fields into the object that is open. May be NULL. */
	void (*fields)(const struct dissection *d, struct fields *f);
	/* Writes the layer as tcpdump users expect. NULL: nothing. */
	void (*text)(const struct dissection *d, struct text *out);
};

/* The protocol of a layer. Never NULL. */
const struct dissector *dissector_of(unsigned kind);

/*
 * Looks whether the payload behind the facts' last layer is an application protocol that we know, by port and by look, and if so
 * enters it as a layer.
 */
void find_application(const struct weir_packet *packet, struct weir_facts *facts);

/* Sets d up for the layer `index`. */
void dissection_at(struct dissection *d, unsigned index);

/* All layers from `first` on, one after the other. */
void dissect_text(const struct dissection *whole, unsigned first, struct text *out);
void dissect_fields(const struct dissection *whole, struct fields *f); /* as elements of the open array */

/* Decodes what an ICMP error quotes, an IP packet at d->bytes + offset, into *packet and *facts. False when there is none. */
bool dissect_quoted(const struct dissection *d, uint32_t offset, struct weir_packet *packet, struct weir_facts *facts);

/* The layer kind before or behind this one, WEIR_LAYER_NONE at the ends. */
static inline unsigned kind_before(const struct dissection *d)
{
	return d->index ? d->layer[-1].kind : WEIR_LAYER_NONE;
}
static inline unsigned kind_behind(const struct dissection *d)
{
	return d->index + 1u < d->facts->layer_count ? d->layer[1].kind : WEIR_LAYER_NONE;
}

/* " [|tcp]": cut off. */
static inline void put_cut(struct text *out, const char *name)
{
	put(out, " [|");
	put(out, name);
	put(out, "]");
}

/* "a > b: " of the network, or "a.p > b.q: " with ports; ports alone behind extension headers, as tcpdump has it. */
void put_addresses(const struct dissection *d, struct text *out);
void put_endpoints(const struct dissection *d, const char *transport, struct text *out);

/* A port by number, or by name unless options->numeric. */
void put_port(const struct dissection *d, uint16_t port, const char *transport, struct text *out);

/* "IPv4" … for an EtherType, NULL when it has no name. */
const char *ethertype_name(uint16_t type);
const char *ip_protocol_name(uint8_t protocol);

/* The Internet checksum (RFC 1071) over data, with what was summed before; not yet folded or inverted. */
uint64_t checksum_add(uint64_t sum, const uint8_t *data, size_t length);
uint16_t checksum_fold(uint64_t sum);

/* The transport's checksum over its pseudo-header: 0 when sound. *known is false when not all of it was captured. */
uint16_t transport_checksum(const struct dissection *d, uint8_t protocol, bool *known);

/* A DNS name (RFC 1035) at `at` in message: written with its closing dot. Returns where it ends, 0 when it is broken. */
uint32_t put_dns_name(struct text *out, struct weir_bytes message, uint32_t at);

/* The link header as -e has it, "aa > bb, ethertype IPv4 (0x0800), length 74: ". */
void put_link_header(const struct dissection *d, struct text *out);

/* "\n\t0x0000:  4500 ..." with or without characters. */
void put_hex_dump(struct text *out, const uint8_t *data, size_t length, bool ascii);

extern const struct dissector dissector_ethernet, dissector_llc, dissector_snap, dissector_sll, dissector_sll2,
	dissector_null, dissector_ppp, dissector_pppoe, dissector_radiotap, dissector_ieee80211, dissector_vlan,
	dissector_mpls, dissector_arp, dissector_ipv4, dissector_ipv6, dissector_ipv6_extension, dissector_ipv6_fragment,
	dissector_ah, dissector_esp, dissector_gre, dissector_vxlan, dissector_geneve, dissector_gtpu, dissector_erspan,
	dissector_l2tp, dissector_icmp, dissector_icmpv6, dissector_igmp, dissector_tcp, dissector_udp, dissector_udplite,
	dissector_fddi, dissector_nflog, dissector_ipnet, dissector_sctp, dissector_dns, dissector_dhcp, dissector_nbns,
	dissector_ntp, dissector_http, dissector_tls, dissector_quic, dissector_ssh, dissector_smb, dissector_dcerpc,
	dissector_isakmp;

/* Whether these bytes look like the protocol: what find_application asks. */
typedef bool looks_like(struct weir_bytes payload);
looks_like looks_like_dns, looks_like_dns_tcp, looks_like_dhcp, looks_like_nbns, looks_like_ntp, looks_like_http,
	looks_like_tls, looks_like_quic, looks_like_ssh, looks_like_smb, looks_like_dcerpc, looks_like_isakmp,
	looks_like_isakmp_marked;

#endif
