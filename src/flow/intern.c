/* Strings kept once: flow/intern.h. */
#include <stdlib.h>

#include "core/xxh3.h"
#include "flow/intern.h"

#define COUNT_LEAST 256u
#define COUNT_NEAR 1024u /* strings that are in the cache in any case */
#define COUNT_MOST (UINT32_C(1) << 31)

/* Numbers and lengths are UINT32_MAX in what has none. */
static void forget_lately(struct intern *intern)
{
	if (intern->lately)
		memset(intern->lately, 0xff, INTERN_LATELY * sizeof *intern->lately);
}

void intern_clear(struct intern *intern)
{
	forget_lately(intern);
	if (intern->slots)
		memset(intern->slots, 0, ((size_t)intern->mask + 1) * sizeof *intern->slots);
	intern->count = 0;
	intern->used = 0;
}

void intern_free(struct intern *intern)
{
	free(intern->slots);
	free(intern->ends);
	free(intern->bytes);
	free(intern->lately);
	*intern = (struct intern){0};
}

/*
 * Addresses and most names are short: they are hashed here, in 2 ns where a call of XXH3 takes 8. What hashes alike is compared in any case, so a hash
 * need only spread well.
 */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product =
		(unsigned __int128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b ^ UINT64_C(0xc2b2ae3d27d4eb4f));

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_of(const uint8_t *data, size_t length, uint64_t seed)
{
	uint64_t hash = seed ^ length;

	if (length > 32)
		return xxh3_seeded(data, length, seed);
	if (length < 4)
		return mix(hash,
		           (length ? (uint64_t)data[0] << 16 | (uint64_t)data[length / 2] << 8 | data[length - 1] : 0) + seed);
	if (length < 8)
		return mix(hash, ((uint64_t)weir_load_native32(data) << 32 | weir_load_native32(data + length - 4)) + seed);
	if (length > 16)
		hash = mix(hash ^ weir_load_native64(data + 8), weir_load_native64(data + length - 16) + seed);
	return mix(hash ^ weir_load_native64(data), weir_load_native64(data + length - 8) + seed);
}

/* memcmp(a, b, length) == 0, without the call for what is short. */
static inline bool same(const uint8_t *a, const uint8_t *b, size_t length)
{
	if (length > 32 || length < 4)
		return memcmp(a, b, length) == 0;
	if (length < 8)
		return weir_load_native32(a) == weir_load_native32(b) &&
		       weir_load_native32(a + length - 4) == weir_load_native32(b + length - 4);
	uint64_t differ = (weir_load_native64(a) ^ weir_load_native64(b)) |
	                  (weir_load_native64(a + length - 8) ^ weir_load_native64(b + length - 8));
	if (length > 16)
		differ |= (weir_load_native64(a + 8) ^ weir_load_native64(b + 8)) |
		          (weir_load_native64(a + length - 16) ^ weir_load_native64(b + length - 16));
	return differ == 0;
}

/* Slots hold the upper half of a hash, which also says where to begin to look. */
static inline uint64_t upper(uint64_t hash) { return hash & ~(uint64_t)UINT32_MAX; }
static inline uint32_t place(const struct intern *intern, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & intern->mask;
}

/* Twice the room for strings, and four slots for each two of them. */
static bool grow(struct intern *intern)
{
	uint32_t room = intern->room ? 2 * intern->room : COUNT_LEAST, old_mask = intern->mask;
	uint64_t *old = intern->slots;

	if (room > COUNT_MOST)
		return false;
	size_t *ends = realloc(intern->ends, room * sizeof *ends);
	if (ends)
		intern->ends = ends;
	uint64_t *slots = ends ? calloc(2 * (size_t)room, sizeof *slots) : NULL;
	if (!slots)
		return false;
	if (!old)
		intern->seed = (uintptr_t)slots * UINT64_C(0x9e3779b97f4a7c15);
	intern->slots = slots;
	intern->room = room;
	intern->mask = 2 * room - 1;
	for (size_t i = 0; old && i <= old_mask; i++) {
		if (!old[i])
			continue;
		uint32_t slot = place(intern, old[i]);
		while (slots[slot])
			slot = (slot + 1) & intern->mask;
		slots[slot] = old[i];
	}
	free(old);
	return true;
}

static bool make_room(struct intern *intern, size_t length)
{
	if (intern->bytes && intern->bytes_size - intern->used >= length)
		return true;
	size_t size = intern->bytes_size ? intern->bytes_size : 4096;
	while (size - intern->used < length) {
		if (size > SIZE_MAX / 4)
			return false;
		size *= 2;
	}
	uint8_t *bytes = realloc(intern->bytes, size);
	if (!bytes)
		return false;
	intern->bytes = bytes;
	intern->bytes_size = size;
	return true;
}

