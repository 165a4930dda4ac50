/* A column chunk of a Parquet file: a dictionary page where that pays, then data pages (version 1), each compressed by zstd. */
#include <stdlib.h>
#include <zlib.h>

#include "flow/parquet_column.h"
#include "flow/rle.h"
#include "flow/thrift.h"

#define PAGE_ROWS 32768u          /* so a reader holds little of each column at a time */
#define DICTIONARY_NUMBERS ((uint32_t)PARQUET_SLOTS / 4) /* more different numbers are better off as they are */
#define BOUND_BYTES 256           /* a longer string is no good as a bound: what it was cut to would need to be rounded up */

int parquet_column_new(struct parquet_column *column, const struct weir_flow_column *of, uint32_t rows, struct weir_fault *fault)
{
	column->column = of;
	column->wide = parquet_type_of(of) == PARQUET_INT64;
	column->numbers = malloc((size_t)rows * (column->wide ? 8 : 4));
	column->present = value_optional(of) ? malloc(rows) : NULL;
	if (!column->numbers || (value_optional(of) && !column->present))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for %u rows of flows", rows);
	return 0;
}

void parquet_column_free(struct parquet_column *column)
{
	free(column->numbers);
	free(column->present);
	intern_free(&column->strings);
}

void parquet_column_keep(struct parquet_column *column, uint32_t row, const struct weir_flow *flow)
{
	const struct weir_flow_column *of = column->column;

	if (column->present) {
		column->present[row] = value_present(of, flow);
		if (!column->present[row])
			return;
	}
	if (column->wide) {
		((uint64_t *)column->numbers)[row] = weir_load_native64(value_member(of, flow));
	} else if (value_is_number(of)) {
		((uint32_t *)column->numbers)[row] = (uint32_t)value_number(of, flow);
	} else {
		struct weir_bytes bytes = value_bytes(of, flow);
		uint32_t number = intern_number(&column->strings, bytes.data, bytes.length);
		column->failed |= number == INTERN_FULL;
		((uint32_t *)column->numbers)[row] = number;
	}
}

/* Writes a page: header and body, which stands in output->page. header has what comes before the sizes' fields are known. */
static int write_page(struct parquet_output *output, struct parquet_chunk *chunk, enum parquet_page kind, enum parquet_encoding encoding,
                      uint32_t values, struct weir_fault *fault)
{
	struct thrift_writer thrift = thrift_into(&output->header);
	size_t raw = output->page.length, bound = ZSTD_compressBound(raw);

	text_clear(&output->packed);
	if (output->page.failed || !text_reserve(&output->packed, bound))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a page of flows");
	size_t length = ZSTD_compressCCtx(output->zstd, output->packed.data, bound, output->page.data, raw, output->level);
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
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a page of flows");
	chunk->compressed += output->header.length + length;
	chunk->uncompressed += output->header.length + raw;
	int error = stream_writer_write(output->out, output->header.data, output->header.length, fault);
	return error ? error : stream_writer_write(output->out, output->packed.data, length, fault);
}

static void put_plain_number(struct text *out, uint64_t value, bool wide)
{
	uint8_t bytes[8];

	weir_store_le64(bytes, value);
	text_add_bytes(out, bytes, wide ? 8 : 4);
}

static void put_plain_string(struct text *out, const struct parquet_column *column, uint32_t number)
{
	uint8_t bytes[4] = {0};
	size_t at = out->length;

	text_add_bytes(out, bytes, 4);
	value_put_bytes(out, column->column, intern_bytes(&column->strings, number));
	if (!out->failed)
		weir_store_le32(out->data + at, (uint32_t)(out->length - at - 4));
}

/* The values that are there in their order into output->values, levels into output->levels. How many. */
static uint32_t gather(const struct parquet_column *column, const uint32_t *order, uint32_t rows, struct parquet_output *output)
{
	uint32_t count = 0;

	if (column->present)
		for (uint32_t i = 0; i < rows; i++)
			output->levels[i] = column->present[order[i]];
	for (uint32_t i = 0; i < rows; i++) {
		/* Written always and overwritten where there is none: cheaper than a branch that nobody can foretell. */
		output->values[count] = column->wide ? ((const uint64_t *)column->numbers)[order[i]] : ((const uint32_t *)column->numbers)[order[i]];
		count += column->present ? output->levels[i] : 1;
	}
	return count;
}

/*
 * Numbers as indexes into output->page, which becomes the dictionary in PLAIN form, in order of first occurrence. The number of entries, or 0:
 * it does not pay.
 */
static uint32_t number_dictionary(const struct parquet_column *column, uint32_t count, struct parquet_output *output)
{
	uint32_t entries = 0, most = count / 4 < DICTIONARY_NUMBERS ? count / 4 : DICTIONARY_NUMBERS;
	uint64_t *known = output->known;

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
			if (entries == most) {
				entries = 0;
				break;
			}
			known[entries] = value;
			output->slots[slot] = ++entries;
		}
		output->ids[i] = output->slots[slot] - 1;
	}
	text_clear(&output->page);
	for (uint32_t i = 0; i < entries; i++)
		put_plain_number(&output->page, known[i], column->wide);
	return entries;
}

