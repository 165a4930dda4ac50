/* The Internet checksum, for the generators. */
#ifndef BENCH_CHECKSUM_H
#define BENCH_CHECKSUM_H

#include <weir/bytes.h>

/* The Internet checksum's sum (RFC 1071), eight bytes at a time; not folded. */
static inline uint64_t sum_add(uint64_t sum, const uint8_t *data, size_t length)
{
	size_t i = 0;
	for (; i + 8 <= length; i += 8) {
		uint64_t v = weir_load_native64(data + i);
		sum += (v & 0xffffffff) + (v >> 32);
	}
	for (; i + 2 <= length; i += 2)
		sum += weir_load_native16(data + i);
	if (i < length) {
		uint8_t last[2] = {data[i], 0};
		sum += weir_load_native16(last);
	}
	return sum;
}

static inline uint16_t sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum; /* in memory order, as it was summed */
}

#endif
