/* The processes of flows: flow/processes.h, weir/process.h. */
#include <weir/process.h>

#include "flow/stage.h"

/* A process as it is kept: pid, length of the user's name, that, and the path of the executable, which takes the rest. */
#define HEAD_BYTES 5u
#define KEPT_MOST (HEAD_BYTES + 255u + 4096u)
_Static_assert(KEPT_MOST <= HEAD_BYTES + FLOW_PROCESS_BYTES, "its strings fit into a record's text");

void flow_processes_free(struct flow_processes *processes) { intern_free(&processes->known); }

/* The process's number + 1; 0: there is no room for another one. */
static uint32_t number_of(struct flow_processes *processes, const struct weir_process *process)
{
	uint8_t kept[KEPT_MOST];
	size_t user = process->user.length <= 255 ? process->user.length : 0;
	size_t path = process->executable.length <= 4096 ? process->executable.length : 0;

	weir_store_le32(kept, process->pid);
	kept[4] = (uint8_t)user;
	if (user)
		memcpy(kept + HEAD_BYTES, process->user.data, user);
	if (path)
		memcpy(kept + HEAD_BYTES + user, process->executable.data, path);
	if (intern_memory(&processes->known) > FLOW_PROCESSES_BYTES)
		return 0;
	uint32_t number = intern_number(&processes->known, kept, HEAD_BYTES + user + path);
	return number == INTERN_FULL ? 0 : number + 1;
}

void flow_process_packet(struct flow_stage *stage, const struct flow_item *item)
{
	struct flow_hot *hot = &stage->table.hot[item->entry];
	unsigned source = item->bits & FLOW_ITEM_HIGH ? 1 : 0;
	struct weir_packet_processes said;

	if (!weir_packet_process(stage->batch, item->packet, &said))
		return;
	for (unsigned side = 0; side < 2; side++) {
		const struct weir_process *process = side == source ? &said.source : &said.destination;
		uint16_t bit = side ? FLOW_PROCESS_HIGH : FLOW_PROCESS_LOW;
		if (!process->pid || (hot->state & bit))
			continue;
		uint32_t number = number_of(&stage->processes, process);
		if (!number)
			continue;
		if (!(hot->state & FLOW_PROCESSES))
			stage->table.processes[item->entry] = (struct flow_process){{0, 0}};
		stage->table.processes[item->entry].number[side] = number;
		hot->state |= bit;
	}
}

static struct weir_bytes copied(struct flow_stage *stage, const uint8_t *bytes, size_t length)
{
	uint8_t *to = (uint8_t *)stage->text + stage->text_used;

	if (length == 0)
		return (struct weir_bytes){NULL, 0};
	memcpy(to, bytes, length);
	stage->text_used += (uint32_t)length;
	return (struct weir_bytes){to, length};
}

static void describe(struct flow_stage *stage, uint32_t number, uint32_t *pid, struct weir_bytes *executable, struct weir_bytes *user)
{
	if (number == 0 || number > stage->processes.known.count)
		return;
	struct weir_bytes kept = intern_bytes(&stage->processes.known, number - 1);
	*pid = weir_load_le32(kept.data);
	*user = copied(stage, kept.data + HEAD_BYTES, kept.data[4]);
	*executable = copied(stage, kept.data + HEAD_BYTES + kept.data[4], kept.length - HEAD_BYTES - kept.data[4]);
}

void flow_process_record(struct flow_stage *stage, uint32_t entry, struct weir_flow *record)
{
	const struct flow_hot *hot = &stage->table.hot[entry];
	const struct flow_process *process = &stage->table.processes[entry];
	unsigned source = hot->state & FLOW_SOURCE_IS_HIGH ? 1 : 0;

	describe(stage, process->number[source], &record->process_id, &record->process_executable, &record->process_user);
	describe(stage, process->number[!source], &record->reverse_process_id, &record->reverse_process_executable, &record->reverse_process_user);
}

/* ---- from one part of a run to the next ---- */

int flow_processes_save(const struct flow_processes *processes, struct weir_state *state, struct weir_fault *fault)
{
	uint32_t count = processes->known.count;
	int error = weir_state_put(state, &count, sizeof count, fault);

	for (uint32_t i = 0; i < count && !error; i++) {
		struct weir_bytes kept = intern_bytes(&processes->known, i);
		uint32_t length = (uint32_t)kept.length;
		error = weir_state_put(state, &length, sizeof length, fault);
		if (!error)
			error = weir_state_put(state, kept.data, length, fault);
	}
	return error;
}

int flow_processes_load(struct flow_processes *processes, struct weir_state *state, struct weir_fault *fault)
{
	uint8_t kept[KEPT_MOST];
	uint32_t count, length;
	int error = weir_state_get(state, &count, sizeof count, fault);

	for (uint32_t i = 0; i < count && !error; i++) {
		error = weir_state_get(state, &length, sizeof length, fault);
		if (!error && (length < HEAD_BYTES || length > sizeof kept))
			return weir_fail(fault, WEIR_E_FORMAT, "the saved processes of flows are not sound: start the run anew");
		if (!error)
			error = weir_state_get(state, kept, length, fault);
		if (!error && length < HEAD_BYTES + kept[4])
			return weir_fail(fault, WEIR_E_FORMAT, "the saved processes of flows are not sound: start the run anew");
		/* Numbers that name none are not known: nothing depends on them. */
		if (!error && intern_number(&processes->known, kept, length) == INTERN_FULL)
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for the processes of flows");
	}
	return error;
}
