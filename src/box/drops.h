/*
 * box/drops.h: packets that the stack dropped, by reason and place, as the net.drop provider of box/trace sees them; for who wants sums, not events.
 */
#ifndef BOX_DROPS_H
#define BOX_DROPS_H

#include <weir/error.h>
#include <weir/flow.h>

struct drop {
	char reason[48]; /* the kernel's name, without SKB_DROP_REASON_ */
	char place[64];  /* function that dropped it, "" when it can't be named */
	uint64_t packets;
	double rate;     /* a second, between the last two looks */
	int64_t last_ns; /* since the epoch; 0: not known */
	/* of the last: */
	uint8_t protocol;
	struct weir_ip source, destination; /* version 0: no IP */
	uint16_t source_port, destination_port;
};

/* The reason that all those have together for which there was no room among 2,048 reasons and places: last in the list, where there are any. */
#define DROP_OTHERS "others"

struct drops;
int drops_open(struct drops **drops, struct weir_fault *fault); /* WEIR_E_PERMISSION, WEIR_E_UNSUPPORTED: it says what is missing */
void drops_close(struct drops *drops);
int drops_refresh(struct drops *drops, struct weir_fault *fault);
const struct drop *drops_list(const struct drops *drops, size_t *count); /* most packets first; valid until the next refresh */

/* The first of a list into room for `most`, at least one; what is more becomes one row at the end, DROP_OTHERS. How many there are in out. */
size_t drops_fold(const struct drop *list, size_t count, struct drop *out, size_t most);

#endif
