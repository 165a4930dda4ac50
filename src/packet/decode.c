/*
 * Decoding a packet: the tables of decoders, the loop over them, and a fast path for what most packets are.
 */
#include <stdlib.h>

#include <weir/pipeline.h>

#include "packet/decoding.h"
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

/* The ports of these, for a look at all of them at once (decoding.h). */
const tunnel_ports_vector tunnel_ports = {4789, 6081, 2152, 3386, 4500, 1701, 3544, 6635};
_Static_assert(sizeof udp_ports / sizeof udp_ports[0] == sizeof tunnel_ports / sizeof(uint16_t), "the same in both");

#define AHEAD 6 /* packets */
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

/*
 * Most packets are Ethernet, perhaps with one VLAN tag, IPv4 without options or IPv6 without extension headers, and TCP, plain UDP or ESP, all headers
 * captured. One pass with no indirect call takes a fifth of the general loop's time. Whatever is the least unusual is left to that loop; a test holds the
 * two to the same facts. What lies together in the facts is made in registers and written as words.
 */
static inline void put_word(void *to, uint64_t word) { memcpy(to, &word, sizeof word); }

/* Numbers of 8 and 16 bits as they lie in a word, the first foremost. */
static inline uint32_t four_bytes(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return WEIR_NATIVE_BIG ? (uint32_t)a << 24 | (uint32_t)b << 16 | (uint32_t)c << 8 | d : (uint32_t)d << 24 | (uint32_t)c << 16 | (uint32_t)b << 8 | a;
}

static inline uint64_t two_halves(uint32_t a, uint32_t b) { return WEIR_NATIVE_BIG ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a; }

static inline uint64_t layer_word(uint8_t kind, uint8_t network, uint16_t value, uint32_t offset)
{
	uint32_t first = WEIR_NATIVE_BIG ? (uint32_t)kind << 24 | (uint32_t)network << 16 | value : (uint32_t)value << 16 | (uint32_t)network << 8 | kind;

	return two_halves(first, offset);
}
_Static_assert(sizeof(struct weir_layer) == 8 && offsetof(struct weir_network, source_port) == 4 && offsetof(struct weir_facts, payload) == 4, "as written above");

/* Two ports as they lie in a network, from where they stand in a packet. */
static inline uint32_t ports_of(const uint8_t *p)
{
	uint32_t both = weir_load_be32(p);

	return WEIR_NATIVE_BIG ? both : both << 16 | both >> 16;
}

/* Made eight times, by where IP is, its version and whether ESP follows, so that nearly all that it writes are constants. */
static inline __attribute__((always_inline)) bool decode_fast_transport(const struct weir_packet *packet, struct weir_facts *facts, uint32_t ip, bool four, bool esp)
{
	const uint8_t *p = packet->data;
	uint32_t captured = packet->captured, tagged = ip == 18, at = ip + (four ? 20 : 40), header = 8, ports = 0;
	uint16_t type = four ? 0x0800 : 0x86dd, length = weir_load_be16(p + ip + (four ? 2 : 4));
	uint8_t protocol = esp ? 50 : p[ip + (four ? 9 : 6)], kind = WEIR_LAYER_ESP, flags = WEIR_NETWORK_ADDRESSES;
	struct weir_network *network = &facts->networks[0];
	uint32_t end = ip + (four ? 0 : 40) + length;

	end = end < captured ? end : captured;
	uint64_t hash = four ? flow_hash_addresses_four(p + ip + 12, p + ip + 16) : flow_hash_addresses_six(p + ip + 8, p + ip + 24);
	if (esp) {
		hash = flow_hash_portless(hash, 50);
	} else {
		if ((header = plain_header(p + at, end - at, protocol)) == 0)
			return false;
		kind = protocol == 6 ? WEIR_LAYER_TCP : WEIR_LAYER_UDP;
		flags |= WEIR_NETWORK_PORTS;
		ports = ports_of(p + at);
		hash = flow_hash_ports(hash, (uint16_t)ports, (uint16_t)(ports >> 16), protocol);
	}
	put_word(&facts->layer_count, two_halves(four_bytes((uint8_t)(tagged + 3), 1, (uint8_t)tagged, esp ? WEIR_FACT_ESP : 0), at + header));
	facts->flow_hash = hash;
	put_word(network, two_halves(four_bytes(four ? 4 : 6, protocol, flags, p[ip + (four ? 8 : 7)]), ports));
	network->offset = ip;
	network->source = ip + (four ? 12 : 8);
	network->destination = ip + (four ? 16 : 24);
	network->transport = at;
	network->end = end;
	facts->link_source = 6;
	facts->link_destination = 0;
	facts->ethertype = type;
	put_word(&facts->layers[0], layer_word(WEIR_LAYER_ETHERNET, NO_NETWORK, tagged ? 0x8100 : type, 0));
	if (tagged) {
		put_word(&facts->layers[1], layer_word(WEIR_LAYER_VLAN, NO_NETWORK, type, 14));
		facts->vlans[0] = weir_load_be16(p + 14) & 0xfff;
	}
	put_word(&facts->layers[tagged + 1], layer_word(four ? WEIR_LAYER_IPV4 : WEIR_LAYER_IPV6, 0, protocol, ip));
	put_word(&facts->layers[tagged + 2], layer_word(kind, 0, 0, at));
	return true;
}

/* At least 46 bytes are there, from the link layer on. */
static inline __attribute__((always_inline)) bool decode_fast_ip(const struct weir_packet *packet, struct weir_facts *facts, uint32_t ip, bool four)
{
	const uint8_t *p = packet->data;

	/* IPv4 without options, no fragment; long enough for a UDP header. */
	if (four ? p[ip] != 0x45 || (weir_load_be16(p + ip + 6) & 0x3fff) || weir_load_be16(p + ip + 2) < 28
	         : packet->captured < ip + 48 || p[ip] >> 4 != 6 || weir_load_be16(p + ip + 4) < 8)
		return false;
	return p[ip + (four ? 9 : 6)] == 50 ? decode_fast_transport(packet, facts, ip, four, true) : decode_fast_transport(packet, facts, ip, four, false);
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
	struct weir_packet *packet = batch->packets;
	const struct weir_packet *end = packet + batch->count;
	/* The headers of packets further on are on their way while this one is decoded; the last have none behind them. */
	for (struct weir_facts *facts = batch->facts; packet < end; packet++, facts++) {
		ptrdiff_t ahead = end - packet > AHEAD ? AHEAD : 0;
		__builtin_prefetch(packet[ahead].data);
		__builtin_prefetch(&facts[ahead], 1);
		__builtin_prefetch(&facts[ahead].layers[0], 1);
		if (packet->verdict != WEIR_KEEP)
			continue;
		packet->facts = facts;
		weir_decode(packet, facts);
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
