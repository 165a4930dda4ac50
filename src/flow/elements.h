/*
 * flow/elements.h: numbers of information elements (RFC 7012's registry at IANA) that are more than a column of their own.
 */
#ifndef FLOW_ELEMENTS_H
#define FLOW_ELEMENTS_H

#include <weir/flow.h>

enum {
	ELEMENT_OCTETS = 1, /* octetDeltaCount */
	ELEMENT_PACKETS = 2,
	ELEMENT_CLASS_OF_SERVICE = 5,
	ELEMENT_SOURCE_PORT = 7,
	ELEMENT_SOURCE_IPV4 = 8,
	ELEMENT_DESTINATION_PORT = 11,
	ELEMENT_DESTINATION_IPV4 = 12,
	ELEMENT_END_UPTIME = 21, /* flowEndSysUpTime, milliseconds since boot */
	ELEMENT_START_UPTIME = 22,
	ELEMENT_POST_OCTETS = 23, /* in NetFlow v9: out, the other direction */
	ELEMENT_POST_PACKETS = 24,
	ELEMENT_SOURCE_IPV6 = 27,
	ELEMENT_DESTINATION_IPV6 = 28,
	ELEMENT_ICMP_TYPE_CODE = 32, /* type * 256 + code */
	ELEMENT_IP_VERSION = 60,
	ELEMENT_OCTETS_TOTAL = 85,
	ELEMENT_PACKETS_TOTAL = 86,
	ELEMENT_APPLICATION_ID = 95, /* RFC 6759 */
	ELEMENT_APPLICATION_NAME = 96,
	ELEMENT_ICMP_TYPE_CODE_IPV6 = 139,
	ELEMENT_START_SECONDS = 150, /* and so on by two: end; milliseconds; microseconds; nanoseconds (both as NTP has time) */
	ELEMENT_END_NANOSECONDS = 157,
	ELEMENT_START_DELTA = 158, /* microseconds before export */
	ELEMENT_END_DELTA = 159,
	ELEMENT_SYSTEM_INIT = 160, /* systemInitTimeMilliseconds */
	ELEMENT_DURATION_MILLISECONDS = 161,
	ELEMENT_DURATION_MICROSECONDS = 162,
	ELEMENT_ICMP_TYPE_IPV4 = 176,
	ELEMENT_ICMP_CODE_IPV4 = 177,
	ELEMENT_ICMP_TYPE_IPV6 = 178,
	ELEMENT_ICMP_CODE_IPV6 = 179,
	ELEMENT_INITIATOR_OCTETS = 231,
	ELEMENT_RESPONDER_OCTETS = 232,
	ELEMENT_DOT1Q_VLAN = 243,
	ELEMENT_INITIATOR_PACKETS = 298,
	ELEMENT_RESPONDER_PACKETS = 299,
};

/* weir's own elements of addresses are of IPv4; the same address as IPv6 has this much higher a number. */
#define OWN_ELEMENT_IPV6 256

/* Seconds from NTP's epoch to ours: RFC 7011, section 6.1.9. */
#define NTP_EPOCH_SECONDS UINT64_C(2208988800)

#endif
