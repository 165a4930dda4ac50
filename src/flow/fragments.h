/*
 * flow/fragments.h: which flow the later fragments of a datagram belong to.
 *
 * Only the first fragment has ports. What comes before it is added up until it does, or until the bound of datagrams or of time is reached: then it
 * belongs to a flow without ports.
 */
#ifndef FLOW_FRAGMENTS_H
#define FLOW_FRAGMENTS_H

#include <weir/state.h>

#include "flow/item.h"

#define FLOW_FRAGMENT_SETS 1024u
#define FLOW_FRAGMENT_WAYS 4u
#define FLOW_FRAGMENT_NS INT64_C(30000000000) /* RFC 8200, section 4.5 gives up after 60 s, most systems after 30 */

/* A datagram. */
struct flow_datagram {
	struct flow_key key;    /* once the first fragment was there: the flow's; before: without ports */
	uint64_t hash;
	int64_t began_ns;
	uint32_t id;
	uint8_t bits;           /* FLOW_ITEM_HIGH: who sent it */
	uint8_t used, first_seen, has_waiting;
	/* Of what waits for the first fragment. */
	uint32_t packets, duplicates;
	uint64_t wire_bytes, ip_bytes, captured_bytes, vantages;
	int64_t first_ns, last_ns;
	uint8_t ttl_min, ttl_max, dscp, vantage;
	uint8_t reserved[4];
};

struct flow_fragments {
	struct flow_datagram *datagrams; /* FLOW_FRAGMENT_SETS of FLOW_FRAGMENT_WAYS */
	uint32_t waiting;                /* datagrams that something waits in */
};

int flow_fragments_init(struct flow_fragments *fragments, struct weir_fault *fault);
void flow_fragments_free(struct flow_fragments *fragments);

/* What is to be done with a fragment. */
enum flow_fragment_answer {
	FLOW_FRAGMENT_COUNT, /* count it: key and hash of the item are its flow's */
	FLOW_FRAGMENT_WAITS, /* it was taken */
};

/*
 * A fragment came. *given receives what waited and now has to be counted: as of the item's flow when it is of the same datagram
 * (FLOW_FRAGMENT_COUNT and given->first_seen), otherwise as of the flow given->key (its place was needed); given->packets and duplicates 0:
 * nothing.
 */
enum flow_fragment_answer flow_fragments_take(struct flow_fragments *fragments, struct flow_item *item,
                                              struct flow_datagram *given);

/*
 * Takes out one datagram that waits for longer than the bound at now_ns (all: whatever its age), from *at on, which begins at 0.
 * False: there is none any more.
 */
bool flow_fragments_late(struct flow_fragments *fragments, int64_t now_ns, bool all, uint32_t *at, struct flow_datagram *given);

int flow_fragments_save(const struct flow_fragments *fragments, struct weir_state *state, struct weir_fault *fault);
int flow_fragments_load(struct flow_fragments *fragments, struct weir_state *state, struct weir_fault *fault);

#endif
