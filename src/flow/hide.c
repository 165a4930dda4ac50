/* Hiding in flow records: weir/policy.h, flow/hide.h. */
#include <stdlib.h>

#include "core/arena.h"
#include "flow/hide.h"
#include "packet/hider.h"

#define RECORDS 1024

static void hide_ip(struct hide_context *context, struct weir_ip *ip)
{
	if (ip->version == 4)
		hide_ipv4(context, ip->bytes);
	else if (ip->version == 6)
		hide_ipv6(context, ip->bytes);
}

/* Up to the next multiple of the policy's precision. */
static uint64_t coarse(const struct weir_hider *hider, uint64_t count)
{
	uint64_t precision = hider->hide.counter_precision, rest = precision > 1 ? count % precision : 0;

	return rest == 0 || count > UINT64_MAX - precision ? count : count + precision - rest;
}

static void hide_direction(const struct weir_hider *hider, struct weir_flow_direction *direction)
{
	direction->first_ns = weir_hide_time(hider, direction->first_ns);
	direction->last_ns = weir_hide_time(hider, direction->last_ns);
	direction->packets = coarse(hider, direction->packets);
	direction->wire_bytes = coarse(hider, direction->wire_bytes);
	direction->ip_bytes = coarse(hider, direction->ip_bytes);
	direction->captured_bytes = coarse(hider, direction->captured_bytes);
}

/* A list of names, joined by commas; in a copy of the arena's. False: there is no memory. */
static bool hide_names(struct hide_context *context, struct weir_arena *arena, struct weir_bytes *names)
{
	size_t start = 0;

	if (!names->data || context->hider->hide.names.technique == WEIR_HIDE_NOTHING)
		return true;
	uint8_t *copy = arena_take(arena, names->length ? names->length : 1);
	if (!copy)
		return false;
	memcpy(copy, names->data, names->length);
	for (size_t i = 0; i <= names->length; i++) {
		if (i < names->length && copy[i] != ',')
			continue;
		hide_name(context, copy + start, i - start);
		start = i + 1;
	}
	names->data = copy;
	return true;
}

/* It is a hash over addresses and ports: who knows them can make it again. */
static void hide_community_id(struct weir_flow *flow)
{
	bool icmp = flow->icmp_type != WEIR_NO_VALUE;

	if (flow->community_id[0] == '\0')
		return;
	weir_community_id(&flow->source, &flow->destination, flow->protocol,
	                  icmp ? (uint16_t)flow->icmp_type : flow->source_port,
	                  icmp ? (uint16_t)flow->icmp_code : flow->destination_port, 0, flow->community_id);
}

/* They name users and programs of the box that captured, which no technique makes harmless: as options of packets are, they are left out. */
static void leave_out_processes(struct weir_flow *flow)
{
	const struct weir_bytes none = {NULL, 0};

	flow->process_id = flow->reverse_process_id = WEIR_NO_VALUE;
	flow->process_executable = flow->process_user = flow->reverse_process_executable = flow->reverse_process_user = none;
}

static bool hide_flow(struct hide_context *context, struct weir_flow *flow, struct weir_arena *arena)
{
	const struct weir_hider *hider = context->hider;

	hide_ip(context, &flow->source);
	hide_ip(context, &flow->destination);
	hide_ip(context, &flow->outer_source);
	hide_ip(context, &flow->outer_destination);
	flow->source_port = hide_port(hider, flow->source_port);
	flow->destination_port = hide_port(hider, flow->destination_port);
	flow->vlan = weir_hide_vlan(hider, flow->vlan);
	if (flow->has_macs) {
		hide_mac(context, flow->source_mac);
		hide_mac(context, flow->destination_mac);
	}
	hide_direction(hider, &flow->forward);
	hide_direction(hider, &flow->reverse);
	flow->duplicates = coarse(hider, flow->duplicates);
	hide_community_id(flow);
	leave_out_processes(flow);
	return hide_names(context, arena, &flow->server_name) && hide_names(context, arena, &flow->vantages);
}

static int hide_flows(const struct weir_hider *hider, struct weir_flow *flows, size_t count, struct weir_arena *arena,
                      struct weir_fault *fault)
{
	struct hide_context *context = hider_borrow(hider);
	bool there_is_memory = true;

	for (size_t i = 0; i < count && there_is_memory; i++)
		there_is_memory = hide_flow(context, &flows[i], arena);
	bool failed = hide_context_failed(context);
	hider_return(context);
	if (failed)
		return weir_fail(fault, WEIR_E_SYSTEM, "the system's OpenSSL does not encrypt");
	return there_is_memory ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to hide flows");
}

int weir_hide_flow(const struct weir_hider *hider, struct weir_flow *flow, struct weir_arena *arena,
                   struct weir_fault *fault)
{
	return hide_flows(hider, flow, 1, arena, fault);
}

/* ---- the sink ---- */

struct hide_sink {
	struct weir_flow_sink sink;
	const struct weir_hider *hider;
	struct weir_flow_sink *next;
	struct weir_arena *arena;
	struct weir_flow flows[RECORDS];
};

static int sink_write(struct weir_flow_sink *base, const struct weir_flow *flows, size_t count,
                      struct weir_fault *fault)
{
	struct hide_sink *sink = (struct hide_sink *)base;
	int error = 0;

	while (count && !error) {
		size_t some = count < RECORDS ? count : RECORDS;
		memcpy(sink->flows, flows, some * sizeof *flows);
		error = hide_flows(sink->hider, sink->flows, some, sink->arena, fault);
		if (!error)
			error = sink->next->ops->write(sink->next, sink->flows, some, fault);
		arena_reset(sink->arena);
		flows += some;
		count -= some;
	}
	return error;
}

static int sink_finish(struct weir_flow_sink *base, struct weir_fault *fault)
{
	struct hide_sink *sink = (struct hide_sink *)base;

	return sink->next->ops->finish(sink->next, fault);
}

static void sink_close(struct weir_flow_sink *base)
{
	struct hide_sink *sink = (struct hide_sink *)base;

	sink->next->ops->close(sink->next);
	arena_free(sink->arena);
	free(sink);
}

static const struct weir_flow_sink_ops ops = {.name = "hide",
                                              .write = sink_write,
                                              .finish = sink_finish,
                                              .close = sink_close};

int flow_hide_open(const struct weir_hider *hider, struct weir_flow_sink *next, struct weir_flow_sink **out,
                   struct weir_fault *fault)
{
	struct hide_sink *sink = calloc(1, sizeof *sink);
	struct weir_arena *arena = arena_new(0);

	*out = NULL;
	if (!sink || !arena) {
		free(sink);
		arena_free(arena);
		next->ops->close(next);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to hide flows");
	}
	sink->sink.ops = &ops;
	sink->hider = hider;
	sink->next = next;
	sink->arena = arena;
	*out = &sink->sink;
	return 0;
}
