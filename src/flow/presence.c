/* Which things a flow has, and which columns tell of them. */
#include "flow/presence.h"

enum { PROTOCOL_TCP = 6 };

unsigned presence_of(const struct weir_flow *flow)
{
	const struct weir_flow_direction *f = &flow->forward, *r = &flow->reverse;
	unsigned bits = flow->source.version == 6 ? HAS_IPV6 : flow->source.version == 4 ? 0 : HAS_NO_ADDRESS;

	if (f->first_ns != WEIR_NO_TIME || f->last_ns != WEIR_NO_TIME)
		bits |= HAS_FORWARD;
	if (r->packets || r->first_ns != WEIR_NO_TIME)
		bits |= HAS_REVERSE;
	if (flow->vlan != WEIR_NO_VALUE)
		bits |= HAS_VLAN;
	if (flow->has_macs)
		bits |= HAS_MACS;
	if (flow->protocol == PROTOCOL_TCP)
		bits |= HAS_TCP;
	if (flow->icmp_type != WEIR_NO_VALUE)
		bits |= HAS_ICMP;
	if (flow->has_spi)
		bits |= HAS_SPI;
	if (flow->outer_source.version)
		bits |= HAS_OUTER | (flow->outer_source.version == 6 ? HAS_OUTER_IPV6 : 0);
	if (flow->rtt_ns != WEIR_NO_TIME)
		bits |= HAS_RTT;
	if (flow->application.data || flow->category.data || flow->evidence.data || flow->server_name.data)
		bits |= HAS_NAMES;
	if (flow->process_id != WEIR_NO_VALUE || flow->process_executable.data || flow->process_user.data)
		bits |= HAS_PROCESS;
	if (flow->reverse_process_id != WEIR_NO_VALUE || flow->reverse_process_executable.data || flow->reverse_process_user.data)
		bits |= HAS_REVERSE_PROCESS;
	return bits;
}

/* What a flow must have for a column to be in its template. */
static unsigned needs(const struct weir_flow_column *column)
{
	unsigned bits = column->reverse ? HAS_REVERSE : 0;

	switch (column->offset) {
	case offsetof(struct weir_flow, forward.first_ns):
	case offsetof(struct weir_flow, forward.last_ns): return HAS_FORWARD;
	case offsetof(struct weir_flow, vlan): return HAS_VLAN;
	case offsetof(struct weir_flow, source_mac):
	case offsetof(struct weir_flow, destination_mac): return HAS_MACS;
	case offsetof(struct weir_flow, icmp_type):
	case offsetof(struct weir_flow, icmp_code): return HAS_ICMP;
	case offsetof(struct weir_flow, spi): return HAS_SPI;
	case offsetof(struct weir_flow, outer_source):
	case offsetof(struct weir_flow, outer_destination): return HAS_OUTER;
	case offsetof(struct weir_flow, rtt_ns): return HAS_RTT;
	case offsetof(struct weir_flow, application):
	case offsetof(struct weir_flow, category):
	case offsetof(struct weir_flow, evidence):
	case offsetof(struct weir_flow, server_name): return HAS_NAMES;
	case offsetof(struct weir_flow, process_id):
	case offsetof(struct weir_flow, process_executable):
	case offsetof(struct weir_flow, process_user): return HAS_PROCESS;
	case offsetof(struct weir_flow, reverse_process_id):
	case offsetof(struct weir_flow, reverse_process_executable):
	case offsetof(struct weir_flow, reverse_process_user): return HAS_REVERSE_PROCESS;
	case offsetof(struct weir_flow, forward.tcp_flags_initial):
	case offsetof(struct weir_flow, reverse.tcp_flags_initial):
	case offsetof(struct weir_flow, forward.tcp_flags):
	case offsetof(struct weir_flow, reverse.tcp_flags):
	case offsetof(struct weir_flow, forward.retransmissions):
	case offsetof(struct weir_flow, reverse.retransmissions):
	case offsetof(struct weir_flow, forward.out_of_order):
	case offsetof(struct weir_flow, reverse.out_of_order):
	case offsetof(struct weir_flow, forward.zero_windows):
	case offsetof(struct weir_flow, reverse.zero_windows): return bits | HAS_TCP;
	default: return bits;
	}
}

bool presence_wants(const struct weir_flow_column *column, unsigned bits)
{
	unsigned need = needs(column);

	if (column->offset == offsetof(struct weir_flow, source) || column->offset == offsetof(struct weir_flow, destination))
		return !(bits & HAS_NO_ADDRESS);
	return (bits & need) == need;
}
