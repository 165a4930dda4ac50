/* The tables of what the namer learned: they grow while they may, lose nothing until then, and are saved and loaded as they are. */
#include "../unit.h"

#include <stdio.h>
#include <unistd.h>

#include "packet/application_memory.h"

static uint64_t key_of(uint32_t i) { return application_hash(&i, sizeof i, 7); }

static void put(struct pairs *pairs, uint32_t i)
{
	struct pair out, *pair = pairs_put(pairs, key_of(i), &out);

	assert_int_equal(out.key, 0);
	assert_int_equal(pair->key, key_of(i));
	assert_int_equal(pair->value, 0);
	pair->value = i + 1;
}

static void a_table_grows_and_keeps_all(void **state)
{
	struct pairs pairs;

	assert_int_equal(pairs_new(&pairs, 8 << 20), 0);
	uint64_t first = pairs.mask;
	assert_true(first < pairs.most);
	for (uint32_t i = 0; i < 10000; i++)
		put(&pairs, i);
	assert_true(pairs.mask > first && pairs.mask <= pairs.most);
	for (uint32_t i = 0; i < 10000; i++) {
		const struct pair *pair = pairs_find(&pairs, key_of(i));
		assert_non_null(pair);
		assert_int_equal(pair->value, i + 1);
	}
	assert_null(pairs_find(&pairs, key_of(10000)));
	pairs_free(&pairs);
}

/* Keys of one bucket, however many there are: past the most the one used longest ago goes. */
static void a_full_table_forgets_what_was_used_longest_ago(void **state)
{
	struct pairs pairs;
	struct pair out;

	assert_int_equal(pairs_new(&pairs, 1 << 20), 0);
	for (uint64_t i = 1; i <= 4; i++) {
		pairs_put(&pairs, i, &out)->value = i * 10;
		assert_int_equal(out.key, 0);
	}
	assert_non_null(pairs_find(&pairs, 1));
	pairs_put(&pairs, 5, &out)->value = 50;
	assert_int_equal(pairs.mask, pairs.most);
	assert_int_equal(out.key, 2);
	assert_int_equal(out.value, 20);
	assert_int_equal(pairs_find(&pairs, 1)->value, 10);
	assert_null(pairs_find(&pairs, 2));
	pairs_free(&pairs);
}

static void a_grown_table_is_saved_and_loaded(void **state)
{
	struct pairs pairs, loaded;
	struct weir_state *file;
	struct weir_fault fault;
	char path[64];

	snprintf(path, sizeof path, "/tmp/weir-test-pairs-%d", (int)getpid());
	assert_int_equal(pairs_new(&pairs, 4 << 20), 0);
	for (uint32_t i = 0; i < 5000; i++)
		put(&pairs, i);
	assert_int_equal(weir_state_create(path, &file, &fault), 0);
	assert_int_equal(weir_state_section(file, "pairs", 1, &fault), 0);
	assert_int_equal(pairs_save(&pairs, file, &fault), 0);
	assert_int_equal(weir_state_finish(file, &fault), 0);
	weir_state_close(file);

	assert_int_equal(pairs_new(&loaded, 4 << 20), 0);
	assert_int_equal(weir_state_open(path, &file, &fault), 0);
	assert_int_equal(weir_state_section(file, "pairs", 1, &fault), 0);
	assert_int_equal(pairs_load(&loaded, file, &fault), 0);
	weir_state_close(file);
	assert_int_equal(loaded.mask, pairs.mask);
	assert_memory_equal(loaded.buckets, pairs.buckets, (pairs.mask + 1) * sizeof *pairs.buckets);
	pairs_free(&loaded);

	/* One that may not become as large is none of this namer's. */
	assert_int_equal(pairs_new(&loaded, 64 << 10), 0);
	assert_int_equal(weir_state_open(path, &file, &fault), 0);
	assert_int_equal(weir_state_section(file, "pairs", 1, &fault), 0);
	assert_int_equal(pairs_load(&loaded, file, &fault), WEIR_E_FORMAT);
	weir_state_close(file);
	pairs_free(&loaded);
	pairs_free(&pairs);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_grows_and_keeps_all),
		cmocka_unit_test(a_full_table_forgets_what_was_used_longest_ago),
		cmocka_unit_test(a_grown_table_is_saved_and_loaded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
