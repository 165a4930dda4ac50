/* What nDPI names, where it is built in: that sparing it looks hides nothing from it, and that it is the same made ready beside the caller or when it is needed. */
#include "../unit.h"

#include <time.h>

#include "packet/application.h"
#include "named.h"

static struct weir_applications *namer_of(bool begin)
{
	struct weir_applications_options options = {.input_bytes = begin ? UINT64_MAX : 0};
	struct weir_applications *namer;
	struct weir_fault fault;

	assert_int_equal(weir_applications_new(&options, &namer, &fault), 0);
	return namer;
}

/* A flow whose beginning was seen. */
static struct one begun(struct weir_applications *namer, uint8_t protocol, uint16_t source, uint16_t destination)
{
	struct one one = flow_to(namer, protocol, source, destination);

	if (protocol == 6)
		weir_application_begin(&one.application);
	return one;
}

static void noise(uint8_t *out, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * 1664525 + 1013904223;
		out[i] = (uint8_t)(0x80 | seed >> 24);
	}
}

static void need_ndpi(void)
{
	if (!application_ndpi_version()[0])
		skip();
}

/* Each of these is text or a header that a look for it is spared without. */
static void what_is_marked_is_looked_for(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t port;
		const char *name, *payload;
		uint32_t length;
	} flows[] = {
#define TEXT(text) text, sizeof text - 1
		{6, 4444, "Mining", TEXT("{\"id\":1,\"method\":\"login\",\"params\":{\"login\":\"a\",\"pass\":\"x\"}}\n")},
		{17, 40554, "RTSP", TEXT("DESCRIBE rtsp://10.0.0.2/stream RTSP/1.0\r\nCSeq: 2\r\n\r\n")},
		{17, 40001, "BitTorrent", TEXT("d4:testi1e6:target20:aaaaaaaaaaaaaaaaaaaae")},
		{17, 40002, "BitTorrent", TEXT("\x41\0\0\1\0\0\0\2\0\0\0\3\0\0\xf0\0\0\1\0\0 and more than a header")},
		{17, 40003, "BitTorrent", TEXT("................................\x13" "BitTorrent protocol............................")},
		{6, 40004, "TVUplayer", TEXT("\0\0" "12345687\1.........................")},
#undef TEXT
	};

	need_ndpi();
	for (size_t i = 0; i < sizeof flows / sizeof flows[0]; i++) {
		struct weir_applications *namer = namer_of(false);
		struct one one = begun(namer, flows[i].protocol, 50000, flows[i].port);
		char wanted[32];
		show(&one, false, flows[i].payload, flows[i].length);
		snprintf(wanted, sizeof wanted, "%s, ", flows[i].name);
		const char *text = described(&one);
		if (strncmp(text, wanted, strlen(wanted)) != 0 || !strstr(text, ", ndpi, "))
			fail_msg("%s is named %s", flows[i].name, text);
		weir_application_end(namer, &one.application);
		weir_applications_free(namer);
	}
}

/* Of the length and with the byte by which nDPI 4.2 takes any TCP payload for mining, when nothing else is known of it. */
static void noise_is_not_named(void **state)
{
	struct weir_applications *namer = namer_of(false);
	uint8_t data[400];

	need_ndpi();
	for (unsigned i = 0; i < 4; i++) {
		struct one one = begun(namer, i % 2 ? 17 : 6, (uint16_t)(50000 + i), (uint16_t)(40000 + i));
		noise(data, sizeof data, i);
		data[2] = 4;
		show(&one, false, data, sizeof data);
		assert_string_equal(described(&one), "-, -, -, -");
		weir_application_end(namer, &one.application);
	}
	weir_applications_free(namer);
}

/* nDPI takes a time in version 0 of BitTorrent's transport for one if it is today's: what a name is must not depend on when it is asked for. */
static void names_do_not_depend_on_the_clock(void **state)
{
	struct weir_applications *namer = namer_of(false);
	struct one one = begun(namer, 17, 50000, 40000);
	uint8_t data[60];

	need_ndpi();
	noise(data, sizeof data, 1);
	weir_store_be32(data + 4, (uint32_t)time(NULL));
	data[17] = data[18] = 1;
	show(&one, false, data, sizeof data);
	assert_string_equal(described(&one), "-, -, -, -");
	weir_application_end(namer, &one.application);
	weir_applications_free(namer);
}

static void eight_payloads_are_looked_at_however_large(void **state)
{
	struct weir_applications *namer = namer_of(false);
	struct one one = begun(namer, 6, 50000, 40000);
	uint8_t data[1400];

	for (unsigned i = 0; i < 7; i++) {
		noise(data, sizeof data, i);
		show(&one, i % 2, data, sizeof data);
		assert_false(one.application.decided);
	}
	SHOW(&one, true, "SSH-2.0-OpenSSH_9.2\r\n");
	assert_string_equal(described(&one), "SSH, remote access, signature, -");
	weir_application_end(namer, &one.application);
	weir_applications_free(namer);
}

/* What it says of flows, by either way of being made ready, before and after the end of a part. */
static void it_says_the_same_made_ready_beside_the_caller(void **state)
{
	struct weir_applications *namers[2] = {namer_of(false), namer_of(true)};
	char text[2][256];

	for (unsigned part = 0; part < 2; part++) {
		for (unsigned way = 0; way < 2; way++) {
			struct one one = begun(namers[way], 6, 50000, (uint16_t)(4444 + part));
			SHOW(&one, false, "{\"id\":1,\"method\":\"login\",\"params\":{\"login\":\"a\",\"pass\":\"x\"}}\n");
			snprintf(text[way], sizeof text[way], "%s", described(&one));
			weir_application_end(namers[way], &one.application);
			weir_applications_part(namers[way]);
		}
		assert_string_equal(text[0], text[1]);
	}
	weir_applications_free(namers[0]);
	weir_applications_free(namers[1]);
}

/* Nobody asks it, so nobody but these wait for the thread. */
static void it_need_not_be_needed(void **state)
{
	struct weir_applications *namer = namer_of(true);

	weir_applications_part(namer);
	weir_applications_free(namer);
	weir_applications_free(namer_of(true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_marked_is_looked_for),
		cmocka_unit_test(noise_is_not_named),
		cmocka_unit_test(names_do_not_depend_on_the_clock),
		cmocka_unit_test(eight_payloads_are_looked_at_however_large),
		cmocka_unit_test(it_says_the_same_made_ready_beside_the_caller),
		cmocka_unit_test(it_need_not_be_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
