/* The hide stage: where values are found, what is cut, and that checksums follow. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

#include <weir/decode.h>
#include <weir/policy.h>

#include "../packet/build.h"
#include "file/option.h"

static struct weir_key key = {{7, 7, 7}};
static struct weir_policy policy = {.hides = true,
                                    .hide = {
										.ipv4 = {.technique = WEIR_HIDE_PREFIX},
										.ipv6 = {.technique = WEIR_HIDE_PREFIX},
										.keep_special = true,
										.macs = {.technique = WEIR_HIDE_PERMUTE},
										.vlans = {.technique = WEIR_HIDE_PERMUTE},
										.names = {.technique = WEIR_HIDE_KEYED},
										.tcp_timestamps = {.technique = WEIR_HIDE_PERMUTE},
										.ip_ids = {.technique = WEIR_HIDE_PERMUTE},
									}};

static struct weir_hider *hider;
static struct weir_batch *batch;

static int begin(void **state)
{
	batch = weir_batch_new();
	return batch && weir_hider_new(&policy, &key, &hider, NULL) == 0 ? 0 : -1;
}

static int end(void **state)
{
	weir_batch_free(batch);
	weir_hider_free(hider);
	return 0;
}

/* The packet hidden: what is left of it. */
static const struct weir_packet *hide(struct build *b)
{
	struct weir_stage *stage = weir_hide_stage_new(hider, NULL);

	assert_non_null(stage);
	weir_batch_reset(batch);
	batch->count = 1;
	batch->packets[0] = finished(b);
	batch->packets[0].block = b->data;
	assert_int_equal(weir_decode_batch(batch, NULL), 0);
	assert_int_equal(stage->ops->process(stage, batch, NULL), 0);
	weir_stage_close(stage);
	assert_null(batch->packets[0].block);
	return &batch->packets[0];
}

static uint16_t sum16(const uint8_t *p, uint32_t length, uint32_t sum)
{
	for (uint32_t i = 0; i < length; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Of an IP header at `ip` and the transport at `at` up to the end: both sums, 0xffff where they are right. */
static uint16_t header_sum(const uint8_t *ip) { return sum16(ip, (ip[0] & 15u) * 4u, 0); }

static uint16_t transport_sum(const uint8_t *ip, const uint8_t *at, uint32_t length, uint8_t protocol)
{
	bool four = ip[0] >> 4 == 4;
	uint32_t pseudo = sum16(ip + (four ? 12 : 8), four ? 8 : 32, protocol + length);
	return sum16(at, length, pseudo);
}

static void right_checksums(struct build *b, uint32_t ip, uint32_t at, uint32_t field, uint8_t protocol)
{
	finished(b);
	if (b->data[ip] >> 4 == 4)
		weir_store_be16(b->data + ip + 10, (uint16_t)~header_sum(b->data + ip));
	weir_store_be16(b->data + at + field, 0);
	weir_store_be16(b->data + at + field,
	                (uint16_t)~transport_sum(b->data + ip, b->data + at, b->length - at, protocol));
}

static void hidden_ip(const char *bytes, unsigned length, uint8_t *out)
{
	struct weir_ip in = {.version = length == 4 ? 4 : 6}, got;

	memcpy(in.bytes, bytes, length);
	weir_hide_ip(hider, &in, &got);
	memcpy(out, got.bytes, length);
}

static void addresses_are_hidden_and_payload_of_nothing_known_is_cut(void **state)
{
	struct build b = {.linktype = 1};
	uint8_t expected[6];

	ethernet(&b, 0x8100);
	vlan(&b, 0x6064, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 50000, 7777);
	bytes(&b, "a secret of somebody", 20);
	right_checksums(&b, 18, 38, 16, 6);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, 58);
	assert_int_equal(p->length, 78);
	weir_hide_mac(hider, b.data, expected);
	assert_memory_equal(p->data, expected, 6);
	assert_memory_not_equal(p->data, b.data, 6);
	assert_int_equal(weir_load_be16(p->data + 14), 0x6000 | weir_hide_vlan(hider, 0x64));
	hidden_ip("\x0a\0\0\1", 4, expected);
	assert_memory_equal(p->data + 30, expected, 4);
	assert_int_not_equal(weir_load_be16(p->data + 22), 0x1234);
	assert_int_equal(header_sum(p->data + 18), 0xffff);
	/* With the payload that was cut the transport's would be right. */
	uint8_t whole[128];
	memcpy(whole, p->data, 58);
	memcpy(whole + 58, "a secret of somebody", 20);
	assert_int_equal(transport_sum(whole + 18, whole + 38, 40, 6), 0xffff);
	assert_int_equal(p->facts->vlans[0], weir_hide_vlan(hider, 0x64));
	assert_true(p->facts->networks[0].end <= p->captured);
}

static void a_wrong_checksum_stays_as_wrong(void **state)
{
	struct build b = {.linktype = 1};

	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 50000, 7777);
	right_checksums(&b, 14, 34, 16, 6);
	weir_store_be16(b.data + 24, (uint16_t)(weir_load_be16(b.data + 24) ^ 0x0101));
	weir_store_be16(b.data + 50, (uint16_t)(weir_load_be16(b.data + 50) ^ 0x0101));
	uint16_t header = header_sum(b.data + 14), transport = transport_sum(b.data + 14, b.data + 34, 20, 6);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(header_sum(p->data + 14), header);
	assert_int_equal(transport_sum(p->data + 14, p->data + 34, 20, 6), transport);
}

