/*
 * The search for addresses that are written as text: campaign/audit.h. Nothing is searched for; whatever looks like an address, in any way of writing
 * one, is read and looked up. So capitals, zeros in front, and what is left out by "::" need no patterns of their own.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "campaign/audit.h"

#define TOKEN_LEAST 6  /* "2600::": of addresses in use the first group has four digits */
#define NUMBER_LEAST 7 /* of decimal digits: what has fewer begins with 0. */

enum { HEX = 1, DIGIT = 2, SEPARATOR = 4 };

/* Bytes that addresses are written with. 1 … 3 are the lengths before the labels of a reverse name, as DNS has them. */
static const uint8_t classes[256] = {
	['0' ... '9'] = HEX | DIGIT, ['a' ... 'f'] = HEX, ['A' ... 'F'] = HEX, ['.'] = SEPARATOR, [':'] = SEPARATOR,
	['-'] = SEPARATOR,           ['_'] = SEPARATOR,   [1] = SEPARATOR,     [2] = SEPARATOR,   [3] = SEPARATOR,
};

struct scan {
	struct audit_hits *hits;
	const struct audit_place *place;
	const uint8_t *data;
	size_t length;
};

static uint8_t byte_at(const struct scan *s, size_t at) { return at < s->length ? s->data[at] : 0; }
static bool is_hex(const struct scan *s, size_t at) { return classes[byte_at(s, at)] & HEX; }
static bool is_digit(const struct scan *s, size_t at) { return classes[byte_at(s, at)] & DIGIT; }

static bool is_letter(const struct scan *s, size_t at)
{
	uint8_t c = byte_at(s, at) | 0x20;
	return c >= 'a' && c <= 'z';
}

static size_t run_of(const struct scan *s, size_t at, uint8_t class, size_t most)
{
	size_t n = 0;

	while (n < most && classes[byte_at(s, at + n)] & class)
		n++;
	return n;
}

static uint8_t hex_value(uint8_t c) { return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); }

/* ---- numbers with something between ---- */

static bool before_reverse_zone(const struct scan *s, size_t at)
{
	static const char zone[] = "in-addr";

	at++; /* the dot, or the length of the label */
	for (size_t i = 0; zone[i]; i++)
		if (zone[i] != '-' ? (byte_at(s, at + i) | 0x20) != zone[i] : byte_at(s, at + i) != '-')
			return false;
	return true;
}

static void try_dotted(const struct scan *s, size_t begin)
{
	uint8_t bytes[4];
	size_t at = begin;

	for (unsigned i = 0; i < 4; i++) {
		size_t digits = run_of(s, at, DIGIT, 4);
		unsigned value = 0;
		if (digits == 0 || digits > 3)
			return;
		for (size_t j = 0; j < digits; j++)
			value = value * 10 + s->data[at + j] - '0';
		if (value > 255)
			return;
		bytes[i] = (uint8_t)value;
		at += digits;
		if (i == 3)
			break;
		uint8_t between = byte_at(s, at), first = byte_at(s, begin + run_of(s, begin, DIGIT, 3));
		/* The same between all of them; or each number's own length before it. */
		if (between <= 3 ? between != run_of(s, at + 1, DIGIT, 4) : between == ':' || between != first)
			return;
		at++;
	}
	audit_check_ipv4(s->hits, s->place, begin, weir_load_native32(bytes), AUDIT_DOTTED, AUDIT_CERTAIN);
	bool zone = before_reverse_zone(s, at);
	if (!zone)
		audit_trials(s->hits, AUDIT_CHANCE_TURNED, 1);
	audit_check_ipv4(s->hits, s->place, begin, weir_swap32(weir_load_native32(bytes)), AUDIT_DOTTED_REVERSED,
	                 zone ? AUDIT_CERTAIN : AUDIT_CHANCE_TURNED);
}

