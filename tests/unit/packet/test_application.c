/* Naming applications: what names a flow, what is learned for others, what is kept, and that a saved namer goes on as if nothing had happened. */
#include "../unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "packet/application_memory.h"
#include "packet/application_namer.h"
#include "named.h"

/* The tables themselves, to see that they are in order. */
#include "packet/application_hosts.c"
#include "packet/application_ports.c"

static struct weir_applications *namer_of(uint64_t bytes)
{
	struct weir_applications_options options = {.memory_bytes = bytes, .no_ndpi = true};
	struct weir_applications *namer;
	struct weir_fault fault;

	assert_int_equal(weir_applications_new(&options, &namer, &fault), 0);
	return namer;
}

/* A ClientHello with this name, in one record. Its length. */
static uint32_t hello(uint8_t *out, const char *name)
{
	struct build b = {.length = 0};
	uint16_t n = (uint16_t)strlen(name);

	bytes(&b, "\x16\x03\x01", 3);
	be16(&b, 0);
	bytes(&b, "\x01\0", 2);
	be16(&b, 0);
	be16(&b, 0x0303);
	for (unsigned i = 0; i < 32; i++)
		u8(&b, (uint8_t)i);
	u8(&b, 0);
	be16(&b, 4);
	be32(&b, 0x13011302);
	be16(&b, 0x0100);
	be16(&b, (uint16_t)(8 + 4 + n + 5));
	be16(&b, 43); /* another extension before it */
	be16(&b, 4);
	be32(&b, 0x03020304);
	be16(&b, 0);
	be16(&b, (uint16_t)(n + 5));
	be16(&b, (uint16_t)(n + 3));
	u8(&b, 0);
	be16(&b, n);
	bytes(&b, name, n);
	weir_store_be16(b.data + 3, (uint16_t)(b.length - 5));
	weir_store_be16(b.data + 7, (uint16_t)(b.length - 9));
	memcpy(out, b.data, b.length);
	return b.length;
}

/* A question of the client's for name, answered with the server's address. */
static void resolve(struct weir_applications *namer, const char *name, uint32_t ttl, int64_t time_ns)
{
	static const struct weir_ip resolver = {{10, 0, 0, 53}, 4};
	struct one dns = flow_to(namer, 17, 40053, 53);
	struct build b = {.length = 0};

	dns.time_ns = time_ns;
	dns.flow.destination = &resolver;
	be32(&b, 0x12340100);
	be32(&b, 0x00010000);
	be32(&b, 0);
	for (const char *p = name; *p;) {
		size_t label = strcspn(p, ".");
		u8(&b, (uint8_t)label);
		bytes(&b, p, (uint32_t)label);
		p += label + (p[label] == '.');
	}
	u8(&b, 0);
	be32(&b, 0x00010001);
	show(&dns, false, b.data, b.length);
	b.data[2] |= 0x80;
	b.data[7] = 1;
	be16(&b, 0xc00c);
	be32(&b, 0x00010001);
	be32(&b, ttl);
	be16(&b, 4);
	be32(&b, 0x0a000002);
	show(&dns, true, b.data, b.length);
	weir_application_end(namer, &dns.application);
}

static uint16_t row_of_port(bool tcp, uint16_t port)
{
	for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
		if (ports[i].port == port && ports[i].transports & (tcp ? TCP : UDP))
			return ports[i].application;
	return APPLICATION_NONE;
}

