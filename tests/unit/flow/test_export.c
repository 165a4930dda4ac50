/* Flow records exported to a file and read again. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "flow/value.h"

#define T INT64_C(1700000000000000000)

static struct weir_flow back[512];
static char strings[512][4096]; /* what their views point to does not outlive a fill */

static struct weir_flow a_flow(void)
{
	struct weir_flow flow;

	weir_flow_clear(&flow);
	flow.source = (struct weir_ip){{10, 0, 0, 1}, 4};
	flow.destination = (struct weir_ip){{10, 0, 0, 2}, 4};
	flow.source_port = 1234;
	flow.destination_port = 443;
	flow.protocol = 6;
	flow.ip_version = 4;
	flow.end_reason = WEIR_FLOW_FINISHED;
	flow.forward = (struct weir_flow_direction){.first_ns = T + 1, .last_ns = T + 999999999, .packets = 3, .ip_bytes = 300, .wire_bytes = 342};
	flow.reverse.first_ns = flow.reverse.last_ns = WEIR_NO_TIME;
	flow.sequence = 1;
	return flow;
}

/* Writes them and reads them again; how many came back. */
static size_t there_and_back(enum weir_export_protocol protocol, const struct weir_flow *flows, size_t count)
{
	char folder[] = "/tmp/weir-export-XXXXXX", path[64];
	struct weir_flow_sink *sink;
	struct weir_flow_source *source;
	struct weir_fault fault;
	size_t got = 0;
	int n;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/flows", folder);
	assert_int_equal(weir_flow_export_open(path, protocol, &sink, &fault), 0);
	assert_int_equal(sink->ops->write(sink, flows, count, &fault), 0);
	assert_int_equal(sink->ops->finish(sink, &fault), 0);
	sink->ops->close(sink);
	assert_int_equal(weir_flow_datagrams_read(path, &source, &fault), 0);
	while ((n = source->ops->fill(source, back + got, 512 - got < 100 ? 512 - got : 100, &fault)) > 0)
		for (int i = 0; i < n; i++, got++) {
			if (back[got].server_name.data)
				back[got].server_name.data = memcpy(strings[got], back[got].server_name.data, back[got].server_name.length);
			back[got].application.data = back[got].application.data ? (const uint8_t *)"" : NULL;
		}
	assert_int_equal(n, 0);
	struct weir_datagram_statistics statistics;
	weir_flow_datagrams_statistics(source, &statistics);
	assert_int_equal(statistics.lost + statistics.malformed_sets + statistics.unknown_sets, 0);
	source->ops->close(source);
	unlink(path);
	rmdir(folder);
	return got;
}

/* Every column but strings, which are compared by length alone. */
static void same_flow(const struct weir_flow *a, const struct weir_flow *b)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t i = 0; i < count; i++) {
		if (value_present(&columns[i], a) != value_present(&columns[i], b))
			fail_msg("%s is there in one alone", columns[i].name);
		if (!value_present(&columns[i], a))
			continue;
		if (value_is_number(&columns[i])) {
			if (value_number(&columns[i], a) != value_number(&columns[i], b))
				fail_msg("%s was %llu, is %llu", columns[i].name, (unsigned long long)value_number(&columns[i], a),
				         (unsigned long long)value_number(&columns[i], b));
		} else if (columns[i].type == WEIR_COLUMN_STRING) {
			assert_int_equal(value_bytes(&columns[i], a).length, value_bytes(&columns[i], b).length);
		} else {
			assert_memory_equal(value_member(&columns[i], a), value_member(&columns[i], b), columns[i].size);
		}
	}
}

#ifdef HAVE_FIXBUF

static void ipfix_keeps_every_value_and_every_absence(void **state)
{
	struct weir_flow flows[512];
	(void)state;

	for (unsigned i = 0; i < 512; i++) { /* every set of things that a flow may have or not */
		struct weir_flow *f = &flows[i];
		*f = a_flow();
		f->sequence = i + 1;
		if (i & 1)
			f->vlan = 0;
		if (i & 2)
			f->has_macs = true, memset(f->source_mac, 1, 6), memset(f->destination_mac, 255, 6);
		if (i & 4)
			f->has_spi = true, f->spi = UINT32_MAX;
		if (i & 8)
			f->outer_source = f->outer_destination = (struct weir_ip){{1, 2, 3, 4, 5}, 6};
		if (i & 16)
			f->rtt_ns = 0;
		if (i & 32)
			f->reverse = (struct weir_flow_direction){.first_ns = T, .last_ns = T + 7, .packets = UINT64_MAX, .ttl_max = 255};
		if (i & 64)
			f->protocol = 58, f->icmp_type = 128, f->icmp_code = 0;
		if (i & 128)
			f->source = f->destination = (struct weir_ip){{0x20, 1, 13, 0xb8, [15] = 1}, 6}, f->ip_version = 6;
		if (i & 256)
			f->application = (struct weir_bytes){(const uint8_t *)"SMB", 3}, strcpy(f->community_id, "1:abc");
		if (!(i & 64))
			f->forward.tcp_flags = 31, f->forward.tcp_flags_initial = 2, f->forward.out_of_order = 8;
	}
	assert_int_equal(there_and_back(WEIR_EXPORT_IPFIX, flows, 512), 512);
	for (unsigned i = 0; i < 512; i++)
		same_flow(&flows[i], &back[i]);
}

