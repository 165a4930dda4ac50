/* A column chunk of a Parquet file: a dictionary page where that pays, then data pages (version 1), each compressed by zstd. */
#include <stdlib.h>
#include <zlib.h>

#include "flow/delta.h"
#include "flow/parquet_column.h"
#include "flow/rle.h"
#include "flow/thrift.h"

#define PAGE_ROWS 32768u                                 /* so a reader holds little of each column at a time */
#define DICTIONARY_NUMBERS ((uint32_t)PARQUET_SLOTS / 4) /* more different numbers are better off as they are */
#define STRINGS_SPARE 16u                                /* a dictionary pays when half of the strings, and so many more, are in it */
#define DOUBLE_MOST UINT64_C(0x7ff0000000000000) /* the bits of infinity */
#define BLOCK_MOST ((size_t)128 << 10) /* of zstd */
#define STORE_MORE 64 /* bytes that store takes at most beyond ZSTD_compressBound, that being a 256th more than there is */
#define SAMPLE_BYTES ((size_t)2 << 10)
#define STORE_LEAST ((size_t)8 << 10) /* smaller pages are compressed in any case */
#define BOUND_BYTES 256 /* a longer string is no good as a bound: what it was cut to would need to be rounded up */

/* Of no rows. */
static void empty(struct parquet_column *column)
{
	column->absent = 0;
	column->least = UINT64_MAX;
	column->most = 0;
	intern_clear(&column->strings);
}

int parquet_column_new(struct parquet_column *column, const struct weir_flow_column *of, uint32_t rows,
                       struct weir_fault *fault)
{
	column->column = of;
	column->wide = value_is_number(of) && of->size == 8;
	column->turn = parquet_signed(of) ? UINT64_C(1) << 63 : 0;
	column->numbers = malloc((size_t)rows * (column->wide ? 8 : 4));
	column->present = value_optional(of) ? malloc(rows) : NULL;
	column->texts = of->type == WEIR_COLUMN_TEXT ? malloc((size_t)rows * of->size) : NULL;
	empty(column);
	if (!column->numbers || (value_optional(of) && !column->present) ||
	    (of->type == WEIR_COLUMN_TEXT && !column->texts))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for %u rows", rows);
	return 0;
}

void parquet_column_free(struct parquet_column *column)
{
	free(column->numbers);
	free(column->present);
	free(column->texts);
	intern_free(&column->strings);
}

/* ---- taking values ---- */

/* Records of any struct that the column table describes. */
struct records {
	const uint8_t *first;
	size_t size;
};

static inline const void *record_at(const struct records *records, size_t number)
{
	return records->first + number * records->size;
}

/* For each type a loop of its own: what is asked of a column is asked once, not once a value. */
static inline void presence_of(struct parquet_column *column, uint32_t row, const struct records *records, size_t count, uint8_t type)
{
	const struct weir_flow_column of = {.type = type, .offset = column->column->offset, .no_value = true};
	uint32_t there = 0;

	for (size_t i = 0; i < count; i++) {
		uint8_t present = value_present(&of, record_at(records, i));
		column->present[row + i] = present;
		there += present;
	}
	column->absent += (uint32_t)count - there;
}

static void keep_presence(struct parquet_column *column, uint32_t row, const struct records *records, size_t count)
{
	const struct weir_flow_column of = *column->column;

	if (!of.present && (of.type != WEIR_COLUMN_UNSIGNED || of.no_value)) {
		switch (of.type) {
		case WEIR_COLUMN_UNSIGNED: presence_of(column, row, records, count, WEIR_COLUMN_UNSIGNED); return;
		case WEIR_COLUMN_TIME:
		case WEIR_COLUMN_DURATION: presence_of(column, row, records, count, WEIR_COLUMN_TIME); return;
		case WEIR_COLUMN_IP: presence_of(column, row, records, count, WEIR_COLUMN_IP); return;
		case WEIR_COLUMN_STRING: presence_of(column, row, records, count, WEIR_COLUMN_STRING); return;
		default: break;
		}
	}
	for (size_t i = 0; i < count; i++) {
		bool there = value_present(&of, record_at(records, i));
		column->present[row + i] = there;
		column->absent += !there;
	}
}

