/*
 * weir/seal.h: who may open what weir seals, and with what it opens what is sealed.
 *
 * Sealed files are age files, version 1 (https://age-encryption.org/v1): for X25519 recipients, or with a passphrase. The program
 * `age` opens what weir seals, and weir opens what `age` made. Who writes needs recipients, which are public ("age1…"); who reads
 * needs identities, which are secret ("AGE-SECRET-KEY-1…"), and are wiped from memory when they are freed. Both may be used by several threads at once
 * when nothing is added any more.
 */
#ifndef WEIR_SEAL_H
#define WEIR_SEAL_H

#include <stdbool.h>

#include <weir/error.h>

/* For whom a file is sealed. */
struct weir_recipients;

/* An empty list, to be freed with weir_recipients_free (which takes NULL). 0 or WEIR_E_MEMORY. */
int weir_recipients_new(struct weir_recipients **recipients, struct weir_fault *fault);
void weir_recipients_free(struct weir_recipients *recipients);

/* Adds one, "age1…"; one that is there already is not added again. 0, WEIR_E_USAGE when it is none, WEIR_E_LIMIT above 1,000. */
int weir_recipients_add(struct weir_recipients *recipients, const char *text, struct weir_fault *fault);

/* Adds those of a file: one a line; empty lines and lines that begin with # are passed over. As above, or an error of reading. */
int weir_recipients_read(struct weir_recipients *recipients, const char *path, struct weir_fault *fault);

/*
 * Seals with a passphrase instead: the only one of its list (WEIR_E_USAGE otherwise). For exports: opening such a file takes a second and 256 MiB of
 * memory, by intent. The passphrase is copied, and wiped with the list.
 */
int weir_recipients_passphrase(struct weir_recipients *recipients, const char *passphrase, struct weir_fault *fault);

/* How many there are (a passphrase counts as one), and each as text; "" for a passphrase. Valid until the list changes. */
size_t weir_recipients_count(const struct weir_recipients *recipients);
const char *weir_recipients_text(const struct weir_recipients *recipients, size_t number);

/* What opens sealed files. */
struct weir_identities;

int weir_identities_new(struct weir_identities **identities, struct weir_fault *fault);
void weir_identities_free(struct weir_identities *identities);

/* Adds one, "AGE-SECRET-KEY-1…". 0, WEIR_E_USAGE when it is none, WEIR_E_LIMIT above 1,000. */
int weir_identities_add(struct weir_identities *identities, const char *text, struct weir_fault *fault);

/*
 * Adds those of a file as age-keygen writes it: one a line; empty lines and lines that begin with # are passed over. WEIR_E_PERMISSION when others than its
 * owner may read it, WEIR_E_FORMAT when there is none in it or something else. Faults never quote what stands in it.
 */
int weir_identities_read(struct weir_identities *identities, const char *path, struct weir_fault *fault);

/*
 * Where the passphrase comes from when a file that is sealed with one is met: ask fills in passphrase (size bytes with the terminator) and returns
 * 0 or an error. It is asked once, and the answer kept, and wiped with the list. Not asked: such files cannot be opened.
 */
void weir_identities_ask(struct weir_identities *identities,
                         int (*ask)(void *context, const char *file, char *passphrase, size_t size, struct weir_fault *fault),
                         void *context);
#define WEIR_PASSPHRASE_SIZE 1024

size_t weir_identities_count(const struct weir_identities *identities);

/* The public part ("age1…") of an identity. Valid until the list is freed. */
const char *weir_identities_recipient(const struct weir_identities *identities, size_t number);

/* A new identity as the text of a file (with its public part in a comment, as age-keygen has it); wipe and free() it. recipient: 63 bytes. */
#define WEIR_RECIPIENT_SIZE 63
int weir_identity_new(char **text, size_t *length, char recipient[static WEIR_RECIPIENT_SIZE], struct weir_fault *fault);

#endif
