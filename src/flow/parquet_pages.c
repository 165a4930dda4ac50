/* Pages of a column chunk: flow/parquet_pages.h. Whatever a page says of itself is checked against the bytes there are. */
#include <stdlib.h>
#include <zlib.h>

#include "flow/parquet_pages.h"

#define HEADER_USUAL 512u
#define HEADER_MOST ((size_t)1 << 20) /* headers may hold bounds of long strings */
#define PAGE_MOST (UINT32_C(256) << 20)

int parquet_pages_new(struct parquet_pages *pages, const struct weir_flow_column *column, const struct parquet_leaf *leaf,
                      struct weir_fault *fault)
{
	bool numbers = value_is_number(column);

	pages->column = column;
	pages->leaf = *leaf;
	pages->present = malloc(VECTOR_ROWS);
	pages->scratch = malloc(VECTOR_ROWS * sizeof *pages->scratch);
	pages->numbers = numbers ? malloc(VECTOR_ROWS * sizeof *pages->numbers) : NULL;
	pages->strings = numbers ? NULL : malloc(VECTOR_ROWS * sizeof *pages->strings);
	pages->taken_ids = malloc(VECTOR_ROWS * sizeof *pages->taken_ids);
	if (!pages->present || !pages->scratch || !pages->taken_ids || (numbers ? !pages->numbers : !pages->strings))
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read column %s", column->name);
	return 0;
}

void parquet_pages_free(struct parquet_pages *pages)
{
	free(pages->raw.data);
	free(pages->page.data);
	free(pages->dictionary_page.data);
	free(pages->dictionary_numbers);
	free(pages->dictionary_strings);
	free(pages->present);
	free(pages->scratch);
	free(pages->numbers);
	free(pages->strings);
	free(pages->taken_ids);
	*pages = (struct parquet_pages){.column = NULL};
}

void parquet_pages_begin(struct parquet_pages *pages, const struct parquet_place *place)
{
	pages->at = place->begin;
	pages->end = place->begin + place->length;
	pages->codec = place->codec;
	pages->rows_left = 0;
	pages->has_dictionary = false;
	pages->dictionary_count = 0;
}

static int damaged(const struct parquet_pages *pages, const struct parquet_input *input, const char *what, struct weir_fault *fault)
{
	return weir_fail_at(fault, WEIR_E_FORMAT, input->name, (int64_t)pages->at, WEIR_NOWHERE, "column %s: %s", pages->column->name, what);
}

static int make_room(struct parquet_buffer *buffer, size_t size, const struct parquet_input *input, struct parquet_budget *budget,
                     struct weir_fault *fault)
{
	if (size <= buffer->room && buffer->data)
		return 0;
	size_t room = size + size / 4 + 64;
	if (room - buffer->room > budget->most - budget->used)
		return weir_fail_at(fault, WEIR_E_LIMIT, input->name, WEIR_NOWHERE, WEIR_NOWHERE, "its pages take more than %llu MiB of memory at a time",
		                    (unsigned long long)(budget->most >> 20));
	free(buffer->data);
	budget->used += room - buffer->room;
	buffer->room = room;
	buffer->data = malloc(room);
	return buffer->data ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for pages of %s", input->name);
}

/* ---- headers ---- */

static void read_page_kind(struct thrift_reader *reader, enum thrift_type type, bool second, struct parquet_page_header *header)
{
	int16_t field;

	if (!thrift_enter(reader, type))
		return;
	while (thrift_next(reader, &field, &type)) {
		if (field == 1)
			header->values = thrift_integer(reader, type);
		else if (field == (second ? 4 : 2))
			header->encoding = thrift_integer(reader, type);
		else if (second && field == 5)
			header->level_bytes = thrift_integer(reader, type);
		else if (second && field == 6)
			header->repetition_bytes = thrift_integer(reader, type);
		else if (second && field == 7)
			header->compressed = thrift_integer(reader, type);
		else
			thrift_skip(reader, type);
	}
}

