/*
 * Searches a Parquet file page by page: every column chunk that its footer names, dictionaries too, whatever its columns are. What stands elsewhere in the file (footer,
 * bounds, key-value metadata) is not compressed and is searched as bytes. Encodings that cut strings into pieces cannot be searched, and are said to be so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "campaign/audit.h"
#include "file/codec.h"
#include "flow/parquet_pages.h"

#define FOOTER_MOST (UINT32_C(64) << 20)
#define PAGE_MOST (UINT32_C(256) << 20)
#define NUMBERS_MOST (UINT32_C(1) << 22) /* in a page of differences, that may be of no bits */
#define HEADER_ROOM 65536u
#define CODEC_GZIP 2

struct pages {
	const struct audit_file *file;
	struct parquet_input input;
	uint64_t limit; /* pages end before it */
	uint8_t *packed, *page, *numbers;
	size_t packed_room, page_room, numbers_room;
	ZSTD_DCtx *zstd;
};

struct chunk {
	uint64_t begin, length;
	int64_t codec, type;
	char column[24];
	bool elsewhere;
};

static int make_room(uint8_t **data, size_t *room, size_t size, struct weir_fault *fault)
{
	if (size + 1 <= *room)
		return 0;
	free(*data);
	*data = malloc(size + 1);
	*room = *data ? size + 1 : 0;
	return *data ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for a page");
}

static bool is_searchable(const struct parquet_page_header *header)
{
	return header->encoding == PARQUET_PLAIN || header->encoding == PARQUET_DELTA_BINARY_PACKED || header->encoding == PARQUET_PLAIN_DICTIONARY ||
	       header->encoding == PARQUET_RLE || header->encoding == PARQUET_RLE_DICTIONARY ||
	       header->type == PARQUET_INDEX_PAGE;
}

/* Gzip pages go through the codec that files go through. */
static bool gunzip(const uint8_t *in, size_t length, uint8_t *out, size_t raw)
{
	struct codec_io io = {.in = in, .in_left = length, .out = out, .out_left = raw};
	void *decoder;
	bool whole;

	if (!codec_gzip.decoder_new || codec_gzip.decoder_new(&decoder, NULL) < 0)
		return false;
	int error = 0;
	for (size_t before = SIZE_MAX; !error && io.out_left && io.in_left + io.out_left != before;) {
		before = io.in_left + io.out_left;
		error = codec_gzip.decode(decoder, &io, &whole, NULL);
	}
	codec_gzip.decoder_free(decoder);
	return !error && io.out_left == 0;
}

static int fail(const struct pages *p, uint64_t at, enum weir_error code, struct weir_fault *fault, const char *what)
{
	return weir_fail_at(fault, code, p->file->name, (int64_t)at, WEIR_NOWHERE, "%s", what);
}

/* Words of a table that weir (or nDPI) has: payload has the same ones. */
static bool has_own_words(const struct chunk *chunk)
{
	return strncmp(chunk->column, "application", 11) == 0 || strcmp(chunk->column, "evidence") == 0;
}

/*
 * The strings of a page, each by itself, so that what stands before and behind is no part of it; at: behind levels, if there are any. False: what is there is not
 * strings to the end of the page.
 */
static bool search_strings(const struct pages *p, struct audit_place *place, const uint8_t *page, size_t length,
                           size_t at)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		struct weir_cursor cursor = weir_cursor_over(page + at, length - at);
		while (weir_cursor_left(&cursor)) {
			uint32_t size = weir_take_le32(&cursor);
			const uint8_t *string = weir_take(&cursor, size);
			if (!string)
				return false;
			place->base = (uint64_t)(string - page);
			if (pass == 1)
				audit_search_all(p->file->hits, place, string, size);
		}
	}
	place->base = 0;
	return true;
}

