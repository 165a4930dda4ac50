/* What the list of endpoints has after looks, made of events by hand. */
#include <string.h>

#include "box/linux/endpoint_table.h"
#include "../unit.h"

static struct socket_event state_of(uint64_t cookie, uint8_t before, uint8_t state)
{
	return (struct socket_event){
		.kind = SOCKET_STATE, .protocol = 6, .family = 2, .type = 1, .before = before, .state = state, .cookie = cookie, .time = 1, .local = {127, 0, 0, 1}, .local_port = 80};
}

static size_t count_of(struct endpoint_table *table)
{
	size_t count;

	endpoint_table_list(table, &count);
	return count;
}

/* A look that failed half way has no end: what went in it is freed, and must not be in the list that the one before made. */
static void a_look_without_an_end_lists_nothing(void **state)
{
	struct endpoint_table *table = endpoint_table_new(NULL, NULL);
	const struct socket_event listens = state_of(1, ENDPOINT_CLOSED, ENDPOINT_LISTEN), closes = state_of(1, ENDPOINT_LISTEN, ENDPOINT_CLOSED),
	                          other = state_of(2, ENDPOINT_CLOSED, ENDPOINT_LISTEN);

	assert_non_null(table);
	endpoint_table_begin(table, 0);
	endpoint_table_take(table, &listens);
	endpoint_table_take(table, &other);
	endpoint_table_end(table, true, false);
	assert_int_equal(count_of(table), 2);
	endpoint_table_begin(table, 0);
	endpoint_table_take(table, &closes);
	assert_int_equal(endpoint_table_count(table), 1);
	assert_int_equal(count_of(table), 0);
	endpoint_table_begin(table, 0);
	endpoint_table_end(table, true, false);
	assert_int_equal(count_of(table), 1);
	endpoint_table_free(table);
}

static void count_event(const struct endpoint_event *event, void *argument) { ++*(unsigned *)argument; }

/* The kernel was read, a connection began to end, that was told, and then what had been read is taken in. */
static void what_was_read_before_an_event_does_not_undo_it(void **state)
{
	unsigned events = 0;
	struct endpoint_table *table = endpoint_table_new(count_event, &events);
	struct socket_event established = state_of(1, ENDPOINT_SYN_SENT, ENDPOINT_ESTABLISHED), ends = state_of(1, ENDPOINT_ESTABLISHED, ENDPOINT_FIN_WAIT_1),
	                    figures = established;
	size_t count;

	assert_non_null(table);
	ends.time = 10;
	ends.bytes_sent = 7;
	figures.kind = SOCKET_FIGURES;
	figures.time = 5;
	endpoint_table_begin(table, 0);
	endpoint_table_take(table, &established);
	endpoint_table_take(table, &ends);
	assert_int_equal(events, 2);
	endpoint_table_take(table, &figures);
	endpoint_table_end(table, true, true);
	const struct endpoint *const *list = endpoint_table_list(table, &count);
	assert_int_equal(count, 1);
	assert_int_equal(list[0]->state, ENDPOINT_FIN_WAIT_1);
	assert_int_equal(list[0]->bytes_sent, 7);
	assert_int_equal(events, 2);
	endpoint_table_free(table);
}

/* The process of the only endpoint after a look that found it to be open in these processes. */
static uint32_t held_by(struct endpoint_table *table, uint32_t one, uint32_t other)
{
	struct socket_event held = state_of(1, 0, ENDPOINT_LISTEN);
	size_t count;

	held.kind = SOCKET_HELD;
	held.user_id = WEIR_NO_USER;
	endpoint_table_begin(table, 0);
	held.pid = one;
	endpoint_table_take(table, &held);
	held.pid = other ? other : one;
	endpoint_table_take(table, &held);
	endpoint_table_end(table, true, true);
	const struct endpoint *const *list = endpoint_table_list(table, &count);
	assert_int_equal(count, 1);
	return list[0]->process.pid;
}

static void each_look_asks_anew_who_has_it_open(void **state)
{
	struct endpoint_table *table = endpoint_table_new(NULL, NULL);

	assert_non_null(table);
	for (uint32_t pid = 1; pid < 3; pid++)
		process_table_tell(endpoint_table_processes(table), &(struct process_event){.kind = SOCKET_PROCESS, .pid = pid, .name = "test"});
	assert_int_equal(held_by(table, 1, 0), 1);
	assert_int_equal(held_by(table, 1, 2), 0);
	assert_int_equal(held_by(table, 2, 0), 2); /* the first has ended */
	assert_int_equal(held_by(table, 1, 0), 1);
	endpoint_table_free(table);
}

