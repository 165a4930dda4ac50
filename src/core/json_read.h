/*
 * core/json_read.h: reads JSON (RFC 8259), a value after the other, without recursion and without memory of its own.
 */
#ifndef CORE_JSON_READ_H
#define CORE_JSON_READ_H

#include <weir/bytes.h>

#include "core/json.h"

enum json_kind {
	JSON_BROKEN, /* it is no JSON, or nested deeper than JSON_DEPTH_MAX; stays so */
	JSON_ENDED,  /* the value is over and nothing but blanks follows; stays so */
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
};

/* What was read. Views into the bytes that are read; strings and keys still with their escapes. */
struct json_token {
	enum json_kind kind;
	unsigned depth;          /* how many objects and arrays are open around it */
	bool has_key;
	struct weir_bytes key;   /* of a member of an object */
	struct weir_bytes value; /* STRING: between the quotes; NUMBER: its digits */
};

struct json_reader {
	struct weir_cursor cursor;
	unsigned depth;
	bool in_object[JSON_DEPTH_MAX];
	bool some; /* something stands before in this nesting */
	bool over, broken;
};

struct json_reader json_reader_over(const void *data, size_t length);
enum json_kind json_next(struct json_reader *reader, struct json_token *token);

/* Adds what a string or key says, its escapes resolved; what is no character becomes U+FFFD. */
void json_unescape(struct weir_bytes string, struct text *out);
/* 0 when it is no whole number that fits. */
uint64_t json_token_unsigned(const struct json_token *token);
double json_token_double(const struct json_token *token);
bool json_token_is(struct weir_bytes bytes, const char *word); /* keys without escapes */

#endif
