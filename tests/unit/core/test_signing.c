#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/signing.h"

static char folder[] = "/tmp/weir-signing-XXXXXX";
static char path[64];

/* RFC 8032, section 7.1, test 2; its key as PKCS #8. */
static const char pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
	"-----END PRIVATE KEY-----\n";
static const char public_hex[] = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
static const char signature_hex[] =
	"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

static void write_text(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}

static void signatures_are_those_of_rfc_8032(void **state)
{
	static const uint8_t message[] = {0x72};
	struct signing_key *key;
	uint8_t signature[SIGNATURE_BYTES];
	char hex[2 * SIGNATURE_BYTES + 1], public[SIGNING_PUBLIC_HEX];

	write_text(pem);
	assert_int_equal(signing_key_read(path, &key, NULL), 0);
	signing_key_public(key, public);
	assert_string_equal(public, public_hex);
	assert_int_equal(signing_sign(key, message, sizeof message, signature, NULL), 0);
	signing_to_hex(signature, sizeof signature, hex);
	assert_string_equal(hex, signature_hex);
	assert_true(signing_verify(public, message, sizeof message, signature));
	signature[5] ^= 1;
	assert_false(signing_verify(public, message, sizeof message, signature));
	assert_false(signing_verify("12", message, sizeof message, signature));
	signing_key_free(key);
	unlink(path);
}

static void a_new_key_is_read_back_and_other_files_are_none(void **state)
{
	struct signing_key *key, *back;
	char one[SIGNING_PUBLIC_HEX], two[SIGNING_PUBLIC_HEX];

	assert_int_equal(signing_key_new(&key, NULL), 0);
	assert_int_equal(signing_key_write(key, path, NULL), 0);
	assert_int_equal(signing_key_write(key, path, NULL), WEIR_E_USAGE);
	assert_int_equal(signing_key_read(path, &back, NULL), 0);
	signing_key_public(key, one);
	signing_key_public(back, two);
	assert_string_equal(one, two);
	signing_key_free(key);
	signing_key_free(back);
	write_text("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n");
	assert_int_equal(signing_key_read(path, &key, NULL), WEIR_E_FORMAT);
	assert_null(key);
	unlink(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_are_those_of_rfc_8032),
		cmocka_unit_test(a_new_key_is_read_back_and_other_files_are_none),
	};

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof path, "%s/key", folder);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
