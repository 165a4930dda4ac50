/* file/sha256.h: SHA-256 (FIPS 180-4) of a file. */
#ifndef FILE_SHA256_H
#define FILE_SHA256_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX 65 /* digits and the end of the string */

/* Reads fd to its end. 0 and hex, or an errno; EINTR: *stop (may be NULL) was set. */
int file_sha256(int fd, const _Atomic int *stop, char hex[static SHA256_HEX]);

/* What somebody else has read of the file already. */
struct sha256_feed {
	/*
	 * The bytes from `at` on: how many, at least 1 and at most `most`; *data NULL: they are not to be had, and so many are to be read. They stay until the next
	 * call, or until the hash is made.
	 */
	size_t (*next)(void *context, uint64_t at, size_t most, const uint8_t **data);
	void *context;
};

/* As file_sha256, of the file from its beginning; what feed (may be NULL) has is not read. */
int file_sha256_fed(int fd, const struct sha256_feed *feed, const _Atomic int *stop, char hex[static SHA256_HEX]);

#endif
