/* What decoding finds in packets made by hand: layers, addresses, ports, tags, and what it says of those that are odd. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <weir/pipeline.h>

#include "build.h"

/* "ethernet ipv4 udp | 4 p17 1000>53 | vlan 5 | flags cut": all that the tests compare, as text. */
static const char *describe(const struct weir_facts *facts)
{
	static char text[1024];
	static const char *const names[6] = {"cut", "malformed", "unknown", "deep", "quoted", "incomplete"};
	int n = 0;

	for (unsigned i = 0; i < facts->layer_count; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%s%s", i ? " " : "", weir_layer_name(facts->layers[i].kind));
	for (unsigned i = 0; i < facts->network_count; i++) {
		const struct weir_network *network = &facts->networks[i];
		n += snprintf(text + n, sizeof text - (size_t)n, " | %u p%u", network->version, network->protocol);
		if (network->flags & WEIR_NETWORK_PORTS)
			n += snprintf(text + n, sizeof text - (size_t)n, " %u>%u", network->source_port, network->destination_port);
		if (network->flags & WEIR_NETWORK_FRAGMENT)
			n += snprintf(text + n, sizeof text - (size_t)n, " %s",
			              network->flags & WEIR_NETWORK_LATER_FRAGMENT ? "later" : "first");
	}
	for (unsigned i = 0; i < facts->vlan_count; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, " | vlan %u", facts->vlans[i]);
	for (unsigned bit = 0; bit < 6; bit++)
		if (facts->flags & 1u << bit)
			n += snprintf(text + n, sizeof text - (size_t)n, " | %s", names[bit]);
	return text;
}

/* Decodes it by both paths, which must agree, and compares. */
static struct weir_facts expect(const struct weir_packet *packet, const char *expected)
{
	struct weir_facts facts, thorough;

	/* In memory of exactly its size, so that the sanitizer sees a read outside. */
	uint8_t *exact = malloc(packet->captured + 1);
	assert_non_null(exact);
	memcpy(exact, packet->data, packet->captured);
	uint8_t *data = realloc(exact, packet->captured ? packet->captured : 1);
	assert_non_null(data);
	struct weir_packet copy = *packet;
	copy.data = data;
	memset(&facts, 0, sizeof facts);
	memset(&thorough, 0, sizeof thorough);
	weir_decode(&copy, &facts);
	weir_decode_thoroughly(&copy, &thorough);
	free(data);
	assert_string_equal(describe(&facts), expected);
	assert_memory_equal(&facts, &thorough, sizeof facts);
	return facts;
}

static void tcp_and_udp_over_ipv4_and_ipv6(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1};
	ethernet(&a, 0x0800);
	ipv4(&a, 6);
	tcp(&a, 1234, 80);
	bytes(&a, "hello", 5);
	struct weir_packet packet = finished(&a);
	struct weir_facts facts = expect(&packet, "ethernet ipv4 tcp | 4 p6 1234>80");
	assert_int_equal(facts.payload, 54);
	assert_int_equal(facts.networks[0].end, 59);
	assert_int_equal(facts.networks[0].transport, 34);
	assert_int_equal(facts.networks[0].source, 26);
	assert_int_equal(facts.networks[0].destination, 30);
	assert_int_equal(facts.ethertype, 0x0800);
	assert_int_equal(facts.link_source, 6);
	assert_int_not_equal(facts.flow_hash, 0);

	ethernet(&b, 0x86dd);
	ipv6(&b, 17);
	udp(&b, 1234, 80);
	packet = finished(&b);
	expect(&packet, "ethernet ipv6 udp | 6 p17 1234>80");
}

static void both_directions_of_a_flow_hash_alike(void **state)
{
	struct build a = {.linktype = 1};
	ethernet(&a, 0x0800);
	ipv4(&a, 6);
	tcp(&a, 1234, 80);
	struct weir_packet packet = finished(&a);
	struct weir_facts there, back, other;
	weir_decode(&packet, &there);
	memcpy(a.data + 26, "\x0a\0\0\x02\x0a\0\0\x01\0\x50\x04\xd2", 12);
	weir_decode(&packet, &back);
	assert_true(there.flow_hash == back.flow_hash);
	a.data[35]++;
	weir_decode(&packet, &other);
	assert_false(there.flow_hash == other.flow_hash);
}

static void padding_behind_the_datagram_is_not_payload(void **state)
{
	struct build b = {.linktype = 1};
	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 1, 2);
	finished(&b);
	bytes(&b, "\0\0\0\0\0\0", 6);
	struct weir_packet packet = finished(&b);
	struct weir_facts facts = expect(&packet, "ethernet ipv4 tcp | 4 p6 1>2");
	assert_int_equal(facts.networks[0].end, 54);
}

