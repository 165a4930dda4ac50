/* Provider process: processes and threads that start, become another program, and end. */
#include "box/trace.h"
#include "bpf/trace.h"

enum { PROCESS = 1, THREAD = 2 };

static const struct weir_trace_keyword keywords[] = {{"process", PROCESS}, {"thread", THREAD}, {0}};

static const struct weir_trace_field fields[] = {
	{"parent", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"process", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"thread", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"code", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"signal", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"started", WEIR_TRACE_UNSIGNED, 8, NULL},
	{"name", WEIR_TRACE_TEXT, 16, NULL},
	{"path", WEIR_TRACE_TEXT, 128, NULL},
	{0},
};

static const struct weir_trace_event_type events[] = {
	{PROCESS_START, 1, WEIR_TRACE_INFORMATION, PROCESS, "start", fields},
	{PROCESS_EXEC, 1, WEIR_TRACE_INFORMATION, PROCESS, "exec", fields},
	{PROCESS_EXIT, 1, WEIR_TRACE_INFORMATION, PROCESS, "exit", fields},
	{PROCESS_THREAD_START, 1, WEIR_TRACE_VERBOSE, THREAD, "thread-start", fields},
	{PROCESS_THREAD_EXIT, 1, WEIR_TRACE_VERBOSE, THREAD, "thread-exit", fields},
	{0},
};

static const struct trace_program programs[] = {
	{.name = "process_fork", .tracepoint = "sched_process_fork"},
	{.name = "process_exec", .tracepoint = "sched_process_exec"},
	{.name = "process_exit", .tracepoint = "sched_process_exit"},
	{0},
};

const struct trace_provider trace_process_provider = {
	.shown = {TRACE_PROCESS, "process", "processes and threads: start, exec, exit", keywords, events},
	.needs = "eBPF",
	.programs = programs,
};
