/*
 * The flow stage: packets in, records out. Here are its options and its batches: stage_packets.c counts a batch's packets, stage_life.c begins and ends flows,
 * stage_timers.c looks at those that were silent.
 */
#include <stdlib.h>

#include "flow/stage.h"

#define MEMORY_DEFAULT (UINT64_C(512) << 20)
#define LINGER_NS INT64_C(5000000000)
#define TICKS_A_TIMEOUT 256
#define TICK_LEAST_NS 1000000

static int process(struct weir_stage *generic, struct weir_batch *batch, struct weir_fault *fault)
{
	struct flow_stage *stage = (struct flow_stage *)generic;
	int error = stage->options.items_taken ? 0 : flow_items_take(batch, NULL, fault);

	stage->batch = batch;
	if (!error)
		error = flow_vantages_learn(&stage->vantages, batch, fault);
	if (!error)
		error = flow_take_items(stage, batch->items, fault);
	int flushed = flow_records_flush(stage, error ? NULL : fault);
	return error ? error : flushed;
}

static void close_stage(struct weir_stage *generic)
{
	struct flow_stage *stage = (struct flow_stage *)generic;

	flow_table_free(&stage->table);
	flow_wheel_free(&stage->wheel);
	flow_fragments_free(&stage->fragments);
	flow_vantages_free(&stage->vantages);
	flow_processes_free(&stage->processes);
	free(stage->pending);
	free(stage->text);
	free(stage);
}

static const struct weir_stage_ops flow_stage = {
	.name = "flow",
	.process = process,
	.close = close_stage,
	.save = flow_stage_save,
	.load = flow_stage_load,
};

int weir_flow_stage_new(const struct weir_flow_options *options, struct weir_stage **stage, struct weir_fault *fault)
{
	struct flow_stage *made = calloc(1, sizeof *made);

	*stage = NULL;
	if (options->idle_ns < 0 || options->active_ns < 0 || !options->sink) {
		free(made);
		return weir_fail(fault, WEIR_E_USAGE, "flows need timeouts of 0 or more, and a place to go to");
	}
	if (!made)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for flows");
	made->stage.ops = &flow_stage;
	made->options = *options;
	if (!made->options.memory_bytes)
		made->options.memory_bytes = MEMORY_DEFAULT;
	made->linger_ns = options->idle_ns && options->idle_ns < LINGER_NS ? options->idle_ns : LINGER_NS;
	made->back_ns = INT64_MIN;
	made->quiet_ns = (uint64_t)made->linger_ns; /* never longer than the idle timeout */
	made->active_ns = options->active_ns ? (uint64_t)options->active_ns : UINT64_MAX;
	int64_t timeout = options->idle_ns ? options->idle_ns : made->linger_ns, tick = timeout / TICKS_A_TIMEOUT;
	int error = flow_table_init(&made->table, made->options.memory_bytes, fault);
	if (!error)
		error = flow_wheel_init(&made->wheel, made->table.capacity, tick < TICK_LEAST_NS ? TICK_LEAST_NS : tick, fault);
	if (!error)
		error = flow_fragments_init(&made->fragments, fault);
	made->pending = malloc(FLOW_RECORDS_PENDING * sizeof *made->pending);
	made->text = malloc(FLOW_TEXT_BYTES);
	if (!error && (!made->pending || !made->text))
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for flows");
	if (error) {
		close_stage(&made->stage);
		return error;
	}
	*stage = &made->stage;
	return 0;
}

void weir_flow_stage_statistics(const struct weir_stage *generic, struct weir_flow_statistics *statistics)
{
	const struct flow_stage *stage = (const struct flow_stage *)generic;

	*statistics = stage->statistics;
	statistics->active = stage->table.used;
	statistics->memory_bytes = flow_table_bytes(&stage->table) + stage->wheel.touched * sizeof *stage->wheel.blocks +
	                           sizeof *stage->fragments.datagrams * FLOW_FRAGMENT_SETS * FLOW_FRAGMENT_WAYS +
	                           FLOW_RECORDS_PENDING * sizeof *stage->pending + FLOW_TEXT_BYTES;
}

void weir_flow_stage_sink(struct weir_stage *generic, struct weir_flow_sink *sink)
{
	/* Between batches nothing is pending. */
	((struct flow_stage *)generic)->options.sink = sink;
}

int weir_flow_stage_end(struct weir_stage *generic, struct weir_fault *fault)
{
	struct flow_stage *stage = (struct flow_stage *)generic;
	struct flow_datagram given;
	uint32_t at = 0;
	int error = 0;

	while (!error && flow_fragments_late(&stage->fragments, 0, true, &at, &given))
		error = flow_count_waiting(stage, &given, FLOW_NONE, fault);
	for (uint32_t i = 0; !error && i < stage->table.touched; i++) {
		uint16_t state = stage->table.hot[i].state;
		if (state & FLOW_USED)
			error = flow_end(stage, i, state & FLOW_FINISHED ? WEIR_FLOW_FINISHED : WEIR_FLOW_FORCED, fault);
	}
	return error ? error : flow_records_flush(stage, fault);
}
