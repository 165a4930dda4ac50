/*
 * Decoding a packet: the tables of decoders, the loop over them, and a fast path for what most packets are.
 */
#include <stdlib.h>

#include <weir/pipeline.h>

#include "packet/decoding.h"
#include "packet/esp.h"
#include "packet/flow_hash.h"

static const struct decoder_row linktypes[] = {
	{1, decode_ethernet},
	{0, decode_null},
	{10, decode_fddi},
	{108, decode_loop},
	{9, decode_ppp},
	{50, decode_ppp},
	{51, decode_pppoe},
	{12, decode_raw},
	{14, decode_raw},
	{101, decode_raw},
	{228, decode_ipv4},
	{229, decode_ipv6},
	{104, decode_hdlc},
	{113, decode_sll},
	{276, decode_sll2},
	{105, decode_ieee80211},
	{119, decode_prism},
	{127, decode_radiotap},
	{163, decode_avs},
	{192, decode_ppi},
	{226, decode_ipnet},
	{239, decode_nflog},
};

static const struct decoder_row ethertypes[] = {
	{0x0800, decode_ipv4},
	{0x86dd, decode_ipv6},
	{0x0806, decode_arp},
	{0x8035, decode_arp},
	{0x8100, decode_vlan},
	{0x88a8, decode_vlan},
	{0x9100, decode_vlan},
	{0x8847, decode_mpls},
	{0x8848, decode_mpls},
	{0x8863, decode_pppoe},
	{0x8864, decode_pppoe},
	{0x6558, decode_ethernet},
	{0x880b, decode_ppp},
	{0x88be, decode_erspan2},
	{0x22eb, decode_erspan3},
};

static decode_step *const protocols[256] = {
	[0] = decode_ipv6_extension,   /* hop-by-hop options */
	[1] = decode_icmp,
	[2] = decode_igmp,
	[4] = decode_ipip,
	[6] = decode_tcp,
	[17] = decode_udp,
	[41] = decode_ip6ip,
	[43] = decode_ipv6_extension,  /* routing */
	[44] = decode_ipv6_fragment,
	[47] = decode_gre,
	[50] = decode_esp,
	[51] = decode_ah,
	[58] = decode_icmpv6,
	[60] = decode_ipv6_extension,  /* destination options */
	[97] = decode_etherip,
	[132] = decode_sctp,
	[135] = decode_ipv6_extension, /* mobility */
	[136] = decode_udplite,
	[137] = decode_mpls_in_ip,
	[139] = decode_ipv6_extension, /* host identity */
	[140] = decode_ipv6_extension, /* shim6 */
};

static const struct decoder_row udp_ports[] = {
	{4789, decode_vxlan},
	{6081, decode_geneve},
	{2152, decode_gtpu},
	{3386, decode_gtp0},
	{4500, decode_udp_esp},
	{1701, decode_l2tp},
	{3544, decode_teredo},
	{6635, decode_mpls},
};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static decode_step *find(const struct decoder_row *rows, size_t count, uint32_t key)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].key == key)
			return rows[i].step;
	return NULL;
}

void decode_by_linktype(struct decoding *d, uint32_t linktype)
{
	d->next = find(linktypes, COUNT(linktypes), linktype);
	if (!d->next) {
		decoding_unknown(d);
		/* libpcap's filters know more link types than we do. */
		decoding_incomplete(d);
	}
}

void decode_by_ethertype(struct decoding *d, uint16_t type)
{
	d->facts->ethertype = type;
	if (type <= 1500) {
		decoding_limit(d, type);
		d->next = decode_llc;
		return;
	}
	d->next = find(ethertypes, COUNT(ethertypes), type);
	if (!d->next)
		decoding_unknown(d);
}

bool looks_like_ethernet(const struct decoding *d, uint32_t at)
{
	if (at > d->end || d->end - at < 14)
		return false;
	uint16_t type = weir_load_be16(d->data + at + 12);
	return type <= 1500 ? type <= d->end - at - 14 && type > 3 : find(ethertypes, COUNT(ethertypes), type) != NULL;
}

void decode_by_protocol(struct decoding *d, uint8_t protocol)
{
	struct weir_network *network = decoding_network(d);
	decode_step *step = protocols[protocol];

	network->protocol = protocol;
	/* Extension headers are IPv6's alone; authentication headers are in both. */
	if (network->version == 4 && (step == decode_ipv6_extension || step == decode_ipv6_fragment))
		step = NULL;
	if (step != decode_ipv6_extension && step != decode_ipv6_fragment && step != decode_ah)
		network->transport = d->at;
	d->next = step;
	if (!step)
		decoding_unknown(d);
}

void decode_by_udp_port(struct decoding *d, uint16_t source, uint16_t destination)
{
	d->next = find(udp_ports, COUNT(udp_ports), destination);
	if (!d->next)
		d->next = find(udp_ports, COUNT(udp_ports), source);
}

