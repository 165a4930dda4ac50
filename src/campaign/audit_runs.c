/*
 * Runs of eight bytes of what a policy cuts: campaign/audit.h. They are sampled by their own hash, so that a run is taken wherever it is met or nowhere, and so that
 * what is also kept, elsewhere, is known of every run that is taken.
 */
#include <stdlib.h>
#include <string.h>

#include "campaign/audit.h"

#define RUN_BYTES 8

static inline uint64_t run_hash(uint64_t run, uint64_t seed)
{
	uint64_t h = (run ^ seed) * UINT64_C(0x9e3779b97f4a7c15);

	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

/* Characters of numbers and times: others have the same ones. */
static const bool figures[256] = {
	['0' ... '9'] = true, [':'] = true, ['.'] = true, [','] = true, ['-'] = true,
	['/'] = true,         [' '] = true, ['T'] = true, ['Z'] = true,
};

bool audit_run_says_something(const uint8_t *run)
{
	unsigned different = 0, of_number = 0;

	for (unsigned i = 0; i < RUN_BYTES; i++) {
		bool again = false;
		for (unsigned j = 0; j < i; j++)
			again |= run[j] == run[i];
		different += !again;
		of_number += figures[run[i]];
	}
	/* Numbers in order, as indexes are. */
	bool in_order = true;
	for (unsigned i = 2; i < RUN_BYTES; i++)
		in_order &= (uint8_t)(run[i] - run[i - 1]) == (uint8_t)(run[1] - run[0]);
	return different >= 6 && of_number < RUN_BYTES && !in_order;
}

/* Half of the runs go: those with the greater hashes, which is the same half of all that there are. */
static void thin_runs(struct weir_originals *originals)
{
	struct audit_table thin = {.width = RUN_BYTES, .seed = originals->seed};
	size_t step = RUN_BYTES + 1, at = 0;
	uint64_t used = originals->runs.room * step;

	originals->runs_limit /= 2;
	struct audit_budget spare = {.most = UINT64_MAX};
	for (const uint8_t *run; (run = audit_table_next(&originals->runs, &at));) {
		if (run_hash(weir_load_native64(run), originals->seed) > originals->runs_limit)
			continue;
		uint8_t *flags = audit_table_enter(&thin, run, &spare);
		if (flags)
			*flags = audit_table_flags(&originals->runs, run);
	}
	audit_table_free(&originals->runs);
	originals->runs = thin;
	originals->budget.used += thin.room * step - used;
}

void audit_see_runs(struct weir_originals *originals, const uint8_t *data, size_t length, uint8_t flag)
{
	for (size_t i = 0; i + RUN_BYTES <= length; i++) {
		if (__builtin_expect(run_hash(weir_load_native64(data + i), originals->seed) > originals->runs_limit, 1))
			continue;
		if (!audit_run_says_something(data + i))
			continue;
		uint8_t *flags = audit_table_enter(&originals->runs, data + i, &originals->budget);
		if (flags)
			*flags |= flag;
		else
			originals->runs_most = originals->runs.count; /* no more than this, from now on */
		if (originals->runs.count >= originals->runs_most && originals->runs_limit > 1)
			thin_runs(originals);
	}
}

/* ---- searching ---- */

int audit_runs_prepare(struct weir_originals *originals, struct weir_fault *fault)
{
	size_t at = 0;

	for (originals->runs_bits = 10;
	     originals->runs_bits < 30 && ((size_t)1 << originals->runs_bits) < originals->runs.count * 8;)
		originals->runs_bits++;
	originals->runs_filter = calloc(((size_t)1 << originals->runs_bits) / 64, sizeof *originals->runs_filter);
	if (!originals->runs_filter)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to search for payload");
	for (const uint8_t *run; (run = audit_table_next(&originals->runs, &at));) {
		uint64_t bit = run_hash(weir_load_native64(run), originals->seed) & (((uint64_t)1 << originals->runs_bits) - 1);
		if (!(audit_table_flags(&originals->runs, run) & AUDIT_KEPT))
			originals->runs_filter[bit / 64] |= UINT64_C(1) << bit % 64;
	}
	return 0;
}

void audit_match_runs(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                      size_t from, size_t to)
{
	const struct weir_originals *originals = audit_hits_originals(hits);
	uint64_t limit = originals->runs_limit, mask = ((uint64_t)1 << originals->runs_bits) - 1;
	size_t end = length < RUN_BYTES ? 0 : length - RUN_BYTES + 1;

	if (end > to)
		end = to;
	for (size_t at = from; at < end; at++) {
		uint64_t hash = run_hash(weir_load_native64(data + at), originals->seed);
		/* What was not sampled is not there; of what would have been, most is not. */
		if (__builtin_expect(hash > limit, 1) || !(originals->runs_filter[(hash & mask) / 64] >> (hash & 63) & 1))
			continue;
		const uint8_t *flags = audit_table_find(&originals->runs, data + at);
		if (flags && !(*flags & AUDIT_KEPT))
			audit_hit(hits, place, at, WEIR_ORIGINAL_PAYLOAD, AUDIT_BYTES, AUDIT_CERTAIN, AUDIT_HELD, data + at,
			          RUN_BYTES);
	}
}
