/* Relative TCP sequence numbers: packet/sequences.h. */
#include <stdlib.h>

#include "packet/sequences.h"

#define SETS 65536u
#define WAYS 4u

/* A set is a cache line: one miss a packet. */
struct connection {
	uint64_t flow;
	uint32_t sequence;       /* first of the direction that is not reversed */
	uint32_t acknowledgment; /* … of the other */
};

struct sequences {
	struct connection connections[SETS][WAYS];
	uint8_t oldest[SETS];
};

struct sequences *sequences_new(void)
{
	return calloc(1, sizeof(struct sequences));
}

void sequences_free(struct sequences *sequences)
{
	free(sequences);
}

void sequences_relate(struct sequences *sequences, uint64_t flow, bool reversed, bool begin, uint32_t *sequence,
                      uint32_t *acknowledgment, uint32_t bases[2])
{
	uint32_t set = (uint32_t)(flow >> 40) % SETS;
	struct connection *found = NULL;

	for (unsigned i = 0; i < WAYS; i++)
		if (sequences->connections[set][i].flow == flow)
			found = &sequences->connections[set][i];
	bool fresh = !found || begin;
	if (!found) {
		found = &sequences->connections[set][sequences->oldest[set]];
		sequences->oldest[set] = (uint8_t)((sequences->oldest[set] + 1) % WAYS);
		found->flow = flow;
	}
	if (fresh) {
		/* The first packet's own numbers stand as they are; its acknowledgment is of the byte after the other side's first. */
		found->sequence = reversed ? *acknowledgment - 1 : *sequence;
		found->acknowledgment = reversed ? *sequence : *acknowledgment - 1;
	} else {
		*sequence -= reversed ? found->acknowledgment : found->sequence;
		*acknowledgment -= reversed ? found->sequence : found->acknowledgment;
	}
	bases[0] = found->sequence;
	bases[1] = found->acknowledgment;
}
