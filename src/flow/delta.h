/*
 * flow/delta.h: Parquet's DELTA_BINARY_PACKED: numbers as differences to the one before, each 32 of them in as many bits as the widest needs. Times
 * take less room so than zstd makes of them, in an eighth of the time.
 */
#ifndef FLOW_DELTA_H
#define FLOW_DELTA_H

#include <weir/bytes.h>

#include "core/text.h"

/* Appends numbers of 64 bits (wide) or 32. */
void delta_put(struct text *out, const uint64_t *values, size_t count, bool wide);

/* Walks over encoded numbers. */
struct delta_reader {
	struct weir_cursor cursor;
	bool wide;
	bool began;               /* the first number was taken */
	uint64_t left, last;      /* numbers to come; the one taken last, or the first */
	uint64_t least;           /* of the block: what is added to each difference */
	uint32_t miniblocks;      /* of each block, with so many numbers: */
	uint32_t in_miniblock;
	const uint8_t *widths;    /* of the block's miniblocks */
	uint32_t next;            /* the miniblock that comes after the one at hand */
	unsigned width;           /* of that one; its bytes, its numbers that were taken */
	const uint8_t *bits;
	uint32_t taken;
};

/* False: they do not begin as they should. No bytes at all are no numbers: so some writers have a page in which no row has a value. */
bool delta_over(struct delta_reader *reader, struct weir_bytes bytes, bool wide);

/* Takes exactly count numbers, those of 32 bits without their sign; false when there are not as many. */
bool delta_take(struct delta_reader *reader, uint64_t *values, size_t count);

#endif
