/* Run lengths and bit packing: flow/rle.h. */
#include "flow/rle.h"
#include "flow/thrift.h"

#define RUN_LEAST 16 /* shorter ones are packed: a run costs its header, and ends the packed group before it */
#define GROUP 8

/* Eight values of at most 16 bits each, as two words of which the first width bytes count: a third of the instructions of one value after the other. */
static inline void put_group(uint8_t *at, const uint32_t *values, unsigned width)
{
	uint64_t first = values[0] | (uint64_t)values[1] << width | (uint64_t)values[2] << 2 * width | (uint64_t)values[3] << 3 * width;
	uint64_t second = values[4] | (uint64_t)values[5] << width | (uint64_t)values[6] << 2 * width | (uint64_t)values[7] << 3 * width;

	if (width <= 8) {
		weir_store_le64(at, first | second << 4 * width);
	} else {
		weir_store_le64(at, width == 16 ? first : first | second << 4 * width);
		weir_store_le64(at + 8, width == 16 ? second : second >> (64 - 4 * width));
	}
}

/* Groups of eight values; what is missing of the last is zero. */
static void put_packed(struct text *out, const uint32_t *values, size_t count, unsigned width)
{
	size_t groups = (count + GROUP - 1) / GROUP;
	uint64_t bits = 0;
	unsigned filled = 0;

	if (count == 0)
		return;
	thrift_put_varint(out, (uint64_t)groups << 1 | 1);
	if (!text_reserve(out, groups * width + 16))
		return;
	uint8_t *at = (uint8_t *)out->data + out->length;
	size_t i = 0;
	for (; width <= 16 && i + GROUP <= count; i += GROUP, at += width)
		put_group(at, values + i, width);
	for (; i < groups * GROUP; i++) {
		bits |= (uint64_t)(i < count ? values[i] : 0) << filled;
		filled += width;
		if (filled >= 32) {
			weir_store_le32(at, (uint32_t)bits);
			at += 4;
			bits >>= 32;
			filled -= 32;
		}
	}
	weir_store_le32(at, (uint32_t)bits); /* the rest, and what the next bytes are written over */
	out->length += groups * width;
}

void rle_put_run(struct text *out, uint32_t value, size_t count, unsigned width)
{
	uint8_t bytes[4];

	if (count == 0)
		return;
	thrift_put_varint(out, (uint64_t)count << 1);
	weir_store_le32(bytes, value);
	text_add_bytes(out, bytes, (width + 7) / 8);
}

void rle_put(struct text *out, const uint32_t *values, size_t count, unsigned width)
{
	size_t packed_from = 0, i = 0;

	while (i < count) {
		size_t run = 1;
		while (i + run < count && values[i + run] == values[i])
			run++;
		if (run >= RUN_LEAST) {
			put_packed(out, values + packed_from, i - packed_from, width);
			rle_put_run(out, values[i], run, width);
			i += run;
			packed_from = i;
		} else {
			i += GROUP; /* a run begins only where a group does: packed groups are whole */
		}
	}
	put_packed(out, values + packed_from, count - packed_from, width);
}

/* The bits of eight bytes of 0 or 1, the first the lowest: each is moved to its place, and none meets another. */
static inline uint8_t bits_of(const uint8_t *bytes) { return (uint8_t)(weir_load_le64(bytes) * UINT64_C(0x0102040810204080) >> 56); }

static void put_packed_bits(struct text *out, const uint8_t *bits, size_t count)
{
	size_t groups = (count + GROUP - 1) / GROUP, i = 0;
	uint8_t last[GROUP] = {0};

	if (count == 0)
		return;
	thrift_put_varint(out, (uint64_t)groups << 1 | 1);
	if (!text_reserve(out, groups))
		return;
	uint8_t *at = (uint8_t *)out->data + out->length;
	for (; i + GROUP <= count; i += GROUP)
		*at++ = bits_of(bits + i);
	memcpy(last, bits + i, count - i);
	if (i < count)
		*at = bits_of(last);
	out->length += groups;
	out->data[out->length] = '\0';
}