/* Likewise for each size. */
static inline void keep_sized(struct parquet_column *column, uint32_t row, const struct records *records, size_t count,
                              bool some_absent, uint8_t size)
{
	const struct weir_flow_column of = {.size = size, .offset = column->column->offset};
	const uint8_t *present = some_absent ? column->present + row : NULL;
	uint64_t turn = column->turn, least = column->least, most = column->most;
	uint64_t *wide = column->wide ? (uint64_t *)column->numbers + row : NULL;
	uint32_t *narrow = column->wide ? NULL : (uint32_t *)column->numbers + row;

	for (size_t i = 0; i < count; i++) {
		uint64_t value = value_number(&of, record_at(records, i));
		if (size == 8)
			wide[i] = value;
		else
			narrow[i] = (uint32_t)value;
		if (present && !present[i])
			continue;
		value ^= turn;
		least = value < least ? value : least;
		most = value > most ? value : most;
	}
	column->least = least;
	column->most = most;
}

static void keep_numbers(struct parquet_column *column, uint32_t row, const struct records *records, size_t count,
                         bool some_absent)
{
	switch (column->column->size) {
	case 1:
		keep_sized(column, row, records, count, some_absent, 1);
		break;
	case 2:
		keep_sized(column, row, records, count, some_absent, 2);
		break;
	case 4:
		keep_sized(column, row, records, count, some_absent, 4);
		break;
	default:
		keep_sized(column, row, records, count, some_absent, 8);
	}
}

/* Community IDs are nearly all different: to look for each among a hundred thousand while flows are made would push all else out of the cache. */
static void keep_texts(struct parquet_column *column, uint32_t row, const struct records *records, size_t count)
{
	const struct weir_flow_column *of = column->column;

	for (size_t i = 0; i < count; i++)
		memcpy(column->texts + (row + i) * of->size, value_member(of, record_at(records, i)), of->size);
}

/*
 * Numbers the strings of `row` and the rows after it: those of records, or (NULL) the texts that were kept. type is the column's: where it is known to the
 * compiler, what a value is is not asked of each.
 */
static inline void number_typed(struct parquet_column *column, uint32_t row, const struct records *records, size_t count, uint8_t type)
{
	const struct weir_flow_column of = {.type = type, .size = column->column->size, .offset = column->column->offset};
	uint32_t *to = (uint32_t *)column->numbers + row, rows[INTERN_AT_ONCE], numbers[INTERN_AT_ONCE];
	struct weir_bytes strings[INTERN_AT_ONCE];
	size_t some = 0;

	for (size_t i = 0; i < count; i++) {
		if (!column->present || column->present[row + i]) {
			const char *text = records ? NULL : column->texts + (row + i) * of.size;
			rows[some] = (uint32_t)i;
			strings[some++] =
				text ? (struct weir_bytes){(const uint8_t *)text, strnlen(text, of.size)} : value_bytes(&of, record_at(records, i));
		}
		if (some == INTERN_AT_ONCE || (some && i + 1 == count)) {
			column->failed |= !intern_numbers(&column->strings, strings, some, numbers);
			for (size_t k = 0; k < some; k++)
				to[rows[k]] = numbers[k];
			some = 0;
		}
	}
}

static void number_strings(struct parquet_column *column, uint32_t row, const struct records *records, size_t count)
{
	if (column->column->type == WEIR_COLUMN_STRING)
		number_typed(column, row, records, count, WEIR_COLUMN_STRING);
	else if (column->column->type == WEIR_COLUMN_IP)
		number_typed(column, row, records, count, WEIR_COLUMN_IP);
	else
		number_typed(column, row, records, count, column->column->type);
}

void parquet_column_keep(struct parquet_column *column, uint32_t row, const void *first, size_t size, size_t count)
{
	const struct records of = {first, size}, *records = &of;

	uint32_t before = column->absent;

	if (column->present)
		keep_presence(column, row, records, count);
	/* Where no record has a value there is nothing to keep: what stands in its place is written over. */
	if (column->absent - before == count)
		return;
	if (value_is_number(column->column))
		keep_numbers(column, row, records, count, column->absent != before);
	else if (column->texts)
		keep_texts(column, row, records, count);
	else
		number_strings(column, row, records, count);
}

