/* What the flow stage needs of a packet: flow/item.h. */
#include "flow/item.h"

#include <stdlib.h>

#include "packet/flow_hash.h"
#include "stage/decapsulate.h"

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

static inline const struct weir_network *innermost(const struct weir_packet *packet)
{
	return &packet->facts->networks[packet->facts->network_count - 1];
}

bool flow_item_icmp(const struct weir_packet *packet, uint8_t *type, uint8_t *code)
{
	const struct weir_network *network = innermost(packet);

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
	uint16_t kind = (uint16_t)(type << 8 | code);
	item->key.low_port = item->bits & FLOW_ITEM_HIGH ? 0xffff : kind;
	item->key.high_port = item->bits & FLOW_ITEM_HIGH ? kind : 0xffff;
}

/* Of a TCP header: what every direction's bookkeeping wants. */
static inline void take_tcp_header(struct flow_item *restrict item, const uint8_t *restrict p)
{
	item->sequence = weir_load_be32(p + 4);
	item->acknowledged = weir_load_be32(p + 8);
	item->tcp_flags = p[13];
	item->window = weir_load_be16(p + 14);
}

static inline void take_tcp(struct flow_item *restrict item, const struct weir_packet *restrict packet, const struct weir_facts *restrict facts,
                            const struct weir_network *network, uint32_t ip_bytes)
{
	const uint8_t *p = packet->data + network->transport;
	uint32_t header = (uint32_t)(p[12] >> 4) * 4, headers = network->transport - network->offset + (header < 20 ? 20 : header);

	take_tcp_header(item, p);
	item->bits |= FLOW_ITEM_TCP;
	if (facts->flags & WEIR_FACT_ESP_NULL) {
		headers += facts->trailer;
		item->bits |= packet->captured < packet->length ? FLOW_ITEM_ROUGH : 0;
	}
	item->payload_bytes = ip_bytes > headers ? ip_bytes - headers : 0;
}

/* Four bytes as they stand in a packet, as the first four of eight. */
static inline uint64_t first_four(uint32_t native) { return WEIR_NATIVE_BIG ? (uint64_t)native << 32 : native; }

/*
 * Addresses and ports, in the order of the addresses' values. Which of the two is lower is as good as random from packet to packet: no branch
 * depends on it. True: the sender is the higher.
 */
static inline bool take_ends(struct flow_key *restrict key, const uint8_t *s, const uint8_t *d, uint16_t source_port, uint16_t destination_port, uint16_t vlan,
                             uint8_t protocol, bool four)
{
	bool high;

	if (four) {
		uint64_t source = (uint64_t)weir_load_native32(s) << 16 | source_port;
		uint64_t destination = (uint64_t)weir_load_native32(d) << 16 | destination_port;
		high = source > destination;
		uint64_t swap = (source ^ destination) & -(uint64_t)high, lower = source ^ swap, higher = destination ^ swap;
		source_port = (uint16_t)lower;
		destination_port = (uint16_t)higher;
		key->low[0] = first_four((uint32_t)(lower >> 16));
		key->high[0] = first_four((uint32_t)(higher >> 16));
		key->low[1] = key->high[1] = 0;
	} else {
		uint64_t s0 = weir_load_native64(s), s1 = weir_load_native64(s + 8), d0 = weir_load_native64(d), d1 = weir_load_native64(d + 8);
		high = s0 != d0 ? s0 > d0 : s1 != d1 ? s1 > d1 : source_port > destination_port;
		uint64_t swap = -(uint64_t)high, x0 = (s0 ^ d0) & swap, x1 = (s1 ^ d1) & swap;
		uint16_t ports = (uint16_t)((source_port ^ destination_port) & swap);
		key->low[0] = s0 ^ x0;
		key->low[1] = s1 ^ x1;
		key->high[0] = d0 ^ x0;
		key->high[1] = d1 ^ x1;
		source_port ^= ports;
		destination_port ^= ports;
	}
	uint64_t rest = flow_key_rest(source_port, destination_port, vlan, protocol, four ? 4 : 6);
	memcpy(&key->low_port, &rest, sizeof rest);
	return high;
}

/*
 * IP's own length, of the datagram as it was on the wire: not more than the frame has room for. 0 says that the network card was to cut it into
 * segments, or a jumbogram: then it is all the frame.
 */
static inline uint32_t ip_length(const struct weir_packet *restrict packet, uint32_t offset, bool four)
{
	const uint8_t *ip = packet->data + offset;
	uint32_t total = four ? weir_load_be16(ip + 2) : weir_load_be16(ip + 4);
	uint32_t frame = packet->length > offset ? packet->length : packet->captured; /* less than the headers: a damaged file */

	if (!four && total)
		total += 40;
	return total == 0 || total > frame - offset ? frame - offset : total;
}