bool udp_ports_are_plain(uint16_t source, uint16_t destination)
{
	for (size_t i = 0; i < COUNT(udp_ports); i++)
		if (udp_ports[i].key == source || udp_ports[i].key == destination)
			return false;
	return true;
}

static void finish(struct decoding *d)
{
	struct weir_facts *facts = d->facts;

	facts->payload = d->at;
	if (facts->network_count == 0)
		return;
	const struct weir_network *innermost = &facts->networks[facts->network_count - 1];
	facts->flow_hash = flow_hash(d->data, innermost);
}

static void decode_rest(struct decoding *d)
{
	while (d->next) {
		decode_step *step = d->next;
		d->next = NULL;
		step(d);
	}
	finish(d);
}

static void decode_general(const struct weir_packet *packet, struct weir_facts *facts)
{
	struct decoding d = {
		.data = packet->data,
		.captured = packet->captured,
		.end = packet->captured,
		.cut = packet->length > packet->captured,
		.network = NO_NETWORK,
		.facts = facts,
	};

	facts->layer_count = facts->network_count = facts->vlan_count = facts->flags = 0;
	facts->ethertype = 0;
	facts->link_source = facts->link_destination = 0;
	facts->flow_hash = 0;
	decode_by_linktype(&d, packet->linktype);
	decode_rest(&d);
}

