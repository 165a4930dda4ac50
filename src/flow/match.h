/*
 * flow/match.h: pcap-filter expressions on flow records: the same compiled program that is run on packets is run on a packet made of the record's headers.
 */
#ifndef FLOW_MATCH_H
#define FLOW_MATCH_H

#include <weir/flow.h>

struct flow_match;

/* WEIR_E_FILTER with libpcap's words. */
int flow_match_new(const char *expression, struct flow_match **match, struct weir_fault *fault);
void flow_match_free(struct flow_match *match);

/*
 * Whether a packet of the flow, in one direction or the other (of those that have packets), would match, as far as the record tells: addresses,
 * MACs, VLAN, protocol, ports, the first ICMP type, least TTL, DSCP, all TCP flags. Nothing stands behind the headers, and lengths are theirs. 1, 0
 * or a negative error.
 */
int flow_match(struct flow_match *match, const struct weir_flow *flow, struct weir_fault *fault);

/* Marks the columns that it looks at: an element for each of weir_flow_columns. */
void flow_match_columns(bool *wanted);

#endif
