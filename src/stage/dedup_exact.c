/*
 * Exact duplicates: weir/stage.h, stage/dedup.h.
 *
 * By count, the newest entry of a digest is all that matters: a new one takes its place in the chain.
 *
 * By time, editcap goes back from the packet in hand, over packets that are later than it, to the first that is older than the window allows: the *boundary*. In a
 * file in order of time that is where the window begins; in others it has to be found:
 *   - The boundary for a time x is the newest packet before x. Of all packets only those can be it that are before every newer one: the suffix minima, which
 *     are a queue whose times grow from old to new. A new packet throws those out at the new end that are not before it; bisecting finds the boundary.
 *   - Of a digest's entries one that is not before a newer one never matters again: whatever finds it would have found the newer one first. So they are a stack
 *     (`below`) whose times fall from new to old, of which a packet throws off what is not before it. Whether the one on top then is behind the boundary
 *     decides: what lies below is older still.
 * So the cost is that of a few steps a packet, whatever the order of times.
 */
#include <stdlib.h>
#include <string.h>

#include "stage/dedup.h"

#define MINIMA_STEPS 4 /* from the cursor, before the search bisects */

static inline bool exact_has(const struct dedup_exact *exact, uint32_t number)
{
	return exact->now - number - 1 < exact->back; /* 1 … back packets ago */
}

static inline struct exact_entry *exact_at(const struct dedup_exact *exact, uint32_t number)
{
	return &exact->ring[number & exact->mask];
}

/* How many bytes rings of 2^bits entries take. */
static uint64_t exact_bytes(unsigned bits, bool by_time)
{
	return (UINT64_C(1) << bits) * (sizeof(struct exact_entry) + 2 * sizeof(uint32_t) + (by_time ? sizeof(uint32_t) : 0));
}

int dedup_exact_open(struct dedup_exact *exact, const struct weir_dedup_options *options, uint64_t *memory_bytes, struct weir_fault *fault)
{
	bool by_time = options->window_ns != 0;
	uint32_t window = by_time ? EXACT_MOST : options->window;
	unsigned bits = 4;

	if (window == 0)
		return 0;
	while ((1u << bits) < window)
		bits++;
	if (!by_time && exact_bytes(bits, false) > *memory_bytes)
		return weir_fail(fault, WEIR_E_LIMIT, "a window of %u packets needs %llu bytes of memory", window,
		                 (unsigned long long)exact_bytes(bits, false));
	while (bits > 4 && exact_bytes(bits, by_time) > *memory_bytes)
		bits--;
	exact->narrowed = (1u << bits) < window;
	exact->mask = (1u << bits) - 1;
	exact->head_shift = 64 - (bits + 1);
	exact->back = (exact->narrowed ? 1u << bits : window) - 1;
	/* As if the ring had gone round once: the zeros in heads are too far back. */
	exact->now = 1u << bits;
	exact->window_ns = options->window_ns;
	/* Large ones are zero pages that cost nothing until they are used. */
	exact->ring = calloc((size_t)1 << bits, sizeof *exact->ring);
	exact->heads = calloc((size_t)2 << bits, sizeof *exact->heads);
	exact->minima = by_time ? calloc((size_t)1 << bits, sizeof *exact->minima) : NULL;
	if (!exact->ring || !exact->heads || (by_time && !exact->minima))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the window of duplicates");
	uint64_t taken = exact_bytes(bits, by_time);
	*memory_bytes -= taken < *memory_bytes ? taken : *memory_bytes;
	return 0;
}

void dedup_exact_close(struct dedup_exact *exact)
{
	free(exact->ring);
	free(exact->heads);
	free(exact->minima);
}

/*
 * The newest entry of this digest, and takes it out of its chain; its number, or one that exact_has not. There is at most one: older ones are below it.
 */
static uint32_t exact_take(struct dedup_exact *exact, uint32_t *head, uint64_t digest)
{
	uint32_t *link = head, number = *head, age = 0;

	while (exact_has(exact, number) && exact->now - number > age) {
		struct exact_entry *entry = exact_at(exact, number);
		if (entry->digest == digest) {
			*link = entry->next;
			return number;
		}
		age = exact->now - number;
		link = &entry->next;
		number = *link;
	}
	return exact->now - exact->mask - 1; /* the one that the packet in hand overwrites */
}

static inline int64_t exact_minimum(const struct dedup_exact *exact, uint32_t place)
{
	return exact_at(exact, exact->minima[place & exact->mask])->time_ns;
}

