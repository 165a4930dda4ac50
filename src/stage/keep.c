/* The keep stage: weir/policy.h, docs/policy.md. What it keeps of a packet is always its beginning. */
#include "stage/keep.h"

#include <pthread.h>
#include <stdlib.h>

#include <weir/filter.h>
#include <weir/state.h>

#include "packet/decoding.h"
#include "packet/dissect.h"

#define LINKS_MAX 32 /* link types in one run; of further ones packet filters find nothing */
#define SSH_PORT 22

/* Layers as bits, so that a rule's protocol is one test. */
_Static_assert(WEIR_LAYER_KINDS <= 64, "layer kinds fit a mask");

struct rule {
	const struct weir_keep_rule *said;
	struct weir_filter *filter; /* NULL: by protocol */
};

/* A link type, and of which rules the filter can be asked there: `ether host` means nothing without MAC addresses. */
struct link {
	uint16_t linktype;
	bool *usable; /* by rule */
};

struct keep {
	struct weir_stage stage;
	const struct weir_policy_keep *policy;
	struct rule *rules;
	size_t rule_count;
	struct keep_flows *flows; /* NULL: no limit */
	/* Filters are compiled for a link type when its first packet comes: held for writing then, else for reading. */
	pthread_rwlock_t lock;
	struct link links[LINKS_MAX];
	size_t link_count;
	_Atomic uint64_t packets, cut, dropped, bytes_before, bytes_after, dropped_bytes;
	_Atomic int64_t first_ns, last_ns; /* of the dropped */
};

/* One packet in hand. */
struct view {
	struct weir_packet *packet;
	struct weir_facts *facts;
	uint64_t layers;     /* bits by kind */
	uint8_t application; /* enum weir_layer_kind; WEIR_LAYER_NONE: none that is known */
	bool looked;         /* for it */
};

/* ---- packets ---- */

/* Bytes of a header that are always there, where more of it was promised than is there. */
static uint32_t fixed_header(uint8_t kind)
{
	switch (kind) {
	case WEIR_LAYER_IPV4:
	case WEIR_LAYER_TCP:
		return 20;
	case WEIR_LAYER_IPV6:
		return 40;
	case WEIR_LAYER_AH:
	case WEIR_LAYER_SCTP:
		return 12;
	case WEIR_LAYER_ARP:
	case WEIR_LAYER_IPV6_EXTENSION:
	case WEIR_LAYER_FRAGMENT:
	case WEIR_LAYER_ESP:
	case WEIR_LAYER_ICMP:
	case WEIR_LAYER_ICMPV6:
	case WEIR_LAYER_IGMP:
	case WEIR_LAYER_UDP:
	case WEIR_LAYER_UDPLITE:
		return 8;
	default:
		return 0;
	}
}

/*
 * Of link types that are not decoded: what the capturing system put before the packet (directions, lengths, circuits), without which readers of capture files refuse
 * the file.
 */
static uint32_t pseudo_header(uint16_t linktype)
{
	static const struct {
		uint16_t linktype;
		uint8_t bytes;
	} table[] = {
		{123, 4} /* SunATM */, {139, 4} /* MTP2 */,      {144, 16} /* IrDA */, {177, 16} /* LAPD */,
		{189, 48} /* USB */,   {196, 5} /* SITA */,      {197, 16} /* ERF */,  {201, 4} /* Bluetooth */,
		{220, 64} /* USB */,   {254, 4} /* Bluetooth */,
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].linktype == linktype)
			return table[i].bytes;
	return 0;
}

uint32_t keep_headers(const struct weir_packet *packet, const struct weir_facts *facts)
{
	uint32_t headers = facts->payload;

	if (__builtin_expect(facts->layer_count == 0, 0))
		headers = pseudo_header(packet->linktype);
	else if (__builtin_expect(facts->flags & WEIR_FACT_MALFORMED, 0)) {
		const struct weir_layer *last = &facts->layers[facts->layer_count - 1];
		uint32_t sound = last->offset + fixed_header(last->kind);
		if (headers > sound)
			headers = sound;
	}
	return headers < packet->captured ? headers : packet->captured;
}

