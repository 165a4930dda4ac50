#include "core/checksum.h"

#include <stdlib.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "config.h"

/* Where the library can choose by processor it is twice as fast as what every machine of the architecture has (14 against 7 GB/s). */
#ifdef HAVE_XXHASH_DISPATCH
#include <xxh_x86dispatch.h>
#endif

uint64_t checksum_of(const void *data, size_t length)
{
	return XXH3_64bits(data, length);
}

struct checksum {
	XXH3_state_t state;
};

struct checksum *checksum_new(void)
{
	struct checksum *checksum = aligned_alloc(64, (sizeof *checksum + 63) & ~(size_t)63);

	if (checksum)
		checksum_reset(checksum);
	return checksum;
}

void checksum_free(struct checksum *checksum)
{
	free(checksum);
}

void checksum_reset(struct checksum *checksum)
{
	XXH3_64bits_reset(&checksum->state);
}

void checksum_add(struct checksum *checksum, const void *data, size_t length)
{
	XXH3_64bits_update(&checksum->state, data, length);
}

uint64_t checksum_value(const struct checksum *checksum)
{
	return XXH3_64bits_digest(&checksum->state);
}