bool parquet_page_header_parse(const uint8_t *data, size_t length, struct parquet_page_header *header)
{
	struct thrift_reader reader = thrift_over(data, length);
	enum thrift_type type;
	int16_t field;

	*header = (struct parquet_page_header){.type = -1, .raw = -1, .packed = -1, .values = -1, .encoding = -1, .compressed = true};
	while (thrift_next(&reader, &field, &type)) {
		switch (field) {
		case 1: header->type = thrift_integer(&reader, type); break;
		case 2: header->raw = thrift_integer(&reader, type); break;
		case 3: header->packed = thrift_integer(&reader, type); break;
		case 4:
			header->crc = (uint32_t)thrift_integer(&reader, type);
			header->has_crc = true;
			break;
		case 5:
		case 7: read_page_kind(&reader, type, false, header); break;
		case 8: read_page_kind(&reader, type, true, header); break;
		default: thrift_skip(&reader, type);
		}
	}
	header->length = (size_t)(reader.cursor.at - data);
	return !reader.cursor.failed;
}

static int read_header(struct parquet_pages *pages, const struct parquet_input *input, struct parquet_budget *budget,
                       struct parquet_page_header *header, struct weir_fault *fault)
{
	uint64_t left = pages->end - pages->at;

	for (size_t size = HEADER_USUAL;; size *= 8) {
		size_t length = left < size ? (size_t)left : size;
		int error = make_room(&pages->raw, length, input, budget, fault);
		if (!error)
			error = parquet_input_read(input, pages->at, pages->raw.data, length, fault);
		if (error)
			return error;
		if (parquet_page_header_parse(pages->raw.data, length, header))
			return 0;
		if (length == left || size >= HEADER_MOST)
			return damaged(pages, input, "the header of a page is damaged", fault);
	}
}

/* ---- contents ---- */

/* The bytes of a page, compressed as they stand in the file, into pages->raw. */
static int read_body(struct parquet_pages *pages, const struct parquet_input *input, struct parquet_budget *budget,
                     const struct parquet_page_header *header, struct weir_fault *fault)
{
	pages->at += header->length;
	if (header->raw < 0 || header->packed < 0 || header->raw > PAGE_MOST || (uint64_t)header->packed > pages->end - pages->at)
		return damaged(pages, input, "a page is larger than can be", fault);
	int error = make_room(&pages->raw, (size_t)header->packed, input, budget, fault);
	if (!error)
		error = parquet_input_read(input, pages->at, pages->raw.data, (size_t)header->packed, fault);
	if (error)
		return error;
	if (header->has_crc && crc32_z(0, pages->raw.data, (size_t)header->packed) != header->crc)
		return weir_fail_at(fault, WEIR_E_CORRUPT, input->name, (int64_t)pages->at, WEIR_NOWHERE,
		                    "column %s: the checksum of a page does not hold", pages->column->name);
	pages->at += (uint64_t)header->packed;
	return 0;
}

static const char *codec_name(int32_t codec)
{
	static const char *const names[] = {"no", "Snappy", "gzip", "LZO", "Brotli", "LZ4 (Hadoop's)", "zstd", "LZ4"};

	return codec >= 0 && codec < 8 ? names[codec] : "an unknown";
}

/* length bytes at data become raw bytes in *buffer. */
static int decompress(struct parquet_pages *pages, const uint8_t *data, size_t length, size_t raw, bool compressed, struct parquet_buffer *buffer,
                      const struct parquet_input *input, ZSTD_DCtx *zstd, struct parquet_budget *budget, struct weir_fault *fault)
{
	int32_t codec = compressed ? pages->codec : PARQUET_UNCOMPRESSED;

	if (codec != PARQUET_UNCOMPRESSED && codec != PARQUET_ZSTD)
		return weir_fail_at(fault, WEIR_E_UNSUPPORTED, input->name, WEIR_NOWHERE, WEIR_NOWHERE,
		                    "is compressed with %s: weir reads zstd and uncompressed (in DuckDB: COPY … TO … (FORMAT parquet, COMPRESSION zstd))",
		                    codec_name(codec));
	int error = make_room(buffer, raw, input, budget, fault);
	if (error)
		return error;
	if (codec == PARQUET_UNCOMPRESSED) {
		if (length != raw)
			return damaged(pages, input, "a page that is not compressed has two lengths", fault);
		memcpy(buffer->data, data, raw);
		return 0;
	}
	size_t made = ZSTD_decompressDCtx(zstd, buffer->data, raw, data, length);
	if (ZSTD_isError(made) || made != raw)
		return weir_fail_at(fault, WEIR_E_CORRUPT, input->name, (int64_t)pages->at, WEIR_NOWHERE, "column %s: a page can't be decompressed: %s",
		                    pages->column->name, ZSTD_isError(made) ? ZSTD_getErrorName(made) : "too short");
	return 0;
}

