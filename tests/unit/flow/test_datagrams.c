/* Datagrams that exporters send, and those that they should not. */
#include "../unit.h"

#include <stdlib.h>

#include "core/arena.h"
#include "flow/datagram.h"

static uint8_t input[1 << 20];
static size_t length;

static void start(void) { length = 0; }
static void put8(unsigned n) { input[length++] = (uint8_t)n; }
static void put16(unsigned n) { weir_store_be16(input + length, (uint16_t)n), length += 2; }
static void put32(uint32_t n) { weir_store_be32(input + length, n), length += 4; }
static void put64(uint64_t n) { weir_store_be64(input + length, n), length += 8; }

/* The head of an IPFIX message or set; done() enters its length. */
static size_t ipfix(uint32_t domain, uint32_t sequence)
{
	size_t at = length;
	put16(10), put16(0), put32(1700000000), put32(sequence), put32(domain);
	return at;
}

static size_t set(unsigned id)
{
	size_t at = length;
	put16(id), put16(0);
	return at;
}

static void done(size_t at) { weir_store_be16(input + at + 2, (uint16_t)(length - at)); }

static size_t netflow9(uint32_t uptime_ms, uint32_t domain)
{
	size_t at = length;
	put16(9), put16(1), put32(uptime_ms), put32(1700000000), put32(0), put32(domain);
	return at;
}

/* A template of elements of lengths. */
static void template_of(unsigned set_id, unsigned id, size_t count, const uint16_t fields[][2])
{
	size_t at = set(set_id);
	put16(id), put16((unsigned)count);
	for (size_t i = 0; i < count; i++)
		put16(fields[i][0]), put16(fields[i][1]);
	done(at);
}

static const uint16_t packets_only[][2] = {{2, 4}};

struct reading {
	struct datagram_reader *reader;
	struct weir_arena *arena;
	struct weir_flow flows[64];
	size_t count;
	int end; /* how the stream ended */
	struct weir_fault fault;
	const struct weir_datagram_statistics *statistics;
};

static void go_on(struct reading *r)
{
	struct stream *stream;
	struct datagram_record record;

	assert_int_equal(stream_open_memory(input, length, "test", &stream, &r->fault), 0);
	datagram_reader_input(r->reader, stream, "test");
	while (datagram_reader_release(r->reader), (r->end = datagram_next(r->reader, &record, &r->fault)) == 1)
		if (!record.template->options && r->count < 64)
			assert_int_equal(datagram_flow(&record, r->arena, &r->flows[r->count++]), 0);
}

static struct reading *read_all(void)
{
	struct reading *r = calloc(1, sizeof *r);

	assert_non_null(r);
	r->reader = datagram_reader_new();
	r->arena = arena_new(0);
	r->statistics = datagram_reader_statistics(r->reader);
	go_on(r);
	return r;
}

static void finish(struct reading *r)
{
	datagram_reader_free(r->reader);
	arena_free(r->arena);
	free(r);
}

static void reads_reduced_and_variable_lengths(void **state)
{
	static const uint16_t fields[][2] = {{2, 3}, {1, 1}, {96, 65535}, {7, 2}};
	(void)state;

	start();
	size_t message = ipfix(1, 0);
	template_of(2, 300, 4, fields);
	size_t data = set(300);
	put8(1), put16(0), put8(200), put8(3), memcpy(input + length, "TLS", 3), length += 3, put16(443);
	put8(0), put16(7), put8(9), put8(255), put16(300), memset(input + length, 'x', 300), length += 300, put16(80);
	done(data), done(message);
	struct reading *r = read_all();
	assert_int_equal(r->end, 0);
	assert_int_equal(r->count, 2);
	assert_int_equal(r->flows[0].forward.packets, 65536);
	assert_int_equal(r->flows[0].forward.ip_bytes, 200);
	assert_int_equal(r->flows[0].application.length, 3);
	assert_int_equal(r->flows[0].source_port, 443);
	assert_int_equal(r->flows[1].application.length, 300);
	assert_int_equal(r->flows[1].source_port, 80);
	finish(r);
}