static void search_content(const struct pages *p, const struct chunk *chunk, const struct parquet_page_header *header,
                           const uint8_t *page, size_t length)
{
	char what[64];
	bool dictionary = header->type == PARQUET_DICTIONARY_PAGE;
	bool ids =
		!dictionary && (header->encoding == PARQUET_RLE_DICTIONARY || header->encoding == PARQUET_PLAIN_DICTIONARY);

	snprintf(what, sizeof what, "%s of column %s", dictionary ? "dictionary" : "page", chunk->column);
	struct audit_place place = {.file = p->file->name,
	                            .what = what,
	                            .images = true,
	                            /*
	                             * Indexes into a dictionary are no values, and no random bytes either: they count up, so that what chance gives of
	                             * four bytes is not what it gives elsewhere.
	                             */
	                            .ipv4_bytes = !ids,
	                            .numbers = true,
	                            .short_values = !ids,
	                            .runs = !has_own_words(chunk)};
	bool strings = chunk->type == PARQUET_BYTE_ARRAY && !ids && search_strings(p, &place, page, length, 0);
	if (chunk->type == PARQUET_BYTE_ARRAY && !ids && !strings && header->type == PARQUET_DATA_PAGE && length >= 4 &&
	    weir_load_le32(page) <= length - 4)
		strings = search_strings(p, &place, page, length, 4 + (size_t)weir_load_le32(page));
	/* What refers to a dictionary is indexes, often in order. */
	place.base = 0;
	place.runs &= !strings && !ids;
	audit_search_all(p->file->hits, &place, page, length);
}

/* Numbers that are packed as differences, from `at` on, as they would stand in a plain page into p->numbers. 1 + their bytes; 0: they are none, or not to the end; or an error. */
static int64_t unpack(struct pages *p, const struct chunk *chunk, const struct parquet_page_header *header, struct weir_bytes page, size_t at,
                      struct weir_fault *fault)
{
	bool wide = chunk->type == PARQUET_INT64;
	size_t size = wide ? 8 : 4, count;
	struct delta_reader deltas;

	if (at == page.length)
		return 1; /* no row has a value */
	if (at > page.length || !delta_over(&deltas, (struct weir_bytes){page.data + at, page.length - at}, wide) || header->values < 0 ||
	    deltas.left > (uint64_t)header->values || deltas.left > NUMBERS_MOST)
		return 0;
	count = (size_t)deltas.left;
	int error = make_room(&p->numbers, &p->numbers_room, count * size, fault);
	if (error)
		return error;
	for (size_t i = 0; i < count; i++) {
		uint64_t number;
		if (!delta_take(&deltas, &number, 1))
			return 0;
		if (wide)
			weir_store_le64(p->numbers + i * size, number);
		else
			weir_store_le32(p->numbers + i * size, (uint32_t)number);
	}
	return weir_cursor_left(&deltas.cursor) ? 0 : 1 + (int64_t)(count * size);
}

/* The numbers of a page of differences. Whether levels stand before them only the schema says: both are tried, and what can be followed to its end is searched. */
static int search_differences(struct pages *p, const struct chunk *chunk, const struct parquet_page_header *header, struct weir_bytes page, uint64_t at,
                              struct weir_fault *fault)
{
	bool found = false;

	/* Without levels, behind those of version 1, behind those of version 2 that stand there. */
	size_t begins[3] = {0, page.length >= 4 ? 4 + (size_t)weir_load_le32(page.data) : SIZE_MAX,
	                    (size_t)(header->level_bytes + header->repetition_bytes)};
	for (unsigned i = 0; i < 3; i++) {
		if (i == 2 && begins[i] == 0)
			continue;
		int64_t length = unpack(p, chunk, header, page, begins[i], fault);
		if (length < 0)
			return (int)length;
		found |= length > 0;
		if (length > 1)
			search_content(p, chunk, header, p->numbers, (size_t)length - 1);
	}
	return found ? 0 : fail(p, at, WEIR_E_CORRUPT, fault, "a page of differences can't be followed");
}

static int search_page(struct pages *p, const struct chunk *chunk, const struct parquet_page_header *header, uint64_t at,
                       struct weir_fault *fault)
{
	size_t raw = (size_t)header->raw, packed = (size_t)header->packed, levels = (size_t)(header->level_bytes + header->repetition_bytes);
	bool compressed = header->compressed && chunk->codec != PARQUET_UNCOMPRESSED;
	const uint8_t *page = p->packed;

