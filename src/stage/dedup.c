/* The dedup stage: weir/stage.h. */
#include <stdlib.h>
#include <string.h>

#include "stage/dedup_recent.h"

#define MEMORY_BYTES (UINT64_C(128) << 20)
#define SMALL_WINDOW 1024 /* packets whose entries are in the nearest caches anyway */
#define LARGE 16384       /* instances that are not */

struct dedup_stage {
	struct weir_stage base;
	struct weir_dedup_options options;
	struct weir_dedup_statistics statistics;
	bool compare_recent, compare_exact, compare_routed; /* not both of the first two */
	bool fetch_exact;                                   /* its window is not small */
	struct dedup_recent recent;
	struct dedup_exact exact;
	struct dedup_routed routed;
	struct dedup_pairs pairs;
};

static const struct weir_stage_ops dedup_stage;

/* ---- packets ---- */

static void dedup_remove(struct dedup_stage *stage, struct weir_packet *packet, uint32_t first, int64_t first_ns,
                         const struct instance *instance)
{
	struct weir_dedup_pair *pair = dedup_pairs_of(&stage->pairs, first, packet->interface_id);

	packet->verdict = WEIR_DUPLICATE;
	stage->statistics.bytes += packet->length;
	dedup_pair_enter(pair, first_ns, packet);
	if (!instance) {
		stage->statistics.exact++;
		pair->exact++;
		return;
	}
	unsigned hops = (unsigned)instance->sightings[0].ttl -
	                (uint8_t)packet->facts->path; /* more than any when it is less than none */
	pair->hops[hops < 7 ? hops : 7]++;
	stage->statistics.routed++;
	pair->routed++;
}

static void dedup_tell(const struct dedup_stage *stage, const struct weir_packet *packet, uint64_t number,
                       const struct instance *instance)
{
	const struct weir_dedup_copy copy = {
		.kept = (uint64_t)instance->number_high << 32 | instance->number,
		.removed = number,
		.kept_interface = instance->interface_id,
		.removed_interface = packet->interface_id,
	};

	stage->options.on_copy(stage->options.context, &copy);
}

/* place: the packet's in the batch, from 1. near: see dedup_near; said by the caller, so that what is made for it has no questions. */
static inline __attribute__((always_inline)) void dedup_packet(struct dedup_stage *stage,
                                                               const struct weir_batch *batch,
                                                               struct weir_packet *packet, uint32_t place, bool near)
{
	uint64_t number = batch->first_number + place - 1;
	const struct weir_facts *facts = packet->facts;
	const struct exact_entry *same = NULL;
	const struct instance *instance = NULL;

	if (near || stage->compare_recent)
		same = dedup_recent_enter(&stage->recent, batch, packet, place);
	else if (stage->compare_exact)
		same = dedup_exact_enter(&stage->exact, facts->digest, packet);
	if ((near || stage->compare_routed) && facts->identity)
		instance = dedup_routed_enter(&stage->routed, packet, number, !same);
	if (__builtin_expect(!same && !instance, 1))
		return;
	if (instance && stage->options.on_copy)
		dedup_tell(stage, packet, number, instance);
	if (same)
		dedup_remove(stage, packet, same->interface_id, same->time_ns, NULL);
	else
		dedup_remove(stage, packet, instance->interface_id, instance->first_ns, instance);
}

/*
 * As weir process has it: a small window, and routed duplicates in a table that the caches hold. A loop that is made for it, which has facts and heads fetched
 * so many packets before they are needed.
 */
#define NEAR_FACTS 32
#define NEAR_HEADS 16

static inline __attribute__((always_inline)) void dedup_near_ahead(const struct dedup_stage *stage,
                                                                   const struct weir_packet *packet)
{
	__builtin_prefetch(packet[NEAR_FACTS].facts); /* of no facts: nothing happens */
	/* Whatever stands in them, it leads to a head. */
	if (packet[NEAR_HEADS].facts)
		dedup_routed_prefetch_head(&stage->routed, packet[NEAR_HEADS].facts->identity);
}

