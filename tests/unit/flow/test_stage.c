/* What the flow stage makes of packets made by hand: whose flows, when they end, what it counts. */
#include "../unit.h"

#include "flows.h"

static void both_directions_are_one_flow_of_who_spoke_first(void **state)
{
	struct flows f;
	flows_open(&f, 0, 0, 0);
	flows_udp(&f, 1 * S, 1000, 53, false);
	flows_udp(&f, 2 * S, 1000, 53, true);
	flows_udp(&f, 3 * S, 1000, 53, false);
	flows_udp(&f, 4 * S, 1001, 53, true);
	flows_end(&f);
	assert_int_equal(f.kept->count, 2);
	const struct weir_flow *a = &f.kept->flows[0], *b = &f.kept->flows[1];
	assert_memory_equal(a->source.bytes, "\x0a\0\0\x01", 4);
	assert_int_equal(a->source.version, 4);
	assert_int_equal(a->source_port, 1000);
	assert_int_equal(a->destination_port, 53);
	assert_int_equal(a->protocol, 17);
	assert_int_equal(a->forward.packets, 2);
	assert_int_equal(a->reverse.packets, 1);
	assert_int_equal(a->forward.wire_bytes, 84);
	assert_int_equal(a->forward.ip_bytes, 56);
	assert_int_equal(a->forward.first_ns, 1 * S);
	assert_int_equal(a->forward.last_ns, 3 * S);
	assert_int_equal(a->reverse.first_ns, 2 * S);
	assert_int_equal(a->forward.ttl_min, 64);
	assert_int_equal(a->end_reason, WEIR_FLOW_FORCED);
	assert_int_equal(a->sequence, 1);
	assert_true(a->has_macs);
	assert_memory_equal(a->source_mac, "\x02\0\0\0\0\x01", 6);
	assert_int_equal(a->vlan, WEIR_NO_VALUE);
	assert_int_equal(a->icmp_type, WEIR_NO_VALUE);
	/* The other one's first packet came from 10.0.0.2. */
	assert_memory_equal(b->source.bytes, "\x0a\0\0\x02", 4);
	assert_int_equal(b->source_port, 53);
	assert_int_equal(b->reverse.packets, 0);
	assert_true(b->reverse.first_ns == WEIR_NO_TIME);
	flows_close(&f);
}

static void who_answers_a_syn_is_the_destination(void **state)
{
	struct flows f;
	flows_open(&f, 0, 0, 0);
	flows_tcp(&f, S, (struct segment){.back = true, .port = 9, .flags = SYN | ACK, .sequence = 50, .acknowledged = 11});
	flows_tcp(&f, S, (struct segment){.port = 9, .flags = ACK, .sequence = 11, .acknowledged = 51});
	flows_end(&f);
	assert_int_equal(f.kept->count, 1);
	assert_int_equal(f.kept->flows[0].source_port, 9);
	assert_int_equal(f.kept->flows[0].forward.packets, 1);
	assert_int_equal(f.kept->flows[0].reverse.packets, 1);
	assert_memory_equal(f.kept->flows[0].source.bytes, "\x0a\0\0\x01", 4);
	flows_close(&f);
}

static void silence_ends_a_flow_exactly_at_the_timeout(void **state)
{
	struct flows f;
	flows_open(&f, 10 * S, 0, 0);
	flows_udp(&f, 0, 1, 2, false);
	flows_udp(&f, 10 * S, 1, 2, false); /* not yet */
	flows_udp(&f, 20 * S + 1, 1, 2, false);
	flows_end(&f);
	assert_int_equal(f.kept->count, 2);
	assert_int_equal(f.kept->flows[0].forward.packets, 2);
	assert_int_equal(f.kept->flows[0].end_reason, WEIR_FLOW_IDLE);
	assert_int_equal(f.kept->flows[1].end_reason, WEIR_FLOW_FORCED);
	flows_close(&f);
}

static void other_flows_packets_drive_the_clock(void **state)
{
	struct flows f;
	flows_open(&f, 10 * S, 0, 0);
	for (int64_t i = 0; i < 100; i++)
		flows_udp(&f, i * 10 * MS, (uint16_t)(1000 + i), 2, false);
	flows_udp(&f, 10 * S + 500 * MS, 1, 2, false);
	flows_run(&f);
	/* Those idle for more than 10 s, but for what the wheel's ticks leave for later. */
	assert_in_range(f.kept->count, 40, 50);
	flows_udp(&f, 30 * S, 1, 2, false);
	flows_run(&f);
	assert_int_equal(f.kept->count, 101);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(f.kept->flows[i].end_reason, WEIR_FLOW_IDLE);
	flows_close(&f);
}