/* ---- pages ---- */

/*
 * A frame of zstd (RFC 8878) that holds the bytes as they are, in output->packed: for what does not become smaller, as indexes of many bits. Any reader reads it, and
 * neither side has work with it. The length.
 */
static size_t store(struct parquet_output *output, const char *data, size_t raw)
{
	uint8_t *at = (uint8_t *)output->packed.data;

	weir_store_le32(at, ZSTD_MAGICNUMBER);
	at[4] = 0xa0; /* one segment, its size in four bytes, no checksum */
	weir_store_le32(at + 5, (uint32_t)raw);
	at += 9;
	for (size_t done = 0, some; done < raw; done += some) {
		some = raw - done < BLOCK_MOST ? raw - done : BLOCK_MOST;
		uint32_t head = (uint32_t)some << 3 | (done + some == raw); /* a raw block, perhaps the last */
		at[0] = (uint8_t)head;
		weir_store_le16(at + 1, (uint16_t)(head >> 8));
		memcpy(at + 3, data + done, some);
		at += 3 + some;
	}
	return (size_t)(at - (uint8_t *)output->packed.data);
}

/* Compresses raw bytes into output->packed, where there is room for them. The length or an error of zstd's. */
static size_t compress_page(struct parquet_output *output, const char *data, size_t raw)
{
	char *packed = output->packed.data;
	size_t room = ZSTD_compressBound(raw);

	/* What does not even become a sixteenth smaller in its middle is left as it is. */
	if (raw >= STORE_LEAST) {
		size_t length = ZSTD_compressCCtx(output->zstd, packed, room, data + raw / 2, SAMPLE_BYTES, output->level);
		if (!ZSTD_isError(length) && length > SAMPLE_BYTES - SAMPLE_BYTES / 16)
			return store(output, data, raw);
	}
	return ZSTD_compressCCtx(output->zstd, packed, room, data, raw, output->level);
}

/* Writes a page: header and body, which stands in output->page. header has what comes before the sizes' fields are known. */
static int write_page(struct parquet_output *output, struct parquet_chunk *chunk, enum parquet_page kind,
                      enum parquet_encoding encoding, uint32_t values, struct weir_fault *fault)
{
	struct thrift_writer thrift = thrift_into(&output->header);
	size_t raw = output->page.length, bound = ZSTD_compressBound(raw);

	text_clear(&output->packed);
	if (output->page.failed || !text_reserve(&output->packed, bound + STORE_MORE))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a page of a table");
	size_t length = compress_page(output, output->page.data, raw);
	if (ZSTD_isError(length))
		return weir_fail(fault, WEIR_E_MEMORY, "zstd could not compress a page: %s", ZSTD_getErrorName(length));
	text_clear(&output->header);
	thrift_put_integer(&thrift, 1, THRIFT_I32, kind);
	thrift_put_integer(&thrift, 2, THRIFT_I32, (int64_t)raw);
	thrift_put_integer(&thrift, 3, THRIFT_I32, (int64_t)length);
	thrift_put_integer(&thrift, 4, THRIFT_I32, (int32_t)crc32_z(0, (const uint8_t *)output->packed.data, length));
	thrift_begin(&thrift, kind == PARQUET_DICTIONARY_PAGE ? 7 : 5);
	thrift_put_integer(&thrift, 1, THRIFT_I32, values);
	thrift_put_integer(&thrift, 2, THRIFT_I32, encoding);
	if (kind == PARQUET_DATA_PAGE) {
		thrift_put_integer(&thrift, 3, THRIFT_I32, PARQUET_RLE);
		thrift_put_integer(&thrift, 4, THRIFT_I32, PARQUET_RLE);
	}
	thrift_end(&thrift);
	thrift_end(&thrift);
	if (output->header.failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a page of a table");
	chunk->compressed += output->header.length + length;
	chunk->uncompressed += output->header.length + raw;
	text_add_bytes(&chunk->pages, output->header.data, output->header.length);
	text_add_bytes(&chunk->pages, output->packed.data, length);
	return chunk->pages.failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for a page of a table") : 0;
}

/* Numbers in PLAIN form: of 8 bytes (wide) or 4. */
static void put_plain_numbers(struct text *out, const uint64_t *values, uint32_t count, bool wide)
{
	size_t bytes = (size_t)count * (wide ? 8 : 4);

	if (!text_reserve(out, bytes + 4))
		return;
	char *at = out->data + out->length;
	for (uint32_t i = 0; wide && i < count; i++)
		weir_store_le64(at + 8 * (size_t)i, values[i]);
	for (uint32_t i = 0; !wide && i < count; i++)
		weir_store_le32(at + 4 * (size_t)i, (uint32_t)values[i]);
	out->length += bytes;
	out->data[out->length] = '\0';
}

static int compare(const char *data, size_t length, const struct text *with)
{
	int order = memcmp(data, text_string(with), length < with->length ? length : with->length);

	return order ? order : (length > with->length) - (length < with->length);
}

static void set_bound(struct parquet_chunk *chunk, struct text *bound, const char *data, size_t length)
{
	text_clear(bound);
	text_add_bytes(bound, data, length);
	chunk->failed |= bound->failed;
}

static void count_bounds(struct parquet_chunk *chunk, const char *data, size_t length)
{
	if (!chunk->bounds || compare(data, length, &chunk->least) < 0)
		set_bound(chunk, &chunk->least, data, length);
	if (!chunk->bounds || compare(data, length, &chunk->most) > 0)
		set_bound(chunk, &chunk->most, data, length);
	chunk->bounds = true;
}

/* A string in PLAIN form: its length, then itself. It counts for the chunk's bounds. */
static void put_plain_string(struct text *out, const struct parquet_column *column, uint32_t number,
                             struct parquet_chunk *chunk)
{
	uint8_t bytes[4] = {0};
	size_t at = out->length;

