#include "../unit.h"

#include <stdlib.h>
#include <unistd.h>

#include <weir/policy.h>
#include <weir/state.h>

#include "../packet/build.h"

#define HEADERS "[policy.keep]\ndefault = \"headers\"\n"
#define SECOND INT64_C(1000000000)

static struct weir_policy *policy;
static struct weir_stage *stage;

static void begin(const char *text)
{
	struct weir_fault fault;

	if (weir_policy_parse(text, strlen(text), "policy.toml", &policy, &fault))
		fail_msg("%s", fault.message);
	stage = weir_keep_stage_new(policy, &fault);
	assert_non_null(stage);
}

static void end(void)
{
	weir_stage_close(stage);
	weir_policy_free(policy);
}

/* What the stage makes of a packet: how many bytes it keeps, -1: it drops it. */
static int64_t process(struct weir_packet *packet)
{
	struct weir_batch *batch = weir_batch_new();
	uint8_t block = 0;

	assert_non_null(batch);
	packet->block = &block;
	packet->block_length = 1;
	batch->packets[0] = *packet;
	batch->count = 1;
	assert_int_equal(weir_decode_batch(batch, NULL), 0);
	assert_int_equal(stage->ops->process(stage, batch, NULL), 0);
	*packet = batch->packets[0];
	int64_t kept = packet->verdict == WEIR_KEEP ? (int64_t)packet->captured : -1;
	/* The record that it came in does not say what is left of it. */
	if (kept >= 0)
		assert_true((packet->block == NULL) == (packet->captured < packet->length));
	packet->facts = NULL;
	weir_batch_free(batch);
	return kept;
}

static int64_t kept_of(const char *text, struct build *b)
{
	struct weir_packet packet = finished(b);

	begin(text);
	int64_t kept = process(&packet);
	end();
	assert_int_equal(packet.length, b->length);
	return kept;
}

static void start(struct build *b)
{
	memset(b, 0, sizeof *b);
	b->linktype = 1;
}

static void text(struct build *b, const char *string) { bytes(b, string, (uint32_t)strlen(string)); }

static void tcp_packet(struct build *b, uint16_t source, uint16_t destination)
{
	start(b);
	ethernet(b, 0x0800);
	ipv4(b, 6);
	tcp(b, source, destination);
}

static void udp_packet(struct build *b, uint16_t source, uint16_t destination)
{
	start(b);
	ethernet(b, 0x0800);
	ipv4(b, 17);
	udp(b, source, destination);
}

#define TCP_HEADERS (14 + 20 + 20)
#define UDP_HEADERS (14 + 20 + 8)

static void headers_end_behind_the_transport_header(void **state)
{
	struct build b;

	tcp_packet(&b, 1000, 2000);
	text(&b, "payload");
	assert_int_equal(kept_of(HEADERS, &b), TCP_HEADERS);

	/* In a tunnel: behind the innermost. */
	udp_packet(&b, 1000, 4789);
	bytes(&b, "\x08\0\0\0\0\0\x01\0", 8);
	ethernet(&b, 0x0800);
	ipv4(&b, 17);
	udp(&b, 1000, 2000);
	text(&b, "payload");
	assert_int_equal(kept_of(HEADERS, &b), UDP_HEADERS + 8 + UDP_HEADERS);

	/* A later fragment has none; nothing behind its IP header is known. */
	start(&b);
	ethernet(&b, 0x0800);
	ipv4_with(&b, 6, 100, 0);
	text(&b, "payload");
	assert_int_equal(kept_of(HEADERS, &b), 14 + 20);

	/* What is not known is no header; neither is ESP's content. */
	start(&b);
	ethernet(&b, 0x1234);
	text(&b, "payload");
	assert_int_equal(kept_of(HEADERS, &b), 14);
	start(&b);
	ethernet(&b, 0x0800);
	ipv4(&b, 50);
	text(&b, "spispi##encrypted");
	assert_int_equal(kept_of(HEADERS, &b), 14 + 20 + 8);

	/* A TCP header that claims more than there is counts for its fixed part. */
	tcp_packet(&b, 1000, 2000);
	b.data[14 + 20 + 12] = 0xf0;
	text(&b, "payload");
	assert_int_equal(kept_of(HEADERS, &b), TCP_HEADERS);
}

