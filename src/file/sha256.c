#include "file/sha256.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

static int hash_descriptor(int fd, const _Atomic int *stop, EVP_MD_CTX *context, uint8_t *buffer, size_t size)
{
	if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
		return EIO;
	for (;;) {
		ssize_t n = read(fd, buffer, size);
		/* Relaxed: nothing else is read because of it. */
		if (stop && atomic_load_explicit((_Atomic int *)stop, memory_order_relaxed))
			return EINTR;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return 0;
		if (EVP_DigestUpdate(context, buffer, (size_t)n) != 1)
			return EIO;
	}
}

int file_sha256(int fd, const _Atomic int *stop, char hex[static SHA256_HEX])
{
	enum { SIZE = 1 << 18 };
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t *buffer = malloc(SIZE), digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	int failed = !context || !buffer ? ENOMEM : hash_descriptor(fd, stop, context, buffer, SIZE);

	if (!failed && EVP_DigestFinal_ex(context, digest, &length) != 1)
		failed = EIO;
	for (unsigned i = 0; !failed && i < length && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	free(buffer);
	EVP_MD_CTX_free(context);
	return failed;
}
