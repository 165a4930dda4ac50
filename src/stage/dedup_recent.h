/*
 * stage/dedup_recent.h: exact duplicates in small windows by count, of all packets or of each interface.
 *
 * A packet is compared with the few before it. Halves of their digests stand side by side, so that all are compared in a few instructions; where one is the same, the packets
 * themselves are, byte by byte. So it does not matter what the digest is of, as long as it is the same for the same bytes: it need not be of all of them.
 *
 * Packets are reached where they are, in the batch. Of those that the next batch's are to be compared with a hash of 128 bits over all bytes is kept: a few of a batch.
 * So nothing is copied, a state says all, and what is a duplicate depends neither on the digest nor on where batches end, but for two packets in 2^128.
 */
#ifndef STAGE_DEDUP_RECENT_H
#define STAGE_DEDUP_RECENT_H

#include "core/xxh3.h"
#include "stage/dedup.h"

#define RECENT_MOST 8 /* packets before it that a packet is compared with */

/* The packets before the one in hand, of one interface or all: a cache line. The next one's place is the remainder of `seen`. */
struct recent_port {
	uint32_t halves[RECENT_MOST];
	uint16_t places[RECENT_MOST]; /* in the batch, from 1; 0: it is of an earlier one */
	uint64_t seen;
	uint64_t batch; /* the last one that it had packets of */
};
_Static_assert(sizeof(struct recent_port) == 64 && WEIR_BATCH_PACKETS < UINT16_MAX, "as told above");

/* A packet of an earlier batch. */
struct recent_kept {
	uint64_t whole[2]; /* over all bytes */
	int64_t time_ns;
	uint32_t interface_id, captured;
};

struct dedup_recent {
	struct recent_port *ports; /* by the low bits of the interface; NULL: the window is not of this kind */
	struct recent_kept *kept;  /* RECENT_MOST a port */
	uint32_t mask;             /* of interfaces; 0: they are not told apart */
	uint32_t before;           /* how many packets before it a packet is compared with: 1 … RECENT_MOST */
	bool each_interface;
	struct xxh3_key key;      /* of `whole` */
	struct exact_entry found; /* what the caller is given */
	uint64_t batch;           /* the one in hand, from 1 */
	uint32_t touched_count;   /* ports with packets of it */
	uint16_t touched[WEIR_BATCH_PACKETS];
};

/* Whether the window is one of these. */
static inline bool dedup_is_recent(const struct weir_dedup_options *options)
{
	return options->window > 1 && options->window - 1 <= RECENT_MOST;
}

/* Takes at most half of *memory_bytes, and subtracts what it takes. */
int dedup_recent_open(struct dedup_recent *recent, const struct weir_dedup_options *options, uint64_t *memory_bytes,
                      struct weir_fault *fault);
void dedup_recent_close(struct dedup_recent *recent);

/* To be called at the end of a batch, whose packets can't be reached any more then. */
void dedup_recent_leave(struct dedup_recent *recent, const struct weir_batch *batch);

/* Between batches. */
int dedup_recent_save(const struct dedup_recent *recent, struct weir_state *state, struct weir_fault *fault);
int dedup_recent_load(struct dedup_recent *recent, struct weir_state *state, struct weir_fault *fault);

/* The newest of the packets before that is the same, of those that have this half; NULL when there is none. */
const struct exact_entry *dedup_recent_find(struct dedup_recent *recent, const struct weir_batch *batch,
                                            const struct weir_packet *packet, uint32_t half);

static inline bool dedup_recent_has_half(const struct recent_port *port, uint32_t half)
{
	typedef uint32_t quarters __attribute__((vector_size(16)));
	typedef uint64_t halves __attribute__((vector_size(16)));
	_Static_assert(sizeof port->halves == 2 * sizeof(quarters), "two vectors");
	quarters all = {half, half, half, half}, first, second;

	memcpy(&first, port->halves, sizeof first);
	memcpy(&second, port->halves + 4, sizeof second);
	halves same = (halves)((first == all) | (second == all));
	return (same[0] | same[1]) != 0;
}

/*
 * Enters a packet of the batch, whose place in it is told, from 1. What it is a duplicate of, NULL when there is nothing; valid until the next.
 */
static inline const struct exact_entry *dedup_recent_enter(struct dedup_recent *recent, const struct weir_batch *batch,
                                                           const struct weir_packet *packet, uint32_t place)
{
	uint32_t at = packet->interface_id & recent->mask;
	struct recent_port *port = &recent->ports[at];
	/* Of both: where the digest is an identity its low bits alone, or the high ones, are often those of another packet of the flow. */
	uint32_t half = (uint32_t)(packet->facts->digest ^ packet->facts->digest >> 32);
	uint64_t next = port->seen % RECENT_MOST;
	const struct exact_entry *match = NULL;

	if (__builtin_expect(dedup_recent_has_half(port, half), 0))
		match = dedup_recent_find(recent, batch, packet, half);
	if (__builtin_expect(port->batch != recent->batch, 0)) {
		recent->touched[recent->touched_count++] = (uint16_t)at;
		port->batch = recent->batch;
	}
	port->halves[next] = half;
	port->places[next] = (uint16_t)place;
	port->seen++;
	return match;
}

#endif
