/* Gathering the index: archive/postings.h. */
#include "archive/postings.h"

#include <stdlib.h>
#include <string.h>

#include "archive/index_terms.h"

const uint8_t posting_key_sizes[POSTING_KINDS] = {
	[POSTING_IPV4] = 4, [POSTING_IPV6] = 16, [POSTING_MAC] = 8, [POSTING_PORT] = 2,
	[POSTING_PROTOCOL] = 2, [POSTING_ETHERTYPE] = 2, [POSTING_VLAN] = 2,
};

/* Wide keys: a hash table with open addressing; an entry with an empty mask is free. */
struct entry {
	uint64_t high, low; /* IPv6: as two big-endian numbers, so that they compare as the bytes do; others: low only */
	uint64_t mask;
};

struct table {
	struct entry *entries;
	uint32_t capacity, count;
};

/* Narrow keys: a mask for each of the 65,536. */
struct narrow {
	uint64_t masks[65536];
	uint32_t count;
};

/*
 * Most packets of a chunk belong to flows that the chunk has met: what a packet adds depends on its headers only up to the ports, less
 * the fields that differ from packet to packet, so those bytes are remembered and compared, and terms worked out once a flow and chunk.
 * Which bytes these are depends on where the headers stand: a mask, of which there are few. Masking while comparing, instead of
 * clearing bytes in a copy, spares the processor loads that it can't serve from the stores just before them.
 */
#define KNOWN_BYTES 64u
#define KNOWN_WORDS (KNOWN_BYTES / 8)
#define KNOWN_ENTRIES 4096u
#define MASKS 64u

struct headers {
	_Alignas(KNOWN_BYTES) uint64_t words[KNOWN_WORDS];
};

struct mask {
	struct headers headers;
	uint32_t tag; /* place of the headers; 0: free */
};

struct known {
	struct headers headers[KNOWN_ENTRIES];
	uint64_t tags[KNOWN_ENTRIES]; /* round, chunk, and what of the facts is not in the headers; 0: free */
	struct mask masks[MASKS];
};

#define WIDE_KINDS (POSTING_MAC + 1)
#define NARROW_KINDS (POSTING_KINDS - WIDE_KINDS)

struct postings {
	struct table wide[WIDE_KINDS];
	struct narrow *narrow[NARROW_KINDS];
	struct known *known;
	uint64_t round;
	uint64_t key_bytes, key_bytes_max, key_bytes_total_max;
};

struct postings *postings_new(void)
{
	struct postings *postings = calloc(1, sizeof *postings);

	if (!postings)
		return NULL;
	for (int i = 0; i < NARROW_KINDS; i++)
		postings->narrow[i] = calloc(1, sizeof *postings->narrow[i]);
	for (int i = 0; i < WIDE_KINDS; i++) {
		postings->wide[i].capacity = 1024;
		postings->wide[i].entries = calloc(1024, sizeof *postings->wide[i].entries);
	}
	postings->known = aligned_alloc(KNOWN_BYTES, sizeof *postings->known);
	if (postings->known)
		memset(postings->known, 0, sizeof *postings->known);
	bool failed = !postings->known;
	for (int i = 0; i < NARROW_KINDS; i++)
		failed |= !postings->narrow[i];
	for (int i = 0; i < WIDE_KINDS; i++)
		failed |= !postings->wide[i].entries;
	if (failed) {
		postings_free(postings);
		return NULL;
	}
	return postings;
}

void postings_free(struct postings *postings)
{
	if (!postings)
		return;
	for (int i = 0; i < NARROW_KINDS; i++)
		free(postings->narrow[i]);
	for (int i = 0; i < WIDE_KINDS; i++)
		free(postings->wide[i].entries);
	free(postings->known);
	free(postings);
}

void postings_advance(struct postings *postings, uint64_t raw_bytes)
{
	uint64_t most = raw_bytes / 256;
	if (most < POSTINGS_LEAST)
		most = POSTINGS_LEAST;
	postings->key_bytes_max = most < postings->key_bytes_total_max ? most : postings->key_bytes_total_max;
}

void postings_reset(struct postings *postings, uint64_t raw_bytes)
{
	for (int i = 0; i < NARROW_KINDS; i++)
		if (postings->narrow[i]->count)
			memset(postings->narrow[i], 0, sizeof *postings->narrow[i]);
	for (int i = 0; i < WIDE_KINDS; i++)
		if (postings->wide[i].count) {
			memset(postings->wide[i].entries, 0, postings->wide[i].capacity * sizeof(struct entry));
			postings->wide[i].count = 0;
		}
	postings->round++;
	postings->key_bytes = 0;
	postings->key_bytes_total_max = raw_bytes / 256 > POSTINGS_LEAST ? raw_bytes / 256 : POSTINGS_LEAST;
	postings_advance(postings, 0);
}

