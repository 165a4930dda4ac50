/*
 * The namer's memory in a state file: the same bytes for the same memory, and nothing of it believed when it is read. Sections hold tables as they are in memory, without
 * what is empty: state files belong to one machine and one version.
 */
#include "packet/application.h"
#include "packet/application_memory.h"
#include "packet/application_namer.h"

#define SECTION "applications"
#define VERSION 1

static int wrong(struct weir_fault *fault)
{
	return weir_fail(fault, WEIR_E_FORMAT, "the state of application naming is not what this version writes: start the run anew");
}

static int put32(struct weir_state *state, uint32_t value, struct weir_fault *fault)
{
	return weir_state_put(state, &value, sizeof value, fault);
}
static int get32(struct weir_state *state, uint32_t *value, struct weir_fault *fault)
{
	return weir_state_get(state, value, sizeof *value, fault);
}

/* ---- pairs: each bucket that holds something, with its number ---- */

int pairs_save(const struct pairs *pairs, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t used = 0, head[2] = {pairs->mask, 0};

	for (uint64_t i = 0; i <= pairs->mask; i++)
		used += pairs->buckets[i][0].key != 0 || pairs->buckets[i][1].key != 0;
	head[1] = used;
	int error = weir_state_put(state, head, sizeof head, fault);
	for (uint64_t i = 0; !error && i <= pairs->mask; i++) {
		if (pairs->buckets[i][0].key == 0 && pairs->buckets[i][1].key == 0)
			continue;
		error = weir_state_put(state, &i, sizeof i, fault);
		if (!error)
			error = weir_state_put(state, pairs->buckets[i], sizeof pairs->buckets[i], fault);
	}
	return error;
}

int pairs_load(struct pairs *pairs, struct weir_state *state, struct weir_fault *fault)
{
	uint64_t head[2], number;
	int error = weir_state_get(state, head, sizeof head, fault);

	if (error)
		return error;
	if (head[0] > pairs->most || (head[0] & (head[0] + 1)) != 0 || head[1] > head[0] + 1)
		return wrong(fault);
	if (pairs_resize(pairs, head[0] + 1) < 0)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the state of application naming");
	for (uint64_t i = 0; i < head[1]; i++) {
		if ((error = weir_state_get(state, &number, sizeof number, fault)))
			return error;
		if (number > pairs->mask)
			return wrong(fault);
		if ((error = weir_state_get(state, pairs->buckets[number], sizeof pairs->buckets[number], fault)))
			return error;
	}
	return 0;
}

/* ---- names: all slots that were ever used; chains and the list of free ones are made anew ---- */

int names_save(const struct names *names, struct weir_state *state, struct weir_fault *fault)
{
	int error = 0;

	for (unsigned i = 0; !error && i < 2; i++) {
		const struct name_class *class = &names->classes[i];
		if ((error = put32(state, class->count, fault)) || (error = put32(state, class->used, fault)))
			return error;
		for (uint32_t number = 1; !error && number < class->used; number++) {
			const struct name_slot *slot = names_slot(names, number | (i ? LONG_NAME_BIT : 0));
			uint32_t head[2] = {slot->references, slot->references ? slot->length : 0};
			error = weir_state_put(state, head, sizeof head, fault);
			if (!error && head[1])
				error = weir_state_put(state, slot->text, head[1], fault);
		}
	}
	return error;
}

int names_load(struct names *names, struct weir_state *state, struct weir_fault *fault)
{
	int error = 0;

	memset(names->heads, 0, ((size_t)names->heads_mask + 1) * sizeof *names->heads);
	for (unsigned i = 0; i < 2; i++) {
		struct name_class *class = &names->classes[i];
		uint32_t count, used, *link = &class->free;
		if ((error = get32(state, &count, fault)) || (error = get32(state, &used, fault)))
			return error;
		if (count != class->count || used > count)
			return wrong(fault);
		class->used = used;
		class->free = 0;
		for (uint32_t number = 1; number < used; number++) {
			uint32_t head[2], name = number | (i ? LONG_NAME_BIT : 0);
			struct name_slot *slot = names_slot(names, name);
			if ((error = weir_state_get(state, head, sizeof head, fault)))
				return error;
			if (head[1] > class->room || (head[0] == 0) != (head[1] == 0))
				return wrong(fault);
			slot->references = head[0];
			slot->next = 0;
			if (head[0] == 0) { /* free: the lowest number first */
				*link = number;
				link = &slot->next;
				continue;
			}
			slot->length = (uint8_t)head[1];
			slot->service = UINT16_MAX;
			if ((error = weir_state_get(state, slot->text, head[1], fault)))
				return error;
			slot->hash = names_hash(slot->text, slot->length);
			slot->next = names->heads[slot->hash & names->heads_mask];
			names->heads[slot->hash & names->heads_mask] = name;
		}
	}
	return 0;
}

/* ---- copies of payloads: each flow that is pending, with its bytes ---- */

/* The free ones in the order in which loading finds them: so going on and resuming give out the same numbers. */
static void order_free_flows(struct pending *pending)
{
	uint32_t *link = &pending->free_flow;

	*link = 0;
	for (uint32_t number = 1; number < pending->flows_used; number++) {
		if (pending->flows[number].first)
			continue;
		*link = number;
		link = &pending->flows[number].next_free;
		*link = 0;
	}
}