static void a_udp_datagram_without_checksum_gets_none(void **state)
{
	struct build b = {.linktype = 1};

	ethernet(&b, 0x0800);
	ipv4(&b, 17);
	udp(&b, 50000, 7777);
	bytes(&b, "xxxx", 4);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, 42);
	assert_int_equal(weir_load_be16(p->data + 40), 0);
}

static void both_headers_of_a_tunnel_are_hidden(void **state)
{
	struct build b = {.linktype = 1};
	uint8_t expected[4];

	ethernet(&b, 0x0800);
	ipv4(&b, 17);
	udp(&b, 50000, 4789);
	bytes(&b, "\x08\0\0\0\0\1\2\0", 8);
	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 50000, 7777);
	right_checksums(&b, 64, 84, 16, 6);
	weir_store_be16(b.data + 24, (uint16_t)~header_sum(b.data + 14));
	weir_store_be16(b.data + 40, (uint16_t)~transport_sum(b.data + 14, b.data + 34, b.length - 34, 17));
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, b.length);
	hidden_ip("\x0a\0\0\1", 4, expected);
	assert_memory_equal(p->data + 26, expected, 4);
	assert_memory_equal(p->data + 76, expected, 4);
	assert_memory_not_equal(p->data + 46, b.data + 46, 3); /* the virtual network */
	assert_memory_not_equal(p->data + 50, b.data + 50, 6);
	assert_int_equal(header_sum(p->data + 14), 0xffff);
	assert_int_equal(header_sum(p->data + 64), 0xffff);
	assert_int_equal(transport_sum(p->data + 64, p->data + 84, 20, 6), 0xffff);
	assert_int_equal(transport_sum(p->data + 14, p->data + 34, p->captured - 34, 17), 0xffff);
}

