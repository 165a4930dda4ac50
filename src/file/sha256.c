#include "file/sha256.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

enum { SIZE = 1 << 18 }; /* stays in the second-level cache */

/* Up to SIZE bytes from `at` on: how many; 0 at the end, or a negative errno. Without a feed it may be a pipe: then `at` is where it stands. */
static int64_t piece_at(int fd, const struct sha256_feed *feed, uint64_t at, uint8_t *buffer, const uint8_t **data)
{
	size_t size = SIZE;

	*data = NULL;
	if (feed)
		size = feed->next(feed->context, at, SIZE, data);
	if (*data)
		return (int64_t)size;
	*data = buffer;
	for (;;) {
		ssize_t n = feed ? pread(fd, buffer, size, (off_t)at) : read(fd, buffer, size);
		if (n >= 0 || errno != EINTR)
			return n < 0 ? -errno : n;
	}
}

static int hash_descriptor(int fd, const struct sha256_feed *feed, const _Atomic int *stop, EVP_MD_CTX *context,
                           uint8_t *buffer)
{
	uint64_t at = 0;

	if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
		return EIO;
	for (;;) {
		const uint8_t *data;
		int64_t n = piece_at(fd, feed, at, buffer, &data);
		/* Relaxed: nothing else is read because of it. */
		if (stop && atomic_load_explicit((_Atomic int *)stop, memory_order_relaxed))
			return EINTR;
		if (n <= 0)
			return (int)-n;
		if (EVP_DigestUpdate(context, data, (size_t)n) != 1)
			return EIO;
		at += (uint64_t)n;
	}
}

int file_sha256_fed(int fd, const struct sha256_feed *feed, const _Atomic int *stop, char hex[static SHA256_HEX])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t *buffer = malloc(SIZE), digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	int failed = !context || !buffer ? ENOMEM : hash_descriptor(fd, feed, stop, context, buffer);

	if (!failed && EVP_DigestFinal_ex(context, digest, &length) != 1)
		failed = EIO;
	for (unsigned i = 0; !failed && i < length && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	free(buffer);
	EVP_MD_CTX_free(context);
	return failed;
}

int file_sha256(int fd, const _Atomic int *stop, char hex[static SHA256_HEX])
{
	return file_sha256_fed(fd, NULL, stop, hex);
}