/* The first place of the minima whose time is not before time_ns. */
static uint32_t exact_search(const struct dedup_exact *exact, int64_t time_ns)
{
	uint32_t low = exact->first, high = exact->after, place = exact->cursor;

	/* Times mostly grow by a little: it is near where the last search ended. Places go round. */
	if ((int32_t)(place - high) > 0)
		place = high;
	else if ((int32_t)(place - low) < 0)
		place = low;
	for (int step = 0; step < MINIMA_STEPS; step++) {
		if (place != high && exact_minimum(exact, place) < time_ns)
			low = ++place;
		else if (place != low && exact_minimum(exact, place - 1) >= time_ns)
			high = --place;
		else
			return place;
	}
	while (low != high) {
		uint32_t middle = low + (high - low) / 2;
		if (exact_minimum(exact, middle) < time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* How many packets back the window of a packet of this time goes: further back none is compared. */
static uint32_t exact_reach(struct dedup_exact *exact, int64_t time_ns)
{
	int64_t oldest;

	while (exact->first != exact->after && !exact_has(exact, exact->minima[exact->first & exact->mask]))
		exact->first++;
	if (__builtin_sub_overflow(time_ns, exact->window_ns, &oldest))
		oldest = INT64_MIN;
	exact->cursor = exact_search(exact, oldest);
	if (exact->cursor == exact->first)
		return exact->back;
	return exact->now - exact->minima[(exact->cursor - 1) & exact->mask] - 1;
}

/* By time: what the packet is a duplicate of, and what lies below it in the stack of its digest then. */
static const struct exact_entry *exact_match(struct dedup_exact *exact, uint32_t top, int64_t time_ns, uint32_t *below)
{
	const struct exact_entry *match = NULL;
	uint32_t reach = exact_reach(exact, time_ns), age = 0;

	while (exact_has(exact, top) && exact->now - top > age && exact_at(exact, top)->time_ns > time_ns) {
		age = exact->now - top;
		top = exact_at(exact, top)->below;
	}
	if (exact_has(exact, top) && exact->now - top > age) {
		if (exact->now - top <= reach)
			match = exact_at(exact, top);
	} else {
		top = exact->now - exact->mask - 1;
	}
	*below = top;
	return match;
}

static void exact_add_minimum(struct dedup_exact *exact, uint32_t number, int64_t time_ns)
{
	while (exact->first != exact->after && exact_minimum(exact, exact->after - 1) >= time_ns)
		exact->after--;
	exact->minima[exact->after++ & exact->mask] = number;
}

const struct exact_entry *dedup_exact_enter(struct dedup_exact *exact, uint64_t digest, const struct weir_packet *packet)
{
	const struct exact_entry *match = NULL;
	uint32_t *head = &exact->heads[digest >> exact->head_shift];
	uint32_t number = exact->now, top, below = 0;

	if (exact->window_ns && (packet->flags & WEIR_PACKET_NO_TIME))
		return NULL; /* as editcap: neither compared nor entered */
	top = exact_take(exact, head, digest);
	if (!exact->window_ns)
		match = exact_has(exact, top) ? exact_at(exact, top) : NULL;
	else
		match = exact_match(exact, top, packet->time_ns, &below);

	struct exact_entry *entry = exact_at(exact, number);
	/* What is overwritten is further back than any match: back is less than the ring is long. */
	if (exact->narrowed && exact->seen > exact->mask && dedup_delay(entry->time_ns, packet->time_ns) <= exact->window_ns)
		exact->forgotten++;
	if (exact->window_ns)
		exact_add_minimum(exact, number, packet->time_ns);
	*entry = (struct exact_entry){
		.digest = digest,
		.time_ns = packet->time_ns,
		.interface_id = packet->interface_id,
		.next = *head,
		.below = below,
	};
	*head = number;
	exact->now++;
	exact->seen++;
	return match;
}

/* ---- state ---- */

struct exact_record {
	uint64_t digest;
	int64_t time_ns;
	uint64_t interface_id;
};

int dedup_exact_save(const struct dedup_exact *exact, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t room = (uint64_t)exact->mask + 1, count = exact->seen < room ? exact->seen : room;
	uint64_t head[3] = {exact->seen, exact->forgotten, exact->ring ? count : 0};

	int error = weir_state_put(state, head, sizeof head, fault);
	for (uint64_t i = head[2]; i > 0 && !error; i--) {
		const struct exact_entry *entry = exact_at(exact, exact->now - (uint32_t)i);
		struct exact_record record = {entry->digest, entry->time_ns, entry->interface_id};
		error = weir_state_put(state, &record, sizeof record, fault);
	}
	return error;
}

int dedup_exact_load(struct dedup_exact *exact, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t head[3];

	int error = weir_state_get(state, head, sizeof head, fault);
	if (error)
		return error;
	if (head[2] > (exact->ring ? (uint64_t)exact->mask + 1 : 0) || head[2] > head[0])
		return weir_fail(fault, WEIR_E_FORMAT, "the state has more packets than the window of duplicates");
	for (uint64_t i = 0; i < head[2]; i++) {
		struct exact_record record;
		error = weir_state_get(state, &record, sizeof record, fault);
		if (error)
			return error;
		struct weir_packet packet = {.time_ns = record.time_ns, .interface_id = (uint32_t)record.interface_id};
		dedup_exact_enter(exact, record.digest, &packet);
	}
	exact->seen = head[0];
	exact->forgotten = head[1];
	return 0;
}
