/*
 * stage/dedup.h: the parts of the dedup stage: a window over all packets for exact duplicates (small ones: stage/dedup_recent.h), instances for routed ones, and the pairs of
 * vantages.
 *
 * Both tables are rings of entries, written in the order of the packets, under a hash table of chains: `heads` has the number of the newest entry of each
 * bucket, each entry that of the next older one. Nothing is ever deleted: a number that is further back than the ring is long is the end of a chain, because
 * chains go from newer to older. So the cost of a packet does not depend on the length of the window, and there is no allocation a packet.
 *
 * Numbers are 32 bits and go round. What a head that was not written for 2^32 packets leads to is some other entry: chains stay finite because every step has to go to
 * an older entry, and hashes are compared whole, so that it is at worst looked at in vain.
 */
#ifndef STAGE_DEDUP_H
#define STAGE_DEDUP_H

#include <weir/decode.h>
#include <weir/stage.h>
#include <weir/state.h>

#include "stage/identity.h"

/* From one time to another: times of damaged files may be anywhere. */
static inline int64_t dedup_delay(int64_t from_ns, int64_t to_ns)
{
	int64_t delay;

	if (__builtin_sub_overflow(to_ns, from_ns, &delay))
		return to_ns > from_ns ? INT64_MAX : -INT64_MAX;
	return delay == INT64_MIN ? -INT64_MAX : delay;
}

/* Prefetching is no effect to GCC: it removes calls of functions that do nothing else, unless they are not there any more to be removed. */
#define DEDUP_PREFETCH static inline __attribute__((always_inline)) void

/* ---- exact duplicates ---- */

struct exact_entry {
	uint64_t digest;
	int64_t time_ns;
	uint32_t interface_id;
	uint32_t next; /* the next older entry of the bucket */
};

#define EXACT_PORTS 65536u  /* interfaces whose low bits agree share a count, which finds less */
#define EXACT_MOST 1000000u /* as editcap has it */

struct dedup_exact {
	struct exact_entry *ring;
	uint32_t *heads;
	uint32_t *orders;      /* with each_interface: a ring, of each entry which one of its interface it is */
	uint32_t *ports;       /* with each_interface: packets so far, by the low bits of the interface */
	uint32_t window;       /* with each_interface: of these */
	uint32_t *minima;      /* by time: a ring of numbers, see exact_boundary */
	uint32_t first, after; /* the minima that are in use: places [first, after), going round too */
	uint32_t cursor;       /* the place that the last search ended at */
	uint32_t mask;         /* of the rings */
	uint32_t head_bits, most_head_bits;
	uint32_t head_shift; /* digest >> head_shift is the bucket: 64 less head_bits */
	uint32_t back;       /* how many packets back a duplicate may be */
	uint32_t reach;      /* for the packet in hand: not more than back */
	uint32_t now;        /* the number of the next packet */
	uint64_t seen;
	int64_t window_ns; /* 0: by count */
	bool narrowed;     /* by time: memory allows less than EXACT_MOST */
	uint64_t forgotten;
};

/* Takes at most *memory_bytes and subtracts what it takes. */
int dedup_exact_open(struct dedup_exact *exact, const struct weir_dedup_options *options, uint64_t *memory_bytes,
                     struct weir_fault *fault);
void dedup_exact_close(struct dedup_exact *exact);

/* Enters a packet. The entry that it is a duplicate of, NULL when there is none; valid until the next. */
const struct exact_entry *dedup_exact_enter(struct dedup_exact *exact, uint64_t digest,
                                            const struct weir_packet *packet);

DEDUP_PREFETCH dedup_exact_prefetch_head(const struct dedup_exact *exact, uint64_t digest)
{
	__builtin_prefetch(&exact->heads[digest >> exact->head_shift], 1);
}

DEDUP_PREFETCH dedup_exact_prefetch_entry(const struct dedup_exact *exact, uint64_t digest)
{
	uint32_t number = exact->heads[digest >> exact->head_shift];

	if (exact->now - number - 1 < exact->reach)
		__builtin_prefetch(&exact->ring[number & exact->mask], 1);
}

int dedup_exact_save(const struct dedup_exact *exact, struct weir_state *state, struct weir_fault *fault);
int dedup_exact_load(struct dedup_exact *exact, struct weir_state *state, struct weir_fault *fault);

