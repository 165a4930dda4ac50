#include "core/signing.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <weir/key.h>

#define HEAD "WEIR-SIGNING-KEY-1 "
#define HEAD_LENGTH (sizeof HEAD - 1)

static int derive_public(struct signing_key *key, struct weir_fault *fault)
{
	size_t length = sizeof key->public_key;
	EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->secret, sizeof key->secret);
	bool made =
		pair && EVP_PKEY_get_raw_public_key(pair, key->public_key, &length) == 1 && length == sizeof key->public_key;

	EVP_PKEY_free(pair);
	return made ? 0 : weir_fail(fault, WEIR_E_SYSTEM, "OpenSSL makes no key that signs");
}

int signing_key_new(struct signing_key *key, struct weir_fault *fault)
{
	if (RAND_priv_bytes(key->secret, sizeof key->secret) != 1)
		return weir_fail(fault, WEIR_E_SYSTEM, "the system gives no random numbers for a key");
	return derive_public(key, fault);
}

static size_t put_hex(char *text, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return 2 * length;
}

int signing_key_write(const char *path, const struct signing_key *key, struct weir_fault *fault)
{
	char line[HEAD_LENGTH + 2 * sizeof key->secret + 1] = HEAD;
	size_t length = HEAD_LENGTH + put_hex(line + HEAD_LENGTH, key->secret, sizeof key->secret);

	line[length++] = '\n';
	int error = weir_secret_write(path, line, length, fault);
	weir_wipe(line, sizeof line);
	return error;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse(const char *text, size_t length, struct signing_key *key)
{
	while (length && (text[length - 1] == '\n' || text[length - 1] == '\r' || text[length - 1] == ' '))
		length--;
	if (length != HEAD_LENGTH + 2 * sizeof key->secret || memcmp(text, HEAD, HEAD_LENGTH) != 0)
		return false;
	for (size_t i = 0; i < sizeof key->secret; i++) {
		int high = digit(text[HEAD_LENGTH + 2 * i]), low = digit(text[HEAD_LENGTH + 2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		key->secret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int signing_key_read(const char *path, struct signing_key *key, struct weir_fault *fault)
{
	char *text;
	size_t length;
	int error = weir_secret_read(path, 256, &text, &length, fault);

	if (error)
		return error == WEIR_E_FORMAT
		           ? weir_fail_at(fault, WEIR_E_FORMAT, path, WEIR_NOWHERE, WEIR_NOWHERE, "is no key that signs")
		           : error;
	error = parse(text, length, key)
	            ? derive_public(key, fault)
	            : weir_fail_at(fault, WEIR_E_FORMAT, path, WEIR_NOWHERE, WEIR_NOWHERE, "is no key that signs");
	if (error)
		weir_wipe(key, sizeof *key);
	weir_wipe(text, length);
	free(text);
	return error;
}

void signing_public_text(const struct signing_key *key, char text[static SIGNING_TEXT])
{
	static const char head[] = "weir-signing-1 ";

	memcpy(text, head, sizeof head - 1);
	text[sizeof head - 1 + put_hex(text + sizeof head - 1, key->public_key, sizeof key->public_key)] = '\0';
}
