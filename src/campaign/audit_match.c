/*
 * The search for bytes: campaign/audit.h. At every offset the next four bytes, without regard to case, ask a filter of bits whether anything begins or goes on there;
 * what the filter lets through is looked up. Of longer patterns the four bytes that fewest others share are what is asked for (the anchor), so that
 * addresses of one network, or names of one domain, do not all meet in one place.
 */
#include <stdlib.h>

#include "campaign/audit.h"
#include "core/xxh3.h"

#define FOLD UINT32_C(0x20202020)
#define FILTER_BITS_LEAST 20 /* 128 KiB: in any second-level cache */
#define FILTER_BITS_MOST 27
#define SKETCH_BITS 20
#define CHAIN_MOST 4096 /* patterns with one anchor: more of them, which no names or addresses that anybody has take, are counted as not held */

static inline uint32_t mix(uint32_t word) { return (word | FOLD) * UINT32_C(0x9e3779b1); }

/* ---- making it ---- */

static bool room_for(struct weir_originals *o, size_t more)
{
	size_t patterns = o->pattern_room, bytes = o->byte_room;

	if (o->pattern_count == patterns)
		patterns = patterns ? patterns * 2 : 1024;
	while (o->byte_count + more > bytes)
		bytes = bytes ? bytes * 2 : 16384;
	/* Beside what is made now: the buckets, and the filter. */
	if (patterns * (sizeof *o->patterns + 8) + bytes > o->budget.most)
		return false;
	if (patterns != o->pattern_room) {
		struct audit_pattern *larger = realloc(o->patterns, patterns * sizeof *larger);
		if (!larger)
			return false;
		o->patterns = larger;
		o->pattern_room = patterns;
	}
	if (bytes != o->byte_room) {
		uint8_t *larger = realloc(o->bytes, bytes);
		if (!larger)
			return false;
		o->bytes = larger;
		o->byte_room = bytes;
	}
	return true;
}

static void add(struct weir_originals *o, enum weir_original_kind kind, enum audit_encoding encoding, uint8_t flags,
                const void *data, size_t length)
{
	if (!room_for(o, length)) {
		o->not_held[kind]++;
		return;
	}
	memcpy(o->bytes + o->byte_count, data, length);
	o->patterns[o->pattern_count++] = (struct audit_pattern){.data = (uint32_t)o->byte_count,
	                                                         .length = (uint16_t)length,
	                                                         .kind = (uint8_t)kind,
	                                                         .encoding = (uint8_t)encoding,
	                                                         .flags = flags};
	o->byte_count += length;
}

static void reverse(const uint8_t *in, uint8_t *out, size_t length)
{
	for (size_t i = 0; i < length; i++)
		out[i] = in[length - 1 - i];
}

static void add_macs(struct weir_originals *o)
{
	uint8_t turned[6], wide[8];
	const uint8_t *mac;
	size_t at = 0;

	while ((mac = audit_table_next(&o->macs, &at))) {
		uint8_t flags = audit_table_flags(&o->macs, mac);
		if (audit_says_little(mac, 6))
			continue;
		reverse(mac, turned, 6);
		add(o, WEIR_ORIGINAL_MAC, AUDIT_BYTES, flags, mac, 6);
		add(o, WEIR_ORIGINAL_MAC, AUDIT_BYTES_REVERSED, flags, turned, 6);
		/* RFC 4291, appendix A: with the universal bit turned; and as it is. */
		memcpy(wide, (uint8_t[]){mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}, 8);
		add(o, WEIR_ORIGINAL_MAC, AUDIT_EUI64, flags, wide, 8);
		wide[0] ^= 2;
		add(o, WEIR_ORIGINAL_MAC, AUDIT_EUI64, flags, wide, 8);
	}
}

