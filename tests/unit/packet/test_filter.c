/* Filters: what they match, and that the index is told of everything that they can see. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <weir/filter.h>

#include "archive/index_terms.h"
#include "build.h"

static int matches(const char *expression, const struct weir_packet *packet)
{
	struct weir_filter *filter;
	struct weir_fault fault;

	weir_fault_clear(&fault);
	if (weir_filter_new(expression, packet->linktype, &filter, &fault) < 0)
		return fault.code;
	int match = weir_filter_match(filter, packet, &fault);
	weir_filter_free(filter);
	return match;
}

static void an_expression_decides(void **state)
{
	struct build b = {.linktype = 1};
	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 1234, 80);
	struct weir_packet packet = finished(&b);
	assert_int_equal(matches("", &packet), 1);
	assert_int_equal(matches("  ", &packet), 1);
	assert_int_equal(matches(NULL, &packet), 1);
	assert_int_equal(matches("tcp port 80", &packet), 1);
	assert_int_equal(matches("host 10.0.0.2", &packet), 1);
	assert_int_equal(matches("udp or host 10.9.9.9", &packet), 0);
	assert_int_equal(matches("less 53", &packet), 0);
	assert_int_equal(matches("greater 54", &packet), 1);
}

static void a_bad_expression_is_refused_in_libpcaps_words(void **state)
{
	struct weir_filter *filter;
	struct weir_fault fault;

	weir_fault_clear(&fault);
	assert_int_equal(weir_filter_new("tcp prt 80", 1, &filter, &fault), WEIR_E_FILTER);
	assert_null(filter);
	assert_non_null(strstr(fault.message, "syntax error"));
	assert_int_equal(weir_filter_new("ip broadcast", 1, &filter, &fault), WEIR_E_FILTER);
	/* Known to the kernel only, while it captures. */
	assert_int_equal(weir_filter_new("inbound", 1, &filter, &fault), WEIR_E_FILTER);
}

static void one_filter_serves_all_link_types_that_it_meets(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 101}, c = {.linktype = 0}, d = {.linktype = 0};
	struct weir_filter *filter;
	struct weir_fault fault;
	ethernet(&a, 0x0800);
	bytes(&c, "\x02\0\0\0", 4); /* a family in the byte order of a little-endian machine, and of the other */
	bytes(&d, "\0\0\0\x02", 4);
	struct build *all[4] = {&a, &b, &c, &d};
	assert_int_equal(weir_filter_new("udp port 53", 1, &filter, &fault), 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 4; i++) {
			if (round == 0) {
				ipv4(all[i], 17);
				udp(all[i], 53, 9);
			}
			struct weir_packet packet = finished(all[i]);
			assert_int_equal(weir_filter_match(filter, &packet, &fault), 1);
		}
	weir_filter_free(filter);
}

static void the_stage_drops_what_does_not_match(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1};
	struct weir_filter *filter;
	struct weir_fault fault;
	ethernet(&a, 0x0806);
	arp(&a);
	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 1, 2);
	struct weir_batch *batch = weir_batch_new();
	assert_non_null(batch);
	for (uint32_t i = 0; i < 40; i++)
		batch->packets[i] = finished(i % 2 ? &a : &b);
	batch->count = 40;
	batch->packets[1].verdict = WEIR_DROP;
	assert_int_equal(weir_filter_new("arp", 1, &filter, &fault), 0);
	struct weir_stage *stage = weir_filter_stage_new(filter);
	assert_non_null(stage);
	assert_int_equal(stage->ops->process(stage, batch, &fault), 0);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(batch->packets[i].verdict, i % 2 && i != 1 ? WEIR_KEEP : WEIR_DROP);
	weir_stage_close(stage);
	weir_batch_free(batch);
}

