/* The values of a column of a row group as records come: flow/parquet_column.h. */
#include <stdlib.h>

#include "flow/parquet_column.h"

#define BLOCK 128u /* rows that are looked at together: what is made of them on the way stays in the first cache */

void parquet_column_clear(struct parquet_column *column)
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
	/* Of the widest: what is not used of it is never touched. */
	column->numbers = malloc((size_t)rows * (column->wide ? 8 : 4));
	column->width = 1;
	column->present = value_optional(of) ? malloc(rows) : NULL;
	column->texts = of->type == WEIR_COLUMN_TEXT ? malloc((size_t)rows * of->size) : NULL;
	parquet_column_clear(column);
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

/* Records of any struct that the column table describes. */
struct records {
	const uint8_t *first;
	size_t size;
};

static inline const void *record_at(const struct records *records, size_t number)
{
	return records->first + number * records->size;
}

/* ---- whether there is a value ---- */

/* For each type a loop of its own: what is asked of a column is asked once, not once a value. How many there are. */
static inline uint32_t presence_of(const struct weir_flow_column *column, const struct records *records, uint32_t count, uint8_t *there, uint8_t type)
{
	const struct weir_flow_column of = {.type = type, .offset = column->offset, .no_value = true};
	uint32_t some = 0;

	for (uint32_t i = 0; i < count; i++) {
		there[i] = value_present(&of, record_at(records, i));
		some += there[i];
	}
	return some;
}