static inline uint8_t dscp_of(const uint8_t *ip, bool four) { return four ? ip[1] >> 2 : (uint8_t)(weir_load_be16(ip) >> 6 & 0x3f); }

/* What is out of the ordinary: fragments, ICMP. */
static __attribute__((noinline)) void take_odd(struct flow_item *item, const struct weir_packet *packet, uint8_t network_flags)
{
	if (network_flags & WEIR_NETWORK_FRAGMENT)
		item->bits |= network_flags & WEIR_NETWORK_LATER_FRAGMENT ? FLOW_ITEM_FRAGMENT | FLOW_ITEM_LATER : FLOW_ITEM_FRAGMENT;
	if (item->key.protocol == FLOW_PROTOCOL_ICMP || item->key.protocol == FLOW_PROTOCOL_ICMPV6) {
		take_icmp(item, packet);
		item->hash ^= ((uint32_t)item->key.low_port << 16 | item->key.high_port) * HASH_KEY;
	}
}

/*
 * The outermost VLAN. Behind Ethernet with one tag, which is what those with a tag nearly always have, it is read from the packet, which is needed anyway,
 * and not from the facts' second cache line, which is not: a fifth of the time went into waiting for that.
 */
static inline uint16_t vlan_of(const struct weir_packet *restrict packet, const struct weir_facts *restrict facts, const struct weir_network *restrict network)
{
	if (facts->vlan_count == 0)
		return FLOW_NO_VLAN;
	if (network->offset == 18 && packet->linktype == 1 && facts->vlan_count == 1)
		return weir_load_be16(packet->data + 14) & 0xfff;
	return facts->vlans[0];
}

/* What every packet has. high: its sender is the higher end of the key, which is made already. more: further bits. */
static inline void take_common(struct flow_item *restrict item, struct weir_packet *restrict packet, bool high, uint8_t ttl, uint32_t ip_bytes, uint64_t hash,
                               uint16_t vlan, uint32_t more)
{
	/* An Enhanced Packet Block without options is at most 35 bytes longer than what was captured; other records are no longer. */
	bool options = (packet->block_length > packet->captured + 35) | (packet->added != 0);

	memcpy(&item->captured_bytes, &packet->captured, 16);
	item->ip_bytes = ip_bytes;
	item->packet = packet;
	item->hash = hash ^ vlan * HASH_KEY;
	item->time_ns = packet->time_ns;
	item->ttl = ttl;
	item->bits = (uint8_t)(high | (uint32_t)packet->verdict << 1 | (uint32_t)options << 6 | more);
	item->esp = 0;
}
_Static_assert(FLOW_ITEM_HIGH == 1 && FLOW_ITEM_DUPLICATE == WEIR_DUPLICATE << 1 && WEIR_KEEP == 0 && FLOW_ITEM_PROCESS == 1 << 6, "bits made of comparisons");
_Static_assert(offsetof(struct weir_packet, length) == offsetof(struct weir_packet, captured) + 4 &&
                   offsetof(struct weir_packet, interface_id) == offsetof(struct weir_packet, captured) + 8 &&
                   offsetof(struct flow_item, wire_bytes) == offsetof(struct flow_item, captured_bytes) + 4 &&
                   offsetof(struct flow_item, interface_id) == offsetof(struct flow_item, captured_bytes) + 8 &&
                   offsetof(struct flow_item, ip_bytes) == offsetof(struct flow_item, captured_bytes) + 12,
               "copied as one");

/* For one version of IP: both are made of this. */
static inline void take_as(struct flow_item *restrict item, struct weir_packet *restrict packet, const struct weir_facts *restrict facts,
                           const struct weir_network *network, bool four)
{
	uint8_t protocol = network->protocol;
	uint16_t vlan = vlan_of(packet, facts, network);
	bool high = take_ends(&item->key, packet->data + network->source, packet->data + network->destination, network->source_port, network->destination_port,
	                      vlan, protocol, four);
	uint32_t ip_bytes = ip_length(packet, network->offset, four);

	take_common(item, packet, high, network->hops, ip_bytes, facts->flow_hash, vlan, (uint32_t)(facts->payload < network->end) << 7);
	item->dscp = dscp_of(packet->data + network->offset, four);
	item->tcp_flags = 0;
	if (protocol == FLOW_PROTOCOL_TCP && network->transport && network->end >= network->transport + 20)
		take_tcp(item, packet, facts, network, ip_bytes);
	if ((protocol != FLOW_PROTOCOL_TCP && protocol != FLOW_PROTOCOL_UDP) || (network->flags & WEIR_NETWORK_FRAGMENT))
		take_odd(item, packet, network->flags);
}