static void a_long_flow_is_cut_into_records_that_keep_their_source(void **state)
{
	struct flows f;
	flows_open(&f, 90 * S, 60 * S, 0);
	flows_udp(&f, 0, 1, 2, false);
	for (int64_t t = 10; t <= 130; t += 10)
		flows_udp(&f, t * S, 1, 2, true);
	flows_end(&f);
	assert_int_equal(f.kept->count, 2);
	assert_int_equal(f.kept->flows[0].end_reason, WEIR_FLOW_ACTIVE);
	assert_int_equal(f.kept->flows[0].forward.packets + f.kept->flows[0].reverse.packets, 7);
	assert_int_equal(f.kept->flows[1].source_port, 1);
	assert_int_equal(f.kept->flows[1].forward.packets, 0);
	assert_int_equal(f.kept->flows[1].reverse.packets, 7);
	assert_int_equal(f.kept->flows[1].reverse.first_ns, 70 * S);
	assert_int_equal(f.kept->flows[1].sequence, 2);
	flows_close(&f);
}

/* A whole connection from port 9, at time t. */
static void connection(struct flows *f, int64_t t, uint32_t isn, bool with_end)
{
	flows_tcp(f, t, (struct segment){.port = 9, .flags = SYN, .sequence = isn});
	flows_tcp(f, t + 10 * MS, (struct segment){.back = true, .port = 9, .flags = SYN | ACK, .sequence = 50, .acknowledged = isn + 1});
	flows_tcp(f, t + 25 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = isn + 1, .acknowledged = 51});
	flows_tcp(f, t + 30 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = isn + 1, .acknowledged = 51, .length = 100});
	flows_tcp(f, t + 40 * MS, (struct segment){.back = true, .port = 9, .flags = ACK, .sequence = 51, .acknowledged = isn + 101});
	if (!with_end)
		return;
	flows_tcp(f, t + 50 * MS, (struct segment){.port = 9, .flags = FIN | ACK, .sequence = isn + 101, .acknowledged = 51});
	flows_tcp(f, t + 60 * MS, (struct segment){.back = true, .port = 9, .flags = FIN | ACK, .sequence = 51, .acknowledged = isn + 102});
	flows_tcp(f, t + 70 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = isn + 102, .acknowledged = 52});
}

static void a_connection_ends_with_its_last_acknowledgment(void **state)
{
	struct flows f;
	flows_open(&f, 90 * S, 0, 0);
	connection(&f, 0, 1000, true);
	/* What comes late lingers with it … */
	flows_tcp(&f, 1 * S, (struct segment){.port = 9, .flags = ACK, .sequence = 1102, .acknowledged = 52});
	/* … a new SYN does not. */
	connection(&f, 2 * S, 7000, true);
	flows_udp(&f, 60 * S, 1, 2, false);
	flows_run(&f);
	assert_int_equal(f.kept->count, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(f.kept->flows[i].end_reason, WEIR_FLOW_FINISHED);
		assert_int_equal(f.kept->flows[i].forward.packets, i == 0 ? 6 : 5);
		assert_int_equal(f.kept->flows[i].reverse.packets, 3);
		assert_int_equal(f.kept->flows[i].rtt_ns, 25 * MS);
		assert_int_equal(f.kept->flows[i].forward.tcp_flags_initial, SYN);
		assert_int_equal(f.kept->flows[i].forward.tcp_flags, SYN | ACK | FIN);
		assert_int_equal(f.kept->flows[i].reverse.tcp_flags_initial, SYN | ACK);
		assert_int_equal(f.kept->flows[i].forward.retransmissions, 0);
	}
	flows_close(&f);
}