static void add_ipv6(struct weir_originals *o)
{
	uint8_t turned[16];
	const uint8_t *address;
	size_t at = 0;

	while ((address = audit_table_next(&o->ipv6, &at))) {
		uint8_t flags = audit_table_flags(&o->ipv6, address);
		reverse(address, turned, 16);
		add(o, WEIR_ORIGINAL_IPV6, AUDIT_BYTES, flags, address, 16);
		add(o, WEIR_ORIGINAL_IPV6, AUDIT_BYTES_REVERSED, flags, turned, 16);
		/* What says who it is, in whatever network: unless it is a small number, which every network has. */
		if (audit_run_says_something(address + 8))
			add(o, WEIR_ORIGINAL_IPV6, AUDIT_INTERFACE_ID, flags, address + 8, 8);
	}
}

/* A name of few characters is met by chance, too; letters in either case. */
static void count_short(struct weir_originals *o, const uint8_t *name, size_t length)
{
	double chance = 1;

	if (length >= 8)
		return;
	for (size_t i = 0; i < length; i++)
		chance *= (name[i] >= 'a' && name[i] <= 'z' ? 2 : 1) / 256.0;
	o->short_names++;
	o->short_name_chance += chance;
}

static void add_names(struct weir_originals *o)
{
	uint8_t labels[257];

	for (size_t at = 0; at < o->names.length;) {
		uint8_t length = (uint8_t)o->names.data[at];
		const uint8_t *name = (const uint8_t *)o->names.data + at + 1;
		at += length + 1u;
		uint64_t hash = xxh3_seeded(name, length, o->seed);
		const uint8_t *entered = audit_table_find(&o->name_set, &hash);
		uint8_t flags = entered ? *entered : AUDIT_HELD;
		add(o, WEIR_ORIGINAL_NAME, AUDIT_TEXT, flags, name, length);
		count_short(o, name, length);
		if (!memchr(name, '.', length))
			continue;
		bool fits = true;
		for (size_t i = 0, begin = 0; i <= length; i++) {
			if (i < length && name[i] != '.') {
				labels[i + 1] = name[i];
				continue;
			}
			fits &= i > begin && i - begin < 64;
			labels[begin] = (uint8_t)(i - begin);
			begin = i + 1;
		}
		if (fits)
			add(o, WEIR_ORIGINAL_NAME, AUDIT_LABELS, flags, labels, length + 1u);
	}
}

/* Beside each address one that nobody has, of the same network: how often it is found is how often chance finds an address. */
static void add_decoys(struct weir_originals *o)
{
	size_t at = 0, room = o->ipv4.room;
	const uint8_t *address;

	while (o->ipv4.room == room && (address = audit_table_next(&o->ipv4, &at))) {
		uint8_t decoy[4] = {address[0], address[1], address[2] ^ 0x3b, address[3] ^ 0x5d};
		/* The table must not grow below the walk over it. */
		if ((o->ipv4.count + 2) * 3 > o->ipv4.room * 2)
			break;
		if (audit_table_flags(&o->ipv4, address) & AUDIT_DECOY)
			continue;
		uint8_t *flags = audit_table_enter(&o->ipv4, decoy, &o->budget);
		if (flags && *flags == 0)
			*flags = AUDIT_DECOY;
	}
}

static uint32_t sketch_slot(const uint8_t *window) { return mix(weir_load_native32(window)) >> (32 - SKETCH_BITS); }

/* How bad an anchor these four bytes are: how many share them, and whether they are of the kind that stands everywhere. */
static unsigned cost_of(const uint8_t *window, const uint8_t *sketch)
{
	unsigned cost = sketch[sketch_slot(window)], dull = 0;

	for (unsigned i = 0; i < 4; i++) {
		dull += window[i] == 0 || window[i] == 0xff || window[i] == ' ' || window[i] == 'w';
		for (unsigned j = 0; j < i; j++)
			dull += window[j] == window[i];
	}
	return cost + dull * 16;
}