/* Packets to be damaged: what filters see through, and what they don't, on several link types. */
static void make_seed(unsigned which, struct build *b)
{
	static const struct {
		uint16_t linktype;
		uint8_t length;
		const char *header;
	} links[] = {
		{1, 14, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0"},
		{1, 18, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x81\0\0\x05\x08\0"},
		{1, 18, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x88\x47\0\x01\x01\x40"},
		{1, 22, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x88\x64\x11\0\0\x17\0\x60\0\x21"},
		{101, 0, ""},
		{228, 0, ""},
		{0, 4, "\x02\0\0\0"},
		{108, 4, "\0\0\0\x02"},
		{9, 4, "\xff\x03\0\x21"},
		{104, 4, "\x0f\0\x08\0"},
		{113, 16, "\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\x08\0"},
		{276, 20, "\x08\0\0\0\0\0\0\x01\0\x01\0\x06\x02\0\0\0\0\x01\0\0"},
		{105, 32, "\x08\0\0\0" "aaaaaabbbbbbcccccc" "\0\0" "\xaa\xaa\x03\0\0\0\x08\0"},
		{127, 40, "\0\0\x08\0\0\0\0\0\x08\0\0\0" "aaaaaabbbbbbcccccc" "\0\0" "\xaa\xaa\x03\0\0\0\x08\0"},
		{10, 21, "\x50" "aaaaaabbbbbb" "\xaa\xaa\x03\0\0\0\x08\0"},
	};
	unsigned count = sizeof links / sizeof links[0], link = which % (count + 3), kind = which / (count + 3) % 4;

	*b = (struct build){.linktype = 1};
	if (link == count) {
		ethernet(b, 0x0806);
		arp(b);
		return;
	}
	if (link > count) {
		ethernet(b, 0x86dd);
		ipv6(b, link == count + 1 ? 17 : 44);
		if (link == count + 2)
			bytes(b, "\x11\0\0\x01\0\0\0\x01", 8);
		udp(b, 1000, 53);
		return;
	}
	b->linktype = links[link].linktype;
	bytes(b, links[link].header, links[link].length);
	ipv4_with(b, kind == 0 ? 6 : kind == 3 ? 132 : 17, 0, kind == 1 ? 4 : 0);
	if (kind == 0)
		tcp(b, 1000, 80);
	else
		udp(b, 1000, kind == 2 ? 6081 : 53);
	bytes(b, "\0\0\x08\0\0\0\x05\0\x45\0\0\x14 the rest of it, long enough", 39);
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

static bool has_number(const uint16_t *list, unsigned count, uint16_t value)
{
	for (unsigned i = 0; i < count; i++)
		if (list[i] == value)
			return true;
	return false;
}

/* An expression for something that stands at a random place of the packet, and whether the terms of the index have it. */
static bool ask(const struct weir_packet *packet, const struct index_terms *terms, char *expression, size_t size)
{
	const uint8_t *p = packet->data + random_below(packet->captured > 20 ? packet->captured - 19 : 1);
	static const char *const before[4] = {"", "", "vlan and ", "mpls and "};
	const char *prefix = packet->linktype == 1 ? before[random_below(4)] : "";

	switch (random_below(6)) {
	case 0:
	case 1:
		snprintf(expression, size, "%shost %u.%u.%u.%u", prefix, p[0], p[1], p[2], p[3]);
		for (unsigned i = 0; i < terms->ipv4_count; i++)
			if (terms->ipv4[i] == weir_load_be32(p))
				return true;
		return false;
	case 2:
	case 3:
		snprintf(expression, size, "%sport %u", prefix, weir_load_be16(p));
		return has_number(terms->port, terms->port_count, weir_load_be16(p));
	case 4:
		snprintf(expression, size, "%sip proto %u or ip6 proto %u", prefix, p[0], p[0]);
		return has_number(terms->protocol, terms->protocol_count, p[0]);
	default:
		if (packet->linktype == 1) {
			snprintf(expression, size, "vlan %u", weir_load_be16(p) & 0xfff);
			return has_number(terms->vlan, terms->vlan_count, weir_load_be16(p) & 0xfff);
		}
		snprintf(expression, size, "dst port %u", weir_load_be16(p));
		return has_number(terms->port, terms->port_count, weir_load_be16(p));
	}
}

/*
 * Damages packets at random and asks for what stands in them at random places: whenever libpcap's program finds it, the index must
 * have it, or the packet must count as irregular, which keeps its chunk from being left out.
 */
static void whatever_a_filter_finds_the_index_has_or_the_packet_is_irregular(void **state)
{
	unsigned found = 0, irregular = 0;

	for (unsigned i = 0; i < 200000; i++) {
		struct build b;
		make_seed(i, &b);
		struct weir_packet packet = finished(&b);
		for (uint32_t changes = random_below(4); changes > 0; changes--)
			b.data[random_below(b.length)] =
				(uint8_t)random_below(3) ? (uint8_t)random_below(256) : (uint8_t)(0x40 + random_below(16));
		if (random_below(4) == 0)
			packet.captured = random_below(b.length) + 1;

		struct weir_facts facts;
		struct index_terms terms;
		char expression[128];
		weir_decode(&packet, &facts);
		index_terms_of(&packet, &facts, &terms);
		irregular += terms.irregular;
		if (packet.captured < 20 || ask(&packet, &terms, expression, sizeof expression) || terms.irregular)
			continue;
		int match = matches(expression, &packet);
		if (match == 1)
			fail_msg("packet %u, link type %u, %u bytes: the index misses \"%s\"", i, packet.linktype, packet.captured,
			         expression);
		found++;
	}
	assert_true(found > 10000);
	/* Otherwise the test would show nothing. */
	assert_true(irregular < 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_expression_decides),
		cmocka_unit_test(a_bad_expression_is_refused_in_libpcaps_words),
		cmocka_unit_test(one_filter_serves_all_link_types_that_it_meets),
		cmocka_unit_test(the_stage_drops_what_does_not_match),
		cmocka_unit_test(whatever_a_filter_finds_the_index_has_or_the_packet_is_irregular),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