static void dedup_near(struct dedup_stage *stage, struct weir_batch *batch)
{
	struct weir_packet *packet = batch->packets, *end = packet + batch->count;
	uint64_t compared = 0;

	for (uint32_t place = 1; packet < end; packet++, place++) {
		if (end - packet > NEAR_FACTS)
			dedup_near_ahead(stage, packet);
		if (packet->verdict != WEIR_KEEP || !packet->facts)
			continue;
		compared++;
		dedup_packet(stage, batch, packet, place, true);
	}
	stage->statistics.packets += compared;
}

/*
 * Where tables are large, what a packet needs is on its way long before its turn: its facts, then the heads that they lead to, then the entries that these lead to.
 * Distances in packets.
 */
#define FETCH_FACTS 32
#define FETCH_HEADS 20
#define FETCH_ENTRIES 10

DEDUP_PREFETCH dedup_prefetch_heads(const struct dedup_stage *stage, const struct weir_facts *facts)
{
	if (facts && stage->fetch_exact)
		dedup_exact_prefetch_head(&stage->exact, facts->digest);
	if (facts && stage->compare_routed)
		dedup_routed_prefetch_head(&stage->routed, facts->identity);
}

DEDUP_PREFETCH dedup_prefetch_entries(const struct dedup_stage *stage, const struct weir_facts *facts)
{
	if (facts && stage->fetch_exact)
		dedup_exact_prefetch_entry(&stage->exact, facts->digest);
	if (facts && stage->compare_routed)
		dedup_routed_prefetch_entry(&stage->routed, facts->identity);
}

static void dedup_far(struct dedup_stage *stage, struct weir_batch *batch)
{
	struct weir_packet *packets = batch->packets;

	/* Begins before the first packet, so that it has what it needs too. */
	for (int64_t i = -FETCH_FACTS; i < (int64_t)batch->count; i++) {
		if (i + FETCH_FACTS < batch->count)
			__builtin_prefetch(packets[i + FETCH_FACTS].facts);
		if (i + FETCH_HEADS >= 0 && i + FETCH_HEADS < batch->count)
			dedup_prefetch_heads(stage, packets[i + FETCH_HEADS].facts);
		if (i + FETCH_ENTRIES >= 0 && i + FETCH_ENTRIES < batch->count)
			dedup_prefetch_entries(stage, packets[i + FETCH_ENTRIES].facts);
		if (i < 0 || packets[i].verdict != WEIR_KEEP || !packets[i].facts)
			continue;
		dedup_packet(stage, batch, &packets[i], (uint32_t)i + 1, false);
		stage->statistics.packets++;
	}
}

static int dedup_process(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct dedup_stage *stage = (struct dedup_stage *)base;

	(void)fault;
	if (stage->compare_recent && stage->compare_routed && stage->routed.mask < LARGE)
		dedup_near(stage, batch);
	else
		dedup_far(stage, batch);
	dedup_recent_leave(&stage->recent, batch);
	return 0;
}

/* ---- results ---- */

void weir_dedup_statistics(const struct weir_stage *base, struct weir_dedup_statistics *statistics)
{
	const struct dedup_stage *stage = (const struct dedup_stage *)base;

	*statistics = stage->statistics;
	statistics->forgotten = stage->exact.forgotten + stage->routed.forgotten;
}

const struct weir_dedup_pair *weir_dedup_pairs(const struct weir_stage *base, size_t *count)
{
	return dedup_pairs_sorted(&((struct dedup_stage *)base)->pairs, count);
}

/* ---- state ---- */

/* What has to be the same for a state to mean the same. */
struct dedup_saved {
	uint64_t window, window_ns, routed_ns, clock_ns, memory_bytes, seed, ignored;
	struct weir_dedup_statistics statistics;
};

static void dedup_describe(const struct dedup_stage *stage, struct dedup_saved *saved)
{
	const struct weir_dedup_options *options = &stage->options;

	*saved = (struct dedup_saved){
		.window = options->window,
		.window_ns = (uint64_t)options->window_ns,
		.routed_ns = (uint64_t)options->routed_ns,
		.clock_ns = (uint64_t)options->clock_ns,
		.memory_bytes = options->memory_bytes,
		.seed = options->seed,
		.ignored = (options->ignore_ttl ? 1u : 0) | (options->ignore_mac ? 2u : 0) | (options->ignore_vlan ? 4u : 0) |
	               (options->each_interface ? 8u : 0),
		.statistics = stage->statistics,
	};
}

