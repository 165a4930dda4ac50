/* What is printed of packets made by hand: tcpdump's words, and JSON fields, protocol by protocol. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "build.h"
#include "packet/print.h"

static const char *printed(const struct weir_packet *packet, const struct print_options *options)
{
	static char line[65536];
	struct printer *printer = printer_new(options);
	struct text out = {0};

	assert_non_null(printer);
	printer_add(printer, packet, NULL, NULL, 1, &out);
	assert_true(out.length < sizeof line);
	memcpy(line, out.data, out.length + 1);
	text_free(&out);
	printer_free(printer);
	return line;
}

static void expect_part(const char *line, const char *part)
{
	if (!strstr(line, part))
		fail_msg("no \"%s\" in \"%s\"", part, line);
}

/* A payload behind UDP or TCP, and what must stand in its line and in its JSON. */
static const struct application_case {
	const char *name;
	uint8_t protocol;
	uint16_t source, destination;
	const char *payload;
	uint32_t length;
	const char *line;
	const char *fields[4];
} applications[] = {
	{"a DNS query",
     17,
     50000,
     53,
     "\0\x07\x01\0\0\x01\0\0\0\0\0\0\7example\3org\0\0\x1c\0\x01",
     29,
     "10.0.0.1.50000 > 10.0.0.2.53: 7+ AAAA? example.org. (29)",
     {"\"protocol\":\"dns\",\"id\":7,", "\"name\":\"example.org\",\"type\":\"AAAA\"", "\"response\":false"}},
	{"a DNS answer",
     17,
     53,
     50000,
     "\0\x07\x81\x80\0\x01\0\x02\0\0\0\0\1a\0\0\x01\0\x01\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\1b\xc0\x0c\xc0\x0c\0\x01"
     "\0\x01\0\0\0\x3c\0\x04\1\2\3\4",
     51,
     ": 7 2/0/0 CNAME b.a., A 1.2.3.4 (51)",
     {"\"target\":\"b.a\"", "\"address\":\"1.2.3.4\"", "\"rcode\":\"noerror\"", "\"ttl\":60"}},
	{"a DNS name that points at itself",
     17,
     50000,
     53,
     "\0\x07\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01",
     18,
     "[|domain]",
     {"\"questions\":[{\"type\":\"A\""}},
	{"a DNS message cut short", 17, 50000, 53, "\0\x07\x01", 3, "[|domain]", {"\"protocol\":\"udp\""}},
	{"DHCP",
     17,
     68,
     67,
     NULL,
     0,
     "BOOTP/DHCP, Request from 02:00:00:00:00:01, length 244",
     {"\"message\":\"discover\"", "\"xid\":\"0x00000000\""}},
	{"NTP",
     17,
     123,
     123,
     "\x23\0\0\0\0\0\0\0\0\0\0\0",
     12,
     "NTPv4, Client, length 12",
     {"\"version\":4,\"mode\":3,\"mode_name\":\"Client\""}},
	{"NetBIOS names",
     17,
     137,
     137,
     "\0\x01\x01\x10\0\x01\0\0\0\0\0\0\x20"
     "FHEPFCELEHFCEPFFFACACACACACACABN\0\0\x20\0\x01",
     50,
     "UDP, length 50: NBNS query request WORKGROUP<1d>",
     {"\"name\":\"WORKGROUP\",\"suffix\":\"0x1d\""}},
	{"HTTP",
     6,
     50000,
     8000,
     "GET /x HTTP/1.1\r\nHost: y\r\n",
     26,
     "length 26: HTTP: GET /x HTTP/1.1\n",
     {"\"method\":\"GET\",\"target\":\"/x\",\"version\":\"HTTP/1.1\""}},
	{"an HTTP answer",
     6,
     80,
     50000,
     "HTTP/1.1 404 Not Found\r\n",
     24,
     ": HTTP: HTTP/1.1 404 Not Found\n",
     {"\"version\":\"HTTP/1.1\",\"status\":\"404\",\"reason\":\"Not Found\""}},
	{"SSH",
     6,
     22,
     50000,
     "SSH-2.0-OpenSSH_9.2\r\n",
     21,
     ": SSH: SSH-2.0-OpenSSH_9.2\n",
     {"\"banner\":\"SSH-2.0-OpenSSH_9.2\""}},
	{"a TLS hello",
     6,
     50000,
     443,
     "\x16\x03\x01\0\x5c\x01\0\0\x58\x03\x03"
     "0123456789abcdef0123456789abcdef"
     "\0\0\x02\x13\x01\x01\0\0\x2d"
     "\0\0\0\x10\0\x0e\0\0\x0b"
     "example.org"
     "\0\x10\0\x0e\0\x0c\x02h2\x08http/1.1"
     "\0\x2b\0\x03\x02\x03\x04",
     97,
     "TLS: ClientHello TLS 1.3, SNI example.org, ALPN h2,http/1.1\n",
     {"\"server_name\":\"example.org\"", "\"alpn\":[\"h2\",\"http/1.1\"]", "\"version_name\":\"TLS 1.3\"",
      "\"cipher\":\"0x1301\""}},
	{"QUIC",
     17,
     50000,
     443,
     "\xc0\0\0\0\1\x04"
     "abcd"
     "\x02"
     "xy"
     "\0\x10"
     "data",
     19,
     "UDP, length 19: QUIC Initial, version 0x00000001, dcid 61626364, scid 7879",
     {"\"type\":\"Initial\",\"version\":\"0x00000001\""}},
	{"SMB",
     6,
     50000,
     445,
     NULL,
     0,
     ": SMB2 negotiate request\n",
     {"\"version\":2,\"command\":0,\"command_name\":\"negotiate\""}},
	{"DCE/RPC",
     6,
     50000,
     135,
     "\5\0\x0b\3\x10\0\0\0\x48\0\0\0\1\0\0\0\xb8\x10\xb8\x10\0\0\0\0\1\0\0\0\0\0\1\0"
     "\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\0\x2b\x14\xa0\xfa\3\0\0\0"
     "\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\0\x2b\x10\x48\x60\2\0\0\0",
     72,
     ": DCERPC bind, e1af8308-5d1f-11c9-91a4-08002b14a0fa v3.0 (epmapper)\n",
     {"\"uuid\":\"e1af8308-5d1f-11c9-91a4-08002b14a0fa\",\"major\":3"}},
	{"ISAKMP",
     17,
     500,
     500,
     "aaaaaaaa\0\0\0\0\0\0\0\0\x01\x10\x02\0\0\0\0\0\0\0\0\x1c",
     28,
     "isakmp: phase 1 I ident",
     {"\"exchange_name\":\"ident\""}},
	{"bytes that are no UTF-8",
     6,
     50000,
     80,
     "GET /\"\\\xff\x01 HTTP/1.1\r\n",
     20,
     ": HTTP\n",
     {"\"target\":\"/\\\"\\\\\xef\xbf\xbd\\u0001\",\"version\":\"HTTP/1.1\""}},
};