static void the_first_rule_that_fits_decides(void **state)
{
	static const char rules[] = "[policy.keep]\n\"port 25\" = \"3 bytes\"\n\"net 10.0.0.0/8\" = \"nothing\"\ntcp = "
	                            "\"all\"\ndefault = \"all\"\n";
	struct build b;

	tcp_packet(&b, 1000, 25);
	text(&b, "payload");
	assert_int_equal(kept_of(rules, &b), TCP_HEADERS + 3);
	tcp_packet(&b, 1000, 26);
	text(&b, "payload");
	assert_int_equal(kept_of(rules, &b), -1);
	start(&b);
	ethernet(&b, 0x0806);
	arp(&b);
	assert_int_equal(kept_of("[policy.keep]\narp = \"all\"\ndefault = \"nothing\"\n", &b), 14 + 28);
}

static void bytes_of_payload_are_no_padding(void **state)
{
	struct build b;

	udp_packet(&b, 1000, 2000);
	text(&b, "abc");
	struct weir_packet packet = finished(&b);
	memset(b.data + b.length, 'P', 15);
	packet.captured = packet.length = b.length + 15;
	begin("[policy.keep]\ndefault = \"10 bytes\"\n");
	assert_int_equal(process(&packet), UDP_HEADERS + 3);
	end();
	assert_int_equal(kept_of("[policy.keep]\ndefault = \"all\"\nsnaplen = 20\n", &b), 20);
}

static void of_http_the_head_is_kept_and_no_body(void **state)
{
	static const char http[] = "[policy.keep]\nhttp = \"headers\"\n";
	static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct build b;

	tcp_packet(&b, 1000, 8080);
	text(&b, head);
	text(&b, "body");
	assert_int_equal(kept_of(http, &b), TCP_HEADERS + sizeof head - 1);
	tcp_packet(&b, 8080, 1000);
	text(&b, "body that goes on\r\n\r\n");
	assert_int_equal(kept_of(http, &b), TCP_HEADERS);
}

static void of_dns_the_headers_or_all_are_kept(void **state)
{
	struct build b;

	udp_packet(&b, 1000, 53);
	bytes(&b, "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01\x61\0\0\x01\0\x01", 19);
	assert_int_equal(kept_of("[policy.keep]\ndns = \"headers\"\n", &b), UDP_HEADERS + 12);
	assert_int_equal(kept_of("[policy.keep]\ndns = \"all\"\n", &b), b.length);
}

/* A record of TLS 1.2. */
static void tls_record(struct build *b, uint8_t type, const void *content, uint16_t length)
{
	u8(b, type);
	be16(b, 0x0303);
	be16(b, length);
	bytes(b, content, length);
}

