/* The application of a flow: what the stage shows the namer, and what it takes from it into records. */
#include "flow/stage.h"

/* The ends of an entry's flow as the namer wants them. They stand in `source` and `destination`. */
static struct weir_application_flow named_flow(const struct flow_hot *hot, struct weir_ip *source, struct weir_ip *destination)
{
	struct weir_application_flow flow = {.source = source, .destination = destination, .protocol = hot->key.protocol};

	flow_ends(hot, source, destination, &flow.source_port, &flow.destination_port);
	return flow;
}

/*
 * Calls for what of these items' packets and flows the namer will want: the packet, its facts and the beginning of its payload, which decoding had in another
 * core's cache, and the entry's colder half. Waiting for them one after the other was most of what naming took. Where facts and payload are the packet says: so
 * they are called for a group later, when it has come.
 */
void flow_name_fetch(struct flow_stage *stage, const struct flow_item *items, uint32_t from, uint32_t to)
{
	if (!stage->options.applications)
		return;
	for (uint32_t k = 0; k < stage->called_count; k++) {
		const struct weir_packet *packet = items[stage->called[k]].packet;
		__builtin_prefetch(packet->facts);
		for (uint32_t at = 0; at < 192; at += 64)
			__builtin_prefetch(packet->data + at);
	}
	stage->called_count = 0;
	for (uint32_t i = from; i < to; i++) {
		uint32_t entry = items[i].entry;
		if (entry != FLOW_NONE && !(stage->table.hot[entry].state & FLOW_UNDECIDED))
			continue;
		if (entry != FLOW_NONE)
			__builtin_prefetch(&stage->table.cold[entry].application, 1);
		if (!(items[i].bits & FLOW_ITEM_PAYLOAD))
			continue;
		__builtin_prefetch(items[i].packet);
		stage->called[stage->called_count++] = i;
	}
}

void flow_name_packet(struct flow_stage *stage, uint32_t entry, const struct flow_item *item)
{
	struct flow_hot *hot = &stage->table.hot[entry];
	struct weir_application *application = &stage->table.cold[entry].application;
	struct weir_ip source, destination;

	/* What connections begin with, and all that there is of many: nothing of the packet itself is needed. (UDP's payload may have been taken for a tunnel's.) */
	if (!(item->bits & FLOW_ITEM_PAYLOAD) && hot->key.protocol == FLOW_PROTOCOL_TCP) {
		if (item->tcp_flags & FLOW_TCP_SYN)
			weir_application_begin(application);
		return;
	}
	struct weir_application_flow flow = named_flow(hot, &source, &destination);
	bool reversed = !!(item->bits & FLOW_ITEM_HIGH) != !!(hot->state & FLOW_SOURCE_IS_HIGH);

	flow_item_open(item);
	weir_application_see(stage->options.applications, application, &flow, item->packet, item->packet->facts, reversed);
	if (application->decided)
		hot->state &= (uint16_t)~FLOW_UNDECIDED;
}

void flow_name_expect(const struct flow_stage *stage, uint32_t entry)
{
	const struct flow_hot *hot = &stage->table.hot[entry];
	struct weir_ip source, destination;

	if (!(hot->state & FLOW_UNDECIDED))
		return;
	struct weir_application_flow flow = named_flow(hot, &source, &destination);
	weir_application_expect(stage->options.applications, &flow);
}

/* Copies a string into the stage's text: the namer's own lives until its next call only. What does not fit is cut. */
static struct weir_bytes copied(struct flow_stage *stage, struct weir_bytes string)
{
	size_t length = string.length < FLOW_NAME_BYTES ? string.length : FLOW_NAME_BYTES;
	uint8_t *to = (uint8_t *)stage->text + stage->text_used;

	if (!string.data)
		return string;
	memcpy(to, string.data, length);
	stage->text_used += (uint32_t)length;
	return (struct weir_bytes){to, length};
}

void flow_name_record(struct flow_stage *stage, uint32_t entry, struct weir_flow *record)
{
	struct flow_hot *hot = &stage->table.hot[entry];
	struct weir_application *application = &stage->table.cold[entry].application;
	struct weir_ip source, destination;

	if (!stage->options.applications)
		return;
	if (hot->state & FLOW_UNDECIDED) {
		struct weir_application_flow flow = named_flow(hot, &source, &destination);
		weir_application_settle(stage->options.applications, application, &flow);
	}
	weir_application_describe(stage->options.applications, application, record);
	record->application = copied(stage, record->application);
	record->server_name = copied(stage, record->server_name);
}

void flow_name_end(struct flow_stage *stage, uint32_t entry)
{
	if (stage->options.applications)
		weir_application_end(stage->options.applications, &stage->table.cold[entry].application);
}
