/* The metadata of Parquet files: flow/parquet_meta.h. Nothing in it is believed before it was looked at. */
#include <stdlib.h>

#include "flow/parquet_meta.h"
#include "os/files.h"

#define FOOTER_MOST (UINT64_C(256) << 20)
#define SCHEMA_MOST 65536u
#define NESTING_MOST 64u

int parquet_input_read(const struct parquet_input *input, uint64_t offset, void *data, size_t length, struct weir_fault *fault)
{
	if (offset > input->size || length > input->size - offset)
		return weir_fail_at(fault, WEIR_E_TRUNCATED, input->name, (int64_t)input->size, WEIR_NOWHERE, "ends within what it says it has");
	if (input->fd < 0) {
		if (length)
			memcpy(data, input->memory + offset, length);
		return 0;
	}
	int64_t n;
	if (input->sealed) {
		n = sealed_file_read(input->sealed, data, length, offset, fault);
		if (n < 0)
			return (int)n;
	} else {
		n = os_read_at(input->fd, data, length, offset);
	}
	if (n < 0)
		return weir_fail_errno(fault, (int)-n, input->name, "could not be read");
	if ((uint64_t)n != length)
		return weir_fail_at(fault, WEIR_E_TRUNCATED, input->name, (int64_t)offset + n, WEIR_NOWHERE, "became shorter while it was read");
	return 0;
}

/* ---- the schema ---- */

struct element {
	struct weir_bytes name;
	int64_t type, repetition, converted, children;
	bool has_type, is_signed, integer;
	uint32_t unit_ns;
};

static void read_timestamp(struct thrift_reader *reader, enum thrift_type type, struct element *element)
{
	int16_t field;

	if (!thrift_enter(reader, type))
		return;
	while (thrift_next(reader, &field, &type)) {
		if (field != 2 || !thrift_enter(reader, type)) {
			if (field != 2)
				thrift_skip(reader, type);
			continue;
		}
		while (thrift_next(reader, &field, &type)) {
			element->unit_ns = field == PARQUET_MILLIS ? 1000000 : field == PARQUET_MICROS ? 1000 : 1;
			thrift_skip(reader, type);
		}
	}
}

static void read_logical(struct thrift_reader *reader, enum thrift_type type, struct element *element)
{
	int16_t field;

	if (!thrift_enter(reader, type))
		return;
	while (thrift_next(reader, &field, &type)) {
		if (field == PARQUET_LOGICAL_TIMESTAMP) {
			read_timestamp(reader, type, element);
		} else if (field == PARQUET_LOGICAL_INTEGER && thrift_enter(reader, type)) {
			element->integer = true;
			while (thrift_next(reader, &field, &type)) {
				if (field == 2)
					element->is_signed = thrift_integer(reader, type);
				else
					thrift_skip(reader, type);
			}
		} else if (field != PARQUET_LOGICAL_INTEGER) {
			thrift_skip(reader, type);
		}
	}
}

static void read_element(struct thrift_reader *reader, enum thrift_type type, struct element *element)
{
	int16_t field;

	*element = (struct element){.converted = -1, .is_signed = true};
	if (!thrift_enter(reader, type))
		return;
	while (thrift_next(reader, &field, &type)) {
		switch (field) {
		case 1:
			element->type = thrift_integer(reader, type);
			element->has_type = true;
			break;
		case 3: element->repetition = thrift_integer(reader, type); break;
		case 4: element->name = thrift_binary(reader, type); break;
		case 5: element->children = thrift_integer(reader, type); break;
		case 6: element->converted = thrift_integer(reader, type); break;
		case 10: read_logical(reader, type, element); break;
		default: thrift_skip(reader, type);
		}
	}
	if (!element->integer && element->converted >= PARQUET_UINT_8 && element->converted <= PARQUET_UINT_64)
		element->is_signed = false;
	if (!element->unit_ns)
		element->unit_ns = element->converted == PARQUET_TIMESTAMP_MILLIS ? 1000000 : element->converted == PARQUET_TIMESTAMP_MICROS ? 1000 : 1;
}

