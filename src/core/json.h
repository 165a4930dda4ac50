/*
 * core/json.h: writes JSON (RFC 8259) into a text, keeping count of commas and nesting.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include "core/text.h"

#define JSON_DEPTH_MAX 32

struct json {
	struct text *text;
	unsigned depth;
	bool comma[JSON_DEPTH_MAX]; /* something stands before in this nesting */
	bool after_key;
};

/* Writes into text, which the caller owns. */
static inline struct json json_into(struct text *text) { return (struct json){.text = text}; }

void json_object(struct json *json);
void json_end_object(struct json *json);
void json_array(struct json *json);
void json_end_array(struct json *json);
void json_key(struct json *json, const char *key);

/* Bytes that are no UTF-8 are written as U+FFFD each. */
void json_string(struct json *json, const char *value);
void json_string_bytes(struct json *json, const void *value, size_t length);
void json_unsigned(struct json *json, uint64_t value);
void json_signed(struct json *json, int64_t value);
void json_double(struct json *json, double value); /* nine digits of it; not finite: null */
struct text *json_number(struct json *json); /* where the caller adds a number as it likes it */
void json_bool(struct json *json, bool value);
void json_null(struct json *json);

/* Key and value at once. */
void json_put_string(struct json *json, const char *key, const char *value); /* NULL: null */
void json_put_unsigned(struct json *json, const char *key, uint64_t value);
void json_put_signed(struct json *json, const char *key, int64_t value);
void json_put_double(struct json *json, const char *key, double value);
void json_put_bool(struct json *json, const char *key, bool value);

#endif
