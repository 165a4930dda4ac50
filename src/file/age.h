/*
 * file/age.h: age files, version 1 (https://age-encryption.org/v1, C2SP age.md): header and payload.
 *
 *   header    text: for each recipient a stanza that holds the file key wrapped, then a MAC over all of it
 *   nonce     16 bytes, from which and the file key the payload key is made
 *   payload   chunks of 64 KiB, each with a tag of 16 bytes behind it; the nonce of a chunk is its number and whether it is the last
 *
 * So any chunk can be opened alone, and a file that was cut is seen at its last chunk. No chunk's nonce may be used for two contents under one key: who writes a
 * chunk twice (a last one, that later is not the last) must see to that.
 */
#ifndef FILE_AGE_H
#define FILE_AGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/seal.h>

#include "file/age_crypto.h"

#define AGE_MAGIC "age-encryption.org/v1\n"
#define AGE_MAGIC_LENGTH (sizeof AGE_MAGIC - 1)
#define AGE_ANY_MAGIC "age-encryption.org/" /* of any version */
#define AGE_ARMOR "-----BEGIN AGE ENCRYPTED FILE-----"
#define AGE_HEADER_MOST ((size_t)1 << 20) /* a header that is longer is refused */
#define AGE_NONCE 16u
#define AGE_CHUNK 65536u
#define AGE_SEALED (AGE_CHUNK + AGE_TAG)

/* Wipe it. */
struct age_file_key {
	uint8_t bytes[16];
};

/*
 * The length of the header at data, which may go on behind length: 0 when more of it is needed, else with its last newline; or WEIR_E_FORMAT,
 * WEIR_E_UNSUPPORTED (another version). name is for the fault.
 */
int64_t age_header_length(const uint8_t *data, size_t length, const char *name, struct weir_fault *fault);

/*
 * Takes the file key out of a whole header. 0; WEIR_E_PERMISSION when none of the identities (which may be NULL) opens it; WEIR_E_FORMAT; WEIR_E_CORRUPT (MAC).
 * Stanzas of other types are passed over.
 */
int age_header_open(const uint8_t *header, size_t length, const struct weir_identities *identities, const char *name,
                    struct age_file_key *key, struct weir_fault *fault);

/*
 * Makes a header, to be freed. multiple: header and nonce together are filled up to a multiple of it, with a stanza that nobody takes for his, so that the payload
 * begins there and further recipients have room; 0: not filled up. 0 or an error.
 */
int age_header_write(const struct weir_recipients *recipients, const struct age_file_key *key, size_t multiple,
                     uint8_t **header, size_t *length, struct weir_fault *fault);

/* Opens and seals chunks of one payload. One thread at a time. */
struct age_payload;

int age_payload_new(const struct age_file_key *key, const uint8_t nonce[static AGE_NONCE], struct age_payload **payload,
                    struct weir_fault *fault);
void age_payload_free(struct age_payload *payload); /* takes NULL; wipes */

/*
 * What a new sealed file begins with: draws its key, which is then nowhere but in *payload, and its nonce. *start: header and nonce, to be freed, *length bytes.
 * multiple: as in age_header_write. 0 or an error.
 */
int age_begin(const struct weir_recipients *recipients, size_t multiple, struct age_payload **payload, uint8_t **start,
              size_t *length, struct weir_fault *fault);

/* Seals length <= AGE_CHUNK bytes into length + AGE_TAG. False when OpenSSL refuses: not met. */
bool age_payload_seal(struct age_payload *payload, uint64_t number, bool last, const void *plain, size_t length,
                      uint8_t *sealed);

/* Opens length >= AGE_TAG sealed bytes into length - AGE_TAG. False when they are not what was sealed as this chunk; then plain is wiped. */
bool age_payload_open(struct age_payload *payload, uint64_t number, bool last, const uint8_t *sealed, size_t length,
                      void *plain);

#endif
