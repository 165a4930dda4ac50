/* The table of providers: a new one is its file and a row here. */
#include <string.h>

#include "box/trace.h"

extern const struct trace_provider trace_tcp_provider, trace_udp_provider, trace_sched_provider, trace_disk_provider,
	trace_process_provider, trace_drop_provider, trace_link_provider, trace_weir_provider,
	trace_dns_provider, trace_http_provider;

const struct trace_provider *const trace_providers[] = {
	&trace_tcp_provider,
	&trace_udp_provider,
	&trace_sched_provider,
	&trace_disk_provider,
	&trace_process_provider,
	&trace_drop_provider,
	&trace_link_provider,
	&trace_weir_provider,
	&trace_dns_provider,
	&trace_http_provider,
	NULL,
};

const struct weir_trace_name trace_protocol_names[] = {
	{1, "icmp"}, {2, "igmp"}, {6, "tcp"}, {17, "udp"}, {41, "ipv6"}, {47, "gre"}, {50, "esp"}, {51, "ah"}, {58, "icmpv6"}, {132, "sctp"},
	{136, "udplite"}, {0},
};

const struct trace_provider *trace_provider_named(const char *name)
{
	for (size_t i = 0; trace_providers[i]; i++)
		if (strcmp(trace_providers[i]->shown.name, name) == 0)
			return trace_providers[i];
	return NULL;
}

const struct weir_trace_provider *weir_trace_builtin(size_t index)
{
	for (size_t i = 0; trace_providers[i]; i++)
		if (i == index)
			return &trace_providers[i]->shown;
	return NULL;
}

const struct weir_trace_event_type *trace_event_type(const struct weir_trace_provider *provider, unsigned id)
{
	for (const struct weir_trace_event_type *type = provider->events; type->id; type++)
		if (type->id == id)
			return type;
	return NULL;
}

const char *weir_trace_level_name(unsigned level)
{
	static const char *const names[] = {"", "critical", "error", "warning", "information", "verbose"};
	return level < sizeof names / sizeof names[0] ? names[level] : "";
}
