/* The digest stage: what the dedup stage compares, computed on any thread. */
#include <stdlib.h>

#include "core/short_hash.h"
#include "stage/dedup.h"
#include "stage/identity.h"

#define AHEAD 4 /* packets whose bytes are fetched before they are hashed */

struct digest_stage {
	struct weir_stage base;
	struct xxh3_key key;
	bool exact, routed, each_interface;
	bool with_ttl, with_mac, with_vlan; /* which of them become part of the identity */
};

static inline uint64_t digest_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static inline uint64_t digest_of_address(const struct weir_packet *packet, uint32_t offset)
{
	/* Six bytes of eight: there is an IP header behind them, so that only what is no packet has less. */
	if (offset > packet->captured || packet->captured - offset < 8)
		return 0;
	return weir_load_le64(packet->data + offset) << 16;
}

static inline uint64_t digest_of_addresses(const struct weir_packet *packet, const struct weir_facts *facts)
{
	if (facts->link_source == 0 && facts->link_destination == 0)
		return 0;
	return short_hash_fold(digest_of_address(packet, facts->link_source) ^ UINT64_C(0x9e3779b97f4a7c15),
	                       digest_of_address(packet, facts->link_destination) ^ UINT64_C(0xc2b2ae3d27d4eb4f));
}

/* 0: there are none. */
static inline uint64_t digest_of_vlans(const struct weir_facts *facts)
{
	uint64_t hash = facts->vlan_count;

	for (unsigned i = 0; i < facts->vlan_count; i++)
		hash = digest_mix(hash, facts->vlans[i]);
	return hash;
}

/* The identity with what may not differ. Only the bits of the first rung: what the others are compared with stays as it is. */
static __attribute__((noinline)) uint64_t digest_narrow(const struct digest_stage *stage, uint64_t identity,
                                                        uint8_t ttl, uint64_t addresses, uint64_t vlans)
{
	uint64_t hash = stage->key.seed;

	hash = stage->with_ttl ? digest_mix(hash, 0x100u | ttl) : hash;
	hash = stage->with_mac ? digest_mix(hash, addresses) : hash;
	hash = stage->with_vlan ? digest_mix(hash, vlans) : hash;
	identity ^= digest_mix(hash, 1) >> IDENTITY_LOW_BITS << IDENTITY_LOW_BITS;
	return identity ? identity : UINT64_C(1) << IDENTITY_LOW_BITS;
}

static inline void digest_identify(const struct digest_stage *stage, const struct weir_packet *packet,
                                   struct weir_facts *facts)
{
	uint64_t identity = packet_identity_seeded(packet, facts, stage->key.seed);

	facts->identity = identity;
	facts->path = 0;
	if (identity == 0)
		return;
	uint64_t addresses = digest_of_addresses(packet, facts), vlans = digest_of_vlans(facts);
	uint8_t ttl = facts->networks[0].hops;
	facts->path = ((uint32_t)((addresses + vlans) >> 32) & ~255u) | ttl;
	if (stage->with_ttl || stage->with_mac || stage->with_vlan)
		facts->identity = digest_narrow(stage, identity, ttl, addresses, vlans);
}

static inline uint64_t digest_of_bytes(const struct digest_stage *stage, const struct weir_packet *packet)
{
	uint32_t length = packet->captured;

	if (__builtin_expect(length >= SHORT_HASH_LEAST && length <= SHORT_HASH_MOST, 1))
		return short_hash(packet->data, length, &stage->key);
	return xxh3_keyed(packet->data, length, &stage->key);
}

static int digest_process(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct digest_stage *stage = (struct digest_stage *)base;

	for (uint32_t i = 0; i < batch->count; i++) {
		struct weir_packet *packet = &batch->packets[i];
		if (i + AHEAD < batch->count) {
			const uint8_t *data = batch->packets[i + AHEAD].data;
			__builtin_prefetch(data);
			__builtin_prefetch(data + 64);
			__builtin_prefetch(data + 128);
			if (stage->routed && batch->packets[i + AHEAD].facts) {
				__builtin_prefetch(batch->packets[i + AHEAD].facts, 1);
				__builtin_prefetch(&batch->packets[i + AHEAD].facts->link_source);
			}
		}
		if (packet->verdict != WEIR_KEEP || !packet->facts)
			continue;
		if (stage->exact)
			packet->facts->digest =
				digest_of_bytes(stage, packet) ^
				(stage->each_interface ? (packet->interface_id + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15) : 0);
		if (stage->routed)
			digest_identify(stage, packet, packet->facts);
	}
	return 0;
}

static void digest_close(struct weir_stage *stage) { free(stage); }

static const struct weir_stage_ops digest_stage = {
	.name = "digest",
	.process = digest_process,
	.close = digest_close,
	.parallel = true,
};

struct weir_stage *dedup_digest_stage_new(const struct weir_dedup_options *options)
{
	struct digest_stage *stage = malloc(sizeof *stage);

	if (!stage)
		return NULL;
	*stage = (struct digest_stage){
		.base.ops = &digest_stage,
		.exact = options->window || options->window_ns,
		.routed = options->routed_ns != 0,
		.each_interface = options->each_interface,
		.with_ttl = !options->ignore_ttl,
		.with_mac = !options->ignore_mac,
		.with_vlan = !options->ignore_vlan,
	};
	xxh3_key_set(&stage->key, options->seed);
	return &stage->base;
}