static void keeps_templates_of_domains_apart(void **state)
{
	static const uint16_t bytes_only[][2] = {{1, 4}};
	(void)state;

	start();
	size_t message = ipfix(1, 0);
	template_of(2, 256, 1, packets_only);
	done(message);
	message = ipfix(2, 0);
	template_of(2, 256, 1, bytes_only);
	done(message);
	for (uint32_t domain = 1; domain <= 3; domain++) {
		message = ipfix(domain, 0);
		size_t data = set(256);
		put32(domain), done(data), done(message);
	}
	struct reading *r = read_all();
	assert_int_equal(r->count, 2);
	assert_int_equal(r->flows[0].forward.packets, 1);
	assert_int_equal(r->flows[1].forward.ip_bytes, 2);
	assert_int_equal(r->statistics->unknown_sets, 1);
	assert_int_equal(r->statistics->unknown_bytes, 4);
	finish(r);
}

static void remembers_templates_across_files_and_forgets_withdrawn_ones(void **state)
{
	(void)state;

	start();
	size_t message = ipfix(1, 0);
	template_of(2, 256, 1, packets_only), template_of(2, 257, 1, packets_only);
	done(message);
	struct reading *r = read_all();
	start();
	message = ipfix(1, 0);
	size_t data = set(256);
	put32(5), done(data), done(message);
	go_on(r);
	assert_int_equal(r->count, 1);
	start();
	message = ipfix(1, 1);
	template_of(2, 256, 0, packets_only);
	data = set(256), put32(5), done(data);
	data = set(257), put32(6), done(data);
	template_of(2, 2, 0, packets_only); /* all of them */
	data = set(257), put32(7), done(data), done(message);
	go_on(r);
	assert_int_equal(r->count, 2);
	assert_int_equal(r->flows[1].forward.packets, 6);
	assert_int_equal(r->statistics->unknown_sets, 2);
	finish(r);
}

static void skips_what_makes_no_sense_and_goes_on_with_the_next_message(void **state)
{
	(void)state;

	start();
	size_t message = ipfix(1, 0);
	template_of(2, 256, 1, packets_only);
	size_t bad = set(256);
	put32(1), weir_store_be16(input + bad + 2, 60000), done(message); /* longer than its message */
	message = ipfix(1, 0);
	bad = set(256);
	weir_store_be16(input + bad + 2, 3), done(message);
	message = ipfix(1, 0);
	bad = set(2);
	put16(258), put16(1000), done(bad), done(message); /* a template of more fields than there is room for */
	message = ipfix(1, 0);
	size_t data = set(256);
	put32(77), put16(0), done(data), done(message); /* with padding */
	struct reading *r = read_all();
	assert_int_equal(r->end, 0);
	assert_int_equal(r->count, 1);
	assert_int_equal(r->flows[0].forward.packets, 77);
	assert_int_equal(r->statistics->malformed_sets, 3);
	finish(r);
}

static void uses_no_template_whose_records_are_empty(void **state)
{
	static const uint16_t empty[][2] = {{2, 0}, {1, 0}};
	(void)state;

	start();
	size_t message = ipfix(1, 0);
	template_of(2, 256, 2, empty);
	size_t data = set(256);
	put64(0), done(data), done(message);
	struct reading *r = read_all();
	assert_int_equal(r->end, 0);
	assert_int_equal(r->count, 0);
	assert_int_equal(r->statistics->unknown_sets, 1);
	finish(r);
}

static void bounds_the_memory_for_templates(void **state)
{
	(void)state;
	struct reading *r = NULL;

	for (uint32_t domain = 0; domain < 40; domain++) { /* 40 times 2,000 templates, of which the last 16,384 are kept */
		start();
		for (unsigned id = 256; id < 2256; id++) {
			size_t message = ipfix(domain, 0);
			template_of(2, id, 1, packets_only);
			done(message);
		}
		if (domain == 0)
			r = read_all();
		else
			go_on(r);
	}
	start();
	for (uint32_t domain = 0; domain < 40; domain += 39) {
		size_t message = ipfix(domain, 0);
		size_t data = set(2255);
		put32(domain), done(data), done(message);
	}
	go_on(r);
	assert_int_equal(r->count, 1);
	assert_int_equal(r->flows[0].forward.packets, 39);
	assert_int_equal(r->statistics->unknown_sets, 1);
	finish(r);
}

