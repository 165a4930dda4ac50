/* Flow records from Parquet files: flow/parquet_read.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flow/parquet_pages.h"
#include "flow/parquet_read.h"

#define MEMORY_MOST (UINT64_C(512) << 20)

struct parquet_reader {
	struct parquet_input input;
	char *name;
	struct parquet_meta meta;
	struct parquet_pages *pages; /* of each column of flows; unused ones without column */
	bool *wanted;
	ZSTD_DCtx *zstd;
	struct parquet_budget budget;
	bool begun, over;
	int64_t from_ns, to_ns;
	uint64_t rows_left; /* of the row group */
	uint64_t pruned;
};

void parquet_reader_close(struct parquet_reader *reader)
{
	if (!reader)
		return;
	for (size_t c = 0; reader->pages && c < reader->meta.column_count; c++)
		parquet_pages_free(&reader->pages[c]);
	parquet_meta_free(&reader->meta);
	sealed_file_close(reader->input.sealed);
	if (reader->input.fd >= 0)
		close(reader->input.fd);
	ZSTD_freeDCtx(reader->zstd);
	free(reader->pages);
	free(reader->wanted);
	free(reader->name);
	free(reader);
}

static struct parquet_reader *reader_new(const char *name, struct weir_fault *fault)
{
	struct parquet_reader *reader = calloc(1, sizeof *reader);

	if (reader) {
		reader->input.fd = -1;
		reader->name = strdup(name);
		reader->input.name = reader->name;
		reader->zstd = ZSTD_createDCtx();
		reader->budget.most = MEMORY_MOST;
		reader->from_ns = INT64_MIN;
		reader->to_ns = INT64_MAX;
		if (reader->name && reader->zstd)
			return reader;
	}
	parquet_reader_close(reader);
	weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", name);
	return NULL;
}

/* Reads the footer; closes the reader when that can't be. */
static int begin(struct parquet_reader *opened, struct parquet_reader **reader, struct weir_fault *fault)
{
	int error = parquet_meta_open(&opened->input, &opened->meta, fault);

	if (!error) {
		opened->pages = calloc(opened->meta.column_count, sizeof *opened->pages);
		opened->wanted = malloc(opened->meta.column_count * sizeof *opened->wanted);
		if (!opened->pages || !opened->wanted)
			error = weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", opened->name);
	}
	if (error) {
		parquet_reader_close(opened);
		return error;
	}
	for (size_t c = 0; c < opened->meta.column_count; c++)
		opened->wanted[c] = true;
	*reader = opened;
	return 0;
}

int parquet_reader_open(const char *path, const struct weir_identities *identities, struct parquet_reader **reader, struct weir_fault *fault)
{
	struct parquet_reader *opened = reader_new(path, fault);
	struct stat status;

	if (!opened)
		return WEIR_E_MEMORY;
	opened->input.fd = open(path, O_RDONLY | O_CLOEXEC);
	int error = opened->input.fd < 0 || fstat(opened->input.fd, &status) < 0 ? weir_fail_errno(fault, errno, path, "could not be opened") : 0;
	if (!error && !S_ISREG(status.st_mode))
		error = weir_fail_at(fault, WEIR_E_UNSUPPORTED, path, WEIR_NOWHERE, WEIR_NOWHERE, "is no regular file: Parquet is read from its end");
	int sealed = error ? 0 : sealed_file_is(path, fault);
	if (sealed < 0)
		error = sealed;
	else if (sealed)
		error = sealed_file_open(opened->input.fd, identities, false, opened->name, &opened->input.sealed, fault);
	if (error) {
		parquet_reader_close(opened);
		return error;
	}
	opened->input.size = sealed ? sealed_file_size(opened->input.sealed) : (uint64_t)status.st_size;
	return begin(opened, reader, fault);
}

int parquet_reader_open_memory(const void *data, size_t size, const char *name, struct parquet_reader **reader, struct weir_fault *fault)
{
	struct parquet_reader *opened = reader_new(name, fault);

	if (!opened)
		return WEIR_E_MEMORY;
	opened->input.memory = data;
	opened->input.size = size;
	return begin(opened, reader, fault);
}