/* How many are as the first. */
static size_t run_of_bits(const uint8_t *bits, size_t count)
{
	uint64_t all = bits[0] * UINT64_C(0x0101010101010101);
	size_t run = 1;

	while (run + GROUP <= count && weir_load_le64(bits + run) == all)
		run += GROUP;
	while (run < count && bits[run] == bits[0])
		run++;
	return run;
}

void rle_put_bits(struct text *out, const uint8_t *bits, size_t count)
{
	size_t packed_from = 0, i = 0;

	while (i < count) {
		size_t run = run_of_bits(bits + i, count - i);
		if (run >= RUN_LEAST) {
			put_packed_bits(out, bits + packed_from, i - packed_from);
			rle_put_run(out, bits[i], run, 1);
			i += run;
			packed_from = i;
		} else {
			i += GROUP; /* as in rle_put */
		}
	}
	put_packed_bits(out, bits + packed_from, count - packed_from);
}

static bool next_run(struct rle_reader *reader)
{
	uint64_t head = 0;
	uint8_t byte = 0x80;

	for (unsigned shift = 0; byte & 0x80; shift += 7) {
		byte = weir_take8(&reader->cursor);
		if (reader->cursor.failed || shift > 56)
			return false;
		head |= (uint64_t)(byte & 0x7f) << shift;
	}
	reader->packed = head & 1;
	reader->run = head >> 1;
	if (!reader->packed) {
		uint8_t bytes[4] = {0};
		const uint8_t *value = weir_take(&reader->cursor, (reader->width + 7) / 8);
		if (!value)
			return false;
		memcpy(bytes, value, (reader->width + 7) / 8);
		reader->value = weir_load_le32(bytes);
		return reader->width == 32 || reader->value >> reader->width == 0;
	}
	if (reader->run > UINT32_MAX)
		return false;
	/* Some writers leave out what would only fill up the last group. */
	reader->bits_length = reader->run * reader->width;
	if (reader->bits_length > weir_cursor_left(&reader->cursor))
		reader->bits_length = weir_cursor_left(&reader->cursor);
	reader->bits = weir_take(&reader->cursor, reader->bits_length);
	reader->bits_taken = 0;
	reader->run = reader->width ? reader->bits_length * 8 / reader->width : reader->run * GROUP;
	return reader->run > 0 || reader->bits_length == 0;
}

static void unpack(struct rle_reader *reader, uint32_t *values, size_t count)
{
	uint32_t mask = reader->width == 32 ? UINT32_MAX : ((uint32_t)1 << reader->width) - 1;
	uint64_t bit = reader->bits_taken * reader->width;
	size_t i = 0;

	/* Eight bytes at a time hold any value wherever it begins in the first, as long as there are eight. */
	for (; i < count && bit / 8 + 8 <= reader->bits_length; i++, bit += reader->width)
		values[i] = (uint32_t)(weir_load_le64(reader->bits + bit / 8) >> (bit & 7)) & mask;
	for (; i < count; i++, bit += reader->width) {
		uint8_t bytes[8] = {0};
		uint64_t left = reader->bits_length - bit / 8;
		memcpy(bytes, reader->bits + bit / 8, left < 8 ? left : 8);
		values[i] = (uint32_t)(weir_load_le64(bytes) >> (bit & 7)) & mask;
	}
	reader->bits_taken += count;
}

bool rle_take(struct rle_reader *reader, uint32_t *values, size_t count)
{
	while (count) {
		if (reader->run == 0) {
			if (!next_run(reader) || reader->run == 0)
				return false;
			continue;
		}
		size_t n = reader->run < count ? (size_t)reader->run : count;
		if (reader->width == 0) {
			memset(values, 0, n * sizeof *values);
		} else if (reader->packed) {
			unpack(reader, values, n);
		} else {
			for (size_t i = 0; i < n; i++)
				values[i] = reader->value;
		}
		reader->run -= n;
		values += n;
		count -= n;
	}
	return true;
}