static void ipfix_keeps_nanoseconds_and_flows_seen_from_one_side(void **state)
{
	static const int64_t times[] = {0, 1, 999999999, 1000000000, T + 123456789, INT64_C(2085978495999999999), INT64_C(2085978496000000001),
	                                INT64_C(4102444799999999999)};
	struct weir_flow flows[8];
	(void)state;

	for (size_t i = 0; i < 8; i++) {
		flows[i] = a_flow();
		flows[i].reverse = flows[i].forward;
		flows[i].reverse.first_ns = times[i];
		flows[i].reverse.last_ns = times[i] + 1;
		flows[i].forward = (struct weir_flow_direction){.first_ns = WEIR_NO_TIME, .last_ns = WEIR_NO_TIME};
	}
	assert_int_equal(there_and_back(WEIR_EXPORT_IPFIX, flows, 8), 8);
	for (size_t i = 0; i < 8; i++)
		same_flow(&flows[i], &back[i]);
}

static void ipfix_cuts_endless_strings_where_a_character_ends(void **state)
{
	static char name[60000];
	struct weir_flow flow = a_flow();
	(void)state;

	for (size_t i = 0; i + 1 < sizeof name; i += 3)
		memcpy(name + i, "\xe2\x82\xac", 3); /* a euro */
	flow.server_name = (struct weir_bytes){(const uint8_t *)name, 59998};
	assert_int_equal(there_and_back(WEIR_EXPORT_IPFIX, &flow, 1), 1);
	assert_int_equal(back[0].server_name.length, 1998);
	assert_memory_equal(back[0].server_name.data, name, 1998);
}

/* The longest record there can be: everything that a flow may have, with endless strings. */
static void ipfix_over_udp_fits_a_datagram_whatever_the_flow(void **state)
{
	static char endless[10000];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	struct weir_flow flows[3];
	struct weir_flow_sink *sink;
	struct weir_fault fault;
	uint8_t datagram[65536];
	char target[64];
	ssize_t n, most = 0;
	(void)state;

	memset(endless, 'x', sizeof endless);
	struct weir_bytes text = {(const uint8_t *)endless, sizeof endless};
	for (int i = 0; i < 3; i++) {
		flows[i] = a_flow();
		flows[i].source = flows[i].destination = flows[i].outer_source = flows[i].outer_destination = (struct weir_ip){{0x20, 1}, 6};
		flows[i].reverse = flows[i].forward;
		flows[i].vlan = flows[i].icmp_type = flows[i].icmp_code = 1;
		flows[i].has_macs = flows[i].has_spi = true;
		flows[i].rtt_ns = 1;
		flows[i].application = flows[i].category = flows[i].evidence = flows[i].server_name = flows[i].vantages = text;
		memset(flows[i].community_id, 'x', sizeof flows[i].community_id - 1);
	}
	int receiver = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(receiver, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(receiver, (struct sockaddr *)&address, &size), 0);
	snprintf(target, sizeof target, "udp:127.0.0.1:%u", ntohs(address.sin_port));
	assert_int_equal(weir_flow_export_open(target, WEIR_EXPORT_IPFIX, &sink, &fault), 0);
	assert_int_equal(sink->ops->write(sink, flows, 3, &fault), 0);
	assert_int_equal(sink->ops->finish(sink, &fault), 0);
	sink->ops->close(sink);
	while ((n = recv(receiver, datagram, sizeof datagram, MSG_DONTWAIT)) > 0) {
		assert_true(n <= 1420);
		assert_int_equal(weir_load_be16(datagram + 2), n);
		most = n > most ? n : most;
	}
	close(receiver);
	assert_true(most > 1000);
}

