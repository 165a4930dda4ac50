/*
 * flow/tcp.h: what a TCP flow does: handshake and end, and segments that were sent before, come out of order or close the window.
 *
 * Retransmissions are told from reordering as tcptrace and Wireshark do it: by what the other end has acknowledged, by repeated
 * acknowledgments, and by the time since the highest byte was sent, against the handshake's round-trip time.
 */
#ifndef FLOW_TCP_H
#define FLOW_TCP_H

#include "flow/item.h"

/* A SYN that is of another connection than the one that the entry is of. */
bool flow_tcp_is_new(const struct flow_hot *hot, const struct flow_cold *cold, const struct flow_item *item);

/*
 * Looks at a segment before it is counted. True when the connection ended with it.
 */
bool flow_tcp_step(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item);

#endif