static void of_tls_what_stands_before_encrypted_data_is_kept(void **state)
{
	static const char tls[] = "[policy.keep]\ntls = \"handshake\"\n";
	static const uint8_t hello[8] = {2, 0, 0, 4, 3, 3, 0, 0},
						 finished_message[16] = {0x9d, 0x1f, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	struct build b;

	tcp_packet(&b, 443, 1000);
	tls_record(&b, 22, hello, sizeof hello);
	tls_record(&b, 20, "\x01", 1);
	tls_record(&b, 22, finished_message, sizeof finished_message);
	assert_int_equal(kept_of(tls, &b), TCP_HEADERS + 13 + 6 + 5);
	/* Encrypted without a sign of it in this packet. */
	tcp_packet(&b, 443, 1000);
	tls_record(&b, 22, finished_message, sizeof finished_message);
	assert_int_equal(kept_of(tls, &b), TCP_HEADERS + 5);
	tcp_packet(&b, 443, 1000);
	tls_record(&b, 23, "application data", 16);
	tls_record(&b, 23, "application data", 16);
	assert_int_equal(kept_of(tls, &b), TCP_HEADERS + 5);
	/* The middle of a record is not known. */
	tcp_packet(&b, 443, 1000);
	text(&b, "the middle of a record");
	assert_int_equal(kept_of(tls, &b), TCP_HEADERS);
}

static void of_ssh_versions_and_the_key_exchange_are_kept(void **state)
{
	static const char ssh[] = "[policy.keep]\nssh = \"handshake\"\n";
	struct build b;

	tcp_packet(&b, 22, 1000);
	text(&b, "SSH-2.0-x\r\n");
	bytes(&b,
	      "\0\0\0\x0c\x04\x14"
	      "kexin"
	      "\0\0\0\0\0",
	      16);
	text(&b, "what follows is encrypted");
	assert_int_equal(kept_of(ssh, &b), TCP_HEADERS + 11 + 16);
	tcp_packet(&b, 22, 1000);
	bytes(&b,
	      "\0\0\0\x0c\x04\x14"
	      "kexin"
	      "\0\0\0\0\0",
	      16);
	assert_int_equal(kept_of(ssh, &b), TCP_HEADERS + 16);
	tcp_packet(&b, 22, 1000);
	text(&b, "something that is encrypted");
	assert_int_equal(kept_of(ssh, &b), TCP_HEADERS);
}

static void of_quic_initial_packets_are_kept_and_headers_of_others(void **state)
{
	static const char quic[] = "[policy.keep]\nquic = \"handshake\"\n";
	struct build b;

	udp_packet(&b, 443, 1000);
	bytes(&b,
	      "\xc0\0\0\0\x01\x04"
	      "dcid"
	      "\x00\x00\x06"
	      "initia",
	      19);
	bytes(&b,
	      "\xe0\0\0\0\x01\x04"
	      "dcid"
	      "\x00\x06"
	      "secret",
	      18);
	assert_int_equal(kept_of(quic, &b), UDP_HEADERS + 19 + 12);
}

static int64_t flow_packet(uint16_t port, int64_t time_ns, uint32_t payload)
{
	struct build b;

	udp_packet(&b, port, 2000);
	for (uint32_t i = 0; i < payload; i++)
		u8(&b, 'x');
	struct weir_packet packet = finished(&b);
	packet.time_ns = time_ns;
	return process(&packet) - UDP_HEADERS;
}

static void of_each_flow_the_first_bytes_are_kept(void **state)
{
	begin("[policy.keep]\ndefault = \"all\"\nflow_bytes = 100\n");
	assert_int_equal(flow_packet(1, 0, 80), 80);
	assert_int_equal(flow_packet(2, 0, 80), 80);
	assert_int_equal(flow_packet(1, 1, 80), 20);
	assert_int_equal(flow_packet(1, 299 * SECOND, 80), 0);
	/* Silent for so long that it is another flow. */
	assert_int_equal(flow_packet(1, 700 * SECOND, 80), 80);
	end();
}

static void flows_that_there_is_no_room_for_get_nothing(void **state)
{
	uint64_t kept = 0, dropped = 0;

	begin("[policy.keep]\ndefault = \"all\"\nflow_bytes = 10\n");
	struct weir_batch *batch = weir_batch_new();
	assert_non_null(batch);
	static struct build builds[WEIR_BATCH_PACKETS];
	for (uint32_t round = 0; round < 2000; round++) {
		weir_batch_reset(batch);
		for (uint32_t i = 0; i < WEIR_BATCH_PACKETS; i++) {
			uint32_t number = round * WEIR_BATCH_PACKETS + i;
			if (round == 0) {
				udp_packet(&builds[i], 1, 2);
				text(&builds[i], "payload");
				finished(&builds[i]);
			}
			weir_store_be32(builds[i].data + 14 + 12, number);
			batch->packets[i] = (struct weir_packet){.data = builds[i].data,
			                                         .captured = builds[i].length,
			                                         .length = builds[i].length,
			                                         .linktype = 1};
		}
		batch->count = WEIR_BATCH_PACKETS;
		assert_int_equal(weir_decode_batch(batch, NULL), 0);
		assert_int_equal(stage->ops->process(stage, batch, NULL), 0);
		for (uint32_t i = 0; i < WEIR_BATCH_PACKETS; i++)
			*(batch->packets[i].captured == UDP_HEADERS ? &dropped : &kept) += 1;
	}
	/* A table of 2^20: about as many flows are remembered, and none of the others had anything kept. */
	assert_true(kept <= 1u << 20);
	assert_true(kept > (1u << 20) / 10 * 9);
	assert_int_equal(kept + dropped, 2000u * WEIR_BATCH_PACKETS);
	weir_batch_free(batch);
	end();
}

static void what_flows_had_is_carried_on(void **state)
{
	static const char text_of_policy[] = "[policy.keep]\ndefault = \"all\"\nflow_bytes = 100\n";
	char path[] = "/tmp/weir-keep-XXXXXX";
	struct weir_state *saved;
	struct weir_keep_statistics statistics;

	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	begin(text_of_policy);
	assert_int_equal(flow_packet(1, 0, 80), 80);
	assert_int_equal(weir_state_create(path, &saved, NULL), 0);
	assert_int_equal(stage->ops->save(stage, saved, NULL), 0);
	assert_int_equal(weir_state_finish(saved, NULL), 0);
	weir_state_close(saved);
	end();
	begin(text_of_policy);
	assert_int_equal(weir_state_open(path, &saved, NULL), 0);
	assert_int_equal(stage->ops->load(stage, saved, NULL), 0);
	weir_state_close(saved);
	assert_int_equal(flow_packet(1, 1, 80), 20);
	weir_keep_statistics(stage, &statistics);
	assert_true(statistics.packets == 2 && statistics.cut == 1 &&
	            statistics.bytes_after == statistics.bytes_before - 60);
	end();
	unlink(path);
}

static unsigned percent;
static unsigned fullness(void *context) { return percent; }

static void under_load_payload_goes_first_then_what_is_named(void **state)
{
	static const char shed[] = "[policy.keep]\ndefault = \"all\"\nshed = [\"payload\", \"port 1\"]\n";
	struct weir_shed_loss loss;
	struct weir_fault fault;

	assert_int_equal(weir_policy_parse(shed, sizeof shed - 1, "policy.toml", &policy, &fault), 0);
	stage = weir_shed_stage_new(policy, fullness, NULL, &fault);
	assert_non_null(stage);
	percent = 49;
	assert_int_equal(flow_packet(1, 0, 10), 10);
	percent = 50;
	assert_int_equal(flow_packet(1, 5, 10), 0);
	percent = 35; /* not yet so much emptier */
	assert_int_equal(flow_packet(3, 6, 10), 0);
	percent = 70;
	assert_int_equal(flow_packet(3, 7, 10), 0);
	assert_int_equal(flow_packet(1, 8, 10), -1 - UDP_HEADERS);
	percent = 10;
	assert_int_equal(flow_packet(1, 9, 10), 10);
	assert_int_equal(weir_shed_dropped(stage), 1);
	/* Of the packet that was dropped the payload does not count as well. */
	assert_true(weir_shed_look(stage, true, &loss) && loss.payload && loss.packets == 3 && loss.bytes == 30 &&
	            loss.from_ns == 5 && loss.to_ns == 7);
	weir_shed_keep(stage, &loss);
	assert_true(weir_shed_look(stage, true, &loss) && loss.payload && loss.packets == 3);
	assert_true(weir_shed_look(stage, true, &loss) && !loss.payload && loss.packets == 1 &&
	            loss.bytes == UDP_HEADERS + 10);
	assert_string_equal(loss.what, "port 1");
	assert_false(weir_shed_look(stage, true, &loss));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_end_behind_the_transport_header),
		cmocka_unit_test(the_first_rule_that_fits_decides),
		cmocka_unit_test(bytes_of_payload_are_no_padding),
		cmocka_unit_test(of_http_the_head_is_kept_and_no_body),
		cmocka_unit_test(of_dns_the_headers_or_all_are_kept),
		cmocka_unit_test(of_tls_what_stands_before_encrypted_data_is_kept),
		cmocka_unit_test(of_ssh_versions_and_the_key_exchange_are_kept),
		cmocka_unit_test(of_quic_initial_packets_are_kept_and_headers_of_others),
		cmocka_unit_test(of_each_flow_the_first_bytes_are_kept),
		cmocka_unit_test(flows_that_there_is_no_room_for_get_nothing),
		cmocka_unit_test(what_flows_had_is_carried_on),
		cmocka_unit_test(under_load_payload_goes_first_then_what_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