static void a_reset_ends_a_connection_and_a_syn_with_another_number_begins_one(void **state)
{
	struct flows f;
	flows_open(&f, 90 * S, 0, 0);
	connection(&f, 0, 1000, false);
	flows_tcp(&f, S, (struct segment){.back = true, .port = 9, .flags = RST, .sequence = 51});
	connection(&f, 2 * S, 5000, false);
	connection(&f, 3 * S, 9000, false);
	/* The same SYN again is the same connection. */
	flows_tcp(&f, 4 * S, (struct segment){.port = 9, .flags = SYN, .sequence = 9000});
	flows_end(&f);
	assert_int_equal(f.kept->count, 3);
	assert_int_equal(f.kept->flows[0].end_reason, WEIR_FLOW_FINISHED);
	assert_int_equal(f.kept->flows[0].reverse.packets, 3);
	assert_int_equal(f.kept->flows[1].end_reason, WEIR_FLOW_FINISHED);
	assert_int_equal(f.kept->flows[2].end_reason, WEIR_FLOW_FORCED);
	assert_int_equal(f.kept->flows[2].forward.packets, 4);
	flows_close(&f);
}

static void retransmissions_reordering_and_closed_windows(void **state)
{
	struct flows f;
	flows_open(&f, 0, 0, 0);
	connection(&f, 0, 1000, false); /* round trip 25 ms; 1001 … 1101 sent and acknowledged */
	flows_tcp(&f, 1000 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = 1101, .acknowledged = 51, .length = 100});
	flows_tcp(&f, 1001 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = 1301, .acknowledged = 51, .length = 100});
	/* Out of order: soon after, and never sent. */
	flows_tcp(&f, 1002 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = 1201, .acknowledged = 51, .length = 100});
	/* Sent again after a timeout; and what was acknowledged long ago. */
	flows_tcp(&f, 1300 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = 1301, .acknowledged = 51, .length = 100});
	flows_tcp(&f, 1301 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = 1001, .acknowledged = 51, .length = 100});
	/* A keep-alive is none. */
	flows_tcp(&f, 2000 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = 1400, .acknowledged = 51, .length = 1});
	flows_tcp(&f, 2001 * MS, (struct segment){.back = true, .port = 9, .flags = ACK, .sequence = 51, .acknowledged = 1401, .closed = true});
	flows_end(&f);
	assert_int_equal(f.kept->count, 1);
	assert_int_equal(f.kept->flows[0].forward.out_of_order, 1);
	assert_int_equal(f.kept->flows[0].forward.retransmissions, 2);
	assert_int_equal(f.kept->flows[0].reverse.zero_windows, 1);
	assert_int_equal(f.kept->flows[0].forward.zero_windows, 0);
	flows_close(&f);
}

/* Three equal acknowledgments, and what comes next at the sequence that they ask for, soon after and in part. kept_alive: each answers a keep-alive. */
static struct weir_flow after_equal_acknowledgments(bool kept_alive)
{
	struct flows f;
	flows_open(&f, 0, 0, 0);
	connection(&f, 0, 1000, false); /* round trip 25 ms; the window does not change */
	flows_tcp(&f, 1000 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = 1101, .acknowledged = 51, .length = 100});
	for (int i = 0; i < 3; i++) {
		if (kept_alive)
			flows_tcp(&f, (1001 + 2 * i) * MS, (struct segment){.port = 9, .flags = ACK, .sequence = 1200, .acknowledged = 51});
		flows_tcp(&f, (1002 + 2 * i) * MS, (struct segment){.back = true, .port = 9, .flags = ACK, .sequence = 51, .acknowledged = 1101});
	}
	flows_tcp(&f, 1008 * MS, (struct segment){.port = 9, .flags = ACK, .sequence = 1101, .acknowledged = 51, .length = 50});
	flows_end(&f);
	assert_int_equal(f.kept->count, 1);
	struct weir_flow flow = f.kept->flows[0];
	flows_close(&f);
	return flow;
}

static void answers_to_keep_alives_ask_for_nothing(void **state)
{
	struct weir_flow flow = after_equal_acknowledgments(false);
	assert_int_equal(flow.forward.retransmissions, 1);
	assert_int_equal(flow.forward.out_of_order, 0);
	flow = after_equal_acknowledgments(true);
	assert_int_equal(flow.forward.retransmissions, 0);
	assert_int_equal(flow.forward.out_of_order, 1);
}

static void icmp(struct flows *f, int64_t t, uint8_t type, uint8_t code, bool back)
{
	struct build *b = flows_next(f);

	ethernet(b, 0x0800);
	ipv4(b, 1);
	u8(b, type);
	u8(b, code);
	bytes(b, "\0\0\0\1\0\2data", 10);
	if (back)
		memcpy(b->data + 26, "\x0a\0\0\x02\x0a\0\0\x01", 8);
	flows_add(f, b, t);
}