static uint32_t look(const struct weir_flow_column *column, const struct records *records, uint32_t count, uint8_t *there)
{
	const struct weir_flow_column of = *column;
	uint32_t some = 0;

	if (!of.present && (of.type != WEIR_COLUMN_UNSIGNED || of.no_value)) {
		switch (of.type) {
		case WEIR_COLUMN_UNSIGNED: return presence_of(column, records, count, there, WEIR_COLUMN_UNSIGNED);
		case WEIR_COLUMN_TIME:
		case WEIR_COLUMN_DURATION: return presence_of(column, records, count, there, WEIR_COLUMN_TIME);
		case WEIR_COLUMN_IP: return presence_of(column, records, count, there, WEIR_COLUMN_IP);
		case WEIR_COLUMN_STRING: return presence_of(column, records, count, there, WEIR_COLUMN_STRING);
		default: break;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		there[i] = value_present(&of, record_at(records, i));
		some += there[i];
	}
	return some;
}

/* Where all rows so far have a value, or none has, `absent` says it; `present` is written from the first on that differs. */
static void note_presence(struct parquet_column *column, uint32_t row, const uint8_t *there, uint32_t count, uint32_t some)
{
	bool all_so_far = column->absent == 0, none_so_far = column->absent == row;

	if (!(all_so_far && some == count) && !(none_so_far && some == 0)) {
		if (all_so_far || none_so_far)
			memset(column->present, !none_so_far, row);
		memcpy(column->present + row, there, count);
	}
	column->absent += count - some;
}

/* ---- numbers ---- */

static inline void store(void *numbers, const uint64_t *values, uint32_t row, uint32_t count, unsigned width)
{
	uint8_t *at = (uint8_t *)numbers + (size_t)row * width;

	for (uint32_t i = 0; i < count; i++, at += width)
		switch (width) {
		case 1: *at = (uint8_t)values[i]; break;
		case 2: weir_store_native16(at, (uint16_t)values[i]); break;
		case 4: weir_store_native32(at, (uint32_t)values[i]); break;
		default: weir_store_native64(at, values[i]);
		}
}

/* From the last row on, so that none is written over before it was read. */
static inline void widen(void *numbers, uint32_t rows, unsigned to, unsigned from)
{
	for (uint32_t i = rows; i-- > 0;) {
		uint64_t value = parquet_number(numbers, i, from);
		PARQUET_BY_WIDTH(to, store, numbers, &value, i, 1);
	}
}

/* Keeps numbers, of which `all` has every bit that one has. */
static void keep_values(struct parquet_column *column, uint32_t row, const uint64_t *values, uint32_t count, uint64_t all)
{
	unsigned width = column->width;

	while (width < 8 && all >> 8 * width)
		width *= 2;
	if (width != column->width)
		PARQUET_BY_WIDTH(column->width, widen, column->numbers, row, width);
	column->width = width;
	PARQUET_BY_WIDTH(width, store, column->numbers, values, row, count);
}

/* For each size a loop of its own. there: NULL: all. What stands in the place of a value that is not there is 0. */
static inline void keep_sized(struct parquet_column *column, uint32_t row, const struct records *records, uint32_t count,
                              const uint8_t *there, uint8_t size)
{
	const struct weir_flow_column of = {.size = size, .offset = column->column->offset};
	uint64_t turn = column->turn, least = column->least, most = column->most, all = 0, values[BLOCK];

	for (uint32_t i = 0; i < count; i++)
		values[i] = value_number(&of, record_at(records, i));
	for (uint32_t i = 0; i < count; i++) {
		if (there && !there[i]) {
			values[i] = 0;
			continue;
		}
		uint64_t turned = values[i] ^ turn;
		all |= values[i];
		least = turned < least ? turned : least;
		most = turned > most ? turned : most;
	}
	column->least = least;
	column->most = most;
	keep_values(column, row, values, count, all);
}

static void keep_numbers(struct parquet_column *column, uint32_t row, const struct records *records, uint32_t count, const uint8_t *there)
{
	switch (column->column->size) {
	case 1: keep_sized(column, row, records, count, there, 1); break;
	case 2: keep_sized(column, row, records, count, there, 2); break;
	case 4: keep_sized(column, row, records, count, there, 4); break;
	default: keep_sized(column, row, records, count, there, 8);
	}
}

/* ---- what is no number ---- */

/* Community IDs are nearly all different: to look for each among a hundred thousand while flows are made would push all else out of the cache. */
static void keep_texts(struct parquet_column *column, uint32_t row, const struct records *records, uint32_t count)
{
	const struct weir_flow_column *of = column->column;

	for (uint32_t i = 0; i < count; i++)
		memcpy(column->texts + (size_t)(row + i) * of->size, value_member(of, record_at(records, i)), of->size);
}

/* type is the column's: where it is known to the compiler, what a value is is not asked of each. */
static inline void number_typed(struct parquet_column *column, uint32_t row, const struct records *records, uint32_t count, const uint8_t *there, uint8_t type,
                                uint16_t offset)
{
	const struct weir_flow_column of = {.type = type, .size = column->column->size, .offset = offset};
	uint32_t rows[BLOCK], numbers[BLOCK], some = 0;
	struct weir_bytes strings[BLOCK];
	uint64_t values[BLOCK];

	for (uint32_t i = 0; i < count; i++) {
		values[i] = 0;
		if (there && !there[i])
			continue;
		rows[some] = i;
		strings[some++] = value_bytes(&of, record_at(records, i));
	}
	column->failed |= some && !intern_numbers(&column->strings, strings, some, numbers);
	for (uint32_t i = 0; i < some; i++)
		values[rows[i]] = numbers[i];
	/* What is not numbered for want of memory is not looked at again. */
	keep_values(column, row, values, count, column->failed || !column->strings.count ? 0 : column->strings.count - 1);
}

static void keep_strings(struct parquet_column *column, uint32_t row, const struct records *records, uint32_t count, const uint8_t *there)
{
	const struct weir_flow_column *of = column->column;

	switch (of->type) {
	case WEIR_COLUMN_STRING: number_typed(column, row, records, count, there, WEIR_COLUMN_STRING, of->offset); break;
	case WEIR_COLUMN_IP: number_typed(column, row, records, count, there, WEIR_COLUMN_IP, of->offset); break;
	default: number_typed(column, row, records, count, there, of->type, of->offset);
	}
}

void parquet_column_number_texts(struct parquet_column *column, uint32_t rows)
{
	size_t size = column->column->size;

	/* The texts by themselves are records of one member. */
	for (uint32_t row = 0; row < rows && column->absent < rows; row += BLOCK) {
		const struct records records = {(const uint8_t *)column->texts + row * size, size};
		const uint8_t *there = column->absent == 0 ? NULL : column->present + row;
		number_typed(column, row, &records, rows - row < BLOCK ? rows - row : BLOCK, there, WEIR_COLUMN_TEXT, 0);
	}
}

static void keep_block(struct parquet_column *column, uint32_t row, const struct records *records, uint32_t count)
{
	uint8_t there[BLOCK];
	uint32_t some = count;

	if (column->present) {
		some = look(column->column, records, count, there);
		note_presence(column, row, there, count, some);
	}
	const uint8_t *those = some == count ? NULL : there;
	/* Where no record has a value there is nothing to keep: what stands in its place is written over. */
	if (some == 0)
		return;
	if (value_is_number(column->column))
		keep_numbers(column, row, records, count, those);
	else if (column->texts)
		keep_texts(column, row, records, count);
	else
		keep_strings(column, row, records, count, those);
}

void parquet_column_keep(struct parquet_column *column, uint32_t row, const void *first, size_t size, size_t count)
{
	for (size_t from = 0; from < count; from += BLOCK) {
		const struct records records = {(const uint8_t *)first + from * size, size};
		keep_block(column, row + (uint32_t)from, &records, count - from < BLOCK ? (uint32_t)(count - from) : BLOCK);
	}
}

bool parquet_column_same(const struct parquet_column *a, const struct parquet_column *b, uint32_t rows)
{
	if (!value_is_number(a->column) || !value_is_number(b->column) || a->column->type != b->column->type || a->wide != b->wide)
		return false;
	if (value_optional(a->column) != value_optional(b->column) || a->absent || b->absent || a->width != b->width)
		return false;
	return a->least == b->least && a->most == b->most && memcmp(a->numbers, b->numbers, (size_t)rows * a->width) == 0;
}