static void choose_anchors(struct weir_originals *o, uint8_t *sketch)
{
	for (size_t i = 0; i < o->pattern_count; i++) {
		const struct audit_pattern *p = &o->patterns[i];
		for (unsigned w = 0; w + 4u <= p->length; w++) {
			uint8_t *count = &sketch[sketch_slot(o->bytes + p->data + w)];
			*count += *count < 255;
		}
	}
	for (size_t i = 0; i < o->pattern_count; i++) {
		struct audit_pattern *p = &o->patterns[i];
		unsigned best = UINT32_MAX;
		for (unsigned w = 0; w + 4u <= p->length; w++) {
			unsigned cost = cost_of(o->bytes + p->data + w, sketch);
			if (cost < best) {
				best = cost;
				p->anchor = (uint8_t)w;
			}
		}
	}
}

static void filter_add(struct weir_originals *o, uint32_t word)
{
	uint32_t bit = mix(word) >> (32 - o->filter_bits);

	o->filter[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* Where there are CHAIN_MOST of them already a pattern is left out, and counted: a search looks at all that are in. */
static void enter_pattern(struct weir_originals *o, size_t i, uint16_t *chains)
{
	struct audit_pattern *p = &o->patterns[i];
	uint32_t word = weir_load_native32(o->bytes + p->data + p->anchor), bucket = mix(word) >> (32 - o->bucket_bits);

	if (chains[bucket] == CHAIN_MOST) {
		o->not_held[p->kind]++;
		return;
	}
	chains[bucket]++;
	filter_add(o, word);
	p->next = o->buckets[bucket];
	o->buckets[bucket] = (uint32_t)i + 1;
}

/* False: no memory. */
static bool fill(struct weir_originals *o)
{
	uint16_t *chains = calloc((size_t)1 << o->bucket_bits, sizeof *chains);
	const uint8_t *address;
	size_t at = 0;

	if (!chains)
		return false;
	while ((address = audit_table_next(&o->ipv4, &at))) {
		filter_add(o, weir_load_native32(address));
		filter_add(o, weir_swap32(weir_load_native32(address)));
	}
	for (size_t i = 0; i < o->pattern_count; i++)
		enter_pattern(o, i, chains);
	free(chains);
	return true;
}

int audit_match_prepare(struct weir_originals *o, struct weir_fault *fault)
{
	add_decoys(o);
	add_macs(o);
	add_ipv6(o);
	add_names(o);
	size_t entries = o->pattern_count + 2 * o->ipv4.count;
	for (o->filter_bits = FILTER_BITS_LEAST;
	     o->filter_bits < FILTER_BITS_MOST && ((size_t)1 << o->filter_bits) < entries * 16;)
		o->filter_bits++;
	for (o->bucket_bits = 8; o->bucket_bits < 26 && ((size_t)1 << o->bucket_bits) < o->pattern_count;)
		o->bucket_bits++;
	o->filter = calloc(((size_t)1 << o->filter_bits) / 64, sizeof *o->filter);
	o->buckets = calloc((size_t)1 << o->bucket_bits, sizeof *o->buckets);
	uint8_t *sketch = calloc((size_t)1 << SKETCH_BITS, 1);
	if (!o->filter || !o->buckets || !sketch) {
		free(sketch);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to search for originals");
	}
	choose_anchors(o, sketch);
	free(sketch);
	return fill(o) ? audit_runs_prepare(o, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory to search for originals");
}

/* ---- searching ---- */

static bool is_word_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c >= 0x80;
}

/* Whether a name ends here: what follows is no part of it, or is a small number in little-endian order, as lengths behind strings are. */
static bool ends_at(const uint8_t *data, size_t length, size_t end)
{
	return end >= length || !is_word_byte(data[end]) || (length - end >= 4 && data[end + 2] == 0 && data[end + 3] == 0);
}

static bool same_folded(const uint8_t *held, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t c = data[i] >= 'A' && data[i] <= 'Z' ? data[i] | 0x20 : data[i];
		if (c != held[i])
			return false;
	}
	return true;
}

static bool matches(const struct audit_pattern *p, const uint8_t *held, const uint8_t *data, size_t length,
                    size_t start)
{
	if (p->kind != WEIR_ORIGINAL_NAME)
		return memcmp(held, data + start, p->length) == 0;
	if (!same_folded(held, data + start, p->length))
		return false;
	if (p->encoding == AUDIT_LABELS)
		return true;
	/* A name of its own, not a piece of another word: but "NAME.more" and "more.NAME" are. */
	size_t end = start + p->length;
	return (start == 0 || !is_word_byte(data[start - 1])) && ends_at(data, length, end);
}

static void look_up_patterns(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data,
                             size_t length, size_t at, uint32_t word)
{
	const struct weir_originals *o = audit_hits_originals(hits);

	for (uint32_t next = o->buckets[mix(word) >> (32 - o->bucket_bits)]; next;) {
		const struct audit_pattern *p = &o->patterns[next - 1];
		const uint8_t *held = o->bytes + p->data;
		next = p->next;
		if (at < p->anchor || length - (at - p->anchor) < p->length ||
		    ((weir_load_native32(held + p->anchor) ^ word) & ~FOLD))
			continue;
		if (!matches(p, held, data, length, at - p->anchor))
			continue;
		if (p->length < 8 && !place->short_values)
			continue;
		enum audit_chance chance = p->length >= 8                 ? AUDIT_CERTAIN
		                           : p->kind == WEIR_ORIGINAL_MAC ? AUDIT_CHANCE_BYTES6
		                                                          : AUDIT_CHANCE_NAME;
		audit_hit(hits, place, at - p->anchor, p->kind, p->encoding, chance, p->flags, held, p->length);
	}
}

/* What an IPv4 address is that stands within sixteen bytes of IPv6, by what stands before it. */
static enum audit_encoding embedded(const uint8_t *data, size_t at)
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b}, zeros[12] = {0};

	if (at >= 4) {
		uint32_t before = weir_load_be32(data + at - 4);
		if (before == 0x0000ffff)
			return AUDIT_MAPPED;
		if (before == 0x00005efe || before == 0x02005efe)
			return AUDIT_ISATAP;
		if (before == 0x20010000)
			return AUDIT_TEREDO;
	}
	if (at >= 12 && memcmp(data + at - 12, nat64, 12) == 0)
		return AUDIT_NAT64;
	if (at >= 12 && memcmp(data + at - 12, zeros, 12) == 0)
		return AUDIT_COMPATIBLE;
	if (at >= 2 && weir_load_be16(data + at - 2) == 0x2002)
		return AUDIT_6TO4;
	return AUDIT_BYTES;
}