static void an_echo_and_its_reply_are_one_flow_and_errors_are_others(void **state)
{
	struct flows f;
	flows_open(&f, 0, 0, 0);
	icmp(&f, 1 * S, 8, 0, false);
	icmp(&f, 2 * S, 0, 0, true);
	icmp(&f, 3 * S, 3, 1, false);
	icmp(&f, 4 * S, 3, 1, true);
	flows_end(&f);
	assert_int_equal(f.kept->count, 3);
	assert_int_equal(f.kept->flows[0].reverse.packets, 1);
	assert_int_equal(f.kept->flows[0].icmp_type, 8);
	assert_int_equal(f.kept->flows[0].source_port, 0);
	assert_int_equal(f.kept->flows[0].destination_port, 0);
	assert_int_equal(f.kept->flows[1].icmp_type, 3);
	assert_int_equal(f.kept->flows[1].icmp_code, 1);
	assert_int_equal(f.kept->flows[1].source.bytes[3], 1);
	assert_int_equal(f.kept->flows[2].source.bytes[3], 2);
	flows_close(&f);
}

/* A fragment of a UDP datagram from port 7 to 8; offset in units of 8 bytes. */
static void fragment(struct flows *f, int64_t t, uint16_t id, uint16_t offset, bool more)
{
	struct build *b = flows_next(f);

	ethernet(b, 0x0800);
	ipv4_with(b, 17, (uint16_t)(offset | (more ? 0x2000 : 0)), 0);
	weir_store_be16(b->data + 18, id);
	if (offset == 0) {
		udp(b, 7, 8);
		b->length_count--; /* the datagram's length, not this fragment's */
	}
	bytes(b, "fragment", 8);
	struct weir_packet *packet = flows_add(f, b, t);
	weir_store_be16(b->data + 16, (uint16_t)(packet->length - 14));
}

static void fragments_belong_to_the_flow_of_the_first_in_whatever_order(void **state)
{
	struct flows f;
	flows_open(&f, 90 * S, 0, 0);
	fragment(&f, 1 * S, 1, 0, true);
	fragment(&f, 2 * S, 1, 2, true);
	fragment(&f, 3 * S, 1, 3, false);
	fragment(&f, 4 * S, 2, 3, false); /* before its first */
	fragment(&f, 5 * S, 2, 0, true);
	fragment(&f, 6 * S, 3, 3, false); /* whose first never comes */
	flows_end(&f);
	assert_int_equal(f.kept->count, 2);
	assert_int_equal(f.kept->flows[0].forward.packets, 5);
	assert_int_equal(f.kept->flows[0].source_port, 7);
	assert_int_equal(f.kept->flows[0].forward.first_ns, 1 * S);
	assert_int_equal(f.kept->flows[1].forward.packets, 1);
	assert_int_equal(f.kept->flows[1].source_port, 0);
	assert_int_equal(f.kept->flows[1].forward.first_ns, 6 * S);
	flows_close(&f);
}

static void vlans_and_tunnels(void **state)
{
	struct flows f;
	flows_open(&f, 0, 0, 0);
	struct build *b = flows_next(&f);
	ethernet(b, 0x8100);
	vlan(b, 0x2064, 0x0800);
	ipv4(b, 17);
	udp(b, 1, 2);
	flows_add(&f, b, 1);
	flows_udp(&f, 2, 1, 2, false);
	b = flows_next(&f);
	ethernet(b, 0x0800);
	ipv4(b, 4);
	ipv4(b, 17);
	udp(b, 1, 2);
	memcpy(b->data + 26, "\xc0\0\x02\x01\xc0\0\x02\x02", 8);
	flows_add(&f, b, 3);
	flows_end(&f);
	assert_int_equal(f.kept->count, 2);
	assert_int_equal(f.kept->flows[0].vlan, 0x64);
	/* IP in IP: of the same inner flow, which has no outer addresses since it began without. */
	assert_int_equal(f.kept->flows[1].forward.packets, 2);
	assert_int_equal(f.kept->flows[1].outer_source.version, 0);
	assert_int_equal(f.kept->flows[1].forward.ip_bytes, 56);
	flows_close(&f);

	flows_open(&f, 0, 0, 0);
	b = flows_next(&f);
	ethernet(b, 0x0800);
	ipv4(b, 4);
	ipv4(b, 17);
	udp(b, 1, 2);
	memcpy(b->data + 26, "\xc0\0\x02\x01\xc0\0\x02\x02", 8);
	flows_add(&f, b, 3);
	flows_end(&f);
	assert_memory_equal(f.kept->flows[0].outer_source.bytes, "\xc0\0\x02\x01", 4);
	assert_memory_equal(f.kept->flows[0].outer_destination.bytes, "\xc0\0\x02\x02", 4);
	assert_int_equal(f.kept->flows[0].tunnel, WEIR_LAYER_IPV4);
	flows_close(&f);
}

