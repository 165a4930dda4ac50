/*
 * flow/thrift.h: the compact protocol of Apache Thrift, as far as Parquet's metadata needs it.
 */
#ifndef FLOW_THRIFT_H
#define FLOW_THRIFT_H

#include <weir/bytes.h>

#include "core/text.h"

enum thrift_type {
	THRIFT_STOP = 0,
	THRIFT_TRUE = 1,
	THRIFT_FALSE = 2,
	THRIFT_BYTE = 3,
	THRIFT_I16 = 4,
	THRIFT_I32 = 5,
	THRIFT_I64 = 6,
	THRIFT_DOUBLE = 7,
	THRIFT_BINARY = 8,
	THRIFT_LIST = 9,
	THRIFT_SET = 10,
	THRIFT_MAP = 11,
	THRIFT_STRUCT = 12,
	THRIFT_UUID = 13,
};

#define THRIFT_DEPTH 16 /* structs within structs; Parquet's own stay below 8 */

/* Writing: into text, which stays the caller's and may hold bytes of any value. */
struct thrift_writer {
	struct text *out;
	unsigned depth;
	int16_t last[THRIFT_DEPTH]; /* the field before, in each struct that is open */
};

static inline struct thrift_writer thrift_into(struct text *out) { return (struct thrift_writer){.out = out}; }

void thrift_put_varint(struct text *out, uint64_t value);

/* Fields of the struct that is open (the outermost is so from the start). */
void thrift_put_integer(struct thrift_writer *writer, int16_t field, enum thrift_type type, int64_t value); /* BYTE, I16, I32, I64 */
void thrift_put_bool(struct thrift_writer *writer, int16_t field, bool value);
void thrift_put_binary(struct thrift_writer *writer, int16_t field, const void *data, size_t length);
void thrift_put_string(struct thrift_writer *writer, int16_t field, const char *string);
void thrift_put_list(struct thrift_writer *writer, int16_t field, enum thrift_type element, size_t count); /* elements follow */

/* field 0: an element of a list, which has no field header. */
void thrift_begin(struct thrift_writer *writer, int16_t field);
void thrift_end(struct thrift_writer *writer);

/* Elements of a list. */
void thrift_element_integer(struct thrift_writer *writer, int64_t value);
void thrift_element_string(struct thrift_writer *writer, const char *string);

/*
 * Reading: over a view of bytes from anywhere. After the first thing that is not as it should be the cursor is failed, fields end and numbers are
 * zero: check once, at the end.
 */
struct thrift_reader {
	struct weir_cursor cursor;
	unsigned depth;
	int16_t last[THRIFT_DEPTH];
};

static inline struct thrift_reader thrift_over(const void *data, size_t length)
{
	return (struct thrift_reader){.cursor = weir_cursor_over(data, length)};
}

/* The next field of the struct that is open; false at its end, which closes it. */
bool thrift_next(struct thrift_reader *reader, int16_t *field, enum thrift_type *type);

/* The value of a field of this type, which is taken as it is when it is an integer (a bool: 0 or 1), else skipped and zero. */
int64_t thrift_integer(struct thrift_reader *reader, enum thrift_type type);

/* Likewise the bytes of a BINARY; else skipped and empty. */
struct weir_bytes thrift_binary(struct thrift_reader *reader, enum thrift_type type);

/* Opens a struct: true, and its fields are next. Otherwise skipped: false. */
bool thrift_enter(struct thrift_reader *reader, enum thrift_type type);

/* The number of elements of a list, whose type goes into *element. Something else is skipped: 0. Never more than there are bytes left. */
size_t thrift_list(struct thrift_reader *reader, enum thrift_type type, enum thrift_type *element);

void thrift_skip(struct thrift_reader *reader, enum thrift_type type);

#endif