static void tables_are_whole_and_in_order(void **state)
{
	unsigned used[CATEGORIES] = {0}, categories = 0;

	for (unsigned i = 1; i < APPLICATIONS; i++) {
		assert_non_null(application_entries[i].name);
		assert_non_null(application_category_name(application_entries[i].category));
		used[application_entries[i].category]++;
	}
	for (unsigned i = 1; i < CATEGORIES; i++) {
		assert_non_null(application_category_name(i));
		categories += used[i] > 0;
	}
	assert_true(APPLICATIONS > 40 && categories >= 10);
	for (unsigned i = 1; i < EVIDENCES; i++)
		assert_non_null(application_evidence_name(i));
	for (size_t i = 1; i < sizeof ports / sizeof ports[0]; i++)
		assert_true(ports[i - 1].port < ports[i].port ||
		            (ports[i - 1].port == ports[i].port && !(ports[i - 1].transports & ports[i].transports)));
	for (size_t i = 1; i < sizeof hosts / sizeof hosts[0]; i++)
		assert_true(strcmp(hosts[i - 1].domain, hosts[i].domain) < 0);
	struct weir_applications *namer = namer_of(0);
	assert_int_equal(application_of_port(&namer->ports, true, 443), APPLICATION_TLS);
	assert_int_equal(application_of_port(&namer->ports, false, 443), APPLICATION_QUIC);
	assert_int_equal(application_of_port(&namer->ports, true, 1), APPLICATION_NONE);
	for (unsigned port = 0; port < 65536; port++)
		for (unsigned tcp = 0; tcp < 2; tcp++)
			assert_int_equal(application_of_port(&namer->ports, tcp, (uint16_t)port), row_of_port(tcp, (uint16_t)port));
	weir_applications_free(namer);
}

static const char *service(const char *name)
{
	uint16_t found = application_of_host((struct weir_bytes){(const uint8_t *)name, strlen(name)});
	return found ? application_entries[found].name : "-";
}

static void services_by_the_longest_domain(void **state)
{
	assert_string_equal(service("www.google.com"), "Google");
	assert_string_equal(service("maps.google.com"), "GoogleMaps");
	assert_string_equal(service("eu.maps.google.com"), "GoogleMaps");
	assert_string_equal(service("notgoogle.com"), "-");
	assert_string_equal(service("google.com.example.org"), "-");
	assert_string_equal(service("www.google.co.uk"), "Google");
	assert_string_equal(service("captive.apple.com.edgekey.net"), "Apple");
	assert_string_equal(service("com"), "-");
	assert_string_equal(service("."), "-");
	assert_string_equal(service(""), "-");
}

static void tls_by_its_server_name_whole_and_split(void **state)
{
	uint8_t data[512];
	uint32_t length = hello(data, "Teams.Microsoft.com");

	for (uint32_t at = 20; at < length; at += 13) {
		struct weir_applications *namer = namer_of(0);
		struct one one = flow_to(namer, 6, 40000, 443);
		show(&one, false, data, at);
		assert_false(one.application.decided);
		show(&one, false, data + at, length - at);
		assert_true(one.application.decided);
		assert_string_equal(described(&one), "TLS.Teams, collaboration, sni, teams.microsoft.com");
		weir_application_end(namer, &one.application);
		weir_applications_free(namer);
	}
}

static void a_hello_that_was_cut_off_is_named_by_dns(void **state)
{
	struct weir_applications *namer = namer_of(0);
	uint8_t data[512];
	uint32_t length = hello(data, "files.example.org");
	int64_t time_ns = 1700000000000000000;

	resolve(namer, "www.reddit.com", 3600, time_ns);
	struct one one = flow_to(namer, 6, 40000, 443), late = one;
	show_cut(&one, false, data, length, length - 60);
	assert_true(one.application.decided);
	assert_string_equal(described(&one), "TLS.Reddit, social network, dns, www.reddit.com");
	/* Two hours later the answer is no longer good. */
	late.time_ns += INT64_C(7200) * 1000000000;
	show_cut(&late, false, data, length, length - 60);
	assert_string_equal(described(&late), "TLS, web, signature, -");
	weir_application_end(namer, &one.application);
	weir_application_end(namer, &late.application);
	weir_applications_free(namer);
}

