#include "../unit.h"

#include <pthread.h>

#include "core/arena.h"
#include "core/ring.h"

#define ITEMS 200000

static void *push_all(void *argument)
{
	for (uintptr_t i = 1; i <= ITEMS; i++)
		ring_push(argument, (void *)i);
	ring_close(argument);
	return NULL;
}

static void items_arrive_in_order_and_none_is_lost(void **state)
{
	struct ring *ring = ring_new(8);
	pthread_t thread;
	uintptr_t expected = 1;
	void *item;

	assert_non_null(ring);
	assert_int_equal(pthread_create(&thread, NULL, push_all, ring), 0);
	while (ring_pop(ring, &item))
		assert_int_equal((uintptr_t)item, expected++);
	assert_int_equal(expected, ITEMS + 1);
	pthread_join(thread, NULL);
	ring_free(ring);
}

static void full_and_empty_are_told(void **state)
{
	struct ring *ring = ring_new(2);
	void *item;

	assert_false(ring_try_pop(ring, &item));
	assert_true(ring_try_push(ring, ring));
	assert_true(ring_try_push(ring, ring));
	assert_false(ring_try_push(ring, ring));
	assert_int_equal(ring_length(ring), 2);
	ring_close(ring);
	assert_false(ring_push(ring, ring));
	assert_true(ring_pop(ring, &item));
	assert_true(ring_pop(ring, &item));
	assert_false(ring_pop(ring, &item));
	ring_free(ring);
}

static void an_arena_keeps_to_its_limit(void **state)
{
	struct weir_arena *arena = arena_new(1 << 20);
	size_t taken = 0;

	while (arena_take(arena, 1000))
		taken += 1000;
	assert_in_range(taken, 900000, 1 << 20);
	assert_null(arena_take(arena, SIZE_MAX - 8));
	arena_reset(arena);
	char *a = arena_take(arena, 100), *b = arena_take(arena, 100);
	assert_non_null(a);
	assert_true(b >= a + 100);
	assert_int_equal((uintptr_t)b % 16, 0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_arrive_in_order_and_none_is_lost),
		cmocka_unit_test(full_and_empty_are_told),
		cmocka_unit_test(an_arena_keeps_to_its_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