/* Whether values of this type can become those of the column. */
static bool fits(const struct weir_flow_column *column, const struct element *element)
{
	if (!value_is_number(column))
		return element->type == PARQUET_BYTE_ARRAY;
	if (column->type == WEIR_COLUMN_UNSIGNED)
		return element->type == PARQUET_INT32 || element->type == PARQUET_INT64;
	return element->type == PARQUET_INT64;
}

/* A leaf of the schema: is it a column of flows? */
static int enter_leaf(const struct parquet_input *input, struct parquet_meta *meta, const struct element *element, uint32_t number, bool nested,
                      struct weir_fault *fault)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t c = 0; c < count && !nested; c++) {
		if (strlen(columns[c].name) != element->name.length || memcmp(columns[c].name, element->name.data, element->name.length) != 0)
			continue;
		if (meta->leaves[c].there)
			return weir_fail_at(fault, WEIR_E_FORMAT, input->name, WEIR_NOWHERE, WEIR_NOWHERE, "has two columns %s", columns[c].name);
		if (!element->has_type || !fits(&columns[c], element) || element->repetition == PARQUET_REPEATED)
			return weir_fail_at(fault, WEIR_E_UNSUPPORTED, input->name, WEIR_NOWHERE, WEIR_NOWHERE,
			                    "its column %s is of a type that no column of flow records of that name has", columns[c].name);
		meta->leaves[c] = (struct parquet_leaf){
			.number = number, .there = true, .optional = element->repetition == PARQUET_OPTIONAL, .is_signed = element->is_signed,
			.type = (uint8_t)element->type, .unit_ns = columns[c].type == WEIR_COLUMN_TIME ? element->unit_ns : 1,
		};
	}
	return 0;
}

static int read_schema(const struct parquet_input *input, struct thrift_reader *reader, enum thrift_type type, struct parquet_meta *meta,
                       struct weir_fault *fault)
{
	int64_t left[NESTING_MOST];
	unsigned depth = 0;
	uint32_t leaf = 0;
	enum thrift_type item;
	size_t count = thrift_list(reader, type, &item);
	int error = 0;

	if (count > SCHEMA_MOST)
		return weir_fail_at(fault, WEIR_E_LIMIT, input->name, WEIR_NOWHERE, WEIR_NOWHERE, "has more than %u columns", SCHEMA_MOST);
	for (size_t i = 0; i < count && !error; i++) {
		struct element element;
		read_element(reader, item, &element);
		while (depth && left[depth - 1] == 0)
			depth--;
		if (depth)
			left[depth - 1]--;
		if (i > 0 && element.children <= 0) {
			error = enter_leaf(input, meta, &element, leaf++, depth != 1, fault);
			continue;
		}
		if (depth == NESTING_MOST)
			return weir_fail_at(fault, WEIR_E_LIMIT, input->name, WEIR_NOWHERE, WEIR_NOWHERE, "nests columns too deeply");
		left[depth++] = element.children > 0 ? element.children : 0;
	}
	return error;
}

/* ---- row groups ---- */

static void read_statistics(struct thrift_reader *reader, enum thrift_type type, struct parquet_place *place)
{
	bool least = false, most = false;
	int16_t field;

	if (!thrift_enter(reader, type))
		return;
	while (thrift_next(reader, &field, &type)) {
		if (field == 5) {
			place->most = thrift_binary(reader, type);
			most = true;
		} else if (field == 6) {
			place->least = thrift_binary(reader, type);
			least = true;
		} else {
			thrift_skip(reader, type);
		}
	}
	place->bounds = least && most;
}