static void http_by_its_host(void **state)
{
	struct weir_applications *namer = namer_of(0);
	struct one one = flow_to(namer, 6, 40000, 8080), response_first = one;

	SHOW(&one, false, "GET / HTTP/1.1\r\nUser-Agent: x\r\nHo");
	SHOW(&one, false, "st: Download.Windowsupdate.COM:8080\r\n\r\n");
	assert_string_equal(described(&one), "HTTP.WindowsUpdate, software update, host, download.windowsupdate.com");
	SHOW(&response_first, true, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	SHOW(&response_first, false, "GET /next HTTP/1.1\r\nHost: intranet\r\n\r\n");
	assert_true(response_first.application.decided);
	assert_string_equal(described(&response_first), "HTTP, web, signature, intranet");
	weir_application_end(namer, &one.application);
	weir_application_end(namer, &response_first.application);
	weir_applications_free(namer);
}

/* A bind to one interface, in little-endian order. */
static uint32_t bind_to(uint8_t *out, const char *uuid)
{
	memcpy(out, "\x05\x00\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0\xb8\x10\xb8\x10\0\0\0\0\x01\0\0\0\0\0\x01\0", 32);
	memcpy(out + 32, uuid, 16);
	memset(out + 48, 0, 24);
	return 72;
}
#define EPM_UUID "\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa"
#define DRSUAPI_UUID "\x35\x42\x51\xe3\x06\x4b\xd1\x11\xab\x04\x00\xc0\x4f\xc2\xdc\xd2"

static void dcerpc_by_the_interface_of_a_bind(void **state)
{
	struct weir_applications *namer = namer_of(0);
	struct one one = flow_to(namer, 6, 40000, 49155);
	uint8_t data[72];

	show_cut(&one, false, data, bind_to(data, DRSUAPI_UUID), 16);
	assert_true(one.application.decided);
	assert_string_equal(described(&one), "DCE_RPC.DRSUAPI, directory, dcerpc, -");
	weir_applications_free(namer);
}

static void the_endpoint_mapper_names_ports(void **state)
{
	struct weir_applications *namer = namer_of(0);
	struct one mapper = flow_to(namer, 6, 40000, 135), other = flow_to(namer, 6, 40001, 49999), unmapped = flow_to(namer, 6, 40001, 49998);
	struct build b = {.length = 0};
	uint8_t data[72];

	show(&mapper, false, data, bind_to(data, EPM_UUID));
	assert_false(mapper.application.decided);
	bytes(&b, "\x05\0\x02\x03\x10\0\0\0\xc8\0\0\0\x01\0\0\0\x64\0\0\0\0\0\0\0", 24);
	bytes(&b,
	      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	      "\x01\0\0\0"
	      "\x04\0\0\0\0\0\0\0\x01\0\0\0"
	      "\x03\0\0\0",
	      40);
	bytes(&b,
	      "\x4b\0\0\0\x4b\0\0\0"
	      "\x05\0",
	      10);
	bytes(&b, "\x13\0\x0d" DRSUAPI_UUID "\x04\0\x02\0\0\0", 25);
	bytes(&b, "\x13\0\x0d\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\0\x2b\x10\x48\x60\x02\0\x02\0\0\0", 25);
	bytes(&b,
	      "\x01\0\x0b\x02\0\0\0"
	      "\x01\0\x07\x02\0\xc3\x4f"
	      "\x01\0\x09\x04\0\x0a\0\0\x02",
	      23);
	show(&mapper, true, b.data, b.length);
	assert_string_equal(described(&mapper), "DCE_RPC.EndpointMapper, RPC, dcerpc, -");
	/* Without its bind: what is in the middle of a connection says nothing. */
	SHOW(&other, false, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");
	assert_true(other.application.decided);
	assert_string_equal(described(&other), "DCE_RPC.DRSUAPI, directory, epm, -");
	SHOW(&unmapped, false, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");
	assert_string_equal(described(&unmapped), "-, -, -, -");
	weir_applications_free(namer);
}

static void an_endpoint_names_flows_once_some_agreed(void **state)
{
	struct weir_applications *namer = namer_of(0);

	for (uint16_t i = 0; i < 5; i++) {
		struct one met_midway = flow_to(namer, 6, (uint16_t)(41000 + i), 7777), one = flow_to(namer, 6, (uint16_t)(40000 + i), 7777);
		SHOW(&met_midway, true, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9");
		assert_string_equal(described(&met_midway), i < 3 ? "-, -, -, -" : "SSH, remote access, endpoint, -");
		assert_int_equal(met_midway.application.decided, i >= 3);
		SHOW(&one, true, "SSH-2.0-OpenSSH_9.2\r\n");
		assert_true(one.application.decided);
		assert_string_equal(described(&one), "SSH, remote access, signature, -");
	}
	weir_applications_free(namer);
}

static void ports_and_protocols_name_the_rest(void **state)
{
	struct weir_applications *namer = namer_of(0);
	struct one silent = flow_to(namer, 6, 40000, 1521), midway = flow_to(namer, 6, 3389, 40000), ospf = flow_to(namer, 89, 0, 0),
			   strange = flow_to(namer, 200, 0, 0);

	assert_string_equal(described(&silent), "Oracle, database, port, -");
	/* A payload says more than the record before said. */
	silent.flow.destination_port = 1521;
	SHOW(&silent, true, "SSH-2.0-OpenSSH_9.2\r\n");
	assert_string_equal(described(&silent), "SSH, remote access, signature, -");
	assert_string_equal(described(&midway), "RDP, remote access, port, -");
	SHOW(&ospf, false, "\x02\x01\0\x2c\x0a\0\0\x01");
	assert_string_equal(described(&ospf), "OSPF, network, protocol, -");
	SHOW(&strange, false, "x");
	assert_string_equal(described(&strange), "-, -, -, -");
	weir_applications_free(namer);
}

static void mail_that_turns_to_tls(void **state)
{
	struct weir_applications *namer = namer_of(0);
	struct one one = flow_to(namer, 6, 40000, 25);
	uint8_t data[512];

	SHOW(&one, true, "220 mx.google.com ESMTP ready\r\n");
	SHOW(&one, false, "EHLO client.example.org\r\n");
	SHOW(&one, true, "250-mx.google.com\r\n250 STARTTLS\r\n");
	SHOW(&one, false, "STARTTLS\r\n");
	SHOW(&one, true, "220 go ahead\r\n");
	assert_false(one.application.decided);
	show(&one, false, data, hello(data, "mx.google.com"));
	assert_true(one.application.decided);
	assert_string_equal(described(&one), "SMTPS.Google, mail, sni, mx.google.com");
	weir_application_end(namer, &one.application);
	weir_applications_free(namer);
}

/* No name is held by anybody but the answers in memory. */
static uint64_t references(const struct weir_applications *namer)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < 2; i++)
		for (uint32_t number = 1; number < namer->names->classes[i].used; number++)
			count += names_slot(namer->names, number | (i ? LONG_NAME_BIT : 0))->references;
	for (uint64_t i = 0; i <= namer->answers.mask; i++)
		for (unsigned j = 0; j < 4; j++)
			count -= namer->answers.buckets[i][j].value != 0;
	return count;
}

static void memory_is_bounded_and_given_back(void **state)
{
	struct weir_applications *namer = namer_of(1); /* the least there is */
	struct one *flows = calloc(20000, sizeof *flows);
	char name[300];
	uint8_t data[512];

	assert_non_null(flows);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "host-%u.%0*u.example.org", i, i % 3 ? 1 : 60, i);
		resolve(namer, name, 60, 1700000000000000000 + i);
		flows[i] = flow_to(namer, 6, (uint16_t)(20000 + i), 4433);
		if (i % 2)
			show(&flows[i], false, data, hello(data, name));
		else
			show(&flows[i], false, data, hello(data, name) - 10); /* its end never comes */
	}
	for (unsigned i = 0; i < 20000; i++)
		described(&flows[i]);
	for (unsigned i = 0; i < 20000; i++)
		weir_application_end(namer, &flows[i].application);
	assert_int_equal(references(namer), 0);
	/* What is free can be used again. */
	struct one last = flow_to(namer, 6, 40000, 443);
	show(&last, false, data, hello(data, "last.example.org"));
	assert_string_equal(described(&last), "TLS, web, signature, last.example.org");
	weir_applications_free(namer);
	free(flows);
}

