/*
 * flow/rle.h: Parquet's hybrid of run lengths and bit packing, for definition levels and indexes into dictionaries.
 */
#ifndef FLOW_RLE_H
#define FLOW_RLE_H

#include <weir/bytes.h>

#include "core/text.h"

/* Appends values of `width` (0 … 32) bits each. */
void rle_put(struct text *out, const uint32_t *values, size_t count, unsigned width);

/* The same of values of 0 and 1, of a width of 1. */
void rle_put_bits(struct text *out, const uint8_t *bits, size_t count);

/* The same of one value, count times. */
void rle_put_run(struct text *out, uint32_t value, size_t count, unsigned width);

/* Walks over encoded values. */
struct rle_reader {
	struct weir_cursor cursor;
	unsigned width;
	uint64_t run;           /* values left of the run at hand */
	bool packed;            /* … and whether it is bit-packed, from `bits` on, or all `value` */
	uint32_t value;
	const uint8_t *bits;
	uint64_t bits_taken;    /* values of the run taken so far */
	uint64_t bits_length;   /* bytes of it */
};

static inline struct rle_reader rle_over(struct weir_bytes bytes, unsigned width)
{
	return (struct rle_reader){.cursor = weir_cursor_over(bytes.data, bytes.length), .width = width};
}

/* Takes exactly count values; false when there are not as many. */
bool rle_take(struct rle_reader *reader, uint32_t *values, size_t count);

/* The width of numbers up to most. */
static inline unsigned rle_width(uint32_t most) { return most ? 32 - (unsigned)__builtin_clz(most) : 0; }

#endif
