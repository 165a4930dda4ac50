/*
 * packet/fields.h: the typed fields of a layer, written as JSON (RFC 8259). Keys are literals of ours; values may be any bytes.
 * docs/json.md lists every field.
 */
#ifndef PACKET_FIELDS_H
#define PACKET_FIELDS_H

#include "packet/output.h"

/* One object (or array) after the other is open; comma: something stands before in it. */
struct fields {
	struct text *out;
	bool comma;
};

static inline __attribute__((always_inline)) void field_key(struct fields *f, const char *key)
{
	put(f->out, f->comma ? ",\"" : "\"");
	put(f->out, key);
	put(f->out, "\":");
	f->comma = true;
}

static inline __attribute__((always_inline)) void field_unsigned(struct fields *f, const char *key, uint64_t value)
{
	field_key(f, key);
	put_unsigned(f->out, value);
}

static inline __attribute__((always_inline)) void field_bool(struct fields *f, const char *key, bool value)
{
	field_key(f, key);
	put(f->out, value ? "true" : "false");
}

/* A word of ours: nothing in it needs escaping. */
static inline __attribute__((always_inline)) void field_word(struct fields *f, const char *key, const char *word)
{
	field_key(f, key);
	put_char(f->out, '"');
	put(f->out, word);
	put_char(f->out, '"');
}

/* "0x1f", with `width` digits at least */
void field_hex(struct fields *f, const char *key, uint64_t value, unsigned width);
void field_hex_bytes(struct fields *f, const char *key, const uint8_t *data, size_t length);
void field_mac(struct fields *f, const char *key, const uint8_t *address);
void field_ip(struct fields *f, const char *key, unsigned version, const uint8_t *address);

/* Text from a packet: what is no UTF-8 becomes U+FFFD. */
void field_text(struct fields *f, const char *key, const void *data, size_t length);

/* A name for a value when names has one, else nothing is written. */
void field_name(struct fields *f, const char *key, const struct value_name *names, uint32_t value);

/* Elements of an array have no key: key NULL. */
void fields_object(struct fields *f, const char *key);
void fields_end_object(struct fields *f);
void fields_array(struct fields *f, const char *key);
void fields_end_array(struct fields *f);
void element_unsigned(struct fields *f, uint64_t value);
void element_word(struct fields *f, const char *word);
void element_text(struct fields *f, const void *data, size_t length);
void element_ip(struct fields *f, unsigned version, const uint8_t *address);

#endif
