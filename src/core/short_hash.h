/*
 * core/short_hash.h: a keyed hash over a few bytes, without a branch on how many there are.
 */
#ifndef CORE_SHORT_HASH_H
#define CORE_SHORT_HASH_H

#include <weir/bytes.h>

#include "core/xxh3.h"

#define SHORT_HASH_LEAST 16
#define SHORT_HASH_MOST 160

/* The high and low half of a 128-bit product, folded: mixes every bit of both with every other. */
static inline uint64_t short_hash_fold(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t short_hash_finish(uint64_t hash)
{
	hash = (hash ^ hash >> 37) * UINT64_C(0x165667919e3779f9);
	return hash ^ hash >> 32;
}

/*
 * SHORT_HASH_LEAST to SHORT_HASH_MOST bytes. Sums products of 16 bytes with as many of the key's secret, as XXH3 does, but always of ten places: those behind the
 * end have the last 16 bytes again. XXH3 goes round as often as the length says, which with packets can't be foretold: 14 against 12 ns a packet, most of them cut at 152
 * bytes. The same on every machine.
 */
static inline uint64_t short_hash(const uint8_t *data, uint32_t length, const struct xxh3_key *key)
{
	uint64_t sum = key->seed + length * UINT64_C(0x9e3779b185ebca87);
	uint32_t last = length - 16;

	/* Not unrolled: GCC would keep all products to the end, in memory. */
#pragma GCC unroll 1
	for (uint32_t place = 0; place < SHORT_HASH_MOST; place += 16) {
		const uint8_t *at = data + (place < last ? place : last), *secret = key->secret + place;
		sum += short_hash_fold(weir_load_le64(at) ^ weir_load_le64(secret),
		                       weir_load_le64(at + 8) ^ weir_load_le64(secret + 8));
	}
	return short_hash_finish(sum);
}

#endif
