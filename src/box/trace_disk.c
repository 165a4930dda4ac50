/* Provider disk: requests to block devices, as they are given to the driver and as they are done. */
#include "box/trace.h"
#include "bpf/trace.h"

enum { ISSUE = 1, COMPLETE = 2 };

static const struct weir_trace_keyword keywords[] = {{"issue", ISSUE}, {"complete", COMPLETE}, {0}};

/* enum req_op of include/linux/blk_types.h. */
static const struct weir_trace_name operations[] = {
	{0, "read"}, {1, "write"}, {2, "flush"}, {3, "discard"}, {5, "secure-erase"}, {9, "write-zeroes"}, {34, "driver-in"}, {35, "driver-out"}, {0},
};

static const struct weir_trace_field fields[] = {
	{"major", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"minor", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"operation", WEIR_TRACE_UNSIGNED, 1, operations},
	{"flags", WEIR_TRACE_HEX, 4, NULL},
	{"sector", WEIR_TRACE_UNSIGNED, 8, NULL},
	{"bytes", WEIR_TRACE_UNSIGNED, 4, NULL},
	{"error", WEIR_TRACE_SIGNED, 4, NULL},
	{"latency", WEIR_TRACE_DURATION, 8, NULL},
	{"queue_depth", WEIR_TRACE_UNSIGNED, 4, NULL},
	{0},
};

static const struct weir_trace_event_type events[] = {
	{DISK_ISSUE, 1, WEIR_TRACE_INFORMATION, ISSUE, "issue", fields},
	{DISK_COMPLETE, 1, WEIR_TRACE_INFORMATION, COMPLETE, "complete", fields},
	{0},
};

static const struct trace_program programs[] = {
	{.name = "softirq_entry"},
	{.name = "softirq_exit"},
	{.name = "disk_issue", .tracepoint = "block_rq_issue"},
	{.name = "disk_complete", .tracepoint = "block_rq_complete"},
	{0},
};

const struct trace_provider trace_disk_provider = {
	.shown = {TRACE_DISK, "disk", "requests to block devices: issued, completed, latency, queue depth", keywords, events},
	.needs = "eBPF, Linux 5.15",
	.programs = programs,
};
