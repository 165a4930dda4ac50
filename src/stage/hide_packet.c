/* Hiding in a packet: its layers one after the other, what stands behind them, its checksums. */
#include "stage/hide.h"

/* Layers that hold nothing to hide. */
static uint32_t keep_layer(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end) { return end; }

/* By enum weir_layer_kind. What is not here is not kept. */
static hide_layer_step *const steps[WEIR_LAYER_KINDS] = {
	[WEIR_LAYER_ETHERNET] = hide_ethernet,
	[WEIR_LAYER_LLC] = keep_layer,
	[WEIR_LAYER_SNAP] = keep_layer,
	[WEIR_LAYER_SLL] = hide_sll,
	[WEIR_LAYER_SLL2] = hide_sll2,
	[WEIR_LAYER_NULL] = keep_layer,
	[WEIR_LAYER_PPP] = keep_layer,
	[WEIR_LAYER_PPPOE] = keep_layer,
	[WEIR_LAYER_FDDI] = hide_fddi,
	[WEIR_LAYER_NFLOG] = hide_nflog,
	[WEIR_LAYER_IPNET] = keep_layer,
	[WEIR_LAYER_RADIOTAP] = hide_radiotap,
	[WEIR_LAYER_IEEE80211] = hide_ieee80211,
	[WEIR_LAYER_VLAN] = hide_vlan,
	[WEIR_LAYER_MPLS] = hide_mpls,
	[WEIR_LAYER_ARP] = hide_arp,
	[WEIR_LAYER_IPV4] = hide_ipv4_header,
	[WEIR_LAYER_IPV6] = hide_ipv6_header,
	[WEIR_LAYER_IPV6_EXTENSION] = hide_ipv6_extension,
	[WEIR_LAYER_FRAGMENT] = hide_fragment,
	[WEIR_LAYER_AH] = keep_layer,
	[WEIR_LAYER_ESP] = keep_layer,
	[WEIR_LAYER_GRE] = hide_gre,
	[WEIR_LAYER_VXLAN] = hide_vxlan,
	[WEIR_LAYER_GENEVE] = hide_geneve,
	[WEIR_LAYER_GTPU] = hide_gtpu,
	[WEIR_LAYER_ERSPAN] = hide_erspan,
	[WEIR_LAYER_L2TP] = hide_l2tp,
	[WEIR_LAYER_ICMP] = hide_icmp_header,
	[WEIR_LAYER_ICMPV6] = hide_icmpv6_header,
	[WEIR_LAYER_IGMP] = hide_igmp_header,
	[WEIR_LAYER_TCP] = hide_tcp,
	[WEIR_LAYER_UDP] = hide_udp,
	[WEIR_LAYER_UDPLITE] = hide_udplite,
	[WEIR_LAYER_SCTP] = hide_sctp,
};

/* ---- checksums ---- */

