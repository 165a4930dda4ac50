/*
 * Dictionaries of a column's values: flow/parquet_dictionary.h. Numbers that are close together, as in most columns, are dealt with as they stand in memory and in the order of
 * their size; others are hashed in the order of rows, and numbered as they come.
 */
#include "flow/parquet_dictionary.h"
#include "flow/parquet_plain.h"

#define STRINGS_SPARE 16u /* a dictionary pays when half of the strings, and so many more, are in it */

/* Of each row; NULL: all have a value. */
static const uint8_t *presence(const struct parquet_column *column) { return column->absent ? column->present : NULL; }

/* ---- in the order of rows ---- */

/* Written always and overwritten where there is none: cheaper than a branch that nobody can foretell. */
static inline uint32_t gather_sized(const void *numbers, const uint8_t *present, const uint32_t *order, uint32_t rows, uint64_t *values, unsigned width)
{
	uint32_t count = 0;

	if (!present) {
		for (uint32_t i = 0; i < rows; i++)
			values[i] = parquet_number(numbers, order[i], width);
		return rows;
	}
	for (uint32_t i = 0; i < rows; i++) {
		values[count] = parquet_number(numbers, order[i], width);
		count += present[order[i]];
	}
	return count;
}

uint32_t parquet_gather(const struct parquet_column *column, const uint32_t *order, uint32_t rows, bool texts, uint64_t *values)
{
	const uint8_t *present = presence(column);
	uint32_t count = 0;

	if (!texts)
		return PARQUET_BY_WIDTH(column->width, gather_sized, column->numbers, present, order, rows, values);
	for (uint32_t i = 0; i < rows; i++) {
		values[count] = order[i];
		count += present ? present[order[i]] : 1;
	}
	return count;
}

static inline uint32_t number_sized(const void *numbers, const uint8_t *present, const uint32_t *order, uint32_t rows, uint32_t *ids, unsigned width)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < rows; i++) {
		ids[count] = (uint32_t)parquet_number(numbers, order[i], width);
		count += present ? present[order[i]] : 1;
	}
	return count;
}

static inline uint32_t place_sized(const void *numbers, const uint8_t *present, const uint32_t *order, uint32_t rows, uint64_t base, const uint16_t *slots,
                                   uint32_t *ids, unsigned width)
{
	uint32_t count = 0;

	if (!present) {
		for (uint32_t i = 0; i < rows; i++)
			ids[i] = slots[parquet_number(numbers, order[i], width) - base];
		return rows;
	}
	for (uint32_t i = 0; i < rows; i++) {
		uint64_t there = present[order[i]];
		ids[count] = slots[(parquet_number(numbers, order[i], width) - base) & -there];
		count += (uint32_t)there;
	}
	return count;
}

uint32_t parquet_gather_ids(const struct parquet_column *column, const struct parquet_dictionary *dictionary, const uint32_t *order, uint32_t rows,
                            const uint16_t *slots, uint32_t *ids)
{
	if (dictionary->how == PARQUET_BY_NUMBER)
		return PARQUET_BY_WIDTH(column->width, number_sized, column->numbers, presence(column), order, rows, ids);
	return PARQUET_BY_WIDTH(column->width, place_sized, column->numbers, presence(column), order, rows, dictionary->base, slots, ids);
}

/* ---- numbers ---- */

static inline void mark_sized(const void *numbers, const uint8_t *present, uint32_t rows, uint64_t base, uint16_t *slots, unsigned width)
{
	for (uint32_t row = 0; row < rows; row++)
		if (!present || present[row])
			slots[parquet_number(numbers, row, width) - base] = 1;
}

/* Each of a range of numbers has a slot: those that occur are marked, then numbered. How many, at most `most`; 0: there are more. */
static uint32_t number_near(const struct parquet_column *column, uint64_t base, uint32_t rows, uint32_t most, struct parquet_output *output)
{
	uint16_t *slots = output->slots;
	uint64_t range = column->most - column->least;
	uint32_t entries = 0;

	memset(slots, 0, (range + 1) * sizeof *slots);
	PARQUET_BY_WIDTH(column->width, mark_sized, column->numbers, presence(column), rows, base, slots);
	for (uint64_t i = 0; i <= range; i++) {
		if (!slots[i])
			continue;
		if (entries == most)
			return 0;
		output->known[entries] = base + i;
		slots[i] = (uint16_t)entries++;
	}
	return entries;
}

