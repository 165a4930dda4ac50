/* Strings kept once: flow/intern.h. */
#include <stdlib.h>

#include "core/xxh3.h"
#include "flow/intern.h"

#define COUNT_LEAST 256u
#define COUNT_NEAR 1024u /* strings that are in the cache in any case */
#define COUNT_MOST (UINT32_C(1) << 31)

void intern_clear(struct intern *intern)
{
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

bool intern_numbers(struct intern *intern, const struct weir_bytes *strings, size_t count, uint32_t *numbers)
{
	bool all = true;

	for (size_t from = 0; from < count; from += INTERN_AT_ONCE) {
		size_t some = count - from < INTERN_AT_ONCE ? count - from : INTERN_AT_ONCE;
		bool room = intern->room - intern->count >= some || grow(intern);
		if (room)
			number_some(intern, strings + from, some, numbers + from);
		for (size_t i = from; i < from + some; i++) {
			numbers[i] = room ? numbers[i] : INTERN_FULL;
			all &= numbers[i] != INTERN_FULL;
		}
	}
	return all;
}