	text_add_bytes(out, bytes, 4);
	value_put_bytes(out, column->column, intern_bytes(&column->strings, number));
	if (out->failed)
		return;
	weir_store_le32(out->data + at, (uint32_t)(out->length - at - 4));
	count_bounds(chunk, out->data + at + 4, out->length - at - 4);
}

/* The values that are there into output->values, in their order. */
static void gather_values(const struct parquet_column *column, const uint32_t *order, uint32_t rows, uint64_t *values)
{
	const uint64_t *wide = column->numbers;
	const uint32_t *narrow = column->numbers;
	uint32_t count = 0;

	if (column->absent == 0 && column->wide)
		for (uint32_t i = 0; i < rows; i++)
			values[i] = wide[order[i]];
	else if (column->absent == 0)
		for (uint32_t i = 0; i < rows; i++)
			values[i] = narrow[order[i]];
	else
		/* Written always and overwritten where there is none: cheaper than a branch that nobody can foretell. */
		for (uint32_t i = 0; i < rows; i++) {
			values[count] = column->wide ? wide[order[i]] : narrow[order[i]];
			count += column->present[order[i]];
		}
}

/* The rows that have a text into output->values. */
static void gather_rows(const struct parquet_column *column, const uint32_t *order, uint32_t rows, uint64_t *values)
{
	for (uint32_t i = 0, count = 0; i < rows; i++) {
		values[count] = order[i];
		count += column->present[order[i]];
	}
}

/*
 * Numbers as indexes into output->known, in order of first occurrence: how many different ones, at most `most`; 0: there are more. Those that are close together, as in
 * most columns, have a slot each and are taken from where they are.
 */
static inline uint32_t number_sized(const struct parquet_column *column, const uint32_t *order, uint32_t rows,
                                    uint32_t most, struct parquet_output *output, bool wide, bool all)
{
	uint64_t base = column->least ^ column->turn;
	uint32_t *slots = output->slots, *ids = output->ids, entries = 0;

	for (uint32_t i = 0; i < rows; i++) {
		uint32_t row = order[i];
		if (!all && !column->present[row])
			continue;
		uint64_t value = wide ? ((const uint64_t *)column->numbers)[row] : ((const uint32_t *)column->numbers)[row];
		uint32_t *slot = &slots[value - base];
		if (!*slot) {
			if (entries == most)
				return 0;
			output->known[entries] = value;
			*slot = ++entries;
		}
		*ids++ = *slot - 1;
	}
	return entries;
}

static uint32_t number_near(const struct parquet_column *column, const uint32_t *order, uint32_t rows, uint32_t most,
                            struct parquet_output *output)
{
	bool wide = column->wide, all = column->absent == 0;

