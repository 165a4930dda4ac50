/*
 * packet/output.h: writes packets as text, without the price of printf: numbers, addresses and literal words go straight into a
 * struct text. Nothing here terminates the text: who prints a packet does so once (output_end).
 */
#ifndef PACKET_OUTPUT_H
#define PACKET_OUTPUT_H

#include <string.h>

#include <weir/bytes.h>

#include "core/text.h"

static inline bool put_room(struct text *out, size_t length)
{
	return __builtin_expect(out->capacity - out->length > length, 1) || text_reserve(out, length);
}

static inline void put_bytes(struct text *out, const void *data, size_t length)
{
	if (length && put_room(out, length)) {
		memcpy(out->data + out->length, data, length);
		out->length += length;
	}
}

/* Inline, so that the length of a literal is known when this is compiled. */
static inline __attribute__((always_inline)) void put(struct text *out, const char *string)
{
	put_bytes(out, string, strlen(string));
}

static inline void put_char(struct text *out, char c)
{
	if (put_room(out, 1))
		out->data[out->length++] = c;
}

extern const char output_pairs[200]; /* "00" "01" … "99" */

static inline char *write_unsigned(char *at, uint64_t value)
{
	char digits[20];
	size_t n = sizeof digits;

	while (value >= 100) {
		n -= 2;
		memcpy(digits + n, output_pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10) {
		n -= 2;
		memcpy(digits + n, output_pairs + value * 2, 2);
	} else {
		digits[--n] = (char)('0' + value);
	}
	memcpy(at, digits + n, sizeof digits - n);
	return at + (sizeof digits - n);
}

static inline void put_unsigned(struct text *out, uint64_t value)
{
	if (put_room(out, 20))
		out->length = (size_t)(write_unsigned(out->data + out->length, value) - out->data);
}

/* With at least `width` digits, zeros in front. */
void put_padded(struct text *out, uint64_t value, unsigned width);

/* Lower case, without 0x, at least `width` digits. */
void put_hex(struct text *out, uint64_t value, unsigned width);

/* "0x" and hex */
static inline void put_0x(struct text *out, uint64_t value, unsigned width)
{
	put(out, "0x");
	put_hex(out, value, width);
}

/* Bytes as hex digits without separators. */
void put_hex_bytes(struct text *out, const uint8_t *data, size_t length);

void put_mac(struct text *out, const uint8_t *address);
void put_ipv4(struct text *out, const uint8_t *address);
void put_ipv6(struct text *out, const uint8_t *address); /* RFC 5952, as inet_ntop has it */

/* An address of IP version 4 or 6. */
static inline void put_ip(struct text *out, unsigned version, const uint8_t *address)
{
	if (version == 4)
		put_ipv4(out, address);
	else
		put_ipv6(out, address);
}

/* Bytes that may be anything: printable ASCII as it is, the rest as tcpdump shows it (^X, M-X). */
void put_visible(struct text *out, const uint8_t *data, size_t length);

/* Of a word for a value: names ends with an entry whose name is NULL. */
struct value_name {
	uint32_t value;
	const char *name;
};
const char *name_of(const struct value_name *names, uint32_t value); /* NULL when there is none */

static inline void output_end(struct text *out)
{
	if (put_room(out, 0))
		out->data[out->length] = '\0';
}

#endif
