/* file/age_keys.h: what stands in the lists of weir/seal.h. */
#ifndef FILE_AGE_KEYS_H
#define FILE_AGE_KEYS_H

#include <pthread.h>

#include <weir/seal.h>

#include "file/bech32.h"

#define AGE_KEYS_MAX 1000

struct age_recipient {
	uint8_t key[BECH32_KEY];
	char text[BECH32_TEXT];
};

struct weir_recipients {
	struct age_recipient *items;
	size_t count, capacity;
	char *passphrase; /* NULL: none; else there are no items */
};

struct age_identity {
	uint8_t secret[BECH32_KEY], key[BECH32_KEY]; /* of X25519: private and public */
	char text[BECH32_TEXT];                      /* the recipient that it is for */
};

struct weir_identities {
	struct age_identity *items;
	size_t count, capacity;
	int (*ask)(void *context, const char *file, char *passphrase, size_t size, struct weir_fault *fault);
	void *context;
	pthread_mutex_t lock; /* for what follows: the passphrase is asked for by whoever needs it first */
	char *passphrase;
	bool asked;
	int answer; /* what ask returned */
};

/* The passphrase, asked for now if it was not yet. 0 and a view that stays as long as the list, or an error. */
int age_identities_passphrase(struct weir_identities *identities, const char *file, const char **passphrase,
                              struct weir_fault *fault);

#endif