/* Of a packet whose payload behind ESP is TCP, or else UDP. The next item; NULL, and nothing is done: its header was cut off. */
static inline __attribute__((always_inline)) struct flow_item *take_payload(struct flow_item *restrict item, struct weir_packet *restrict packet,
                                                               const struct weir_facts *restrict facts, const struct weir_network *restrict network,
                                                               const struct esp_usual usual, bool four, bool tcp)
{
	uint32_t at = facts->payload, offset = network->offset, header_end = at + usual.header, end = esp_payload_end(usual, network);
	uint32_t ip_bytes = usual.end - offset, behind = usual.behind + usual.slack;
	const uint8_t *ip = packet->data + offset, *p = packet->data + at;
	uint16_t source_port = (uint16_t)(usual.ports >> 16), destination_port = (uint16_t)usual.ports, vlan = vlan_of(packet, facts, network);
	uint8_t protocol = tcp ? FLOW_PROTOCOL_TCP : FLOW_PROTOCOL_UDP;
	uint64_t addresses = flow_hash_addresses_of(facts->flow_hash, 50);

	if (header_end > end)
		return NULL;
	bool high = take_ends(&item->key, ip + (four ? 12 : 8), ip + (four ? 16 : 24), source_port, destination_port, vlan, protocol, four);
	uint32_t bits = tcp ? (uint32_t)(packet->captured < packet->length) << 5 | FLOW_ITEM_TCP : 0;
	bits |= (uint32_t)(header_end < end) << 7;
	take_common(item, packet, high, network->hops, ip_bytes, flow_hash_ports(addresses, source_port, destination_port, protocol), vlan, bits);
	item->dscp = dscp_of(ip, four);
	item->esp = (uint8_t)(usual.behind | usual.slack << 6);
	item->tcp_flags = tcp ? esp_tcp_flags(usual.tcp) : 0;
	if (tcp) {
		uint32_t headers = header_end - offset + behind;
		uint64_t numbers = weir_load_be64(p + 4); /* both at once */
		numbers = WEIR_NATIVE_BIG ? numbers : numbers << 32 | numbers >> 32;
		memcpy(&item->sequence, &numbers, sizeof numbers);
		item->window = esp_tcp_window(usual.tcp);
		item->payload_bytes = ip_bytes > headers ? ip_bytes - headers : 0;
	}
	return item + 1;
}
_Static_assert(offsetof(struct flow_item, acknowledged) == offsetof(struct flow_item, sequence) + 4, "written as one");
_Static_assert(FLOW_ITEM_ROUGH == 1 << 5 && FLOW_ITEM_PAYLOAD == 1 << 7, "bits made of comparisons");

/*
 * Reads what is behind ESP and takes it, in one go: one after the other, with the facts written by the first and read by the second, took more than twice the
 * instructions. The next item; NULL, and nothing is done: it is not usual, or its header was cut off. UDP is asked for apart: what is usual has all
 * registers to itself, and so has each version of IP.
 */
static __attribute__((noinline)) struct flow_item *take_udp_behind_esp(struct flow_item *item, struct weir_packet *packet, const struct weir_facts *facts,
                                                                       const struct weir_network *network, const struct association *association)
{
	struct esp_usual usual = esp_read_udp(packet, facts, network, association, network->version == 4);

	if (usual.protocol == 0)
		return NULL;
	return network->version == 4 ? take_payload(item, packet, facts, network, usual, true, false) : take_payload(item, packet, facts, network, usual, false, false);
}

static __attribute__((noinline)) struct flow_item *take_behind_esp_four(struct flow_item *item, struct weir_packet *packet, const struct weir_facts *facts,
                                                                        const struct weir_network *network, const struct association *association)
{
	struct esp_usual usual = esp_read_tcp(packet, facts, network, association, true);

	if (__builtin_expect(usual.protocol == 0, 0))
		return take_udp_behind_esp(item, packet, facts, network, association);
	return take_payload(item, packet, facts, network, usual, true, true);
}

static __attribute__((noinline)) struct flow_item *take_behind_esp_six(struct flow_item *item, struct weir_packet *packet, const struct weir_facts *facts,
                                                                       const struct weir_network *network, const struct association *association)
{
	struct esp_usual usual = esp_read_tcp(packet, facts, network, association, false);

	if (__builtin_expect(usual.protocol == 0, 0))
		return take_udp_behind_esp(item, packet, facts, network, association);
	return take_payload(item, packet, facts, network, usual, false, true);
}