/* The same of any numbers, by hashing, into output->ids. */
static uint32_t number_far(const struct parquet_column *column, const uint32_t *order, uint32_t rows, uint32_t most, struct parquet_output *output)
{
	uint64_t *known = output->known, *values = output->values, last = 0;
	uint32_t *id = output->ids, last_id = UINT32_MAX, entries = 0;

	memset(output->slots, 0, PARQUET_SLOTS * sizeof *output->slots);
	for (uint32_t from = 0; from < rows; from += PARQUET_PAGE_ROWS) {
		uint32_t here = rows - from < PARQUET_PAGE_ROWS ? rows - from : PARQUET_PAGE_ROWS;
		uint32_t count = parquet_gather(column, order + from, here, false, values);
		for (uint32_t i = 0; i < count; i++, id++) {
			uint64_t value = values[i];
			if (value == last && last_id != UINT32_MAX) {
				*id = last_id;
				continue;
			}
			uint32_t slot = (uint32_t)(value * UINT64_C(0x9e3779b97f4a7c15) >> 48) & (PARQUET_SLOTS - 1);
			while (output->slots[slot] && known[output->slots[slot] - 1] != value)
				slot = (slot + 1) & (PARQUET_SLOTS - 1);
			if (!output->slots[slot]) {
				if (entries == most)
					return 0;
				known[entries] = value;
				output->slots[slot] = (uint16_t)++entries;
			}
			last = value;
			*id = last_id = output->slots[slot] - 1u;
		}
	}
	return entries;
}

/* Where all are the same, as in every other column, without looking at them again. */
static struct parquet_dictionary number_dictionary(const struct parquet_column *column, const uint32_t *order, uint32_t rows, struct parquet_output *output)
{
	struct parquet_dictionary made = {.how = PARQUET_BY_PLACE, .base = column->least ^ column->turn};
	uint32_t most = (rows - column->absent) / 4;

	most = most < PARQUET_NUMBERS_MOST ? most : PARQUET_NUMBERS_MOST;
	if (!most)
		return made;
	if (column->least == column->most) {
		output->known[0] = made.base;
		made.entries = 1;
	} else if (column->most - column->least < PARQUET_SLOTS) {
		made.entries = number_near(column, made.base, rows, most, output);
	} else {
		made.how = PARQUET_MADE;
		made.entries = number_far(column, order, rows, most, output);
	}
	parquet_plain_numbers(&output->page, output->known, made.entries, column->wide);
	return made;
}

/* ---- strings ---- */

/*
 * Whether more than half of the texts surely differ: a bit is set for each, where its hash says, and different texts may share one but the same ones do. Community
 * IDs often nearly all differ, and to number a hundred thousand of them to see that takes four times as long.
 */
static bool texts_differ(const struct parquet_column *column, uint32_t rows, struct parquet_output *output)
{
	uint8_t *bits = (uint8_t *)output->slots;
	const uint8_t *present = presence(column);
	uint32_t mask = 1023, ones = 0;
	size_t size = column->column->size;

	while (mask < 2 * rows && mask < PARQUET_SLOTS * sizeof *output->slots * 8 - 1)
		mask = 2 * mask + 1;
	memset(bits, 0, mask / 8 + 1);
	for (uint32_t row = 0; row < rows; row++) {
		const char *text = column->texts + row * size;
		uint64_t hash = 0;
		if (present && !present[row])
			continue;
		size_t length = strnlen(text, size), at = 0;
		for (; at + 8 <= length; at += 8)
			hash = (hash ^ weir_load_le64(text + at)) * UINT64_C(0x9e3779b97f4a7c15), hash ^= hash >> 29;
		for (; at < length; at++)
			hash = (hash ^ (uint8_t)text[at]) * UINT64_C(0x9e3779b97f4a7c15);
		uint32_t bit = (uint32_t)(hash >> 40) & mask;
		ones += !(bits[bit / 8] >> bit % 8 & 1);
		bits[bit / 8] |= (uint8_t)(1 << bit % 8);
	}
	return ones > (rows - column->absent) / 2 + STRINGS_SPARE;
}

struct parquet_dictionary parquet_dictionary_make(struct parquet_column *column, const uint32_t *order, uint32_t rows, struct parquet_output *output,
                                                  struct parquet_chunk *chunk)
{
	struct parquet_dictionary made = {.how = PARQUET_BY_NUMBER};

	text_clear(&output->page);
	if (value_is_number(column->column))
		return number_dictionary(column, order, rows, output);
	if (column->texts && texts_differ(column, rows, output))
		return made;
	if (column->texts)
		parquet_column_number_texts(column, rows);
	/* Strings are numbered already, in the order in which they came; there is none among them that no row has. */
	if (column->failed || column->strings.count > (rows - column->absent) / 2 + STRINGS_SPARE)
		return made;
	made.entries = column->strings.count;
	parquet_plain_all_strings(&output->page, column, chunk);
	return made;
}
