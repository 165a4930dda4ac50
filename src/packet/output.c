/* Numbers and addresses as text: packet/output.h. */
#include "packet/output.h"

const char output_pairs[200] =
	"00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
	"495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

static const char hex_digits[16] = "0123456789abcdef";

void put_padded(struct text *out, uint64_t value, unsigned width)
{
	char digits[20];
	char *end = write_unsigned(digits, value);
	for (unsigned n = (unsigned)(end - digits); n < width; n++)
		put_char(out, '0');
	put_bytes(out, digits, (size_t)(end - digits));
}

void put_hex(struct text *out, uint64_t value, unsigned width)
{
	char digits[16];
	unsigned n = sizeof digits;

	do {
		digits[--n] = hex_digits[value & 15];
		value >>= 4;
	} while (value);
	while (sizeof digits - n < width && n > 0)
		digits[--n] = '0';
	put_bytes(out, digits + n, sizeof digits - n);
}

void put_hex_bytes(struct text *out, const uint8_t *data, size_t length)
{
	if (!put_room(out, length * 2))
		return;
	char *at = out->data + out->length;
	for (size_t i = 0; i < length; i++) {
		*at++ = hex_digits[data[i] >> 4];
		*at++ = hex_digits[data[i] & 15];
	}
	out->length += length * 2;
}

void put_mac(struct text *out, const uint8_t *address)
{
	if (!put_room(out, 18))
		return;
	char *at = out->data + out->length;
	for (unsigned i = 0; i < 6; i++) {
		*at++ = hex_digits[address[i] >> 4];
		*at++ = hex_digits[address[i] & 15];
		*at++ = ':';
	}
	out->length += 17;
}

static inline char *write_byte(char *at, unsigned value)
{
	if (value >= 100) {
		*at++ = (char)('0' + value / 100);
		memcpy(at, output_pairs + value % 100 * 2, 2);
		return at + 2;
	}
	if (value >= 10) {
		memcpy(at, output_pairs + value * 2, 2);
		return at + 2;
	}
	*at++ = (char)('0' + value);
	return at;
}

void put_ipv4(struct text *out, const uint8_t *address)
{
	if (!put_room(out, 16))
		return;
	char *at = out->data + out->length;
	for (unsigned i = 0; i < 4; i++) {
		at = write_byte(at, address[i]);
		*at++ = '.';
	}
	out->length = (size_t)(at - 1 - out->data);
}

/* The longest run of two or more zero groups: where it begins and how long it is. */
static unsigned zero_run(const uint16_t groups[8], unsigned *length)
{
	unsigned best = 8, best_length = 1;

	for (unsigned i = 0; i < 8; i++) {
		unsigned n = 0;
		while (i + n < 8 && groups[i + n] == 0)
			n++;
		if (n > best_length) {
			best = i;
			best_length = n;
		}
		i += n;
	}
	*length = best < 8 ? best_length : 0;
	return best;
}

void put_ipv6(struct text *out, const uint8_t *address)
{
	uint16_t groups[8];
	unsigned run_length;

	for (unsigned i = 0; i < 8; i++)
		groups[i] = weir_load_be16(address + i * 2);
	unsigned run = zero_run(groups, &run_length);
	/* IPv4-compatible and IPv4-mapped addresses end in dotted form. */
	bool dotted = run == 0 &&
	              (run_length == 6 || (run_length == 7 && groups[7] != 1) || (run_length == 5 && groups[5] == 0xffff));
	for (unsigned i = 0; i < 8; i++) {
		if (i == run) {
			put(out, i == 0 ? "::" : ":");
			i += run_length - 1;
			continue;
		}
		if (dotted && i == 6) {
			put_ipv4(out, address + 12);
			return;
		}
		put_hex(out, groups[i], 1);
		if (i < 7)
			put_char(out, ':');
	}
}

void put_visible(struct text *out, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		uint8_t c = data[i];
		if (c & 0x80) {
			put(out, "M-");
			c &= 0x7f;
		}
		if (c < 0x20 || c == 0x7f) {
			put_char(out, '^');
			c ^= 0x40;
		}
		put_char(out, (char)c);
	}
}

const char *name_of(const struct value_name *names, uint32_t value)
{
	for (; names->name; names++)
		if (names->value == value)
			return names->name;
	return NULL;
}