	if (!compressed) {
		raw = packed;
		levels = 0;
	} else {
		int error = make_room(&p->page, &p->page_room, raw, fault);
		if (error)
			return error;
		bool sound = levels <= raw && levels <= packed;
		if (sound && chunk->codec == PARQUET_ZSTD)
			sound = ZSTD_decompressDCtx(p->zstd, p->page, raw - levels, p->packed + levels, packed - levels) ==
			        raw - levels;
		else if (sound && chunk->codec == CODEC_GZIP)
			sound = gunzip(p->packed + levels, packed - levels, p->page, raw - levels);
		else if (sound)
			return fail(p, at, WEIR_E_UNSUPPORTED, fault,
			            "is compressed in a way that can't be searched: zstd, gzip and none can");
		if (!sound)
			return fail(p, at, WEIR_E_CORRUPT, fault, "a page can't be decompressed");
		page = p->page;
		raw -= levels;
	}
	if (header->encoding == PARQUET_DELTA_BINARY_PACKED && header->type != PARQUET_DICTIONARY_PAGE) {
		int error = search_differences(p, chunk, header, (struct weir_bytes){page, raw}, at, fault);
		if (error)
			return error;
	} else {
		search_content(p, chunk, header, page, raw);
	}
	p->file->result->searched_bytes += raw;
	return 0;
}

static int search_chunk(struct pages *p, const struct chunk *chunk, struct weir_fault *fault)
{
	uint64_t at = chunk->begin, end = chunk->begin + chunk->length;
	uint8_t head[HEADER_ROOM];
	struct parquet_page_header header;

	if (chunk->elsewhere)
		return fail(p, 0, WEIR_E_UNSUPPORTED, fault, "has columns in other files");
	if (chunk->begin > p->limit || chunk->length > p->limit - chunk->begin)
		return fail(p, chunk->begin, WEIR_E_FORMAT, fault, "a column is where the file is not");
	while (at < end) {
		size_t length = end - at < sizeof head ? (size_t)(end - at) : sizeof head;
		int error = parquet_input_read(&p->input, at, head, length, fault);
		if (error)
			return error;
		if (!parquet_page_header_parse(head, length, &header) || header.raw < 0 || header.packed < 0 || header.raw > PAGE_MOST ||
		    header.packed > PAGE_MOST || header.level_bytes < 0 || header.level_bytes > PAGE_MOST ||
		    header.repetition_bytes < 0 || header.repetition_bytes > PAGE_MOST || (uint64_t)header.packed > end - at - header.length)
			return fail(p, at, WEIR_E_FORMAT, fault, "the header of a page says impossible things");
		if (!is_searchable(&header))
			return fail(p, at, WEIR_E_UNSUPPORTED, fault,
			            "has an encoding that can't be searched: plain values, dictionaries and packed differences can");
		at += header.length;
		error = make_room(&p->packed, &p->packed_room, (size_t)header.packed, fault);
		if (!error)
			error = parquet_input_read(&p->input, at, p->packed, (size_t)header.packed, fault);
		if (!error)
			error = search_page(p, chunk, &header, at, fault);
		if (!error && p->file->options->stop && *p->file->options->stop)
			error = weir_fail(fault, WEIR_E_INTERRUPTED, "interrupted");
		if (error)
			return error;
		at += (uint64_t)header.packed;
	}
	return 0;
}

/* ---- the footer ---- */

static void read_path(struct thrift_reader *reader, enum thrift_type type, struct chunk *chunk)
{
	enum thrift_type item;
	size_t count = thrift_list(reader, type, &item);

	for (size_t i = 0; i < count && !reader->cursor.failed; i++) {
		struct weir_bytes name = thrift_binary(reader, item);
		snprintf(chunk->column, sizeof chunk->column, "%.*s", (int)(name.length < 23 ? name.length : 23),
		         name.data ? (const char *)name.data : "");
	}
}

static void read_column(struct thrift_reader *reader, enum thrift_type type, struct chunk *chunk)
{
	int64_t data = 0, dictionary = 0, length = 0;
	int16_t field;

	if (!thrift_enter(reader, type))
		return;
	while (thrift_next(reader, &field, &type)) {
		switch (field) {
		case 1:
			chunk->type = thrift_integer(reader, type);
			break;
		case 3:
			read_path(reader, type, chunk);
			break;
		case 4:
			chunk->codec = thrift_integer(reader, type);
			break;
		case 7:
			length = thrift_integer(reader, type);
			break;
		case 9:
			data = thrift_integer(reader, type);
			break;
		case 11:
			dictionary = thrift_integer(reader, type);
			break;
		default:
			thrift_skip(reader, type);
		}
	}
	int64_t begin = dictionary > 0 && dictionary < data ? dictionary : data;
	chunk->begin = begin > 0 ? (uint64_t)begin : UINT64_MAX;
	chunk->length = length > 0 ? (uint64_t)length : 0;
}