static uint64_t plain_number(const struct parquet_pages *pages, struct weir_cursor *cursor)
{
	if (pages->leaf.type == PARQUET_INT64)
		return weir_take_le64(cursor);
	uint32_t value = weir_take_le32(cursor);
	return pages->leaf.is_signed ? (uint64_t)(int64_t)(int32_t)value : value;
}

/* A number as the file has it as one of the column: false when it has no place there. */
static bool number_fits(const struct parquet_pages *pages, uint64_t *number)
{
	const struct weir_flow_column *column = pages->column;

	if (column->type == WEIR_COLUMN_UNSIGNED)
		return column->size == 8 || *number >> (8 * column->size) == 0;
	return pages->leaf.unit_ns == 1 || !__builtin_mul_overflow((int64_t)*number, (int64_t)pages->leaf.unit_ns, (int64_t *)number);
}

static struct weir_bytes plain_string(struct weir_cursor *cursor)
{
	uint32_t length = weir_take_le32(cursor);
	const uint8_t *data = weir_take(cursor, length);

	return (struct weir_bytes){data, data ? length : 0};
}

static int enter_dictionary(struct parquet_pages *pages, const struct parquet_page_header *header, const struct parquet_input *input,
                            struct parquet_budget *budget, struct weir_fault *fault)
{
	struct weir_cursor cursor = weir_cursor_over(pages->dictionary_page.data, (size_t)header->raw);
	bool numbers = value_is_number(pages->column), fit = true;

	/* Each entry takes four bytes or more. */
	if (header->values < 0 || header->values > header->raw / 4 || pages->has_dictionary ||
	    (header->encoding != PARQUET_PLAIN && header->encoding != PARQUET_PLAIN_DICTIONARY))
		return damaged(pages, input, "a dictionary says impossible things of itself", fault);
	size_t count = (size_t)header->values, size = numbers ? sizeof *pages->dictionary_numbers : sizeof *pages->dictionary_strings;
	struct parquet_buffer entries = {(uint8_t *)(numbers ? (void *)pages->dictionary_numbers : (void *)pages->dictionary_strings), pages->dictionary_room};
	int error = make_room(&entries, count * size, input, budget, fault);
	pages->dictionary_room = entries.room;
	pages->dictionary_numbers = numbers ? (uint64_t *)entries.data : NULL;
	pages->dictionary_strings = numbers ? NULL : (struct weir_bytes *)entries.data;
	if (error)
		return error;
	for (size_t i = 0; i < count; i++) {
		if (!numbers) {
			pages->dictionary_strings[i] = plain_string(&cursor);
			continue;
		}
		pages->dictionary_numbers[i] = plain_number(pages, &cursor);
		fit &= number_fits(pages, &pages->dictionary_numbers[i]);
	}
	if (cursor.failed)
		return damaged(pages, input, "a dictionary ends early", fault);
	if (!fit)
		return damaged(pages, input, "has a number that is out of range", fault);
	pages->dictionary_count = (uint32_t)count;
	pages->has_dictionary = true;
	pages->serial++;
	return 0;
}

/* Finds levels and values in a data page. body: its bytes after the levels of a version 2 page. */
static int enter_values(struct parquet_pages *pages, const struct parquet_page_header *header, struct weir_bytes body, const struct parquet_input *input,
                        struct weir_fault *fault)
{
	struct weir_cursor cursor = weir_cursor_over(body.data, body.length);