static void tags_and_stacks_before_ip(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1}, c = {.linktype = 1}, d = {.linktype = 1};
	ethernet(&a, 0x88a8);
	vlan(&a, 0x2064, 0x8100);
	vlan(&a, 0x0005, 0x0800);
	ipv4(&a, 17);
	udp(&a, 1, 2);
	struct weir_packet packet = finished(&a);
	expect(&packet, "ethernet vlan vlan ipv4 udp | 4 p17 1>2 | vlan 100 | vlan 5");

	ethernet(&b, 0x8847);
	be32(&b, 16u << 12 | 64);
	be32(&b, 17u << 12 | 0x100 | 64);
	ipv6(&b, 6);
	tcp(&b, 1, 2);
	packet = finished(&b);
	expect(&packet, "ethernet mpls mpls ipv6 tcp | 6 p6 1>2");

	/* An Ethernet pseudowire: a control word of zeros, then a frame. */
	ethernet(&c, 0x8847);
	be32(&c, 17u << 12 | 0x100 | 64);
	be32(&c, 0);
	ethernet(&c, 0x0800);
	ipv4(&c, 6);
	tcp(&c, 1, 2);
	packet = finished(&c);
	expect(&packet, "ethernet mpls ethernet ipv4 tcp | 4 p6 1>2");

	ethernet(&d, 0x8864);
	bytes(&d, "\x11\0\0\x17", 4);
	length_here(&d, d.length + 2);
	be16(&d, 0x0021);
	ipv4(&d, 1);
	be32(&d, 0x08000000);
	be32(&d, 0x00010001);
	packet = finished(&d);
	expect(&packet, "ethernet pppoe ppp ipv4 icmp | 4 p1");
}

static void llc_and_snap(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1};
	ethernet_802_3(&a);
	bytes(&a, "\xaa\xaa\x03\0\0\0\x08\0", 8);
	ipv4(&a, 17);
	udp(&a, 1, 2);
	struct weir_packet packet = finished(&a);
	expect(&packet, "ethernet llc snap ipv4 udp | 4 p17 1>2");

	/* A spanning tree frame is unknown, and hides nothing from the index. */
	ethernet_802_3(&b);
	bytes(&b, "\x42\x42\x03\0\0\0\0\0", 8);
	packet = finished(&b);
	struct weir_facts facts = expect(&packet, "ethernet llc | unknown");
	assert_false(facts.flags & WEIR_FACTS_IRREGULAR);
}

static void ipv4_options_and_ipv6_extension_headers(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1};
	ethernet(&a, 0x0800);
	ipv4_with(&a, 17, 0, 8);
	udp(&a, 7, 8);
	struct weir_packet packet = finished(&a);
	expect(&packet, "ethernet ipv4 udp | 4 p17 7>8");

	ethernet(&b, 0x86dd);
	ipv6(&b, 0);
	bytes(&b, "\x3c\0\x01\x04\0\0\0\0", 8);  /* hop-by-hop, then destination options */
	bytes(&b, "\x33\0\x01\x04\0\0\0\0", 8);  /* then an authentication header */
	bytes(&b, "\x06\x04\0\0\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0", 24);
	tcp(&b, 7, 8);
	packet = finished(&b);
	expect(&packet, "ethernet ipv6 ipv6-extension ipv6-extension ah tcp | 6 p6 7>8");
}

static void fragments(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1}, c = {.linktype = 1};
	ethernet(&a, 0x0800);
	ipv4_with(&a, 17, 0x2000, 0);
	udp(&a, 7, 8);
	struct weir_packet packet = finished(&a);
	expect(&packet, "ethernet ipv4 udp | 4 p17 7>8 first");

	ethernet(&b, 0x0800);
	ipv4_with(&b, 17, 0x0001, 0);
	bytes(&b, "payload.", 8);
	packet = finished(&b);
	expect(&packet, "ethernet ipv4 | 4 p17 later");

	ethernet(&c, 0x86dd);
	ipv6(&c, 44);
	bytes(&c, "\x11\0\0\x08\0\0\0\x01", 8);
	bytes(&c, "payload.", 8);
	packet = finished(&c);
	expect(&packet, "ethernet ipv6 ipv6-fragment | 6 p17 later");
}

