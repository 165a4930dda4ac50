/* The payload of age files: STREAM over ChaCha20-Poly1305. */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include <weir/bytes.h>
#include <weir/key.h>

#include "file/age.h"

struct age_payload {
	EVP_CIPHER_CTX *seal, *open; /* keyed */
	uint8_t key[32];
};

/* The key is set once; for each chunk only the nonce, which takes no memory. */
static EVP_CIPHER_CTX *keyed(const uint8_t *key, int encrypt)
{
	EVP_CIPHER_CTX *context = age_crypto_ready() ? EVP_CIPHER_CTX_new() : NULL;

	if (context && EVP_CipherInit_ex(context, EVP_chacha20_poly1305(), NULL, key, NULL, encrypt) != 1) {
		EVP_CIPHER_CTX_free(context);
		context = NULL;
	}
	return context;
}

int age_payload_new(const struct age_file_key *key, const uint8_t nonce[static AGE_NONCE], struct age_payload **payload,
                    struct weir_fault *fault)
{
	struct age_payload *made = calloc(1, sizeof *made);

	if (made && age_hkdf(key->bytes, sizeof key->bytes, nonce, AGE_NONCE, "payload", made->key)) {
		made->seal = keyed(made->key, 1);
		made->open = keyed(made->key, 0);
	}
	if (!made || !made->seal || !made->open) {
		age_payload_free(made);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a sealed file");
	}
	*payload = made;
	return 0;
}

void age_payload_free(struct age_payload *payload)
{
	if (!payload)
		return;
	EVP_CIPHER_CTX_free(payload->seal);
	EVP_CIPHER_CTX_free(payload->open);
	weir_wipe(payload, sizeof *payload);
	free(payload);
}

static void make_nonce(uint64_t number, bool last, uint8_t nonce[static 12])
{
	memset(nonce, 0, 3);
	weir_store_be64(nonce + 3, number);
	nonce[11] = last;
}

bool age_payload_seal(struct age_payload *payload, uint64_t number, bool last, const void *plain, size_t length,
                      uint8_t *sealed)
{
	EVP_CIPHER_CTX *context = payload->seal;
	uint8_t nonce[12];
	int n = 0, rest = 0;

	make_nonce(number, last, nonce);
	return EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce) == 1 &&
	       (length == 0 || EVP_EncryptUpdate(context, sealed, &n, plain, (int)length) == 1) && n == (int)length &&
	       EVP_EncryptFinal_ex(context, sealed + n, &rest) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AGE_TAG, sealed + length) == 1;
}

bool age_payload_open(struct age_payload *payload, uint64_t number, bool last, const uint8_t *sealed, size_t length,
                      void *plain)
{
	EVP_CIPHER_CTX *context = payload->open;
	uint8_t nonce[12], nothing[16];
	int size = (int)(length - AGE_TAG), n = 0, rest = 0;

	make_nonce(number, last, nonce);
	bool sound = EVP_DecryptInit_ex(context, NULL, NULL, NULL, nonce) == 1 &&
	             EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, AGE_TAG, (void *)(sealed + size)) == 1 &&
	             (size == 0 || EVP_DecryptUpdate(context, plain, &n, sealed, size) == 1) && n == size &&
	             EVP_DecryptFinal_ex(context, nothing, &rest) == 1;
	/* Bytes that were not proven sound are for nobody. */
	if (!sound && size)
		weir_wipe(plain, (size_t)size);
	return sound;
}

int age_begin(const struct weir_recipients *recipients, size_t multiple, struct age_payload **payload, uint8_t **start,
              size_t *length, struct weir_fault *fault)
{
	struct age_file_key key;
	uint8_t nonce[AGE_NONCE], *header = NULL, *whole = NULL;
	int error = 0;

	*payload = NULL;
	if (!age_random(key.bytes, sizeof key.bytes) || !age_random(nonce, sizeof nonce))
		error = weir_fail(fault, WEIR_E_SYSTEM, "the system gives no random numbers for a key");
	if (!error)
		error = age_header_write(recipients, &key, multiple, &header, length, fault);
	if (!error)
		error = age_payload_new(&key, nonce, payload, fault);
	weir_wipe(&key, sizeof key);
	if (!error && !(whole = realloc(header, *length + AGE_NONCE)))
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to seal a file");
	if (error) {
		free(header);
		age_payload_free(*payload);
		*payload = NULL;
		return error;
	}
	memcpy(whole + *length, nonce, AGE_NONCE);
	*start = whole;
	*length += AGE_NONCE;
	return 0;
}
