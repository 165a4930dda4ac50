/* What the flow stage needs of a packet: flow/item.h. */
#include "flow/item.h"

#define HASH_KEY UINT64_C(0x9e3779b97f4a7c15)

/* The types that are answered: question and answer. */
static const uint8_t icmp_answers[][2] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}, {10, 9}};
static const uint8_t icmpv6_answers[][2] = {{128, 129}, {133, 134}, {135, 136}, {130, 131}, {144, 145}, {139, 140}};

/* The question that a type asks or answers. False: it is neither. */
static bool icmp_question(uint8_t protocol, uint8_t type, uint8_t *question)
{
	const uint8_t(*answers)[2] = protocol == FLOW_PROTOCOL_ICMP ? icmp_answers : icmpv6_answers;
	size_t count = protocol == FLOW_PROTOCOL_ICMP ? sizeof icmp_answers / 2 : sizeof icmpv6_answers / 2;

	for (size_t i = 0; i < count; i++)
		if (answers[i][0] == type || answers[i][1] == type) {
			*question = answers[i][0];
			return true;
		}
	return false;
}

bool flow_item_icmp(const struct weir_packet *packet, uint8_t *type, uint8_t *code)
{
	const struct weir_network *network = &packet->facts->networks[packet->facts->network_count - 1];

	if (!network->transport || (network->flags & WEIR_NETWORK_LATER_FRAGMENT) || network->end < network->transport + 2)
		return false;
	*type = packet->data[network->transport];
	*code = packet->data[network->transport + 1];
	return true;
}

/*
 * What stands in the key where others have ports: the question, for both ends, so that it and its answer are one flow; for what nobody answers
 * type and code at the sender's end, so that each direction is a flow.
 */
static void take_icmp(struct flow_item *item, const struct weir_packet *packet)
{
	uint8_t type, code, question;

	if (!flow_item_icmp(packet, &type, &code))
		return;
	if (icmp_question(item->key.protocol, type, &question)) {
		item->key.low_port = item->key.high_port = (uint16_t)(question << 8);
		return;
	}
	item->bits |= FLOW_ITEM_ONE_WAY;
	uint16_t kind = (uint16_t)(type << 8 | code);
	item->key.low_port = item->bits & FLOW_ITEM_HIGH ? 0xffff : kind;
	item->key.high_port = item->bits & FLOW_ITEM_HIGH ? kind : 0xffff;
}

static void take_tcp(struct flow_item *item, const struct weir_packet *packet, const struct weir_network *network)
{
	const uint8_t *p = packet->data + network->transport;
	uint32_t header = (uint32_t)(p[12] >> 4) * 4, before = network->transport - network->offset;

	item->bits |= FLOW_ITEM_TCP;
	item->sequence = weir_load_be32(p + 4);
	item->acknowledged = weir_load_be32(p + 8);
	item->tcp_flags = p[13];
	item->window = weir_load_be16(p + 14);
	uint32_t headers = before + (header < 20 ? 20 : header);
	if (packet->facts->flags & WEIR_FACT_ESP_NULL)
		headers += packet->facts->trailer;
	item->payload_bytes = item->ip_bytes > headers ? item->ip_bytes - headers : 0;
}

/* Addresses and ports, in the order of the addresses' values. */
static void take_ends(struct flow_item *item, const uint8_t *data, const struct weir_network *network)
{
	struct flow_key *key = &item->key;
	uint16_t source_port = network->source_port, destination_port = network->destination_port;
	bool high;

	if (network->version == 4) {
		uint32_t source = weir_load_native32(data + network->source), destination = weir_load_native32(data + network->destination);
		high = source > destination || (source == destination && source_port > destination_port);
		*key = (struct flow_key){0};
		weir_store_native32(key->low, high ? destination : source);
		weir_store_native32(key->high, high ? source : destination);
	} else {
		uint64_t source[2], destination[2];
		memcpy(source, data + network->source, 16);
		memcpy(destination, data + network->destination, 16);
		high = source[0] != destination[0]   ? source[0] > destination[0]
		       : source[1] != destination[1] ? source[1] > destination[1]
		                                     : source_port > destination_port;
		memcpy(key->low, high ? destination : source, 16);
		memcpy(key->high, high ? source : destination, 16);
	}
	key->low_port = high ? destination_port : source_port;
	key->high_port = high ? source_port : destination_port;
	key->version = network->version;
	key->protocol = network->protocol;
	item->bits = high ? FLOW_ITEM_HIGH : 0;
}

/* IP's own length, of the datagram as it was on the wire: not more than the frame has room for. */
static uint32_t ip_length(const struct weir_packet *packet, const struct weir_network *network)
{
	const uint8_t *ip = packet->data + network->offset;
	uint32_t room = packet->length > network->offset ? packet->length - network->offset : packet->captured - network->offset;
	uint32_t total = network->version == 4 ? weir_load_be16(ip + 2) : weir_load_be16(ip + 4);

	/* 0: left to the network card, which cuts the datagram into segments, or a jumbogram. */
	if (total == 0)
		return room;
	if (network->version == 6)
		total += 40;
	return total < room ? total : room;
}

bool flow_item_take(struct flow_item *item, const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;

	if (!facts || facts->network_count == 0)
		return false;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	if (!(network->flags & WEIR_NETWORK_ADDRESSES))
		return false;
	const uint8_t *ip = packet->data + network->offset;
	take_ends(item, packet->data, network);
	item->key.vlan = facts->vlan_count ? facts->vlans[0] : FLOW_NO_VLAN;
	item->hash = facts->flow_hash;
	item->time_ns = packet->time_ns;
	item->wire_bytes = packet->length;
	item->captured_bytes = packet->captured;
	item->ip_bytes = ip_length(packet, network);
	item->ttl = network->hops;
	item->dscp = network->version == 4 ? ip[1] >> 2 : (uint8_t)(weir_load_be16(ip) >> 6 & 0x3f);
	item->tcp_flags = 0;
	if (network->protocol == FLOW_PROTOCOL_TCP && network->transport && network->end >= network->transport + 20 &&
	    !(network->flags & WEIR_NETWORK_LATER_FRAGMENT))
		take_tcp(item, packet, network);
	if (facts->payload < network->end)
		item->bits |= FLOW_ITEM_PAYLOAD;
	if (network->flags & WEIR_NETWORK_FRAGMENT)
		item->bits |= network->flags & WEIR_NETWORK_LATER_FRAGMENT ? FLOW_ITEM_FRAGMENT | FLOW_ITEM_LATER : FLOW_ITEM_FRAGMENT;
	if (packet->verdict == WEIR_DUPLICATE)
		item->bits |= FLOW_ITEM_DUPLICATE;
	bool icmp = network->protocol == FLOW_PROTOCOL_ICMP || network->protocol == FLOW_PROTOCOL_ICMPV6;
	if (icmp)
		take_icmp(item, packet);
	if (icmp || facts->vlan_count)
		item->hash = (item->hash ^ ((uint64_t)item->key.vlan << 32 | (icmp ? (uint32_t)item->key.low_port << 16 | item->key.high_port : 0)) *
		                              HASH_KEY);
	return true;
}