static char path[64];

static void save(struct weir_applications *namer, const char *to)
{
	struct weir_state *file;
	struct weir_fault fault;

	assert_int_equal(weir_state_create(to, &file, &fault), 0);
	assert_int_equal(weir_applications_save(namer, file, &fault), 0);
	assert_int_equal(weir_state_finish(file, &fault), 0);
	weir_state_close(file);
}

static int load(struct weir_applications *namer, const char *from)
{
	struct weir_state *file;
	struct weir_fault fault;

	assert_int_equal(weir_state_open(from, &file, &fault), 0);
	int error = weir_applications_load(namer, file, &fault);
	weir_state_close(file);
	return error;
}

static void same_files(const char *one, const char *other)
{
	static char a[1 << 16], b[1 << 16];
	FILE *f = fopen(one, "rb"), *g = fopen(other, "rb");
	size_t n;

	assert_non_null(f);
	assert_non_null(g);
	do {
		n = fread(a, 1, sizeof a, f);
		assert_int_equal(fread(b, 1, sizeof b, g), n);
		assert_memory_equal(a, b, n);
	} while (n);
	fclose(f);
	fclose(g);
}

static void a_saved_namer_goes_on_as_if_nothing_had_happened(void **state)
{
	struct weir_applications *namers[2] = {namer_of(1 << 20), namer_of(1 << 20)};
	struct one undecided[64], asks, other;
	char again[72];
	uint8_t data[512];

	resolve(namers[0], "cdn.netflix.com", 3600, 1700000000000000000);
	for (unsigned i = 0; i < 64; i++) {
		undecided[i] = flow_to(namers[0], 6, (uint16_t)(40000 + i), 443);
		show(&undecided[i], false, data, hello(data, "login.microsoftonline.com") - 8 - i);
		if (i % 3 == 0)
			weir_application_end(namers[0], &undecided[i].application);
	}
	save(namers[0], path);
	assert_int_equal(load(namers[1], path), 0);
	snprintf(again, sizeof again, "%s.again", path);
	save(namers[1], again);
	same_files(path, again);
	for (unsigned i = 0; i < 64; i++) {
		if (i % 3 == 0)
			continue;
		struct one resumed = undecided[i];
		uint32_t length = hello(data, "login.microsoftonline.com");
		resumed.namer = namers[1];
		show(&undecided[i], false, data + length - 8 - i, 8 + i);
		show(&resumed, false, data + length - 8 - i, 8 + i);
		assert_string_equal(described(&undecided[i]), "TLS.Microsoft365, collaboration, sni, login.microsoftonline.com");
		assert_string_equal(described(&resumed), "TLS.Microsoft365, collaboration, sni, login.microsoftonline.com");
	}
	asks = flow_to(namers[1], 6, 50000, 443);
	other = flow_to(namers[0], 6, 50000, 443);
	show_cut(&asks, false, data, hello(data, "x.example.org"), 20);
	show_cut(&other, false, data, hello(data, "x.example.org"), 20);
	assert_string_equal(described(&asks), "TLS.NetFlix, video, dns, cdn.netflix.com");
	assert_string_equal(described(&other), "TLS.NetFlix, video, dns, cdn.netflix.com");
	/* Both have gone the same way: their files are the same. */
	save(namers[0], path);
	save(namers[1], again);
	same_files(path, again);
	/* A namer of another size has no use for it. */
	struct weir_applications *larger = namer_of(2 << 20);
	assert_int_equal(load(larger, path), WEIR_E_FORMAT);
	weir_applications_free(larger);
	unlink(again);
	weir_applications_free(namers[0]);
	weir_applications_free(namers[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_whole_and_in_order),
		cmocka_unit_test(services_by_the_longest_domain),
		cmocka_unit_test(tls_by_its_server_name_whole_and_split),
		cmocka_unit_test(a_hello_that_was_cut_off_is_named_by_dns),
		cmocka_unit_test(http_by_its_host),
		cmocka_unit_test(dcerpc_by_the_interface_of_a_bind),
		cmocka_unit_test(the_endpoint_mapper_names_ports),
		cmocka_unit_test(an_endpoint_names_flows_once_some_agreed),
		cmocka_unit_test(ports_and_protocols_name_the_rest),
		cmocka_unit_test(mail_that_turns_to_tls),
		cmocka_unit_test(memory_is_bounded_and_given_back),
		cmocka_unit_test(a_saved_namer_goes_on_as_if_nothing_had_happened),
	};

	snprintf(path, sizeof path, "/tmp/weir-test-application.%d", (int)getpid());
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