uint32_t keep_payload_end(const struct weir_packet *packet, const struct weir_facts *facts)
{
	uint32_t end = packet->captured;

	if (facts->layer_count == 0)
		return end;
	const struct weir_layer *last = &facts->layers[facts->layer_count - 1];
	if (last->network < facts->network_count && facts->networks[last->network].end < end)
		end = facts->networks[last->network].end;
	if (last->kind == WEIR_LAYER_UDP && facts->payload == last->offset + 8) {
		uint32_t length = weir_load_be16(packet->data + last->offset + 4);
		if (length >= 8 && last->offset + length < end)
			end = last->offset + length;
	}
	return end;
}

void keep_cut(struct weir_packet *packet, uint32_t captured)
{
	struct weir_facts *facts = packet->facts;

	packet->captured = captured;
	packet->block = NULL;
	packet->block_length = 0;
	if (!facts)
		return;
	/*
	 * The facts must say nothing of bytes that are gone, for others make the index of them; and those who make it again decode what is left. That gives the
	 * same where the headers were sound and whole; where they were not, what stood behind them may have been looked at.
	 */
	const uint8_t odd = WEIR_FACT_CUT | WEIR_FACT_MALFORMED | WEIR_FACT_UNKNOWN | WEIR_FACT_DEEP | WEIR_FACT_INCOMPLETE;
	if (facts->payload > captured || (facts->flags & odd && !(facts->flags & WEIR_FACT_ESP_NULL))) {
		weir_decode(packet, facts);
		return;
	}
	for (unsigned i = 0; i < facts->network_count; i++)
		if (facts->networks[i].end > captured)
			facts->networks[i].end = captured;
}

/* ---- rules ---- */

static struct weir_bytes payload_of(const struct view *view)
{
	uint32_t from = keep_headers(view->packet, view->facts), to = keep_payload_end(view->packet, view->facts);

	return (struct weir_bytes){view->packet->data + from, to > from ? to - from : 0};
}

/* What the payload looks like, once a packet. */
static void look(struct view *view)
{
	struct weir_facts *facts = view->facts;
	uint8_t layers = facts->layer_count;

	view->looked = true;
	if (layers == 0 || facts->flags & WEIR_FACT_MALFORMED)
		return;
	find_application(view->packet, facts);
	if (facts->layer_count > layers) {
		view->application = facts->layers[layers].kind;
		/* The facts stay those of decoding. */
		facts->layer_count = layers;
	} else if (facts->layers[layers - 1].kind == WEIR_LAYER_TCP &&
	           facts->layers[layers - 1].network < facts->network_count) {
		const struct weir_network *network = &facts->networks[facts->layers[layers - 1].network];
		if ((network->source_port == SSH_PORT || network->destination_port == SSH_PORT) &&
		    keep_is_ssh_exchange(payload_of(view)))
			view->application = WEIR_LAYER_SSH;
	}
	view->layers |= UINT64_C(1) << view->application;
}

static const struct link *link_of(const struct keep *keep, uint16_t linktype)
{
	for (size_t i = 0; i < keep->link_count; i++)
		if (keep->links[i].linktype == linktype)
			return &keep->links[i];
	return NULL;
}

static bool fits(const struct rule *rule, bool usable, struct view *view)
{
	if (rule->filter)
		return usable && weir_filter_match(rule->filter, view->packet, NULL) > 0;
	if (rule->said->protocol >= WEIR_LAYER_DNS && !view->looked)
		look(view);
	return view->layers >> rule->said->protocol & 1;
}

static const struct weir_keep_rule *rule_for(const struct keep *keep, struct view *view)
{
	if (keep->rule_count == 0)
		return &keep->policy->otherwise;
	const struct link *link = link_of(keep, view->packet->linktype);
	for (unsigned i = 0; i < view->facts->layer_count; i++)
		view->layers |= UINT64_C(1) << view->facts->layers[i].kind;
	for (size_t i = 0; i < keep->rule_count; i++)
		if (fits(&keep->rules[i], link && link->usable[i], view))
			return keep->rules[i].said;
	return &keep->policy->otherwise;
}

