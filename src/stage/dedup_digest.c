/* The digest stage: what the dedup stage compares, computed on any thread. */
#include <stdlib.h>

#include "core/short_hash.h"
#include "stage/dedup_recent.h"
#include "stage/identity.h"

#define LINKTYPE_ETHERNET 1

struct digest_stage {
	struct weir_stage base;
	bool exact, routed;
	bool of_identity; /* the digest is the identity, where there is one */
	uint32_t most;    /* of how many bytes the digest is; in small windows those at the head are enough */
	bool with_ttl, with_mac, with_vlan; /* which of them become part of the identity */
	bool narrow;                        /* one of them does */
	uint64_t of_interface;              /* what makes digests of interfaces different; 0: they are not */
	int (*process)(struct digest_stage *stage, struct weir_batch *batch);
	struct identity_key identity;
	struct short_hash_key key;
	struct xxh3_key longer; /* for what the short hash is not for */
};

static inline uint64_t digest_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* Six bytes of eight: there is an IP header behind them, so that only what is no packet has less. */
static uint64_t digest_of_address(const struct weir_packet *packet, uint32_t offset)
{
	return offset + UINT64_C(8) <= packet->captured ? weir_load_le64(packet->data + offset) << 16 : 0;
}

static inline uint64_t digest_of_pair(uint64_t source, uint64_t destination)
{
	return short_hash_fold(source ^ UINT64_C(0x9e3779b97f4a7c15), destination ^ UINT64_C(0xc2b2ae3d27d4eb4f));
}

/* 0: there are none. */
static uint64_t digest_of_addresses(const struct weir_packet *packet, const struct weir_facts *facts)
{
	if (facts->link_source == 0 && facts->link_destination == 0)
		return 0;
	return digest_of_pair(digest_of_address(packet, facts->link_source),
	                      digest_of_address(packet, facts->link_destination));
}

/* 0: there are none. */
static uint64_t digest_of_vlans(const struct weir_facts *facts)
{
	uint64_t hash = facts->vlan_count;

	for (unsigned i = 0; i < facts->vlan_count; i++)
		hash = digest_mix(hash, facts->vlans[i]);
	return hash;
}

static __attribute__((noinline)) uint64_t digest_of_unusual_path(const struct weir_packet *packet,
                                                                 const struct weir_facts *facts)
{
	return digest_of_addresses(packet, facts) + digest_of_vlans(facts);
}

/* Of a packet with an IP header. */
static inline uint64_t digest_of_path(const struct weir_packet *packet, const struct weir_facts *facts)
{
	/* An Ethernet header, which is here whole then, and one VLAN id at most. */
	if (__builtin_expect(facts->link_source != 6 || facts->link_destination != 0 || facts->vlan_count > 1, 0))
		return digest_of_unusual_path(packet, facts);
	/* Whether there is a VLAN id can't be foretold where ports carry packets with it and without: no branch. */
	uint32_t vlan = (facts->vlans[0] | 0x1000u) & (0u - facts->vlan_count);
	return digest_of_pair(weir_load_le64(packet->data + 6) << 16 | vlan, weir_load_le64(packet->data) << 16);
}

/* The identity with what may not differ. Only the bits of the first rung: what the others are compared with stays as it is. */
static __attribute__((noinline)) uint64_t digest_narrow(const struct digest_stage *stage,
                                                        const struct weir_packet *packet, uint64_t identity)
{
	const struct weir_facts *facts = packet->facts;
	uint64_t hash = stage->longer.seed;

	hash = stage->with_ttl ? digest_mix(hash, 0x100u | facts->networks[0].hops) : hash;
	hash = stage->with_mac ? digest_mix(hash, digest_of_addresses(packet, facts)) : hash;
	hash = stage->with_vlan ? digest_mix(hash, digest_of_vlans(facts)) : hash;
	identity ^= digest_mix(hash, 1) >> IDENTITY_LOW_BITS << IDENTITY_LOW_BITS;
	return identity ? identity : UINT64_C(1) << IDENTITY_LOW_BITS;
}