static __attribute__((noinline)) void behind_esp_general(const struct weir_packet *packet, struct weir_facts *facts, uint32_t at, uint32_t end,
                                                         uint8_t protocol)
{
	struct weir_network *network = &facts->networks[facts->network_count - 1];
	struct decoding d = {
		.data = packet->data,
		.captured = packet->captured,
		.at = at,
		.end = end,
		.cut = packet->length > packet->captured,
		.hidden = true,
		.network = (uint8_t)(facts->network_count - 1),
		.facts = facts,
	};

	/* Behind ESP in UDP the ports were UDP's. */
	network->flags &= (uint8_t)~WEIR_NETWORK_PORTS;
	network->source_port = network->destination_port = 0;
	decode_by_protocol(&d, protocol);
	decode_rest(&d);
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

void decode_behind_esp(const struct weir_packet *packet, struct weir_facts *facts, uint32_t at, uint32_t end, uint8_t protocol)
{
	const uint8_t *p = packet->data + at;
	struct weir_network *network = &facts->networks[facts->network_count - 1];
	uint32_t header = plain_header(p, end - at, protocol);

	facts->flags &= (uint8_t)~WEIR_FACT_ESP;
	network->end = end;
	if (header == 0 || facts->layer_count == WEIR_LAYERS_MAX) {
		behind_esp_general(packet, facts, at, end, protocol);
		return;
	}
	network->protocol = protocol;
	network->source_port = weir_load_be16(p);
	network->destination_port = weir_load_be16(p + 2);
	network->flags |= WEIR_NETWORK_PORTS;
	network->transport = at;
	facts->layers[facts->layer_count++] =
		(struct weir_layer){protocol == 6 ? WEIR_LAYER_TCP : WEIR_LAYER_UDP, (uint8_t)(facts->network_count - 1), 0, at};
	facts->payload = at + header;
	facts->flow_hash = flow_hash(packet->data, network);
}

void esp_open(struct weir_packet *packet, const struct esp_decision *decision)
{
	struct weir_facts *facts = packet->facts;
	uint32_t end = esp_payload_end(decision, &facts->networks[facts->network_count - 1]);

	facts->trailer = esp_trailer(decision);
	facts->flags |= WEIR_FACT_ESP_NULL;
	decode_behind_esp(packet, facts, facts->payload, end, esp_protocol(decision));
}

/*
 * Most packets are Ethernet, perhaps with one VLAN tag, IPv4 without options or IPv6 without extension headers, and TCP, plain UDP or ESP, all headers
 * captured. One pass with no indirect call takes a fifth of the general loop's time. Whatever is the least unusual is left to that loop; a test holds the
 * two to the same facts.
 */

/* The transport header at `at`, of which 8 bytes are here. What it writes does not harm when it says no. */
static inline __attribute__((always_inline)) bool transport_fast(const uint8_t *p, uint32_t at, uint32_t end, uint8_t protocol, struct weir_network *network,
                                                                 struct weir_facts *facts, struct weir_layer *layer)
{
	if (protocol == 50) {
		network->flags = WEIR_NETWORK_ADDRESSES;
		network->source_port = network->destination_port = 0;
		facts->flags = WEIR_FACT_ESP;
		facts->payload = at + 8;
		*layer = (struct weir_layer){WEIR_LAYER_ESP, 0, 0, at};
		return true;
	}
	uint32_t header = plain_header(p + at, end - at, protocol);
	network->flags = WEIR_NETWORK_ADDRESSES | WEIR_NETWORK_PORTS;
	network->source_port = weir_load_be16(p + at);
	network->destination_port = weir_load_be16(p + at + 2);
	facts->flags = 0;
	facts->payload = at + header;
	if (header == 0)
		return false;
	*layer = (struct weir_layer){protocol == 6 ? WEIR_LAYER_TCP : WEIR_LAYER_UDP, 0, 0, at};
	return true;
}

/* Made four times, by where IP is and its version, so that nearly all that it writes are constants. */
static inline __attribute__((always_inline)) bool decode_fast_ip(const struct weir_packet *packet, struct weir_facts *facts, uint32_t ip, bool four)
{
	const uint8_t *p = packet->data;
	uint32_t captured = packet->captured, tagged = ip == 18, at = ip + (four ? 20 : 40);
	uint16_t type = four ? 0x0800 : 0x86dd, length = weir_load_be16(p + ip + (four ? 2 : 4));
	uint8_t protocol = p[ip + (four ? 9 : 6)];
	struct weir_network *network = &facts->networks[0];

	/* IPv4 without options, no fragment; long enough for a UDP header. */
	if (four ? p[ip] != 0x45 || (weir_load_be16(p + ip + 6) & 0x3fff) || length < 28 : captured < ip + 48 || p[ip] >> 4 != 6 || length < 8)
		return false;
	uint32_t end = ip + (four ? 0 : 40) + length < captured ? ip + (four ? 0 : 40) + length : captured;
	if (!transport_fast(p, at, end, protocol, network, facts, &facts->layers[tagged + 2]))
		return false;
	network->version = four ? 4 : 6;
	network->protocol = protocol;
	network->hops = p[ip + (four ? 8 : 7)];
	network->offset = ip;
	network->source = ip + (four ? 12 : 8);
	network->destination = ip + (four ? 16 : 24);
	network->transport = at;
	network->end = end;
	facts->layers[0] = (struct weir_layer){WEIR_LAYER_ETHERNET, NO_NETWORK, tagged ? 0x8100 : type, 0};
	if (tagged) {
		facts->layers[1] = (struct weir_layer){WEIR_LAYER_VLAN, NO_NETWORK, type, 14};
		facts->vlans[0] = weir_load_be16(p + 14) & 0xfff;
	}
	facts->layers[tagged + 1] = (struct weir_layer){four ? WEIR_LAYER_IPV4 : WEIR_LAYER_IPV6, 0, protocol, ip};
	facts->layer_count = (uint8_t)(tagged + 3);
	facts->network_count = 1;
	facts->vlan_count = (uint8_t)tagged;
	facts->ethertype = type;
	facts->link_source = 6;
	facts->link_destination = 0;
	facts->flow_hash = four ? flow_hash_ipv4(p, network) : flow_hash_ipv6(p, network);
	return true;
}

static inline bool decode_fast(const struct weir_packet *packet, struct weir_facts *facts)
{
	const uint8_t *p = packet->data;

	if (packet->linktype != 1 || packet->captured < 46)
		return false;
	switch (weir_load_be16(p + 12)) {
	case 0x0800: return decode_fast_ip(packet, facts, 14, true);
	case 0x86dd: return decode_fast_ip(packet, facts, 14, false);
	case 0x8100: break;
	default: return false;
	}
	switch (weir_load_be16(p + 16)) {
	case 0x0800: return decode_fast_ip(packet, facts, 18, true);
	case 0x86dd: return decode_fast_ip(packet, facts, 18, false);
	default: return false;
	}
}

void weir_decode(const struct weir_packet *packet, struct weir_facts *facts)
{
	if (!decode_fast(packet, facts))
		decode_general(packet, facts);
}

void weir_decode_thoroughly(const struct weir_packet *packet, struct weir_facts *facts)
{
	decode_general(packet, facts);
}

int weir_decode_batch(struct weir_batch *batch, struct weir_fault *fault)
{
	if (!batch->facts) {
		batch->facts = aligned_alloc(_Alignof(struct weir_facts), WEIR_BATCH_PACKETS * sizeof *batch->facts);
		if (!batch->facts)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory to decode packets");
	}
	for (uint32_t i = 0; i < batch->count; i++) {
		struct weir_packet *packet = &batch->packets[i];
		/* The headers of packets further on are on their way while this one is decoded. */
		if (i + 6 < batch->count) {
			__builtin_prefetch(batch->packets[i + 6].data);
			__builtin_prefetch(&batch->facts[i + 6], 1);
			__builtin_prefetch(&batch->facts[i + 6].layers[0], 1);
		}
		if (packet->verdict != WEIR_KEEP)
			continue;
		packet->facts = &batch->facts[i];
		weir_decode(packet, packet->facts);
	}
	return 0;
}

static int stage_process(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	return weir_decode_batch(batch, fault);
}

static void stage_close(struct weir_stage *stage)
{
	free(stage);
}

static const struct weir_stage_ops decode_stage = {
	.name = "decode",
	.process = stage_process,
	.close = stage_close,
	.parallel = true,
};

struct weir_stage *weir_decode_stage_new(void)
{
	struct weir_stage *stage = malloc(sizeof *stage);
	if (stage)
		stage->ops = &decode_stage;
	return stage;
}
