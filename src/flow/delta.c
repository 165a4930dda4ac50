/* Differences of numbers, packed: flow/delta.h. */
#include "flow/delta.h"
#include "flow/thrift.h"

#define BLOCK 128u /* what the format asks for at least */
#define MINIBLOCKS 4u
#define MINIBLOCK (BLOCK / MINIBLOCKS)
#define BLOCK_BYTES (10 + MINIBLOCKS + BLOCK * 8) /* at most */
#define BLOCK_MOST (UINT32_C(1) << 20)            /* numbers in a block that is read */

static uint64_t zigzag(uint64_t value) { return value << 1 ^ -(value >> 63); }
static uint64_t unzigzag(uint64_t value) { return value >> 1 ^ -(value & 1); }
static uint64_t extended(uint64_t value) { return (uint64_t)(int64_t)(int32_t)(uint32_t)value; }

/* ---- writing ---- */

/* The differences of a miniblock, four bytes for each bit of their width. */
static uint8_t *put_miniblock(uint8_t *at, const uint64_t *differences, unsigned width)
{
	uint64_t bits = 0;
	unsigned filled = 0;

	for (unsigned i = 0; width && i < MINIBLOCK; i++) {
		bits |= differences[i] << filled;
		filled += width;
		if (filled >= 64) {
			weir_store_le64(at, bits);
			at += 8;
			filled -= 64;
			bits = filled ? differences[i] >> (width - filled) : 0;
		}
	}
	if (filled) { /* half of them: the width is odd */
		weir_store_le32(at, (uint32_t)bits);
		at += 4;
	}
	return at;
}

/* One block: the numbers that follow before[0], of which count is at most BLOCK. */
static void put_block(struct text *out, const uint64_t *before, size_t count, bool wide)
{
	uint64_t differences[BLOCK] = {0};
	int64_t least = INT64_MAX;
	uint8_t widths[MINIBLOCKS] = {0};

	for (size_t i = 0; i < count; i++) {
		uint64_t difference = before[i + 1] - before[i];
		difference = wide ? difference : extended(difference);
		differences[i] = difference;
		least = (int64_t)difference < least ? (int64_t)difference : least;
	}
	for (size_t i = 0; i < count; i++)
		differences[i] -= (uint64_t)least;
	thrift_put_varint(out, zigzag((uint64_t)least));
	for (size_t m = 0; m < MINIBLOCKS && m * MINIBLOCK < count; m++) {
		uint64_t all = 0;
		for (size_t i = 0; i < MINIBLOCK; i++)
			all |= differences[m * MINIBLOCK + i];
		widths[m] = (uint8_t)(all ? 64 - __builtin_clzll(all) : 0);
	}
	text_add_bytes(out, widths, sizeof widths);
	if (!text_reserve(out, BLOCK_BYTES))
		return;
	uint8_t *begin = (uint8_t *)out->data + out->length, *at = begin;
	for (size_t m = 0; m < MINIBLOCKS; m++)
		at = put_miniblock(at, differences + m * MINIBLOCK, widths[m]);
	out->length += (size_t)(at - begin);
	*at = '\0';
}

void delta_put(struct text *out, const uint64_t *values, size_t count, bool wide)
{
	uint64_t first = count == 0 ? 0 : wide ? values[0] : extended(values[0]);

	thrift_put_varint(out, BLOCK);
	thrift_put_varint(out, MINIBLOCKS);
	thrift_put_varint(out, count);
	thrift_put_varint(out, zigzag(first));
	for (size_t i = 1; i < count && !out->failed; i += BLOCK)
		put_block(out, values + i - 1, count - i < BLOCK ? count - i : BLOCK, wide);
}

/* ---- reading ---- */

static uint64_t take_varint(struct weir_cursor *cursor)
{
	uint64_t value = 0;
	uint8_t byte = 0x80;

	for (unsigned shift = 0; byte & 0x80; shift += 7) {
		byte = weir_take8(cursor);
		if (shift > 63 || (shift == 63 && byte > 1))
			cursor->failed = true;
		if (cursor->failed)
			return 0;
		value |= (uint64_t)(byte & 0x7f) << shift;
	}
	return value;
}

bool delta_over(struct delta_reader *reader, struct weir_bytes bytes, bool wide)
{
	*reader = (struct delta_reader){.cursor = weir_cursor_over(bytes.data, bytes.length), .wide = wide};
	if (bytes.length == 0)
		return true;
	uint64_t block = take_varint(&reader->cursor), miniblocks = take_varint(&reader->cursor);
	reader->left = take_varint(&reader->cursor);
	reader->last = unzigzag(take_varint(&reader->cursor));
	if (reader->cursor.failed || miniblocks == 0 || block > BLOCK_MOST || block % miniblocks || block / miniblocks % 8 || block == 0)
		return false;
	reader->miniblocks = reader->next = (uint32_t)miniblocks;
	reader->in_miniblock = reader->taken = (uint32_t)(block / miniblocks);
	return true;
}

static bool next_miniblock(struct delta_reader *reader)
{
	if (reader->next == reader->miniblocks) {
		reader->least = unzigzag(take_varint(&reader->cursor));
		reader->widths = weir_take(&reader->cursor, reader->miniblocks);
		reader->next = 0;
		if (reader->cursor.failed)
			return false;
	}
	reader->width = reader->widths[reader->next++];
	/* Of 32-bit numbers too: DuckDB takes the differences of unsigned ones without wrapping them around. */
	if (reader->width > 64)
		return false;
	reader->bits = weir_take(&reader->cursor, (size_t)reader->in_miniblock / 8 * reader->width);
	reader->taken = 0;
	return !reader->cursor.failed;
}

/* The difference numbered `number` of the miniblock at hand. */
static uint64_t difference_at(const struct delta_reader *reader, uint32_t number)
{
	size_t length = (size_t)reader->in_miniblock / 8 * reader->width, bit = (size_t)number * reader->width, left = length - bit / 8;
	uint8_t bytes[16] = {0};
	unsigned shift = bit % 8;

	if (reader->width == 0)
		return 0;
	memcpy(bytes, reader->bits + bit / 8, left < 9 ? left : 9);
	uint64_t value = weir_load_le64(bytes) >> shift;
	if (shift)
		value |= (uint64_t)bytes[8] << (64 - shift);
	return reader->width == 64 ? value : value & ((UINT64_C(1) << reader->width) - 1);
}

bool delta_take(struct delta_reader *reader, uint64_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (reader->left == 0)
			return false;
		if (reader->began) {
			if (reader->taken == reader->in_miniblock && !next_miniblock(reader))
				return false;
			reader->last += reader->least + difference_at(reader, reader->taken++);
		}
		reader->began = true;
		reader->left--;
		values[i] = reader->wide ? reader->last : (uint32_t)reader->last;
	}
	return true;
}