static uint64_t mix(uint64_t high, uint64_t low)
{
	uint64_t x = (low ^ (high * 0x9E3779B97F4A7C15u)) * 0xD6E8FEB86659FD93u;
	x ^= x >> 32;
	x *= 0xD6E8FEB86659FD93u;
	return x ^ (x >> 32);
}

static struct entry *find(const struct table *table, uint64_t high, uint64_t low)
{
	uint32_t i = (uint32_t)mix(high, low) & (table->capacity - 1);
	while (table->entries[i].mask && (table->entries[i].low != low || table->entries[i].high != high))
		i = (i + 1) & (table->capacity - 1);
	return &table->entries[i];
}

static bool grow(struct table *table)
{
	struct table bigger = {calloc(2 * (size_t)table->capacity, sizeof(struct entry)), 2 * table->capacity, table->count};

	if (!bigger.entries)
		return false;
	for (uint32_t i = 0; i < table->capacity; i++)
		if (table->entries[i].mask)
			*find(&bigger, table->entries[i].high, table->entries[i].low) = table->entries[i];
	free(table->entries);
	*table = bigger;
	return true;
}

/* False when there is no room for another key of so many bytes. */
static bool room(struct postings *postings, enum posting_kind kind)
{
	uint64_t bytes = posting_key_sizes[kind] + 8u;
	if (postings->key_bytes + bytes > postings->key_bytes_max)
		return false;
	postings->key_bytes += bytes;
	return true;
}

static bool enter_wide(struct postings *postings, enum posting_kind kind, uint64_t high, uint64_t low, uint64_t bit)
{
	struct table *table = &postings->wide[kind];
	struct entry *entry = find(table, high, low);

	if (entry->mask) {
		entry->mask |= bit;
		return true;
	}
	if (!room(postings, kind))
		return false;
	if (table->count + 1 > table->capacity / 2) {
		if (!grow(table))
			return false;
		entry = find(table, high, low);
	}
	*entry = (struct entry){high, low, bit};
	table->count++;
	return true;
}

static bool enter_narrow(struct postings *postings, enum posting_kind kind, uint16_t key, uint64_t bit)
{
	struct narrow *narrow = postings->narrow[kind - WIDE_KINDS];
	if (!narrow->masks[key]) {
		if (!room(postings, kind))
			return false;
		narrow->count++;
	}
	narrow->masks[key] |= bit;
	return true;
}

static bool enter(struct postings *postings, const struct index_terms *terms, uint64_t bit)
{
	bool all = true;

	for (unsigned i = 0; i < terms->ipv4_count; i++)
		all &= enter_wide(postings, POSTING_IPV4, 0, terms->ipv4[i], bit);
	for (unsigned i = 0; i < terms->ipv6_count; i++)
		all &= enter_wide(postings, POSTING_IPV6, weir_load_be64(terms->ipv6[i]), weir_load_be64(terms->ipv6[i] + 8), bit);
	for (unsigned i = 0; i < terms->mac_count; i++)
		all &= enter_wide(postings, POSTING_MAC, 0, terms->mac[i], bit);
	for (unsigned i = 0; i < terms->port_count; i++)
		all &= enter_narrow(postings, POSTING_PORT, terms->port[i], bit);
	for (unsigned i = 0; i < terms->protocol_count; i++)
		all &= enter_narrow(postings, POSTING_PROTOCOL, terms->protocol[i], bit);
	for (unsigned i = 0; i < terms->ethertype_count; i++)
		all &= enter_narrow(postings, POSTING_ETHERTYPE, terms->ethertype[i], bit);
	for (unsigned i = 0; i < terms->vlan_count; i++)
		all &= enter_narrow(postings, POSTING_VLAN, terms->vlan[i], bit);
	return all;
}

static void make_mask(struct mask *mask, uint32_t ip, uint32_t end, bool version4)
{
	uint8_t bytes[KNOWN_BYTES] = {0};

	memset(bytes, 0xff, end);
	if (version4) {
		bytes[ip + 1] = 0;             /* type of service */
		memset(bytes + ip + 2, 0, 4);  /* length, identification */
		bytes[ip + 8] = 0;             /* time to live */
		memset(bytes + ip + 10, 0, 2); /* checksum */
	} else {
		bytes[ip] = 0xf0;
		memset(bytes + ip + 1, 0, 5); /* class, flow label, length */
		bytes[ip + 7] = 0;            /* hop limit */
	}
	memcpy(mask->headers.words, bytes, sizeof bytes);
}

