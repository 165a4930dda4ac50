/*
 * core/checksum.h: XXH3 in 64 bits, by the widest instructions that the machine has.
 */
#ifndef CORE_CHECKSUM_H
#define CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum_of(const void *data, size_t length);

/* Of data that comes in pieces: the same as over all of them at once. */
struct checksum;
struct checksum *checksum_new(void); /* NULL: no memory */
void checksum_free(struct checksum *checksum);
void checksum_reset(struct checksum *checksum);
void checksum_add(struct checksum *checksum, const void *data, size_t length);
uint64_t checksum_value(const struct checksum *checksum);

#endif
