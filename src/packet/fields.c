/* Fields as JSON: packet/fields.h. */
#include "core/json.h"

#include "packet/fields.h"

void field_hex(struct fields *f, const char *key, uint64_t value, unsigned width)
{
	field_key(f, key);
	put_char(f->out, '"');
	put_0x(f->out, value, width);
	put_char(f->out, '"');
}

void field_hex_bytes(struct fields *f, const char *key, const uint8_t *data, size_t length)
{
	field_key(f, key);
	put_char(f->out, '"');
	put_hex_bytes(f->out, data, length);
	put_char(f->out, '"');
}

void field_mac(struct fields *f, const char *key, const uint8_t *address)
{
	field_key(f, key);
	put_char(f->out, '"');
	put_mac(f->out, address);
	put_char(f->out, '"');
}

void field_ip(struct fields *f, const char *key, unsigned version, const uint8_t *address)
{
	field_key(f, key);
	put_char(f->out, '"');
	put_ip(f->out, version, address);
	put_char(f->out, '"');
}

static void put_quoted(struct text *out, const void *data, size_t length)
{
	struct json json = json_into(out);
	json_string_bytes(&json, data, length);
}

void field_text(struct fields *f, const char *key, const void *data, size_t length)
{
	field_key(f, key);
	put_quoted(f->out, data, length);
}

void field_name(struct fields *f, const char *key, const struct value_name *names, uint32_t value)
{
	const char *name = name_of(names, value);
	if (name)
		field_word(f, key, name);
}

static void begin(struct fields *f, const char *key, char c)
{
	if (key)
		field_key(f, key);
	else if (f->comma)
		put_char(f->out, ',');
	put_char(f->out, c);
	f->comma = false;
}

static void end(struct fields *f, char c)
{
	put_char(f->out, c);
	f->comma = true;
}

void fields_object(struct fields *f, const char *key) { begin(f, key, '{'); }
void fields_end_object(struct fields *f) { end(f, '}'); }
void fields_array(struct fields *f, const char *key) { begin(f, key, '['); }
void fields_end_array(struct fields *f) { end(f, ']'); }

static void separate(struct fields *f)
{
	if (f->comma)
		put_char(f->out, ',');
	f->comma = true;
}

void element_unsigned(struct fields *f, uint64_t value)
{
	separate(f);
	put_unsigned(f->out, value);
}

void element_word(struct fields *f, const char *word)
{
	separate(f);
	put_char(f->out, '"');
	put(f->out, word);
	put_char(f->out, '"');
}

void element_text(struct fields *f, const void *data, size_t length)
{
	separate(f);
	put_quoted(f->out, data, length);
}

void element_ip(struct fields *f, unsigned version, const uint8_t *address)
{
	separate(f);
	put_char(f->out, '"');
	put_ip(f->out, version, address);
	put_char(f->out, '"');
}
