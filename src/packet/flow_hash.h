/* packet/flow_hash.h: the hash of a flow (weir_facts.flow_hash). */
#ifndef PACKET_FLOW_HASH_H
#define PACKET_FLOW_HASH_H

#include <weir/decode.h>

/* The high and low half of a 128-bit product, folded: mixes every bit of both with every other. */
static inline uint64_t flow_hash_mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#define FLOW_HASH_KEY_1 UINT64_C(0xa0761d6478bd642f)
#define FLOW_HASH_KEY_2 UINT64_C(0xe7037ed1a0b428db)

/* Ends are sorted before they are mixed, so that both directions of a flow hash alike. */
static inline uint64_t flow_hash_ends(uint64_t a, uint64_t b, uint8_t protocol)
{
	uint64_t low = a < b ? a : b, high = a < b ? b : a;
	uint64_t hash = flow_hash_mix(low ^ FLOW_HASH_KEY_1, flow_hash_mix(high ^ FLOW_HASH_KEY_2, FLOW_HASH_KEY_1 + protocol));
	return hash ? hash : 1;
}

/* Of the addresses as they stand in the packet, and the ports. */
static inline uint64_t flow_hash_four(const uint8_t *s, const uint8_t *t, uint16_t source_port, uint16_t destination_port, uint8_t protocol)
{
	uint64_t source = (uint64_t)weir_load_native32(s) << 16 | source_port;
	uint64_t destination = (uint64_t)weir_load_native32(t) << 16 | destination_port;
	return flow_hash_ends(source, destination, protocol);
}

static inline uint64_t flow_hash_six(const uint8_t *s, const uint8_t *t, uint16_t source_port, uint16_t destination_port, uint8_t protocol)
{
	uint64_t source = flow_hash_mix(weir_load_native64(s) ^ FLOW_HASH_KEY_1, weir_load_native64(s + 8) ^ FLOW_HASH_KEY_2) + source_port;
	uint64_t destination = flow_hash_mix(weir_load_native64(t) ^ FLOW_HASH_KEY_1, weir_load_native64(t + 8) ^ FLOW_HASH_KEY_2) + destination_port;
	return flow_hash_ends(source, destination, protocol);
}

static inline uint64_t flow_hash_ipv4(const uint8_t *data, const struct weir_network *network)
{
	return flow_hash_four(data + network->source, data + network->destination, network->source_port, network->destination_port, network->protocol);
}

static inline uint64_t flow_hash_ipv6(const uint8_t *data, const struct weir_network *network)
{
	return flow_hash_six(data + network->source, data + network->destination, network->source_port, network->destination_port, network->protocol);
}

static inline uint64_t flow_hash(const uint8_t *data, const struct weir_network *network)
{
	return network->version == 4 ? flow_hash_ipv4(data, network) : flow_hash_ipv6(data, network);
}

#endif
