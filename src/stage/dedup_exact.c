/*
 * Exact duplicates: weir/stage.h, stage/dedup.h.
 *
 * By count, the newest entry of a digest is all that matters: a new one takes its place in the chain.
 *
 * By time, editcap goes back from the packet in hand, over packets that are later than it, to the first that is older than the window allows: the *boundary*. In a
 * file in order of time that is where the window begins; in others it has to be found:
 *   - The boundary for a time x is the newest packet before x. Of all packets only those can be it that are before every newer one: the suffix minima, which
 *     are a queue whose times grow from old to new. A new packet throws those out at the new end that are not before it; bisecting finds the boundary.
 *   - In the chain, entries behind the boundary need not be looked at, nor fetched from memory. An entry of the same digest that is later than the packet is
 *     passed over and taken out: whatever it could be found by will find this packet first.
 * So the cost is that of a few steps a packet, whatever the order of times.
 *
 * The ring has a million entries in case that times go far back; but the table of heads begins small, so that it stays in the caches, and grows with how many packets the
 * window really has: what is older makes chains longer only where none walks.
 */
#include <stdlib.h>
#include <string.h>

#include "stage/dedup.h"

#define LEAST_HEAD_BITS 13
#define MINIMA_STEPS 4 /* from the cursor, before the search bisects */

static inline bool exact_has(const struct dedup_exact *exact, uint32_t number)
{
	return exact->now - number - 1 < exact->back; /* 1 … back packets ago */
}

static inline struct exact_entry *exact_at(const struct dedup_exact *exact, uint32_t number)
{
	return &exact->ring[number & exact->mask];
}

/* How many bytes rings of 2^bits entries take: an entry, two heads, and a minimum or an order. */
static uint64_t exact_bytes(unsigned bits)
{
	return (UINT64_C(1) << bits) * (sizeof(struct exact_entry) + 3 * sizeof(uint32_t));
}

/* How many packets are to be remembered. */
static uint32_t exact_wanted(const struct weir_dedup_options *options)
{
	if (options->window_ns)
		return EXACT_MOST;
	if (!options->each_interface || options->window == 0)
		return options->window;
	uint32_t all = options->window < EXACT_MOST / 64 ? 64 * options->window : 1u << 20;
	return all < 4096 ? 4096 : all;
}

int dedup_exact_open(struct dedup_exact *exact, const struct weir_dedup_options *options, uint64_t *memory_bytes, struct weir_fault *fault)
{
	bool by_time = options->window_ns != 0, by_port = options->each_interface && !by_time;
	uint32_t window = exact_wanted(options);
	unsigned bits = 4;

	if (window == 0)
		return 0;
	while ((1u << bits) < window)
		bits++;
	if (!by_time && exact_bytes(bits) > *memory_bytes)
		return weir_fail(fault, WEIR_E_LIMIT, "a window of %u packets needs %llu bytes of memory", options->window,
		                 (unsigned long long)exact_bytes(bits));
	while (bits > 4 && exact_bytes(bits) > *memory_bytes)
		bits--;
	exact->narrowed = (1u << bits) < window;
	exact->mask = (1u << bits) - 1;
	exact->most_head_bits = bits + 1;
	exact->head_bits = by_time && bits + 1 > LEAST_HEAD_BITS ? LEAST_HEAD_BITS : bits + 1;
	exact->head_shift = 64 - exact->head_bits;
	exact->back = (exact->narrowed || by_port ? 1u << bits : window) - 1;
	exact->reach = exact->back;
	exact->window = options->window;
	exact->window_ns = options->window_ns;
	/* As if the ring had gone round once: the zeros in heads are too far back. */
	exact->now = 1u << bits;
	/* Large ones are zero pages that cost nothing until they are used. */
	exact->ring = calloc((size_t)1 << bits, sizeof *exact->ring);
	exact->heads = calloc((size_t)2 << bits, sizeof *exact->heads);
	exact->minima = by_time ? calloc((size_t)1 << bits, sizeof *exact->minima) : NULL;
	exact->orders = by_port ? calloc((size_t)1 << bits, sizeof *exact->orders) : NULL;
	exact->ports = by_port ? calloc(EXACT_PORTS, sizeof *exact->ports) : NULL;
	if (!exact->ring || !exact->heads || (by_time && !exact->minima) || (by_port && (!exact->orders || !exact->ports)))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the window of duplicates");
	uint64_t taken = exact_bytes(bits);
	*memory_bytes -= taken < *memory_bytes ? taken : *memory_bytes;
	return 0;
}

