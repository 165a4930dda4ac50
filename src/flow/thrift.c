/* Thrift's compact protocol: flow/thrift.h. */
#include "flow/thrift.h"

static uint64_t zigzag(int64_t value) { return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63); }
static int64_t unzigzag(uint64_t value) { return (int64_t)(value >> 1) ^ -(int64_t)(value & 1); }

/* ---- writing ---- */

void thrift_put_varint(struct text *out, uint64_t value)
{
	uint8_t bytes[10];
	size_t n = 0;

	while (value >= 0x80) {
		bytes[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	bytes[n++] = (uint8_t)value;
	text_add_bytes(out, bytes, n);
}

static void put_field(struct thrift_writer *writer, int16_t field, enum thrift_type type)
{
	int16_t *last = &writer->last[writer->depth];
	int delta = field - *last;

	if (field == 0)
		return;
	if (delta > 0 && delta <= 15) {
		text_add_char(writer->out, (char)(delta << 4 | type));
	} else {
		text_add_char(writer->out, (char)type);
		thrift_put_varint(writer->out, zigzag(field));
	}
	*last = field;
}

void thrift_put_integer(struct thrift_writer *writer, int16_t field, enum thrift_type type, int64_t value)
{
	put_field(writer, field, type);
	if (type == THRIFT_BYTE)
		text_add_char(writer->out, (char)value);
	else
		thrift_put_varint(writer->out, zigzag(value));
}

void thrift_put_bool(struct thrift_writer *writer, int16_t field, bool value)
{
	put_field(writer, field, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_put_binary(struct thrift_writer *writer, int16_t field, const void *data, size_t length)
{
	put_field(writer, field, THRIFT_BINARY);
	thrift_put_varint(writer->out, length);
	text_add_bytes(writer->out, data, length);
}

void thrift_put_string(struct thrift_writer *writer, int16_t field, const char *string)
{
	thrift_put_binary(writer, field, string, strlen(string));
}

void thrift_put_list(struct thrift_writer *writer, int16_t field, enum thrift_type element, size_t count)
{
	put_field(writer, field, THRIFT_LIST);
	text_add_char(writer->out, (char)((count < 15 ? count : 15) << 4 | element));
	if (count >= 15)
		thrift_put_varint(writer->out, count);
}

void thrift_begin(struct thrift_writer *writer, int16_t field)
{
	put_field(writer, field, THRIFT_STRUCT);
	writer->last[++writer->depth] = 0;
}

void thrift_end(struct thrift_writer *writer)
{
	text_add_char(writer->out, THRIFT_STOP);
	if (writer->depth)
		writer->depth--;
}

void thrift_element_integer(struct thrift_writer *writer, int64_t value) { thrift_put_varint(writer->out, zigzag(value)); }

void thrift_element_string(struct thrift_writer *writer, const char *string)
{
	thrift_put_varint(writer->out, strlen(string));
	text_add(writer->out, string);
}

/* ---- reading ---- */

static uint64_t take_varint(struct thrift_reader *reader)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte = weir_take8(&reader->cursor);
		if (reader->cursor.failed)
			return 0;
		value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
		if (!(byte & 0x80))
			return value;
	}
	reader->cursor.failed = true;
	return 0;
}

static bool next_field(struct thrift_reader *reader, int16_t *last, int16_t *field, enum thrift_type *type)
{
	uint8_t head = weir_take8(&reader->cursor);

	if (reader->cursor.failed || head == THRIFT_STOP)
		return false;
	*type = head & 15;
	*last = head >> 4 ? (int16_t)(*last + (head >> 4)) : (int16_t)unzigzag(take_varint(reader));
	*field = *last;
	return !reader->cursor.failed;
}

bool thrift_next(struct thrift_reader *reader, int16_t *field, enum thrift_type *type)
{
	if (next_field(reader, &reader->last[reader->depth], field, type))
		return true;
	if (reader->depth)
		reader->depth--;
	return false;
}

int64_t thrift_integer(struct thrift_reader *reader, enum thrift_type type)
{
	switch (type) {
	case THRIFT_TRUE: return 1;
	case THRIFT_FALSE: return 0;
	case THRIFT_BYTE: return (int8_t)weir_take8(&reader->cursor);
	case THRIFT_I16:
	case THRIFT_I32:
	case THRIFT_I64: return unzigzag(take_varint(reader));
	default:
		thrift_skip(reader, type);
		return 0;
	}
}

struct weir_bytes thrift_binary(struct thrift_reader *reader, enum thrift_type type)
{
	if (type != THRIFT_BINARY) {
		thrift_skip(reader, type);
		return (struct weir_bytes){NULL, 0};
	}
	uint64_t length = take_varint(reader);
	const uint8_t *data = length > SIZE_MAX ? NULL : weir_take(&reader->cursor, (size_t)length);
	return (struct weir_bytes){data, data ? (size_t)length : 0};
}

bool thrift_enter(struct thrift_reader *reader, enum thrift_type type)
{
	if (type != THRIFT_STRUCT) {
		thrift_skip(reader, type);
		return false;
	}
	if (reader->depth + 1 >= THRIFT_DEPTH) {
		reader->cursor.failed = true;
		return false;
	}
	reader->last[++reader->depth] = 0;
	return true;
}

static uint64_t take_list_head(struct thrift_reader *reader, enum thrift_type *element)
{
	uint8_t head = weir_take8(&reader->cursor);
	uint64_t count = head >> 4 == 15 ? take_varint(reader) : head >> 4;

	*element = head & 15;
	if (count > weir_cursor_left(&reader->cursor)) /* each takes a byte at least */
		reader->cursor.failed = true;
	return reader->cursor.failed ? 0 : count;
}

size_t thrift_list(struct thrift_reader *reader, enum thrift_type type, enum thrift_type *element)
{
	if (type != THRIFT_LIST && type != THRIFT_SET) {
		thrift_skip(reader, type);
		*element = THRIFT_STOP;
		return 0;
	}
	return (size_t)take_list_head(reader, element);
}

/* What is open while something is skipped: a struct, or so many elements of these types in turn (a map has two). */
struct nesting {
	bool is_struct;
	int16_t last;
	uint64_t left;
	enum thrift_type types[2];
};

/* Steps over a value that holds no others (true), or says what it opens (false). A bool takes a byte only as an element. */
static bool skip_scalar(struct thrift_reader *reader, enum thrift_type type, bool element, struct nesting *opened)
{
	*opened = (struct nesting){.is_struct = false};
	switch (type) {
	case THRIFT_TRUE:
	case THRIFT_FALSE:
		if (element)
			weir_take8(&reader->cursor);
		return true;
	case THRIFT_BYTE: weir_take8(&reader->cursor); return true;
	case THRIFT_I16:
	case THRIFT_I32:
	case THRIFT_I64: take_varint(reader); return true;
	case THRIFT_DOUBLE: weir_take(&reader->cursor, 8); return true;
	case THRIFT_UUID: weir_take(&reader->cursor, 16); return true;
	case THRIFT_BINARY: thrift_binary(reader, THRIFT_BINARY); return true;
	case THRIFT_LIST:
	case THRIFT_SET:
		opened->left = take_list_head(reader, &opened->types[0]);
		opened->types[1] = opened->types[0];
		return false;
	case THRIFT_MAP: {
		uint64_t pairs = take_varint(reader);
		uint8_t types = pairs ? weir_take8(&reader->cursor) : 0;
		if (pairs > weir_cursor_left(&reader->cursor))
			reader->cursor.failed = true;
		*opened = (struct nesting){.left = reader->cursor.failed ? 0 : 2 * pairs, .types = {types & 15, types >> 4}};
		return false;
	}
	case THRIFT_STRUCT:
		opened->is_struct = true;
		return false;
	default:
		reader->cursor.failed = true;
		return true;
	}
}

void thrift_skip(struct thrift_reader *reader, enum thrift_type type)
{
	struct nesting open[THRIFT_DEPTH], opened;
	size_t depth = 0;
	int16_t field;

	if (skip_scalar(reader, type, false, &opened))
		return;
	open[depth++] = opened;
	while (depth && !reader->cursor.failed) {
		struct nesting *top = &open[depth - 1];
		bool element = !top->is_struct;
		if (element ? top->left == 0 : !next_field(reader, &top->last, &field, &type)) {
			depth--;
			continue;
		}
		if (element)
			type = top->types[top->left-- % 2]; /* of a map: even counts before a key, odd ones before a value */
		if (skip_scalar(reader, type, element, &opened))
			continue;
		if (depth == THRIFT_DEPTH)
			reader->cursor.failed = true;
		else
			open[depth++] = opened;
	}
}