static void tunnels(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1}, c = {.linktype = 1}, d = {.linktype = 1},
				 e = {.linktype = 1}, g = {.linktype = 1};
	ethernet(&a, 0x0800);
	ipv4(&a, 47);
	bytes(&a, "\x30\0\x65\x58\0\0\0\x01\0\0\0\x02", 12); /* GRE with key and sequence number, Ethernet in it */
	ethernet(&a, 0x0800);
	ipv4(&a, 6);
	tcp(&a, 1, 2);
	struct weir_packet packet = finished(&a);
	expect(&packet, "ethernet ipv4 gre ethernet ipv4 tcp | 4 p47 | 4 p6 1>2");

	ethernet(&b, 0x0800);
	ipv4(&b, 41);
	ipv6(&b, 4);
	ipv4(&b, 17);
	udp(&b, 1, 2);
	packet = finished(&b);
	expect(&packet, "ethernet ipv4 ipv6 ipv4 udp | 4 p41 | 6 p4 | 4 p17 1>2");

	ethernet(&c, 0x0800);
	ipv4(&c, 17);
	udp(&c, 50000, 4789);
	bytes(&c, "\x08\0\0\0\0\0\x05\0", 8);
	ethernet(&c, 0x8100);
	vlan(&c, 9, 0x0806);
	arp(&c);
	packet = finished(&c);
	expect(&packet, "ethernet ipv4 udp vxlan ethernet vlan arp | 4 p17 50000>4789 | vlan 9");

	ethernet(&d, 0x0800);
	ipv4(&d, 17);
	udp(&d, 50000, 6081);
	bytes(&d, "\x01\0\x08\0\0\0\x05\0\0\0\0\0", 12); /* 4 bytes of options, IPv4 in it */
	ipv4(&d, 6);
	tcp(&d, 1, 2);
	packet = finished(&d);
	expect(&packet, "ethernet ipv4 udp geneve ipv4 tcp | 4 p17 50000>6081 | 4 p6 1>2");

	ethernet(&e, 0x0800);
	ipv4(&e, 17);
	udp(&e, 2152, 2152);
	bytes(&e, "\x34\xff\0\0\0\0\0\x01\0\0\0\x85\x01\0\0\0", 16); /* with an extension header */
	ipv4(&e, 6);
	tcp(&e, 1, 2);
	packet = finished(&e);
	expect(&packet, "ethernet ipv4 udp gtpu ipv4 tcp | 4 p17 2152>2152 | 4 p6 1>2");

	ethernet(&g, 0x0800);
	ipv4(&g, 50);
	bytes(&g, "\0\0\0\x01\0\0\0\x02" "sealed", 14);
	packet = finished(&g);
	struct weir_facts facts = expect(&packet, "ethernet ipv4 esp | 4 p50");
	assert_int_equal(facts.payload, 42);
}

static void transports_without_a_fast_path(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1}, c = {.linktype = 1};
	ethernet(&a, 0x0800);
	ipv4(&a, 132);
	bytes(&a, "\0\x07\0\x08\0\0\0\x01\0\0\0\0", 12);
	struct weir_packet packet = finished(&a);
	expect(&packet, "ethernet ipv4 sctp | 4 p132 7>8");

	ethernet(&b, 0x0800);
	ipv4(&b, 1);
	bytes(&b, "\x03\x03\0\0\0\0\0\0", 8);
	ipv4(&b, 17);
	udp(&b, 1, 2);
	packet = finished(&b);
	expect(&packet, "ethernet ipv4 icmp | 4 p1 | quoted");

	ethernet(&c, 0x0800);
	ipv4(&c, 2);
	bytes(&c, "\x16\0\0\0\xe0\0\0\xfb", 8);
	packet = finished(&c);
	expect(&packet, "ethernet ipv4 igmp | 4 p2");
}

