/* The table of open flows: flow/table.h. */
#include "flow/table.h"

#include <string.h>

#include "os/files.h"

#define BUCKETS_FIRST 1024u
#define ENTRIES_LEAST 1024u
#define ENTRIES_A_BUCKET 4u /* on average, before there are to be more buckets: then 2 % of the buckets have a chain */

static struct flow_bucket *buckets_new(uint64_t count)
{
	struct flow_bucket *buckets = os_pages_new(count * sizeof *buckets, false);

	for (uint64_t i = 0; buckets && i < count; i++)
		buckets[i].chain = FLOW_NONE;
	return buckets;
}

int flow_table_init(struct flow_table *table, uint64_t memory_bytes, struct weir_fault *fault)
{
	uint64_t capacity = memory_bytes / FLOW_ENTRY_BYTES;

	if (capacity < ENTRIES_LEAST)
		capacity = ENTRIES_LEAST;
	if (capacity > FLOW_NONE - 1)
		capacity = FLOW_NONE - 1;
	*table = (struct flow_table){.capacity = (uint32_t)capacity, .free = FLOW_NONE};
	table->bucket_most = BUCKETS_FIRST;
	while (table->bucket_most * ENTRIES_A_BUCKET < capacity)
		table->bucket_most *= 2;
	/* Only address space: pages come when an entry is used for the first time. */
	table->hot = os_pages_new(capacity * sizeof *table->hot, false);
	table->cold = os_pages_new(capacity * sizeof *table->cold, false);
	table->outer = os_pages_new(capacity * sizeof *table->outer, false);
	table->processes = os_pages_new(capacity * sizeof *table->processes, false);
	table->buckets = buckets_new(BUCKETS_FIRST);
	table->bucket_mask = BUCKETS_FIRST - 1;
	table->bucket_bytes = BUCKETS_FIRST * sizeof *table->buckets;
	if (table->hot && table->cold && table->outer && table->processes && table->buckets)
		return 0;
	flow_table_free(table);
	return weir_fail(fault, WEIR_E_MEMORY, "no memory for a table of %u flows", (unsigned)capacity);
}

void flow_table_free(struct flow_table *table)
{
	os_pages_free(table->hot, table->capacity * sizeof *table->hot);
	os_pages_free(table->cold, table->capacity * sizeof *table->cold);
	os_pages_free(table->outer, table->capacity * sizeof *table->outer);
	os_pages_free(table->processes, table->capacity * sizeof *table->processes);
	os_pages_free(table->buckets, table->bucket_bytes);
	table->hot = NULL;
	table->cold = NULL;
	table->outer = NULL;
	table->processes = NULL;
	table->buckets = NULL;
}

uint64_t flow_table_bytes(const struct flow_table *table)
{
	return table->touched * (uint64_t)(sizeof *table->hot + sizeof *table->cold) + table->bucket_bytes;
}

uint32_t flow_table_find(const struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
	const struct flow_bucket *bucket = flow_bucket(table, hash);
	flow_halves match = flow_bucket_match(bucket, flow_tag(hash));

	for (unsigned half = 0; half < 2; half++)
		for (uint64_t bits = match[half]; bits;) {
			unsigned slot = (unsigned)__builtin_ctzll(bits) / 16;
			uint32_t entry = bucket->entries[half * 4 + slot];
			if (flow_key_equal(&table->hot[entry].key, key))
				return entry;
			bits &= ~(UINT64_C(0xffff) << slot * 16);
		}
	for (uint32_t entry = bucket->chain; entry != FLOW_NONE; entry = table->hot[entry].next)
		if (flow_key_equal(&table->hot[entry].key, key))
			return entry;
	return FLOW_NONE;
}

/* Enters it into its bucket. */
static void link_entry(struct flow_table *table, uint32_t entry, uint64_t hash)
{
	struct flow_bucket *bucket = flow_bucket(table, hash);

	for (unsigned i = 0; i < FLOW_BUCKET_SLOTS; i++)
		if (!bucket->tags[i]) {
			bucket->tags[i] = flow_tag(hash);
			bucket->entries[i] = entry;
			return;
		}
	table->hot[entry].next = bucket->chain;
	bucket->chain = entry;
}

bool flow_table_buckets(struct flow_table *table, uint64_t count)
{
	struct flow_bucket *buckets = buckets_new(count);

	if (!buckets)
		return false;
	os_pages_free(table->buckets, table->bucket_bytes);
	table->buckets = buckets;
	table->bucket_mask = count - 1;
	table->bucket_bytes = count * sizeof *buckets;
	return true;
}