/* Of one tag the id is read from the packet, of two from what decoding found; a label in the tag's place is none. */
static void the_outermost_vlan_counts_wherever_it_is_read(void **state)
{
	struct flows f;
	flows_open(&f, 0, 0, 0);
	struct build *b = flows_next(&f);
	ethernet(b, 0x8100);
	vlan(b, 0xe064, 0x0800);
	ipv4(b, 17);
	udp(b, 1, 2);
	flows_add(&f, b, 1);
	b = flows_next(&f);
	ethernet(b, 0x88a8);
	vlan(b, 0x2065, 0x8100);
	vlan(b, 0x2066, 0x0800);
	ipv4(b, 17);
	udp(b, 1, 2);
	flows_add(&f, b, 2);
	b = flows_next(&f);
	ethernet(b, 0x8847);
	bytes(b, "\0\x06\x71\x40", 4);
	ipv4(b, 17);
	udp(b, 1, 2);
	flows_add(&f, b, 3);
	flows_end(&f);
	assert_int_equal(f.kept->count, 3);
	assert_int_equal(f.kept->flows[0].vlan, 0x64);
	assert_int_equal(f.kept->flows[1].vlan, 0x65);
	assert_int_equal(f.kept->flows[2].vlan, WEIR_NO_VALUE);
	flows_close(&f);
}

static void encrypted_esp_is_a_flow_with_its_spi(void **state)
{
	struct flows f;
	flows_open(&f, 0, 0, 0);
	struct build *b = flows_next(&f);
	ethernet(b, 0x0800);
	ipv4(b, 50);
	bytes(b, "\x01\x02\x03\x04\0\0\0\x01sealed sealed", 21);
	flows_add(&f, b, 1);
	flows_end(&f);
	assert_int_equal(f.kept->flows[0].protocol, 50);
	assert_true(f.kept->flows[0].has_spi);
	assert_int_equal(f.kept->flows[0].spi, 0x01020304);
	assert_int_equal(f.kept->flows[0].tunnel, WEIR_LAYER_NONE);
	flows_close(&f);
}

static void duplicates_are_counted_apart_and_dropped_packets_not(void **state)
{
	struct flows f;
	flows_open(&f, 0, 0, 0);
	static const struct weir_interface interfaces[] = {{.node = "b", .name = "eth0"}, {.name = "a,1"}, {.node = "b", .name = "eth0"}};
	static const struct weir_interface *const table[] = {&interfaces[0], &interfaces[1], &interfaces[2]};
	f.batch->interfaces = table;
	f.batch->interface_count = 3;
	flows_udp(&f, 1, 1, 2, false);
	struct weir_packet *packet = flows_udp(&f, 2, 1, 2, false);
	packet->verdict = WEIR_DUPLICATE;
	packet->interface_id = 1;
	flows_udp(&f, 3, 1, 2, false)->verdict = WEIR_DROP;
	flows_udp(&f, 4, 1, 2, false)->interface_id = 2;
	flows_end(&f);
	assert_int_equal(f.kept->count, 1);
	assert_int_equal(f.kept->flows[0].forward.packets, 2);
	assert_int_equal(f.kept->flows[0].duplicates, 1);
	assert_string_equal(f.kept->vantages[0], "a_1,b/eth0");
	flows_close(&f);
}

