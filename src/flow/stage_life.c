/* When flows begin and end: flow/stage.h. */
#include "flow/stage.h"
#include "flow/tcp.h"

int flow_end(struct flow_stage *stage, uint32_t entry, unsigned reason, struct weir_fault *fault)
{
	int error = flow_record(stage, entry, reason, fault);

	flow_name_end(stage, entry);
	flow_table_remove(&stage->table, entry);
	return error;
}

/* What the flow is inside of: the innermost tunnel or security layer before its transport, or the IP header around it. */
static void take_tunnel(struct flow_cold *cold, const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;
	unsigned innermost = facts->network_count - 1u;

	for (unsigned i = facts->layer_count; i-- > 0;) {
		uint8_t kind = facts->layers[i].kind;
		bool last = i + 1 == facts->layer_count;
		if (kind == WEIR_LAYER_AH || kind == WEIR_LAYER_ESP) {
			/* ESP that hides what is in it is itself the flow's transport. */
			if (!cold->tunnel && !(kind == WEIR_LAYER_ESP && last))
				cold->tunnel = kind;
		} else if (!cold->tunnel && !last && kind >= WEIR_LAYER_GRE && kind <= WEIR_LAYER_L2TP) {
			cold->tunnel = kind;
		} else if (!cold->tunnel && (kind == WEIR_LAYER_IPV4 || kind == WEIR_LAYER_IPV6) && facts->layers[i].network < innermost) {
			cold->tunnel = kind;
		}
	}
}

/* The SPI of the innermost ESP or AH: it is the sender's alone (RFC 4301, section 4.1). */
static void take_spi(struct flow_cold *cold, const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;

	for (unsigned i = facts->layer_count; i-- > 0;) {
		uint8_t kind = facts->layers[i].kind;
		uint32_t at = facts->layers[i].offset + (kind == WEIR_LAYER_AH ? 4 : 0);
		if ((kind != WEIR_LAYER_AH && kind != WEIR_LAYER_ESP) || at + 4 > packet->captured)
			continue;
		cold->spi = weir_load_be32(packet->data + at);
		cold->has_spi = true;
		return;
	}
}

static void take_addresses(struct flow_hot *hot, struct flow_cold *cold, struct flow_outer *outer, const struct flow_item *item,
                           const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;
	const struct weir_network *outermost = &facts->networks[0];
	bool high = item->bits & FLOW_ITEM_HIGH;

	if (facts->link_source != facts->link_destination) {
		memcpy(high ? cold->high_mac : cold->low_mac, packet->data + facts->link_source, 6);
		memcpy(high ? cold->low_mac : cold->high_mac, packet->data + facts->link_destination, 6);
		cold->has_macs = true;
	}
	if (facts->network_count < 2 || !(outermost->flags & WEIR_NETWORK_ADDRESSES))
		return;
	size_t length = outermost->version == 4 ? 4 : 16;
	*outer = (struct flow_outer){0};
	memcpy(high ? outer->high : outer->low, packet->data + outermost->source, length);
	memcpy(high ? outer->low : outer->high, packet->data + outermost->destination, length);
	cold->outer_version = outermost->version;
	hot->state |= FLOW_TUNNELLED;
}

/* The first packet of the entry's flow. */
void flow_begin(struct flow_stage *stage, uint32_t entry, const struct flow_item *item)
{
	const struct weir_packet *packet = item->packet;
	struct flow_hot *hot = &stage->table.hot[entry];
	struct flow_cold *cold = &stage->table.cold[entry];
	const uint8_t both = FLOW_TCP_SYN | FLOW_TCP_ACK;
	bool answers = (item->bits & FLOW_ITEM_TCP) && (item->tcp_flags & both) == both;

	if (!!(item->bits & FLOW_ITEM_HIGH) != answers)
		hot->state |= FLOW_SOURCE_IS_HIGH;
	hot->first_ns = hot->last_ns = item->time_ns;
	flow_item_open(item);
	take_addresses(hot, cold, &stage->table.outer[entry], item, packet);
	take_tunnel(cold, packet);
	if (item->key.protocol == FLOW_PROTOCOL_ICMP || item->key.protocol == FLOW_PROTOCOL_ICMPV6)
		cold->has_icmp = flow_item_icmp(packet, &cold->icmp_type, &cold->icmp_code);
	if (stage->options.applications)
		hot->state |= FLOW_UNDECIDED;
	if (stage->options.idle_ns && hot->timers == 0)
		flow_arm(stage, entry, flow_later(item->time_ns, stage->options.idle_ns));
}

