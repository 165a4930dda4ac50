/* What the dedup stage tells of each pair of vantages. */
#include <stdlib.h>
#include <string.h>

#include "stage/dedup.h"

#define SLOTS (2 * WEIR_DEDUP_PAIRS)

int dedup_pairs_open(struct dedup_pairs *pairs, struct weir_fault *fault)
{
	/* Pages that are not used cost nothing. */
	pairs->pairs = calloc(WEIR_DEDUP_PAIRS + 1, sizeof *pairs->pairs);
	pairs->sorted = calloc(WEIR_DEDUP_PAIRS + 1, sizeof *pairs->sorted);
	if (!pairs->pairs || !pairs->sorted)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for pairs of vantages");
	return 0;
}

void dedup_pairs_close(struct dedup_pairs *pairs)
{
	free(pairs->pairs);
	free(pairs->sorted);
}

static void pair_begin(struct weir_dedup_pair *pair, uint32_t first, uint32_t second)
{
	*pair = (struct weir_dedup_pair){.first = first, .second = second, .delay_min_ns = INT64_MAX, .delay_max_ns = INT64_MIN};
}

struct weir_dedup_pair *dedup_pairs_of(struct dedup_pairs *pairs, uint32_t first, uint32_t second)
{
	struct weir_dedup_pair *pair = &pairs->pairs[pairs->last];

	if (pairs->last < pairs->count && pair->first == first && pair->second == second)
		return pair;
	uint64_t key = ((uint64_t)first << 32 | second) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t slot = (uint32_t)(key >> 40) % SLOTS;
	/* Half of the slots stay free, so that there is an end. */
	for (; pairs->slots[slot]; slot = (slot + 1) % SLOTS) {
		uint32_t at = pairs->slots[slot] - 1u;
		if (pairs->pairs[at].first == first && pairs->pairs[at].second == second) {
			pairs->last = at;
			return &pairs->pairs[at];
		}
	}
	if (pairs->count == WEIR_DEDUP_PAIRS) {
		if (!pairs->others)
			pair_begin(&pairs->pairs[WEIR_DEDUP_PAIRS], UINT32_MAX, UINT32_MAX);
		pairs->others = true;
		return &pairs->pairs[WEIR_DEDUP_PAIRS];
	}
	pairs->last = pairs->count++;
	pairs->slots[slot] = (uint16_t)pairs->count;
	pair_begin(&pairs->pairs[pairs->last], first, second);
	return &pairs->pairs[pairs->last];
}

void dedup_pair_enter(struct weir_dedup_pair *pair, int64_t first_ns, const struct weir_packet *packet)
{
	int64_t delay = dedup_delay(first_ns, packet->time_ns);
	unsigned bucket = delay > 0 ? 64 - (unsigned)__builtin_clzll((uint64_t)delay) : 0;

	pair->bytes += packet->length;
	pair->delay_min_ns = delay < pair->delay_min_ns ? delay : pair->delay_min_ns;
	pair->delay_max_ns = delay > pair->delay_max_ns ? delay : pair->delay_max_ns;
	if (__builtin_add_overflow(pair->delay_sum_ns, delay, &pair->delay_sum_ns))
		pair->delay_sum_ns = delay > 0 ? INT64_MAX : INT64_MIN;
	pair->delays[bucket < WEIR_DELAY_BUCKETS ? bucket : WEIR_DELAY_BUCKETS - 1]++;
}

static int pair_order(const void *a, const void *b)
{
	const struct weir_dedup_pair *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->second < y->second ? -1 : x->second > y->second;
}

const struct weir_dedup_pair *dedup_pairs_sorted(struct dedup_pairs *pairs, size_t *count)
{
	*count = pairs->count + (pairs->others ? 1 : 0);
	memcpy(pairs->sorted, pairs->pairs, *count * sizeof *pairs->sorted);
	qsort(pairs->sorted, *count, sizeof *pairs->sorted, pair_order);
	return pairs->sorted;
}

/* ---- state ---- */

int dedup_pairs_save(const struct dedup_pairs *pairs, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t head[2] = {pairs->count, pairs->others};

	int error = weir_state_put(state, head, sizeof head, fault);
	return error ? error : weir_state_put(state, pairs->pairs, (size_t)(head[0] + head[1]) * sizeof *pairs->pairs, fault);
}

int dedup_pairs_load(struct dedup_pairs *pairs, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t head[2];

	int error = weir_state_get(state, head, sizeof head, fault);
	if (error)
		return error;
	if (head[0] > WEIR_DEDUP_PAIRS || head[1] > 1 || (head[1] && head[0] < WEIR_DEDUP_PAIRS))
		return weir_fail(fault, WEIR_E_FORMAT, "the state has more pairs of vantages than there can be");
	for (uint64_t i = 0; i < head[0] + head[1]; i++) {
		struct weir_dedup_pair pair;
		error = weir_state_get(state, &pair, sizeof pair, fault);
		if (error)
			return error;
		*dedup_pairs_of(pairs, pair.first, pair.second) = pair;
	}
	return 0;
}
