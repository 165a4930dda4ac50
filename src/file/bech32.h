/* file/bech32.h: keys of 32 bytes as text (BIP 173, which age uses without the limit of 90 characters). */
#ifndef FILE_BECH32_H
#define FILE_BECH32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BECH32_KEY 32
#define BECH32_TEXT 80 /* room for the longest: AGE-SECRET-KEY-1, 58 characters, the terminator */

/* prefix: in lower case. upper: the text in capitals. */
void bech32_encode(const char *prefix, const uint8_t key[static BECH32_KEY], bool upper, char text[static BECH32_TEXT]);

/* Reads length characters. False when it is no sound text of 32 bytes with this prefix, or mixes cases, or is in the wrong one. */
bool bech32_decode(const char *prefix, const char *text, size_t length, bool upper, uint8_t key[static BECH32_KEY]);

#endif
