/*
 * flow/presence.h: which things a flow has, of those that it may have or not, as bits: they make the id of its IPFIX template.
 */
#ifndef FLOW_PRESENCE_H
#define FLOW_PRESENCE_H

#include <weir/flow.h>

enum {
	HAS_IPV6 = 1 << 0,
	HAS_NO_ADDRESS = 1 << 1,
	HAS_FORWARD = 1 << 2, /* packets from the source, so that their times are known */
	HAS_REVERSE = 1 << 3,
	HAS_VLAN = 1 << 4,
	HAS_MACS = 1 << 5,
	HAS_TCP = 1 << 6,
	HAS_ICMP = 1 << 7,
	HAS_SPI = 1 << 8,
	HAS_OUTER = 1 << 9,
	HAS_OUTER_IPV6 = 1 << 10,
	HAS_RTT = 1 << 11,
	HAS_NAMES = 1 << 12,
	HAS_PROCESS = 1 << 13,
	HAS_REVERSE_PROCESS = 1 << 14,
	PRESENCES = 1 << 15,
};

unsigned presence_of(const struct weir_flow *flow);

/* Whether flows that have these things have a value in the column. */
bool presence_wants(const struct weir_flow_column *column, unsigned bits);

#endif