int pending_save(struct pending *pending, struct weir_state *state, struct weir_fault *fault)
{
	uint32_t head[3] = {pending->flow_count, pending->flows_used, pending->oldest};

	order_free_flows(pending);
	int error = weir_state_put(state, head, sizeof head, fault);

	for (uint32_t number = 1; !error && number < pending->flows_used; number++) {
		const struct pending_flow *flow = &pending->flows[number];
		uint32_t bytes = flow->first ? flow->bytes : 0, left = bytes;
		if ((error = put32(state, flow->generation, fault)) || (error = put32(state, bytes, fault)))
			return error;
		if (!bytes)
			continue;
		error = weir_state_put(state, &flow->time_ns, sizeof flow->time_ns, fault);
		for (uint32_t block = flow->first; !error && block && left; block = pending->blocks[block].next) {
			uint32_t some = left < PENDING_BLOCK ? left : PENDING_BLOCK;
			error = weir_state_put(state, pending->blocks[block].data, some, fault);
			left -= some;
		}
	}
	return error;
}

static int load_blocks(struct pending *pending, struct pending_flow *flow, struct weir_state *state, struct weir_fault *fault)
{
	for (uint32_t left = flow->bytes; left;) {
		uint32_t some = left < PENDING_BLOCK ? left : PENDING_BLOCK, number = pending->blocks_used;
		if (number >= pending->block_count)
			return wrong(fault);
		pending->blocks_used++;
		pending->blocks[number].next = 0;
		if (flow->first)
			pending->blocks[flow->last].next = number;
		else
			flow->first = number;
		flow->last = number;
		int error = weir_state_get(state, pending->blocks[number].data, some, fault);
		if (error)
			return error;
		left -= some;
	}
	return 0;
}

int pending_load(struct pending *pending, struct weir_state *state, struct weir_fault *fault)
{
	uint32_t head[3], *link = &pending->free_flow;
	int error = weir_state_get(state, head, sizeof head, fault);

	if (error)
		return error;
	if (head[0] != pending->flow_count || head[1] == 0 || head[1] > pending->flow_count || head[2] >= head[1])
		return wrong(fault);
	pending->flows_used = head[1];
	pending->oldest = head[2];
	pending->blocks_used = 1;
	pending->free_block = pending->free_flow = 0;
	for (uint32_t number = 1; number < head[1]; number++) {
		struct pending_flow *flow = &pending->flows[number];
		*flow = (struct pending_flow){0};
		if ((error = get32(state, &flow->generation, fault)) || (error = get32(state, &flow->bytes, fault)))
			return error;
		if (flow->bytes > PENDING_FLOW_BYTES || flow->generation >= UINT32_MAX / PENDING_FLOWS)
			return wrong(fault);
		if (flow->bytes == 0) {
			*link = number;
			link = &flow->next_free;
			continue;
		}
		if ((error = weir_state_get(state, &flow->time_ns, sizeof flow->time_ns, fault)) ||
		    (error = load_blocks(pending, flow, state, fault)))
			return error;
	}
	return 0;
}

/* ---- the whole ---- */

/* What has to be the same for a state to be of use. */
struct premises {
	char ndpi[32]; /* its version, "": without */
	uint64_t memory_bytes;
	uint64_t sweep;
	int64_t seconds, credit;
	uint32_t applications;
	uint32_t reserved;
};

static struct premises premises_of(const struct weir_applications *a)
{
	struct premises premises = {
		.memory_bytes = a->memory_bytes,
		.sweep = a->sweep,
		.seconds = a->seconds,
		.credit = a->credit,
		.applications = APPLICATIONS,
	};
	if (a->ndpi)
		strncpy(premises.ndpi, application_ndpi_version(), sizeof premises.ndpi - 1);
	return premises;
}

int weir_applications_save(struct weir_applications *a, struct weir_state *state, struct weir_fault *fault)
{
	struct premises premises = premises_of(a);
	int error = weir_state_section(state, SECTION, VERSION, fault);

	if (!error)
		error = weir_state_put(state, &premises, sizeof premises, fault);
	if (!error)
		error = names_save(a->names, state, fault);
	if (!error)
		error = pairs_save(&a->answers, state, fault);
	if (!error)
		error = pairs_save(&a->endpoints, state, fault);
	return error ? error : pending_save(a->pending, state, fault);
}

/* Every name that an answer refers to has to be there. */
static bool answers_are_sound(const struct weir_applications *a)
{
	for (uint64_t i = 0; i <= a->answers.mask; i++)
		for (unsigned j = 0; j < 4; j++)
			if (a->answers.buckets[i][j].key && !names_valid(a->names, (uint32_t)a->answers.buckets[i][j].value))
				return false;
	return true;
}

int weir_applications_load(struct weir_applications *a, struct weir_state *state, struct weir_fault *fault)
{
	struct premises premises, ours = premises_of(a);
	int error = weir_state_section(state, SECTION, VERSION, fault);

	if (!error)
		error = weir_state_get(state, &premises, sizeof premises, fault);
	if (error)
		return error;
	if (premises.applications != ours.applications || premises.memory_bytes != ours.memory_bytes ||
	    memcmp(premises.ndpi, ours.ndpi, sizeof ours.ndpi) != 0 || premises.credit < 0 || premises.credit > NDPI_CREDIT)
		return wrong(fault);
	a->sweep = premises.sweep;
	a->seconds = premises.seconds;
	a->credit = premises.credit;
	if ((error = names_load(a->names, state, fault)) || (error = pairs_load(&a->answers, state, fault)) ||
	    (error = pairs_load(&a->endpoints, state, fault)) || (error = pending_load(a->pending, state, fault)))
		return error;
	return answers_are_sound(a) ? 0 : wrong(fault);
}
