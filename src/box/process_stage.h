/*
 * box/process_stage.h: a stage that finds out which process of this box each packet of a live capture belongs to, and adds that to the packet's options
 * (weir/process.h). docs/process.md says how, and what stays unknown.
 */
#ifndef BOX_PROCESS_STAGE_H
#define BOX_PROCESS_STAGE_H

#include <weir/pipeline.h>

#include "box/owners.h"

/* Who knows the sockets. Functions as those of box/owners.h. */
struct process_lookup {
	void (*catch_up)(void *context);
	void (*begin)(void *context);
	bool (*find)(void *context, const struct owner_tuple *tuple, int64_t time_ns, struct weir_process *process);
	void (*end)(void *context);
	void *context; /* stays the caller's */
};

struct process_lookup process_lookup_of(struct owners *owners);

/* Wants facts. Each stage is used by one thread at a time; several may share the lookup. Whatever it asks of the system it asks here. */
int process_stage_new(const struct process_lookup *lookup, struct weir_stage **stage, struct weir_fault *fault);

struct process_stage_statistics {
	uint64_t packets;
	uint64_t local; /* of them, with an address of this box */
	uint64_t known; /* of those, with a process */
};
void process_stage_statistics(const struct weir_stage *stage, struct process_stage_statistics *statistics);

#endif
