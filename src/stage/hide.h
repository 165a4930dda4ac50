/*
 * stage/hide.h: what the parts of the hide stage share.
 *
 * A packet is there twice: `in` as it was captured, `out` a copy in which values are replaced where they stand, so that every offset holds for both. What is
 * not understood is cut off behind what is, or, where something that is understood stands behind it, zeroed. When all is done the checksums are moved on by
 * what changed between the two (RFC 1624): right ones stay right, wrong ones wrong.
 */
#ifndef STAGE_HIDE_H
#define STAGE_HIDE_H

#include <weir/decode.h>

#include "packet/hider.h"

#define HIDE_CHECKSUMS (WEIR_LAYERS_MAX + WEIR_NETWORKS_MAX)

/* A checksum, and what it is over: bytes [from, to) and, where address_bytes is not 0, two addresses. */
struct hide_checksum {
	uint32_t at, from, to;
	uint32_t source, destination;
	uint8_t address_bytes;
	bool udp; /* what is computed as 0 is written as 0xffff */
};

struct hiding {
	struct hide_context *context;
	const struct weir_hider *hider;
	const struct weir_facts *facts;
	const uint8_t *in;
	uint8_t *out;
	uint32_t length;   /* bytes of both */
	uint32_t keep;     /* bytes of out that are kept, when all is done */
	bool cut;          /* nothing behind `keep` is to be looked at */
	bool quoted;       /* what an ICMP error quotes */
	bool whole_copied; /* out has all bytes of in; else only those up to the payload */
	unsigned checksum_count;
	struct hide_checksum checksums[HIDE_CHECKSUMS];
	/* Where the addresses stand that the checksums of a network's transport are over: of source routes the last ones. */
	struct {
		uint32_t source, destination;
	} ends[WEIR_NETWORKS_MAX];
};

/* What hides a layer at [at, end), end being where the next one or the payload begins. Returns the end of what it understood: at … end. */
typedef uint32_t hide_layer_step(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end);

/* Nothing from `at` on is kept or looked at. */
static inline uint32_t hide_cut(struct hiding *h, uint32_t at)
{
	h->cut = true;
	return at;
}

static inline void hide_zero(struct hiding *h, uint32_t from, uint32_t to)
{
	if (from < to)
		memset(h->out + from, 0, to - from);
}

void hide_checksum(struct hiding *h, const struct hide_checksum *checksum);

/* The whole of a packet: hide_packet.c. Afterwards `keep` bytes of out are what is left of it. */
void hide_packet(struct hiding *h);

/* Whether what stands behind the last header may be kept, so that it has to be copied. */
bool hide_wants_payload(const struct weir_facts *facts, const uint8_t *data, uint32_t length);

/* hide_link.c */
hide_layer_step hide_ethernet, hide_vlan, hide_mpls, hide_sll, hide_sll2, hide_fddi, hide_nflog, hide_ieee80211,
	hide_radiotap, hide_arp, hide_erspan, hide_vxlan, hide_geneve, hide_gre, hide_l2tp, hide_gtpu;
/* hide_network.c */
hide_layer_step hide_ipv4_header, hide_ipv6_header, hide_ipv6_extension, hide_fragment, hide_tcp, hide_udp,
	hide_udplite, hide_sctp, hide_icmp_header, hide_icmpv6_header, hide_igmp_header;
/* hide_icmp.c: what stands behind the 8 bytes of ICMP, ICMPv6 and IGMP. Each returns the end of what is kept. */
uint32_t hide_icmp(struct hiding *h, uint32_t at, uint32_t end);
uint32_t hide_icmpv6(struct hiding *h, uint32_t at, uint32_t end);
uint32_t hide_igmp(struct hiding *h, uint32_t at, uint32_t end);

/*
 * Application protocols: of `length` bytes in `in`, and a copy in `out`, hides what is to be hidden. Returns how many bytes from the first on are kept: 0
 * when it is not that protocol.
 */
typedef uint32_t hide_application(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length);
hide_application hide_dns, hide_dns_tcp, hide_nbns, hide_nbdgm, hide_dhcp, hide_dhcpv6, hide_tls, hide_http;

/* A name as DNS encodes it, without compression, of at most `length` bytes; the bytes it took, 0: it is none. */
uint32_t hide_encoded_name(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length);

/* A name of NetBIOS of 15 characters, padded with blanks; its 16th is its kind. */
void hide_netbios_name(struct hide_context *context, uint8_t name[static 15]);

/* Whether a TCP payload begins as one of these. */
bool hide_looks_like_http(const uint8_t *data, uint32_t length);
bool hide_looks_like_tls(const uint8_t *data, uint32_t length);

/* Descriptions of interfaces and blocks that are no packets: hide_blocks.c. 0 or WEIR_E_MEMORY. */
int hide_interfaces(struct hide_context *context, struct weir_batch *batch);
int hide_blocks(struct hide_context *context, struct weir_batch *batch);

#endif