static void flows_are_named_and_packets_shown_until_they_are(void **state)
{
	struct flows f;
	struct weir_applications_options options = {.no_ndpi = true};
	struct weir_applications *applications;
	struct weir_fault fault = {0};

	flows_open(&f, 90 * S, 0, 0);
	weir_stage_close(f.stage);
	assert_int_equal(weir_applications_new(&options, &applications, &fault), 0);
	f.options.applications = applications;
	assert_int_equal(weir_flow_stage_new(&f.options, &f.stage, &fault), 0);
	connection(&f, 0, 1000, true);
	connection(&f, 10 * S, 5000, false);
	flows_udp(&f, 10 * S, 3, 4, false);
	flows_end(&f);
	assert_int_equal(f.kept->count, 3);
	assert_string_equal(f.kept->names[0], "HTTP web signature www.example.org");
	assert_string_equal(f.kept->names[1], f.kept->names[0]);
	assert_string_equal(f.kept->names[2], "   ");
	flows_close(&f);
	weir_applications_free(applications);
}

static void memory_is_bounded_and_no_packet_is_lost(void **state)
{
	struct flows f;
	struct weir_flow_statistics statistics;
	uint64_t packets = 0;

	flows_open(&f, 0, 0, 1); /* the least that there is */
	for (uint32_t i = 0; i < 6000; i++)
		flows_udp(&f, i, (uint16_t)(i + 1), 60000, false);
	flows_run(&f);
	weir_flow_stage_statistics(f.stage, &statistics);
	assert_int_equal(statistics.active + f.kept->count, 6000);
	assert_true(statistics.most_active <= 2000);
	assert_int_equal(statistics.cut, f.kept->count);
	flows_end(&f);
	assert_int_equal(f.kept->count, 6000);
	uint64_t early = 0, cut = 0;
	for (size_t i = 0; i < f.kept->count; i++) {
		packets += f.kept->flows[i].forward.packets;
		if (f.kept->flows[i].end_reason != WEIR_FLOW_RESOURCES)
			continue;
		cut++;
		early += f.kept->flows[i].forward.first_ns < (int64_t)(i + 600);
	}
	assert_int_equal(packets, 6000);
	assert_int_equal(cut, statistics.cut);
	/* Nearly all of those cut were idle for longer than most. */
	assert_true(early * 10 > cut * 9);
	flows_close(&f);
}

static void times_may_go_anywhere(void **state)
{
	static const int64_t times[] = {5 * S, 4 * S, INT64_MAX, INT64_MIN, 0, -5 * S, INT64_MAX - 1, 6 * S, INT64_MIN + 1, 7 * S, 3600 * S, 8 * S};
	struct flows f;
	uint64_t packets = 0;

	flows_open(&f, 90 * S, 1800 * S, 0);
	for (int round = 0; round < 20; round++)
		for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
			flows_udp(&f, times[i], (uint16_t)(1 + i % 5), 2, false);
			flows_udp(&f, times[i], (uint16_t)(100 + round), 2, round & 1);
		}
	flows_end(&f);
	for (size_t i = 0; i < f.kept->count; i++) {
		packets += f.kept->flows[i].forward.packets + f.kept->flows[i].reverse.packets;
		assert_true(f.kept->flows[i].forward.first_ns <= f.kept->flows[i].forward.last_ns);
	}
	assert_int_equal(packets, 20 * 2 * sizeof times / sizeof times[0]);
	flows_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_are_one_flow_of_who_spoke_first),
		cmocka_unit_test(who_answers_a_syn_is_the_destination),
		cmocka_unit_test(silence_ends_a_flow_exactly_at_the_timeout),
		cmocka_unit_test(other_flows_packets_drive_the_clock),
		cmocka_unit_test(a_long_flow_is_cut_into_records_that_keep_their_source),
		cmocka_unit_test(a_connection_ends_with_its_last_acknowledgment),
		cmocka_unit_test(a_reset_ends_a_connection_and_a_syn_with_another_number_begins_one),
		cmocka_unit_test(retransmissions_reordering_and_closed_windows),
		cmocka_unit_test(answers_to_keep_alives_ask_for_nothing),
		cmocka_unit_test(an_echo_and_its_reply_are_one_flow_and_errors_are_others),
		cmocka_unit_test(fragments_belong_to_the_flow_of_the_first_in_whatever_order),
		cmocka_unit_test(vlans_and_tunnels),
		cmocka_unit_test(the_outermost_vlan_counts_wherever_it_is_read),
		cmocka_unit_test(encrypted_esp_is_a_flow_with_its_spi),
		cmocka_unit_test(duplicates_are_counted_apart_and_dropped_packets_not),
		cmocka_unit_test(flows_are_named_and_packets_shown_until_they_are),
		cmocka_unit_test(memory_is_bounded_and_no_packet_is_lost),
		cmocka_unit_test(times_may_go_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
