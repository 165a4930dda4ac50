/* The columns of the flow table: the only place that lists them. */
#include <stddef.h>
#include <string.h>

#include <weir/flow.h>

/* Where a member stands and how wide it is. */
#define MEMBER(member) .offset = offsetof(struct weir_flow, member), .size = sizeof((struct weir_flow *)0)->member
#define IF(flag) .present = offsetof(struct weir_flow, flag)

static const struct weir_flow_column columns[] = {
	{"flow_start", WEIR_COLUMN_TIME, MEMBER(forward.first_ns), .element = 156, .netflow9 = 22, .meaning = "time of the first packet"},
	{"flow_end", WEIR_COLUMN_TIME, MEMBER(forward.last_ns), .element = 157, .netflow9 = 21, .meaning = "time of the last packet"},
	{"reverse_flow_start", WEIR_COLUMN_TIME, MEMBER(reverse.first_ns), .reverse = true, .element = 156, .netflow9 = 22,
	 .meaning = "of the first packet from the destination"},
	{"reverse_flow_end", WEIR_COLUMN_TIME, MEMBER(reverse.last_ns), .reverse = true, .element = 157, .netflow9 = 21,
	 .meaning = "of the last packet from the destination"},
	{"source_address", WEIR_COLUMN_IP, MEMBER(source), .key = true, .element = 8, .netflow9 = 8, .meaning = "who spoke first"},
	{"destination_address", WEIR_COLUMN_IP, MEMBER(destination), .key = true, .element = 12, .netflow9 = 12, .meaning = "to whom"},
	{"source_port", WEIR_COLUMN_UNSIGNED, MEMBER(source_port), .key = true, .element = 7, .netflow9 = 7,
	 .meaning = "TCP, UDP, UDP-Lite or SCTP port"},
	{"destination_port", WEIR_COLUMN_UNSIGNED, MEMBER(destination_port), .key = true, .element = 11, .netflow9 = 11,
	 .meaning = "TCP, UDP, UDP-Lite or SCTP port"},
	{"protocol", WEIR_COLUMN_UNSIGNED, MEMBER(protocol), .key = true, .element = 4, .netflow9 = 4, .meaning = "IANA protocol number"},
	{"ip_version", WEIR_COLUMN_UNSIGNED, MEMBER(ip_version), .key = true, .element = 60, .netflow9 = 60,
	 .meaning = "of the header that holds the flow"},
	{"packets", WEIR_COLUMN_UNSIGNED, MEMBER(forward.packets), .element = 2, .netflow9 = 2, .meaning = "from the source"},
	{"reverse_packets", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.packets), .reverse = true, .element = 2, .netflow9 = 2,
	 .meaning = "from the destination"},
	{"wire_bytes", WEIR_COLUMN_UNSIGNED, MEMBER(forward.wire_bytes), .element = 352, .meaning = "of frames on the wire"},
	{"reverse_wire_bytes", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.wire_bytes), .reverse = true, .element = 352,
	 .meaning = "of frames on the wire"},
	{"ip_bytes", WEIR_COLUMN_UNSIGNED, MEMBER(forward.ip_bytes), .element = 1, .netflow9 = 1, .meaning = "of IP datagrams"},
	{"reverse_ip_bytes", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.ip_bytes), .reverse = true, .element = 1, .netflow9 = 1,
	 .meaning = "of IP datagrams"},
	{"captured_bytes", WEIR_COLUMN_UNSIGNED, MEMBER(forward.captured_bytes), .own_element = 1, .meaning = "of frames, as far as captured"},
	{"reverse_captured_bytes", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.captured_bytes), .reverse = true, .own_element = 2,
	 .meaning = "of frames, as far as captured"},
	{"flow_end_reason", WEIR_COLUMN_UNSIGNED, MEMBER(end_reason), .key = true, .element = 136, .netflow9 = 136,
	 .meaning = "1 idle timeout, 2 active timeout, 3 end of flow, 4 forced end, 5 lack of resources"},
	{"tcp_flags_initial", WEIR_COLUMN_UNSIGNED, MEMBER(forward.tcp_flags_initial), .own_element = 3, .meaning = "of the first packet"},
	{"reverse_tcp_flags_initial", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.tcp_flags_initial), .reverse = true, .own_element = 4,
	 .meaning = "of the first packet"},
	{"tcp_flags", WEIR_COLUMN_UNSIGNED, MEMBER(forward.tcp_flags), .element = 6, .netflow9 = 6, .meaning = "of all packets"},
	{"reverse_tcp_flags", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.tcp_flags), .reverse = true, .element = 6, .netflow9 = 6,
	 .meaning = "of all packets"},
	{"retransmissions", WEIR_COLUMN_UNSIGNED, MEMBER(forward.retransmissions), .own_element = 5, .meaning = "TCP segments sent before"},
	{"reverse_retransmissions", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.retransmissions), .reverse = true, .own_element = 6,
	 .meaning = "TCP segments sent before"},
	{"out_of_order", WEIR_COLUMN_UNSIGNED, MEMBER(forward.out_of_order), .own_element = 7, .meaning = "TCP segments out of order"},
	{"reverse_out_of_order", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.out_of_order), .reverse = true, .own_element = 8,
	 .meaning = "TCP segments out of order"},
	{"zero_windows", WEIR_COLUMN_UNSIGNED, MEMBER(forward.zero_windows), .own_element = 9, .meaning = "TCP segments with a closed window"},
	{"reverse_zero_windows", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.zero_windows), .reverse = true, .own_element = 10,
	 .meaning = "TCP segments with a closed window"},
	{"handshake_rtt", WEIR_COLUMN_DURATION, MEMBER(rtt_ns), .own_element = 11,
	 .meaning = "from the SYN to the acknowledgment that ends the TCP handshake"},
	{"ttl_min", WEIR_COLUMN_UNSIGNED, MEMBER(forward.ttl_min), .element = 52, .netflow9 = 52, .meaning = "TTL or hop limit"},
	{"ttl_max", WEIR_COLUMN_UNSIGNED, MEMBER(forward.ttl_max), .element = 53, .netflow9 = 53, .meaning = "TTL or hop limit"},
	{"reverse_ttl_min", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.ttl_min), .reverse = true, .element = 52, .netflow9 = 52,
	 .meaning = "TTL or hop limit"},
	{"reverse_ttl_max", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.ttl_max), .reverse = true, .element = 53, .netflow9 = 53,
	 .meaning = "TTL or hop limit"},
	{"dscp", WEIR_COLUMN_UNSIGNED, MEMBER(forward.dscp), .key = true, .element = 195, .netflow9 = 5, .meaning = "DSCP of the first packet"},
	{"reverse_dscp", WEIR_COLUMN_UNSIGNED, MEMBER(reverse.dscp), .key = true, .reverse = true, .element = 195, .netflow9 = 5,
	 .meaning = "DSCP of the first packet"},
	{"vlan", WEIR_COLUMN_UNSIGNED, MEMBER(vlan), .no_value = true, .key = true, .element = 58, .netflow9 = 58,
	 .meaning = "outermost VLAN id"},
	{"source_mac", WEIR_COLUMN_MAC, MEMBER(source_mac), IF(has_macs), .key = true, .element = 56, .netflow9 = 56,
	 .meaning = "of the first packet"},
	{"destination_mac", WEIR_COLUMN_MAC, MEMBER(destination_mac), IF(has_macs), .key = true, .element = 80, .netflow9 = 80,
	 .meaning = "of the first packet"},
	{"icmp_type", WEIR_COLUMN_UNSIGNED, MEMBER(icmp_type), .no_value = true, .key = true, .element = 176, .netflow9 = 32,
	 .meaning = "of the first packet"},
	{"icmp_code", WEIR_COLUMN_UNSIGNED, MEMBER(icmp_code), .no_value = true, .key = true, .element = 177, .meaning = "of the first packet"},
	{"outer_source_address", WEIR_COLUMN_IP, MEMBER(outer_source), .key = true, .own_element = 12, .meaning = "of the outermost IP header"},
	{"outer_destination_address", WEIR_COLUMN_IP, MEMBER(outer_destination), .key = true, .own_element = 13,
	 .meaning = "of the outermost IP header"},
	{"tunnel", WEIR_COLUMN_UNSIGNED, MEMBER(tunnel), .key = true, .own_element = 14, .meaning = "what the flow is inside of"},
	{"spi", WEIR_COLUMN_UNSIGNED, MEMBER(spi), IF(has_spi), .key = true, .element = 295, .meaning = "of ESP or AH, from the source"},
	{"application", WEIR_COLUMN_STRING, MEMBER(application), .key = true, .element = 96, .meaning = "what speaks"},
	{"application_category", WEIR_COLUMN_STRING, MEMBER(category), .key = true, .element = 372, .meaning = "what kind of application"},
	{"evidence", WEIR_COLUMN_STRING, MEMBER(evidence), .key = true, .own_element = 15, .meaning = "what named the application"},
	{"server_name", WEIR_COLUMN_STRING, MEMBER(server_name), .key = true, .own_element = 16,
	 .meaning = "TLS SNI, HTTP Host, or the DNS name that led there"},
	{"community_id", WEIR_COLUMN_TEXT, MEMBER(community_id), .key = true, .own_element = 17, .meaning = "Community ID version 1"},
	{"vantage_points", WEIR_COLUMN_STRING, MEMBER(vantages), .key = true, .own_element = 18, .meaning = "where it was seen"},
	{"duplicates_removed", WEIR_COLUMN_UNSIGNED, MEMBER(duplicates), .own_element = 19, .meaning = "packets, counted nowhere else"},
	{"process_id", WEIR_COLUMN_UNSIGNED, MEMBER(process_id), .no_value = true, .key = true, .own_element = 21,
	 .meaning = "process of the source, where that is on the box that captured"},
	{"process_executable", WEIR_COLUMN_STRING, MEMBER(process_executable), .key = true, .own_element = 22, .meaning = "path of its program"},
	{"process_user", WEIR_COLUMN_STRING, MEMBER(process_user), .key = true, .own_element = 23, .meaning = "name of its user"},
	{"reverse_process_id", WEIR_COLUMN_UNSIGNED, MEMBER(reverse_process_id), .no_value = true, .key = true, .reverse = true, .own_element = 24,
	 .meaning = "process of the destination, likewise"},
	{"reverse_process_executable", WEIR_COLUMN_STRING, MEMBER(reverse_process_executable), .key = true, .reverse = true, .own_element = 25,
	 .meaning = "path of its program"},
	{"reverse_process_user", WEIR_COLUMN_STRING, MEMBER(reverse_process_user), .key = true, .reverse = true, .own_element = 26,
	 .meaning = "name of its user"},
	{"record", WEIR_COLUMN_UNSIGNED, MEMBER(sequence), .own_element = 20, .meaning = "number of the record in its run"},
};

const struct weir_flow_column *weir_flow_columns(size_t *count)
{
	*count = sizeof columns / sizeof columns[0];
	return columns;
}

const struct weir_flow_column *weir_flow_column_named(const char *name)
{
	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	return NULL;
}

void weir_flow_clear(struct weir_flow *flow)
{
	*flow = (struct weir_flow){
		.vlan = WEIR_NO_VALUE,
		.icmp_type = WEIR_NO_VALUE,
		.icmp_code = WEIR_NO_VALUE,
		.process_id = WEIR_NO_VALUE,
		.reverse_process_id = WEIR_NO_VALUE,
		.rtt_ns = WEIR_NO_TIME,
		.forward = {.first_ns = WEIR_NO_TIME, .last_ns = WEIR_NO_TIME},
		.reverse = {.first_ns = WEIR_NO_TIME, .last_ns = WEIR_NO_TIME},
	};
}

const char *weir_flow_end_name(unsigned reason)
{
	static const char *const names[] = {"", "idle timeout", "active timeout", "end of flow", "forced end", "lack of resources"};

	return reason < sizeof names / sizeof names[0] ? names[reason] : "";
}