static inline __attribute__((always_inline)) void digest_identify(const struct digest_stage *stage,
                                                                  const struct weir_packet *packet,
                                                                  struct weir_facts *facts, uint64_t identity)
{
	facts->identity = identity;
	if (__builtin_expect(identity == 0, 0)) {
		facts->path = 0;
		return;
	}
	facts->path = ((uint32_t)(digest_of_path(packet, facts) >> 32) & ~255u) | facts->networks[0].hops;
	if (__builtin_expect(stage->narrow, 0))
		facts->identity = digest_narrow(stage, packet, identity);
}

/*
 * A packet's identity is the same for packets of one interface whose bytes are, which is all that small windows want of a digest; and so is its path, which tells it from the
 * same packet a router further. Of Ethernet alone: where headers of other link types end may depend on how long the packet was on the wire, too.
 */
static inline bool digest_is_identity(const struct digest_stage *stage, const struct weir_packet *packet,
                                      uint64_t identity)
{
	return (identity != 0) & stage->of_identity & (packet->linktype == LINKTYPE_ETHERNET);
}

/* The loop, for each width that the hashes are made in. */
#define DIGEST_PROCESS(name, hash, identify)                                                                           \
	static int name(struct digest_stage *stage, struct weir_batch *batch)                                              \
	{                                                                                                                  \
		const struct weir_packet *end = batch->packets + batch->count;                                                 \
                                                                                                                       \
		for (const struct weir_packet *packet = batch->packets; packet < end; packet++) {                              \
			struct weir_facts *facts = packet->facts;                                                                  \
			uint32_t length = packet->captured < stage->most ? packet->captured : stage->most;                         \
			uint64_t identity = 0;                                                                                     \
                                                                                                                       \
			if (packet->verdict != WEIR_KEEP || !facts)                                                                \
				continue;                                                                                              \
			if (stage->routed) {                                                                                       \
				identity = identify(packet, facts, &stage->identity);                                                  \
				digest_identify(stage, packet, facts, identity);                                                       \
			}                                                                                                          \
			if (digest_is_identity(stage, packet, identity)) {                                                         \
				facts->digest = identity ^ facts->path;                                                                \
			} else if (stage->exact) {                                                                                 \
				uint64_t digest = __builtin_expect(length - SHORT_HASH_LEAST <= SHORT_HASH_MOST - SHORT_HASH_LEAST, 1) \
				                      ? hash(packet->data, length, &stage->key)                                        \
				                      : xxh3_keyed(packet->data, length, &stage->longer);                              \
				facts->digest = digest ^ (packet->interface_id + UINT64_C(1)) * stage->of_interface;                   \
			}                                                                                                          \
		}                                                                                                              \
		return 0;                                                                                                      \
	}

#ifdef SHORT_HASH_WIDE
DIGEST_PROCESS(digest_process_any, short_hash_128, packet_identity_128)
SHORT_HASH_256 DIGEST_PROCESS(digest_process_256, short_hash_256, packet_identity_256)
#else
DIGEST_PROCESS(digest_process_any, short_hash, packet_identity_keyed)
#endif

static int digest_process(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct digest_stage *stage = (struct digest_stage *)base;

	(void)fault;
	return stage->process(stage, batch);
}

static int (*digest_widest(void))(struct digest_stage *stage, struct weir_batch *batch)
{
#ifdef SHORT_HASH_WIDE
	if (__builtin_cpu_supports("avx2"))
		return digest_process_256;
#endif
	return digest_process_any;
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
	struct digest_stage *stage = aligned_alloc(_Alignof(struct digest_stage), sizeof *stage);

	if (!stage)
		return NULL;
	*stage = (struct digest_stage){
		.base.ops = &digest_stage,
		.process = digest_widest(),
		.exact = options->window || options->window_ns,
		.routed = options->routed_ns != 0,
		.of_identity = dedup_is_recent(options) && options->each_interface && options->routed_ns != 0,
		.most = dedup_is_recent(options) ? SHORT_HASH_MOST : UINT32_MAX,
		.of_interface = options->each_interface ? UINT64_C(0x9e3779b97f4a7c15) : 0,
		.with_ttl = !options->ignore_ttl,
		.with_mac = !options->ignore_mac,
		.with_vlan = !options->ignore_vlan,
	};
	stage->narrow = stage->with_ttl || stage->with_mac || stage->with_vlan;
	identity_key_set(&stage->identity, options->seed);
	short_hash_key_set(&stage->key, options->seed);
	xxh3_key_set(&stage->longer, options->seed);
	return &stage->base;
}
