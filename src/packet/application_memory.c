/* What the namer learns and keeps, in memory that is taken once: pairs, names of servers, copies of payloads. */
#include <stdlib.h>

#include "os/files.h"
#include "packet/application.h"
#include "packet/application_memory.h"

/* ---- pairs ---- */

#define PAIRS_FIRST 1024u /* buckets of a new table */

/* A bucket is a cache line, and looked for anywhere: on large pages where there are any. */
int pairs_resize(struct pairs *pairs, uint64_t count)
{
	struct pair(*buckets)[4] = os_pages_new(count * sizeof *buckets, false);

	if (!buckets)
		return WEIR_E_MEMORY;
	pairs_free(pairs);
	pairs->buckets = buckets;
	pairs->mask = count - 1;
	return 0;
}

int pairs_new(struct pairs *pairs, uint64_t bytes)
{
	uint64_t count = 1;

	while (count * 2 * sizeof *pairs->buckets <= bytes)
		count *= 2;
	*pairs = (struct pairs){.most = count - 1};
	return pairs_resize(pairs, count < PAIRS_FIRST ? count : PAIRS_FIRST);
}

void pairs_free(struct pairs *pairs) { os_pages_free(pairs->buckets, (pairs->mask + 1) * sizeof *pairs->buckets); }

/* Twice as many buckets: each is divided among two, in its order. False: no memory, and nothing changed. */
static bool grow(struct pairs *pairs)
{
	struct pairs larger = {.most = pairs->most};

	if (pairs_resize(&larger, (pairs->mask + 1) * 2) < 0)
		return false;
	for (uint64_t i = 0; i <= pairs->mask; i++) {
		unsigned used[2] = {0, 0};
		for (unsigned j = 0; j < 4; j++) {
			if (!pairs->buckets[i][j].key)
				continue;
			bool upper = (pairs->buckets[i][j].key >> 32 & larger.mask) != i;
			larger.buckets[upper ? i + pairs->mask + 1 : i][used[upper]++] = pairs->buckets[i][j];
		}
	}
	pairs_free(pairs);
	*pairs = larger;
	return true;
}

struct pair *pairs_find(struct pairs *pairs, uint64_t key)
{
	struct pair *bucket = pairs->buckets[key >> 32 & pairs->mask];

	for (unsigned i = 0; i < 4; i++) {
		if (bucket[i].key != key)
			continue;
		struct pair found = bucket[i];
		memmove(bucket + 1, bucket, i * sizeof *bucket);
		bucket[0] = found;
		return bucket;
	}
	return NULL;
}

struct pair *pairs_put(struct pairs *pairs, uint64_t key, struct pair *out)
{
	*out = (struct pair){0, 0};
	struct pair *bucket = pairs_find(pairs, key);
	if (bucket)
		return bucket;
	bucket = pairs->buckets[key >> 32 & pairs->mask];
	while (bucket[3].key && pairs->mask < pairs->most && grow(pairs))
		bucket = pairs->buckets[key >> 32 & pairs->mask];
	*out = bucket[3];
	memmove(bucket + 1, bucket, 3 * sizeof *bucket);
	bucket[0] = (struct pair){key, 0};
	return bucket;
}

/* ---- names ---- */

struct names *names_new(uint64_t bytes)
{
	struct names *names = calloc(1, sizeof *names);

	if (!names)
		return NULL;
	/* Three quarters for names of up to 40 bytes, as most are; half as many heads of chains as there are slots. */
	uint64_t shorts = bytes * 3 / 4 / (sizeof(struct short_name) + 2), longs = bytes / 4 / (sizeof(struct long_name) + 2);
	names->classes[0] = (struct name_class){.size = sizeof(struct short_name),
	                                        .room = SHORT_NAME,
	                                        .count = (uint32_t)(shorts < LONG_NAME_BIT ? shorts : LONG_NAME_BIT - 1)};
	names->classes[1] = (struct name_class){.size = sizeof(struct long_name),
	                                        .room = 255,
	                                        .count = (uint32_t)(longs < LONG_NAME_BIT ? longs : LONG_NAME_BIT - 1)};
	names->heads_mask = 1;
	while ((names->heads_mask + 1) * 2 <= (shorts + longs) / 2 && names->heads_mask < UINT32_MAX / 2)
		names->heads_mask = names->heads_mask * 2 + 1;
	names->heads = calloc((size_t)names->heads_mask + 1, sizeof *names->heads);
	for (unsigned i = 0; i < 2; i++)
		names->classes[i].slots = calloc(names->classes[i].count + 1u, names->classes[i].size);
	if (!names->heads || !names->classes[0].slots || !names->classes[1].slots) {
		names_free(names);
		return NULL;
	}
	return names;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	free(names->heads);
	free(names->classes[0].slots);
	free(names->classes[1].slots);
	free(names);
}

