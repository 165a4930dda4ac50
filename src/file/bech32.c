#include "file/bech32.h"

#include <string.h>

#define SYMBOLS 52 /* 256 bits in fives */
#define CHECK 6

static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static uint32_t add_symbol(uint32_t state, unsigned symbol)
{
	static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
	uint32_t top = state >> 25;

	state = (state & 0x1ffffff) << 5 ^ symbol;
	for (unsigned i = 0; i < 5; i++)
		if (top >> i & 1)
			state ^= generator[i];
	return state;
}

static uint32_t begin(const char *prefix)
{
	uint32_t state = 1;

	for (const char *p = prefix; *p; p++)
		state = add_symbol(state, (unsigned)(unsigned char)*p >> 5);
	state = add_symbol(state, 0);
	for (const char *p = prefix; *p; p++)
		state = add_symbol(state, *p & 31);
	return state;
}

static char capital(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c; }

void bech32_encode(const char *prefix, const uint8_t key[static BECH32_KEY], bool upper, char text[static BECH32_TEXT])
{
	uint32_t state = begin(prefix), bits = 0;
	unsigned held = 0;
	size_t at = strlen(prefix);

	memcpy(text, prefix, at);
	text[at++] = '1';
	for (unsigned i = 0, byte = 0; i < SYMBOLS; i++) {
		while (held < 5) {
			bits = bits << 8 | (byte < BECH32_KEY ? key[byte] : 0);
			byte++;
			held += 8;
		}
		held -= 5;
		unsigned symbol = bits >> held & 31;
		state = add_symbol(state, symbol);
		text[at++] = alphabet[symbol];
	}
	for (unsigned i = 0; i < CHECK; i++)
		state = add_symbol(state, 0);
	state ^= 1;
	for (unsigned i = 0; i < CHECK; i++)
		text[at++] = alphabet[state >> 5 * (CHECK - 1 - i) & 31];
	text[at] = '\0';
	for (size_t i = 0; upper && i < at; i++)
		text[i] = capital(text[i]);
}

/* The value of a character in the case that is asked for, or -1. */
static int value_of(char c, bool upper)
{
	for (int i = 0; i < 32; i++)
		if ((upper ? capital(alphabet[i]) : alphabet[i]) == c)
			return i;
	return -1;
}

bool bech32_decode(const char *prefix, const char *text, size_t length, bool upper, uint8_t key[static BECH32_KEY])
{
	size_t at = strlen(prefix);
	uint32_t state = begin(prefix), bits = 0;
	unsigned held = 0, bytes = 0;

	if (length != at + 1 + SYMBOLS + CHECK || text[at] != '1')
		return false;
	for (size_t i = 0; i < at; i++)
		if (text[i] != (upper ? capital(prefix[i]) : prefix[i]))
			return false;
	for (unsigned i = 0; i < SYMBOLS + CHECK; i++) {
		int value = value_of(text[at + 1 + i], upper);
		if (value < 0)
			return false;
		state = add_symbol(state, (unsigned)value);
		if (i >= SYMBOLS)
			continue;
		bits = bits << 5 | (unsigned)value;
		held += 5;
		if (held >= 8) {
			held -= 8;
			key[bytes++] = (uint8_t)(bits >> held);
		}
	}
	/* 260 bits for 256: those left over are zero. */
	return state == 1 && bytes == BECH32_KEY && (bits & ((1u << held) - 1)) == 0;
}