/* ---- routed duplicates ---- */

#define SIGHTINGS_MOST 6
#define INSTANCES_LOOKED_AT 64 /* of one identity */
#define INSTANCES_STEPS 256    /* along a chain, whatever identities are there */

struct sighting {
	uint16_t vantage; /* the low bits of interface_id: two that agree in them count as one, which finds less */
	uint16_t path;    /* likewise, of facts->path without the TTL */
	uint8_t ttl;
} __attribute__((packed));

/* One time that a packet was sent: one cache line. */
struct instance {
	uint64_t identity;
	int64_t first_ns;
	uint32_t interface_id; /* of the first sighting */
	uint32_t next;
	uint32_t last;   /* the last sighting's time less the first's, in 1024 ns, saturated */
	uint32_t number; /* the low 40 bits of the number of its first packet */
	uint8_t number_high;
	uint8_t count;
	struct sighting sightings[SIGHTINGS_MOST]; /* those behind the first `count` were not written */
};
_Static_assert(sizeof(struct instance) == 64, "an instance is a cache line");

/*
 * The newest instance of a bucket, and which kinds of identities its chain has: a bit for each, by bits of the identity that are not those of the bucket. Most packets are
 * of none, so that to compare them ends here, without a look at strangers that could not be foretold.
 */
struct instance_head {
	uint32_t number, kinds;
};

struct dedup_routed {
	struct instance *ring;       /* of most_bits; of which the first mask + 1 are in use */
	struct instance_head *heads; /* twice as many */
	uint32_t mask, head_shift;
	uint32_t now;    /* the number of the next instance */
	uint32_t filled; /* so many before it are there */
	uint32_t bits, most_bits;
	int64_t routed_ns, clock_ns;
	uint64_t forgotten;
};

int dedup_routed_open(struct dedup_routed *routed, const struct weir_dedup_options *options, uint64_t memory_bytes,
                      struct weir_fault *fault);
void dedup_routed_close(struct dedup_routed *routed);

/* Bits that two identities of one packet have in common, and that are not among those that a bucket is found by: those have 28 at most. */
static inline uint32_t dedup_routed_kind(uint64_t identity)
{
	return UINT32_C(1) << (identity >> IDENTITY_LOW_BITS & 31);
}

static inline struct instance *dedup_routed_at(const struct dedup_routed *routed, uint32_t number)
{
	return &routed->ring[number & routed->mask];
}

static inline bool dedup_routed_has(const struct dedup_routed *routed, uint32_t number)
{
	return routed->now - number - 1 < routed->filled;
}

/* Joins the instance, of those from this number on in a chain, that the packet agrees with; NULL when there is none. */
const struct instance *dedup_routed_join(struct dedup_routed *routed, uint32_t number,
                                         const struct weir_packet *packet);

/* Makes room for another instance in a table that is not full, or whose oldest may still be joined: grows it, or forgets that for want of memory. */
void dedup_routed_make_room(struct dedup_routed *routed);

static inline struct instance_head *dedup_routed_head(const struct dedup_routed *routed, uint64_t identity)
{
	return &routed->heads[identity >> routed->head_shift];
}

/* Enters the instance with this number, of this kind, into its chain as the newest. */
static inline void dedup_routed_link(const struct dedup_routed *routed, struct instance_head *head, uint32_t kind,
                                     struct instance *instance, uint32_t number)
{
	instance->next = head->number;
	/* What only older instances had that are not there any more goes with them. Whether they are could not be foretold: no branch. */
	head->kinds = (head->kinds & (0u - dedup_routed_has(routed, head->number))) | kind;
	head->number = number;
}

#define ROUTED_AHEAD 4 /* places of instances to come that are fetched */

/* Whether the oldest is not more than routed_ns away, before or after, in one comparison; times of damaged files may be anywhere. */
static inline bool dedup_routed_oldest_is_near(const struct dedup_routed *routed, int64_t time_ns)
{
	uint64_t routed_ns = (uint64_t)routed->routed_ns;
	uint64_t away = (uint64_t)time_ns - (uint64_t)dedup_routed_at(routed, routed->now)->first_ns;

	return away + routed_ns <= 2 * routed_ns;
}