static void read_chunk_meta(struct thrift_reader *reader, enum thrift_type type, struct parquet_place *place)
{
	int64_t data = 0, dictionary = 0, length = -1, values = -1;
	int16_t field;

	if (!thrift_enter(reader, type))
		return;
	while (thrift_next(reader, &field, &type)) {
		switch (field) {
		case 1: place->type = (int32_t)thrift_integer(reader, type); break;
		case 4: place->codec = (int32_t)thrift_integer(reader, type); break;
		case 5: values = thrift_integer(reader, type); break;
		case 7: length = thrift_integer(reader, type); break;
		case 9: data = thrift_integer(reader, type); break;
		case 11: dictionary = thrift_integer(reader, type); break;
		case 12: read_statistics(reader, type, place); break;
		default: thrift_skip(reader, type);
		}
	}
	int64_t begin = dictionary > 0 && dictionary < data ? dictionary : data;
	place->there = begin > 0 && length >= 0 && values >= 0;
	place->begin = place->there ? (uint64_t)begin : 0;
	place->length = place->there ? (uint64_t)length : 0;
	place->values = place->there ? (uint64_t)values : 0;
}

static void read_chunk(struct thrift_reader *reader, enum thrift_type type, struct parquet_place *place)
{
	int16_t field;
	bool elsewhere = false;

	*place = (struct parquet_place){.there = false};
	if (!thrift_enter(reader, type))
		return;
	while (thrift_next(reader, &field, &type)) {
		if (field == 3) {
			read_chunk_meta(reader, type, place);
		} else {
			elsewhere |= field == 1; /* in another file */
			thrift_skip(reader, type);
		}
	}
	place->there &= !elsewhere;
}

static void read_chunks(struct thrift_reader *reader, enum thrift_type type, struct parquet_meta *meta)
{
	enum thrift_type item;
	size_t count = thrift_list(reader, type, &item);

	for (size_t i = 0; i < count && !reader->cursor.failed; i++) {
		struct parquet_place place;
		read_chunk(reader, item, &place);
		for (size_t c = 0; c < meta->column_count; c++)
			if (meta->leaves[c].there && meta->leaves[c].number == i)
				meta->places[c] = place;
	}
}

static int check_places(const struct parquet_input *input, struct parquet_meta *meta, struct weir_fault *fault)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t c = 0; c < count; c++) {
		const struct parquet_place *place = &meta->places[c];
		if (!meta->leaves[c].there)
			continue;
		if (!place->there || place->begin > meta->footer_begin || place->length > meta->footer_begin - place->begin ||
		    place->values != meta->group_rows || place->type != meta->leaves[c].type)
			return weir_fail_at(fault, WEIR_E_FORMAT, input->name, (int64_t)meta->footer_begin, WEIR_NOWHERE,
			                    "its footer says impossible things of column %s", columns[c].name);
	}
	return 0;
}

int parquet_meta_next(const struct parquet_input *input, struct parquet_meta *meta, struct weir_fault *fault)
{
	struct thrift_reader *reader = &meta->groups;
	enum thrift_type type;
	int64_t rows = -1;
	int16_t field;

	if (meta->groups_left == 0)
		return 0;
	meta->groups_left--;
	for (size_t c = 0; c < meta->column_count; c++)
		meta->places[c] = (struct parquet_place){.there = false};
	if (thrift_enter(reader, meta->group_type)) {
		while (thrift_next(reader, &field, &type)) {
			if (field == 1)
				read_chunks(reader, type, meta);
			else if (field == 3)
				rows = thrift_integer(reader, type);
			else
				thrift_skip(reader, type);
		}
	}
	if (reader->cursor.failed || rows < 0)
		return weir_fail_at(fault, WEIR_E_FORMAT, input->name, (int64_t)meta->footer_begin, WEIR_NOWHERE, "its footer has a bad row group");
	meta->group_rows = (uint64_t)rows;
	int error = check_places(input, meta, fault);
	return error ? error : 1;
}

/* ---- the file ---- */