static int read_group(struct pages *p, struct thrift_reader *reader, enum thrift_type type, struct weir_fault *fault)
{
	enum thrift_type item;
	int16_t field;
	int error = 0;

	if (!thrift_enter(reader, type))
		return 0;
	while (thrift_next(reader, &field, &type)) {
		if (field != 1) {
			thrift_skip(reader, type);
			continue;
		}
		size_t count = thrift_list(reader, type, &item);
		for (size_t i = 0; i < count && !reader->cursor.failed; i++) {
			struct chunk chunk = {.begin = UINT64_MAX};
			enum thrift_type inner;
			if (!thrift_enter(reader, item))
				continue;
			while (thrift_next(reader, &field, &inner)) {
				chunk.elsewhere |= field == 1;
				if (field == 3)
					read_column(reader, inner, &chunk);
				else
					thrift_skip(reader, inner);
			}
			/* The first fault is told; what can be searched is. */
			if (!reader->cursor.failed) {
				int this_error = search_chunk(p, &chunk, error ? NULL : fault);
				error = error ? error : this_error;
			}
		}
	}
	return error;
}

static int read_footer(struct pages *p, uint8_t *footer, size_t length, struct weir_fault *fault)
{
	struct thrift_reader reader = thrift_over(footer, length);
	enum thrift_type type, item;
	int16_t field;
	int error = 0;

	while (error == 0 && thrift_next(&reader, &field, &type)) {
		if (field != 4) {
			thrift_skip(&reader, type);
			continue;
		}
		size_t count = thrift_list(&reader, type, &item);
		for (size_t i = 0; i < count && !error && !reader.cursor.failed; i++)
			error = read_group(p, &reader, item, fault);
	}
	if (!error && reader.cursor.failed)
		error = fail(p, p->limit, WEIR_E_FORMAT, fault, "its footer is damaged");
	return error;
}

static int search(struct pages *p, struct weir_fault *fault)
{
	uint8_t tail[PARQUET_TAIL], *footer = NULL;
	int error =
		p->input.size < 4 + PARQUET_TAIL ? fail(p, 0, WEIR_E_TRUNCATED, fault, "is too short for a Parquet file") : 0;

	if (!error)
		error = parquet_input_read(&p->input, p->input.size - PARQUET_TAIL, tail, PARQUET_TAIL, fault);
	if (!error && memcmp(tail + 4, PARQUET_MAGIC, 4) != 0)
		error =
			fail(p, p->input.size - 4, WEIR_E_FORMAT, fault, "is a Parquet file without its end, or an encrypted one");
	if (error)
		return error;
	size_t length = weir_load_le32(tail);
	if (length > p->input.size - 4 - PARQUET_TAIL || length > FOOTER_MOST)
		return fail(p, p->input.size - PARQUET_TAIL, WEIR_E_FORMAT, fault, "its footer is longer than can be");
	p->limit = p->input.size - PARQUET_TAIL - length;
	footer = malloc(length + 1);
	p->zstd = ZSTD_createDCtx();
	if (!footer || !p->zstd)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to search %s", p->file->name);
	if (!error)
		error = parquet_input_read(&p->input, p->limit, footer, length, fault);
	struct audit_place place = {
		.file = p->file->name, .what = "footer", .base = p->limit, .images = true, .runs = true, .short_values = true};
	if (!error)
		audit_search_all(p->file->hits, &place, footer, length);
	if (!error)
		error = read_footer(p, footer, length, fault);
	free(footer);
	free(p->packed);
	free(p->page);
	free(p->numbers);
	ZSTD_freeDCtx(p->zstd);
	return error;
}

int audit_parquet_memory(const struct audit_file *file, const void *data, size_t size, struct weir_fault *fault)
{
	struct pages p = {.file = file, .input = {.fd = -1, .memory = data, .size = size, .name = file->name}};

	return search(&p, fault);
}

int audit_parquet(const struct audit_file *file, struct weir_fault *fault)
{
	struct pages p = {.file = file, .input = {.fd = open(file->path, O_RDONLY | O_CLOEXEC), .name = file->name}};
	struct stat status;

	if (p.input.fd < 0 || fstat(p.input.fd, &status) < 0)
		return weir_fail_errno(fault, errno, file->path, "can't be opened");
	p.input.size = (uint64_t)status.st_size;
	int error = search(&p, fault);
	close(p.input.fd);
	return error;
}