static void what_an_error_quotes_is_hidden_and_what_is_behind_it_cut(void **state)
{
	struct build b = {.linktype = 1};
	uint8_t expected[4];

	ethernet(&b, 0x0800);
	ipv4(&b, 1);
	bytes(&b, "\x05\1\0\0\x0a\0\0\x09", 8); /* redirect to 10.0.0.9 */
	uint32_t quoted = b.length;
	ipv4(&b, 17);
	udp(&b, 50000, 53);
	bytes(&b, "\x12\x34\1\0\0\1\0\0\0\0\0\0\3www\0\0\1\0\1", 21);
	finished(&b);
	weir_store_be16(b.data + quoted + 10, (uint16_t)~header_sum(b.data + quoted));
	weir_store_be16(b.data + 36, 0);
	weir_store_be16(b.data + 36, (uint16_t)~sum16(b.data + 34, b.length - 34, 0));
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, quoted + 28);
	hidden_ip("\x0a\0\0\x09", 4, expected);
	assert_memory_equal(p->data + 38, expected, 4);
	hidden_ip("\x0a\0\0\1", 4, expected);
	assert_memory_equal(p->data + quoted + 12, expected, 4);
	assert_int_equal(header_sum(p->data + quoted), 0xffff);
	/* As if what was cut were there. */
	uint8_t whole[256];
	memcpy(whole, b.data, b.length);
	memcpy(whole, p->data, p->captured);
	assert_int_equal(sum16(whole + 34, b.length - 34, 0), 0xffff);
}

static void neighbour_discovery_is_hidden(void **state)
{
	struct build b = {.linktype = 1};
	uint8_t expected[16], mac[6];

	ethernet(&b, 0x86dd);
	ipv6(&b, 58);
	bytes(&b, "\x87\0\0\0\0\0\0\0\xfe\x80\0\0\0\0\0\0\2\0\0\xff\xfe\0\0\5\1\1\2\0\0\0\0\5", 32);
	right_checksums(&b, 14, 54, 2, 58);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, b.length);
	hidden_ip("\xfe\x80\0\0\0\0\0\0\2\0\0\xff\xfe\0\0\5", 16, expected);
	assert_memory_equal(p->data + 62, expected, 16);
	weir_hide_mac(hider, (const uint8_t *)"\2\0\0\0\0\5", mac);
	assert_memory_equal(p->data + 80, mac, 6);
	assert_int_equal(transport_sum(p->data + 14, p->data + 54, p->captured - 54, 58), 0xffff);
}

static void arp_is_hidden_as_the_headers_are(void **state)
{
	struct build b = {.linktype = 1};
	uint8_t expected[6];

	ethernet(&b, 0x0806);
	arp(&b);
	bytes(&b, "padding that may hold old memory", 32);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, 42);
	weir_hide_mac(hider, (const uint8_t *)"\x02\0\0\0\0\x01", expected);
	assert_memory_equal(p->data + 22, expected, 6);
	hidden_ip("\x0a\0\0\2", 4, expected);
	assert_memory_equal(p->data + 38, expected, 4);
	assert_memory_equal(p->data + 32, "\0\0\0\0\0\0", 6);
}

static void dns_is_hidden_name_by_name(void **state)
{
	struct build b = {.linktype = 1};
	char name[] = "host.example.com";
	uint8_t expected[4];

	ethernet(&b, 0x0800);
	ipv4(&b, 17);
	udp(&b, 53, 50000);
	bytes(&b, "\x12\x34\x81\x80\0\1\0\2\0\0\0\0", 12);
	bytes(&b, "\4host\7example\3com\0\0\1\0\1", 22);
	bytes(&b, "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x0a\0\0\7", 16);
	bytes(&b, "\xc0\x11\0\x10\0\1\0\0\0\1\0\6\5words", 18);
	right_checksums(&b, 14, 34, 6, 17);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, b.length);
	weir_hide_name(hider, name, strlen(name));
	assert_memory_equal(p->data + 55, name, 4);
	assert_memory_equal(p->data + 60, name + 5, 7);
	assert_memory_equal(p->data + 68, name + 13, 3);
	hidden_ip("\x0a\0\0\7", 4, expected);
	assert_memory_equal(p->data + 88, expected, 4);
	assert_memory_equal(p->data + 104, "\5xxxxx", 6);
	assert_int_equal(transport_sum(p->data + 14, p->data + 34, p->captured - 34, 17), 0xffff);
}

