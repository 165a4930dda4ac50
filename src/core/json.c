/* Writing JSON: core/json.h. */
#include <math.h>
#include <string.h>

#include "core/json.h"

static void separate(struct json *json)
{
	if (json->after_key) {
		json->after_key = false;
		return;
	}
	if (json->comma[json->depth])
		text_add_char(json->text, ',');
	json->comma[json->depth] = true;
}

static void open_nesting(struct json *json, char c)
{
	separate(json);
	text_add_char(json->text, c);
	if (json->depth + 1 >= JSON_DEPTH_MAX) {
		json->text->failed = true;
		return;
	}
	json->comma[++json->depth] = false;
}

static void close_nesting(struct json *json, char c)
{
	if (json->depth > 0)
		json->depth--;
	text_add_char(json->text, c);
}

void json_object(struct json *json) { open_nesting(json, '{'); }
void json_end_object(struct json *json) { close_nesting(json, '}'); }
void json_array(struct json *json) { open_nesting(json, '['); }
void json_end_array(struct json *json) { close_nesting(json, ']'); }

static void add_escaped(struct text *text, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	switch (c) {
	case '"': text_add_bytes(text, "\\\"", 2); break;
	case '\\': text_add_bytes(text, "\\\\", 2); break;
	case '\n': text_add_bytes(text, "\\n", 2); break;
	case '\r': text_add_bytes(text, "\\r", 2); break;
	case '\t': text_add_bytes(text, "\\t", 2); break;
	default: {
		char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
		text_add_bytes(text, escape, sizeof escape);
	}
	}
}

static void quoted(struct text *text, const unsigned char *s, size_t length)
{
	size_t plain = 0; /* bytes before i that stand as they are and were not added yet */

	text_add_char(text, '"');
	for (size_t i = 0; i < length;) {
		size_t n = utf8_length(s + i, length - i);
		/* U+0080 to U+009F are control characters too: some terminals obey them. */
		bool c1 = n == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0;
		if (n && !c1 && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' && s[i] != 0x7f) {
			i += n;
			plain += n;
			continue;
		}
		text_add_bytes(text, s + i - plain, plain);
		plain = 0;
		if (n)
			add_escaped(text, s[i += c1]);
		else
			text_add_bytes(text, "\xef\xbf\xbd", 3);
		i++;
	}
	text_add_bytes(text, s + length - plain, plain);
	text_add_char(text, '"');
}

void json_key(struct json *json, const char *key)
{
	separate(json);
	quoted(json->text, (const unsigned char *)key, strlen(key));
	text_add_char(json->text, ':');
	json->after_key = true;
}

void json_string_bytes(struct json *json, const void *value, size_t length)
{
	separate(json);
	quoted(json->text, value, length);
}

void json_string(struct json *json, const char *value) { json_string_bytes(json, value, strlen(value)); }

void json_unsigned(struct json *json, uint64_t value)
{
	separate(json);
	text_add_unsigned(json->text, value);
}

void json_signed(struct json *json, int64_t value)
{
	separate(json);
	if (value < 0)
		text_add_char(json->text, '-');
	text_add_unsigned(json->text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

struct text *json_number(struct json *json)
{
	separate(json);
	return json->text;
}

void json_double(struct json *json, double value)
{
	if (!isfinite(value)) {
		json_null(json);
		return;
	}
	separate(json);
	text_add_format(json->text, "%.9g", value);
}

void json_bool(struct json *json, bool value)
{
	separate(json);
	text_add(json->text, value ? "true" : "false");
}

void json_null(struct json *json)
{
	separate(json);
	text_add(json->text, "null");
}

void json_put_string(struct json *json, const char *key, const char *value)
{
	json_key(json, key);
	if (value)
		json_string(json, value);
	else
		json_null(json);
}

void json_put_unsigned(struct json *json, const char *key, uint64_t value)
{
	json_key(json, key);
	json_unsigned(json, value);
}

void json_put_signed(struct json *json, const char *key, int64_t value)
{
	json_key(json, key);
	json_signed(json, value);
}

void json_put_double(struct json *json, const char *key, double value)
{
	json_key(json, key);
	json_double(json, value);
}

void json_put_bool(struct json *json, const char *key, bool value)
{
	json_key(json, key);
	json_bool(json, value);
}