static void look_up_ipv4(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t at,
                         uint32_t word)
{
	const struct weir_originals *o = audit_hits_originals(hits);
	uint32_t turned = weir_swap32(word);
	const uint8_t *flags = audit_table_find(&o->ipv4, &word);

	if (flags) {
		enum audit_encoding encoding = embedded(data, at);
		enum audit_chance chance = encoding == AUDIT_6TO4                                    ? AUDIT_CHANCE_BYTES6
		                           : encoding == AUDIT_BYTES || encoding == AUDIT_COMPATIBLE ? AUDIT_CHANCE_BYTES4
		                                                                                     : AUDIT_CERTAIN;
		if (chance == AUDIT_CERTAIN || (chance == AUDIT_CHANCE_BYTES4 ? place->ipv4_bytes : place->short_values))
			audit_hit(hits, place, at, WEIR_ORIGINAL_IPV4, encoding, chance, *flags, &word, 4);
	}
	if (place->ipv4_bytes && (flags = audit_table_find(&o->ipv4, &turned)))
		audit_hit(hits, place, at, WEIR_ORIGINAL_IPV4, AUDIT_BYTES_REVERSED, AUDIT_CHANCE_BYTES4, *flags, &turned, 4);
}

void audit_match(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                 size_t from, size_t to)
{
	const struct weir_originals *o = audit_hits_originals(hits);
	const uint64_t *filter = o->filter;
	unsigned shift = 32 - o->filter_bits;
	size_t end = length < 4 ? 0 : length - 3;

	if (end > to)
		end = to;
	for (size_t at = from; at < end; at++) {
		uint32_t word = weir_load_native32(data + at);
		uint32_t bit = mix(word) >> shift;
		if (__builtin_expect(!(filter[bit / 64] >> bit % 64 & 1), 1))
			continue;
		look_up_ipv4(hits, place, data, at, word);
		look_up_patterns(hits, place, data, length, at, word);
	}
	if (place->runs)
		audit_match_runs(hits, place, data, length, from, to);
	if (end > from && place->ipv4_bytes)
		audit_trials(hits, AUDIT_CHANCE_BYTES4, 2 * (end - from));
	if (end > from && place->short_values) {
		audit_trials(hits, AUDIT_CHANCE_BYTES6, 2 * (end - from));
		audit_trials(hits, AUDIT_CHANCE_NAME, end - from);
	}
}

