#include "file/age_crypto.h"

#include <string.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>

/*
 * OpenSSL goes on without its own context when it had no memory to make it, and falls over that later. (Its random numbers need most of it; the
 * kernel's need nothing.)
 */
bool age_crypto_ready(void) { return OSSL_LIB_CTX_get0_global_default() != NULL; }

bool age_random(void *out, size_t length) { return getentropy(out, length) == 0; }

bool age_x25519_public(const uint8_t secret[static 32], uint8_t public_key[static 32])
{
	size_t length = 32;
	EVP_PKEY *key = age_crypto_ready() ? EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32) : NULL;
	bool made = key && EVP_PKEY_get_raw_public_key(key, public_key, &length) == 1 && length == 32;

	EVP_PKEY_free(key);
	return made;
}

bool age_x25519_shared(const uint8_t secret[static 32], const uint8_t public_key[static 32], uint8_t shared[static 32])
{
	static const uint8_t zeros[32];
	size_t length = 32;
	EVP_PKEY *own = age_crypto_ready() ? EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32) : NULL;
	EVP_PKEY *peer = own ? EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public_key, 32) : NULL;
	EVP_PKEY_CTX *context = own && peer ? EVP_PKEY_CTX_new(own, NULL) : NULL;
	bool made = context && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
	            EVP_PKEY_derive(context, shared, &length) == 1 && length == 32 && CRYPTO_memcmp(shared, zeros, 32) != 0;

	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(own);
	EVP_PKEY_free(peer);
	return made;
}

bool age_hkdf(const void *secret, size_t secret_length, const void *salt, size_t salt_length, const char *info,
              uint8_t out[static 32])
{
	EVP_KDF *kdf = age_crypto_ready() ? EVP_KDF_fetch(NULL, "HKDF", NULL) : NULL;
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, secret_length),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, strlen(info)),
		OSSL_PARAM_construct_end(),
		OSSL_PARAM_construct_end(),
	};

	/* OpenSSL takes no empty salt; without one it is zeros, which is the same. */
	if (salt_length)
		parameters[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_length);
	bool derived = context && EVP_KDF_derive(context, out, 32, parameters) == 1;

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return derived;
}

bool age_hmac(const uint8_t key[static 32], const void *data, size_t length, uint8_t out[static 32])
{
	unsigned made = 0;
	return age_crypto_ready() && HMAC(EVP_sha256(), key, 32, data, length, out, &made) && made == 32;
}

bool age_scrypt(const char *passphrase, const void *salt, size_t salt_length, unsigned log2_n, uint8_t out[static 32])
{
	/* OpenSSL refuses to take more memory than it is told: 128 × N × r bytes and a little. */
	uint64_t n = UINT64_C(1) << log2_n, memory = 128 * 8 * n + (UINT64_C(1) << 20);
	return age_crypto_ready() &&
	       EVP_PBE_scrypt(passphrase, strlen(passphrase), salt, salt_length, n, 8, 1, memory, out, 32) == 1;
}

static const uint8_t zero_nonce[12];

bool age_wrap(const uint8_t key[static 32], const uint8_t plain[static 16], uint8_t sealed[static 32])
{
	EVP_CIPHER_CTX *context = age_crypto_ready() ? EVP_CIPHER_CTX_new() : NULL;
	int n = 0, rest = 0;
	bool made = context && EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), NULL, key, zero_nonce) == 1 &&
	            EVP_EncryptUpdate(context, sealed, &n, plain, 16) == 1 && n == 16 &&
	            EVP_EncryptFinal_ex(context, sealed + 16, &rest) == 1 &&
	            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AGE_TAG, sealed + 16) == 1;

	EVP_CIPHER_CTX_free(context);
	return made;
}

bool age_unwrap(const uint8_t key[static 32], const uint8_t sealed[static 32], uint8_t plain[static 16])
{
	EVP_CIPHER_CTX *context = age_crypto_ready() ? EVP_CIPHER_CTX_new() : NULL;
	int n = 0, rest = 0;
	bool sound = context && EVP_DecryptInit_ex(context, EVP_chacha20_poly1305(), NULL, key, zero_nonce) == 1 &&
	             EVP_DecryptUpdate(context, plain, &n, sealed, 16) == 1 && n == 16 &&
	             EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, AGE_TAG, (void *)(sealed + 16)) == 1 &&
	             EVP_DecryptFinal_ex(context, plain + 16, &rest) == 1;

	EVP_CIPHER_CTX_free(context);
	if (!sound)
		OPENSSL_cleanse(plain, 16);
	return sound;
}
