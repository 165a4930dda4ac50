/* AES-128 and keyed permutations: core/cipher.h. */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include <weir/bytes.h>

#include "core/cipher.h"

#define ROUNDS 10

/* The first byte of every block that is encrypted here for a use: no two uses ever encrypt the same block. */
enum use { USE_PERMUTE = 1, USE_SHUFFLE, USE_MAC, USE_EXPAND };

struct cipher {
	EVP_CIPHER_CTX *context;
	bool failed;
};

struct cipher *cipher_new(const uint8_t key[static CIPHER_KEY])
{
	struct cipher *cipher = calloc(1, sizeof *cipher);

	if (!cipher)
		return NULL;
	cipher->context = EVP_CIPHER_CTX_new();
	if (!cipher->context || EVP_EncryptInit_ex(cipher->context, EVP_aes_128_ecb(), NULL, key, NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(cipher->context, 0) != 1) {
		cipher_free(cipher);
		return NULL;
	}
	return cipher;
}

void cipher_free(struct cipher *cipher)
{
	if (!cipher)
		return;
	EVP_CIPHER_CTX_free(cipher->context); /* which wipes the key */
	free(cipher);
}

void cipher_blocks(struct cipher *cipher, const uint8_t *in, uint8_t *out, size_t count)
{
	int length = 0;

	if (EVP_EncryptUpdate(cipher->context, out, &length, in, (int)(count * CIPHER_BLOCK)) != 1 ||
	    (size_t)length != count * CIPHER_BLOCK) {
		cipher->failed = true;
		memset(out, 0, count * CIPHER_BLOCK);
	}
}

bool cipher_failed(const struct cipher *cipher) { return cipher->failed; }

uint64_t cipher_permute(struct cipher *cipher, uint8_t purpose, unsigned bits, uint64_t value)
{
	unsigned half = bits / 2;
	uint64_t mask = (UINT64_C(1) << half) - 1, left = value >> half & mask, right = value & mask;
	uint8_t block[CIPHER_BLOCK], out[CIPHER_BLOCK];

	for (uint8_t round = 0; round < ROUNDS; round++) {
		memset(block, 0, sizeof block);
		block[0] = USE_PERMUTE;
		block[1] = purpose;
		block[2] = (uint8_t)bits;
		block[3] = round;
		weir_store_be64(block + 8, right);
		cipher_blocks(cipher, block, out, 1);
		uint64_t next = (left ^ weir_load_be64(out)) & mask;
		left = right;
		right = next;
	}
	return left << half | right;
}

/* The cipher's stream for shuffles, 32 bits at a time. */
struct stream {
	struct cipher *cipher;
	uint8_t purpose;
	uint32_t block;
	unsigned left;
	uint8_t bytes[64 * CIPHER_BLOCK];
};

static uint32_t stream_next(struct stream *stream)
{
	if (stream->left == 0) {
		memset(stream->bytes, 0, sizeof stream->bytes);
		for (size_t i = 0; i < sizeof stream->bytes / CIPHER_BLOCK; i++) {
			uint8_t *block = stream->bytes + i * CIPHER_BLOCK;
			block[0] = USE_SHUFFLE;
			block[1] = stream->purpose;
			weir_store_be32(block + 8, stream->block++);
		}
		cipher_blocks(stream->cipher, stream->bytes, stream->bytes, sizeof stream->bytes / CIPHER_BLOCK);
		stream->left = sizeof stream->bytes / 4;
	}
	return weir_load_be32(stream->bytes + 4 * --stream->left);
}

/* One of 0 … bound - 1, all as likely: what lies beyond the last whole multiple of bound is drawn again. */
static uint32_t stream_below(struct stream *stream, uint32_t bound)
{
	uint32_t end = (uint32_t)(UINT64_C(0x100000000) / bound * bound - 1), value;

	do
		value = stream_next(stream);
	while (value > end && !stream->cipher->failed);
	return value % bound;
}

void cipher_shuffle(struct cipher *cipher, uint8_t purpose, uint16_t first, uint32_t count, uint16_t *table)
{
	struct stream stream = {.cipher = cipher, .purpose = purpose};

	for (uint32_t i = 0; i < count; i++)
		table[i] = (uint16_t)(first + i);
	for (uint32_t i = count - 1; i > 0; i--) {
		uint32_t other = stream_below(&stream, i + 1);
		uint16_t value = table[i];
		table[i] = table[other];
		table[other] = value;
	}
}

void cipher_prf(struct cipher *cipher, uint8_t purpose, const void *data, size_t length, void *out, size_t out_length)
{
	uint8_t state[CIPHER_BLOCK] = {USE_MAC, purpose, (uint8_t)length}, block[CIPHER_BLOCK];
	const uint8_t *p = data;

	cipher_blocks(cipher, state, state, 1);
	for (size_t at = 0; at < length; at += CIPHER_BLOCK) {
		size_t some = length - at < CIPHER_BLOCK ? length - at : CIPHER_BLOCK;
		for (size_t i = 0; i < some; i++)
			state[i] ^= p[at + i];
		cipher_blocks(cipher, state, state, 1);
	}
	for (size_t at = 0; at < out_length; at += CIPHER_BLOCK) {
		size_t some = out_length - at < CIPHER_BLOCK ? out_length - at : CIPHER_BLOCK;
		block[0] = USE_EXPAND;
		block[1] = (uint8_t)(at / CIPHER_BLOCK);
		memcpy(block + 2, state, CIPHER_BLOCK - 2);
		cipher_blocks(cipher, block, block, 1);
		memcpy((uint8_t *)out + at, block, some);
	}
}
