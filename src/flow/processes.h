/*
 * flow/processes.h: the processes that flows belong to, each kept once and numbered: pid, user's name and executable.
 */
#ifndef FLOW_PROCESSES_H
#define FLOW_PROCESSES_H

#include <weir/state.h>

#include "flow/intern.h"

#define FLOW_PROCESSES_BYTES (16u << 20) /* of different ones that are kept */
#define FLOW_PROCESS_BYTES (256u + 4096u) /* the most that the strings of one take */

struct flow_processes {
	struct intern known;
};

void flow_processes_free(struct flow_processes *processes);

int flow_processes_save(const struct flow_processes *processes, struct weir_state *state, struct weir_fault *fault);
int flow_processes_load(struct flow_processes *processes, struct weir_state *state, struct weir_fault *fault);

#endif