static void try_number(const struct scan *s, size_t begin, size_t digits)
{
	uint64_t value = 0;

	if (digits < NUMBER_LEAST || digits > 10)
		return;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + s->data[begin + i] - '0';
	if (value > UINT32_MAX)
		return;
	uint32_t address = WEIR_FROM_BE(32, (uint32_t)value);
	audit_trials(s->hits, AUDIT_CHANCE_DECIMAL, 2);
	audit_check_ipv4(s->hits, s->place, begin, address, AUDIT_DECIMAL, AUDIT_CHANCE_DECIMAL);
	audit_check_ipv4(s->hits, s->place, begin, weir_swap32(address), AUDIT_DECIMAL_REVERSED, AUDIT_CHANCE_DECIMAL);
}

static void try_hex8(const struct scan *s, size_t begin)
{
	uint8_t bytes[4];

	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(hex_value(s->data[begin + 2 * i]) << 4 | hex_value(s->data[begin + 2 * i + 1]));
	uint32_t address = weir_load_native32(bytes);
	audit_trials(s->hits, AUDIT_CHANCE_HEX8, 2);
	audit_check_ipv4(s->hits, s->place, begin, address, AUDIT_HEX, AUDIT_CHANCE_HEX8);
	audit_check_ipv4(s->hits, s->place, begin, weir_swap32(address), AUDIT_HEX_REVERSED, AUDIT_CHANCE_HEX8);
}

/* ---- groups of hex digits ---- */

static void try_nibbles(const struct scan *s, size_t begin)
{
	uint8_t forward[16], turned[16], nibbles[32];
	uint8_t between = byte_at(s, begin + 1);
	size_t n = 0, at = begin;

	while (n < 32 && is_hex(s, at) && !is_hex(s, at + 1)) {
		nibbles[n++] = hex_value(s->data[at]);
		if (byte_at(s, at + 1) != between)
			break;
		at += 2;
	}
	if (n < 16)
		return;
	n &= ~(size_t)1;
	for (size_t i = 0; i < n / 2; i++) {
		forward[i] = (uint8_t)(nibbles[2 * i] << 4 | nibbles[2 * i + 1]);
		turned[i] = (uint8_t)(nibbles[n - 1 - 2 * i] << 4 | nibbles[n - 2 - 2 * i]);
	}
	audit_check_bytes(s->hits, s->place, begin, forward, n / 2, AUDIT_NIBBLES);
	audit_check_bytes(s->hits, s->place, begin, turned, n / 2, AUDIT_NIBBLES);
}

/* Bytes, or pairs of them, with the same character between: MAC addresses in their ways, EUI-64, IPv6 without "::". */
static void try_groups(const struct scan *s, size_t begin, size_t width)
{
	uint8_t bytes[16], between = byte_at(s, begin + width);
	size_t n = 0, at = begin;

	if (width == 1 && (between == '.' || between == 1)) {
		try_nibbles(s, begin);
		return;
	}
	if (between <= 3 || width == 3 || width > 4)
		return;
	while (n < sizeof bytes) {
		size_t digits = run_of(s, at, HEX, 5);
		if (width == 4 ? digits != 4 : digits == 0 || digits > 2)
			break;
		uint32_t value = 0;
		for (size_t i = 0; i < digits; i++)
			value = value << 4 | hex_value(s->data[at + i]);
		if (width == 4)
			bytes[n++] = (uint8_t)(value >> 8);
		bytes[n++] = (uint8_t)value;
		at += digits;
		if (byte_at(s, at) != between)
			break;
		at++;
	}
	if (n >= 6)
		audit_check_bytes(s->hits, s->place, begin, bytes, n, AUDIT_COLONS);
}

/* ---- IPv6 ---- */