	pages->has_levels = pages->leaf.optional;
	if (pages->leaf.optional && header->type == PARQUET_DATA_PAGE) {
		struct weir_bytes levels = plain_string(&cursor); /* a length of four bytes, too */
		if (cursor.failed)
			return damaged(pages, input, "a page ends within its levels", fault);
		pages->levels = rle_over(levels, 1);
	}
	pages->in_dictionary = header->encoding == PARQUET_RLE_DICTIONARY || header->encoding == PARQUET_PLAIN_DICTIONARY;
	pages->in_deltas = header->encoding == PARQUET_DELTA_BINARY_PACKED && value_is_number(pages->column) &&
	                   (pages->leaf.type == PARQUET_INT32 || pages->leaf.type == PARQUET_INT64);
	if (pages->in_dictionary) {
		/* A page without values may be without a width, too. */
		unsigned width = weir_cursor_left(&cursor) ? weir_take8(&cursor) : 0;
		if (!pages->has_dictionary || width > 32)
			return damaged(pages, input, "a page refers to a dictionary that is not there", fault);
		pages->ids = rle_over((struct weir_bytes){cursor.at, weir_cursor_left(&cursor)}, width);
	} else if (pages->in_deltas) {
		if (!delta_over(&pages->deltas, (struct weir_bytes){cursor.at, weir_cursor_left(&cursor)}, pages->leaf.type == PARQUET_INT64))
			return damaged(pages, input, "a page says impossible things of its numbers", fault);
	} else if (header->encoding != PARQUET_PLAIN) {
		return weir_fail_at(fault, WEIR_E_UNSUPPORTED, input->name, (int64_t)pages->at, WEIR_NOWHERE,
		                    "column %s: is in encoding %lld: weir reads plain values, dictionaries and packed differences", pages->column->name,
		                    (long long)header->encoding);
	}
	pages->plain = cursor;
	pages->rows_left = (uint32_t)header->values;
	return 0;
}

static int enter_data(struct parquet_pages *pages, const struct parquet_page_header *header, const struct parquet_input *input, ZSTD_DCtx *zstd,
                      struct parquet_budget *budget, struct weir_fault *fault)
{
	size_t raw = (size_t)header->raw, packed = (size_t)header->packed, levels = 0;
	int error;

	if (header->values < 0 || header->values > INT32_MAX)
		return damaged(pages, input, "a page says impossible things of itself", fault);
	if (header->type == PARQUET_DATA_PAGE_V2) {
		if (header->level_bytes < 0 || header->repetition_bytes != 0 || header->level_bytes > header->raw || header->level_bytes > header->packed)
			return damaged(pages, input, "a page says impossible things of its levels", fault);
		levels = (size_t)header->level_bytes;
	}
	/* The levels of version 2 stand uncompressed before the rest, and are kept in front of it. */
	error = decompress(pages, pages->raw.data + levels, packed - levels, raw - levels, header->compressed, &pages->page, input, zstd, budget, fault);
	if (error)
		return error;
	if (levels)
		pages->levels = rle_over((struct weir_bytes){pages->raw.data, levels}, 1);
	else if (header->type == PARQUET_DATA_PAGE_V2)
		pages->levels = rle_over((struct weir_bytes){NULL, 0}, 1);
	return enter_values(pages, header, (struct weir_bytes){pages->page.data, raw - levels}, input, fault);
}

int parquet_pages_ready(struct parquet_pages *pages, const struct parquet_input *input, ZSTD_DCtx *zstd, struct parquet_budget *budget,
                        struct weir_fault *fault)
{
	struct parquet_page_header header;
	int error = 0;

	while (pages->rows_left == 0 && !error) {
		if (pages->at >= pages->end)
			return damaged(pages, input, "has fewer values than its row group has rows", fault);
		error = read_header(pages, input, budget, &header, fault);
		if (!error)
			error = read_body(pages, input, budget, &header, fault);
		if (error)
			return error;
		if (header.type == PARQUET_DATA_PAGE || header.type == PARQUET_DATA_PAGE_V2) {
			error = enter_data(pages, &header, input, zstd, budget, fault);
		} else if (header.type == PARQUET_DICTIONARY_PAGE) {
			error = decompress(pages, pages->raw.data, (size_t)header.packed, (size_t)header.raw, true, &pages->dictionary_page, input, zstd,
			                   budget, fault);
			if (!error)
				error = enter_dictionary(pages, &header, input, budget, fault);
		}
	}
	return error;
}

/* ---- values ---- */

/* The rows that have a value into present. How many, or -1: levels end early. */
static int64_t take_levels(struct parquet_pages *pages, uint32_t rows)
{
	uint32_t there = 0;

	if (!pages->has_levels)
		return rows;
	if (!rle_take(&pages->levels, pages->scratch, rows))
		return -1;
	for (uint32_t i = 0; i < rows; i++) {
		pages->present[i] = (uint8_t)pages->scratch[i];
		there += pages->scratch[i];
	}
	return there;
}

