/*
 * flow/vantages.h: the vantage points of a run, numbered: flows keep a bit for each that saw them.
 *
 * A vantage is named by its interface: node and name, or what there is of the two. Interfaces of the same name are one.
 */
#ifndef FLOW_VANTAGES_H
#define FLOW_VANTAGES_H

#include <weir/packet.h>
#include <weir/state.h>

#define FLOW_VANTAGES_MAX 64u     /* the last stands for all that found no number */
#define FLOW_VANTAGE_NAME 128u
#define FLOW_VANTAGE_NOBODY (FLOW_VANTAGES_MAX - 1) /* of an interface that nobody described */

struct flow_vantages {
	uint8_t *of_interface;       /* interface_id → number, for those that are known */
	uint32_t interfaces, room;
	const struct weir_interface *first; /* of the source that they are of */
	uint32_t count;
	uint8_t order[FLOW_VANTAGES_MAX]; /* numbers in order of their names */
	char names[FLOW_VANTAGES_MAX][FLOW_VANTAGE_NAME];
};

void flow_vantages_free(struct flow_vantages *vantages);

/* Gets to know all interfaces of the batch. */
int flow_vantages_learn(struct flow_vantages *vantages, const struct weir_batch *batch, struct weir_fault *fault);

/* The number of an interface's vantage. */
static inline uint8_t flow_vantage_of(const struct flow_vantages *vantages, uint32_t interface_id)
{
	return interface_id < vantages->interfaces ? vantages->of_interface[interface_id] : FLOW_VANTAGE_NOBODY;
}

/* Writes the names of a set, sorted, joined by ','. At most size bytes, no zero behind them; the length. */
size_t flow_vantages_write(const struct flow_vantages *vantages, uint64_t set, char *text, size_t size);

int flow_vantages_save(const struct flow_vantages *vantages, struct weir_state *state, struct weir_fault *fault);
int flow_vantages_load(struct flow_vantages *vantages, struct weir_state *state, struct weir_fault *fault);

#endif
