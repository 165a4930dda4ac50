/*
 * core/cryptopan.h: Crypto-PAn, the prefix-preserving anonymisation of addresses (Fan, Xu, Ammar, Moon 2004).
 *
 * Bit i of what an address is combined with is the first bit of AES(its first i bits, then the rest of the pad): so two addresses that share n leading
 * bits, and no more, do so afterwards. IPv4 as in the reference implementation; IPv6 in the usual form, the same over 128 bits.
 */
#ifndef CORE_CRYPTOPAN_H
#define CORE_CRYPTOPAN_H

#include "core/cipher.h"

#define CRYPTOPAN_KEY 32 /* 16 bytes of AES key, 16 of what the pad is made from */

struct cryptopan {
	struct cipher *cipher;
	uint8_t pad[CIPHER_BLOCK];
};

/* False when there is no memory. */
bool cryptopan_init(struct cryptopan *cryptopan, const uint8_t key[static CRYPTOPAN_KEY]);
void cryptopan_clear(struct cryptopan *cryptopan);

/*
 * What an address of 32 or 128 bits is combined with (exclusive or) to hide it: bits from … to - 1 of it, from the front; the others are zero. In steps, because
 * the upper bits are the same for all addresses of a network: who remembers those encrypts half as much. address: the bits up to `to` count.
 */
uint32_t cryptopan_mask_ipv4(struct cryptopan *cryptopan, uint32_t address, unsigned from, unsigned to);
void cryptopan_mask_ipv6(struct cryptopan *cryptopan, const uint8_t address[static 16], unsigned from, unsigned to,
                         uint8_t mask[static 16]);

#endif
