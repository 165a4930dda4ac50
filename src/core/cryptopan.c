/* Crypto-PAn: core/cryptopan.h. */
#include <string.h>

#include <weir/bytes.h>
#include <weir/key.h>

#include "core/cryptopan.h"

bool cryptopan_init(struct cryptopan *cryptopan, const uint8_t key[static CRYPTOPAN_KEY])
{
	cryptopan->cipher = cipher_new(key);
	if (!cryptopan->cipher)
		return false;
	cipher_blocks(cryptopan->cipher, key + CIPHER_KEY, cryptopan->pad, 1);
	return !cipher_failed(cryptopan->cipher);
}

void cryptopan_clear(struct cryptopan *cryptopan)
{
	cipher_free(cryptopan->cipher);
	weir_wipe(cryptopan, sizeof *cryptopan);
}

/* All blocks of an address in one call: 13 M addresses/s by 32 blocks against 1.7 M by single ones. */
uint32_t cryptopan_mask_ipv4(struct cryptopan *cryptopan, uint32_t address, unsigned from, unsigned to)
{
	uint8_t blocks[32 * CIPHER_BLOCK];
	uint32_t pad = weir_load_be32(cryptopan->pad), mask = 0;

	if (from >= to || to > 32)
		return 0;
	for (unsigned i = from; i < to; i++) {
		uint8_t *block = blocks + (i - from) * CIPHER_BLOCK;
		uint32_t own = i ? UINT32_MAX << (32 - i) : 0;
		memcpy(block, cryptopan->pad, CIPHER_BLOCK);
		weir_store_be32(block, (address & own) | (pad & ~own));
	}
	cipher_blocks(cryptopan->cipher, blocks, blocks, to - from);
	for (unsigned i = from; i < to; i++)
		mask |= (uint32_t)(blocks[(i - from) * CIPHER_BLOCK] >> 7) << (31 - i);
	return mask;
}

/* The first n bits of a, and behind them those of b. */
static void splice(const uint8_t *a, const uint8_t *b, unsigned n, uint8_t *out)
{
	memcpy(out, a, n / 8);
	memcpy(out + n / 8, b + n / 8, 16 - n / 8);
	if (n % 8) {
		uint8_t own = (uint8_t)(0xff00 >> n % 8);
		out[n / 8] = (uint8_t)((a[n / 8] & own) | (b[n / 8] & ~own));
	}
}

void cryptopan_mask_ipv6(struct cryptopan *cryptopan, const uint8_t address[static 16], unsigned from, unsigned to,
                         uint8_t mask[static 16])
{
	uint8_t blocks[128 * CIPHER_BLOCK];

	memset(mask, 0, 16);
	if (from >= to || to > 128)
		return;
	for (unsigned i = from; i < to; i++)
		splice(address, cryptopan->pad, i, blocks + (i - from) * CIPHER_BLOCK);
	cipher_blocks(cryptopan->cipher, blocks, blocks, to - from);
	for (unsigned i = from; i < to; i++)
		mask[i / 8] |= (uint8_t)(blocks[(i - from) * CIPHER_BLOCK] >> 7 << (7 - i % 8));
}