static void build_application(const struct application_case *application, struct build *b)
{
	uint8_t made[300] = {0};
	const void *payload = application->payload;
	uint32_t length = application->length;

	if (!payload && application->protocol == 17) { /* DHCP: an empty BOOTP message, then one option */
		memcpy(made, "\1\1\6", 3);
		memcpy(made + 28, "\x02\0\0\0\0\x01", 6);
		memcpy(made + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
		payload = made;
		length = 244;
	} else if (!payload) { /* SMB 2: a header of zeros */
		memcpy(made, "\0\0\0\x40\xfeSMB\x40", 9);
		payload = made;
		length = 68;
	}
	b->linktype = 1;
	ethernet(b, 0x0800);
	ipv4(b, application->protocol);
	if (application->protocol == 6)
		tcp(b, application->source, application->destination);
	else
		udp(b, application->source, application->destination);
	bytes(b, payload, length);
}

static void applications_are_told_by_port_and_look(void **state)
{
	static const struct print_options text = {.numeric = true}, json = {.json = true};

	for (size_t i = 0; i < sizeof applications / sizeof applications[0]; i++) {
		struct build b = {0};
		build_application(&applications[i], &b);
		struct weir_packet packet = finished(&b);
		expect_part(printed(&packet, &text), applications[i].line);
		const char *line = printed(&packet, &json);
		for (unsigned part = 0; part < 4 && applications[i].fields[part]; part++)
			expect_part(line, applications[i].fields[part]);
	}
}

static void every_cut_of_every_application_is_printed_within_its_bytes(void **state)
{
	static const struct print_options text = {.verbose = 3,
	                                          .link = true,
	                                          .hex = PRINT_HEX_ASCII_LINK,
	                                          .absolute = true},
									  json = {.json = true};

	for (size_t i = 0; i < sizeof applications / sizeof applications[0]; i++) {
		struct build b = {0};
		build_application(&applications[i], &b);
		struct weir_packet packet = finished(&b);
		for (uint32_t captured = 0; captured < b.length; captured++) {
			uint8_t *exact = malloc(captured ? captured : 1);
			assert_non_null(exact);
			memcpy(exact, b.data, captured);
			packet.data = exact;
			packet.captured = captured;
			printed(&packet, &text);
			expect_part(printed(&packet, &json), "]}\n");
			free(exact);
		}
	}
}

static void transports_and_networks_in_tcpdumps_words(void **state)
{
	static const struct print_options text = {.numeric = true, .time = PRINT_TIME_NONE},
									  verbose = {.numeric = true, .time = PRINT_TIME_NONE, .verbose = 1};
	struct build a = {.linktype = 1}, b = {.linktype = 1}, c = {.linktype = 1}, d = {.linktype = 1};

	ethernet(&a, 0x0800);
	ipv4(&a, 1);
	bytes(&a, "\x03\x03\0\0\0\0\0\0", 8);
	ipv4(&a, 17);
	udp(&a, 1, 2);
	struct weir_packet packet = finished(&a);
	assert_string_equal(printed(&packet, &text),
	                    "IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.2 udp port 2 unreachable, length 36\n");
	expect_part(printed(&packet, &(struct print_options){.json = true}), "\"quoted\":[{\"protocol\":\"ipv4\"");

	ethernet(&b, 0x86dd);
	ipv6(&b, 58);
	bytes(&b, "\x80\0\0\0\0\x07\0\x01", 8);
	packet = finished(&b);
	assert_string_equal(printed(&packet, &text),
	                    "IP6 2001:db8::1 > 2001:db8::2: ICMP6, echo request, id 7, seq 1, length 8\n");

	/* A checksum that is right, and one that is not. */
	ethernet(&c, 0x0800);
	ipv4(&c, 17);
	udp(&c, 1000, 2000);
	bytes(&c, "odd", 3);
	packet = finished(&c);
	c.data[40] = 0x1e;
	c.data[41] = 0xb1;
	expect_part(printed(&packet, &verbose), "[bad udp cksum 0x1eb1 -> ");
	uint16_t right = 0;
	sscanf(strstr(printed(&packet, &verbose), "-> 0x") + 5, "%hx", &right);
	weir_store_be16(c.data + 40, right);
	expect_part(printed(&packet, &verbose), "[udp sum ok] UDP, length 3");

	/* More on the wire than the record has. */
	ethernet(&d, 0x0800);
	ipv4(&d, 6);
	tcp(&d, 1, 2);
	bytes(&d, "0123456789", 10);
	packet = finished(&d);
	packet.captured = packet.length = 58;
	expect_part(printed(&packet, &text),
	            "IP truncated-ip - 6 bytes missing! 10.0.0.1.1 > 10.0.0.2.2: Flags [P.], seq 1000:1010, ack 2000");
}

static void sequence_numbers_count_from_where_a_connection_began(void **state)
{
	static const struct print_options options = {.numeric = true, .time = PRINT_TIME_NONE};
	struct printer *printer = printer_new(&options);
	struct text out = {0};
	struct build b = {.linktype = 1};

	assert_non_null(printer);
	ethernet(&b, 0x0800);
	ipv4(&b, 6);
	tcp(&b, 1000, 80);
	bytes(&b, "x", 1);
	struct weir_packet packet = finished(&b);
	printer_add(printer, &packet, NULL, NULL, 1, &out);
	expect_part(out.data, "seq 1000:1001, ack 2000");
	text_clear(&out);
	weir_store_be32(b.data + 38, 1001);
	printer_add(printer, &packet, NULL, NULL, 2, &out);
	expect_part(out.data, "seq 1:2, ack 1,");
	text_free(&out);
	printer_free(printer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(applications_are_told_by_port_and_look),
		cmocka_unit_test(every_cut_of_every_application_is_printed_within_its_bytes),
		cmocka_unit_test(transports_and_networks_in_tcpdumps_words),
		cmocka_unit_test(sequence_numbers_count_from_where_a_connection_began),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
