#include "core/short_hash.h"

void short_hash_key_set(struct short_hash_key *key, uint64_t seed)
{
	uint64_t words[SHORT_HASH_WORDS + 2];

	/* Drawn one by one: were the differences between two of them known, as they are in XXH3's secrets, texts could be made whose products are equal in another order. */
	for (uint64_t i = 0; i < SHORT_HASH_WORDS + 2; i++)
		words[i] = xxh3_seeded(&i, sizeof i, seed);
	memcpy(key->words, words, sizeof key->words);
	memcpy(key->last, words + SHORT_HASH_WORDS, sizeof key->last);
}

struct short_hash_sums {
	uint64_t products[2], words[2];
};

static inline void short_hash_add(struct short_hash_sums *sums, const uint8_t *at, const uint64_t *key, unsigned words)
{
	for (unsigned i = 0; i < words; i++) {
		uint64_t word = weir_load_le64(at + 8 * i), mixed = word ^ key[i];
		sums->products[i & 1] += (mixed & UINT32_MAX) * (mixed >> 32);
		sums->words[i & 1] += word;
	}
}

uint64_t short_hash(const uint8_t *data, uint32_t length, const struct short_hash_key *key)
{
	struct short_hash_sums sums = {0};
	unsigned size = length < SHORT_HASH_STRIPE ? 16 : SHORT_HASH_STRIPE, count = length < SHORT_HASH_STRIPE ? 4 : 3;
	uint32_t last = length - size;

	for (unsigned i = 0; i + 1 < count; i++)
		short_hash_add(&sums, data + (i * size < last ? i * size : last), key->words + i * size / 8, size / 8);
	short_hash_add(&sums, data + last, key->words + (count - 1) * size / 8, size / 8);
	return short_hash_finish(sums.products[0] + sums.words[1], sums.products[1] + sums.words[0], length, key);
}
