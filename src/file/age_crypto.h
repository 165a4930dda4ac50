/* file/age_crypto.h: the few operations that age is made of, by OpenSSL. Each is true when it worked. Any thread. */
#ifndef FILE_AGE_CRYPTO_H
#define FILE_AGE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGE_TAG 16u

/* Whether OpenSSL can be used at all. Each of these looks; who uses it by himself does. */
bool age_crypto_ready(void);

/* At most 256 bytes, of the kernel. */
bool age_random(void *out, size_t length);

bool age_x25519_public(const uint8_t secret[static 32], uint8_t public_key[static 32]);

/* False also when the shared secret is all zeros: the point was of low order. */
bool age_x25519_shared(const uint8_t secret[static 32], const uint8_t public_key[static 32], uint8_t shared[static 32]);

/* HKDF with SHA-256 (RFC 5869), 32 bytes of it. */
bool age_hkdf(const void *secret, size_t secret_length, const void *salt, size_t salt_length, const char *info,
              uint8_t out[static 32]);

bool age_hmac(const uint8_t key[static 32], const void *data, size_t length, uint8_t out[static 32]);

bool age_scrypt(const char *passphrase, const void *salt, size_t salt_length, unsigned log2_n, uint8_t out[static 32]);

/* ChaCha20-Poly1305 (RFC 8439) with a nonce of zeros, of a file key: 16 bytes and their tag. */
bool age_wrap(const uint8_t key[static 32], const uint8_t plain[static 16], uint8_t sealed[static 32]);
bool age_unwrap(const uint8_t key[static 32], const uint8_t sealed[static 32], uint8_t plain[static 16]);

#endif