/* Moves values to the rows that they belong to, from the last on, so that nothing is overwritten before it was moved. */
#define SPREAD(values)                                                                                                                               \
	for (uint32_t row = rows, next = count; row-- > 0;)                                                                                              \
		(values)[row] = pages->present[row] ? (values)[--next] : (values)[0]

static int take_ids(struct parquet_pages *pages, uint32_t rows, uint32_t count, const struct parquet_input *input, struct weir_fault *fault)
{
	uint32_t most = 0;

	if (!rle_take(&pages->ids, pages->taken_ids, count))
		return damaged(pages, input, "a page has fewer values than it says", fault);
	for (uint32_t i = 0; i < count; i++)
		most = pages->taken_ids[i] > most ? pages->taken_ids[i] : most;
	if (count && most >= pages->dictionary_count)
		return damaged(pages, input, "refers to an entry that its dictionary has not", fault);
	if (value_is_number(pages->column)) {
		for (uint32_t i = 0; i < count; i++)
			pages->numbers[i] = pages->dictionary_numbers[pages->taken_ids[i]];
		if (count < rows)
			SPREAD(pages->numbers);
	} else {
		if (count < rows)
			SPREAD(pages->taken_ids);
		pages->vector.dictionary = pages->dictionary_strings;
		pages->vector.dictionary_count = pages->dictionary_count;
		pages->vector.ids = pages->taken_ids;
		pages->vector.serial = pages->serial;
	}
	return 0;
}

static int take_plain(struct parquet_pages *pages, uint32_t rows, uint32_t count, const struct parquet_input *input, struct weir_fault *fault)
{
	bool fit = true;

	if (!value_is_number(pages->column)) {
		for (uint32_t i = 0; i < count; i++)
			pages->strings[i] = plain_string(&pages->plain);
		if (count < rows)
			SPREAD(pages->strings);
	} else {
		const uint8_t *data = pages->leaf.type == PARQUET_INT64 ? weir_take(&pages->plain, 8 * (size_t)count) : NULL;
		for (uint32_t i = 0; i < count; i++) {
			pages->numbers[i] = data ? weir_load_le64(data + 8 * (size_t)i) : plain_number(pages, &pages->plain);
			fit &= number_fits(pages, &pages->numbers[i]);
		}
		if (count < rows)
			SPREAD(pages->numbers);
	}
	if (pages->plain.failed)
		return damaged(pages, input, "a page has fewer values than it says", fault);
	return fit ? 0 : damaged(pages, input, "has a number that is out of range", fault);
}

static int take_deltas(struct parquet_pages *pages, uint32_t rows, uint32_t count, const struct parquet_input *input, struct weir_fault *fault)
{
	bool is_signed = pages->leaf.type == PARQUET_INT32 && pages->leaf.is_signed, fit = true;

	if (!delta_take(&pages->deltas, pages->numbers, count))
		return damaged(pages, input, "a page has fewer values than it says", fault);
	for (uint32_t i = 0; i < count; i++) {
		if (is_signed)
			pages->numbers[i] = (uint64_t)(int64_t)(int32_t)(uint32_t)pages->numbers[i];
		fit &= number_fits(pages, &pages->numbers[i]);
	}
	if (count < rows)
		SPREAD(pages->numbers);
	return fit ? 0 : damaged(pages, input, "has a number that is out of range", fault);
}

int parquet_pages_take(struct parquet_pages *pages, uint32_t rows, const struct parquet_input *input, struct weir_fault *fault)
{
	int64_t there = take_levels(pages, rows);

	if (there < 0)
		return damaged(pages, input, "a page has fewer levels than it says", fault);
	uint32_t count = (uint32_t)there;
	pages->vector = (struct flow_vector){
		.present = count < rows ? pages->present : NULL, .numbers = pages->numbers, .strings = pages->strings,
	};
	pages->rows_left -= rows;
	if (pages->in_deltas)
		return take_deltas(pages, rows, count, input, fault);
	return pages->in_dictionary ? take_ids(pages, rows, count, input, fault) : take_plain(pages, rows, count, input, fault);
}