/* How many bytes behind the headers a rule keeps. */
static uint32_t payload_kept(const struct weir_keep_rule *rule, struct view *view, struct weir_bytes payload)
{
	switch (rule->amount) {
	case WEIR_KEEP_BYTES:
		return rule->bytes < payload.length ? rule->bytes : (uint32_t)payload.length;
	case WEIR_KEEP_HANDSHAKE:
		if (!view->looked)
			look(view);
		return keep_handshake(view->application, payload);
	case WEIR_KEEP_HEADERS:
		/* Of a protocol that was named its own headers too. */
		if (rule->protocol < WEIR_LAYER_DNS || payload.length == 0)
			return 0;
		return keep_own_headers(rule->protocol,
		                        view->facts->layers[view->facts->layer_count - 1].kind == WEIR_LAYER_TCP, payload);
	default:
		return 0;
	}
}

/* Bytes of payload on the wire: those that the snap length cut off count for a flow too. */
static uint32_t wire_payload(const struct view *view, uint32_t headers, uint32_t end)
{
	const struct weir_packet *packet = view->packet;

	if (end == packet->captured && packet->length > end)
		end = packet->length;
	return end > headers ? end - headers : 0;
}

/* How many bytes of a packet are kept. */
static uint32_t bytes_kept(const struct keep *keep, const struct weir_keep_rule *rule, struct view *view)
{
	const struct weir_packet *packet = view->packet;
	uint32_t kept = packet->captured;

	if (rule->amount != WEIR_KEEP_PACKET || keep->flows) {
		uint32_t headers = keep_headers(packet, view->facts);
		if (rule->amount != WEIR_KEEP_PACKET)
			kept = headers + payload_kept(rule, view, payload_of(view));
		if (keep->flows && view->facts->flow_hash) {
			uint32_t payload = wire_payload(view, headers, keep_payload_end(packet, view->facts));
			uint32_t left = keep_flows_take(keep->flows, view->facts->flow_hash, packet->time_ns, payload,
			                                (uint32_t)keep->policy->flow_bytes);
			/* Padding behind the payload goes only where payload does. */
			if (payload > left && kept - headers > left)
				kept = headers + left;
		}
	}
	return keep->policy->snaplen && kept > keep->policy->snaplen ? keep->policy->snaplen : kept;
}

/* ---- the stage ---- */

struct tally {
	uint64_t packets, cut, dropped, before, after, dropped_bytes;
	int64_t first_ns, last_ns; /* of the dropped */
};

static void drop(struct weir_packet *packet, struct tally *tally)
{
	packet->verdict = WEIR_DROP;
	if (!tally->dropped || packet->time_ns < tally->first_ns)
		tally->first_ns = packet->time_ns;
	if (!tally->dropped || packet->time_ns > tally->last_ns)
		tally->last_ns = packet->time_ns;
	tally->dropped++;
	tally->dropped_bytes += packet->length;
}

static void keep_packet(const struct keep *keep, struct weir_packet *packet, struct tally *tally)
{
	struct weir_facts own;
	struct view view = {.packet = packet, .facts = packet->facts};

	if (!view.facts) {
		weir_decode(packet, &own);
		view.facts = &own;
	}
	tally->packets++;
	tally->before += packet->captured;
	const struct weir_keep_rule *rule = rule_for(keep, &view);
	if (rule->amount == WEIR_KEEP_NO_PACKET) {
		drop(packet, tally);
		return;
	}
	uint32_t kept = bytes_kept(keep, rule, &view);
	if (kept < packet->captured) {
		keep_cut(packet, kept);
		tally->cut++;
	}
	tally->after += packet->captured;
}