/* Twice as many buckets. Without memory for them it stays as it is, with longer chains. */
static void more_buckets(struct flow_table *table)
{
	if (!flow_table_buckets(table, (table->bucket_mask + 1) * 2))
		return;
	for (uint32_t i = 0; i < table->touched; i++) {
		if (i + 16 < table->touched)
			__builtin_prefetch(flow_bucket(table, table->cold[i + 16].hash), 1);
		if (table->hot[i].state & FLOW_USED)
			link_entry(table, i, table->cold[i].hash);
	}
}

uint32_t flow_table_crowded(const struct flow_table *table, uint64_t hash)
{
	uint32_t oldest = FLOW_NONE;
	unsigned length = 0;

	for (uint32_t entry = flow_bucket(table, hash)->chain; entry != FLOW_NONE; entry = table->hot[entry].next) {
		if (oldest == FLOW_NONE || table->hot[entry].last_ns < table->hot[oldest].last_ns)
			oldest = entry;
		length++;
	}
	return length < FLOW_CHAIN_MAX ? FLOW_NONE : oldest;
}

/* Calls for the entry that the next new flow will get. */
static void fetch_next(const struct flow_table *table)
{
	uint32_t entry = table->free != FLOW_NONE ? table->free : table->touched;

	flow_has_effects();
	if (entry >= table->capacity)
		return;
	for (unsigned line = 0; line < sizeof *table->hot / 64; line++)
		__builtin_prefetch((const char *)&table->hot[entry] + line * 64, 1);
	flow_cold_fetch(table, entry);
}

uint32_t flow_table_insert(struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
	uint32_t entry = table->free;
	struct flow_hot *hot;

	if (table->used >= (table->bucket_mask + 1) * ENTRIES_A_BUCKET && table->bucket_mask + 1 < table->bucket_most)
		more_buckets(table);
	if (entry != FLOW_NONE)
		table->free = table->hot[entry].next;
	else
		entry = table->touched++;
	table->used++;
	hot = &table->hot[entry];
	uint8_t timers = hot->timers;
	flow_clear(hot, sizeof *hot);
	hot->key = *key;
	hot->timers = timers;
	hot->state = FLOW_USED;
	hot->next = FLOW_NONE;
	flow_clear(&table->cold[entry], sizeof table->cold[entry]);
	table->cold[entry].hash = hash;
	link_entry(table, entry, hash);
	fetch_next(table);
	return entry;
}

void flow_table_remove(struct flow_table *table, uint32_t entry)
{
	uint64_t hash = table->cold[entry].hash;
	struct flow_bucket *bucket = flow_bucket(table, hash);
	struct flow_hot *hot = &table->hot[entry];
	unsigned slot = 0;

	while (slot < FLOW_BUCKET_SLOTS && !(bucket->tags[slot] && bucket->entries[slot] == entry))
		slot++;
	if (slot == FLOW_BUCKET_SLOTS) {
		uint32_t *at = &bucket->chain;
		while (*at != FLOW_NONE && *at != entry)
			at = &table->hot[*at].next;
		if (*at == entry)
			*at = hot->next;
	} else if (bucket->chain != FLOW_NONE) {
		/* The first of the chain moves into the place that became free. */
		uint32_t moved = bucket->chain;
		bucket->chain = table->hot[moved].next;
		table->hot[moved].next = FLOW_NONE;
		bucket->entries[slot] = moved;
		bucket->tags[slot] = flow_tag(table->cold[moved].hash);
	} else {
		bucket->tags[slot] = 0;
	}
	hot->state = 0;
	hot->key.version = 0; /* so that no packet's key is this one */
	hot->next = table->free;
	table->free = entry;
	table->used--;
}

unsigned flow_table_idle(struct flow_table *table, uint32_t entries[static FLOW_IDLE_MOST])
{
	unsigned count = 0;

	for (uint32_t seen = 0; seen < table->touched && (seen < FLOW_IDLE_WINDOW || count == 0); seen++) {
		uint32_t entry = table->hand;
		const struct flow_hot *hot = &table->hot[entry];
		table->hand = entry + 1 < table->touched ? entry + 1 : 0;
		__builtin_prefetch(&table->hot[entry + 8 < table->touched ? entry + 8 : 0].first_ns);
		if (!(hot->state & FLOW_USED))
			continue;
		if (count == FLOW_IDLE_MOST && hot->last_ns >= table->hot[entries[count - 1]].last_ns)
			continue;
		unsigned at = count < FLOW_IDLE_MOST ? count++ : count - 1;
		for (; at > 0 && hot->last_ns < table->hot[entries[at - 1]].last_ns; at--)
			entries[at] = entries[at - 1];
		entries[at] = entry;
	}
	return count;
}