/* The first packet of a direction in this record. */
void flow_begin_direction(struct flow_hot *hot, struct flow_cold *cold, const struct flow_item *item, unsigned side)
{
	struct flow_direction *d = &hot->directions[side];

	cold->first_ns[side] = d->last_ns = item->time_ns;
	cold->tcp_flags_initial[side] = item->tcp_flags;
	cold->dscp[side] = item->dscp;
	cold->vantages |= UINT64_C(1) << item->vantage;
	d->vantage = item->vantage;
	d->ttl_min = d->ttl_max = item->ttl;
	if (side == (hot->state & FLOW_SOURCE_IS_HIGH ? 1u : 0u))
		take_spi(cold, item->packet);
}

/* Empties an entry for another flow of the same key. */
static void begin_again(struct flow_stage *stage, uint32_t entry)
{
	struct flow_hot *hot = &stage->table.hot[entry];

	flow_name_end(stage, entry);
	flow_clear(hot->directions, sizeof hot->directions);
	hot->state = FLOW_USED;
	uint64_t hash = stage->table.cold[entry].hash;
	flow_clear(&stage->table.cold[entry], sizeof stage->table.cold[entry]);
	stage->table.cold[entry].hash = hash;
}

/* Empties it for a further record of the same flow: what is known of its ends and of TCP stays. */
static void begin_record(struct flow_stage *stage, uint32_t entry, int64_t time_ns)
{
	struct flow_hot *hot = &stage->table.hot[entry];
	struct flow_cold *cold = &stage->table.cold[entry];

	for (unsigned side = 0; side < 2; side++) {
		struct flow_direction *d = &hot->directions[side];
		d->packets = d->wire_bytes = d->ip_bytes = d->captured_bytes = 0;
		d->tcp_flags = 0;
		cold->retransmissions[side] = cold->out_of_order[side] = cold->zero_windows[side] = 0;
	}
	cold->vantages = cold->duplicates = 0;
	hot->state &= (uint16_t)~FLOW_RTT;
	hot->first_ns = hot->last_ns = time_ns;
}

/* An entry for a flow that is not in the table. */
int flow_new(struct flow_stage *stage, const struct flow_key *key, uint64_t hash, uint32_t *entry, struct weir_fault *fault)
{
	struct flow_table *table = &stage->table;
	uint32_t idle[FLOW_IDLE_MOST];
	uint32_t crowded = flow_table_crowded(table, hash);
	unsigned count = 0;

	if (crowded != FLOW_NONE)
		idle[count++] = crowded;
	else if (flow_table_full(table))
		count = flow_table_idle(table, idle);
	for (unsigned i = 0; i < count; i++) {
		int error = flow_end(stage, idle[i], table->hot[idle[i]].state & FLOW_FINISHED ? WEIR_FLOW_FINISHED : WEIR_FLOW_RESOURCES, fault);
		if (error)
			return error;
		stage->statistics.cut++;
	}
	*entry = flow_table_insert(table, key, hash);
	if (table->used > stage->statistics.most_active)
		stage->statistics.most_active = table->used;
	return 0;
}

/* What there is to do before the packet is counted in an entry that is there: it may belong to a record of its own. */
int flow_renew(struct flow_stage *stage, uint32_t entry, const struct flow_item *item, struct weir_fault *fault)
{
	struct flow_hot *hot = &stage->table.hot[entry];
	int64_t limit = flow_silence_limit(stage, hot), active = stage->options.active_ns;
	bool silent = limit && flow_passed(item->time_ns, hot->last_ns, limit);

	if (silent || ((item->bits & FLOW_ITEM_TCP) && flow_tcp_is_new(hot, &stage->table.cold[entry], item))) {
		bool idle = silent && !(hot->state & FLOW_FINISHED);
		int error = flow_record(stage, entry, idle ? WEIR_FLOW_IDLE : WEIR_FLOW_FINISHED, fault);
		if (error)
			return error;
		begin_again(stage, entry);
		flow_begin(stage, entry, item);
	} else if (active && flow_passed(item->time_ns, hot->first_ns, active)) {
		int error = flow_record(stage, entry, WEIR_FLOW_ACTIVE, fault);
		if (error)
			return error;
		begin_record(stage, entry, item->time_ns);
	}
	return 0;
}
