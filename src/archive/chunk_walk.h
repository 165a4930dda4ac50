/*
 * archive/chunk_walk.h: the packets of one chunk that stands in memory.
 *
 * A lean walk for a section whose interfaces are known beforehand (from the index's prologue). Every length is checked;
 * nothing outside of the chunk is read.
 */
#ifndef ARCHIVE_CHUNK_WALK_H
#define ARCHIVE_CHUNK_WALK_H

#include <weir/packet.h>

/* What the walk needs of an interface, in 24 bytes, apart from the rest. */
struct walk_interface {
	uint64_t multiplier; /* ticks × multiplier = ns, for ticks up to ticks_most; 0: weir_interface_time is needed */
	uint64_t ticks_most;
	uint32_t number;     /* given to packets as interface_id */
	uint16_t linktype;
	const struct weir_interface *interface;
};

struct walk_interface walk_interface_of(const struct weir_interface *interface, uint32_t number);

struct chunk_walk {
	const uint8_t *begin, *at, *end;
	const struct walk_interface *interfaces;
	uint32_t interface_count;
	bool big;
	uint64_t behind; /* bytes of the chunk that follow `end` and are not in memory */
	int64_t last_ns; /* time of the packet before, for packets without one: begin with the chunk's first */
};

/*
 * The next packet: 1; 0 at the end; WALK_MORE when the block at walk->at goes on behind `end`; WEIR_E_FORMAT where no sound block stands: walk->at is there. Fills data, lengths, times, linktype,
 * interface_id (walk_interface's number), flags and block.
 */
#define WALK_MORE 2
int chunk_walk_next(struct chunk_walk *walk, struct weir_packet *packet);

/* The next packets, up to `most` of them: how many. *last is what chunk_walk_next gave behind them, or 1 when there may be more. */
uint32_t chunk_walk_some(struct chunk_walk *walk, struct weir_packet *packets, uint32_t most, int *last);

#endif
