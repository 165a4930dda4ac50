/* A column chunk of a Parquet file: a dictionary page where that pays, then data pages: flow/parquet_column.h. */
#include "flow/delta.h"
#include "flow/parquet_dictionary.h"
#include "flow/parquet_page.h"
#include "flow/parquet_plain.h"
#include "flow/rle.h"

#define DOUBLE_MOST UINT64_C(0x7ff0000000000000) /* the bits of infinity */
#define BOUND_BYTES 256 /* a longer string is no good as a bound: what it was cut to would need to be rounded up */

/* The levels of so many rows in this order, their length before them. */
static void put_levels(const struct parquet_column *column, const uint32_t *order, uint32_t rows, bool same, struct parquet_output *output)
{
	uint8_t length[4] = {0};
	size_t at = output->page.length;

	text_add_bytes(&output->page, length, 4);
	if (same) {
		rle_put_run(&output->page, column->absent == 0, rows, 1);
	} else {
		for (uint32_t i = 0; i < rows; i++)
			output->levels[i] = column->present[order[i]];
		rle_put_bits(&output->page, output->levels, rows);
	}
	if (!output->page.failed)
		weir_store_le32(output->page.data + at, (uint32_t)(output->page.length - at - 4));
}

/* `count` values of which the indexes into a dictionary are made, the first being that of the value numbered `from` in the chunk. */
static void put_indexes(const struct parquet_column *column, const struct parquet_dictionary *dictionary, const uint32_t *order, uint32_t rows, uint32_t *from,
                        struct parquet_output *output)
{
	/* A dictionary of one entry would do with no bits at all, but not every reader does. */
	unsigned width = dictionary->entries > 1 ? rle_width(dictionary->entries - 1) : 1;
	const uint32_t *ids = output->ids;
	uint32_t count = rows;

	text_add_char(&output->page, (char)width);
	if (column->absent && (dictionary->entries == 1 || dictionary->how == PARQUET_MADE)) {
		count = 0;
		for (uint32_t i = 0; i < rows; i++)
			count += column->present[order[i]];
	}
	if (dictionary->entries == 1) {
		rle_put_run(&output->page, 0, count, width);
		return;
	}
	if (dictionary->how == PARQUET_MADE)
		ids += *from;
	else
		count = parquet_gather_ids(column, dictionary, order, rows, output->slots, output->ids);
	*from += count;
	rle_put(&output->page, ids, count, width);
}

/* Values that are in no dictionary. */
static void put_values(const struct parquet_column *column, const uint32_t *order, uint32_t rows, struct parquet_output *output, struct parquet_chunk *chunk)
{
	bool rows_of_texts = column->texts && column->strings.count == 0;
	uint32_t count = parquet_gather(column, order, rows, rows_of_texts, output->values);

	if (chunk->in_deltas)
		delta_put(&output->page, output->values, count, column->wide);
	else if (value_is_number(column->column))
		parquet_plain_numbers(&output->page, output->values, count, column->wide);
	else if (rows_of_texts)
		parquet_plain_texts(&output->page, column, output->values, count, chunk);
	else
		parquet_plain_strings(&output->page, column, output->values, count, chunk);
}

static int write_data_pages(const struct parquet_column *column, const struct parquet_dictionary *dictionary, const uint32_t *order, uint32_t rows,
                            struct parquet_output *output, struct parquet_chunk *chunk, struct weir_fault *fault)
{
	enum parquet_encoding encoding = chunk->in_dictionary ? PARQUET_RLE_DICTIONARY : chunk->in_deltas ? PARQUET_DELTA_BINARY_PACKED : PARQUET_PLAIN;
	bool none = column->absent == rows, same = column->absent == 0 || none;
	uint32_t taken = 0;
	int error = 0;

	for (uint32_t from = 0; from < rows && !error; from += PARQUET_PAGE_ROWS) {
		uint32_t here = rows - from < PARQUET_PAGE_ROWS ? rows - from : PARQUET_PAGE_ROWS;
		text_clear(&output->page);
		if (column->present)
			put_levels(column, order + from, here, same, output);
		if (chunk->in_dictionary)
			put_indexes(column, dictionary, order + from, here, &taken, output);
		else if (!none)
			put_values(column, order + from, here, output, chunk);
		chunk->data_pages++;
		error = parquet_page_write(output, chunk, PARQUET_DATA_PAGE, encoding, here, fault);
	}
	return error;
}

static void number_bounds(const struct parquet_column *column, struct parquet_chunk *chunk)
{
	uint64_t least = column->least ^ column->turn, most = column->most ^ column->turn;

	parquet_plain_numbers(&chunk->least, &least, 1, column->wide);
	parquet_plain_numbers(&chunk->most, &most, 1, column->wide);
	/* Of doubles the bits are in order where there is neither one below zero nor one that is no number. */
	chunk->bounds = column->column->type != WEIR_COLUMN_DOUBLE || most <= DOUBLE_MOST;
	chunk->failed |= chunk->least.failed || chunk->most.failed;
}

static int write_chunk(struct parquet_column *column, const uint32_t *order, uint32_t rows, struct parquet_output *output, struct parquet_chunk *chunk,
                       struct weir_fault *fault)
{
	bool numbers = value_is_number(column->column), some = column->absent < rows;
	struct parquet_dictionary dictionary = {.entries = 0};
	int error = 0;

	if (numbers && some)
		number_bounds(column, chunk);
	if (some)
		dictionary = parquet_dictionary_make(column, order, rows, output, chunk);
	if (column->failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the strings of %u rows", rows);
	chunk->in_dictionary = dictionary.entries > 0;
	if (chunk->in_dictionary)
		error = parquet_page_write(output, chunk, PARQUET_DICTIONARY_PAGE, PARQUET_PLAIN, dictionary.entries, fault);
	/* Numbers that are nearly all different. Doubles have no such form. */
	chunk->in_deltas = numbers && some && !chunk->in_dictionary && column->column->type != WEIR_COLUMN_DOUBLE;
	chunk->data = chunk->pages.length;
	if (!error)
		error = write_data_pages(column, &dictionary, order, rows, output, chunk, fault);
	if (!error && chunk->failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for the bounds of %u rows", rows);
	if (!numbers && (chunk->least.length > BOUND_BYTES || chunk->most.length > BOUND_BYTES))
		chunk->bounds = false;
	return error;
}

int parquet_column_write(struct parquet_column *column, const uint32_t *order, uint32_t rows,
                         struct parquet_output *output, struct parquet_chunk *chunk, struct weir_fault *fault)
{
	struct text least = chunk->least, most = chunk->most, pages = chunk->pages;

	text_clear(&least);
	text_clear(&most);
	text_clear(&pages);
	*chunk = (struct parquet_chunk){.least = least, .most = most, .pages = pages, .values = rows, .nulls = column->absent};
	int error = write_chunk(column, order, rows, output, chunk, fault);
	parquet_column_clear(column);
	return error;
}