static void other_link_types(void **state)
{
	static const struct {
		uint16_t linktype;
		uint8_t length;
		const char *header, *layers;
	} links[] = {
		{101, 0, "", "ipv4 udp"},
		{12, 0, "", "ipv4 udp"},
		{228, 0, "", "ipv4 udp"},
		{0, 4, "\x02\0\0\0", "null ipv4 udp"},
		{0, 4, "\0\0\0\x02", "null ipv4 udp"},
		{108, 4, "\0\0\0\x02", "null ipv4 udp"},
		{9, 4, "\xff\x03\0\x21", "ppp ipv4 udp"},
		{50, 4, "\xff\x03\0\x21", "ppp ipv4 udp"},
		{104, 4, "\x0f\0\x08\0", "ppp ipv4 udp"},
		{113, 16, "\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\x08\0", "sll ipv4 udp"},
		{276, 20, "\x08\0\0\0\0\0\0\x01\0\x01\0\x06\x02\0\0\0\0\x01\0\0", "sll2 ipv4 udp"},
		{105, 32,
	     "\x08\0\0\0"
	     "aaaaaabbbbbbcccccc"
	     "\0\0"
	     "\xaa\xaa\x03\0\0\0\x08\0",
	     "ieee80211 llc snap ipv4 udp"},
		{105, 34,
	     "\x88\0\0\0"
	     "aaaaaabbbbbbcccccc"
	     "\0\0\0\0"
	     "\xaa\xaa\x03\0\0\0\x08\0",
	     "ieee80211 llc snap ipv4 udp"},
		{127, 40,
	     "\0\0\x08\0\0\0\0\0\x08\0\0\0"
	     "aaaaaabbbbbbcccccc"
	     "\0\0"
	     "\xaa\xaa\x03\0\0\0\x08\0",
	     "radiotap ieee80211 llc snap ipv4 udp"},
		{10, 21,
	     "\x50"
	     "aaaaaabbbbbb"
	     "\xaa\xaa\x03\0\0\0\x08\0",
	     "fddi llc snap ipv4 udp"},
	};
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		struct build b = {.linktype = links[i].linktype};
		char expected[200];
		bytes(&b, links[i].header, links[i].length);
		ipv4(&b, 17);
		udp(&b, 1, 2);
		struct weir_packet packet = finished(&b);
		snprintf(expected, sizeof expected, "%s | 4 p17 1>2", links[i].layers);
		expect(&packet, expected);
	}
}

static void link_addresses_of_wireless_frames_follow_their_direction(void **state)
{
	/* To the distribution system: address 3 is the destination, address 2 the source. */
	struct build b = {.linktype = 105};
	bytes(&b, "\x08\x01\0\0" "aaaaaabbbbbbcccccc" "\0\0" "\xaa\xaa\x03\0\0\0\x08\x06", 32);
	arp(&b);
	struct weir_packet packet = finished(&b);
	struct weir_facts facts = expect(&packet, "ieee80211 llc snap arp");
	assert_int_equal(facts.link_source, 10);
	assert_int_equal(facts.link_destination, 16);
}

static void protected_wireless_frames_end_at_their_header(void **state)
{
	struct build b = {.linktype = 105};
	bytes(&b, "\x08\x41\0\0" "aaaaaabbbbbbcccccc" "\0\0" "sealed..", 32);
	struct weir_packet packet = finished(&b);
	expect(&packet, "ieee80211");
}

static void what_cannot_be_followed_is_marked(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1}, c = {.linktype = 1}, d = {.linktype = 1},
				 e = {.linktype = 147};
	/* Version 5. */
	ethernet(&a, 0x0800);
	ipv4(&a, 6);
	tcp(&a, 1, 2);
	struct weir_packet packet = finished(&a);
	a.data[14] = 0x55;
	expect(&packet, "ethernet | malformed | incomplete");
	/* A header of 16 bytes. */
	a.data[14] = 0x44;
	expect(&packet, "ethernet | malformed | incomplete");
	/* A datagram that ends before its ports: a filter reads them all the same. */
	a.data[14] = 0x45;
	a.data[17] = 20;
	expect(&packet, "ethernet ipv4 | 4 p6 | malformed | incomplete");

	/* The snap length cut the TCP header: the ports are there. */
	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 1, 2);
	packet = finished(&b);
	packet.captured = 40;
	expect(&packet, "ethernet ipv4 tcp | 4 p6 1>2 | cut");
	/* It cut the ports in the middle: a filter would find the source port. */
	packet.captured = 36;
	expect(&packet, "ethernet ipv4 | 4 p6 | cut | incomplete");
	/* It left none: nothing can be found. */
	packet.captured = 34;
	expect(&packet, "ethernet ipv4 | 4 p6 | cut");
	/* It cut the IP header. */
	packet.captured = 31;
	expect(&packet, "ethernet | cut | incomplete");
	packet.captured = 14;
	expect(&packet, "ethernet | cut");

	/* Nothing of ours knows this IP protocol, and nothing is hidden. */
	ethernet(&c, 0x0800);
	ipv4(&c, 89);
	bytes(&c, "ospf", 4);
	packet = finished(&c);
	expect(&packet, "ethernet ipv4 | 4 p89 | unknown");

	/* More tags than there is room for. */
	ethernet(&d, 0x8100);
	for (int i = 0; i < 7; i++)
		vlan(&d, (uint16_t)i, 0x8100);
	vlan(&d, 7, 0x0806);
	arp(&d);
	packet = finished(&d);
	struct weir_facts facts = expect(&packet, "ethernet vlan vlan vlan vlan vlan vlan vlan vlan arp | vlan 0 | vlan 1 "
	                                          "| vlan 2 | vlan 3 | vlan 4 | vlan 5 | deep | incomplete");
	assert_int_equal(facts.vlan_count, WEIR_VLANS_MAX);

	bytes(&e, "whatever", 8);
	packet = finished(&e);
	expect(&packet, " | unknown | incomplete");
}