static void what_is_no_dns_on_its_port_is_cut(void **state)
{
	struct build b = {.linktype = 1};

	ethernet(&b, 0x0800);
	ipv4(&b, 17);
	udp(&b, 50000, 53);
	bytes(&b, "this is no message of the domain name system", 44);
	assert_int_equal(hide(&b)->captured, 42);
	/* As long as a header, which counts questions. */
	b.length = 42;
	bytes(&b, "anna's words", 12);
	assert_int_equal(hide(&b)->captured, 42);
}

static void of_a_list_of_types_only_what_is_one_is_kept(void **state)
{
	struct build b = {.linktype = 1};

	ethernet(&b, 0x0800);
	ipv4(&b, 17);
	udp(&b, 53, 50000);
	bytes(&b, "\x12\x34\x81\x80\0\0\0\1\0\0\0\0", 12);
	bytes(&b, "\4host\0\0\x2f\0\1\0\0\0\1\0\x0f\3abc\0\0\1\x40Is Anna", 31);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, b.length);
	assert_memory_equal(p->data + b.length - 10, "\0\1\x40\0\0\0\0\0\0\0", 10);
}

static void times_in_signatures_go_where_times_change(void **state)
{
	struct weir_policy shifting = policy;
	struct weir_hider *usual = hider;
	struct build b = {.linktype = 1};

	ethernet(&b, 0x0800);
	ipv4(&b, 17);
	udp(&b, 53, 50000);
	bytes(&b, "\x12\x34\x81\x80\0\0\0\1\0\0\0\0", 12);
	bytes(&b, "\0\0\x2e\0\1\0\0\0\1\0\x13\0\1\5\0\0\0\0\x3c", 19);
	bytes(&b, "\x65\x43\x21\0\x65\x43\x20\0\x12\x34\0", 11);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, b.length);
	assert_memory_equal(p->data + b.length - 11, b.data + b.length - 11, 11);
	shifting.hide.time_shift_random = true;
	assert_int_equal(weir_hider_new(&shifting, &key, &hider, NULL), 0);
	p = hide(&b);
	assert_int_equal(p->captured, b.length);
	assert_memory_equal(p->data + b.length - 11, "\0\0\0\0\0\0\0\0\x12\x34\0", 11);
	weir_hider_free(hider);
	hider = usual;
}

static void times_of_radio_receivers_go_where_times_change(void **state)
{
	struct weir_policy shifting = policy;
	struct weir_hider *usual = hider;
	struct build b = {.linktype = 127};

	/* TSFT, flags, rate, channel, timestamp. */
	bytes(&b, "\0\0\x2c\0\x0f\0\x40\0", 8);
	bytes(&b,
	      "\1\2\3\4\5\6\7\x08"
	      "\0\x0c\x6c\x09\xa0\0\0\0"
	      "\1\2\3\4\5\6\7\x08"
	      "\1\0\2\3"
	      "\0\0\0\0\0\0\0\0",
	      36);
	bytes(&b, "\xd4\0\0\0\2\0\0\0\0\1", 10);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, 54);
	assert_memory_equal(p->data, b.data, 44);
	shifting.hide.time_shift_random = true;
	assert_int_equal(weir_hider_new(&shifting, &key, &hider, NULL), 0);
	p = hide(&b);
	assert_int_equal(p->captured, 54);
	assert_memory_equal(p->data + 8,
	                    "\0\0\0\0\0\0\0\0"
	                    "\0\x0c\x6c\x09\xa0\0\0\0"
	                    "\0\0\0\0\0\0\0\0"
	                    "\1\0\2\3",
	                    28);
	weir_hider_free(hider);
	hider = usual;
}