/* The ones' complement sum of bytes, in 16-bit words from the first. */
static uint64_t sum_of(const uint8_t *p, uint32_t length)
{
	uint64_t sum = 0;

	for (; length >= 4; length -= 4, p += 4)
		sum += weir_load_be32(p);
	if (length >= 2) {
		sum += weir_load_be16(p);
		p += 2;
		length -= 2;
	}
	return length ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

void hide_checksum(struct hiding *h, const struct hide_checksum *checksum)
{
	if (h->checksum_count < HIDE_CHECKSUMS && checksum->at + 2 <= h->length)
		h->checksums[h->checksum_count++] = *checksum;
}

/* RFC 1624, equation 3, for all words at once: HC' = ~(~HC + sum of ~m + sum of m'). What was cut off did not change. */
static void mend(struct hiding *h, const struct hide_checksum *c)
{
	uint32_t to = c->to < h->keep ? c->to : h->keep;

	if (c->at + 2 > h->keep || c->from > to)
		return;
	uint64_t before = sum_of(h->in + c->from, to - c->from), after = sum_of(h->out + c->from, to - c->from);
	if (c->address_bytes) {
		before += sum_of(h->in + c->source, c->address_bytes) + sum_of(h->in + c->destination, c->address_bytes);
		after += sum_of(h->out + c->source, c->address_bytes) + sum_of(h->out + c->destination, c->address_bytes);
	}
	uint16_t old = fold(before), new = fold(after);
	if (old == new)
		return;
	uint16_t value = (uint16_t)~fold((uint64_t)(uint16_t)~weir_load_be16(h->out + c->at) + (uint16_t)~old + new);
	weir_store_be16(h->out + c->at, c->udp && value == 0 ? 0xffff : value);
}

/* Inner ones first: outer ones are over them. */
static void mend_all(struct hiding *h)
{
	for (unsigned i = h->checksum_count; i-- > 0;)
		mend(h, &h->checksums[i]);
}

/* ---- what stands behind the headers ---- */

static hide_application *udp_application(uint16_t port)
{
	switch (port) {
	case 53:
	case 5353: /* mDNS */
	case 5355: /* LLMNR */
		return hide_dns;
	case 137:
		return hide_nbns;
	case 138:
		return hide_nbdgm;
	case 67:
	case 68:
		return hide_dhcp;
	case 546:
	case 547:
		return hide_dhcpv6;
	default:
		return NULL;
	}
}

static hide_application *tcp_application(const struct weir_network *network, const uint8_t *payload, uint32_t length)
{
	if (network->source_port == 53 || network->destination_port == 53)
		return hide_dns_tcp;
	if (hide_looks_like_tls(payload, length))
		return hide_tls;
	return hide_looks_like_http(payload, length) ? hide_http : NULL;
}

static hide_application *application_of(const struct weir_network *network, uint8_t kind, const uint8_t *payload,
                                        uint32_t length)
{
	if (!(network->flags & WEIR_NETWORK_PORTS))
		return NULL;
	if (kind == WEIR_LAYER_TCP)
		return tcp_application(network, payload, length);
	if (kind != WEIR_LAYER_UDP)
		return NULL;
	hide_application *found = udp_application(network->destination_port);
	return found ? found : udp_application(network->source_port);
}

/* How long the header of the last layer is, if what the payload is depends on it; 0: there is nothing behind it that is known. */
static uint32_t header_length(uint8_t kind, const uint8_t *header, uint32_t left)
{
	switch (kind) {
	case WEIR_LAYER_TCP:
		return left >= 20 ? (uint32_t)(header[12] >> 4) * 4 : 0;
	case WEIR_LAYER_UDP:
	case WEIR_LAYER_ICMP:
	case WEIR_LAYER_ICMPV6:
	case WEIR_LAYER_IGMP:
		return 8;
	default:
		return 0;
	}
}

/* The payload [at, end) of the last layer; false: there is none that is known. */
static bool find_payload(const struct weir_facts *facts, const uint8_t *data, uint32_t length, uint8_t *kind,
                         uint32_t *at, uint32_t *end)
{
	if (facts->layer_count == 0 || facts->network_count == 0)
		return false;
	const struct weir_layer *last = &facts->layers[facts->layer_count - 1];
	if (last->network >= facts->network_count || facts->payload >= length || last->offset >= length)
		return false;
	const struct weir_network *network = &facts->networks[last->network];
	uint32_t header = header_length(last->kind, data + last->offset, length - last->offset);
	if (header == 0 || last->offset + header != facts->payload)
		return false;
	*kind = last->kind;
	*at = facts->payload;
	*end = network->end < length ? network->end : length;
	if (last->kind == WEIR_LAYER_UDP) {
		uint32_t datagram = weir_load_be16(data + last->offset + 4);
		if (datagram >= 8 && last->offset + datagram < *end)
			*end = last->offset + datagram;
	}
	return *at < *end;
}

bool hide_wants_payload(const struct weir_facts *facts, const uint8_t *data, uint32_t length)
{
	uint32_t at, end;
	uint8_t kind;

	if (!find_payload(facts, data, length, &kind, &at, &end))
		return false;
	if (kind == WEIR_LAYER_ICMP || kind == WEIR_LAYER_ICMPV6 || kind == WEIR_LAYER_IGMP)
		return true;
	return application_of(&facts->networks[facts->layers[facts->layer_count - 1].network], kind, data + at, end - at) !=
	       NULL;
}

static void payload(struct hiding *h)
{
	uint32_t at, end;
	uint8_t kind;

	if (!h->whole_copied || !find_payload(h->facts, h->in, h->length, &kind, &at, &end))
		return;
	if (kind == WEIR_LAYER_ICMP) {
		h->keep = hide_icmp(h, at, end);
	} else if (kind == WEIR_LAYER_ICMPV6) {
		h->keep = hide_icmpv6(h, at, end);
	} else if (kind == WEIR_LAYER_IGMP) {
		h->keep = hide_igmp(h, at, end);
	} else if (!h->quoted) {
		const struct weir_network *network = &h->facts->networks[h->facts->layers[h->facts->layer_count - 1].network];
		hide_application *hide = application_of(network, kind, h->in + at, end - at);
		if (hide)
			h->keep = at + hide(h->context, h->in + at, h->out + at, end - at);
	}
}

/* ---- the whole ---- */

#define PROTOCOL_ETHERIP 97

/*
 * What no layer has understood stands at [from, to) before the next one: a capture header without a decoder of its own, whose first 8 bytes say how long it is; or what
 * a tunnel has before its packet: of Ethernet in IP (RFC 3378) the version.
 */
static void gap(struct hiding *h, unsigned layer, uint32_t from, uint32_t to)
{
	const struct weir_layer *before = layer ? &h->facts->layers[layer - 1] : NULL;

	if (from >= to)
		return;
	hide_zero(h, layer ? from : from + 8, to);
	if (before && before->network < h->facts->network_count &&
	    h->facts->networks[before->network].protocol == PROTOCOL_ETHERIP)
		h->out[from] = 0x30;
}

static void layers(struct hiding *h)
{
	const struct weir_facts *facts = h->facts;
	uint32_t all = facts->payload < h->length ? facts->payload : h->length, done = 0;

	for (unsigned i = 0; i < facts->layer_count && !h->cut; i++) {
		const struct weir_layer *layer = &facts->layers[i];
		uint32_t at = layer->offset, end = i + 1 < facts->layer_count ? facts->layers[i + 1].offset : all;
		hide_layer_step *step = steps[layer->kind];
		if (at >= all || !step) {
			h->cut = true;
			break;
		}
		gap(h, i, done, at);
		done = step(h, layer, at, end < all ? end : all);
	}
	h->keep = done;
}

void hide_packet(struct hiding *h)
{
	layers(h);
	if (!h->cut)
		payload(h);
	mend_all(h);
}
