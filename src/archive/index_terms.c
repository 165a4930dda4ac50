#include "archive/index_terms.h"

#include "archive/format.h"

enum {
	TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806, TYPE_RARP = 0x8035, TYPE_VLAN = 0x8100, TYPE_IPV6 = 0x86dd, TYPE_MPLS = 0x8847,
	TYPE_PPPOE = 0x8864, TYPE_QINQ = 0x88a8, TYPE_QINQ_OLD = 0x9100,
	PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_SCTP = 132,
};

static bool within(const struct weir_packet *packet, uint32_t offset, uint32_t length)
{
	return offset <= packet->captured && packet->captured - offset >= length;
}

static uint64_t mac_at(const uint8_t *p)
{
	return (uint64_t)weir_load_be16(p) << 32 | weir_load_be32(p + 2);
}

static void add16(uint16_t *list, uint8_t *count, uint16_t value)
{
	for (uint8_t i = 0; i < *count; i++)
		if (list[i] == value)
			return;
	if (*count < TERMS_MAX)
		list[(*count)++] = value;
}

static void add_ipv4_at(const struct weir_packet *packet, uint32_t offset, struct index_terms *terms)
{
	if (within(packet, offset, 4) && terms->ipv4_count < TERMS_MAX)
		terms->ipv4[terms->ipv4_count++] = weir_load_be32(packet->data + offset);
}

static void add_ports_at(const struct weir_packet *packet, uint32_t offset, struct index_terms *terms)
{
	for (uint32_t i = 0; i < 4; i += 2)
		if (within(packet, offset + i, 2))
			add16(terms->port, &terms->port_count, weir_load_be16(packet->data + offset + i));
}

static bool has_ports(uint8_t protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
}

/* The ports where libpcap's program looks for them, even if they lie outside of what the lengths in the header allow. */
static void add_ports_as_filtered(const struct weir_packet *packet, const struct weir_network *network,
                                  struct index_terms *terms)
{
	const uint8_t *p = packet->data + network->offset;

	if (network->version == 4 && within(packet, network->offset, 10)) {
		add16(terms->protocol, &terms->protocol_count, p[9]);
		if (has_ports(p[9]) && (weir_load_be16(p + 6) & 0x1fff) == 0)
			add_ports_at(packet, network->offset + 4u * (p[0] & 15), terms);
	} else if (network->version == 6 && within(packet, network->offset, 7)) {
		add16(terms->protocol, &terms->protocol_count, p[6]);
		if (has_ports(p[6]))
			add_ports_at(packet, network->offset + 40, terms);
	}
}

static void add_network(const struct weir_packet *packet, const struct weir_network *network, struct index_terms *terms)
{
	if (network->version == 4) {
		add_ipv4_at(packet, network->source, terms);
		add_ipv4_at(packet, network->destination, terms);
	} else {
		if (within(packet, network->source, 16) && terms->ipv6_count < TERMS_MAX)
			terms->ipv6[terms->ipv6_count++] = packet->data + network->source;
		if (within(packet, network->destination, 16) && terms->ipv6_count < TERMS_MAX)
			terms->ipv6[terms->ipv6_count++] = packet->data + network->destination;
	}
	add16(terms->protocol, &terms->protocol_count, network->protocol);
	if (network->flags & WEIR_NETWORK_PORTS) {
		add16(terms->port, &terms->port_count, network->source_port);
		add16(terms->port, &terms->port_count, network->destination_port);
	}
	add_ports_as_filtered(packet, network, terms);
}

static void add_layer(const struct weir_packet *packet, const struct weir_layer *layer, struct index_terms *terms)
{
	switch (layer->kind) {
	case WEIR_LAYER_ETHERNET:
		if (within(packet, layer->offset, 12) && terms->mac_count + 2 <= TERMS_MAX) {
			terms->mac[terms->mac_count++] = mac_at(packet->data + layer->offset);
			terms->mac[terms->mac_count++] = mac_at(packet->data + layer->offset + 6);
		}
		if (within(packet, layer->offset, 14))
			add16(terms->ethertype, &terms->ethertype_count, weir_load_be16(packet->data + layer->offset + 12));
		break;
	case WEIR_LAYER_VLAN:
	case WEIR_LAYER_SLL:
	case WEIR_LAYER_SLL2:
	case WEIR_LAYER_SNAP:
	case WEIR_LAYER_PPP:
		add16(terms->ethertype, &terms->ethertype_count, layer->value);
		break;
	case WEIR_LAYER_IPV6_EXTENSION:
	case WEIR_LAYER_FRAGMENT:
	case WEIR_LAYER_AH:
		add16(terms->protocol, &terms->protocol_count, layer->value);
		break;
	case WEIR_LAYER_ARP:
		/* Where libpcap's program reads them, whatever the lengths in the header are. */
		add_ipv4_at(packet, layer->offset + 14, terms);
		add_ipv4_at(packet, layer->offset + 24, terms);
		break;
	default:
		break;
	}
}

/* Whether the last link layer announces something that libpcap's program would look into, and the decoder did not get there. */
static bool ends_before_known(const struct weir_facts *facts)
{
	if (!facts->layer_count)
		return true;
	const struct weir_layer *last = &facts->layers[facts->layer_count - 1];

	switch (last->kind) {
	case WEIR_LAYER_ETHERNET:
	case WEIR_LAYER_VLAN:
	case WEIR_LAYER_SLL:
	case WEIR_LAYER_SLL2:
	case WEIR_LAYER_SNAP:
	case WEIR_LAYER_PPP:
		switch (last->value) {
		case TYPE_IPV4: case TYPE_ARP: case TYPE_RARP: case TYPE_VLAN: case TYPE_IPV6: case TYPE_MPLS: case TYPE_PPPOE:
		case TYPE_QINQ: case TYPE_QINQ_OLD:
			return true;
		default:
			return false;
		}
	case WEIR_LAYER_MPLS:
	case WEIR_LAYER_PPPOE:
	case WEIR_LAYER_NULL:
	case WEIR_LAYER_RADIOTAP:
	case WEIR_LAYER_IEEE80211:
		return true;
	default:
		return false;
	}
}

/*
 * Packets whose captured part ends in the middle of a header, or that end at something unknown, are common (short snap
 * lengths, routing protocols): they count as irregular only where an address or a port could be among what was not seen.
 */
static bool is_irregular(const struct weir_facts *facts)
{
	if (facts->flags & (WEIR_FACTS_IRREGULAR | WEIR_FACT_MALFORMED | WEIR_FACT_DEEP))
		return true;
	if ((facts->flags & WEIR_FACT_CUT) && !facts->network_count)
		return true;
	if (facts->flags & WEIR_FACT_CUT && !(facts->networks[facts->network_count - 1].flags & WEIR_NETWORK_ADDRESSES))
		return true;
	return ends_before_known(facts);
}

void index_terms_of(const struct weir_packet *packet, const struct weir_facts *facts, struct index_terms *terms)
{
	terms->ipv4_count = terms->ipv6_count = terms->mac_count = terms->port_count = 0;
	terms->protocol_count = terms->ethertype_count = terms->vlan_count = 0;
	terms->irregular = is_irregular(facts);
	for (unsigned i = 0; i < facts->layer_count; i++)
		add_layer(packet, &facts->layers[i], terms);
	for (unsigned i = 0; i < facts->network_count; i++)
		add_network(packet, &facts->networks[i], terms);
	for (unsigned i = 0; i < facts->vlan_count; i++)
		add16(terms->vlan, &terms->vlan_count, facts->vlans[i]);
}