static int read_footer(const struct parquet_input *input, struct parquet_meta *meta, size_t *length, struct weir_fault *fault)
{
	uint8_t head[4], tail[PARQUET_TAIL];
	int error = input->size < 4 + PARQUET_TAIL ? WEIR_E_FORMAT : parquet_input_read(input, 0, head, sizeof head, fault);

	if (error == 0)
		error = parquet_input_read(input, input->size - PARQUET_TAIL, tail, PARQUET_TAIL, fault);
	if (error < 0 && error != WEIR_E_FORMAT)
		return error;
	if (error == 0 && memcmp(tail + 4, "PARE", 4) == 0)
		return weir_fail_at(fault, WEIR_E_UNSUPPORTED, input->name, WEIR_NOWHERE, WEIR_NOWHERE, "is encrypted");
	if (error < 0 || memcmp(head, PARQUET_MAGIC, 4) != 0)
		return weir_fail_at(fault, WEIR_E_FORMAT, input->name, 0, WEIR_NOWHERE, "is no Parquet file");
	if (memcmp(tail + 4, PARQUET_MAGIC, 4) != 0)
		return weir_fail_at(fault, WEIR_E_TRUNCATED, input->name, (int64_t)input->size, WEIR_NOWHERE,
		                    "is a Parquet file without its end: it was cut, or is still being written");
	*length = weir_load_le32(tail);
	if (*length > input->size - 4 - PARQUET_TAIL || *length > FOOTER_MOST)
		return weir_fail_at(fault, WEIR_E_FORMAT, input->name, (int64_t)input->size - PARQUET_TAIL, WEIR_NOWHERE,
		                    "says that its footer is %zu bytes long", *length);
	meta->footer_begin = input->size - PARQUET_TAIL - *length;
	meta->footer = malloc(*length + 1);
	if (!meta->footer)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the footer of %s", input->name);
	return parquet_input_read(input, meta->footer_begin, meta->footer, *length, fault);
}

static int read_file_meta(const struct parquet_input *input, struct parquet_meta *meta, size_t length, struct weir_fault *fault)
{
	struct thrift_reader reader = thrift_over(meta->footer, length);
	enum thrift_type type;
	int16_t field;
	int error = 0;

	while (!error && thrift_next(&reader, &field, &type)) {
		if (field == 2) {
			error = read_schema(input, &reader, type, meta, fault);
		} else if (field == 3) {
			meta->rows = (uint64_t)thrift_integer(&reader, type);
		} else if (field == 4) {
			meta->groups_left = thrift_list(&reader, type, &meta->group_type);
			meta->groups = reader;
			for (uint64_t i = 0; i < meta->groups_left && !reader.cursor.failed; i++)
				thrift_skip(&reader, meta->group_type);
		} else {
			thrift_skip(&reader, type);
		}
	}
	if (!error && reader.cursor.failed)
		error = weir_fail_at(fault, WEIR_E_FORMAT, input->name, (int64_t)meta->footer_begin, WEIR_NOWHERE, "its footer is damaged");
	return error;
}

int parquet_meta_open(const struct parquet_input *input, struct parquet_meta *meta, struct weir_fault *fault)
{
	bool any = false;
	size_t length = 0;

	*meta = (struct parquet_meta){.footer = NULL};
	int error = read_footer(input, meta, &length, fault);
	if (error)
		return error;
	weir_flow_columns(&meta->column_count);
	meta->leaves = calloc(meta->column_count, sizeof *meta->leaves);
	meta->places = calloc(meta->column_count, sizeof *meta->places);
	if (!meta->leaves || !meta->places)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", input->name);
	error = read_file_meta(input, meta, length, fault);
	for (size_t c = 0; c < meta->column_count; c++)
		any |= meta->leaves[c].there;
	if (!error && !any)
		error = weir_fail_at(fault, WEIR_E_UNSUPPORTED, input->name, WEIR_NOWHERE, WEIR_NOWHERE,
		                     "is a Parquet file, but has none of the columns of flow records");
	return error;
}

void parquet_meta_free(struct parquet_meta *meta)
{
	free(meta->footer);
	free(meta->leaves);
	free(meta->places);
	*meta = (struct parquet_meta){.footer = NULL};
}
