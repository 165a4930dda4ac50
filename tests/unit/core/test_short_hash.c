/* The hash of few bytes: src/core/short_hash.h. */
#include <stdlib.h>

#include "../unit.h"

#include "core/short_hash.h"

/* In memory that is exactly as long, so that the sanitizer finds what is read behind it. */
static uint64_t hash_of(const uint8_t *bytes, uint32_t length, const struct short_hash_key *key)
{
	uint8_t *copy = malloc(length);

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	uint64_t hash = short_hash(copy, length, key);
	free(copy);
	return hash;
}

#ifdef SHORT_HASH_WIDE
static SHORT_HASH_256 uint64_t wide_hash_of(const uint8_t *bytes, uint32_t length, const struct short_hash_key *key)
{
	return short_hash_256(bytes, length, key);
}
#endif

static void every_bit_and_the_length_count(void **state)
{
	uint8_t bytes[SHORT_HASH_MOST] = {0};
	uint64_t before = 0;
	struct short_hash_key key;

	short_hash_key_set(&key, 12345);
	for (uint32_t length = SHORT_HASH_LEAST; length <= SHORT_HASH_MOST; length++) {
		uint64_t hash = hash_of(bytes, length, &key);
		assert_true(hash != before);
		before = hash;
		for (uint32_t bit = 0; bit < 8 * length; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_true(hash_of(bytes, length, &key) != hash);
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

/* Bytes that were drawn, so that each length has other ones. */
static void vectors_compute_the_same(void **state)
{
#ifdef SHORT_HASH_WIDE
	struct short_hash_key *key = aligned_alloc(64, sizeof *key);
	bool widest = __builtin_cpu_supports("avx2");
	uint32_t drawn = 1;

	assert_non_null(key);
	for (uint32_t length = SHORT_HASH_LEAST; length <= SHORT_HASH_MOST; length++) {
		uint8_t *bytes = malloc(length);
		assert_non_null(bytes);
		for (unsigned round = 0; round < 20; round++) {
			for (uint32_t i = 0; i < length; i++)
				bytes[i] = (uint8_t)((drawn = drawn * 1664525u + 1013904223u) >> 24);
			short_hash_key_set(key, drawn * (uint64_t)drawn);
			assert_true(short_hash_128(bytes, length, key) == short_hash(bytes, length, key));
			assert_true(!widest || wide_hash_of(bytes, length, key) == short_hash(bytes, length, key));
		}
		free(bytes);
	}
	free(key);
#else
	skip();
#endif
}

/* What the fields of packets do: two that stand the same in two words of one parity change against each other. */
static void changes_that_cancel_out_are_not_the_same(void **state)
{
	uint8_t bytes[SHORT_HASH_MOST] = {0};
	struct short_hash_key key;

	short_hash_key_set(&key, 7);
	for (uint32_t length = 64; length <= SHORT_HASH_MOST; length += 32) {
		uint64_t hash = hash_of(bytes, length, &key);
		for (uint32_t a = 0; a + 8 <= length; a += 8)
			for (uint32_t b = 0; b < a; b += 8)
				for (unsigned byte = 0; byte < 8; byte++) {
					bytes[a + byte] = 1;
					memset(bytes + b + byte, 0xff, 8 - byte);
					assert_true(hash_of(bytes, length, &key) != hash);
					bytes[a + byte] = 0;
					memset(bytes + b, 0, 8);
				}
	}
}

static void what_changes_places_is_not_the_same(void **state)
{
	uint8_t bytes[SHORT_HASH_MOST], turned[SHORT_HASH_MOST];
	struct short_hash_key key;

	short_hash_key_set(&key, 0);
	for (uint32_t i = 0; i < SHORT_HASH_MOST; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 16);
	uint64_t hash = hash_of(bytes, SHORT_HASH_MOST, &key);
	for (uint32_t a = 0; a < SHORT_HASH_MOST; a += 8)
		for (uint32_t b = 0; b < a; b += 8) {
			memcpy(turned, bytes, sizeof turned);
			memcpy(turned + a, bytes + b, 8);
			memcpy(turned + b, bytes + a, 8);
			assert_true(hash_of(turned, SHORT_HASH_MOST, &key) != hash);
		}
}

static void who_does_not_know_the_key_does_not_know_the_hash(void **state)
{
	uint8_t bytes[SHORT_HASH_MOST] = {0};
	uint64_t before = 0;

	for (uint64_t seed = 0; seed < 64; seed++) {
		struct short_hash_key key;
		short_hash_key_set(&key, seed);
		uint64_t hash = hash_of(bytes, 100, &key);
		assert_true(hash != before);
		before = hash;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_and_the_length_count),
		cmocka_unit_test(vectors_compute_the_same),
		cmocka_unit_test(changes_that_cancel_out_are_not_the_same),
		cmocka_unit_test(what_changes_places_is_not_the_same),
		cmocka_unit_test(who_does_not_know_the_key_does_not_know_the_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