static void finds_the_end_of_netflow9_datagrams_in_their_sets(void **state)
{
	static const uint16_t times[][2] = {{22, 4}, {21, 4}, {2, 4}};
	(void)state;

	start();
	netflow9(100000, 7);
	template_of(0, 256, 3, times);
	size_t data = set(256);
	put32(90000), put32(95000), put32(3), done(data);
	netflow9(5000, 7); /* the uptime has wrapped since */
	data = set(256);
	put32(UINT32_MAX - 999), put32(4000), put32(4), done(data);
	size_t message = ipfix(7, 0);
	done(message);
	struct reading *r = read_all();
	assert_int_equal(r->end, 0);
	assert_int_equal(r->statistics->messages, 3);
	assert_int_equal(r->count, 2);
	assert_true(r->flows[0].forward.first_ns == INT64_C(1699999990000000000));
	assert_true(r->flows[0].forward.last_ns == INT64_C(1699999995000000000));
	assert_true(r->flows[1].forward.first_ns == INT64_C(1699999994000000000));
	assert_true(r->flows[1].forward.last_ns == INT64_C(1699999999000000000));
	finish(r);
}

static void counts_lost_records_by_sequence_numbers(void **state)
{
	(void)state;

	start();
	size_t message = ipfix(1, 100);
	template_of(2, 256, 1, packets_only);
	size_t data = set(256);
	put32(1), put32(2), done(data), done(message);
	message = ipfix(1, 105); /* 102 was to come */
	data = set(256), put32(3), done(data), done(message);
	message = ipfix(1, 106);
	done(message);
	struct reading *r = read_all();
	assert_int_equal(r->statistics->lost, 3);
	assert_int_equal(r->statistics->flows, 3);
	finish(r);
}

static void prefers_finer_and_truer_elements(void **state)
{
	static const uint16_t fields[][2] = {{86, 8}, {2, 4}, {150, 4}, {152, 8}, {27, 16}, {8, 4}, {5, 1}, {195, 1}, {161, 4}, {153, 8}};
	(void)state;

	start();
	size_t message = ipfix(1, 0);
	template_of(2, 256, 10, fields);
	size_t data = set(256);
	put64(999), put32(5), put32(1600000000), put64(1600000000123), put64(0), put64(0), put32(0x0a000001), put8(0xff), put8(46), put32(5000),
		put64(1600000001000), done(data), done(message);
	struct reading *r = read_all();
	assert_int_equal(r->count, 1);
	assert_int_equal(r->flows[0].forward.packets, 5);
	assert_true(r->flows[0].forward.first_ns == INT64_C(1600000000123000000));
	assert_true(r->flows[0].forward.last_ns == INT64_C(1600000001000000000));
	assert_int_equal(r->flows[0].source.version, 4);
	assert_int_equal(r->flows[0].forward.dscp, 46);
	finish(r);
}

static void says_where_a_file_breaks_off(void **state)
{
	(void)state;

	start();
	size_t message = ipfix(1, 0);
	template_of(2, 256, 1, packets_only);
	size_t data = set(256);
	put32(1), done(data), done(message);
	size_t whole = length;
	message = ipfix(1, 1);
	data = set(256), put32(2), done(data), done(message);
	length -= 2;
	struct reading *r = read_all();
	assert_int_equal(r->count, 1);
	assert_int_equal(r->end, WEIR_E_TRUNCATED);
	assert_int_equal(r->fault.offset, whole);
	finish(r);
	length = whole;
	put16(8), put64(0);
	r = read_all();
	assert_int_equal(r->count, 1);
	assert_int_equal(r->end, WEIR_E_FORMAT);
	assert_int_equal(r->fault.offset, whole);
	finish(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_reduced_and_variable_lengths),
		cmocka_unit_test(keeps_templates_of_domains_apart),
		cmocka_unit_test(remembers_templates_across_files_and_forgets_withdrawn_ones),
		cmocka_unit_test(skips_what_makes_no_sense_and_goes_on_with_the_next_message),
		cmocka_unit_test(uses_no_template_whose_records_are_empty),
		cmocka_unit_test(bounds_the_memory_for_templates),
		cmocka_unit_test(finds_the_end_of_netflow9_datagrams_in_their_sets),
		cmocka_unit_test(counts_lost_records_by_sequence_numbers),
		cmocka_unit_test(prefers_finer_and_truer_elements),
		cmocka_unit_test(says_where_a_file_breaks_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