static void try_ipv6(const struct scan *s, size_t begin)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	size_t n = 0, colons = 0;

	for (;
	     n < sizeof text - 1 && (is_hex(s, begin + n) || byte_at(s, begin + n) == ':' || byte_at(s, begin + n) == '.');
	     n++) {
		text[n] = (char)s->data[begin + n];
		colons += text[n] == ':';
	}
	/* What follows may not belong to it: a full stop, a port. */
	for (unsigned tries = 0; tries < 6 && colons >= 2 && n >= 2; tries++) {
		text[n] = '\0';
		if (inet_pton(AF_INET6, text, bytes) == 1) {
			static const uint8_t zeros[12] = {0};
			audit_check_bytes(s->hits, s->place, begin, bytes, 16, AUDIT_TEXT);
			if (memcmp(bytes, zeros, 12) == 0)
				audit_check_ipv4(s->hits, s->place, begin, weir_load_native32(bytes + 12), AUDIT_COMPATIBLE,
				                 AUDIT_CERTAIN);
			return;
		}
		do
			colons -= text[--n] == ':';
		while (n > 0 && text[n] != ':' && text[n] != '.');
	}
}

/*
 * Whether an address may begin here: not behind the colon of another group. But the end of a word may look like one: "node:2001:db8::1" has a word and an
 * address, not an address that begins with "de".
 */
static bool may_begin_ipv6(const struct scan *s, size_t at)
{
	size_t group = at - 1;

	if (at == 0 || s->data[at - 1] != ':')
		return true;
	if (group > 0 && s->data[group - 1] != ':' && !is_hex(s, group - 1))
		return true;
	while (group > 0 && at - group <= 5 && is_hex(s, group - 1))
		group--;
	return at - group > 5 || (group + 1 < at && group > 0 && (is_letter(s, group - 1) || s->data[group - 1] == '_'));
}

/* ---- the scan ---- */

static void try_all(const struct scan *s, size_t at)
{
	bool hex_before = at > 0 && is_hex(s, at - 1);
	uint8_t before = at > 0 ? s->data[at - 1] : 0;

	if (is_digit(s, at) && !(at > 0 && is_digit(s, at - 1)))
		try_dotted(s, at);
	if (hex_before)
		return;
	if (!is_hex(s, at)) {
		if (s->data[at] == ':' && byte_at(s, at + 1) == ':' && before != ':')
			try_ipv6(s, at);
		return;
	}
	size_t digits = run_of(s, at, HEX, 33);
	if (digits <= 4) {
		try_groups(s, at, digits);
		if (may_begin_ipv6(s, at))
			try_ipv6(s, at);
	}
	/* Numbers stand alone, or behind "0x". */
	bool number_behind =
		byte_at(s, at + digits + 2) == 0 && byte_at(s, at + digits + 3) == 0; /* as of a block's length */
	bool apart =
		(!is_letter(s, at + digits) || number_behind) && (!(at > 0 && is_letter(s, at - 1)) || (before | 0x20) == 'x');
	if (!s->place->numbers || !apart)
		return;
	if (digits == 8)
		try_hex8(s, at);
	if (before != '.' && byte_at(s, at + digits) != '.' && run_of(s, at, DIGIT, 33) == digits)
		try_number(s, at, digits);
}

void audit_tokens(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                  size_t from, size_t to)
{
	struct scan s = {hits, place, data, length};

	/* A token has six bytes of the kind at least: every sixth is looked at until one is. */
	for (size_t at = from; at < to;) {
		size_t probe = at + TOKEN_LEAST - 1;
		if (probe >= length)
			break;
		if (!classes[data[probe]]) {
			at = probe + 1;
			continue;
		}
		size_t begin = probe, end = probe;
		while (begin > at && classes[data[begin - 1]])
			begin--;
		while (end < length && classes[data[end]])
			end++;
		if (end - begin < TOKEN_LEAST && begin > from) {
			at = end + 1;
			continue;
		}
		for (size_t i = begin; i < end && i < to; i++)
			if (classes[data[i]] & HEX || data[i] == ':')
				try_all(&s, i);
		at = end + 1;
	}
}
