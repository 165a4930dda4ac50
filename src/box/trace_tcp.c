/* Provider tcp: connections from their beginning to their end. */
#include "box/trace.h"
#include "bpf/trace.h"

enum { CONNECTION = 1, LOSS = 2, STATE = 4 };

static const struct weir_trace_keyword keywords[] = {{"connection", CONNECTION}, {"loss", LOSS}, {"state", STATE}, {0}};

static const struct weir_trace_name states[] = {
	{0, "NONE"}, {1, "ESTABLISHED"}, {2, "SYN_SENT"}, {3, "SYN_RECEIVED"}, {4, "FIN_WAIT_1"}, {5, "FIN_WAIT_2"}, {6, "TIME_WAIT"},
	{7, "CLOSED"}, {8, "CLOSE_WAIT"}, {9, "LAST_ACK"}, {10, "LISTEN"}, {11, "CLOSING"}, {12, "NEW_SYN_RECEIVED"}, {0},
};

/* struct trace_tcp of bpf/trace.h. */
static const struct weir_trace_field fields[] = {
	TRACE_TUPLE_FIELDS,
	{"before", WEIR_TRACE_UNSIGNED, 1, states},
	{"after", WEIR_TRACE_UNSIGNED, 1, states},
	{"passive", WEIR_TRACE_UNSIGNED, 1, NULL},
	{"bytes_sent", WEIR_TRACE_UNSIGNED, 8, NULL},
	{"bytes_received", WEIR_TRACE_UNSIGNED, 8, NULL},
	{"rtt", WEIR_TRACE_DURATION, 8, NULL},
	{"retransmissions", WEIR_TRACE_UNSIGNED, 4, NULL},
	{0},
};

static const struct weir_trace_event_type events[] = {
	{TCP_CONNECT, 1, WEIR_TRACE_INFORMATION, CONNECTION, "connect", fields},
	{TCP_ACCEPT, 1, WEIR_TRACE_INFORMATION, CONNECTION, "accept", fields},
	{TCP_ESTABLISHED, 1, WEIR_TRACE_INFORMATION, CONNECTION, "established", fields},
	{TCP_CLOSE, 1, WEIR_TRACE_INFORMATION, CONNECTION, "close", fields},
	{TCP_RETRANSMIT, 1, WEIR_TRACE_WARNING, LOSS, "retransmit", fields},
	{TCP_RESET_SENT, 1, WEIR_TRACE_WARNING, CONNECTION | LOSS, "reset-sent", fields},
	{TCP_RESET_RECEIVED, 1, WEIR_TRACE_WARNING, CONNECTION | LOSS, "reset-received", fields},
	{TCP_LISTEN, 1, WEIR_TRACE_INFORMATION, CONNECTION, "listen", fields},
	{TCP_STATE, 1, WEIR_TRACE_VERBOSE, STATE, "state", fields},
	{0},
};

static const struct trace_program programs[] = {
	{.name = "softirq_entry"},
	{.name = "softirq_exit"},
	{.name = "tcp_state", .tracepoint = "inet_sock_set_state"},
	{.name = "tcp_retransmit", .tracepoint = "tcp_retransmit_skb"},
	{.name = "tcp_reset_sent", .tracepoint = "tcp_send_reset"},
	{.name = "tcp_reset_received", .tracepoint = "tcp_receive_reset"},
	{.name = "tcp_accept4", .optional = "tcp.accept takes the tracepoints of system calls (CONFIG_FTRACE_SYSCALLS) and tracefs: mount -t tracefs none /sys/kernel/tracing"},
	{.name = "tcp_accept", .optional = "tcp.accept takes the tracepoints of system calls (CONFIG_FTRACE_SYSCALLS) and tracefs: mount -t tracefs none /sys/kernel/tracing"},
	{0},
};

const struct trace_provider trace_tcp_provider = {
	.shown = {TRACE_TCP, "tcp", "TCP connections: connect, accept, established, close, retransmit, reset", keywords, events},
	.needs = "eBPF",
	.programs = programs,
};