	memset(output->slots, 0, (column->most - column->least + 1) * sizeof *output->slots);
	if (wide)
		return all ? number_sized(column, order, rows, most, output, true, true)
		           : number_sized(column, order, rows, most, output, true, false);
	return all ? number_sized(column, order, rows, most, output, false, true)
	           : number_sized(column, order, rows, most, output, false, false);
}

/* The same of any numbers, by hashing. */
static uint32_t number_far(uint32_t count, uint32_t most, struct parquet_output *output)
{
	uint64_t *known = output->known;
	uint32_t entries = 0;

	memset(output->slots, 0, PARQUET_SLOTS * sizeof *output->slots);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t value = output->values[i];
		if (i && value == output->values[i - 1]) {
			output->ids[i] = output->ids[i - 1];
			continue;
		}
		uint32_t slot = (uint32_t)(value * UINT64_C(0x9e3779b97f4a7c15) >> 48) & (PARQUET_SLOTS - 1);
		while (output->slots[slot] && known[output->slots[slot] - 1] != value)
			slot = (slot + 1) & (PARQUET_SLOTS - 1);
		if (!output->slots[slot]) {
			if (entries == most)
				return 0;
			known[entries] = value;
			output->slots[slot] = ++entries;
		}
		output->ids[i] = output->slots[slot] - 1;
	}
	return entries;
}

/*
 * Gathers the numbers and makes a dictionary of them in output->page, in PLAIN form. The number of entries, 0: it does not pay. Where all are the same, as in
 * every other column, it does without looking at them again.
 */
static uint32_t number_dictionary(const struct parquet_column *column, const uint32_t *order, uint32_t rows,
                                  struct parquet_output *output)
{
	uint32_t count = rows - column->absent, entries = 0;
	uint32_t most = count / 4 < DICTIONARY_NUMBERS ? count / 4 : DICTIONARY_NUMBERS;
	bool near = most && column->most - column->least < PARQUET_SLOTS;

	if (most && column->least == column->most) {
		output->known[0] = column->least ^ column->turn;
		entries = 1;
	} else if (near) {
		entries = number_near(column, order, rows, most, output);
	}
	if (!entries)
		gather_values(column, order, rows, output->values);
	if (!entries && !near)
		entries = number_far(count, most, output);
	text_clear(&output->page);
	put_plain_numbers(&output->page, output->known, entries, column->wide);
	return entries;
}

/* The same of strings, which are numbered already, in the order in which they came; there is none among them that no row has. */
static uint32_t string_dictionary(const struct parquet_column *column, const uint32_t *order, uint32_t rows,
                                  struct parquet_output *output, struct parquet_chunk *chunk)
{
	uint32_t count = rows - column->absent, entries = column->strings.count;
	bool pays = entries <= count / 2 + STRINGS_SPARE;

	if (column->texts && !pays)
		gather_rows(column, order, rows, output->values);
	else if (entries != 1)
		gather_values(column, order, rows, output->values);
	if (!pays)
		return 0;
	text_clear(&output->page);
	for (uint32_t i = 0; i < entries; i++)
		put_plain_string(&output->page, column, i, chunk);
	for (uint32_t i = 0; i < count && entries > 1; i++)
		output->ids[i] = (uint32_t)output->values[i];
	return entries;
}

/* The levels of a data page, their length before them: of all rows the same (output->levels is not looked at), or as they are. */
static void put_levels(const struct parquet_column *column, uint32_t from, uint32_t rows, bool same,
                       struct parquet_output *output)
{
	uint8_t length[4] = {0};
	size_t at = output->page.length;

	text_add_bytes(&output->page, length, 4);
	if (same)
		rle_put_run(&output->page, column->absent == 0, rows, 1);
	else
		rle_put(&output->page, output->levels + from, rows, 1);
	if (!output->page.failed)
		weir_store_le32(output->page.data + at, (uint32_t)(output->page.length - at - 4));
}

