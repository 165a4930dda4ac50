/* TCP flows: flow/tcp.h. */
#include "flow/tcp.h"

#define FAST_RETRANSMISSION_NS 20000000  /* after the last repeated acknowledgment */
#define REORDERING_NS 3000000            /* when there was no handshake to tell the round-trip time */
#define SYN_REORDERING_BYTES 65536u      /* data that a SYN may come after */

/* Sequence numbers wrap (RFC 793, section 3.3). */
static inline bool before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

static bool within(int64_t time, int64_t since, int64_t limit)
{
	return time >= since && (uint64_t)time - (uint64_t)since < (uint64_t)limit;
}

bool flow_tcp_is_new(const struct flow_hot *hot, const struct flow_cold *cold, const struct flow_item *item)
{
	unsigned side = item->bits & FLOW_ITEM_HIGH ? 1 : 0;
	const struct flow_direction *own = &hot->directions[side], *other = &hot->directions[!side];

	if ((item->tcp_flags & (FLOW_TCP_SYN | FLOW_TCP_ACK | FLOW_TCP_RST)) != FLOW_TCP_SYN)
		return false;
	if (hot->state & FLOW_FINISHED)
		return true;
	if (own->tcp_flags & FLOW_TCP_SYN)
		return item->sequence != cold->first_sequence[side];
	/* It may have been overtaken by what was sent after it. */
	if (own->bits & FLOW_SEQUENCE)
		return own->next_sequence - item->sequence - 1 > SYN_REORDERING_BYTES;
	return (other->bits & FLOW_SEQUENCE) && !(other->tcp_flags & FLOW_TCP_SYN);
}

/* The handshake: the time from the (last) SYN to the acknowledgment by who sent it. */
static void handshake(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item, unsigned side)
{
	unsigned source = hot->state & FLOW_SOURCE_IS_HIGH ? 1 : 0;

	if (item->tcp_flags & FLOW_TCP_SYN) {
		if (!(hot->directions[side].tcp_flags & FLOW_TCP_SYN))
			cold->first_sequence[side] = item->sequence;
		if (side == source && !(item->tcp_flags & FLOW_TCP_ACK) && !(hot->state & FLOW_RTT)) {
			hot->state |= FLOW_SYN;
			cold->rtt_ns = item->time_ns;
		}
		return;
	}
	if (!(hot->state & FLOW_SYN) || side != source || !(item->tcp_flags & FLOW_TCP_ACK))
		return;
	hot->state &= (uint16_t)~FLOW_SYN;
	/* It is the next thing that was sent: a SYN may have carried data (RFC 7413). */
	bool next = item->sequence - cold->first_sequence[side] == 1 || item->sequence == hot->directions[side].next_sequence;
	if ((item->tcp_flags & FLOW_TCP_RST) || item->time_ns < cold->rtt_ns || !next)
		return;
	cold->rtt_ns = item->time_ns - cold->rtt_ns;
	hot->state |= FLOW_RTT;
}

/* A segment that takes room in the sequence and begins before what was sent already. */
static void sent_before(const struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item, unsigned side, uint32_t next)
{
	const struct flow_direction *own = &hot->directions[side], *other = &hot->directions[!side];
	bool again = before(item->sequence, own->next_sequence) &&
	             !(item->payload_bytes > 1 && own->next_sequence - 1 == item->sequence); /* behind a probe of one byte */
	int64_t reordering = hot->state & FLOW_RTT ? cold->rtt_ns : REORDERING_NS;

	if (item->payload_bytes && (other->bits & FLOW_SEQUENCE) && (other->tcp_flags & FLOW_TCP_ACK) &&
	    !before(other->acknowledged, item->sequence + item->payload_bytes)) {
		cold->retransmissions[side]++;
		return;
	}
	if (!again)
		return;
	if (other->repeated_acks >= 2 && other->acknowledged == item->sequence &&
	    within(item->time_ns, other->last_ns, FAST_RETRANSMISSION_NS)) {
		cold->retransmissions[side] += item->payload_bytes != 0;
		return;
	}
	if (within(item->time_ns, own->next_time_ns, reordering) && own->next_sequence != next)
		cold->out_of_order[side]++;
	else
		cold->retransmissions[side] += item->payload_bytes != 0;
}

/* Keeps count of what this direction has sent and acknowledged. */
static void sequence(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item, unsigned side)
{
	struct flow_direction *own = &hot->directions[side];
	const struct flow_direction *other = &hot->directions[!side];
	own->next_sequence = flow_tcp_next(own, item->sequence);
	uint8_t control = item->tcp_flags & (FLOW_TCP_SYN | FLOW_TCP_FIN);
	uint32_t length = item->payload_bytes, next = item->sequence + length + (control ? 1 : 0);
	bool known = own->bits & FLOW_SEQUENCE, plain = !control && !(item->tcp_flags & FLOW_TCP_RST);
	bool probe = length == 1 && known && item->sequence == own->next_sequence && (other->bits & FLOW_SEQUENCE) && other->window == 0;
	bool keep_alive = !probe && plain && known && length <= 1 && item->sequence == own->next_sequence - 1;
	bool repeats = plain && known && length == 0 && item->window && item->window == own->window && item->sequence == own->next_sequence &&
	               item->acknowledged == own->acknowledged && !(hot->state & (side ? FLOW_KEEP_ALIVE_LOW : FLOW_KEEP_ALIVE_HIGH));

	if (!probe && plain && item->window == 0)
		cold->zero_windows[side]++;
	if (item->acknowledged != own->acknowledged)
		own->repeated_acks = 0;
	else if (repeats && own->repeated_acks < UINT8_MAX)
		own->repeated_acks++;
	/* Only then is the other direction's cache line needed. */
	if ((length || control) && known && !keep_alive && before(item->sequence, own->next_sequence))
		sent_before(hot, cold, item, side, next);
	if (!known || (before(own->next_sequence, next) && !probe)) {
		own->next_sequence = next;
		own->next_time_ns = item->time_ns;
	}
	own->window = item->window;
	own->acknowledged = item->acknowledged;
	own->bits = FLOW_SEQUENCE | (item->bits & FLOW_ITEM_ROUGH);
	uint16_t kept_alive = side ? FLOW_KEEP_ALIVE_HIGH : FLOW_KEEP_ALIVE_LOW;
	hot->state = (uint16_t)(keep_alive ? hot->state | kept_alive : hot->state & ~kept_alive);
}

bool flow_tcp_step(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item)
{
	unsigned side = item->bits & FLOW_ITEM_HIGH ? 1 : 0;
	struct flow_direction *own = &hot->directions[side], *other = &hot->directions[!side];

	if ((hot->state & FLOW_SYN) || (item->tcp_flags & FLOW_TCP_SYN))
		handshake(hot, cold, item, side);
	/* Only the first part of a segment in fragments is here: its length is not known. */
	if (!(item->bits & FLOW_ITEM_FRAGMENT))
		sequence(hot, cold, item, side);
	if (item->tcp_flags & FLOW_TCP_FIN)
		hot->state |= side ? FLOW_FIN_HIGH : FLOW_FIN_LOW;
	if (hot->state & FLOW_FINISHED)
		return false;
	if (item->tcp_flags & FLOW_TCP_RST)
		return true;
	return (hot->state & FLOW_FINS) == FLOW_FINS && !before(own->acknowledged, other->next_sequence) &&
	       !before(other->acknowledged, own->next_sequence);
}
