/* Routed duplicates: the rules are in weir/stage.h, the tables in stage/dedup.h. */
#include <stdlib.h>
#include <string.h>

#include "stage/dedup.h"

#define LEAST_BITS 10
#define MOST_BITS 27
#define HEADS_BITS 1  /* two heads an instance */
#define LAST_SHIFT 10 /* of struct instance's last */

static void routed_size(struct dedup_routed *routed, uint32_t bits)
{
	routed->bits = bits;
	routed->mask = (1u << bits) - 1;
	routed->head_shift = 64 - (bits + HEADS_BITS);
}

int dedup_routed_open(struct dedup_routed *routed, const struct weir_dedup_options *options, uint64_t memory_bytes,
                      struct weir_fault *fault)
{
	uint64_t each = sizeof(struct instance) + (sizeof(struct instance_head) << HEADS_BITS);
	uint32_t bits = LEAST_BITS;

	if (options->routed_ns == 0)
		return 0;
	while (bits < MOST_BITS && each << (bits + 1) <= memory_bytes)
		bits++;
	routed->most_bits = bits;
	routed_size(routed, LEAST_BITS);
	routed->now = UINT32_MAX / 2; /* so that the zeros in heads are too far back */
	routed->routed_ns = options->routed_ns;
	routed->clock_ns = options->clock_ns ? options->clock_ns : options->routed_ns / 10;
	/* All at once, because pages that were never used cost nothing; a cache line each. */
	routed->ring = aligned_alloc(64, sizeof *routed->ring << bits);
	routed->heads = calloc((size_t)1 << (bits + HEADS_BITS), sizeof *routed->heads);
	if (!routed->ring || !routed->heads)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for routed duplicates");
	return 0;
}

void dedup_routed_close(struct dedup_routed *routed)
{
	free(routed->ring);
	free(routed->heads);
}

static void routed_link(struct dedup_routed *routed, struct instance *instance, uint32_t number)
{
	dedup_routed_link(routed, dedup_routed_head(routed, instance->identity), dedup_routed_kind(instance->identity),
	                  instance, number);
}

static inline struct sighting routed_sighting(const struct weir_packet *packet, const struct weir_facts *facts)
{
	return (struct sighting){.vantage = (uint16_t)packet->interface_id,
	                         .path = (uint16_t)(facts->path >> 8),
	                         .ttl = (uint8_t)facts->path};
}

static inline bool routed_agrees(const struct dedup_routed *routed, const struct instance *instance,
                                 const struct sighting *sighting, int64_t time_ns)
{
	int64_t after_first = dedup_delay(instance->first_ns, time_ns);

	if (after_first > routed->routed_ns || after_first < -routed->routed_ns)
		return false;
	bool may_be_turned_round = after_first - ((int64_t)instance->last << LAST_SHIFT) <= routed->clock_ns;
	for (unsigned i = 0; i < instance->count; i++) {
		const struct sighting *other = &instance->sightings[i];
		if (sighting->ttl < other->ttl)
			continue;
		if (sighting->vantage != other->vantage) {
			if (sighting->ttl > other->ttl && !may_be_turned_round)
				return false;
		} else if (sighting->ttl > other->ttl || sighting->path == other->path) {
			return false;
		}
	}
	return true;
}

static inline void routed_add_sighting(struct instance *instance, const struct sighting *sighting, int64_t time_ns)
{
	int64_t after_first = dedup_delay(instance->first_ns, time_ns) >> LAST_SHIFT;

	if (after_first > (int64_t)instance->last)
		instance->last = after_first < UINT32_MAX ? (uint32_t)after_first : UINT32_MAX;
	if (instance->count < SIGHTINGS_MOST)
		instance->sightings[instance->count++] = *sighting;
}

const struct instance *dedup_routed_join(struct dedup_routed *routed, uint32_t number, const struct weir_packet *packet)
{
	struct sighting sighting = routed_sighting(packet, packet->facts);
	uint32_t age = 0;

	for (unsigned steps = 0, looked_at = 0; steps < INSTANCES_STEPS && looked_at < INSTANCES_LOOKED_AT; steps++) {
		if (!dedup_routed_has(routed, number) || routed->now - number <= age)
			return NULL;
		struct instance *instance = dedup_routed_at(routed, number);
		if (identity_same(instance->identity, packet->facts->identity)) {
			if (routed_agrees(routed, instance, &sighting, packet->time_ns)) {
				routed_add_sighting(instance, &sighting, packet->time_ns);
				return instance;
			}
			looked_at++;
		}
		age = routed->now - number;
		number = instance->next;
	}
	return NULL;
}

/* Twice as many instances: each stays or moves up by what there was, and the chains are made anew. */
static void routed_grow(struct dedup_routed *routed)
{
	uint32_t had = routed->mask + 1;

	for (uint32_t i = 1; i <= had; i++) {
		uint32_t number = routed->now - i;
		if (number & had)
			routed->ring[(number & (had - 1)) + had] = routed->ring[number & (had - 1)];
	}
	memset(routed->heads, 0, ((size_t)had << HEADS_BITS) * sizeof *routed->heads);
	routed_size(routed, routed->bits + 1);
	for (uint32_t i = had; i > 0; i--)
		routed_link(routed, dedup_routed_at(routed, routed->now - i), routed->now - i);
}

void dedup_routed_make_room(struct dedup_routed *routed)
{
	if (routed->filled <= routed->mask) {
		routed->filled++;
		return;
	}
	if (routed->bits < routed->most_bits) {
		routed_grow(routed);
		routed->filled++;
	} else {
		routed->forgotten++;
	}
}

/* ---- state ---- */

int dedup_routed_save(const struct dedup_routed *routed, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t head[3] = {routed->bits, routed->filled, routed->forgotten};

	int error = weir_state_put(state, head, sizeof head, fault);
	for (uint32_t i = routed->filled; i > 0 && !error; i--) {
		struct instance instance = *dedup_routed_at(routed, routed->now - i);
		memset(instance.sightings + instance.count, 0, (SIGHTINGS_MOST - instance.count) * sizeof(struct sighting));
		error = weir_state_put(state, &instance, sizeof instance, fault);
	}
	return error;
}

int dedup_routed_load(struct dedup_routed *routed, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t head[3];

	int error = weir_state_get(state, head, sizeof head, fault);
	if (error || (!routed->ring && head[1] == 0))
		return error;
	if (!routed->ring || head[0] < LEAST_BITS || head[0] > routed->most_bits || head[1] > UINT64_C(1) << head[0])
		return weir_fail(fault, WEIR_E_FORMAT, "the state has more packets than the table of routed duplicates");
	routed_size(routed, (uint32_t)head[0]);
	routed->forgotten = head[2];
	for (uint64_t i = 0; i < head[1]; i++) {
		struct instance *instance = dedup_routed_at(routed, routed->now);
		error = weir_state_get(state, instance, sizeof *instance, fault);
		if (error)
			return error;
		if (instance->count > SIGHTINGS_MOST)
			return weir_fail(fault, WEIR_E_FORMAT, "the state has an impossible packet among the routed duplicates");
		routed_link(routed, instance, routed->now);
		routed->now++;
		routed->filled++;
	}
	return 0;
}