bool names_valid(const struct names *names, uint32_t name)
{
	const struct name_class *class = &names->classes[name >> 31];
	uint32_t number = name & ~LONG_NAME_BIT;

	return number > 0 && number < class->used && names_slot(names, name)->references > 0;
}

uint32_t names_hash(const void *text, size_t length) { return (uint32_t)application_hash(text, length, 0); }

uint32_t names_hold(struct names *names, struct weir_bytes text)
{
	if (text.length == 0 || text.length > 255)
		return 0;
	uint32_t hash = names_hash(text.data, text.length), *head = &names->heads[hash & names->heads_mask];
	for (uint32_t name = *head; name; name = names_slot(names, name)->next) {
		struct name_slot *slot = names_slot(names, name);
		if (slot->hash == hash && slot->length == text.length && memcmp(slot->text, text.data, text.length) == 0) {
			slot->references++;
			return name;
		}
	}
	bool is_long = text.length > SHORT_NAME;
	struct name_class *class = &names->classes[is_long];
	uint32_t number = class->free;
	if (number)
		class->free = names_slot(names, number | (is_long ? LONG_NAME_BIT : 0))->next;
	else if (class->used == 0 && class->count > 1)
		number = 1, class->used = 2; /* number 0 says "none" */
	else if (class->used < class->count)
		number = class->used++;
	else
		return 0;
	uint32_t name = number | (is_long ? LONG_NAME_BIT : 0);
	struct name_slot *slot = names_slot(names, name);
	slot->hash = hash;
	slot->references = 1;
	slot->next = *head;
	slot->service = UINT16_MAX;
	slot->length = (uint8_t)text.length;
	memcpy(slot->text, text.data, text.length);
	*head = name;
	return name;
}

void names_hold_again(struct names *names, uint32_t name)
{
	if (name)
		names_slot(names, name)->references++;
}

void names_drop(struct names *names, uint32_t name)
{
	if (!name || !names_valid(names, name))
		return;
	struct name_slot *slot = names_slot(names, name);
	if (--slot->references)
		return;
	uint32_t *link = &names->heads[slot->hash & names->heads_mask];
	while (*link && *link != name)
		link = &names_slot(names, *link)->next;
	*link = slot->next;
	struct name_class *class = &names->classes[name >> 31];
	slot->next = class->free;
	class->free = name & ~LONG_NAME_BIT;
}

struct weir_bytes names_text(const struct names *names, uint32_t name)
{
	if (!name || !names_valid(names, name))
		return (struct weir_bytes){NULL, 0};
	const struct name_slot *slot = names_slot(names, name);
	return (struct weir_bytes){slot->text, slot->length};
}

uint16_t *names_service(struct names *names, uint32_t name) { return &names_slot(names, name)->service; }

/* ---- copies of payloads ---- */

struct pending *pending_new(uint64_t bytes)
{
	struct pending *pending = calloc(1, sizeof *pending);

	if (!pending)
		return NULL;
	/* Two blocks a flow: what most need when packets are cut. */
	uint64_t flows = bytes / (sizeof(struct pending_flow) + 2 * sizeof(struct pending_block));
	pending->flow_count = (uint32_t)(flows < 2 ? 2 : flows < PENDING_FLOWS ? flows : PENDING_FLOWS);
	pending->block_count = pending->flow_count * 2 < 16 ? 16 : pending->flow_count * 2;
	pending->flows = calloc(pending->flow_count, sizeof *pending->flows);
	pending->blocks = calloc(pending->block_count, sizeof *pending->blocks);
	if (!pending->flows || !pending->blocks) {
		pending_free(pending);
		return NULL;
	}
	pending->blocks_used = pending->flows_used = 1; /* number 0 says "none" */
	return pending;
}

void pending_free(struct pending *pending)
{
	if (!pending)
		return;
	free(pending->flows);
	free(pending->blocks);
	free(pending);
}

/* A reference is the flow's number and, above it, how often that number had been given out. */
static struct pending_flow *find(const struct pending *pending, uint32_t reference)
{
	uint32_t number = reference % PENDING_FLOWS;

	if (number == 0 || number >= pending->flows_used)
		return NULL;
	struct pending_flow *flow = &pending->flows[number];
	return flow->first && flow->generation == reference / PENDING_FLOWS ? flow : NULL;
}

static void forget(struct pending *pending, struct pending_flow *flow)
{
	pending->blocks[flow->last].next = pending->free_block;
	pending->free_block = flow->first;
	flow->first = flow->last = 0;
	flow->next_free = pending->free_flow;
	pending->free_flow = (uint32_t)(flow - pending->flows);
}

