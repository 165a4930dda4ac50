/* Filters on endpoints: pcap-filter expressions on addresses, and terms of our own. */
#include <netinet/in.h>

#include "box/endpoint_filter.h"
#include "../unit.h"

static struct weir_bytes bytes(const char *string) { return (struct weir_bytes){(const uint8_t *)string, strlen(string)}; }

static struct endpoint https(void)
{
	return (struct endpoint){
		.protocol = IPPROTO_TCP,
		.state = ENDPOINT_ESTABLISHED,
		.local = {.bytes = {192, 0, 2, 1}, .version = 4},
		.remote = {.bytes = {198, 51, 100, 7}, .version = 4},
		.local_port = 40000,
		.remote_port = 443,
		.process = {.pid = 77, .user_id = 1000, .name = bytes("Web Content"), .executable = bytes("/usr/lib/firefox/firefox"), .user = bytes("ann")},
		.container = bytes("0123456789abcdef"),
	};
}

static bool matches(const char *expression, const struct endpoint *endpoint)
{
	struct endpoint_filter *filter;
	struct weir_fault fault;

	if (endpoint_filter_new(expression, &filter, &fault))
		fail_msg("%s: %s", expression, fault.message);
	bool matched = endpoint_filter_match(filter, endpoint);
	endpoint_filter_free(filter);
	return matched;
}

static void expressions_match_addresses_both_ways(void **state)
{
	struct endpoint e = https();

	assert_true(matches("", &e));
	assert_true(matches("tcp port 443", &e));
	assert_true(matches("src port 443", &e)); /* what comes back */
	assert_true(matches("host 198.51.100.7 and (port 443 or port 80)", &e));
	assert_false(matches("udp", &e));
	assert_false(matches("not tcp", &e));
	assert_false(matches("ip6", &e));
	e.local = e.remote = (struct weir_ip){0};
	assert_true(matches("ip6 and tcp port 443", &e)); /* any address is of either version */
	assert_true(matches("ip and tcp", &e));
}

static void terms_of_our_own_match_the_rest(void **state)
{
	struct endpoint e = https();

	assert_true(matches("process firefox", &e));
	assert_true(matches("process 77", &e));
	assert_true(matches("process /usr/lib/firefox/firefox and user ann", &e));
	assert_true(matches("user 1000", &e));
	assert_false(matches("process fire", &e));
	assert_true(matches("not process fire and tcp port 443 and state established", &e));
	assert_false(matches("not user ann", &e));
	assert_true(matches("container 0123", &e));
	assert_false(matches("container 1", &e));
	e.state = ENDPOINT_FIN_WAIT_1;
	assert_true(matches("state fin_wait_1", &e));
	assert_true(matches("state FINWAIT1", &e));
	e.process = (struct weir_process){.user_id = WEIR_NO_USER};
	assert_false(matches("process 0", &e));
	assert_false(matches("user 4294967295", &e));
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const wrong[] = {
		"tcp or process x", "process", "process and tcp", "state sleeping", "process x tcp", "(process x)", "tcp and", "and tcp", "not", "tcp prt 5", "user a user b", NULL,
	};

	for (size_t i = 0; wrong[i]; i++) {
		struct endpoint_filter *filter;
		struct weir_fault fault;
		if (endpoint_filter_new(wrong[i], &filter, &fault) != WEIR_E_FILTER)
			fail_msg("'%s' is taken", wrong[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions_match_addresses_both_ways),
		cmocka_unit_test(terms_of_our_own_match_the_rest),
		cmocka_unit_test(what_makes_no_sense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
