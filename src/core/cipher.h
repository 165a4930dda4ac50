/*
 * core/cipher.h: AES-128, many blocks a call, and what is made of it: keyed permutations of small numbers.
 */
#ifndef CORE_CIPHER_H
#define CORE_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CIPHER_BLOCK 16
#define CIPHER_KEY 16

/* One thread at a time. The key is wiped when it is freed. */
struct cipher;

/* NULL when there is no memory, or no AES in the system's OpenSSL. */
struct cipher *cipher_new(const uint8_t key[static CIPHER_KEY]);
void cipher_free(struct cipher *cipher);

/* Encrypts `count` blocks, each by itself (ECB). in and out may be the same. */
void cipher_blocks(struct cipher *cipher, const uint8_t *in, uint8_t *out, size_t count);

/* Whether an encryption has ever failed: nothing that came out since is to be used. */
bool cipher_failed(const struct cipher *cipher);

/*
 * A permutation of the numbers of `bits` bits (even, 8 … 64), another one for each purpose: a balanced Feistel network of ten rounds with AES as its
 * function (as FF1 of NIST SP 800-38G is one, on numbers of a power of two, without its radix).
 */
uint64_t cipher_permute(struct cipher *cipher, uint8_t purpose, unsigned bits, uint64_t value);

/*
 * Fills table with a permutation of first … first + count - 1, drawn by Fisher and Yates's shuffle from the cipher's stream: for numbers so small that all of them
 * can be written down. count: 1 … 65,536.
 */
void cipher_shuffle(struct cipher *cipher, uint8_t purpose, uint16_t first, uint32_t count, uint16_t *table);

/*
 * Fills out with bytes that depend on all of data (at most 255 bytes) and the purpose, and tell nothing of either: CBC-MAC with the length in its first
 * block, and from it as many blocks as it takes (at most 255).
 */
void cipher_prf(struct cipher *cipher, uint8_t purpose, const void *data, size_t length, void *out, size_t out_length);

#endif