/*
 * Whether more than half of the texts surely differ: a bit is set for each, where its hash says, and different texts may share one but the same ones do. Community
 * IDs nearly all differ, and to number a hundred thousand of them to see that takes four times as long.
 */
static bool texts_differ(const struct parquet_column *column, uint32_t rows, struct parquet_output *output)
{
	uint32_t mask = 1023, ones = 0, *bits = output->slots;
	size_t size = column->column->size;

	while (mask < 2 * rows && mask < PARQUET_SLOTS * 32 - 1)
		mask = 2 * mask + 1;
	memset(bits, 0, mask / 32 * sizeof *bits + sizeof *bits);
	for (uint32_t row = 0; row < rows; row++) {
		const char *text = column->texts + row * size;
		uint64_t hash = 0;
		if (!column->present[row])
			continue;
		size_t length = strnlen(text, size), at = 0;
		for (; at + 8 <= length; at += 8)
			hash = (hash ^ weir_load_le64(text + at)) * UINT64_C(0x9e3779b97f4a7c15), hash ^= hash >> 29;
		for (; at < length; at++)
			hash = (hash ^ (uint8_t)text[at]) * UINT64_C(0x9e3779b97f4a7c15);
		uint32_t bit = (uint32_t)(hash >> 40) & mask, *word = &bits[bit / 32];
		ones += !(*word >> bit % 32 & 1);
		*word |= UINT32_C(1) << bit % 32;
	}
	return ones > (rows - column->absent) / 2 + STRINGS_SPARE;
}

/* Texts of rows in PLAIN form. A look at the first eight bytes of most says that they are neither the least nor the most of the chunk. */
static void put_plain_texts(const struct parquet_column *column, const uint64_t *rows, uint32_t count, struct text *out, struct parquet_chunk *chunk)
{
	enum { AHEAD = 16 };
	size_t size = column->column->size;
	uint64_t least = UINT64_MAX, most = 0;

	for (uint32_t i = 0; i < count && !out->failed; i++) {
		const char *text = column->texts + rows[i] * size;
		if (i + AHEAD < count)
			__builtin_prefetch(column->texts + rows[i + AHEAD] * size);
		size_t length = strnlen(text, size), at = out->length;
		uint8_t bytes[4] = {0};
		text_add_bytes(out, bytes, 4);
		text_add_utf8(out, text, length);
		if (out->failed)
			return;
		const char *data = out->data + at + 4;
		length = out->length - at - 4;
		weir_store_le32(out->data + at, (uint32_t)length);
		uint64_t head = length < 8 ? 0 : weir_load_be64(data);
		if (length < 8 || head <= least || head >= most) {
			count_bounds(chunk, data, length);
			least = chunk->least.length < 8 ? UINT64_MAX : weir_load_be64(chunk->least.data);
			most = chunk->most.length < 8 ? 0 : weir_load_be64(chunk->most.data);
		}
	}
}

/* Strings were numbered as they came, so that in the order of rows each is somewhere else: called for ahead, they take half the time. */
static void put_plain_strings(const struct parquet_column *column, const uint64_t *values, uint32_t count,
                              struct parquet_output *output, struct parquet_chunk *chunk)
{
	enum { AHEAD = 8 };

	for (uint32_t i = 0; i < count; i++) {
		if (i + 2 * AHEAD < count)
			intern_prefetch_end(&column->strings, (uint32_t)values[i + 2 * AHEAD]);
		if (i + AHEAD < count)
			intern_prefetch(&column->strings, (uint32_t)values[i + AHEAD]);
		put_plain_string(&output->page, column, (uint32_t)values[i], chunk);
	}
}

/* The values of a data page: `count` from the one numbered `from`, as they are (entries: 0) or as indexes into a dictionary. */
static void put_values(const struct parquet_column *column, uint32_t from, uint32_t count, uint32_t entries,
                       struct parquet_output *output, struct parquet_chunk *chunk)
{
	/* A dictionary of one entry would do with no bits at all, but not every reader does. */
	unsigned width = entries > 1 ? rle_width(entries - 1) : 1;