/* With the lock held for writing. */
static int add_link(struct keep *keep, uint16_t linktype, struct weir_fault *fault)
{
	if (link_of(keep, linktype) || keep->link_count == LINKS_MAX)
		return 0;
	struct link *link = &keep->links[keep->link_count];
	link->usable = calloc(keep->rule_count, sizeof *link->usable);
	if (!link->usable)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the filters of a policy");
	for (size_t i = 0; i < keep->rule_count; i++) {
		int error = keep->rules[i].filter ? weir_filter_prepare(keep->rules[i].filter, linktype, fault) : 0;
		if (error && error != WEIR_E_FILTER) {
			free(link->usable);
			return error;
		}
		link->usable[i] = error == 0;
	}
	link->linktype = linktype;
	keep->link_count++;
	return 0;
}

/* Takes the lock for reading, with all link types of the batch known. */
static int lock_for(struct keep *keep, const struct weir_batch *batch, struct weir_fault *fault)
{
	uint32_t i = 0;

	pthread_rwlock_rdlock(&keep->lock);
	uint16_t last = 0;
	for (bool any = false; i < batch->count; i++) {
		uint16_t linktype = batch->packets[i].linktype;
		if (any && linktype == last)
			continue;
		if (!link_of(keep, linktype) && keep->link_count < LINKS_MAX)
			break;
		last = linktype;
		any = true;
	}
	if (i == batch->count)
		return 0;
	pthread_rwlock_unlock(&keep->lock);
	pthread_rwlock_wrlock(&keep->lock);
	int error = 0;
	for (; i < batch->count && !error; i++)
		error = add_link(keep, batch->packets[i].linktype, fault);
	pthread_rwlock_unlock(&keep->lock);
	if (error)
		return error;
	pthread_rwlock_rdlock(&keep->lock);
	return 0;
}

static void add_tally(struct keep *keep, const struct tally *tally)
{
	/* Relaxed: they are read when the run is over, or to be shown. */
	atomic_fetch_add_explicit(&keep->packets, tally->packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&keep->cut, tally->cut, memory_order_relaxed);
	atomic_fetch_add_explicit(&keep->bytes_before, tally->before, memory_order_relaxed);
	atomic_fetch_add_explicit(&keep->bytes_after, tally->after, memory_order_relaxed);
	if (!tally->dropped)
		return;
	atomic_fetch_add_explicit(&keep->dropped, tally->dropped, memory_order_relaxed);
	atomic_fetch_add_explicit(&keep->dropped_bytes, tally->dropped_bytes, memory_order_relaxed);
	int64_t first = atomic_load_explicit(&keep->first_ns, memory_order_relaxed),
			last = atomic_load_explicit(&keep->last_ns, memory_order_relaxed);
	while ((first == WEIR_NO_TIME || tally->first_ns < first) &&
	       !atomic_compare_exchange_weak_explicit(&keep->first_ns, &first, tally->first_ns, memory_order_relaxed,
	                                              memory_order_relaxed))
		;
	while ((last == WEIR_NO_TIME || tally->last_ns > last) &&
	       !atomic_compare_exchange_weak_explicit(&keep->last_ns, &last, tally->last_ns, memory_order_relaxed,
	                                              memory_order_relaxed))
		;
}

static int keep_process(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	struct keep *keep = (struct keep *)stage;
	struct tally tally = {0};

	if (keep->rule_count) {
		int error = lock_for(keep, batch, fault);
		if (error)
			return error;
	}
	for (uint32_t i = 0; i < batch->count; i++)
		if (batch->packets[i].verdict == WEIR_KEEP)
			keep_packet(keep, &batch->packets[i], &tally);
	if (keep->rule_count)
		pthread_rwlock_unlock(&keep->lock);
	add_tally(keep, &tally);
	return 0;
}

static void keep_close(struct weir_stage *stage)
{
	struct keep *keep = (struct keep *)stage;

	for (size_t i = 0; keep->rules && i < keep->rule_count; i++)
		weir_filter_free(keep->rules[i].filter);
	for (size_t i = 0; i < keep->link_count; i++)
		free(keep->links[i].usable);
	keep_flows_free(keep->flows);
	pthread_rwlock_destroy(&keep->lock);
	free(keep->rules);
	free(keep);
}

