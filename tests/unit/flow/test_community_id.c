/* Community IDs: those of the specification's own vectors, seeds 0 and 1, in base64 and (the same digest) in hex. */
#include "../unit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include <weir/flow.h>

/* The value behind "key": in a flat object of JSON; strings without their quotes. */
static bool member(const char *object, const char *key, char *value, size_t size)
{
	char quoted[40];
	snprintf(quoted, sizeof quoted, "\"%s\": ", key);
	const char *end = strchr(object, '}'), *at = strstr(object, quoted);
	size_t n = 0;

	if (!at || at > end)
		return false;
	at += strlen(quoted);
	bool string = *at == '"';
	for (at += string; string ? *at != '"' : *at != ',' && *at != '}'; at++)
		if (n + 1 < size)
			value[n++] = *at;
	value[n] = '\0';
	return true;
}

static struct weir_ip ip(const char *text)
{
	struct weir_ip result = {.version = strchr(text, ':') ? 6 : 4};
	assert_int_equal(inet_pton(result.version == 6 ? AF_INET6 : AF_INET, text, result.bytes), 1);
	return result;
}

/* "1:" and the digest in hex instead of base64. */
static void to_hex(const char *id, char *hex)
{
	uint8_t digest[24];
	assert_int_equal(EVP_DecodeBlock(digest, (const unsigned char *)id + 2, (int)strlen(id) - 2), 21);
	hex += sprintf(hex, "1:");
	for (int i = 0; i < 20; i++)
		hex += sprintf(hex, "%02x", digest[i]);
}

static void check(const char *file, uint16_t seed, bool in_hex)
{
	const char *shared = getenv("WEIR_SHARED");
	char path[512], got[32], hex[64], protocol[16], source[64], destination[64], from[16], to[16], expected[64];
	static char text[65536];
	int count = 0;

	snprintf(path, sizeof path, "%s/vectors/%s", shared ? shared : "../shared", file);
	FILE *stream = fopen(path, "r");
	if (!stream)
		skip();
	text[fread(text, 1, sizeof text - 1, stream)] = '\0';
	fclose(stream);
	for (const char *object = strchr(text, '{'); object; object = strchr(object + 1, '{'), count++) {
		assert_true(member(object, "proto", protocol, sizeof protocol) && member(object, "saddr", source, sizeof source) &&
		            member(object, "daddr", destination, sizeof destination) && member(object, "sport", from, sizeof from) &&
		            member(object, "dport", to, sizeof to) && member(object, "communityid", expected, sizeof expected));
		struct weir_ip s = ip(source), d = ip(destination);
		weir_community_id(&s, &d, (uint8_t)atoi(protocol), (uint16_t)atoi(from), (uint16_t)atoi(to), seed, got);
		if (in_hex)
			to_hex(got, hex);
		assert_string_equal(in_hex ? hex : got, expected);
	}
	assert_true(count >= 20);
}

static void base64(void **state) { check("community_id_deflt.json", 0, false); }
static void hexadecimal(void **state) { check("community_id_nob64.json", 0, true); }
static void other_seed(void **state) { check("community_id_seed1.json", 1, false); }

static void without_addresses_there_is_none(void **state)
{
	struct weir_ip none = {0}, four = ip("192.0.2.1"), six = ip("2001:db8::1");
	char id[32];

	weir_community_id(&none, &none, 6, 1, 2, 0, id);
	assert_string_equal(id, "");
	weir_community_id(&four, &six, 6, 1, 2, 0, id);
	assert_string_equal(id, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64),
		cmocka_unit_test(hexadecimal),
		cmocka_unit_test(other_seed),
		cmocka_unit_test(without_addresses_there_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
