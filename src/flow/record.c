/* What a flow becomes when it ends: struct weir_flow. */
#include "flow/stage.h"

static struct weir_ip ip_of(const void *bytes, uint8_t version)
{
	struct weir_ip ip = {.version = version};

	memcpy(ip.bytes, bytes, sizeof ip.bytes);
	return ip;
}

void flow_ends(const struct flow_hot *hot, struct weir_ip *source, struct weir_ip *destination, uint16_t *source_port,
               uint16_t *destination_port)
{
	const struct flow_key *key = &hot->key;
	bool high = hot->state & FLOW_SOURCE_IS_HIGH;
	/* In the key of ICMP its type stands where ports would. */
	bool ports = key->protocol != FLOW_PROTOCOL_ICMP && key->protocol != FLOW_PROTOCOL_ICMPV6;

	*source = ip_of(high ? key->high : key->low, key->version);
	*destination = ip_of(high ? key->low : key->high, key->version);
	*source_port = !ports ? 0 : high ? key->high_port : key->low_port;
	*destination_port = !ports ? 0 : high ? key->low_port : key->high_port;
}

static void fill_direction(struct weir_flow_direction *to, const struct flow_direction *from, const struct flow_cold *cold, unsigned side)
{
	if (from->packets == 0)
		return;
	*to = (struct weir_flow_direction){
		.first_ns = cold->first_ns[side],
		.last_ns = from->last_ns,
		.packets = from->packets,
		.wire_bytes = from->wire_bytes,
		.ip_bytes = from->ip_bytes,
		.captured_bytes = from->captured_bytes,
		.retransmissions = cold->retransmissions[side],
		.out_of_order = cold->out_of_order[side],
		.zero_windows = cold->zero_windows[side],
		.tcp_flags_initial = cold->tcp_flags_initial[side],
		.tcp_flags = from->tcp_flags,
		.ttl_min = from->ttl_min,
		.ttl_max = from->ttl_max,
		.dscp = cold->dscp[side],
	};
}

static void fill(struct weir_flow *flow, const struct flow_stage *stage, uint32_t entry)
{
	const struct flow_hot *hot = &stage->table.hot[entry];
	const struct flow_cold *cold = &stage->table.cold[entry];
	unsigned source = hot->state & FLOW_SOURCE_IS_HIGH ? 1 : 0;

	weir_flow_clear(flow);
	flow_ends(hot, &flow->source, &flow->destination, &flow->source_port, &flow->destination_port);
	flow->protocol = hot->key.protocol;
	flow->ip_version = hot->key.version;
	flow->tunnel = cold->tunnel;
	if (hot->key.vlan != FLOW_NO_VLAN)
		flow->vlan = hot->key.vlan;
	if (cold->has_icmp) {
		flow->icmp_type = cold->icmp_type;
		flow->icmp_code = cold->icmp_code;
	}
	if (cold->has_spi) {
		flow->has_spi = true;
		flow->spi = cold->spi;
	}
	if (cold->has_macs) {
		flow->has_macs = true;
		memcpy(flow->source_mac, source ? cold->high_mac : cold->low_mac, 6);
		memcpy(flow->destination_mac, source ? cold->low_mac : cold->high_mac, 6);
	}
	if (hot->state & FLOW_TUNNELLED) {
		const struct flow_outer *outer = &stage->table.outer[entry];
		flow->outer_source = ip_of(source ? outer->high : outer->low, cold->outer_version);
		flow->outer_destination = ip_of(source ? outer->low : outer->high, cold->outer_version);
	}
	fill_direction(&flow->forward, &hot->directions[source], cold, source);
	fill_direction(&flow->reverse, &hot->directions[!source], cold, !source);
	if (hot->state & FLOW_RTT)
		flow->rtt_ns = cold->rtt_ns;
	flow->duplicates = cold->duplicates;
	bool icmp = cold->has_icmp;
	weir_community_id(&flow->source, &flow->destination, flow->protocol, icmp ? cold->icmp_type : flow->source_port,
	                  icmp ? cold->icmp_code : flow->destination_port, 0, flow->community_id);
}

int flow_records_flush(struct flow_stage *stage, struct weir_fault *fault)
{
	uint32_t count = stage->pending_count;

	stage->pending_count = 0;
	stage->text_used = 0;
	if (count == 0)
		return 0;
	return stage->options.sink->ops->write(stage->options.sink, stage->pending, count, fault);
}

int flow_record(struct flow_stage *stage, uint32_t entry, unsigned end_reason, struct weir_fault *fault)
{
	/* The most that vantages may take, and the names. */
	enum { VANTAGES_BYTES = FLOW_VANTAGES_MAX * FLOW_VANTAGE_NAME, STRINGS_BYTES = VANTAGES_BYTES + 2 * FLOW_NAME_BYTES + 2 * FLOW_PROCESS_BYTES };

	if (stage->pending_count == FLOW_RECORDS_PENDING || FLOW_TEXT_BYTES - stage->text_used < STRINGS_BYTES) {
		int error = flow_records_flush(stage, fault);
		if (error)
			return error;
	}
	struct weir_flow *flow = &stage->pending[stage->pending_count++];
	/* Many are made one after the other: the place of the one after the next is called for now. */
	for (size_t at = 0; at < sizeof *flow && stage->pending_count + 1 < FLOW_RECORDS_PENDING; at += 64)
		__builtin_prefetch((const char *)&flow[2] + at, 1);
	fill(flow, stage, entry);
	flow->end_reason = (uint8_t)end_reason;
	flow->sequence = ++stage->sequence;
	size_t length = flow_vantages_write(&stage->vantages, stage->table.cold[entry].vantages, stage->text + stage->text_used, VANTAGES_BYTES);
	if (length) {
		flow->vantages = (struct weir_bytes){(const uint8_t *)stage->text + stage->text_used, length};
		stage->text_used += (uint32_t)length;
	}
	flow_name_record(stage, entry, flow);
	if (stage->table.hot[entry].state & FLOW_PROCESSES)
		flow_process_record(stage, entry, flow);
	stage->statistics.records++;
	return 0;
}