/* The same of strings, which are numbered already; renumbered, so that there is none in it that no row has. */
static uint32_t string_dictionary(const struct parquet_column *column, uint32_t count, struct parquet_output *output)
{
	if (column->strings.count > count / 2 + 16)
		return 0;
	text_clear(&output->page);
	for (uint32_t i = 0; i < column->strings.count; i++)
		put_plain_string(&output->page, column, i);
	for (uint32_t i = 0; i < count; i++)
		output->ids[i] = (uint32_t)output->values[i];
	return column->strings.count;
}

/* The levels of a data page: their length, then themselves. */
static void put_levels(struct parquet_output *output, uint32_t from, uint32_t rows)
{
	uint8_t length[4] = {0};
	size_t at = output->page.length;

	text_add_bytes(&output->page, length, 4);
	rle_put(&output->page, output->levels + from, rows, 1);
	if (!output->page.failed)
		weir_store_le32(output->page.data + at, (uint32_t)(output->page.length - at - 4));
}

static int write_data_pages(const struct parquet_column *column, uint32_t rows, uint32_t entries, struct parquet_output *output,
                            struct parquet_chunk *chunk, struct weir_fault *fault)
{
	/* A dictionary of one entry would do with no bits at all, but not every reader does. */
	unsigned width = entries > 1 ? rle_width(entries - 1) : 1;
	uint32_t taken = 0;
	int error = 0;

	for (uint32_t from = 0; from < rows && !error; from += PAGE_ROWS) {
		uint32_t here = rows - from < PAGE_ROWS ? rows - from : PAGE_ROWS, values = here;
		text_clear(&output->page);
		if (column->present) {
			values = 0;
			for (uint32_t i = 0; i < here; i++)
				values += output->levels[from + i];
			put_levels(output, from, here);
		}
		if (entries) {
			text_add_char(&output->page, (char)width);
			rle_put(&output->page, output->ids + taken, values, width);
		} else {
			for (uint32_t i = 0; i < values; i++) {
				if (value_is_number(column->column))
					put_plain_number(&output->page, output->values[taken + i], column->wide);
				else
					put_plain_string(&output->page, column, (uint32_t)output->values[taken + i]);
			}
		}
		taken += values;
		chunk->data_pages++;
		error = write_page(output, chunk, PARQUET_DATA_PAGE, entries ? PARQUET_RLE_DICTIONARY : PARQUET_PLAIN, here, fault);
	}
	return error;
}

static void number_bounds(const struct parquet_column *column, uint32_t count, const uint64_t *values, struct parquet_chunk *chunk)
{
	/* Turned so that signed numbers are ordered as unsigned ones are. */
	uint64_t turn = parquet_signed(column->column) ? UINT64_C(1) << 63 : 0, least = UINT64_MAX, most = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t value = values[i] ^ turn;
		least = value < least ? value : least;
		most = value > most ? value : most;
	}
	put_plain_number(&chunk->least, least ^ turn, column->wide);
	put_plain_number(&chunk->most, most ^ turn, column->wide);
	chunk->bounds = true;
	chunk->failed |= chunk->least.failed || chunk->most.failed;
}

static int compare_texts(const struct text *a, const struct text *b)
{
	int order = memcmp(text_string(a), text_string(b), a->length < b->length ? a->length : b->length);

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

static void string_bounds(const struct parquet_column *column, struct parquet_output *output, struct parquet_chunk *chunk)
{
	struct text *text = &output->page;

	for (uint32_t i = 0; i < column->strings.count; i++) {
		text_clear(text);
		value_put_bytes(text, column->column, intern_bytes(&column->strings, i));
		bool lower = i == 0 || compare_texts(text, &chunk->least) < 0, higher = i == 0 || compare_texts(text, &chunk->most) > 0;
		if (lower) {
			text_clear(&chunk->least);
			text_add_bytes(&chunk->least, text_string(text), text->length);
		}
		if (higher) {
			text_clear(&chunk->most);
			text_add_bytes(&chunk->most, text_string(text), text->length);
		}
		chunk->failed |= text->failed || chunk->least.failed || chunk->most.failed;
	}
	chunk->bounds = chunk->least.length <= BOUND_BYTES && chunk->most.length <= BOUND_BYTES;
}

int parquet_column_write(struct parquet_column *column, const uint32_t *order, uint32_t rows, struct parquet_output *output,
                         struct parquet_chunk *chunk, struct weir_fault *fault)
{
	bool numbers = value_is_number(column->column);
	uint32_t count = gather(column, order, rows, output), entries;
	int error = 0;

	if (column->failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the strings of %u flows", rows);
	struct text least = chunk->least, most = chunk->most;
	text_clear(&least);
	text_clear(&most);
	*chunk = (struct parquet_chunk){.least = least, .most = most, .values = rows, .nulls = rows - count};
	if (count && numbers)
		number_bounds(column, count, output->values, chunk);
	else if (count)
		string_bounds(column, output, chunk);
	if (chunk->failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the bounds of %u flows", rows);
	chunk->begin = stream_writer_position(output->out);
	entries = numbers ? number_dictionary(column, count, output) : string_dictionary(column, count, output);
	if (entries) {
		chunk->dictionary = chunk->begin;
		chunk->in_dictionary = true;
		error = write_page(output, chunk, PARQUET_DICTIONARY_PAGE, PARQUET_PLAIN, entries, fault);
	}
	chunk->data = stream_writer_position(output->out);
	if (!error)
		error = write_data_pages(column, rows, entries, output, chunk, fault);
	intern_clear(&column->strings);
	return error;
}
