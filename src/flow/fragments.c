/* Datagrams in fragments: flow/fragments.h. */
#include "flow/fragments.h"

#include <stdlib.h>

#define DATAGRAMS (FLOW_FRAGMENT_SETS * FLOW_FRAGMENT_WAYS)

int flow_fragments_init(struct flow_fragments *fragments, struct weir_fault *fault)
{
	*fragments = (struct flow_fragments){.datagrams = calloc(DATAGRAMS, sizeof *fragments->datagrams)};
	return fragments->datagrams ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for fragments");
}

void flow_fragments_free(struct flow_fragments *fragments)
{
	free(fragments->datagrams);
	fragments->datagrams = NULL;
}

/* The identification that all fragments of a datagram share (RFC 791, RFC 8200 section 4.5). */
static uint32_t identification(const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;
	uint8_t innermost = (uint8_t)(facts->network_count - 1);
	const struct weir_network *network = &facts->networks[innermost];

	if (network->version == 4)
		return weir_load_be16(packet->data + network->offset + 4);
	for (unsigned i = facts->layer_count; i-- > 0;)
		if (facts->layers[i].kind == WEIR_LAYER_FRAGMENT && facts->layers[i].network == innermost)
			return weir_load_be32(packet->data + facts->layers[i].offset + 4);
	return 0;
}

static bool same_datagram(const struct flow_datagram *datagram, const struct flow_key *key, uint8_t high, uint32_t id)
{
	const struct flow_key *other = &datagram->key;
	bool same_ends = memcmp(other->low, key->low, 32) == 0;

	/* A host that sends to itself has its ends in the order of their ports: here it does not matter. */
	bool same_way = (datagram->bits & FLOW_ITEM_HIGH) == high || memcmp(key->low, key->high, 16) == 0;
	return datagram->used && datagram->id == id && same_ends && same_way && other->protocol == key->protocol &&
	       other->version == key->version && other->vlan == key->vlan;
}

static uint32_t set_of(const struct flow_key *key, uint32_t id)
{
	uint64_t hash = (key->low[0] ^ key->low[1] * 3) * UINT64_C(0x9e3779b97f4a7c15) + (key->high[0] ^ key->high[1] * 5);
	hash = (hash ^ id) * UINT64_C(0xa0761d6478bd642f);
	return (uint32_t)(hash >> 40) % FLOW_FRAGMENT_SETS;
}

static bool is_old(const struct flow_datagram *datagram, int64_t now_ns)
{
	return now_ns > datagram->began_ns && (uint64_t)now_ns - (uint64_t)datagram->began_ns > (uint64_t)FLOW_FRAGMENT_NS;
}

/* Adds a later fragment to what waits. */
static void wait_for_first(struct flow_datagram *datagram, const struct flow_item *item)
{
	if (!datagram->has_waiting) {
		datagram->has_waiting = true;
		datagram->first_ns = datagram->last_ns = item->time_ns;
		datagram->ttl_min = datagram->ttl_max = item->ttl;
		datagram->dscp = item->dscp;
	}
	datagram->vantage = item->vantage;
	datagram->vantages |= UINT64_C(1) << item->vantage;
	if (item->bits & FLOW_ITEM_DUPLICATE) {
		datagram->duplicates++;
		return;
	}
	datagram->packets++;
	datagram->wire_bytes += item->wire_bytes;
	datagram->ip_bytes += item->ip_bytes;
	datagram->captured_bytes += item->captured_bytes;
	if (item->time_ns < datagram->first_ns)
		datagram->first_ns = item->time_ns;
	if (item->time_ns > datagram->last_ns)
		datagram->last_ns = item->time_ns;
	if (item->ttl < datagram->ttl_min)
		datagram->ttl_min = item->ttl;
	if (item->ttl > datagram->ttl_max)
		datagram->ttl_max = item->ttl;
}

