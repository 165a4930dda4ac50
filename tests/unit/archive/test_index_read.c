#include "../unit.h"

#include "index_make.h"

static struct index_made sample(void)
{
	struct index_made made = {.linktypes = {1}, .linktype_count = 1};

	made_chunks(&made, 64);
	for (unsigned i = 0; i < 1000; i++) {
		made_number(&made, POSTING_IPV4, 0x0a000000 + i * 3, i % 64);
		made_number(&made, POSTING_PORT, i * 5, i % 64);
		made_number(&made, POSTING_MAC, UINT64_C(0x020000000000) + i, i % 7);
		struct index_key key = {{0x20, 0x01, 0x0d, 0xb8}};
		key.bytes[15] = (uint8_t)i;
		made_add(&made, POSTING_IPV6, key, i % 3);
	}
	return made;
}

static uint64_t look(const struct index *index, enum posting_kind kind, uint64_t least, uint64_t most)
{
	struct index_key a = index_key_number(least), b = index_key_number(most);
	return index_chunks_with(index, kind, &a, &b);
}

static void every_key_is_found_and_no_other(void **state)
{
	struct index_made made = sample();
	struct index index;
	size_t length;
	uint8_t *bytes = made_bytes(&made, &length);

	assert_int_equal(index_open_memory(bytes, length, "x.idx", &index, NULL), 0);
	assert_int_equal(index_check(&index, "x.idx", NULL), 0);
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(look(&index, POSTING_IPV4, 0x0a000000 + i * 3, 0x0a000000 + i * 3) == UINT64_C(1) << i % 64);
		assert_true(look(&index, POSTING_IPV4, 0x0a000000 + i * 3 + 1, 0x0a000000 + i * 3 + 2) == 0);
		assert_true(look(&index, POSTING_PORT, i * 5, i * 5) == UINT64_C(1) << i % 64);
		assert_true(look(&index, POSTING_MAC, UINT64_C(0x020000000000) + i, UINT64_C(0x020000000000) + i) == UINT64_C(1) << i % 7);
	}
	assert_true(look(&index, POSTING_IPV4, 0, UINT32_MAX) == UINT64_MAX);
	assert_true(look(&index, POSTING_IPV4, 0x0a000000, 0x0a000007) == 7);
	assert_true(look(&index, POSTING_VLAN, 0, 4095) == 0);
	struct index_key low = {{0x20, 0x01, 0x0d, 0xb8}}, high = low;
	high.bytes[15] = 1;
	assert_true(index_chunks_with(&index, POSTING_IPV6, &low, &high) == 7); /* 0, 1, 256, 257, 512, … */
	low.bytes[3] = high.bytes[3] = 0xb9;
	assert_true(index_chunks_with(&index, POSTING_IPV6, &low, &high) == 0);
	assert_int_equal(index.links, INDEX_LINKS_KNOWN | INDEX_LINKS_TYPED | INDEX_LINKS_ETHERNET);
	free(bytes);
	made_free(&made);
}

static void a_flipped_bit_is_found(void **state)
{
	struct index_made made = sample();
	size_t length;
	uint8_t *bytes = made_bytes(&made, &length);

	for (size_t bit = 0; bit < length * 8; bit += bit < 4096 ? 1 : 97) {
		struct index index;

		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (index_open_memory(bytes, length, "x.idx", &index, NULL) == 0)
			assert_int_equal(index_check(&index, "x.idx", NULL), WEIR_E_CORRUPT);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(bytes);
	made_free(&made);
}

/* With every bound at its end, so that the sanitizers see a step beyond. */
static void hostile_tables_stay_inside(void **state)
{
	struct index_made made = sample();
	size_t length;
	uint8_t *bytes = made_bytes(&made, &length);
	struct weir_fault fault;
	struct index index;

	for (size_t cut = 0; cut < length; cut += cut < 1024 ? 1 : 509) {
		uint8_t *copy = malloc(cut ? cut : 1);
		memcpy(copy, bytes, cut);
		if (cut >= sizeof(struct index_header))
			((struct index_header *)(void *)copy)->file_bytes = cut;
		assert_true(index_open_memory(copy, cut, "x.idx", &index, &fault) < 0);
		assert_string_equal(fault.file, "x.idx");
		free(copy);
	}
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t *copy = malloc(length);
		memcpy(copy, bytes, length);
		for (unsigned n = 0; n < 3; n++)
			copy[(unsigned)rand() % (i % 2 ? sizeof(struct index_header) : length)] = (uint8_t)rand();
		if (index_open_memory(copy, length, "x.idx", &index, &fault) == 0)
			for (unsigned kind = 0; kind < POSTING_KINDS; kind++) {
				struct index_key all = {{0}}, end;
				memset(&end, 0xff, sizeof end);
				uint64_t found = index_chunks_with(&index, kind, &all, &end);
				assert_true((found & ~index.all) == 0);
			}
		free(copy);
	}
	free(bytes);
	made_free(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_found_and_no_other),
		cmocka_unit_test(a_flipped_bit_is_found),
		cmocka_unit_test(hostile_tables_stay_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