void dedup_exact_close(struct dedup_exact *exact)
{
	free(exact->ring);
	free(exact->heads);
	free(exact->minima);
	free(exact->orders);
	free(exact->ports);
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

/*
 * The newest entry of this digest not more than `reach` packets back, NULL when there is none. The entry, or by time what is later than time_ns, is taken out of
 * the chain.
 */
static inline struct exact_entry *exact_find(struct dedup_exact *exact, uint32_t *head, uint64_t digest, uint32_t reach, bool by_time, int64_t time_ns)
{
	uint32_t *link = head, age = 0;

	for (;;) {
		uint32_t number = *link, its_age = exact->now - number;
		if (its_age - 1 >= reach || its_age <= age)
			return NULL;
		age = its_age;
		struct exact_entry *entry = exact_at(exact, number);
		if (entry->digest != digest) {
			link = &entry->next;
			continue;
		}
		if (by_time && entry->time_ns <= time_ns)
			return entry;
		*link = entry->next;
		if (!by_time)
			return entry;
	}
}

static void exact_add_minimum(struct dedup_exact *exact, uint32_t number, int64_t time_ns)
{
	while (exact->first != exact->after && exact_minimum(exact, exact->after - 1) >= time_ns)
		exact->after--;
	exact->minima[exact->after++ & exact->mask] = number;
}

/* What is overwritten is further back than any match: none reaches as far as the ring is long. */
static inline void exact_put(struct dedup_exact *exact, uint32_t *head, uint64_t digest, const struct weir_packet *packet)
{
	*exact_at(exact, exact->now) = (struct exact_entry){
		.digest = digest,
		.time_ns = packet->time_ns,
		.interface_id = packet->interface_id,
		.next = *head,
	};
	*head = exact->now++;
	exact->seen++;
}

/* More heads, and all chains anew. Entries that were taken out of theirs come back, which does no harm: newer ones stand before them. */
static void exact_grow(struct dedup_exact *exact, uint32_t reach)
{
	uint64_t room = (uint64_t)exact->mask + 1;
	uint32_t count = (uint32_t)(exact->seen < room ? exact->seen : room);

	memset(exact->heads, 0, ((size_t)1 << exact->head_bits) * sizeof *exact->heads);
	while (exact->head_bits < exact->most_head_bits && reach > 1u << (exact->head_bits - 1))
		exact->head_bits++;
	exact->head_shift = 64 - exact->head_bits;
	for (uint32_t i = count; i > 0; i--) {
		uint32_t number = exact->now - i;
		struct exact_entry *entry = exact_at(exact, number);
		uint32_t *head = &exact->heads[entry->digest >> exact->head_shift];
		entry->next = *head;
		*head = number;
	}
}

static const struct exact_entry *exact_enter_by_time(struct dedup_exact *exact, uint64_t digest, const struct weir_packet *packet)
{
	if (packet->flags & WEIR_PACKET_NO_TIME)
		return NULL; /* as editcap: neither compared nor entered */
	exact->reach = exact_reach(exact, packet->time_ns);
	/* Until the ring is full a file without a boundary reaches back to its beginning. */
	uint32_t reach = exact->reach < exact->seen ? exact->reach : (uint32_t)exact->seen;
	if (reach > 1u << (exact->head_bits - 1) && exact->head_bits < exact->most_head_bits)
		exact_grow(exact, 4 * (uint64_t)reach < exact->mask ? 4 * reach : exact->mask);
	uint32_t *head = &exact->heads[digest >> exact->head_shift];
	const struct exact_entry *match = exact_find(exact, head, digest, exact->reach, true, packet->time_ns);
	if (exact->narrowed && exact->seen > exact->mask && dedup_delay(exact_at(exact, exact->now)->time_ns, packet->time_ns) <= exact->window_ns)
		exact->forgotten++;
	exact_add_minimum(exact, exact->now, packet->time_ns);
	exact_put(exact, head, digest, packet);
	return match;
}

static inline uint32_t *exact_port(const struct dedup_exact *exact, uint32_t interface_id)
{
	return &exact->ports[interface_id & (EXACT_PORTS - 1)];
}

static void exact_put_by_port(struct dedup_exact *exact, uint32_t *head, uint64_t digest, const struct weir_packet *packet, uint32_t order)
{
	uint32_t slot = exact->now & exact->mask;

	/* An interface that sees little may lose its packets to those of the others. */
	if (exact->seen > exact->mask && *exact_port(exact, exact->ring[slot].interface_id) - exact->orders[slot] < exact->window - 1)
		exact->forgotten++;
	exact->orders[slot] = order;
	exact_put(exact, head, digest, packet);
}

/* The digest is another for each interface. */
static const struct exact_entry *exact_enter_by_port(struct dedup_exact *exact, uint32_t *head, uint64_t digest, const struct weir_packet *packet)
{
	uint32_t order = ++*exact_port(exact, packet->interface_id);
	const struct exact_entry *match = exact_find(exact, head, digest, exact->back, false, 0);

	if (match && order - exact->orders[match - exact->ring] >= exact->window)
		match = NULL;
	exact_put_by_port(exact, head, digest, packet, order);
	return match;
}

const struct exact_entry *dedup_exact_enter(struct dedup_exact *exact, uint64_t digest, const struct weir_packet *packet)
{
	if (exact->window_ns)
		return exact_enter_by_time(exact, digest, packet);
	uint32_t *head = &exact->heads[digest >> exact->head_shift];
	if (exact->ports)
		return exact_enter_by_port(exact, head, digest, packet);
	const struct exact_entry *match = exact_find(exact, head, digest, exact->back, false, 0);
	exact_put(exact, head, digest, packet);
	return match;
}

/* ---- state ---- */

struct exact_record {
	uint64_t digest;
	int64_t time_ns;
	uint32_t interface_id, order;
};

/* How many of the counts of interfaces are to be saved. */
static uint64_t exact_ports_used(const struct dedup_exact *exact)
{
	uint64_t used = exact->ports ? EXACT_PORTS : 0;

	while (used > 0 && exact->ports[used - 1] == 0)
		used--;
	return used;
}

int dedup_exact_save(const struct dedup_exact *exact, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t room = (uint64_t)exact->mask + 1, count = exact->seen < room ? exact->seen : room;
	uint64_t head[4] = {exact->seen, exact->forgotten, exact->ring ? count : 0, exact_ports_used(exact)};

	int error = weir_state_put(state, head, sizeof head, fault);
	if (!error && head[3])
		error = weir_state_put(state, exact->ports, head[3] * sizeof *exact->ports, fault);
	for (uint64_t i = head[2]; i > 0 && !error; i--) {
		uint32_t slot = (exact->now - (uint32_t)i) & exact->mask;
		const struct exact_entry *entry = &exact->ring[slot];
		struct exact_record record = {entry->digest, entry->time_ns, entry->interface_id, exact->orders ? exact->orders[slot] : 0};
		error = weir_state_put(state, &record, sizeof record, fault);
	}
	return error;
}

/* Enters the entries again, in their order: which makes the same chains. */
static int exact_load_entries(struct dedup_exact *exact, uint64_t count, struct weir_state *state, struct weir_fault *fault)
{
	for (uint64_t i = 0; i < count; i++) {
		struct exact_record record;
		int error = weir_state_get(state, &record, sizeof record, fault);
		if (error)
			return error;
		struct weir_packet packet = {.time_ns = record.time_ns, .interface_id = record.interface_id};
		uint32_t *head = &exact->heads[record.digest >> exact->head_shift];
		if (exact->ports) {
			exact_find(exact, head, record.digest, exact->back, false, 0);
			exact_put_by_port(exact, head, record.digest, &packet, record.order);
		} else {
			dedup_exact_enter(exact, record.digest, &packet);
		}
	}
	return 0;
}

int dedup_exact_load(struct dedup_exact *exact, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t head[4];

	int error = weir_state_get(state, head, sizeof head, fault);
	if (error)
		return error;
	if (head[2] > (exact->ring ? (uint64_t)exact->mask + 1 : 0) || head[2] > head[0] || head[3] > (exact->ports ? EXACT_PORTS : 0))
		return weir_fail(fault, WEIR_E_FORMAT, "the state has more packets than the window of duplicates");
	if (head[3])
		error = weir_state_get(state, exact->ports, head[3] * sizeof *exact->ports, fault);
	error = error ? error : exact_load_entries(exact, head[2], state, fault);
	exact->seen = head[0];
	exact->forgotten = head[1];
	return error;
}