/* Begins an instance with the packet. Only what a first sighting has is written: to blank the others as well took a tenth of the stage's instructions. */
static inline void dedup_routed_begin(struct dedup_routed *routed, const struct weir_packet *packet,
                                      const struct weir_facts *facts, uint64_t number, struct instance_head *head,
                                      uint32_t kind)
{
	if (__builtin_expect(routed->filled <= routed->mask || dedup_routed_oldest_is_near(routed, packet->time_ns), 0)) {
		dedup_routed_make_room(routed);
		head = dedup_routed_head(routed, facts->identity); /* there may be others now */
	}
	uint32_t now = routed->now;
	struct instance *instance = dedup_routed_at(routed, now);
	__builtin_prefetch(dedup_routed_at(routed, now + ROUTED_AHEAD), 1);
	instance->identity = facts->identity;
	instance->first_ns = packet->time_ns;
	instance->interface_id = packet->interface_id;
	instance->last = 0;
	instance->number = (uint32_t)number;
	instance->number_high = (uint8_t)(number >> 32);
	instance->count = 1;
	instance->sightings[0] = (struct sighting){.vantage = (uint16_t)packet->interface_id,
	                                           .path = (uint16_t)(facts->path >> 8),
	                                           .ttl = (uint8_t)facts->path};
	dedup_routed_link(routed, head, kind, instance, now);
	routed->now = now + 1;
}

/* Joins the instance that the packet agrees with. NULL: there is none; then, if it begins one, it does. */
static inline const struct instance *dedup_routed_enter(struct dedup_routed *routed, const struct weir_packet *packet,
                                                        uint64_t number, bool begins)
{
	const struct weir_facts *facts = packet->facts;
	struct instance_head *head = dedup_routed_head(routed, facts->identity);
	uint32_t kind = dedup_routed_kind(facts->identity);
	const struct instance *instance = NULL;

	if (__builtin_expect(head->kinds & kind, 0))
		instance = dedup_routed_join(routed, head->number, packet);
	if (!instance && begins)
		dedup_routed_begin(routed, packet, facts, number, head, kind);
	return instance;
}

DEDUP_PREFETCH dedup_routed_prefetch_head(const struct dedup_routed *routed, uint64_t identity)
{
	__builtin_prefetch(&routed->heads[identity >> routed->head_shift], 1);
}

DEDUP_PREFETCH dedup_routed_prefetch_entry(const struct dedup_routed *routed, uint64_t identity)
{
	const struct instance_head *head = &routed->heads[identity >> routed->head_shift];

	if (head->kinds & dedup_routed_kind(identity))
		__builtin_prefetch(&routed->ring[head->number & routed->mask], 1);
}

int dedup_routed_save(const struct dedup_routed *routed, struct weir_state *state, struct weir_fault *fault);
int dedup_routed_load(struct dedup_routed *routed, struct weir_state *state, struct weir_fault *fault);

/* ---- pairs of vantages ---- */

struct dedup_pairs {
	struct weir_dedup_pair
		*pairs; /* in the order in which they came; the last one, pairs[WEIR_DEDUP_PAIRS], is for the others */
	struct weir_dedup_pair *sorted; /* what callers are given */
	uint32_t count, last;           /* last: the one that was found last */
	bool others;
	uint16_t slots[2 * WEIR_DEDUP_PAIRS]; /* by hash: its place in pairs, plus 1 */
};

int dedup_pairs_open(struct dedup_pairs *pairs, struct weir_fault *fault);
void dedup_pairs_close(struct dedup_pairs *pairs);
struct weir_dedup_pair *dedup_pairs_of(struct dedup_pairs *pairs, uint32_t first, uint32_t second);
void dedup_pair_enter(struct weir_dedup_pair *pair, int64_t first_ns, const struct weir_packet *packet);
const struct weir_dedup_pair *dedup_pairs_sorted(struct dedup_pairs *pairs, size_t *count);
int dedup_pairs_save(const struct dedup_pairs *pairs, struct weir_state *state, struct weir_fault *fault);
int dedup_pairs_load(struct dedup_pairs *pairs, struct weir_state *state, struct weir_fault *fault);

/* ---- digests ---- */

struct weir_stage *dedup_digest_stage_new(const struct weir_dedup_options *options);

#endif
