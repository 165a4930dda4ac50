/*
 * Exact duplicates in small windows of each interface: weir/stage.h, stage/dedup.h.
 *
 * With a window of 5, the usual one, a packet is compared with the four before it at its interface. Their digests stand side by side in one cache line, and to
 * compare with them all takes a quarter of the time that the table of dedup_exact.c takes (5 against 20 ns a packet, two interfaces): there is no chain to
 * follow, and no ring whose lines have to come from further away. Nor does an interface lose its packets to those of others that see more.
 */
#include <stdlib.h>

#include "stage/dedup.h"

int dedup_recent_open(struct dedup_recent *recent, uint32_t window, uint64_t *memory_bytes, struct weir_fault *fault)
{
	uint64_t ports = EXACT_PORTS;

	while (ports > 1 && ports * sizeof *recent->lines > *memory_bytes / 2)
		ports /= 2;
	recent->before = window - 1;
	recent->mask = (uint32_t)ports - 1;
	/* Those of interfaces that there are not are zero pages, which cost nothing. */
	recent->lines = calloc(ports, sizeof *recent->lines);
	if (!recent->lines)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the window of duplicates");
	*memory_bytes -= ports * sizeof *recent->lines;
	return 0;
}

void dedup_recent_close(struct dedup_recent *recent)
{
	free(recent->lines);
}

/* The newest entry of this digest; there is one, but it may be a place that was never used. */
static __attribute__((noinline)) const struct exact_entry *recent_find(struct dedup_recent *recent, const struct recent_line *line, uint64_t digest,
                                                                       const struct weir_packet *packet)
{
	for (uint32_t back = 1; back <= line->count; back++) {
		uint32_t place = line->next >= back ? line->next - back : line->next + recent->before - back;
		if (line->digests[place] != digest)
			continue;
		recent->found = (struct exact_entry){.digest = digest, .time_ns = line->times_ns[place], .interface_id = packet->interface_id};
		return &recent->found;
	}
	return NULL;
}

const struct exact_entry *dedup_recent_enter(struct dedup_recent *recent, uint64_t digest, const struct weir_packet *packet)
{
	struct recent_line *line = &recent->lines[packet->interface_id & recent->mask];
	const struct exact_entry *match = NULL;
	unsigned same = 0;

	for (unsigned i = 0; i < RECENT_MOST; i++)
		same |= line->digests[i] == digest;
	if (__builtin_expect(same, 0))
		match = recent_find(recent, line, digest, packet);
	uint32_t place = line->next;
	line->digests[place] = digest;
	line->times_ns[place] = packet->time_ns;
	line->next = place + 1 < recent->before ? place + 1 : 0;
	line->count += line->count < recent->before;
	return match;
}

/* ---- state ---- */

int dedup_recent_save(const struct dedup_recent *recent, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t used = (uint64_t)recent->mask + 1;

	while (used > 0 && recent->lines[used - 1].count == 0)
		used--;
	int error = weir_state_put(state, &used, sizeof used, fault);
	return error ? error : weir_state_put(state, recent->lines, used * sizeof *recent->lines, fault);
}

int dedup_recent_load(struct dedup_recent *recent, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t used;

	int error = weir_state_get(state, &used, sizeof used, fault);
	if (error)
		return error;
	if (used > (uint64_t)recent->mask + 1)
		return weir_fail(fault, WEIR_E_FORMAT, "the state has more interfaces than there is memory for");
	error = weir_state_get(state, recent->lines, used * sizeof *recent->lines, fault);
	for (uint64_t i = 0; i < used && !error; i++)
		if (recent->lines[i].count > recent->before || recent->lines[i].next >= recent->before)
			error = weir_fail(fault, WEIR_E_FORMAT, "the state has more packets than the window of duplicates");
	return error;
}
