#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/key.h>

static char folder[] = "/tmp/weir-key-XXXXXX";
static char path[64];

static void write_text(const char *text, unsigned mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void a_key_is_read_back_from_a_file_that_only_its_owner_may_read(void **state)
{
	struct weir_key key, back;
	struct stat status;

	assert_int_equal(weir_key_new(&key, NULL), 0);
	assert_int_equal(weir_key_write(path, &key, NULL), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(weir_key_read(path, &back, NULL), 0);
	assert_memory_equal(&key, &back, sizeof key);
	assert_int_equal(weir_key_write(path, &key, NULL), WEIR_E_USAGE);
	unlink(path);
}

static void what_others_may_read_or_is_no_key_is_refused(void **state)
{
	static const char sound[] = "WEIR-KEY-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
	static const char *const bad[] = {
		"", "WEIR-KEY-1 \n", "WEIR-KEY-2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
		"WEIR-KEY-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g\n",
		"WEIR-KEY-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00\n",
	};
	struct weir_key key;

	write_text(sound, 0640);
	assert_int_equal(weir_key_read(path, &key, NULL), WEIR_E_PERMISSION);
	write_text(sound, 0600);
	assert_int_equal(weir_key_read(path, &key, NULL), 0);
	assert_int_equal(key.bytes[31], 0x1f);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		write_text(bad[i], 0600);
		assert_int_equal(weir_key_read(path, &key, NULL), WEIR_E_FORMAT);
	}
	unlink(path);
	assert_int_equal(weir_key_read(path, &key, NULL), WEIR_E_NOT_FOUND);
}

/* The expected bytes were computed with another implementation of HKDF. */
static void derived_keys_are_those_of_rfc_5869(void **state)
{
	static const uint8_t expected[16] = {0x8e, 0x2b, 0x34, 0x7d, 0xbc, 0xa6, 0x2c, 0xe6, 0xe6, 0xbb, 0x72, 0x08, 0xa2, 0xbe, 0x13, 0xd0};
	struct weir_key key;
	uint8_t out[16], other[16];

	for (size_t i = 0; i < sizeof key.bytes; i++)
		key.bytes[i] = (uint8_t)i;
	assert_int_equal(weir_key_derive(&key, "test", out, sizeof out, NULL), 0);
	assert_memory_equal(out, expected, sizeof out);
	assert_int_equal(weir_key_derive(&key, "other", other, sizeof other, NULL), 0);
	assert_memory_not_equal(out, other, sizeof out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_read_back_from_a_file_that_only_its_owner_may_read),
		cmocka_unit_test(what_others_may_read_or_is_no_key_is_refused),
		cmocka_unit_test(derived_keys_are_those_of_rfc_5869),
	};

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof path, "%s/key", folder);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
