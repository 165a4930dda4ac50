/*
 * core/signing.h: keys that sign (Ed25519, RFC 8032): a file of one line, "WEIR-SIGNING-KEY-1" and 64 hexadecimal digits. Wiped by who holds them.
 */
#ifndef CORE_SIGNING_H
#define CORE_SIGNING_H

#include <weir/error.h>

struct signing_key {
	uint8_t secret[32], public_key[32];
};

#define SIGNING_TEXT 96 /* room for the text of a public key: "weir-signing-1 " and 64 digits */

int signing_key_new(struct signing_key *key, struct weir_fault *fault);

/* Into a new file that only its owner may read, as weir_key_write. */
int signing_key_write(const char *path, const struct signing_key *key, struct weir_fault *fault);

/* WEIR_E_FORMAT when it is none; WEIR_E_PERMISSION when others may read it. */
int signing_key_read(const char *path, struct signing_key *key, struct weir_fault *fault);

void signing_public_text(const struct signing_key *key, char text[static SIGNING_TEXT]);

#endif