static void nesting_without_end_ends(void **state)
{
	struct build a = {.linktype = 1}, b = {.linktype = 1};
	ethernet(&a, 0x0800);
	for (int i = 0; i < 12; i++)
		ipv4(&a, 4);
	struct weir_packet packet = finished(&a);
	struct weir_facts facts;
	weir_decode(&packet, &facts);
	assert_int_equal(facts.network_count, WEIR_NETWORKS_MAX);
	assert_true(facts.flags & WEIR_FACT_DEEP);

	ethernet(&b, 0x8847);
	for (int i = 0; i < 400; i++)
		be32(&b, 0x00001040);
	packet = finished(&b);
	weir_decode(&packet, &facts);
	assert_int_equal(facts.layer_count, WEIR_LAYERS_MAX);
	assert_true(facts.flags & WEIR_FACTS_IRREGULAR);
}

static void every_cut_of_every_packet_is_decoded_within_its_bytes(void **state)
{
	struct build b = {.linktype = 1};
	ethernet(&b, 0x8100);
	vlan(&b, 5, 0x86dd);
	ipv6(&b, 0);
	bytes(&b, "\x11\0\x01\x04\0\0\0\0", 8);
	udp(&b, 1, 4789);
	bytes(&b, "\x08\0\0\0\0\0\x05\0", 8);
	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 1, 2);
	struct weir_packet packet = finished(&b);
	for (uint32_t captured = 0; captured <= b.length; captured++) {
		struct weir_facts facts, thorough;
		uint8_t *exact = malloc(captured ? captured : 1);
		assert_non_null(exact);
		memcpy(exact, b.data, captured);
		packet.data = exact;
		packet.captured = captured;
		memset(&facts, 0, sizeof facts);
		memset(&thorough, 0, sizeof thorough);
		weir_decode(&packet, &facts);
		weir_decode_thoroughly(&packet, &thorough);
		assert_memory_equal(&facts, &thorough, sizeof facts);
		assert_true(facts.payload <= captured);
		free(exact);
	}
}

static void a_batch_is_decoded_but_for_what_was_dropped(void **state)
{
	struct build b = {.linktype = 1};
	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 1, 2);
	struct weir_batch *batch = weir_batch_new();
	struct weir_stage *stage = weir_decode_stage_new();
	struct weir_fault fault;
	assert_non_null(batch);
	assert_non_null(stage);
	for (batch->count = 0; batch->count < 20; batch->count++)
		batch->packets[batch->count] = finished(&b);
	batch->packets[3].verdict = WEIR_DROP;
	assert_int_equal(stage->ops->process(stage, batch, &fault), 0);
	for (uint32_t i = 0; i < 20; i++)
		assert_true(i == 3 ? !batch->packets[i].facts : batch->packets[i].facts->layer_count == 3);
	weir_stage_close(stage);
	weir_batch_free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_and_udp_over_ipv4_and_ipv6),
		cmocka_unit_test(both_directions_of_a_flow_hash_alike),
		cmocka_unit_test(padding_behind_the_datagram_is_not_payload),
		cmocka_unit_test(tags_and_stacks_before_ip),
		cmocka_unit_test(llc_and_snap),
		cmocka_unit_test(ipv4_options_and_ipv6_extension_headers),
		cmocka_unit_test(fragments),
		cmocka_unit_test(tunnels),
		cmocka_unit_test(transports_without_a_fast_path),
		cmocka_unit_test(other_link_types),
		cmocka_unit_test(link_addresses_of_wireless_frames_follow_their_direction),
		cmocka_unit_test(protected_wireless_frames_end_at_their_header),
		cmocka_unit_test(what_cannot_be_followed_is_marked),
		cmocka_unit_test(nesting_without_end_ends),
		cmocka_unit_test(every_cut_of_every_packet_is_decoded_within_its_bytes),
		cmocka_unit_test(a_batch_is_decoded_but_for_what_was_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
