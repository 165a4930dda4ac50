/*
 * core/signing.h: Ed25519 signatures (RFC 8032).
 *
 * A signing key is a PEM file (PKCS #8, RFC 5208), so that `openssl pkeyutl` can sign and verify too. Its public part is written as 64 hexadecimal
 * digits. Keys may be used by several threads at once.
 */
#ifndef CORE_SIGNING_H
#define CORE_SIGNING_H

#include <stdbool.h>

#include <weir/key.h>

#define SIGNING_PUBLIC_BYTES 32
#define SIGNING_PUBLIC_HEX 65 /* digits and the end of the string */
#define SIGNATURE_BYTES 64

struct signing_key;

/* Draws a new key. 0, WEIR_E_MEMORY or WEIR_E_SYSTEM. Free with signing_key_free (which takes NULL). */
int signing_key_new(struct signing_key **key, struct weir_fault *fault);

/* Reads one from a file that only its owner may read. WEIR_E_FORMAT when it holds no Ed25519 key, WEIR_E_PERMISSION. */
int signing_key_read(const char *path, struct signing_key **key, struct weir_fault *fault);

/* Writes one to a new file, mode 0600; never over another. */
int signing_key_write(const struct signing_key *key, const char *path, struct weir_fault *fault);
void signing_key_free(struct signing_key *key);

void signing_key_public(const struct signing_key *key, char hex[static SIGNING_PUBLIC_HEX]);
int signing_sign(const struct signing_key *key, const void *data, size_t length, uint8_t signature[static SIGNATURE_BYTES],
                 struct weir_fault *fault);

/* Whether the signature of data is that of the key with this public part. Anything that is malformed is no signature. */
bool signing_verify(const char *public_hex, const void *data, size_t length, const uint8_t signature[static SIGNATURE_BYTES]);

/* 2 * length lower-case digits and the end of the string; and back: whether hex is exactly length bytes. */
void signing_to_hex(const uint8_t *data, size_t length, char *hex);
bool signing_from_hex(const char *hex, size_t length, uint8_t *data);

#endif
