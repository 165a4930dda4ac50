#include "file/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

enum { SIZE = 1 << 18 }; /* stays in the second-level cache */

struct sha256 {
	EVP_MD_CTX *context;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *sha256 = calloc(1, sizeof *sha256);

	if (!sha256)
		return NULL;
	sha256->context = EVP_MD_CTX_new();
	if (sha256->context && EVP_DigestInit_ex(sha256->context, EVP_sha256(), NULL) == 1)
		return sha256;
	sha256_free(sha256);
	return NULL;
}

void sha256_free(struct sha256 *sha256)
{
	if (sha256)
		EVP_MD_CTX_free(sha256->context);
	free(sha256);
}

int sha256_add(struct sha256 *sha256, const void *data, size_t length)
{
	return EVP_DigestUpdate(sha256->context, data, length) == 1 ? 0 : EIO;
}

int sha256_end(struct sha256 *sha256, char hex[static SHA256_HEX])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	if (EVP_DigestFinal_ex(sha256->context, digest, &length) != 1)
		return EIO;
	for (unsigned i = 0; i < length && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int hash_descriptor(int fd, const _Atomic int *stop, struct sha256 *sha256, uint8_t *buffer)
{
	for (;;) {
		ssize_t n = read(fd, buffer, SIZE);

		/* Relaxed: nothing else is read because of it. */
		if (stop && atomic_load_explicit((_Atomic int *)stop, memory_order_relaxed))
			return EINTR;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : 0;
		int failed = sha256_add(sha256, buffer, (size_t)n);
		if (failed)
			return failed;
	}
}

int file_sha256(int fd, const _Atomic int *stop, char hex[static SHA256_HEX])
{
	struct sha256 *sha256 = sha256_new();
	uint8_t *buffer = malloc(SIZE);
	int failed = !sha256 || !buffer ? ENOMEM : hash_descriptor(fd, stop, sha256, buffer);

	if (!failed)
		failed = sha256_end(sha256, hex);
	free(buffer);
	sha256_free(sha256);
	return failed;
}