static void of_http_only_the_words_of_the_protocol_are_kept(void **state)
{
	static const char request[] = "GET /users/anna?id=7 HTTP/1.1\r\nHost: anna.example.com:8080\r\nCookie: "
	                              "id=anna\r\nX-Anna: 1\r\nPragma: xClientGUID={anna}\r\nVary: X-Anna\r\n"
	                              "Connection: X-Anna\r\nConnection: close\r\n\r\nbody";
	struct build b = {.linktype = 1};
	char text[256];

	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 50000, 80);
	bytes(&b, request, sizeof request - 1);
	const struct weir_packet *p = hide(&b);
	assert_int_equal(p->captured, b.length - 4);
	snprintf(text, sizeof text, "%.*s", (int)p->captured - 54, (const char *)p->data + 54);
	assert_null(strstr(text, "anna"));
	assert_null(strstr(text, "Anna"));
	assert_non_null(strstr(text, "GET /xxxxx/xxxxxxxxx HTTP/1.1\r\nHost: "));
	assert_non_null(strstr(text, ":0000\r\nCookie:"));
	assert_non_null(strstr(text, "Connection: close\r\n\r\n"));
}

static void of_a_hello_longer_than_its_record_the_record_counts(void **state)
{
	struct build b = {.linktype = 1};

	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 50000, 443);
	bytes(&b, "\x16\3\1\0\0\1\0\0\x40\3\3", 11);
	assert_int_equal(hide(&b)->captured, 54 + 5);
	b.data[58] = 3;
	assert_int_equal(hide(&b)->captured, 54 + 5);
	b.data[58] = 4;
	assert_int_equal(hide(&b)->captured, 54 + 9);
}

static void timestamps_move_by_an_offset_of_each_host(void **state)
{
	uint32_t moved[2];

	for (unsigned i = 0; i < 2; i++) {
		struct build b = {.linktype = 1};
		ethernet(&b, 0x0800);
		ipv4(&b, 6);
		tcp(&b, 50000, 7777);
		b.data[46] = 0x80;
		bytes(&b, "\1\1\x08\x0a", 4);
		be32(&b, 1000 + i);
		be32(&b, 0);
		const struct weir_packet *p = hide(&b);
		moved[i] = weir_load_be32(p->data + 58);
		assert_int_equal(weir_load_be32(p->data + 62), 0);
	}
	assert_int_not_equal(moved[0], 1000);
	assert_int_equal(moved[1] - moved[0], 1);
}

static void routes_in_options_are_hidden_and_other_options_are_not_kept(void **state)
{
	struct build b = {.linktype = 1};
	uint8_t expected[4];

	ethernet(&b, 0x0800);
	ipv4_with(&b, 17, 0, 20);
	memcpy(b.data + 34, "\x83\x07\x08\x0a\0\0\5\x82\x0b identity\0", 20);
	udp(&b, 50000, 7777);
	right_checksums(&b, 14, 54, 6, 17);
	const struct weir_packet *p = hide(&b);
	hidden_ip("\x0a\0\0\5", 4, expected);
	assert_memory_equal(p->data + 37, expected, 4);
	assert_memory_equal(p->data + 41, "\1\1\1\1\1\1\1\1\1\1\1\0\0", 13);
	assert_int_equal(header_sum(p->data + 14), 0xffff);
}

static void of_unknown_and_damaged_headers_nothing_is_kept(void **state)
{
	struct build b = {.linktype = 1};

	ethernet(&b, 0x1234);
	bytes(&b, "who knows what this is", 22);
	assert_int_equal(hide(&b)->captured, 14);
	b = (struct build){.linktype = 147};
	bytes(&b, "a link type of somebody's own", 29);
	assert_int_equal(hide(&b)->captured, 0);
	b = (struct build){.linktype = 1};
	ethernet(&b, 0x0800);
	bytes(&b, "\x41 a header length below its least", 34);
	assert_int_equal(hide(&b)->captured, 14);
}