	if (entries)
		text_add_char(&output->page, (char)width);
	if (entries == 1)
		rle_put_run(&output->page, 0, count, width);
	else if (entries)
		rle_put(&output->page, output->ids + from, count, width);
	else if (chunk->in_deltas)
		delta_put(&output->page, output->values + from, count, column->wide);
	else if (value_is_number(column->column))
		put_plain_numbers(&output->page, output->values + from, count, column->wide);
	else if (column->texts)
		put_plain_texts(column, output->values + from, count, &output->page, chunk);
	else
		put_plain_strings(column, output->values + from, count, output, chunk);
}

static int write_data_pages(const struct parquet_column *column, const uint32_t *order, uint32_t rows, uint32_t entries,
                            struct parquet_output *output, struct parquet_chunk *chunk, struct weir_fault *fault)
{
	enum parquet_encoding encoding = entries ? PARQUET_RLE_DICTIONARY : chunk->in_deltas ? PARQUET_DELTA_BINARY_PACKED : PARQUET_PLAIN;
	bool same = column->absent == 0 || column->absent == rows;
	uint32_t taken = 0;
	int error = 0;

	for (uint32_t i = 0; !same && i < rows; i++)
		output->levels[i] = column->present[order[i]];
	for (uint32_t from = 0; from < rows && !error; from += PAGE_ROWS) {
		uint32_t here = rows - from < PAGE_ROWS ? rows - from : PAGE_ROWS, values = column->absent == rows ? 0 : here;
		if (!same) {
			values = 0;
			for (uint32_t i = 0; i < here; i++)
				values += output->levels[from + i];
		}
		text_clear(&output->page);
		if (column->present)
			put_levels(column, from, here, same, output);
		put_values(column, taken, values, entries, output, chunk);
		taken += values;
		chunk->data_pages++;
		error =
			write_page(output, chunk, PARQUET_DATA_PAGE, encoding, here, fault);
	}
	return error;
}

static void number_bounds(const struct parquet_column *column, struct parquet_chunk *chunk)
{
	uint64_t least = column->least ^ column->turn, most = column->most ^ column->turn;

	put_plain_numbers(&chunk->least, &least, 1, column->wide);
	put_plain_numbers(&chunk->most, &most, 1, column->wide);
	/* Of doubles the bits are in order where there is neither one below zero nor one that is no number. */
	chunk->bounds = column->column->type != WEIR_COLUMN_DOUBLE || most <= DOUBLE_MOST;
	chunk->failed |= chunk->least.failed || chunk->most.failed;
}

int parquet_column_write(struct parquet_column *column, const uint32_t *order, uint32_t rows,
                         struct parquet_output *output, struct parquet_chunk *chunk, struct weir_fault *fault)
{
	bool numbers = value_is_number(column->column);
	int error = 0;

	bool differ = column->texts && texts_differ(column, rows, output);

	if (column->texts && !differ)
		number_strings(column, 0, NULL, rows);
	if (column->failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the strings of %u rows", rows);
	struct text least = chunk->least, most = chunk->most, pages = chunk->pages;
	text_clear(&least);
	text_clear(&most);
	text_clear(&pages);
	*chunk = (struct parquet_chunk){.least = least, .most = most, .pages = pages, .values = rows, .nulls = column->absent};
	if (numbers && column->absent < rows)
		number_bounds(column, chunk);
	uint32_t entries = 0;
	if (differ)
		gather_rows(column, order, rows, output->values);
	else
		entries = numbers ? number_dictionary(column, order, rows, output) : string_dictionary(column, order, rows, output, chunk);
	if (entries) {
		chunk->in_dictionary = true;
		error = write_page(output, chunk, PARQUET_DICTIONARY_PAGE, PARQUET_PLAIN, entries, fault);
	}
	/* Numbers that are nearly all different. Doubles have no such form. */
	chunk->in_deltas = numbers && !entries && column->absent < rows && column->column->type != WEIR_COLUMN_DOUBLE;
	chunk->data = chunk->pages.length;
	if (!error)
		error = write_data_pages(column, order, rows, entries, output, chunk, fault);
	if (!error && chunk->failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the bounds of %u rows", rows);
	if (!numbers && (chunk->least.length > BOUND_BYTES || chunk->most.length > BOUND_BYTES))
		chunk->bounds = false;
	empty(column);
	return error;
}
