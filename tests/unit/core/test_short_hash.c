/* The hash of few bytes: src/core/short_hash.h. */
#include <stdlib.h>

#include "../unit.h"

#include "core/short_hash.h"

/* In memory that is exactly as long, so that the sanitizer finds what is read behind it. */
static uint64_t hash_of(const uint8_t *bytes, uint32_t length, const struct xxh3_key *key)
{
	uint8_t *copy = malloc(length);

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	uint64_t hash = short_hash(copy, length, key);
	free(copy);
	return hash;
}

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
		cmocka_unit_test(what_changes_places_is_not_the_same),
		cmocka_unit_test(who_does_not_know_the_key_does_not_know_the_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