static void of_interfaces_and_blocks_only_what_reading_needs_is_kept(void **state)
{
	struct weir_interface interface = {
		.linktype = 1, .resolution = 9, .name = "anna-lan", .description = "of Anna", .node = "annas-box"};
	const struct weir_interface *table[] = {&interface};
	struct weir_stage *stage = weir_hide_stage_new(hider, NULL);
	uint8_t options[128], names[16] = {0}, resolution = 9;
	size_t length = pcapng_option_put(options, false, PCAPNG_IF_NAME, "anna-lan", 8);

	length += pcapng_option_put(options + length, false, PCAPNG_IF_DESCRIPTION, "of Anna", 7);
	length += pcapng_option_put(options + length, false, PCAPNG_IF_TSRESOL, &resolution, 1);
	length += pcapng_option_put(options + length, false, PCAPNG_COMMENT, "Anna's", 6);
	/* Numbers that are none. */
	length += pcapng_option_put(options + length, false, PCAPNG_IF_TSRESOL, "\11anna", 5);
	length += pcapng_option_put(options + length, false, PCAPNG_IF_SPEED, "of Anna's", 9);
	interface.options = (struct weir_bytes){options, length};
	weir_batch_reset(batch);
	batch->interfaces = table;
	batch->interface_count = 1;
	batch->blocks[0] = (struct weir_block){.data = names, .length = 16, .type = PCAPNG_NRB};
	uint8_t counters[20 + 12 + 12 + 4] = {5, 0, 0, 0, sizeof counters};
	pcapng_option_put(counters + 20, false, PCAPNG_ISB_STARTTIME, "\0\0\0\0\0\0\0\1", 8);
	pcapng_option_put(counters + 32, false, PCAPNG_ISB_USRDELIV, "Anna's", 6);
	batch->blocks[1] = (struct weir_block){.data = counters, .length = sizeof counters, .type = PCAPNG_ISB};
	batch->block_count = 2;
	assert_int_equal(stage->ops->process(stage, batch, NULL), 0);
	weir_stage_close(stage);
	assert_int_equal(batch->block_count, 1);
	assert_int_equal(batch->blocks[0].length, 20 + 12 + 4 + 4);
	assert_memory_equal(batch->blocks[0].data + 20, counters + 20, 12);
	const struct weir_interface *got = batch->interfaces[0];
	assert_int_equal(got->resolution, 9);
	assert_int_equal(strlen(got->name), 8);
	assert_string_not_equal(got->name, "anna-lan");
	assert_string_equal(got->description, "");
	assert_string_not_equal(got->node, "annas-box");
	assert_int_equal(got->options.length, 12 + 8 + 4);
	assert_memory_equal(got->options.data + 4, got->name, 8);
	assert_string_equal(interface.name, "anna-lan"); /* the source's own stays */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_hidden_and_payload_of_nothing_known_is_cut),
		cmocka_unit_test(a_wrong_checksum_stays_as_wrong),
		cmocka_unit_test(a_udp_datagram_without_checksum_gets_none),
		cmocka_unit_test(both_headers_of_a_tunnel_are_hidden),
		cmocka_unit_test(what_an_error_quotes_is_hidden_and_what_is_behind_it_cut),
		cmocka_unit_test(neighbour_discovery_is_hidden),
		cmocka_unit_test(arp_is_hidden_as_the_headers_are),
		cmocka_unit_test(dns_is_hidden_name_by_name),
		cmocka_unit_test(what_is_no_dns_on_its_port_is_cut),
		cmocka_unit_test(of_a_list_of_types_only_what_is_one_is_kept),
		cmocka_unit_test(times_in_signatures_go_where_times_change),
		cmocka_unit_test(times_of_radio_receivers_go_where_times_change),
		cmocka_unit_test(of_http_only_the_words_of_the_protocol_are_kept),
		cmocka_unit_test(of_a_hello_longer_than_its_record_the_record_counts),
		cmocka_unit_test(timestamps_move_by_an_offset_of_each_host),
		cmocka_unit_test(routes_in_options_are_hidden_and_other_options_are_not_kept),
		cmocka_unit_test(of_unknown_and_damaged_headers_nothing_is_kept),
		cmocka_unit_test(of_interfaces_and_blocks_only_what_reading_needs_is_kept),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
