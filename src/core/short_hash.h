/*
 * core/short_hash.h: a keyed hash over a few bytes, without a loop whose end depends on how many there are.
 */
#ifndef CORE_SHORT_HASH_H
#define CORE_SHORT_HASH_H

#include <weir/bytes.h>

#include "core/xxh3.h"

#if defined(__x86_64__) && defined(__GNUC__)
/* short_hash_256, for machines that have AVX2: the digest stage takes 12 ns a packet with it, 36 without. Vectors of 512 bits bring nothing over that. */
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

/* Functions that use them have it too, so that they are inlined and the sums stay in registers. */
#define SHORT_HASH_256 __attribute__((target("avx2")))

struct short_hash_sums_256 {
	__m256i products, words;
};

static inline SHORT_HASH_256 struct short_hash_sums_256 short_hash_add_256(struct short_hash_sums_256 sums,
                                                                           const uint8_t *at, const uint64_t *key)
{
	for (unsigned i = 0; i < SHORT_HASH_STRIPE; i += 32) {
		__m256i words = _mm256_loadu_si256((const __m256i *)(const void *)(at + i));
		__m256i mixed = _mm256_xor_si256(words, _mm256_load_si256((const __m256i *)(const void *)(key + i / 8)));
		sums.words = _mm256_add_epi64(sums.words, words);
		sums.products = _mm256_add_epi64(sums.products, _mm256_mul_epu32(mixed, _mm256_srli_epi64(mixed, 32)));
	}
	return sums;
}

static inline SHORT_HASH_256 uint64_t short_hash_end_256(struct short_hash_sums_256 sums, uint32_t length,
                                                         const struct short_hash_key *key)
{
	__m256i wide = _mm256_add_epi64(sums.products, _mm256_shuffle_epi32(sums.words, 0x4e));
	__m128i both = _mm_add_epi64(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
	return short_hash_finish((uint64_t)_mm_cvtsi128_si64(both), (uint64_t)_mm_extract_epi64(both, 1), length, key);
}

static inline SHORT_HASH_256 uint64_t short_hash_256(const uint8_t *data, uint32_t length,
                                                     const struct short_hash_key *key)
{
	if (__builtin_expect(length < SHORT_HASH_STRIPE, 0))
		return short_hash(data, length, key);
	uint32_t last = length - SHORT_HASH_STRIPE;
	struct short_hash_sums_256 sums = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	sums = short_hash_add_256(sums, data, key->words);
	sums = short_hash_add_256(sums, data + (last < SHORT_HASH_STRIPE ? last : SHORT_HASH_STRIPE), key->words + 8);
	sums = short_hash_add_256(sums, data + last, key->words + 16);
	return short_hash_end_256(sums, length, key);
}

#endif

#endif
