/*
 * weir/error.h: how every function of libweir fails.
 *
 * A function that can fail returns int: 0 (or a count) when it worked, a negative enum weir_error when it did not, and
 * fills the struct weir_fault that the caller passed down. A fault is plain memory: nothing to free, may be NULL when
 * the caller does not care why. The library never prints and never exits.
 */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <stddef.h>
#include <stdint.h>

enum weir_error {
	WEIR_OK = 0,
	WEIR_E_USAGE = -1,       /* the caller asked for something that makes no sense */
	WEIR_E_FILTER = -2,      /* a filter expression that does not compile */
	WEIR_E_FORMAT = -3,      /* the bytes are not what their format says */
	WEIR_E_TRUNCATED = -4,   /* the input ends in the middle of something */
	WEIR_E_CORRUPT = -5,     /* a checksum does not hold */
	WEIR_E_UNSUPPORTED = -6, /* a sound input that weir does not read, or a feature not built in */
	WEIR_E_IO = -7,          /* the system could not read or write */
	WEIR_E_NO_SPACE = -8,    /* the file system or the quota is full */
	WEIR_E_MEMORY = -9,      /* an allocation failed */
	WEIR_E_PERMISSION = -10, /* the right to do it is missing */
	WEIR_E_NOT_FOUND = -11,  /* a file, interface or object that does not exist */
	WEIR_E_LIMIT = -12,      /* a bound set by an option was reached */
	WEIR_E_INTERRUPTED = -13, /* a signal asked for the end */
	WEIR_E_BUSY = -14,       /* somebody else holds it */
	WEIR_E_SYSTEM = -15,     /* any other refusal by the operating system */
};

#define WEIR_NOWHERE (-1)

struct weir_fault {
	int code;          /* enum weir_error; 0 when nothing failed */
	int system;        /* errno of the call that failed, or 0 */
	int64_t offset;    /* byte offset in file, or WEIR_NOWHERE */
	int64_t packet;    /* packet number, from 1, or WEIR_NOWHERE */
	char file[512];    /* the file it was found in, "" when none; cut at the front with … when longer */
	char message[512]; /* for a person: what failed, on what, what to do */
};

#if defined(__GNUC__)
#define WEIR_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define WEIR_PRINTF(text, first)
#endif

/* Empties a fault. */
void weir_fault_clear(struct weir_fault *fault);

/* Fills fault with code and a message, nowhere in particular. Returns code, so that `return weir_fail(...)` works. */
int weir_fail(struct weir_fault *fault, enum weir_error code, const char *format, ...) WEIR_PRINTF(3, 4);

/* As weir_fail, in a file, at a byte offset and packet number (either may be WEIR_NOWHERE, file may be NULL). */
int weir_fail_at(struct weir_fault *fault, enum weir_error code, const char *file, int64_t offset, int64_t packet,
                 const char *format, ...) WEIR_PRINTF(6, 7);

/*
 * As weir_fail, for a system call that failed with `system` (an errno): picks the code from it (ENOSPC and EDQUOT
 * WEIR_E_NO_SPACE, EACCES and EPERM WEIR_E_PERMISSION, ENOENT WEIR_E_NOT_FOUND, ENOMEM WEIR_E_MEMORY, else WEIR_E_IO),
 * and appends the system's own words to the message. file may be NULL.
 */
int weir_fail_errno(struct weir_fault *fault, int system, const char *file, const char *format, ...) WEIR_PRINTF(4, 5);

/* Writes "file: offset N: packet N: message" (what is known of it) to text, always terminated. Returns text. */
const char *weir_fault_text(const struct weir_fault *fault, char *text, size_t size);

/* The word for a code ("truncated", "no-space", …), for JSON and logs. Never NULL. */
const char *weir_error_name(int code);

#endif
