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

#define FLOW_TCP_SLACK 4u /* ESP pads to 4 bytes (RFC 4303, section 2.4) */
_Static_assert((int)FLOW_ITEM_ROUGH == (int)FLOW_ROUGH, "copied from one to the other");

/* Where the direction's next segment has to begin for this one to continue it: here, when a length was not known exactly and it is near. */
static inline uint32_t flow_tcp_next(const struct flow_direction *own, uint32_t sequence)
{
	uint32_t next = own->next_sequence, before = next - sequence;
	/* No branch: which segments are cut off is as good as random. */
	uint32_t near = -(uint32_t)(((own->bits & FLOW_ROUGH) != 0) & (before <= FLOW_TCP_SLACK));
	return next - (before & near);
}

/*
 * Most segments are plain: of a connection that goes on, data that continues where the last ended, or an acknowledgment of something new. True: it
 * was one, and nothing else is to be done. The same as flow_tcp_step, without its questions. A gap before it is no matter.
 */
static inline bool flow_tcp_plain(const struct flow_hot *hot, struct flow_direction *own, const struct flow_item *item)
{
	uint32_t length = item->payload_bytes;
	uint32_t next = item->sequence + length;
	bool same_ack = item->acknowledged == own->acknowledged;
	/* One branch for all: which of them it is does not matter. */
	bool odd = ((int32_t)(item->sequence - flow_tcp_next(own, item->sequence)) < 0) | (item->window == 0) | (length == 1) | ((length == 0) & same_ack) |
	           !(own->bits & FLOW_SEQUENCE) | ((hot->state & (FLOW_SYN | FLOW_FINS | FLOW_KEEP_ALIVES)) != 0) |
	           ((item->tcp_flags & (FLOW_TCP_SYN | FLOW_TCP_FIN | FLOW_TCP_RST)) != 0);

	if (odd)
		return false;
	own->repeated_acks &= (uint8_t)-same_ack; /* no branch: it is as good as random */
	own->next_time_ns = next != own->next_sequence ? item->time_ns : own->next_time_ns;
	own->next_sequence = next;
	own->window = item->window;
	own->acknowledged = item->acknowledged;
	own->bits = FLOW_SEQUENCE | (item->bits & FLOW_ITEM_ROUGH);
	return true;
}

/* Looks at a segment before it is counted. True when the connection ended with it. */
bool flow_tcp_step(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item);

#endif
