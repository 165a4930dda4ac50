/*
 * weir/key.h: the secret key of a campaign, and the keys that are derived from it.
 *
 * A key never stands in the archive: it is a file of its own (mode 0600), one line of text, "WEIR-KEY-1" and 64 hexadecimal digits. Keys are never
 * printed, and are wiped from memory by who holds them (weir_wipe).
 */
#ifndef WEIR_KEY_H
#define WEIR_KEY_H

#include <weir/error.h>

#define WEIR_KEY_BYTES 32

struct weir_key {
	uint8_t bytes[WEIR_KEY_BYTES];
};

/* Draws a new key from the system's random numbers. 0 or WEIR_E_SYSTEM. */
int weir_key_new(struct weir_key *key, struct weir_fault *fault);

/* Writes a key to a new file that only its owner may read. A file that exists is never replaced: WEIR_E_USAGE. */
int weir_key_write(const char *path, const struct weir_key *key, struct weir_fault *fault);

/* Reads one. WEIR_E_FORMAT when it is none; WEIR_E_PERMISSION when others than its owner may read the file. */
int weir_key_read(const char *path, struct weir_key *key, struct weir_fault *fault);

/*
 * The key for one purpose ("cryptopan", "names", …): HKDF with SHA-256 (RFC 5869), no salt, the purpose as info behind "weir/1 ". Those of different
 * purposes say nothing of each other or of the key. length: 1 … 8,160 bytes. 0 or WEIR_E_MEMORY.
 */
int weir_key_derive(const struct weir_key *key, const char *purpose, void *out, size_t length, struct weir_fault *fault);

/* Overwrites a secret, in a way that compilers do not leave out. */
void weir_wipe(void *secret, size_t length);

/*
 * Makes a secret file appear whole: created with mode 0600, never over another (WEIR_E_USAGE), synchronised. For keys and identities.
 */
int weir_secret_write(const char *path, const void *data, size_t length, struct weir_fault *fault);

/* Reads a secret file of at most limit bytes. WEIR_E_PERMISSION when others than its owner may read it. Wipe *data, then free() it. */
int weir_secret_read(const char *path, size_t limit, char **data, size_t *length, struct weir_fault *fault);

#endif
