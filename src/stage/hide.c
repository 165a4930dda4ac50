/* The hide stage: weir/policy.h. */
#include <stdlib.h>

#include "core/arena.h"
#include "stage/hide.h"

struct hide_stage {
	struct weir_stage stage;
	const struct weir_hider *hider;
	struct {
		_Atomic uint64_t packets, cut, bytes_before, bytes_after;
	} count;
};

/* Facts go on being those of the packet: what follows (an index, flows) takes ports and VLANs from them. */
static void hide_facts(const struct weir_hider *hider, const struct weir_packet *packet, struct weir_facts *facts)
{
	if (facts->payload > packet->captured) {
		weir_decode_thoroughly(packet, facts);
		return;
	}
	for (unsigned i = 0; i < facts->network_count; i++) {
		struct weir_network *network = &facts->networks[i];
		if (network->end > packet->captured)
			network->end = packet->captured;
		if (network->flags & WEIR_NETWORK_PORTS) {
			network->source_port = hide_port(hider, network->source_port);
			network->destination_port = hide_port(hider, network->destination_port);
		}
	}
	for (unsigned i = 0; i < facts->vlan_count; i++)
		facts->vlans[i] = hide_vlan_id(hider, facts->vlans[i]);
}

static int hide_one(struct hiding *h, struct weir_batch *batch, struct weir_packet *packet)
{
	struct weir_facts *facts = packet->facts;
	uint32_t there = packet->captured;

	h->whole_copied = hide_wants_payload(facts, packet->data, there);
	if (!h->whole_copied && facts->payload < there)
		there = facts->payload;
	uint8_t *out = arena_take(batch->arena, there ? there : 1);
	if (!out)
		return WEIR_E_MEMORY;
	if (there)
		memcpy(out, packet->data, there);
	h->facts = facts;
	h->in = packet->data;
	h->out = out;
	h->length = there;
	h->keep = 0;
	h->cut = false;
	h->checksum_count = 0;
	hide_packet(h);
	packet->data = out;
	packet->captured = h->keep;
	packet->block = NULL;
	packet->block_length = 0;
	packet->added = 0; /* it may name users and programs */
	packet->time_ns = weir_hide_time(h->hider, packet->time_ns);
	hide_facts(h->hider, packet, facts);
	return 0;
}

static int hide_all(struct hide_stage *stage, struct hide_context *context, struct weir_batch *batch)
{
	struct hiding h = {.context = context, .hider = stage->hider};
	uint64_t packets = 0, cut = 0, before = 0, after = 0;
	int error = 0;

	for (uint32_t i = 0; i < batch->count && !error; i++) {
		struct weir_packet *packet = &batch->packets[i];
		/* Duplicates are not written, but counted by their addresses. */
		if (packet->verdict == WEIR_DROP)
			continue;
		uint32_t captured = packet->captured;
		error = hide_one(&h, batch, packet);
		packets++;
		before += captured;
		after += packet->captured;
		cut += packet->captured < captured;
	}
	/* Relaxed: sums, read when the run is over. */
	atomic_fetch_add_explicit(&stage->count.packets, packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&stage->count.cut, cut, memory_order_relaxed);
	atomic_fetch_add_explicit(&stage->count.bytes_before, before, memory_order_relaxed);
	atomic_fetch_add_explicit(&stage->count.bytes_after, after, memory_order_relaxed);
	return error;
}

/* Whether every packet that is not dropped has facts. */
static bool is_decoded(const struct weir_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		if (batch->packets[i].verdict != WEIR_DROP && !batch->packets[i].facts)
			return false;
	return true;
}

static int process(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct hide_stage *stage = (struct hide_stage *)base;
	struct hide_context *context;

	if (!is_decoded(batch))
		return weir_fail(fault, WEIR_E_USAGE, "packets are to be decoded before they are hidden");
	context = hider_borrow(stage->hider);
	int error = hide_interfaces(context, batch);
	if (!error)
		error = hide_blocks(context, batch);
	if (!error)
		error = hide_all(stage, context, batch);
	bool failed = hide_context_failed(context);
	hider_return(context);
	if (failed)
		return weir_fail(fault, WEIR_E_SYSTEM, "the system's OpenSSL does not encrypt");
	return error ? weir_fail(fault, WEIR_E_MEMORY, "no memory to hide packets") : 0;
}

static void stage_close(struct weir_stage *base) { free(base); }

static const struct weir_stage_ops ops = {.name = "hide", .process = process, .close = stage_close, .parallel = true};

struct weir_stage *weir_hide_stage_new(const struct weir_hider *hider, struct weir_fault *fault)
{
	struct hide_stage *stage = calloc(1, sizeof *stage);

	if (!stage) {
		weir_fail(fault, WEIR_E_MEMORY, "no memory to hide packets");
		return NULL;
	}
	stage->stage.ops = &ops;
	stage->hider = hider;
	return &stage->stage;
}

void weir_hide_statistics(const struct weir_stage *base, struct weir_hide_statistics *statistics)
{
	const struct hide_stage *stage = (const struct hide_stage *)base;

	*statistics = (struct weir_hide_statistics){
		.packets = atomic_load_explicit(&stage->count.packets, memory_order_relaxed),
		.cut = atomic_load_explicit(&stage->count.cut, memory_order_relaxed),
		.bytes_before = atomic_load_explicit(&stage->count.bytes_before, memory_order_relaxed),
		.bytes_after = atomic_load_explicit(&stage->count.bytes_after, memory_order_relaxed),
	};
}