static void ipfix_without_flows_is_a_file_too(void **state)
{
	(void)state;
	assert_int_equal(there_and_back(WEIR_EXPORT_IPFIX, NULL, 0), 0);
}

#endif

static void netflow9_sends_each_direction_as_a_flow(void **state)
{
	struct weir_flow flow = a_flow();
	(void)state;

	flow.forward.dscp = 46;
	flow.forward.tcp_flags = 27;
	flow.reverse = (struct weir_flow_direction){.first_ns = T + 5000000, .last_ns = T + 6000000, .packets = 7, .ip_bytes = 70, .tcp_flags = 18};
	flow.has_macs = true;
	flow.source_mac[5] = 1;
	flow.destination_mac[5] = 2;
	flow.vlan = 100;
	assert_int_equal(there_and_back(WEIR_EXPORT_NETFLOW9, &flow, 1), 2);
	assert_int_equal(back[0].forward.packets, 3);
	assert_int_equal(back[0].forward.dscp, 46);
	assert_int_equal(back[0].forward.tcp_flags, 27);
	assert_int_equal(back[0].vlan, 100);
	assert_true(back[0].forward.first_ns == T);
	assert_true(back[0].forward.last_ns == T + 999000000);
	assert_int_equal(back[0].end_reason, WEIR_FLOW_FINISHED);
	assert_int_equal(back[0].reverse.packets, 0);
	assert_int_equal(back[1].forward.packets, 7);
	assert_int_equal(back[1].forward.ip_bytes, 70);
	assert_int_equal(back[1].forward.tcp_flags, 18);
	assert_int_equal(back[1].source.bytes[3], 2);
	assert_int_equal(back[1].source_port, 443);
	assert_int_equal(back[1].destination_port, 1234);
	assert_int_equal(back[1].source_mac[5], 2);
	assert_true(back[1].forward.first_ns == T + 5000000);
}

static void netflow9_keeps_icmp_and_flows_that_only_came_back(void **state)
{
	struct weir_flow flows[2] = {a_flow(), a_flow()};
	(void)state;

	flows[0].protocol = 1;
	flows[0].icmp_type = 3;
	flows[0].icmp_code = 13;
	flows[1].reverse = flows[1].forward;
	flows[1].forward = (struct weir_flow_direction){.first_ns = WEIR_NO_TIME, .last_ns = WEIR_NO_TIME};
	assert_int_equal(there_and_back(WEIR_EXPORT_NETFLOW9, flows, 2), 2);
	assert_int_equal(back[0].icmp_type, 3);
	assert_int_equal(back[0].icmp_code, 13);
	assert_int_equal(back[1].source.bytes[3], 2);
	assert_int_equal(back[1].icmp_type, WEIR_NO_VALUE);
}

/* Uptimes wrap after 49 days; records come by their end, and begin whenever they did. */
static void netflow9_has_times_right_over_months(void **state)
{
	static struct weir_flow flows[200];
	(void)state;

	for (int64_t i = 0; i < 200; i++) {
		flows[i] = a_flow();
		flows[i].forward.last_ns = T + i * 86400 * INT64_C(1000000000);
		flows[i].forward.first_ns = flows[i].forward.last_ns - i % 40 * 86400 * INT64_C(1000000000);
	}
	assert_int_equal(there_and_back(WEIR_EXPORT_NETFLOW9, flows, 200), 200);
	for (int i = 0; i < 200; i++) {
		if (back[i].forward.first_ns != flows[i].forward.first_ns || back[i].forward.last_ns != flows[i].forward.last_ns)
			fail_msg("record %d is %lld and %lld ns off", i, (long long)(back[i].forward.first_ns - flows[i].forward.first_ns),
			         (long long)(back[i].forward.last_ns - flows[i].forward.last_ns));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef HAVE_FIXBUF
		cmocka_unit_test(ipfix_keeps_every_value_and_every_absence),
		cmocka_unit_test(ipfix_keeps_nanoseconds_and_flows_seen_from_one_side),
		cmocka_unit_test(ipfix_cuts_endless_strings_where_a_character_ends),
		cmocka_unit_test(ipfix_over_udp_fits_a_datagram_whatever_the_flow),
		cmocka_unit_test(ipfix_without_flows_is_a_file_too),
#endif
		cmocka_unit_test(netflow9_sends_each_direction_as_a_flow),
		cmocka_unit_test(netflow9_keeps_icmp_and_flows_that_only_came_back),
		cmocka_unit_test(netflow9_has_times_right_over_months),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