void flow_item_open(const struct flow_item *item)
{
	struct weir_facts *facts = item->packet->facts;

	if (!item->esp || !(facts->flags & WEIR_FACT_ESP))
		return;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	esp_open(item->packet, (struct esp_usual){.protocol = item->key.protocol, .end = network->offset + item->ip_bytes, .behind = item->esp & 63,
	                                          .slack = item->esp >> 6});
}

static inline bool take(struct flow_item *restrict item, struct weir_packet *restrict packet)
{
	const struct weir_facts *facts = packet->facts;

	if (!facts || facts->network_count == 0)
		return false;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	if (!(network->flags & WEIR_NETWORK_ADDRESSES))
		return false;
	if (network->version == 4)
		take_as(item, packet, facts, network, true);
	else
		take_as(item, packet, facts, network, false);
	return true;
}

/* The same of a packet that ends at ESP. The next item. */
static inline struct flow_item *take_esp(struct decapsulate *decapsulate, struct flow_item *item, struct weir_packet *packet, uint64_t key)
{
	const struct weir_network *network = innermost_network(packet->facts);
	struct association *association = decapsulate_associate(decapsulate, key);
	struct flow_item *next = network->version == 4 ? take_behind_esp_four(item, packet, packet->facts, network, association)
	                                               : take_behind_esp_six(item, packet, packet->facts, network, association);

	if (__builtin_expect(next != NULL, 1)) {
		decapsulate_opened(decapsulate, association);
		return next;
	}
	decapsulate_odd(decapsulate, association, packet, key);
	return item + take(item, packet);
}

/* Calls for what of a packet further on will be read. Decoding wrote it, on another core perhaps, whose cache has to give it up first. */
static inline void fetch(const struct weir_packet *packet)
{
	__builtin_prefetch(packet->data);
	__builtin_prefetch(packet->data + 63); /* TCP inside ESP ends there */
	__builtin_prefetch(packet->facts);
}

/* In blocks, so that the associations of a block's packets are on their way before the first is asked for. */
int flow_items_take(struct weir_batch *batch, struct decapsulate *decapsulate, struct weir_fault *fault)
{
	uint32_t no_ip = 0, count = batch->count;
	uint64_t keys[ESP_BLOCK] = {0};

	if (!batch->items && !(batch->items = malloc(sizeof *batch->items)))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the packets of flows");
	struct flow_item *item = batch->items->items;
	for (uint32_t from = 0; from < count; from += ESP_BLOCK) {
		struct weir_packet *packets = &batch->packets[from];
		uint32_t block = count - from < ESP_BLOCK ? count - from : ESP_BLOCK, ahead = count - from - block;
		if (decapsulate)
			decapsulate_find(decapsulate, packets, block, keys);
		for (uint32_t i = 0; i < block; i++) {
			fetch(&packets[i < ahead ? i + ESP_BLOCK : i]);
			if (packets[i].verdict == WEIR_DROP)
				continue;
			struct flow_item *next = keys[i] ? take_esp(decapsulate, item, &packets[i], keys[i]) : item + take(item, &packets[i]);
			no_ip += next == item;
			item = next;
		}
	}
	batch->items->count = (uint32_t)(item - batch->items->items);
	batch->items->no_ip = no_ip;
	return 0;
}

struct items_stage {
	struct weir_stage stage;
	struct decapsulate *decapsulate;
	bool open;
};

static int process(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	const struct items_stage *stage = (const struct items_stage *)base;
	int error = flow_items_take(batch, stage->decapsulate, fault);

	for (uint32_t i = 0; !error && stage->open && i < batch->items->count; i++)
		flow_item_open(&batch->items->items[i]);
	return error;
}

static void close_stage(struct weir_stage *stage) { free(stage); }

static const struct weir_stage_ops parallel_stage = {
	.name = "flow-items",
	.process = process,
	.close = close_stage,
	.parallel = true,
};

/* Associations learn from the packets, in their order. */
static const struct weir_stage_ops serial_stage = {
	.name = "decapsulate+flow-items",
	.process = process,
	.close = close_stage,
};

struct weir_stage *weir_flow_items_stage_new(struct weir_stage *decapsulate, bool open)
{
	struct items_stage *stage = malloc(sizeof *stage);

	if (!stage)
		return NULL;
	stage->stage.ops = decapsulate ? &serial_stage : &parallel_stage;
	stage->decapsulate = (struct decapsulate *)decapsulate;
	stage->open = open;
	return &stage->stage;
}