static int dedup_save(struct weir_stage *base, struct weir_state *state, struct weir_fault *fault)
{
	const struct dedup_stage *stage = (const struct dedup_stage *)base;
	struct dedup_saved saved;

	dedup_describe(stage, &saved);
	int error = weir_state_section(state, "dedup", 4, fault);
	error = error ? error : weir_state_put(state, &saved, sizeof saved, fault);
	error = error ? error : dedup_pairs_save(&stage->pairs, state, fault);
	if (!error)
		error = stage->compare_recent ? dedup_recent_save(&stage->recent, state, fault)
		                              : dedup_exact_save(&stage->exact, state, fault);
	return error ? error : dedup_routed_save(&stage->routed, state, fault);
}

static int dedup_load(struct weir_stage *base, struct weir_state *state, struct weir_fault *fault)
{
	struct dedup_stage *stage = (struct dedup_stage *)base;
	struct dedup_saved saved, wanted;

	dedup_describe(stage, &wanted);
	int error = weir_state_section(state, "dedup", 4, fault);
	error = error ? error : weir_state_get(state, &saved, sizeof saved, fault);
	if (error)
		return error;
	if (memcmp(&saved, &wanted, offsetof(struct dedup_saved, statistics)) != 0)
		return weir_fail(fault, WEIR_E_FORMAT, "the state is that of a run that removed duplicates with other options");
	stage->statistics = saved.statistics;
	error = dedup_pairs_load(&stage->pairs, state, fault);
	if (!error)
		error = stage->compare_recent ? dedup_recent_load(&stage->recent, state, fault)
		                              : dedup_exact_load(&stage->exact, state, fault);
	return error ? error : dedup_routed_load(&stage->routed, state, fault);
}

/* ---- making ---- */

static void dedup_close(struct weir_stage *base)
{
	struct dedup_stage *stage = (struct dedup_stage *)base;

	dedup_recent_close(&stage->recent);
	dedup_exact_close(&stage->exact);
	dedup_routed_close(&stage->routed);
	dedup_pairs_close(&stage->pairs);
	free(stage);
}

static const struct weir_stage_ops dedup_stage = {
	.name = "dedup",
	.process = dedup_process,
	.close = dedup_close,
	.save = dedup_save,
	.load = dedup_load,
};

static int dedup_check(const struct weir_dedup_options *options, struct weir_fault *fault)
{
	if (options->window && options->window_ns)
		return weir_fail(fault, WEIR_E_USAGE, "the window of duplicates is by count or by time, not both");
	if (options->window > EXACT_MOST)
		return weir_fail(fault, WEIR_E_USAGE, "the window of duplicates is at most %u packets", EXACT_MOST);
	if (options->window_ns < 0 || options->routed_ns < 0 || options->clock_ns < 0)
		return weir_fail(fault, WEIR_E_USAGE, "a window of duplicates is no time before now");
	return 0;
}

int weir_dedup_stages_new(const struct weir_dedup_options *options, struct weir_stage **digest,
                          struct weir_stage **dedup, struct weir_fault *fault)
{
	uint64_t memory = options->memory_bytes ? options->memory_bytes : MEMORY_BYTES;

	*digest = *dedup = NULL;
	int error = dedup_check(options, fault);
	if (error)
		return error;
	struct dedup_stage *stage = calloc(1, sizeof *stage);
	struct weir_stage *first = dedup_digest_stage_new(options);
	if (!stage || !first) {
		free(stage);
		weir_stage_close(first);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for removing duplicates");
	}
	stage->base.ops = &dedup_stage;
	stage->options = *options;
	stage->compare_recent = dedup_is_recent(options);
	stage->compare_exact = !stage->compare_recent && (options->window || options->window_ns);
	stage->compare_routed = options->routed_ns != 0;
	error = dedup_pairs_open(&stage->pairs, fault);
	if (!error)
		error = stage->compare_recent ? dedup_recent_open(&stage->recent, options, &memory, fault)
		                              : dedup_exact_open(&stage->exact, options, &memory, fault);
	stage->fetch_exact = stage->compare_exact && stage->exact.mask >= SMALL_WINDOW;
	error = error ? error : dedup_routed_open(&stage->routed, options, memory, fault);
	if (error) {
		dedup_close(&stage->base);
		weir_stage_close(first);
		return error;
	}
	*digest = first;
	*dedup = &stage->base;
	return 0;
}
