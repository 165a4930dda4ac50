/*
 * packet/decoding.h: what the decoders of single protocols share.
 *
 * A decoder is a function that looks at the header at d->at, enters it as a layer, moves d->at behind it and says in d->next who
 * goes on (nothing: the rest is payload). It is a row in one of four tables, by what names it: a link type, an EtherType,
 * an IP protocol or a UDP port. Every decoder that goes on has entered a layer, and layers are bounded: that ends the loop.
 */
#ifndef PACKET_DECODING_H
#define PACKET_DECODING_H

#include <weir/decode.h>

#define NO_NETWORK 0xff

struct decoding;
typedef void decode_step(struct decoding *d);

struct decoding {
	const uint8_t *data;
	uint32_t captured;
	uint32_t at;       /* the header to be decoded; never beyond end */
	uint32_t end;      /* first byte behind what the headers so far leave to their payload; never beyond captured */
	bool cut;          /* the packet was longer than what was captured */
	bool hidden;       /* inside a tunnel that pcap filters do not look into: nothing here makes the facts incomplete */
	uint8_t network;   /* index of the network that layers belong to, NO_NETWORK before the first */
	decode_step *next;
	struct weir_facts *facts;
};

struct decoder_row {
	uint32_t key;
	decode_step *step;
};

static inline const uint8_t *decoding_here(const struct decoding *d) { return d->data + d->at; }
static inline uint32_t decoding_left(const struct decoding *d) { return d->end - d->at; }

static inline void decoding_incomplete(struct decoding *d)
{
	if (!d->hidden)
		d->facts->flags |= WEIR_FACT_INCOMPLETE;
}

/* The header here says impossible things. */
static inline void decoding_malformed(struct decoding *d)
{
	d->facts->flags |= WEIR_FACT_MALFORMED;
	decoding_incomplete(d);
}

/* The header here is longer than what is left of the packet. A filter may still find the part that was captured. */
static inline void decoding_short(struct decoding *d)
{
	d->facts->flags |= d->cut && d->end == d->captured ? WEIR_FACT_CUT : WEIR_FACT_MALFORMED;
	if (d->at < d->captured)
		decoding_incomplete(d);
}

/* Whether `length` bytes of header are here; if not, marks it. */
static inline bool decoding_has(struct decoding *d, uint32_t length)
{
	if (__builtin_expect(decoding_left(d) >= length, 1))
		return true;
	decoding_short(d);
	return false;
}

static inline void decoding_unknown(struct decoding *d) { d->facts->flags |= WEIR_FACT_UNKNOWN; }

/* Limits what follows to `length` bytes from here. */
static inline void decoding_limit(struct decoding *d, uint32_t length)
{
	if (length < decoding_left(d))
		d->end = d->at + length;
}

/* Enters a layer that begins here. False when there is no room: then decoding ends. */
static inline bool decoding_layer(struct decoding *d, enum weir_layer_kind kind, uint16_t value)
{
	struct weir_facts *facts = d->facts;
	if (__builtin_expect(facts->layer_count == WEIR_LAYERS_MAX, 0)) {
		facts->flags |= WEIR_FACT_DEEP;
		decoding_incomplete(d);
		return false;
	}
	facts->layers[facts->layer_count++] = (struct weir_layer){(uint8_t)kind, d->network, value, d->at};
	return true;
}

static inline struct weir_network *decoding_network(const struct decoding *d)
{
	return d->network == NO_NETWORK ? NULL : &d->facts->networks[d->network];
}

/* Goes on by EtherType (or, below 1536, IEEE 802.3 length), with what stands here. */
void decode_by_ethertype(struct decoding *d, uint16_t type);

/* Goes on by IP protocol number; marks where the transport header is. */
void decode_by_protocol(struct decoding *d, uint8_t protocol);

/* Goes on with a tunnel or security protocol that UDP ports name; otherwise the rest is payload. */
void decode_by_udp_port(struct decoding *d, uint16_t source, uint16_t destination);

/* Those ports. */
typedef uint16_t tunnel_ports_vector __attribute__((vector_size(16)));
extern const tunnel_ports_vector tunnel_ports;

/* Whether UDP between these ports is never such a tunnel. */
static inline bool udp_ports_are_plain(uint16_t source, uint16_t destination)
{
	uint64_t halves[2];
	tunnel_ports_vector found = (tunnel_ports_vector)((tunnel_ports == source) | (tunnel_ports == destination));

	memcpy(halves, &found, sizeof halves);
	return (halves[0] | halves[1]) == 0;
}

/* How long the header is of a TCP segment, or of a UDP datagram that is no tunnel, if it is here whole; otherwise 0. */
static inline uint32_t plain_header(const uint8_t *p, uint32_t left, uint8_t protocol)
{
	if (protocol == 6 && left >= 20) {
		uint32_t header = (uint32_t)(p[12] >> 4) * 4;
		return header >= 20 && header <= left ? header : 0;
	}
	if (protocol == 17 && left >= 8 && weir_load_be16(p + 4) >= 8 && udp_ports_are_plain(weir_load_be16(p), weir_load_be16(p + 2)))
		return 8;
	return 0;
}

/* Goes on by link type, with what stands here. */
void decode_by_linktype(struct decoding *d, uint32_t linktype);

/*
 * Goes on behind ESP, of which it is known that nothing is encrypted: with what stands from `at` to `end` (not beyond captured), which is of this IP
 * protocol. The facts are those of a packet with WEIR_FACT_ESP.
 */
void decode_behind_esp(const struct weir_packet *packet, struct weir_facts *facts, uint32_t at, uint32_t end, uint8_t protocol);

/* Whether an Ethernet header stands at `at`: its type is one that we know, or a sound length. */
bool looks_like_ethernet(const struct decoding *d, uint32_t at);

/*
 * Filters for FDDI and 802.11 take LLC with SNAP for granted at `at`, and compare two bytes with an EtherType whatever stands
 * around them: where the headers are others, or are not followed here (followed: as LLC), they may find what we do not.
 */
void compare_as_snap(struct decoding *d, uint32_t at, bool followed);

decode_step decode_ethernet, decode_llc, decode_vlan, decode_mpls, decode_pppoe, decode_ppp, decode_ppp_payload,
	decode_hdlc, decode_null, decode_loop, decode_sll, decode_sll2, decode_raw, decode_fddi, decode_nflog, decode_ipnet;
decode_step decode_ieee80211, decode_radiotap, decode_prism, decode_avs, decode_ppi;
decode_step decode_arp, decode_ipv4, decode_ipv6, decode_ip_any, decode_ipv6_extension, decode_ipv6_fragment, decode_ah;
decode_step decode_tcp, decode_udp, decode_udplite, decode_sctp, decode_icmp, decode_icmpv6, decode_igmp, decode_esp;
decode_step decode_gre, decode_vxlan, decode_geneve, decode_gtpu, decode_gtp0, decode_ipip, decode_ip6ip,
	decode_mpls_in_ip, decode_etherip, decode_udp_esp, decode_l2tp, decode_teredo, decode_erspan2, decode_erspan3;

#endif
