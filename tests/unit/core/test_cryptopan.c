/* Crypto-PAn against the published vectors, and keyed permutations. */
#include "../unit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/bytes.h>

#include "core/cryptopan.h"

static const uint8_t sample_key[32] = {21,  34,  23,  141, 51,  164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
                                       216, 152, 143, 131, 121, 121, 101, 39,  98, 87, 76, 45, 42, 132, 34,  2};

static uint32_t ipv4(const char *text)
{
	uint8_t bytes[4];

	assert_int_equal(inet_pton(AF_INET, text, bytes), 1);
	return weir_load_be32(bytes);
}

/* From the trace that comes with the reference implementation, and its key. */
static void addresses_are_those_of_the_reference(void **state)
{
	static const char *const pairs[][2] = {
		{"24.5.0.80", "100.9.15.210"},       {"24.13.62.231", "100.2.192.247"},    {"208.234.120.210", "227.154.67.17"},
		{"209.238.72.3", "226.6.119.243"},   {"192.102.249.13", "252.138.62.131"}, {"24.0.250.221", "100.15.198.226"},
		{"207.105.49.5", "241.118.205.138"}, {"209.68.60.238", "226.184.220.233"}, {"63.14.55.111", "95.9.215.7"},
	};
	struct cryptopan cryptopan;

	assert_true(cryptopan_init(&cryptopan, sample_key));
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		uint32_t address = ipv4(pairs[i][0]);
		assert_int_equal(address ^ cryptopan_mask_ipv4(&cryptopan, address, 0, 32), ipv4(pairs[i][1]));
	}
	cryptopan_clear(&cryptopan);
}

static unsigned digit(char c) { return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10); }

/* Every set of the shared file, IPv4 and IPv6. */
static void all_published_vectors_agree(void **state)
{
	const char *folder = getenv("WEIR_SHARED");
	struct cryptopan cryptopan = {0};
	char path[4096], line[512], raw[64], hidden[64];
	unsigned checked = 0;

	snprintf(path, sizeof path, "%s/vectors/cryptopan.txt", folder ? folder : "../shared");
	FILE *file = fopen(path, "r");
	if (!file)
		skip();
	while (fgets(line, sizeof line, file)) {
		uint8_t key[32], in[16], out[16], mask[16];
		if (strncmp(line, "key ", 4) == 0) {
			for (size_t i = 0; i < 32; i++)
				key[i] = (uint8_t)(digit(line[4 + 2 * i]) << 4 | digit(line[5 + 2 * i]));
			if (cryptopan.cipher)
				cryptopan_clear(&cryptopan);
			assert_true(cryptopan_init(&cryptopan, key));
		} else if (line[0] == '#' || sscanf(line, "%63s %63s", raw, hidden) != 2) {
			continue;
		} else if (inet_pton(AF_INET, raw, in) == 1) {
			uint32_t address = weir_load_be32(in);
			assert_int_equal(address ^ cryptopan_mask_ipv4(&cryptopan, address, 0, 32), ipv4(hidden));
			checked++;
		} else if (inet_pton(AF_INET6, raw, in) == 1 && inet_pton(AF_INET6, hidden, out) == 1) {
			cryptopan_mask_ipv6(&cryptopan, in, 0, 128, mask);
			for (unsigned i = 0; i < 16; i++)
				assert_int_equal(in[i] ^ mask[i], out[i]);
			checked++;
		}
	}
	fclose(file);
	cryptopan_clear(&cryptopan);
	assert_true(checked > 100);
}

static void a_mask_in_parts_is_the_mask(void **state)
{
	static const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	uint8_t whole[16], upper[16], lower[16];
	struct cryptopan cryptopan;

	assert_true(cryptopan_init(&cryptopan, sample_key));
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t a = i * 0x9e3779b1u;
		assert_int_equal(cryptopan_mask_ipv4(&cryptopan, a, 0, 32),
		                 cryptopan_mask_ipv4(&cryptopan, a, 0, 16) | cryptopan_mask_ipv4(&cryptopan, a, 16, 32));
	}
	cryptopan_mask_ipv6(&cryptopan, address, 0, 128, whole);
	cryptopan_mask_ipv6(&cryptopan, address, 0, 61, upper);
	cryptopan_mask_ipv6(&cryptopan, address, 61, 128, lower);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(whole[i], upper[i] | lower[i]);
	cryptopan_clear(&cryptopan);
}

static void numbers_are_permuted(void **state)
{
	static const unsigned widths[] = {8, 10, 12, 16, 20};
	struct cipher *cipher = cipher_new(sample_key);
	uint8_t *seen = malloc(1 << 20);

	assert_non_null(cipher);
	for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
		uint64_t count = UINT64_C(1) << widths[i], fixed = 0;
		memset(seen, 0, count);
		for (uint64_t v = 0; v < count; v++) {
			uint64_t out = cipher_permute(cipher, 1, widths[i], v);
			assert_true(out < count);
			assert_int_equal(seen[out]++, 0);
			fixed += out == v;
		}
		assert_true(fixed < 16);
	}
	/* Other purposes are other permutations. */
	assert_int_not_equal(cipher_permute(cipher, 1, 48, 12345), cipher_permute(cipher, 2, 48, 12345));
	free(seen);
	cipher_free(cipher);
}

/* 24 bits and more are the same network with wider halves: no two of many values meet. */
static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void wide_numbers_do_not_meet(void **state)
{
	static const unsigned widths[] = {24, 32, 48, 64};
	struct cipher *cipher = cipher_new(sample_key);
	uint64_t *out = malloc(100000 * sizeof *out);

	assert_non_null(cipher);
	for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
		for (uint64_t v = 0; v < 100000; v++)
			out[v] = cipher_permute(cipher, 1, widths[i], v);
		qsort(out, 100000, sizeof *out, compare);
		for (size_t v = 1; v < 100000; v++)
			assert_int_not_equal(out[v], out[v - 1]);
	}
	free(out);
	cipher_free(cipher);
}

static void tables_are_shuffled(void **state)
{
	struct cipher *cipher = cipher_new(sample_key);
	uint16_t *table = malloc(65536 * sizeof *table), *other = malloc(65536 * sizeof *other);
	uint8_t *seen = calloc(65536, 1);
	size_t fixed = 0, same = 0;

	assert_non_null(cipher);
	cipher_shuffle(cipher, 1, 0, 65536, table);
	cipher_shuffle(cipher, 2, 0, 65536, other);
	for (size_t i = 0; i < 65536; i++) {
		assert_int_equal(seen[table[i]]++, 0);
		fixed += table[i] == i;
		same += table[i] == other[i];
	}
	assert_true(fixed < 16 && same < 16);
	cipher_shuffle(cipher, 3, 1, 4094, table);
	memset(seen, 0, 65536);
	for (size_t i = 0; i < 4094; i++) {
		assert_true(table[i] >= 1 && table[i] <= 4094);
		assert_int_equal(seen[table[i]]++, 0);
	}
	free(seen);
	free(table);
	free(other);
	cipher_free(cipher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_those_of_the_reference),
		cmocka_unit_test(all_published_vectors_agree),
		cmocka_unit_test(a_mask_in_parts_is_the_mask),
		cmocka_unit_test(numbers_are_permuted),
		cmocka_unit_test(wide_numbers_do_not_meet),
		cmocka_unit_test(tables_are_shuffled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