void parquet_reader_want(struct parquet_reader *reader, const bool *wanted)
{
	memcpy(reader->wanted, wanted, reader->meta.column_count * sizeof *wanted);
}

void parquet_reader_window(struct parquet_reader *reader, int64_t from_ns, int64_t to_ns)
{
	reader->from_ns = from_ns;
	reader->to_ns = to_ns;
}

uint64_t parquet_reader_rows(const struct parquet_reader *reader) { return reader->meta.rows; }
uint64_t parquet_reader_pruned(const struct parquet_reader *reader) { return reader->pruned; }

/* ---- row groups ---- */

/* The bounds of a column of times in ns. false: not known. No values at all: least > most. */
static bool time_bounds(const struct parquet_reader *reader, const char *name, int64_t *least, int64_t *most)
{
	size_t count;
	size_t c = (size_t)(weir_flow_column_named(name) - weir_flow_columns(&count));
	const struct parquet_place *place = &reader->meta.places[c];
	int64_t unit = reader->meta.leaves[c].unit_ns;

	*least = INT64_MAX;
	*most = INT64_MIN;
	if (!reader->meta.leaves[c].there)
		return true;
	if (!place->bounds || place->least.length != 8 || place->most.length != 8)
		return false;
	return !__builtin_mul_overflow((int64_t)weir_load_le64(place->least.data), unit, least) &&
	       !__builtin_mul_overflow((int64_t)weir_load_le64(place->most.data), unit, most);
}

/* Whether the bounds of the row group at hand rule out that any of its flows touches the window. */
static bool outside(const struct parquet_reader *reader)
{
	int64_t start, last, reverse_start, reverse_last, unused;

	if (reader->from_ns == INT64_MIN && reader->to_ns == INT64_MAX)
		return false;
	/* A direction without packets has no times: where all rows of a column are null, there are no bounds, and nothing is known. */
	bool later = time_bounds(reader, "flow_start", &start, &unused) && time_bounds(reader, "reverse_flow_start", &reverse_start, &unused) &&
	             start > reader->to_ns && reverse_start > reader->to_ns;
	bool earlier = time_bounds(reader, "flow_end", &unused, &last) && time_bounds(reader, "reverse_flow_end", &unused, &reverse_last) &&
	               last < reader->from_ns && reverse_last < reader->from_ns;
	return later || earlier;
}

static int begin_columns(struct parquet_reader *reader, struct weir_fault *fault)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);
	int error = 0;

	for (size_t c = 0; c < count && !error; c++)
		if (reader->wanted[c] && reader->meta.leaves[c].there)
			error = parquet_pages_new(&reader->pages[c], &columns[c], &reader->meta.leaves[c], fault);
	reader->begun = true;
	return error;
}

static int next_group(struct parquet_reader *reader, struct weir_fault *fault)
{
	while (reader->rows_left == 0) {
		int more = parquet_meta_next(&reader->input, &reader->meta, fault);
		if (more <= 0)
			return more;
		if (outside(reader)) {
			reader->pruned += reader->meta.group_rows;
			continue;
		}
		reader->rows_left = reader->meta.group_rows;
	}
	for (size_t c = 0; c < reader->meta.column_count; c++)
		if (reader->pages[c].column)
			parquet_pages_begin(&reader->pages[c], &reader->meta.places[c]);
	return 1;
}

static int read_rows(struct parquet_reader *reader, uint32_t room, struct weir_fault *fault)
{
	uint32_t rows = room < VECTOR_ROWS ? room : VECTOR_ROWS;
	int error = 0;

	rows = reader->rows_left < rows ? (uint32_t)reader->rows_left : rows;
	for (size_t c = 0; c < reader->meta.column_count && !error; c++) {
		struct parquet_pages *pages = &reader->pages[c];
		if (!pages->column)
			continue;
		error = parquet_pages_ready(pages, &reader->input, reader->zstd, &reader->budget, fault);
		rows = pages->rows_left < rows ? pages->rows_left : rows;
	}
	for (size_t c = 0; c < reader->meta.column_count && !error; c++)
		if (reader->pages[c].column)
			error = parquet_pages_take(&reader->pages[c], rows, &reader->input, fault);
	reader->rows_left -= rows;
	return error ? error : (int)rows;
}

