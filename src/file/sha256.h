/* file/sha256.h: SHA-256 (FIPS 180-4) of a file. */
#ifndef FILE_SHA256_H
#define FILE_SHA256_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX 65 /* digits and the end of the string */

/* Reads fd to its end. 0 and hex, or an errno; EINTR: *stop (may be NULL) was set. */
int file_sha256(int fd, const _Atomic int *stop, char hex[static SHA256_HEX]);

/* A hash in the making, for who has the bytes from elsewhere. One thread at a time. NULL: no memory. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *sha256);
/* 0 or an errno. */
int sha256_add(struct sha256 *sha256, const void *data, size_t length);
int sha256_end(struct sha256 *sha256, char hex[static SHA256_HEX]); /* once, in the end */

#endif