/* The mask over the bytes that decide the terms of a plain packet; NULL when it is no plain one. */
static const struct headers *mask_of(struct known *known, const struct weir_packet *packet, const struct weir_facts *facts)
{
	if (facts->network_count != 1 || facts->layer_count > 8)
		return NULL;
	const struct weir_network *network = &facts->networks[0];
	uint32_t end = network->transport + 4, ip = network->offset;
	if (!network->transport || end > KNOWN_BYTES || packet->captured < KNOWN_BYTES || ip + 20 > end)
		return NULL;
	uint32_t tag = 1u << 31 | ip << 16 | end << 8 | network->version;
	struct mask *mask = &known->masks[(ip ^ end ^ network->version) % MASKS];
	if (mask->tag != tag) {
		make_mask(mask, ip, end, network->version == 4);
		mask->tag = tag;
	}
	return &mask->headers;
}

static inline bool same_headers(const struct headers *known, const struct headers *mask, const uint8_t *data)
{
	uint64_t difference = 0;
	for (unsigned i = 0; i < KNOWN_WORDS; i++)
		difference |= (weir_load_native64(data + 8 * i) & mask->words[i]) ^ known->words[i];
	return difference == 0;
}

uint32_t postings_add(struct postings *postings, const struct weir_packet *packet, const struct weir_facts *facts,
                      unsigned chunk)
{
	struct known *known = postings->known;
	const struct headers *mask = mask_of(known, packet, facts);
	struct index_terms terms;
	uint64_t tag = 0;
	size_t slot = 0;

	if (mask) {
		const struct weir_layer *last = &facts->layers[facts->layer_count - 1];
		slot = mix(facts->flow_hash, packet->linktype) & (KNOWN_ENTRIES - 1);
		tag = postings->round << 40 | (uint64_t)chunk << 34 | 1ull << 33 | (uint64_t)facts->flags << 24 |
		      (uint64_t)facts->layer_count << 20 | (uint64_t)(packet->linktype & 0x3fff) << 6 | (last->kind & 0x3f);
		if (known->tags[slot] == tag && same_headers(&known->headers[slot], mask, packet->data))
			return 0;
	}
	index_terms_of(packet, facts, &terms);
	bool entered = enter(postings, &terms, 1ull << chunk);
	uint32_t flags = terms.irregular || !entered ? CHUNK_IRREGULAR : 0;
	if (mask && !flags) {
		known->tags[slot] = tag;
		for (unsigned i = 0; i < KNOWN_WORDS; i++)
			known->headers[slot].words[i] = weir_load_native64(packet->data + 8 * i) & mask->words[i];
	}
	return flags;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->high != y->high)
		return x->high < y->high ? -1 : 1;
	return x->low < y->low ? -1 : x->low > y->low;
}

static void store_key(uint8_t *at, enum posting_kind kind, uint64_t high, uint64_t low)
{
	switch (posting_key_sizes[kind]) {
	case 2:
		weir_store_le16(at, (uint16_t)low);
		break;
	case 4:
		weir_store_le32(at, (uint32_t)low);
		break;
	case 8:
		weir_store_le64(at, low);
		break;
	default:
		weir_store_be64(at, high);
		weir_store_be64(at + 8, low);
		break;
	}
}

/* The entries of a kind as a sorted array. */
static struct entry *gather(const struct postings *postings, enum posting_kind kind, uint64_t chunks, uint32_t *count)
{
	uint32_t n = 0;

	if (kind < WIDE_KINDS) {
		const struct table *table = &postings->wide[kind];
		struct entry *entries = malloc(((size_t)table->count + 1) * sizeof *entries);
		if (!entries)
			return NULL;
		for (uint32_t i = 0; i < table->capacity; i++)
			if (table->entries[i].mask & chunks)
				entries[n++] = table->entries[i];
		qsort(entries, n, sizeof *entries, compare_entries);
		*count = n;
		return entries;
	}
	const struct narrow *narrow = postings->narrow[kind - WIDE_KINDS];
	struct entry *entries = malloc(((size_t)narrow->count + 1) * sizeof *entries);
	if (!entries)
		return NULL;
	for (uint32_t key = 0; key < 65536 && narrow->count; key++)
		if (narrow->masks[key] & chunks)
			entries[n++] = (struct entry){0, key, narrow->masks[key]};
	*count = n;
	return entries;
}

int postings_table(struct postings *postings, enum posting_kind kind, unsigned chunks, uint8_t **table, size_t *size,
                   uint32_t *count)
{
	uint64_t kept = chunks >= 64 ? UINT64_MAX : (1ull << chunks) - 1;
	struct entry *entries = gather(postings, kind, kept, count);
	if (!entries)
		return WEIR_E_MEMORY;
	size_t key_size = posting_key_sizes[kind];
	size_t masks_at = (*count * key_size + 7) & ~(size_t)7;
	*size = masks_at + *count * sizeof(uint64_t);
	*table = calloc(1, *size + 1);
	if (*table)
		for (uint32_t i = 0; i < *count; i++) {
			store_key(*table + i * key_size, kind, entries[i].high, entries[i].low);
			weir_store_le64(*table + masks_at + 8 * i, entries[i].mask & kept);
		}
	free(entries);
	return *table ? 0 : WEIR_E_MEMORY;
}
