#include "../unit.h"

#include <stdlib.h>

#include "archive/chunk_walk.h"

/* ---- Chunks of blocks that are sound, odd or broken, as a seed has it ---- */

#define CHUNK_BYTES 65536u

static uint32_t seed;

static uint32_t chance(uint32_t of)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % of;
}

/* Of type 6 mostly. odd: of what may be wrong with a block, one in so many has something; 0: none. */
static uint32_t make_block(uint8_t *block, bool big, uint32_t odd)
{
	static const uint32_t types[] = {6, 6, 6, 6, 6, 6, 2, 3, 5, 0xC0000BAD};
	uint32_t captured = chance(200), length = 32 + (captured + 3) / 4 * 4 + 4 * chance(3);

	for (uint32_t i = 0; i < length; i++)
		block[i] = (uint8_t)chance(256);
	weir_store32(block, types[chance(10)], big);
	weir_store32(block + 4, length, big);
	weir_store32(block + 8, chance(3), big);
	if (chance(20))
		weir_store32(block + 12, 0x18000000, big);
	weir_store32(block + 20, captured, big);
	weir_store32(block + length - 4, length, big);
	switch (odd && chance(odd) == 0 ? chance(5) : 5) {
	case 0:
		weir_store32(block + 4, chance(80), big);
		break;
	case 1:
		weir_store32(block + 8, 3 + chance(2), big);
		break;
	case 2:
		weir_store32(block + 20, length - 32 + chance(3), big);
		break;
	case 3:
		weir_store32(block + length - 4, length + 1, big);
		break;
	case 4:
		weir_store32(block + 4, UINT32_MAX - chance(8), big);
		break;
	}
	return length;
}

static struct chunk_walk make_chunk(uint8_t *data, bool big, uint32_t odd)
{
	static const struct weir_interface interfaces[3] = {{.linktype = 1, .resolution = 9},
	                                                    {.linktype = 1, .resolution = 0x95, .snaplen = 60},
	                                                    {.linktype = 101, .resolution = 6}};
	static struct walk_interface table[3];
	uint32_t size = 0;

	for (uint32_t i = 0; i < 3; i++)
		table[i] = walk_interface_of(&interfaces[i], 2 - i);
	while (size < CHUNK_BYTES - 1024)
		size += make_block(data + size, big, odd);
	return (struct chunk_walk){.begin = data,
	                           .at = data,
	                           .end = data + size,
	                           .interfaces = table,
	                           .interface_count = 3,
	                           .big = big,
	                           .last_ns = 5};
}

static bool same(const struct weir_packet *a, const struct weir_packet *b)
{
	return a->time_ns == b->time_ns && a->data == b->data && a->captured == b->captured && a->length == b->length &&
	       a->interface_id == b->interface_id && a->linktype == b->linktype && a->flags == b->flags &&
	       a->verdict == b->verdict && a->block == b->block && a->block_length == b->block_length &&
	       a->ticks == b->ticks && a->facts == b->facts;
}

/* Walks a chunk both ways; how many packets there were. */
static uint32_t compare(uint8_t *data, bool big, uint32_t odd, uint32_t most)
{
	struct chunk_walk alone = make_chunk(data, big, odd), many = alone;
	struct weir_packet packets[64], packet;
	uint32_t total = 0;
	int last = 1;

	while (last == 1) {
		uint32_t count = chunk_walk_some(&many, packets, most, &last);
		for (uint32_t i = 0; i < count; i++) {
			assert_int_equal(chunk_walk_next(&alone, &packet), 1);
			assert_true(same(&packet, &packets[i]));
		}
		total += count;
		assert_true(last != 1 || count == most);
		assert_true(many.last_ns == alone.last_ns);
	}
	assert_int_equal(chunk_walk_next(&alone, &packet), last);
	assert_ptr_equal(many.at, alone.at);
	return total;
}

/* ---- What is guarded ---- */

static void many_at_once_are_those_of_one_by_one(void **state)
{
	uint8_t *data = malloc(CHUNK_BYTES);
	uint32_t whole = 0, broken = 0;

	assert_non_null(data);
	for (uint32_t round = 0; round < 400; round++) {
		seed = round;
		whole += compare(data, round & 1, 0, 1 + round % 64);
		seed = round;
		broken += compare(data, round & 1, 50, 1 + round % 64);
	}
	assert_true(whole > 400 * 200);
	assert_true(broken > 400 && broken < whole);
	free(data);
}

static void nothing_behind_the_end_is_read(void **state)
{
	uint8_t *data = malloc(CHUNK_BYTES);

	assert_non_null(data);
	for (uint32_t cut = 0; cut < 600; cut++) {
		struct weir_packet packets[8];
		int last;
		seed = 1;
		struct chunk_walk walk = make_chunk(data, false, 0);
		uint8_t *exact = malloc(cut ? cut : 1); /* so that the address sanitizer knows the end */
		assert_non_null(exact);
		memcpy(exact, data, cut);
		walk.begin = walk.at = exact;
		walk.end = exact + cut;
		uint32_t count = chunk_walk_some(&walk, packets, 8, &last);
		for (uint32_t i = 0; i < count; i++)
			assert_true(packets[i].data + packets[i].captured <= walk.end &&
			            packets[i].block + packets[i].block_length <= walk.end);
		assert_true(last == 1 || last == 0 || last == WEIR_E_FORMAT);
		free(exact);
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_at_once_are_those_of_one_by_one),
		cmocka_unit_test(nothing_behind_the_end_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