static int keep_save(struct weir_stage *stage, struct weir_state *state, struct weir_fault *fault)
{
	const struct keep *keep = (const struct keep *)stage;
	struct weir_keep_statistics statistics;

	weir_keep_statistics(stage, &statistics);
	int error = weir_state_section(state, "keep", 2, fault);
	if (!error)
		error = weir_state_put(state, &statistics, sizeof statistics, fault);
	return error || !keep->flows ? error : keep_flows_save(keep->flows, state, fault);
}

static int keep_load(struct weir_stage *stage, struct weir_state *state, struct weir_fault *fault)
{
	struct keep *keep = (struct keep *)stage;
	struct weir_keep_statistics statistics;
	int error = weir_state_section(state, "keep", 2, fault);

	if (!error)
		error = weir_state_get(state, &statistics, sizeof statistics, fault);
	if (error)
		return error;
	keep->packets = statistics.packets;
	keep->cut = statistics.cut;
	keep->dropped = statistics.dropped;
	keep->bytes_before = statistics.bytes_before;
	keep->bytes_after = statistics.bytes_after;
	keep->dropped_bytes = statistics.dropped_bytes;
	keep->first_ns = statistics.first_ns;
	keep->last_ns = statistics.last_ns;
	return keep->flows ? keep_flows_load(keep->flows, state, fault) : 0;
}

static const struct weir_stage_ops keep_ops = {
	.name = "keep",
	.process = keep_process,
	.close = keep_close,
	.parallel = true,
	.save = keep_save,
	.load = keep_load,
};

/* It counts the bytes of flows. */
static const struct weir_stage_ops keep_flows_ops = {
	.name = "keep",
	.process = keep_process,
	.close = keep_close,
	.save = keep_save,
	.load = keep_load,
};

static int make_rules(struct keep *keep, const struct weir_policy_keep *policy, struct weir_fault *fault)
{
	int error = 0;

	keep->rules = calloc(policy->rule_count + 1, sizeof *keep->rules);
	if (!keep->rules)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the rules of a policy");
	for (; keep->rule_count < policy->rule_count && !error; keep->rule_count++) {
		struct rule *rule = &keep->rules[keep->rule_count];
		rule->said = &policy->rules[keep->rule_count];
		if (rule->said->protocol == WEIR_LAYER_NONE)
			error = weir_filter_new(rule->said->match, 1, &rule->filter, fault);
	}
	/* Those of live interfaces at once: later, names in filters may not be looked up any more, for want of privileges. */
	static const uint16_t live[] = {1, 12, 101, 113, 276};
	for (size_t i = 0; i < sizeof live / sizeof live[0] && !error && keep->rule_count; i++)
		error = add_link(keep, live[i], fault);
	if (!error && policy->flow_bytes != UINT64_MAX) {
		keep->flows = keep_flows_new();
		if (!keep->flows)
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory to count the bytes of flows");
	}
	return error;
}

struct weir_stage *weir_keep_stage_new(const struct weir_policy *policy, struct weir_fault *fault)
{
	struct keep *keep = calloc(1, sizeof *keep);

	if (!keep) {
		weir_fail(fault, WEIR_E_MEMORY, "no memory for a stage");
		return NULL;
	}
	keep->stage.ops = policy->keep.flow_bytes == UINT64_MAX ? &keep_ops : &keep_flows_ops;
	keep->policy = &policy->keep;
	keep->first_ns = keep->last_ns = WEIR_NO_TIME;
	pthread_rwlock_init(&keep->lock, NULL);
	if (make_rules(keep, &policy->keep, fault)) {
		keep_close(&keep->stage);
		return NULL;
	}
	return &keep->stage;
}

void weir_keep_statistics(const struct weir_stage *stage, struct weir_keep_statistics *statistics)
{
	const struct keep *keep = (const struct keep *)stage;

	*statistics = (struct weir_keep_statistics){
		.packets = keep->packets,
		.cut = keep->cut,
		.dropped = keep->dropped,
		.bytes_before = keep->bytes_before,
		.bytes_after = keep->bytes_after,
		.dropped_bytes = keep->dropped_bytes,
		.first_ns = keep->first_ns,
		.last_ns = keep->last_ns,
	};
}
