/* Ed25519 by OpenSSL: core/signing.h. */
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/signing.h"

#define FILE_MOST 4096

struct signing_key {
	EVP_PKEY *pair;
	uint8_t public[SIGNING_PUBLIC_BYTES];
};

void signing_to_hex(const uint8_t *data, size_t length, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		hex[2 * i] = digits[data[i] >> 4];
		hex[2 * i + 1] = digits[data[i] & 15];
	}
	hex[2 * length] = '\0';
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool signing_from_hex(const char *hex, size_t length, uint8_t *data)
{
	if (strlen(hex) != 2 * length)
		return false;
	for (size_t i = 0; i < length; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		data[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Takes the pair. */
static int wrap(EVP_PKEY *pair, struct signing_key **out, struct weir_fault *fault)
{
	struct signing_key *key = calloc(1, sizeof *key);
	size_t length = SIGNING_PUBLIC_BYTES;

	if (!key || EVP_PKEY_get_raw_public_key(pair, key->public, &length) != 1) {
		free(key);
		EVP_PKEY_free(pair);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a signing key");
	}
	key->pair = pair;
	*out = key;
	return 0;
}

int signing_key_new(struct signing_key **key, struct weir_fault *fault)
{
	EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	*key = NULL;
	return pair ? wrap(pair, key, fault) : weir_fail(fault, WEIR_E_SYSTEM, "the system gives no random numbers for a key");
}

int signing_key_read(const char *path, struct signing_key **key, struct weir_fault *fault)
{
	char *text;
	size_t length;
	int error = weir_secret_read(path, FILE_MOST, &text, &length, fault);

	*key = NULL;
	if (error)
		return error;
	BIO *memory = BIO_new_mem_buf(text, (int)length);
	/* An empty passphrase: a key that is locked by one is an error, and nobody is asked. */
	EVP_PKEY *pair = memory ? PEM_read_bio_PrivateKey(memory, NULL, NULL, (void *)"") : NULL;
	BIO_free(memory);
	weir_wipe(text, length);
	free(text);
	if (pair && EVP_PKEY_get_base_id(pair) == EVP_PKEY_ED25519)
		return wrap(pair, key, fault);
	EVP_PKEY_free(pair);
	return weir_fail_at(fault, WEIR_E_FORMAT, path, WEIR_NOWHERE, WEIR_NOWHERE, "is no Ed25519 key in PEM; make one with 'weir keys new --signing'");
}

int signing_key_write(const struct signing_key *key, const char *path, struct weir_fault *fault)
{
	BIO *memory = BIO_new(BIO_s_secmem());
	char *text;
	int error;

	if (memory && PEM_write_bio_PKCS8PrivateKey(memory, key->pair, NULL, NULL, 0, NULL, NULL) == 1) {
		long length = BIO_get_mem_data(memory, &text);
		error = weir_secret_write(path, text, (size_t)length, fault);
	} else {
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for a signing key");
	}
	BIO_free(memory); /* which wipes it */
	return error;
}

void signing_key_free(struct signing_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pair);
	free(key);
}

void signing_key_public(const struct signing_key *key, char hex[static SIGNING_PUBLIC_HEX])
{
	signing_to_hex(key->public, sizeof key->public, hex);
}

int signing_sign(const struct signing_key *key, const void *data, size_t length, uint8_t signature[static SIGNATURE_BYTES],
                 struct weir_fault *fault)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t size = SIGNATURE_BYTES;
	bool signed_it = context && EVP_DigestSignInit(context, NULL, NULL, NULL, key->pair) == 1 &&
	                 EVP_DigestSign(context, signature, &size, data, length) == 1 && size == SIGNATURE_BYTES;

	EVP_MD_CTX_free(context);
	return signed_it ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to sign");
}

bool signing_verify(const char *public_hex, const void *data, size_t length, const uint8_t signature[static SIGNATURE_BYTES])
{
	uint8_t public[SIGNING_PUBLIC_BYTES];

	if (!signing_from_hex(public_hex, sizeof public, public))
		return false;
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, sizeof public);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool holds = key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
	             EVP_DigestVerify(context, signature, SIGNATURE_BYTES, data, length) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return holds;
}
