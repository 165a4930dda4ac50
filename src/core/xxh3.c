#include "core/xxh3.h"

#include <stdlib.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "config.h"

/* Where the library can choose by processor it is twice as fast as what every machine of the architecture has (14 against 7 GB/s). */
#ifdef HAVE_XXHASH_DISPATCH
#include <xxh_x86dispatch.h>
#endif

uint64_t xxh3_of(const void *data, size_t length)
{
	return XXH3_64bits(data, length);
}

#define SHORT_MOST 240 /* bytes; XXH3 works otherwise on more */

_Static_assert(XXH3_SECRET_BYTES == XXH3_SECRET_DEFAULT_SIZE, "the secret is as long as XXH3 wants it");

void xxh3_key_set(struct xxh3_key *key, uint64_t seed)
{
	key->seed = seed;
	XXH3_generateSecret_fromSeed(key->secret, seed);
}

uint64_t xxh3_keyed(const void *data, size_t length, const struct xxh3_key *key)
{
	if (length <= SHORT_MOST)
		return XXH3_64bits_withSeed(data, length, key->seed);
	return XXH3_64bits_withSecret(data, length, key->secret, sizeof key->secret);
}

void xxh3_keyed_128(const void *data, size_t length, const struct xxh3_key *key, uint64_t hash[static 2])
{
	XXH128_hash_t both = length <= SHORT_MOST ? XXH3_128bits_withSeed(data, length, key->seed)
	                                          : XXH3_128bits_withSecret(data, length, key->secret, sizeof key->secret);

	hash[0] = both.low64;
	hash[1] = both.high64;
}

uint64_t xxh3_seeded(const void *data, size_t length, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, length, seed);
}

struct xxh3 {
	XXH3_state_t state;
};

struct xxh3 *xxh3_new(void)
{
	struct xxh3 *hash = aligned_alloc(64, (sizeof *hash + 63) & ~(size_t)63);

	if (hash)
		xxh3_reset(hash);
	return hash;
}

void xxh3_free(struct xxh3 *hash)
{
	free(hash);
}

void xxh3_reset(struct xxh3 *hash)
{
	XXH3_64bits_reset(&hash->state);
}

void xxh3_add(struct xxh3 *hash, const void *data, size_t length)
{
	XXH3_64bits_update(&hash->state, data, length);
}

uint64_t xxh3_value(const struct xxh3 *hash)
{
	return XXH3_64bits_digest(&hash->state);
}
