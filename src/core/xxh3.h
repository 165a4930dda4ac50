/*
 * core/xxh3.h: XXH3 in 64 bits, by the widest instructions that the machine has.
 */
#ifndef CORE_XXH3_H
#define CORE_XXH3_H

#include <stddef.h>
#include <stdint.h>

uint64_t xxh3_of(const void *data, size_t length);

/*
 * Keyed: who does not know the seed cannot make data that hash alike. 240 bytes and less are hashed with the seed, more with a secret made of it
 * once, because making that takes as long as hashing 200 bytes.
 */
#define XXH3_SECRET_BYTES 192
struct xxh3_key {
	uint64_t seed;
	uint8_t secret[XXH3_SECRET_BYTES];
};
void xxh3_key_set(struct xxh3_key *key, uint64_t seed);
uint64_t xxh3_keyed(const void *data, size_t length, const struct xxh3_key *key);
void xxh3_keyed_128(const void *data, size_t length, const struct xxh3_key *key, uint64_t hash[static 2]);
uint64_t xxh3_seeded(const void *data, size_t length, uint64_t seed); /* for short data */

/* Of data that comes in pieces: the same as over all of them at once. */
struct xxh3;
struct xxh3 *xxh3_new(void); /* NULL: no memory */
void xxh3_free(struct xxh3 *hash);
void xxh3_reset(struct xxh3 *hash);
void xxh3_add(struct xxh3 *hash, const void *data, size_t length);
uint64_t xxh3_value(const struct xxh3 *hash);

#endif
