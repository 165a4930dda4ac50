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

/* A bit that tables with less than 2^40 places don't look at: so that a hash is never 0. */
#define FLOW_HASH_SET (UINT64_C(1) << 40)

/*
 * Of the two addresses alone: symmetric, since sum and product say which two numbers they are, but not which is which. Nothing is sorted, because which is
 * lower can't be foretold. Less than 2^63.
 */
static inline uint64_t flow_hash_addresses_four(const uint8_t *s, const uint8_t *t)
{
	uint64_t source = weir_load_native32(s), destination = weir_load_native32(t);

	return flow_hash_mix((source * destination) ^ FLOW_HASH_KEY_1, (source + destination) ^ FLOW_HASH_KEY_2) >> 1 | FLOW_HASH_SET;
}

static inline uint64_t flow_hash_addresses_six(const uint8_t *s, const uint8_t *t)
{
	uint64_t source = flow_hash_mix(weir_load_native64(s) ^ FLOW_HASH_KEY_1, weir_load_native64(s + 8) ^ FLOW_HASH_KEY_2);
	uint64_t destination = flow_hash_mix(weir_load_native64(t) ^ FLOW_HASH_KEY_1, weir_load_native64(t + 8) ^ FLOW_HASH_KEY_2);

	return (source + destination) >> 1 | FLOW_HASH_SET;
}

/*
 * With ports and protocol. Without ports the hash is the addresses' with the protocol added, so that what is found behind ESP can go on from it
 * (flow_hash_addresses_of) instead of beginning anew.
 */
static inline uint64_t flow_hash_ports(uint64_t addresses, uint16_t source_port, uint16_t destination_port, uint8_t protocol)
{
	uint64_t ports = (uint64_t)((uint32_t)source_port + destination_port) << 32 | (uint32_t)source_port * destination_port;

	return flow_hash_mix(addresses ^ FLOW_HASH_KEY_1, (ports ^ (uint64_t)protocol << 56) ^ FLOW_HASH_KEY_2) | FLOW_HASH_SET;
}

static inline uint64_t flow_hash_portless(uint64_t addresses, uint8_t protocol) { return addresses + protocol; }
static inline uint64_t flow_hash_addresses_of(uint64_t portless, uint8_t protocol) { return portless - protocol; }

static inline uint64_t flow_hash(const uint8_t *data, const struct weir_network *network)
{
	const uint8_t *s = data + network->source, *t = data + network->destination;
	uint64_t addresses = network->version == 4 ? flow_hash_addresses_four(s, t) : flow_hash_addresses_six(s, t);

	return network->flags & WEIR_NETWORK_PORTS ? flow_hash_ports(addresses, network->source_port, network->destination_port, network->protocol)
	                                           : flow_hash_portless(addresses, network->protocol);
}

#endif
