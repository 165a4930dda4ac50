/* file/sha256.h: SHA-256 (FIPS 180-4) of a file. */
#ifndef FILE_SHA256_H
#define FILE_SHA256_H

#include <stdatomic.h>

#define SHA256_HEX 65 /* digits and the end of the string */

/* Reads fd to its end. 0 and hex, or an errno; EINTR: *stop (may be NULL) was set. */
int file_sha256(int fd, const _Atomic int *stop, char hex[static SHA256_HEX]);

#endif