enum flow_fragment_answer flow_fragments_take(struct flow_fragments *fragments, struct flow_item *item,
                                              struct flow_datagram *given)
{
	uint32_t id = identification(item->packet);
	struct flow_datagram *set = &fragments->datagrams[set_of(&item->key, id) * FLOW_FRAGMENT_WAYS], *found = NULL, *oldest = set;

	given->packets = given->duplicates = 0;
	for (unsigned i = 0; i < FLOW_FRAGMENT_WAYS; i++) {
		if (same_datagram(&set[i], &item->key, item->bits & FLOW_ITEM_HIGH, id))
			found = &set[i];
		if (oldest->used && (!set[i].used || set[i].began_ns < oldest->began_ns))
			oldest = &set[i];
	}
	/* An identification is used again after a while: by another datagram then. */
	bool begins = !found || is_old(found, item->time_ns);
	if (begins) {
		if (!found)
			found = oldest;
		if (found->used && found->has_waiting) {
			*given = *found;
			given->first_seen = false;
			fragments->waiting--;
		}
		*found = (struct flow_datagram){.key = item->key, .hash = item->hash, .began_ns = item->time_ns, .id = id, .used = true};
		found->bits = item->bits & FLOW_ITEM_HIGH;
	}
	if (!(item->bits & FLOW_ITEM_LATER)) {
		if (found->has_waiting) {
			*given = *found;
			given->first_seen = true;
			found->has_waiting = false;
			fragments->waiting--;
		}
		found->first_seen = true;
		found->key = item->key;
		found->hash = item->hash;
		found->bits = item->bits & FLOW_ITEM_HIGH;
		return FLOW_FRAGMENT_COUNT;
	}
	if (found->first_seen) {
		item->key = found->key;
		item->hash = found->hash;
		item->bits = (uint8_t)((item->bits & ~FLOW_ITEM_HIGH) | found->bits);
		return FLOW_FRAGMENT_COUNT;
	}
	fragments->waiting += !found->has_waiting;
	wait_for_first(found, item);
	return FLOW_FRAGMENT_WAITS;
}

bool flow_fragments_late(struct flow_fragments *fragments, int64_t now_ns, bool all, uint32_t *at, struct flow_datagram *given)
{
	for (; fragments->waiting && *at < DATAGRAMS; ++*at) {
		struct flow_datagram *datagram = &fragments->datagrams[*at];
		if (!datagram->has_waiting || !(all || is_old(datagram, now_ns)))
			continue;
		*given = *datagram;
		given->first_seen = false;
		*datagram = (struct flow_datagram){0};
		fragments->waiting--;
		return true;
	}
	return false;
}

int flow_fragments_save(const struct flow_fragments *fragments, struct weir_state *state, struct weir_fault *fault)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < DATAGRAMS; i++)
		used += fragments->datagrams[i].used;
	int error = weir_state_put(state, &used, sizeof used, fault);
	for (uint32_t i = 0; !error && i < DATAGRAMS; i++)
		if (fragments->datagrams[i].used) {
			error = weir_state_put(state, &i, sizeof i, fault);
			if (!error)
				error = weir_state_put(state, &fragments->datagrams[i], sizeof fragments->datagrams[i], fault);
		}
	return error;
}

int flow_fragments_load(struct flow_fragments *fragments, struct weir_state *state, struct weir_fault *fault)
{
	uint32_t used, at;
	int error = weir_state_get(state, &used, sizeof used, fault);

	for (uint32_t i = 0; !error && i < used; i++) {
		error = weir_state_get(state, &at, sizeof at, fault);
		if (error)
			break;
		if (at >= DATAGRAMS || fragments->datagrams[at].used)
			return weir_fail(fault, WEIR_E_FORMAT, "the saved fragments are not sound");
		struct flow_datagram *datagram = &fragments->datagrams[at];
		error = weir_state_get(state, datagram, sizeof *datagram, fault);
		fragments->waiting += !error && datagram->has_waiting;
	}
	return error;
}
