/* Strings kept once: flow/intern.h. */
#include <stdlib.h>

#include "core/xxh3.h"
#include "flow/intern.h"

#define COUNT_LEAST 256u
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
	free(intern->hashes);
	free(intern->ends);
	free(intern->bytes);
	*intern = (struct intern){0};
}

/* Twice the room for strings, and four slots for each two of them. */
static bool grow(struct intern *intern)
{
	uint32_t room = intern->room ? 2 * intern->room : COUNT_LEAST;
	uint32_t mask = 2 * room - 1;

	if (room > COUNT_MOST)
		return false;
	uint32_t *hashes = realloc(intern->hashes, room * sizeof *hashes);
	if (hashes)
		intern->hashes = hashes;
	size_t *ends = realloc(intern->ends, room * sizeof *ends);
	if (ends)
		intern->ends = ends;
	uint32_t *slots = hashes && ends ? calloc((size_t)mask + 1, sizeof *slots) : NULL;
	if (!slots)
		return false;
	for (uint32_t i = 0; i < intern->count; i++) {
		uint32_t slot = intern->hashes[i] & mask;
		while (slots[slot])
			slot = (slot + 1) & mask;
		slots[slot] = i + 1;
	}
	free(intern->slots);
	intern->slots = slots;
	intern->room = room;
	intern->mask = mask;
	return true;
}

static bool make_room(struct intern *intern, size_t length)
{
	if (intern->count == intern->room && !grow(intern))
		return false;
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

uint32_t intern_number(struct intern *intern, const void *data, size_t length)
{
	uint32_t hash = (uint32_t)xxh3_of(data, length);
	uint32_t slot = hash & intern->mask;

	for (; intern->slots && intern->slots[slot]; slot = (slot + 1) & intern->mask) {
		uint32_t number = intern->slots[slot] - 1;
		if (intern->hashes[number] != hash)
			continue;
		struct weir_bytes known = intern_bytes(intern, number);
		if (known.length == length && memcmp(known.data, data, length) == 0)
			return number;
	}
	bool slots_move = intern->count == intern->room;
	if (!make_room(intern, length))
		return INTERN_FULL;
	if (slots_move)
		for (slot = hash & intern->mask; intern->slots[slot];)
			slot = (slot + 1) & intern->mask;
	memcpy(intern->bytes + intern->used, data, length);
	intern->used += length;
	intern->hashes[intern->count] = hash;
	intern->ends[intern->count] = intern->used;
	intern->slots[slot] = ++intern->count;
	return intern->count - 1;
}
