/*
 * core/short_hash.h: a keyed hash over a few bytes, without a loop whose end depends on how many there are.
 */
#ifndef CORE_SHORT_HASH_H
#define CORE_SHORT_HASH_H

#include <weir/bytes.h>

#include "core/xxh3.h"

#if defined(__x86_64__) && defined(__GNUC__)
/* short_hash_128, for every machine of this architecture, and short_hash_256, for those that have AVX2. Vectors of 512 bits bring nothing over that. */
#define SHORT_HASH_WIDE
#include <immintrin.h>
#endif

#define SHORT_HASH_LEAST 16
#define SHORT_HASH_MOST 192
#define SHORT_HASH_STRIPE 64
#define SHORT_HASH_WORDS (SHORT_HASH_MOST / 8)

struct short_hash_key {
	_Alignas(64) uint64_t words[SHORT_HASH_WORDS];
	uint64_t last[2];
};

void short_hash_key_set(struct short_hash_key *key, uint64_t seed);

/* The high and low half of a 128-bit product, folded: mixes every bit of both with every other. */
static inline uint64_t short_hash_fold(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* What becomes of the sums over even and over odd words. */
static inline uint64_t short_hash_finish(uint64_t even, uint64_t odd, uint32_t length, const struct short_hash_key *key)
{
	return short_hash_fold(even ^ key->last[0], (odd + length * UINT64_C(0x9e3779b185ebca87)) ^ key->last[1]);
}

/*
 * SHORT_HASH_LEAST to SHORT_HASH_MOST bytes; the same on every machine, whichever of the functions computes it.
 *
 * The accumulation of XXH3: of each word, xored with one of the key, the halves are multiplied; the products of even words are added up with the odd words themselves and the
 * other way round, so that a single word that differs always tells. But always of three stripes of 64 bytes: the first, the second and the last, which overlap when there are
 * fewer bytes (fewer than 64: of four blocks of 16). XXH3 goes round as often as the length says, which with packets can't be foretold.
 *
 * What is promised: two texts that were chosen by somebody who does not know the seed hash alike with a probability of about 2^-32 at most, as with XXH3 (multiplying halves
 * is what UMAC does, RFC 4418, section 5.2); others as often as numbers of 64 bits that were drawn.
 */
uint64_t short_hash(const uint8_t *data, uint32_t length, const struct short_hash_key *key);

#ifdef SHORT_HASH_WIDE

struct short_hash_sums_128 {
	__m128i products, words;
};

static inline __m128i short_hash_load_128(const uint8_t *at)
{
	return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Two words, and two of the key. */
static inline struct short_hash_sums_128 short_hash_add_128(struct short_hash_sums_128 sums, __m128i words,
                                                            const uint64_t *key)
{
	__m128i mixed = _mm_xor_si128(words, _mm_load_si128((const __m128i *)(const void *)key));

	sums.words = _mm_add_epi64(sums.words, words);
	sums.products = _mm_add_epi64(sums.products, _mm_mul_epu32(mixed, _mm_srli_epi64(mixed, 32)));
	return sums;
}

static inline struct short_hash_sums_128 short_hash_stripe_128(struct short_hash_sums_128 sums, const uint8_t *at,
                                                               const uint64_t *key)
{
	for (unsigned i = 0; i < SHORT_HASH_STRIPE; i += 16)
		sums = short_hash_add_128(sums, short_hash_load_128(at + i), key + i / 8);
	return sums;
}

/* Even and odd sums side by side. */
static inline __m128i short_hash_both_128(struct short_hash_sums_128 sums)
{
	return _mm_add_epi64(sums.products, _mm_shuffle_epi32(sums.words, 0x4e));
}

static inline uint64_t short_hash_end_128(__m128i both, uint32_t length, const struct short_hash_key *key)
{
	return short_hash_finish((uint64_t)_mm_cvtsi128_si64(both),
	                         (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(both, both)), length, key);
}

/* Of fewer bytes than a stripe. */
static inline uint64_t short_hash_blocks_128(const uint8_t *data, uint32_t length, const struct short_hash_key *key)
{
	struct short_hash_sums_128 sums = {_mm_setzero_si128(), _mm_setzero_si128()};
	uint32_t last = length - 16;

	for (uint32_t i = 0; i < 3; i++)
		sums =
			short_hash_add_128(sums, short_hash_load_128(data + (16 * i < last ? 16 * i : last)), key->words + 2 * i);
	sums = short_hash_add_128(sums, short_hash_load_128(data + last), key->words + 6);
	return short_hash_end_128(short_hash_both_128(sums), length, key);
}

static inline uint64_t short_hash_128(const uint8_t *data, uint32_t length, const struct short_hash_key *key)
{
	struct short_hash_sums_128 sums = {_mm_setzero_si128(), _mm_setzero_si128()};

	if (__builtin_expect(length < SHORT_HASH_STRIPE, 0))
		return short_hash_blocks_128(data, length, key);
	uint32_t last = length - SHORT_HASH_STRIPE;
	sums = short_hash_stripe_128(sums, data, key->words);
	sums = short_hash_stripe_128(sums, data + (last < SHORT_HASH_STRIPE ? last : SHORT_HASH_STRIPE), key->words + 8);
	sums = short_hash_stripe_128(sums, data + last, key->words + 16);
	return short_hash_end_128(short_hash_both_128(sums), length, key);
}

/* Functions that use them have it too, so that they are inlined and the sums stay in registers. */
#define SHORT_HASH_256 __attribute__((target("avx2")))

struct short_hash_sums_256 {
	__m256i products, words;
};

/* Four words, and four of the key. */
static inline SHORT_HASH_256 struct short_hash_sums_256 short_hash_add_256(struct short_hash_sums_256 sums,
                                                                           __m256i words, const uint64_t *key)
{
	__m256i mixed = _mm256_xor_si256(words, _mm256_load_si256((const __m256i *)(const void *)key));

	sums.words = _mm256_add_epi64(sums.words, words);
	sums.products = _mm256_add_epi64(sums.products, _mm256_mul_epu32(mixed, _mm256_srli_epi64(mixed, 32)));
	return sums;
}

static inline SHORT_HASH_256 struct short_hash_sums_256 short_hash_stripe_256(struct short_hash_sums_256 sums,
                                                                              const uint8_t *at, const uint64_t *key)
{
	for (unsigned i = 0; i < SHORT_HASH_STRIPE; i += 32)
		sums = short_hash_add_256(sums, _mm256_loadu_si256((const __m256i *)(const void *)(at + i)), key + i / 8);
	return sums;
}

static inline SHORT_HASH_256 __m256i short_hash_both_256(struct short_hash_sums_256 sums)
{
	return _mm256_add_epi64(sums.products, _mm256_shuffle_epi32(sums.words, 0x4e));
}

static inline SHORT_HASH_256 uint64_t short_hash_256(const uint8_t *data, uint32_t length,
                                                     const struct short_hash_key *key)
{
	struct short_hash_sums_256 sums = {_mm256_setzero_si256(), _mm256_setzero_si256()};

	if (__builtin_expect(length < SHORT_HASH_STRIPE, 0))
		return short_hash_blocks_128(data, length, key);
	uint32_t last = length - SHORT_HASH_STRIPE;
	sums = short_hash_stripe_256(sums, data, key->words);
	sums = short_hash_stripe_256(sums, data + (last < SHORT_HASH_STRIPE ? last : SHORT_HASH_STRIPE), key->words + 8);
	sums = short_hash_stripe_256(sums, data + last, key->words + 16);
	__m256i both = short_hash_both_256(sums);
	return short_hash_end_128(_mm_add_epi64(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)), length,
	                          key);
}

#endif

#endif
