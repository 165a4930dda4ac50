/* Who held a socket at a time, made of events by hand. */
#include <netinet/in.h>
#include <string.h>

#include "box/linux/socket_table.h"
#include "../unit.h"

static struct socket_table *table;

static void process(uint32_t pid)
{
	const struct process_event event = {.kind = SOCKET_PROCESS, .pid = pid, .name = "test"};

	process_table_tell(socket_table_processes(table), &event);
}

static int begin(void **state)
{
	table = socket_table_new(100, INT64_C(60000000000));
	for (uint32_t pid = 1; pid < 4; pid++)
		process(pid);
	return !table;
}

static int end(void **state)
{
	socket_table_free(table);
	return 0;
}

static struct socket_event event_of(uint8_t kind, uint32_t pid, uint64_t time)
{
	return (struct socket_event){.kind = kind, .protocol = IPPROTO_UDP, .family = AF_INET, .type = SOCK_DGRAM, .pid = pid, .cookie = 1, .time = time, .opened = 100,
		.local = {192, 0, 2, 1}, .local_port = 53};
}

static uint32_t holder_at(uint16_t remote_port, int64_t time)
{
	const struct owner_tuple tuple = {.protocol = IPPROTO_UDP, .local = {.bytes = {192, 0, 2, 1}, .version = 4}, .remote = {.bytes = {192, 0, 2, 2}, .version = 4},
		.local_port = 53, .remote_port = remote_port};
	struct weir_process found;

	return socket_table_find(table, &tuple, time, &found) ? found.pid : 0;
}

/* Who takes the first datagram out of a socket held it from the beginning; who comes after him does not take that from him. */
static void the_first_datagram_is_taken_once(void **state)
{
	struct socket_event bound = event_of(SOCKET_BOUND, 1, 200), taken = event_of(SOCKET_USED, 2, 300), sends = event_of(SOCKET_USED, 3, 400);

	taken.packets_received = 1;
	sends.packets_received = 1; /* as it was before what it is about to send */
	socket_table_take(table, &bound);
	assert_int_equal(holder_at(9, 250), 1);
	socket_table_take(table, &taken);
	assert_int_equal(holder_at(9, 250), 2);
	socket_table_take(table, &sends);
	assert_int_equal(holder_at(9, 250), 2);
	assert_int_equal(holder_at(9, 350), 2);
	assert_int_equal(holder_at(9, 450), 3);
}

/* A socket that is connected again and again: its latest addresses are remembered, not all that it ever had. */
static void addresses_are_not_kept_without_end(void **state)
{
	struct socket_event tuple = event_of(SOCKET_TUPLE, 1, 0);

	memcpy(tuple.remote, (uint8_t[]){192, 0, 2, 2}, 4);
	for (unsigned i = 1; i <= 60000; i++) {
		tuple.time = tuple.since = 1000 + i * 10;
		tuple.remote_port = (uint16_t)i;
		socket_table_take(table, &tuple);
	}
	assert_int_equal(holder_at(60000, 1000 + 600000), 1);
	assert_int_equal(holder_at(59900, 1000 + 599000), 1);
	assert_int_equal(holder_at(1, 1010), 0);
	assert_true(socket_table_bindings(table) < 1000);
}

/* A look read where it was, it was connected, that was told, and then what had been read is taken in. */
static void what_was_read_before_an_event_does_not_undo_it(void **state)
{
	struct socket_event held = event_of(SOCKET_HELD, 1, 200), tuple = event_of(SOCKET_TUPLE, 1, 300);

	held.opened = tuple.opened = 0;
	memcpy(tuple.remote, (uint8_t[]){192, 0, 2, 2}, 4);
	tuple.remote_port = 9;
	socket_table_take(table, &tuple);
	socket_table_take(table, &held);
	assert_int_equal(holder_at(9, 400), 1);
	assert_int_equal(holder_at(10, 400), 0);
}

/* More ended while somebody looked than are remembered: what was read of one of the first does not bring it back. */
static void what_ended_does_not_come_back_however_many_did(void **state)
{
	struct socket_event ends = event_of(SOCKET_CLOSED, 0, 0), held = event_of(SOCKET_HELD, 1, 300);
	const uint64_t many = 20000;

	for (; ends.cookie <= many; ends.cookie++) {
		ends.time = 300 + ends.cookie;
		socket_table_take(table, &ends);
	}
	socket_table_take(table, &held);
	assert_int_equal(socket_table_count(table), 0);
	assert_true(socket_table_doubtful(table));
	assert_false(socket_table_doubtful(table));
	held.cookie = many;
	held.time = 300 + many + 1;
	socket_table_take(table, &held);
	assert_int_equal(socket_table_count(table), 0);
	held.cookie = many + 1;
	socket_table_take(table, &held);
	assert_int_equal(socket_table_count(table), 1);
	assert_false(socket_table_doubtful(table));
}

/* One that ended and had to make room for others. */
static void what_made_room_does_not_come_back(void **state)
{
	struct socket_event event = event_of(SOCKET_BOUND, 1, 200), held = event_of(SOCKET_HELD, 1, 150);

	for (event.cookie = 1; event.cookie <= 101; event.cookie++) {
		event.kind = SOCKET_BOUND;
		socket_table_take(table, &event);
		event.kind = SOCKET_CLOSED;
		socket_table_take(table, &event);
	}
	assert_int_equal(socket_table_count(table), 100);
	socket_table_take(table, &held); /* of the first */
	assert_int_equal(socket_table_count(table), 100);
	held.cookie = 2;
	socket_table_take(table, &held);
	assert_int_equal(socket_table_count(table), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_datagram_is_taken_once, begin, end),
		cmocka_unit_test_setup_teardown(what_was_read_before_an_event_does_not_undo_it, begin, end),
		cmocka_unit_test_setup_teardown(addresses_are_not_kept_without_end, begin, end),
		cmocka_unit_test_setup_teardown(what_ended_does_not_come_back_however_many_did, begin, end),
		cmocka_unit_test_setup_teardown(what_made_room_does_not_come_back, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