void audit_match_ipv4(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                      size_t from, size_t to)
{
	const struct weir_originals *o = audit_hits_originals(hits);
	size_t end = length < 4 ? 0 : length - 3 < to ? length - 3 : to;

	for (size_t at = from; at < end; at++) {
		uint32_t word = weir_load_native32(data + at), bit = mix(word) >> (32 - o->filter_bits);
		if (__builtin_expect(o->filter[bit / 64] >> bit % 64 & 1, 0))
			look_up_ipv4(hits, place, data, at, word);
	}
	if (end > from)
		audit_trials(hits, AUDIT_CHANCE_BYTES4, 2 * (end - from));
}

/* ---- single values ---- */

void audit_check_ipv4(struct audit_hits *hits, const struct audit_place *place, size_t offset, uint32_t address,
                      enum audit_encoding encoding, enum audit_chance chance)
{
	const uint8_t *flags = audit_table_find(&audit_hits_originals(hits)->ipv4, &address);

	if (flags && (chance != AUDIT_CERTAIN || !(*flags & AUDIT_DECOY)))
		audit_hit(hits, place, offset, WEIR_ORIGINAL_IPV4, encoding, chance, *flags, &address, 4);
}

void audit_check_ipv6(struct audit_hits *hits, const struct audit_place *place, size_t offset, const uint8_t *address,
                      enum audit_encoding encoding)
{
	const uint8_t *flags = audit_table_find(&audit_hits_originals(hits)->ipv6, address);

	if (flags)
		audit_hit(hits, place, offset, WEIR_ORIGINAL_IPV6, encoding, AUDIT_CERTAIN, *flags, address, 16);
}

void audit_check_mac(struct audit_hits *hits, const struct audit_place *place, size_t offset, const uint8_t *mac,
                     enum audit_encoding encoding)
{
	const uint8_t *flags = audit_table_find(&audit_hits_originals(hits)->macs, mac);

	if (flags)
		audit_hit(hits, place, offset, WEIR_ORIGINAL_MAC, encoding, AUDIT_CERTAIN, *flags, mac, 6);
}

void audit_check_bytes(struct audit_hits *hits, const struct audit_place *place, size_t offset, const uint8_t *bytes,
                       size_t length, enum audit_encoding encoding)
{
	/* The same search, over these bytes alone, all of which count: who writes sixteen hex digits does not do so by chance. */
	struct audit_place written = *place;
	static const char *const words[AUDIT_ENCODINGS] = {[AUDIT_HEX] = "hex",
	                                                   [AUDIT_COLONS] = "with separators",
	                                                   [AUDIT_NIBBLES] = "nibbles",
	                                                   [AUDIT_TEXT] = "IPv6 text"};

	written.base = place->base + offset;
	written.view = words[encoding] ? words[encoding] : place->view;
	written.ipv4_bytes = false;
	written.short_values = true;
	if (length == 6)
		audit_check_mac(hits, &written, 0, bytes, encoding);
	audit_match(hits, &written, bytes, length, 0, length);
}
