/* Provider sched: which thread runs where. The event's thread is the one that ran. */
#include "box/trace.h"
#include "bpf/trace.h"

static const struct weir_trace_keyword keywords[] = {{"switch", 1}, {0}};

static const struct weir_trace_field fields[] = {
	{"state", WEIR_TRACE_HEX, 4, NULL},
	{"priority", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"next_pid", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"next_tid", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"next_priority", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"next_name", WEIR_TRACE_TEXT, 16, NULL},
	{0},
};

static const struct weir_trace_event_type events[] = {
	{SCHED_SWITCH, 1, WEIR_TRACE_INFORMATION, 1, "switch", fields},
	{0},
};

static const struct trace_program programs[] = {{.name = "sched_switch", .tracepoint = "sched_switch"}, {0}};

const struct trace_provider trace_sched_provider = {
	.shown = {TRACE_SCHED, "sched", "context switches", keywords, events},
	.needs = "eBPF",
	.costly = true,
	.programs = programs,
};