/* More went while somebody looked than are remembered: what was read of one of the first does not bring it back. */
static void what_went_does_not_come_back_however_many_did(void **state)
{
	struct endpoint_table *table = endpoint_table_new(NULL, NULL);
	struct socket_event closes = state_of(1, ENDPOINT_ESTABLISHED, ENDPOINT_CLOSED), held = state_of(1, 0, ENDPOINT_ESTABLISHED);
	const uint64_t many = 20000;

	assert_non_null(table);
	endpoint_table_begin(table, 0);
	for (; closes.cookie <= many; closes.cookie++) {
		closes.time = 100 + closes.cookie;
		endpoint_table_take(table, &closes);
	}
	held.kind = SOCKET_HELD;
	held.time = 100;
	endpoint_table_take(table, &held);
	held.kind = SOCKET_FIGURES;
	endpoint_table_take(table, &held);
	assert_int_equal(endpoint_table_count(table), 0);
	/* Nor is one taken in that may be there: another look tells. */
	held.cookie = many + 1;
	endpoint_table_take(table, &held);
	assert_int_equal(endpoint_table_count(table), 0);
	assert_false(endpoint_table_end(table, true, true));
	endpoint_table_begin(table, 0);
	held.time = 100 + many;
	endpoint_table_take(table, &held);
	assert_int_equal(endpoint_table_count(table), 1);
	assert_true(endpoint_table_end(table, true, true));
	endpoint_table_free(table);
}

/* Listens at a port, on any address of a family. */
static void listen_on(struct endpoint_table *table, uint64_t cookie, uint8_t family, uint8_t only_v6, uint32_t pid)
{
	struct socket_event event = state_of(cookie, ENDPOINT_CLOSED, ENDPOINT_LISTEN);

	event.family = family;
	event.only_v6 = only_v6;
	event.pid = pid;
	memset(event.local, 0, sizeof event.local);
	endpoint_table_take(table, &event);
}

/* The process of a connection that nobody has accepted yet. */
static uint32_t comes_to(struct endpoint_table *table, uint64_t cookie, uint8_t family)
{
	struct socket_event event = state_of(cookie, ENDPOINT_SYN_RECEIVED, ENDPOINT_ESTABLISHED);
	size_t count;

	event.family = family;
	endpoint_table_take(table, &event);
	endpoint_table_end(table, true, false);
	const struct endpoint *const *list = endpoint_table_list(table, &count);
	for (size_t i = 0; i < count; i++)
		if (list[i]->id == cookie)
			return list[i]->process.pid;
	return 0;
}

static void what_nobody_has_accepted_is_of_who_listens_for_its_family(void **state)
{
	enum { V4 = 2, V6 = 10 };
	for (int order = 0; order < 2; order++) {
		struct endpoint_table *table = endpoint_table_new(NULL, NULL);

		assert_non_null(table);
		for (uint32_t pid = 1; pid < 4; pid++)
			process_table_tell(endpoint_table_processes(table), &(struct process_event){.kind = SOCKET_PROCESS, .pid = pid, .name = "test"});
		endpoint_table_begin(table, 0);
		for (int i = 0; i < 2; i++)
			listen_on(table, 1 + i, i == order ? V4 : V6, i == order ? SOCKET_ONLY_V6_UNKNOWN : SOCKET_ONLY_V6_YES, i == order ? 1 : 2);
		assert_int_equal(comes_to(table, 10, V4), 1);
		assert_int_equal(comes_to(table, 11, V6), 2);
		/* Another one of the same kind: it can't be told which of the two has it. */
		listen_on(table, 3, V4, SOCKET_ONLY_V6_UNKNOWN, 3);
		assert_int_equal(comes_to(table, 12, V4), 0);
		assert_int_equal(comes_to(table, 13, V6), 2);
		endpoint_table_free(table);
	}
	struct endpoint_table *table = endpoint_table_new(NULL, NULL);
	assert_non_null(table);
	process_table_tell(endpoint_table_processes(table), &(struct process_event){.kind = SOCKET_PROCESS, .pid = 2, .name = "test"});
	endpoint_table_begin(table, 0);
	listen_on(table, 1, V6, SOCKET_ONLY_V6_YES, 2);
	assert_int_equal(comes_to(table, 10, V4), 0);
	listen_on(table, 2, V6, SOCKET_ONLY_V6_NO, 2);
	assert_int_equal(comes_to(table, 11, V4), 2);
	endpoint_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_look_without_an_end_lists_nothing),
		cmocka_unit_test(each_look_asks_anew_who_has_it_open),
		cmocka_unit_test(what_went_does_not_come_back_however_many_did),
		cmocka_unit_test(what_nobody_has_accepted_is_of_who_listens_for_its_family),
		cmocka_unit_test(what_was_read_before_an_event_does_not_undo_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