int parquet_reader_next(struct parquet_reader *reader, uint32_t room, struct weir_fault *fault)
{
	int more = reader->begun ? 1 : begin_columns(reader, fault);

	if (more < 0 || reader->over || room == 0)
		return more < 0 ? more : 0;
	more = reader->rows_left ? 1 : next_group(reader, fault);
	if (more > 0)
		more = read_rows(reader, room, fault);
	reader->over = more <= 0;
	return more;
}

const struct flow_vector *parquet_reader_vector(const struct parquet_reader *reader, size_t column)
{
	return reader->pages[column].column ? &reader->pages[column].vector : NULL;
}

/* ---- records ---- */

struct parquet_source {
	struct weir_flow_source source;
	struct parquet_reader *reader;
};

static int set_bytes(const struct parquet_reader *reader, const struct weir_flow_column *column, struct weir_flow *flow, struct weir_bytes bytes,
                     struct weir_fault *fault)
{
	void *member = (uint8_t *)flow + column->offset;
	bool fits = true;

	switch (column->type) {
	case WEIR_COLUMN_IP: fits = value_parse_ip(bytes, member); break;
	case WEIR_COLUMN_MAC: fits = value_parse_mac(bytes, member); break;
	case WEIR_COLUMN_STRING: *(struct weir_bytes *)member = bytes; break;
	default:
		fits = bytes.length < column->size;
		if (fits) {
			memcpy(member, bytes.data, bytes.length);
			((char *)member)[bytes.length] = '\0';
		}
	}
	if (fits)
		return 0;
	return weir_fail_at(fault, WEIR_E_FORMAT, reader->name, WEIR_NOWHERE, WEIR_NOWHERE, "column %s has a value that is none: '%.*s'", column->name,
	                    bytes.length < 40 ? (int)bytes.length : 40, (const char *)bytes.data);
}

static int set_column(const struct parquet_reader *reader, const struct weir_flow_column *column, const struct flow_vector *vector,
                      struct weir_flow *flows, uint32_t rows, struct weir_fault *fault)
{
	int error = 0;

	for (uint32_t i = 0; i < rows && !error; i++) {
		bool present = !vector->present || vector->present[i];
		if (column->present && present)
			*(bool *)((uint8_t *)&flows[i] + column->present) = true;
		if (!present)
			continue;
		if (value_is_number(column))
			value_set_number(column, &flows[i], vector->numbers[i]);
		else
			error = set_bytes(reader, column, &flows[i], vector->dictionary ? vector->dictionary[vector->ids[i]] : vector->strings[i], fault);
	}
	return error;
}

static int source_fill(struct weir_flow_source *source, struct weir_flow *flows, size_t room, struct weir_fault *fault)
{
	struct parquet_reader *reader = ((struct parquet_source *)source)->reader;
	int rows = parquet_reader_next(reader, room < UINT32_MAX ? (uint32_t)room : UINT32_MAX, fault), error = 0;
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	if (rows <= 0)
		return rows;
	for (int i = 0; i < rows; i++)
		weir_flow_clear(&flows[i]);
	for (size_t c = 0; c < count && !error; c++) {
		const struct flow_vector *vector = parquet_reader_vector(reader, c);
		if (vector)
			error = set_column(reader, &columns[c], vector, flows, (uint32_t)rows, fault);
	}
	return error ? error : rows;
}

static void source_close(struct weir_flow_source *source)
{
	parquet_reader_close(((struct parquet_source *)source)->reader);
	free(source);
}

static const struct weir_flow_source_ops source_ops = {"parquet", source_fill, source_close};

struct weir_flow_source *parquet_source_new(struct parquet_reader *reader)
{
	struct parquet_source *source = malloc(sizeof *source);

	if (source)
		*source = (struct parquet_source){{&source_ops}, reader};
	return source ? &source->source : NULL;
}

int weir_flow_parquet_read(const char *path, const struct weir_identities *identities, struct weir_flow_source **source, struct weir_fault *fault)
{
	struct parquet_reader *reader;
	int error = parquet_reader_open(path, identities, &reader, fault);

	if (error)
		return error;
	*source = parquet_source_new(reader);
	if (*source)
		return 0;
	parquet_reader_close(reader);
	return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", path);
}
