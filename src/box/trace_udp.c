/* Provider udp: datagrams as they are sent, reach a socket, are received. */
#include "box/trace.h"
#include "bpf/trace.h"

enum { SEND = 1, RECEIVE = 2, ARRIVE = 4 };

static const struct weir_trace_keyword keywords[] = {{"send", SEND}, {"receive", RECEIVE}, {"arrive", ARRIVE}, {0}};

static const struct weir_trace_field fields[] = {TRACE_TUPLE_FIELDS, {"bytes", WEIR_TRACE_UNSIGNED, 4, NULL}, {0}};

static const struct weir_trace_event_type events[] = {
	{UDP_SEND, 1, WEIR_TRACE_INFORMATION, SEND, "send", fields},
	{UDP_RECEIVE, 1, WEIR_TRACE_INFORMATION, RECEIVE, "receive", fields},
	{UDP_ARRIVE, 1, WEIR_TRACE_VERBOSE, ARRIVE, "arrive", fields},
	{0},
};

static const struct trace_program programs[] = {
	{.name = "softirq_entry"},
	{.name = "softirq_exit"},
	{.name = "udp_send", .cgroup = true},
	{.name = "udp_arrive", .cgroup = true},
	{.name = "udp_receive", .tracepoint = "sock_recv_length", .optional = "udp.receive takes Linux 6.3 or later"},
	{0},
};

const struct trace_provider trace_udp_provider = {
	.shown = {TRACE_UDP, "udp", "UDP datagrams: sent, come to a socket, received", keywords, events},
	.needs = "eBPF, cgroup v2",
	.programs = programs,
};
