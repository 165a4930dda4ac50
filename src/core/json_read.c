/* Reading JSON: core/json_read.h. */
#include "core/json_read.h"

#include <stdlib.h>
#include <string.h>

struct json_reader json_reader_over(const void *data, size_t length)
{
	return (struct json_reader){.cursor = weir_cursor_over(data, length)};
}

static enum json_kind broken(struct json_reader *reader, struct json_token *token)
{
	reader->broken = true;
	return token->kind = JSON_BROKEN;
}

/* The next byte that is no blank, without taking it; -1 at the end. */
static int look(struct json_reader *reader)
{
	struct weir_cursor *c = &reader->cursor;

	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
		c->at++;
	return c->at < c->end ? *c->at : -1;
}

/* A string, whose quote comes next. */
static bool take_string(struct json_reader *reader, struct weir_bytes *string)
{
	struct weir_cursor *c = &reader->cursor;
	const uint8_t *first = c->at + 1;

	for (const uint8_t *at = first; at < c->end; at++) {
		if (*at == '"') {
			*string = (struct weir_bytes){first, (size_t)(at - first)};
			c->at = at + 1;
			return true;
		}
		if (*at < 0x20)
			return false;
		if (*at == '\\')
			at++;
	}
	return false;
}

static bool take_word(struct json_reader *reader, const char *word)
{
	size_t length = strlen(word);

	if (weir_cursor_left(&reader->cursor) < length || memcmp(reader->cursor.at, word, length) != 0)
		return false;
	reader->cursor.at += length;
	return true;
}

static size_t take_digits(struct weir_cursor *c)
{
	const uint8_t *first = c->at;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return (size_t)(c->at - first);
}

static bool take_number(struct json_reader *reader, struct weir_bytes *number)
{
	struct weir_cursor *c = &reader->cursor;
	const uint8_t *first = c->at;

	if (c->at < c->end && *c->at == '-')
		c->at++;
	if (!take_digits(c))
		return false;
	if (c->at < c->end && *c->at == '.') {
		c->at++;
		if (!take_digits(c))
			return false;
	}
	if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
		c->at++;
		if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
			c->at++;
		if (!take_digits(c))
			return false;
	}
	*number = (struct weir_bytes){first, (size_t)(c->at - first)};
	return true;
}

static enum json_kind close_nesting(struct json_reader *reader, struct json_token *token)
{
	bool object = reader->in_object[reader->depth - 1];

	reader->cursor.at++;
	reader->depth--;
	reader->some = true;
	reader->over = reader->depth == 0;
	token->depth = reader->depth;
	return token->kind = object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static enum json_kind open_nesting(struct json_reader *reader, struct json_token *token, bool object)
{
	if (reader->depth == JSON_DEPTH_MAX)
		return broken(reader, token);
	reader->cursor.at++;
	reader->in_object[reader->depth++] = object;
	reader->some = false;
	return token->kind = object ? JSON_OBJECT : JSON_ARRAY;
}

/* The comma and the key before a value. False: broken. */
static bool take_key(struct json_reader *reader, struct json_token *token)
{
	if (reader->depth && reader->some) {
		if (look(reader) != ',')
			return false;
		reader->cursor.at++;
	}
	if (!reader->depth || !reader->in_object[reader->depth - 1])
		return true;
	token->has_key = true;
	if (look(reader) != '"' || !take_string(reader, &token->key) || look(reader) != ':')
		return false;
	reader->cursor.at++;
	return true;
}

static bool take_scalar(struct json_reader *reader, int next, struct json_token *token)
{
	switch (next) {
	case '"': token->kind = JSON_STRING; return take_string(reader, &token->value);
	case 't': token->kind = JSON_TRUE; return take_word(reader, "true");
	case 'f': token->kind = JSON_FALSE; return take_word(reader, "false");
	case 'n': token->kind = JSON_NULL; return take_word(reader, "null");
	default: token->kind = JSON_NUMBER; return take_number(reader, &token->value);
	}
}

enum json_kind json_next(struct json_reader *reader, struct json_token *token)
{
	*token = (struct json_token){.depth = reader->depth};
	int next = look(reader);

	if (reader->broken)
		return JSON_BROKEN;
	if (reader->over)
		return next < 0 ? (token->kind = JSON_ENDED) : broken(reader, token);
	if (reader->depth && next == (reader->in_object[reader->depth - 1] ? '}' : ']'))
		return close_nesting(reader, token);
	if (!take_key(reader, token))
		return broken(reader, token);
	next = look(reader);
	if (next == '{' || next == '[')
		return open_nesting(reader, token, next == '{');
	if (next < 0 || !take_scalar(reader, next, token))
		return broken(reader, token);
	reader->some = true;
	reader->over = reader->depth == 0;
	return token->kind;
}

static bool hex_digits(const uint8_t *at, const uint8_t *end, uint32_t *value)
{
	*value = 0;
	if (end - at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		uint8_t c = at[i];
		uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)c - '0'
		                 : c >= 'a' && c <= 'f' ? (uint32_t)c - 'a' + 10
		                 : c >= 'A' && c <= 'F' ? (uint32_t)c - 'A' + 10
		                                        : 16;
		if (digit == 16)
			return false;
		*value = *value << 4 | digit;
	}
	return true;
}

/* \uXXXX, or two of them for what lies beyond 16 bits; at stands behind the 'u'. Returns where it ends. */
static const uint8_t *add_escaped(const uint8_t *at, const uint8_t *end, struct text *out)
{
	uint32_t c, low;

	if (!hex_digits(at, end, &c)) {
		text_add_character(out, 0xfffd);
		return at;
	}
	at += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' && hex_digits(at + 2, end, &low) &&
	    low >= 0xdc00 && low < 0xe000) {
		text_add_character(out, 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff)));
		return at + 6;
	}
	text_add_character(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
	return at;
}

void json_unescape(struct weir_bytes string, struct text *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const uint8_t *at = string.data, *end = string.length ? at + string.length : at;

	while (at < end) {
		const uint8_t *plain = at;
		while (at < end && *at != '\\')
			at++;
		text_add_utf8(out, plain, (size_t)(at - plain));
		if (at == end || ++at == end)
			break;
		uint8_t c = *at++;
		const char *known = c ? strchr(from, c) : NULL;
		if (c == 'u')
			at = add_escaped(at, end, out);
		else
			text_add_utf8(out, known ? (const void *)&to[known - from] : (const void *)&at[-1], 1);
	}
}

uint64_t json_token_unsigned(const struct json_token *token)
{
	uint64_t value = 0;

	if (token->kind != JSON_NUMBER)
		return 0;
	for (size_t i = 0; i < token->value.length; i++) {
		uint8_t c = token->value.data[i];
		if (c < '0' || c > '9' || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
			return 0;
	}
	return value;
}

double json_token_double(const struct json_token *token)
{
	char text[64];

	if (token->kind != JSON_NUMBER || token->value.length >= sizeof text)
		return 0;
	memcpy(text, token->value.data, token->value.length);
	text[token->value.length] = 0;
	return strtod(text, NULL);
}

bool json_token_is(struct weir_bytes bytes, const char *word)
{
	return bytes.length == strlen(word) && memcmp(bytes.data, word, bytes.length) == 0;
}