/* There is room for one more string. */
static inline uint32_t number_of(struct intern *intern, const uint8_t *data, size_t length, uint64_t hash)
{
	uint32_t slot = place(intern, hash);

	for (uint64_t there; (there = intern->slots[slot]) != 0; slot = (slot + 1) & intern->mask) {
		if (upper(there) != upper(hash))
			continue;
		uint32_t number = (uint32_t)there - 1;
		struct weir_bytes known = intern_bytes(intern, number);
		if (known.length == length && same(known.data, data, length))
			return number;
	}
	if (!make_room(intern, length))
		return INTERN_FULL;
	memcpy(intern->bytes + intern->used, data, length);
	intern->used += length;
	intern->ends[intern->count] = intern->used;
	intern->slots[slot] = upper(hash) | ++intern->count;
	return intern->count - 1;
}

uint32_t intern_number(struct intern *intern, const void *data, size_t length)
{
	if (intern->count == intern->room && !grow(intern))
		return INTERN_FULL;
	return number_of(intern, data, length, hash_of(data, length, intern->seed));
}

/* A few at a time, so that the waits for memory overlap: first all that is read of the table is called for, then it is read. */
static void number_some(struct intern *intern, const struct weir_bytes *strings, size_t count, uint32_t *numbers)
{
	uint64_t hashes[INTERN_AT_ONCE];

	if (intern->count <= COUNT_NEAR) {
		for (size_t i = 0; i < count; i++)
			numbers[i] = number_of(intern, strings[i].data, strings[i].length, hash_of(strings[i].data, strings[i].length, intern->seed));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		hashes[i] = hash_of(strings[i].data, strings[i].length, intern->seed);
		__builtin_prefetch(&intern->slots[place(intern, hashes[i])]);
	}
	for (size_t i = 0; i < count; i++) {
		uint64_t there = intern->slots[place(intern, hashes[i])];
		if (there)
			intern_prefetch_end(intern, (uint32_t)there - 1);
	}
	for (size_t i = 0; i < count; i++)
		numbers[i] = number_of(intern, strings[i].data, strings[i].length, hashes[i]);
}

/* Of at most 24 bytes: all of them, in three words. */
static inline void words_of(const uint8_t *data, size_t length, uint64_t words[static 3])
{
	words[0] = words[1] = words[2] = 0;
	if (length >= 8) {
		words[0] = weir_load_native64(data);
		words[2] = weir_load_native64(data + length - 8);
		if (length > 16)
			words[1] = weir_load_native64(data + 8);
	} else if (length >= 4) {
		words[0] = (uint64_t)weir_load_native32(data) << 32 | weir_load_native32(data + length - 4);
	} else if (length) {
		words[0] = (uint64_t)data[0] << 16 | (uint64_t)data[length / 2] << 8 | data[length - 1];
	}
}

/* Where a string would be that came lately: whose hashes are alike push each other out, and that is all that can be done to it from outside. */
static inline struct intern_lately *lately_of(const struct intern *intern, const uint64_t words[static 3], size_t length)
{
	return &intern->lately[mix(words[0] ^ words[1], words[2] + length) % INTERN_LATELY];
}

static inline bool is_lately(const struct intern_lately *lately, const uint64_t words[static 3], size_t length)
{
	return lately->length == length && lately->words[0] == words[0] && lately->words[1] == words[1] && lately->words[2] == words[2];
}

/* At most INTERN_AT_ONCE. Those that did not come lately are looked for in the table. */
static bool number_few(struct intern *intern, const struct weir_bytes *strings, size_t count, uint32_t *numbers)
{
	struct weir_bytes others[INTERN_AT_ONCE];
	uint32_t places[INTERN_AT_ONCE], found[INTERN_AT_ONCE];
	uint64_t words[3];
	size_t missing = 0;

	for (size_t i = 0; i < count; i++) {
		size_t length = strings[i].length;
		if (length <= sizeof words) {
			words_of(strings[i].data, length, words);
			const struct intern_lately *lately = lately_of(intern, words, length);
			if (is_lately(lately, words, length)) {
				numbers[i] = lately->number;
				continue;
			}
		}
		places[missing] = (uint32_t)i;
		others[missing++] = strings[i];
	}
	if (missing == 0)
		return true;
	bool room = intern->room - intern->count >= missing || grow(intern), all = room;
	if (room)
		number_some(intern, others, missing, found);
	for (size_t i = 0; i < missing; i++) {
		uint32_t number = numbers[places[i]] = room ? found[i] : INTERN_FULL;
		size_t length = others[i].length;
		all &= number != INTERN_FULL;
		if (number == INTERN_FULL || length > sizeof words)
			continue;
		words_of(others[i].data, length, words);
		*lately_of(intern, words, length) = (struct intern_lately){{words[0], words[1], words[2]}, (uint32_t)length, number};
	}
	return all;
}

bool intern_numbers(struct intern *intern, const struct weir_bytes *strings, size_t count, uint32_t *numbers)
{
	bool all = true;

	if (!intern->lately) {
		intern->lately = malloc(INTERN_LATELY * sizeof *intern->lately);
		if (!intern->lately) {
			for (size_t i = 0; i < count; i++)
				numbers[i] = INTERN_FULL;
			return false;
		}
		forget_lately(intern);
	}
	for (size_t from = 0; from < count; from += INTERN_AT_ONCE)
		all &= number_few(intern, strings + from, count - from < INTERN_AT_ONCE ? count - from : INTERN_AT_ONCE, numbers + from);
	return all;
}