/* Forgets the flow that was begun longest ago, in the order of numbers, which is that of time when all are in use. */
static void forget_oldest(struct pending *pending, const struct pending_flow *but)
{
	for (uint32_t tried = 1; tried < pending->flows_used; tried++) {
		if (++pending->oldest >= pending->flows_used)
			pending->oldest = 1;
		struct pending_flow *flow = &pending->flows[pending->oldest];
		if (flow->first && flow != but) {
			forget(pending, flow);
			return;
		}
	}
}

static uint32_t take_block(struct pending *pending, const struct pending_flow *for_flow)
{
	for (unsigned tries = 0; tries < 2; tries++) {
		uint32_t number = pending->free_block;
		if (number)
			pending->free_block = pending->blocks[number].next;
		else if (pending->blocks_used < pending->block_count)
			number = pending->blocks_used++;
		if (number) {
			pending->blocks[number].next = 0;
			return number;
		}
		forget_oldest(pending, for_flow);
	}
	return 0;
}

static struct pending_flow *take_flow(struct pending *pending, uint32_t *reference)
{
	if (!pending->free_flow && pending->flows_used >= pending->flow_count)
		forget_oldest(pending, NULL);
	uint32_t number = pending->free_flow;
	if (number)
		pending->free_flow = pending->flows[number].next_free;
	else if (pending->flows_used < pending->flow_count)
		number = pending->flows_used++;
	else
		return NULL;
	struct pending_flow *flow = &pending->flows[number];
	uint32_t generation = (flow->generation + 1) % (UINT32_MAX / PENDING_FLOWS);
	*flow = (struct pending_flow){.generation = generation};
	flow->first = flow->last = take_block(pending, flow);
	if (!flow->first) {
		flow->next_free = pending->free_flow;
		pending->free_flow = number;
		return NULL;
	}
	*reference = generation * PENDING_FLOWS + number;
	return flow;
}

static bool append(struct pending *pending, struct pending_flow *flow, const void *data, size_t length)
{
	const uint8_t *from = data;

	while (length) {
		uint32_t in_block = flow->bytes % PENDING_BLOCK;
		if (flow->bytes && in_block == 0) {
			uint32_t number = take_block(pending, flow);
			if (!number)
				return false;
			pending->blocks[flow->last].next = number;
			flow->last = number;
		}
		size_t some = PENDING_BLOCK - in_block < length ? PENDING_BLOCK - in_block : length;
		memcpy(pending->blocks[flow->last].data + in_block, from, some);
		flow->bytes += (uint32_t)some;
		from += some;
		length -= some;
	}
	return true;
}

bool pending_add(struct pending *pending, uint32_t *reference, int64_t time_ns, const struct kept *kept, const uint8_t *data)
{
	struct pending_flow *flow = *reference ? find(pending, *reference) : take_flow(pending, reference);

	if (!flow)
		return false;
	if (flow->bytes == 0)
		flow->time_ns = time_ns;
	if (flow->bytes + sizeof *kept >= PENDING_FLOW_BYTES)
		return false;
	struct kept cut = *kept;
	if (cut.length > PENDING_FLOW_BYTES - flow->bytes - sizeof cut)
		cut.length = (uint16_t)(PENDING_FLOW_BYTES - flow->bytes - sizeof cut);
	if (append(pending, flow, &cut, sizeof cut) && append(pending, flow, data, cut.length))
		return true;
	forget(pending, flow); /* half a packet is of no use, and there is no room at all */
	return false;
}

struct weir_bytes pending_read(struct pending *pending, uint32_t reference, int64_t *time_ns)
{
	const struct pending_flow *flow = find(pending, reference);
	uint32_t bytes = 0;

	if (!flow)
		return (struct weir_bytes){NULL, 0};
	*time_ns = flow->time_ns;
	for (uint32_t block = flow->first; block && bytes < flow->bytes; block = pending->blocks[block].next) {
		/* It is long ago that they were written: the next comes while this is copied. */
		const char *next = (const char *)&pending->blocks[pending->blocks[block].next];
		for (uint32_t at = 0; at < sizeof *pending->blocks; at += 64)
			__builtin_prefetch(next + at);
		uint32_t some = flow->bytes - bytes < PENDING_BLOCK ? flow->bytes - bytes : PENDING_BLOCK;
		memcpy(pending->whole + bytes, pending->blocks[block].data, some);
		bytes += some;
	}
	return (struct weir_bytes){pending->whole, bytes};
}

void pending_drop(struct pending *pending, uint32_t *reference)
{
	struct pending_flow *flow = *reference ? find(pending, *reference) : NULL;

	if (flow)
		forget(pending, flow);
	*reference = 0;
}
