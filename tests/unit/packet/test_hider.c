/* Hiding single values: what stays, what goes where, and that nothing meets. */
#include "../unit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/policy.h>

static struct weir_key key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}};

static struct weir_policy strict(void)
{
	return (struct weir_policy){.hides = true,
	                            .hide = {
									.ipv4 = {.technique = WEIR_HIDE_PREFIX},
									.ipv6 = {.technique = WEIR_HIDE_PREFIX},
									.keep_special = true,
									.macs = {.technique = WEIR_HIDE_PERMUTE},
									.vlans = {.technique = WEIR_HIDE_PERMUTE},
									.names = {.technique = WEIR_HIDE_KEYED},
									.ports = {.technique = WEIR_HIDE_PERMUTE},
									.ip_ids = {.technique = WEIR_HIDE_PERMUTE},
								}};
}

static struct weir_hider *hider_of(const struct weir_policy *policy)
{
	struct weir_hider *hider;

	assert_int_equal(weir_hider_new(policy, &key, &hider, NULL), 0);
	return hider;
}

static struct weir_ip ip(const char *text)
{
	struct weir_ip out = {.version = strchr(text, ':') ? 6 : 4};

	assert_int_equal(inet_pton(out.version == 4 ? AF_INET : AF_INET6, text, out.bytes), 1);
	return out;
}

static struct weir_ip hidden(const struct weir_hider *hider, const char *text)
{
	struct weir_ip in = ip(text), out;

	weir_hide_ip(hider, &in, &out);
	return out;
}

static bool is_kept(const struct weir_hider *hider, const char *text)
{
	struct weir_ip in = ip(text), out = hidden(hider, text);

	return memcmp(&in, &out, sizeof in) == 0;
}

static unsigned shared_bits(const struct weir_ip *a, const struct weir_ip *b, unsigned bits)
{
	unsigned n = 0;

	while (n < bits && ((a->bytes[n / 8] ^ b->bytes[n / 8]) >> (7 - n % 8) & 1) == 0)
		n++;
	return n;
}

static uint64_t seed = 88172645463325252;

static uint64_t number(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* Two addresses that share some leading bits, at random. */
static void random_pair(uint8_t version, struct weir_ip *a, struct weir_ip *b)
{
	unsigned bytes = version == 4 ? 4 : 16, share = (unsigned)(number() % (bytes * 8 + 1));

	*a = *b = (struct weir_ip){.version = version};
	for (unsigned i = 0; i < bytes; i++)
		a->bytes[i] = (uint8_t)number();
	for (unsigned i = 0; i < bytes * 8; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);
		b->bytes[i / 8] |= i < share ? a->bytes[i / 8] & bit : number() & bit;
	}
}

static void prefixes_that_addresses_share_are_as_long_afterwards(void **state)
{
	struct weir_policy policy = strict();

	policy.hide.keep_special = false;
	struct weir_hider *hider = hider_of(&policy);
	for (unsigned i = 0; i < 20000; i++) {
		struct weir_ip a, b, x, y;
		random_pair(i % 8 ? 4 : 6, &a, &b);
		weir_hide_ip(hider, &a, &x);
		weir_hide_ip(hider, &b, &y);
		assert_int_equal(shared_bits(&a, &b, a.version == 4 ? 32 : 128),
		                 shared_bits(&x, &y, a.version == 4 ? 32 : 128));
	}
	weir_hider_free(hider);
}

static void addresses_of_nobody_are_kept_and_those_of_machines_not(void **state)
{
	static const char *const kept[] = {
		"0.0.0.0",     "127.0.0.1", "224.0.0.251", "239.255.255.250", "255.255.255.255", "192.0.2.7",  "198.51.100.1",
		"203.0.113.9", "::",        "::1",         "ff02::1",         "ff02::fb",        "2001:db8::7"};
	static const char *const gone[] = {"10.0.0.1",    "172.16.3.4",        "192.168.1.1",     "169.254.7.8",
	                                   "100.64.1.1",  "8.8.8.8",           "fe80::1",         "fd00::1",
	                                   "2600::1",     "ff02::1:ff12:3456", "::ffff:10.0.0.1", "64:ff9b::8.8.8.8",
	                                   "233.252.1.1", "ff3e:30:2600:1::1"};
	struct weir_policy policy = strict();
	struct weir_hider *hider = hider_of(&policy);

	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		assert_true(is_kept(hider, kept[i]));
	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
		assert_false(is_kept(hider, gone[i]));
	weir_hider_free(hider);
	policy.hide.keep_special = false;
	hider = hider_of(&policy);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		assert_false(is_kept(hider, kept[i]));
	weir_hider_free(hider);
}

static void an_address_within_an_address_is_hidden_as_it_is_by_itself(void **state)
{
	struct weir_policy policy = strict();
	struct weir_hider *hider = hider_of(&policy);
	struct weir_ip alone = hidden(hider, "10.1.2.3"), mapped = hidden(hider, "::ffff:10.1.2.3"),
				   translated = hidden(hider, "64:ff9b::10.1.2.3");

	assert_memory_equal(mapped.bytes + 12, alone.bytes, 4);
	assert_memory_equal(translated.bytes + 12, alone.bytes, 4);
	assert_memory_equal(mapped.bytes, ip("::ffff:0.0.0.0").bytes, 12);
	weir_hider_free(hider);
}

static void only_those_in_scope_are_hidden(void **state)
{
	struct weir_policy_net nets[] = {{.bits = 9}, {.bits = 32}};
	struct weir_policy policy = strict();

	nets[0].address = ip("10.128.0.0");
	nets[1].address = ip("2001:4860::");
	policy.hide.scope = WEIR_SCOPE_INTERNAL;
	struct weir_hider *hider = hider_of(&policy);
	assert_false(is_kept(hider, "192.168.3.4")); /* none named: the private ones */
	assert_true(is_kept(hider, "8.8.8.8"));
	weir_hider_free(hider);
	policy.hide.internal = nets;
	policy.hide.internal_count = 2;
	hider = hider_of(&policy);
	assert_false(is_kept(hider, "10.129.3.4"));
	assert_true(is_kept(hider, "10.127.3.4"));
	assert_false(is_kept(hider, "2001:4860::1"));
	assert_true(is_kept(hider, "2001:4861::1"));
	weir_hider_free(hider);
	policy.hide.scope = WEIR_SCOPE_EXTERNAL;
	hider = hider_of(&policy);
	assert_true(is_kept(hider, "10.129.3.4"));
	assert_false(is_kept(hider, "10.127.3.4"));
	weir_hider_free(hider);
}

static void addresses_are_cut_blackened_or_permuted(void **state)
{
	struct weir_policy policy = strict();
	struct weir_ip expected = ip("10.1.2.0");

	policy.hide.ipv4 = (struct weir_hide_way){WEIR_HIDE_TRUNCATE, 24};
	policy.hide.ipv6 = (struct weir_hide_way){WEIR_HIDE_BLACK, 0};
	struct weir_hider *hider = hider_of(&policy);
	struct weir_ip out = hidden(hider, "10.1.2.3");
	assert_memory_equal(&out, &expected, sizeof out);
	out = hidden(hider, "2600::1");
	expected = ip("::");
	assert_memory_equal(&out, &expected, sizeof out);
	weir_hider_free(hider);

	policy.hide.ipv4 = policy.hide.ipv6 = (struct weir_hide_way){WEIR_HIDE_PERMUTE, 0};
	hider = hider_of(&policy);
	for (unsigned i = 0; i < 20000; i++) {
		char text[32];
		snprintf(text, sizeof text, "10.1.%u.%u", i >> 8, i & 255);
		out = hidden(hider, text);
		assert_true(out.bytes[0] != 0 && out.bytes[0] != 127 && out.bytes[0] < 224); /* not onto those that are kept */
		snprintf(text, sizeof text, "2600::%x", i);
		out = hidden(hider, text);
		assert_int_not_equal(out.bytes[0], 0xff);
	}
	weir_hider_free(hider);
}

static void macs_stay_what_they_are_and_do_not_meet(void **state)
{
	struct weir_policy policy = strict();
	struct weir_hider *hider = hider_of(&policy);
	uint8_t out[6], again[6], broadcast[6] = {255, 255, 255, 255, 255, 255}, spanning[6] = {1, 0x80, 0xc2, 0, 0, 0},
							  zero[6] = {0};
	uint8_t station[6] = {0x00, 0x1b, 0x21, 1, 2, 3}, solicited[6] = {0x33, 0x33, 0xff, 1, 2, 3};

	weir_hide_mac(hider, broadcast, out);
	assert_memory_equal(out, broadcast, 6);
	weir_hide_mac(hider, spanning, out);
	assert_memory_equal(out, spanning, 6);
	weir_hide_mac(hider, zero, out);
	assert_memory_equal(out, zero, 6);
	for (unsigned i = 0; i < 5000; i++) {
		weir_store_be16(station + 4, (uint16_t)i);
		weir_hide_mac(hider, station, out);
		assert_memory_not_equal(out, station, 6);
		assert_int_equal(out[0] & 1, 0);
		weir_hide_mac(hider, station, again);
		assert_memory_equal(out, again, 6);
	}
	/* The group of a solicited node, as the IPv6 address has it. */
	weir_hide_mac(hider, solicited, out);
	assert_memory_equal(out, solicited, 3);
	assert_memory_equal(out + 3, hidden(hider, "ff02::1:ff01:203").bytes + 13, 3);
	weir_hider_free(hider);

	policy.hide.macs.technique = WEIR_HIDE_VENDOR;
	hider = hider_of(&policy);
	weir_hide_mac(hider, station, out);
	assert_memory_equal(out, station, 3);
	assert_memory_not_equal(out, station, 6);
	station[0] = 0x02; /* nobody's vendor */
	weir_hide_mac(hider, station, out);
	assert_memory_not_equal(out, station, 3);
	assert_int_equal(out[0] & 3, 2);
	weir_hider_free(hider);
}

static void small_numbers_are_permuted(void **state)
{
	struct weir_policy policy = strict();
	struct weir_hider *hider = hider_of(&policy);
	uint8_t *seen = calloc(65536, 1);

	for (unsigned port = 0; port < 65536; port++)
		assert_int_equal(seen[weir_hide_port(hider, (uint16_t)port)]++, 0);
	assert_int_equal(weir_hide_port(hider, 0), 0);
	memset(seen, 0, 65536);
	for (unsigned vlan = 0; vlan < 4096; vlan++)
		assert_int_equal(seen[weir_hide_vlan(hider, vlan)]++, 0);
	assert_int_equal(weir_hide_vlan(hider, 0), 0);
	assert_int_equal(weir_hide_vlan(hider, WEIR_NO_VALUE), WEIR_NO_VALUE);
	free(seen);
	weir_hider_free(hider);
}

static void times_are_moved_and_rounded_down(void **state)
{
	struct weir_policy policy = strict();

	policy.hide.time_shift_ns = -500;
	policy.hide.time_precision_ns = 1000;
	struct weir_hider *hider = hider_of(&policy);
	assert_int_equal(weir_hide_time(hider, 10499), 9000);
	assert_int_equal(weir_hide_time(hider, 10500), 10000);
	assert_int_equal(weir_hide_time(hider, 0), -1000);
	assert_int_equal(weir_hide_time(hider, WEIR_NO_TIME), WEIR_NO_TIME);
	assert_true(weir_hide_time(hider, INT64_MIN + 1) < 0);
	weir_hider_free(hider);
	policy.hide.time_shift_ns = policy.hide.time_precision_ns = 0;
	policy.hide.time_shift_random = true;
	hider = hider_of(&policy);
	assert_true(weir_hide_time(hider, 0) < 0);
	assert_int_equal(weir_hide_time(hider, 1000) - weir_hide_time(hider, 0), 1000);
	weir_hider_free(hider);
}

static void hide_text(const struct weir_hider *hider, const char *in, char *out)
{
	strcpy(out, in);
	weir_hide_name(hider, out, strlen(out));
	assert_int_equal(strlen(in), strlen(out));
}

static void names_keep_their_shape_and_equal_labels_stay_equal(void **state)
{
	struct weir_policy policy = strict();
	struct weir_hider *hider = hider_of(&policy);
	char a[300], b[300], in[300];

	hide_text(hider, "www-1.Example.com", a);
	hide_text(hider, "mail22.eXAMPLE.com", b);
	assert_int_equal(a[3], '-');
	assert_true(a[4] >= '0' && a[4] <= '9');
	assert_int_equal(a[5], '.');
	assert_true(a[6] >= 'A' && a[6] <= 'Z' && a[7] >= 'a' && a[7] <= 'z');
	assert_int_equal(strcasecmp(a + 6, b + 7), 0); /* example.com of both */
	assert_null(strstr(a, "xample"));
	hide_text(hider, "_http._tcp.local", a);
	assert_string_equal(strchr(a + 1, '_'), "_tcp.local");
	/* Labels of one shape never meet: all of two letters, and of a letter and a digit. */
	uint8_t *seen = calloc(1 << 16, 1);
	for (unsigned i = 0; i < 26 * 36; i++) {
		snprintf(in, sizeof in, "%c%c", (char)('a' + i % 26), (char)(i / 26 < 26 ? 'a' + i / 26 : '0' + i / 26 - 26));
		hide_text(hider, in, a);
		assert_int_equal(seen[(uint8_t)a[0] << 8 | (uint8_t)a[1]]++, 0);
	}
	free(seen);
	/* What is no text says nothing either: an address that stands where a name is expected. */
	hide_text(hider, "\x0a\x14\x1e\x07 host", a);
	for (unsigned i = 0; i < 4; i++)
		assert_true(a[i] >= 'a' && a[i] <= 'z');
	/* Any length, any bytes. */
	memset(in, 'k', 299);
	in[299] = '\0';
	hide_text(hider, in, a);
	for (unsigned i = 0; i < 299; i++)
		in[i] = (char)(1 + i % 255);
	hide_text(hider, in, a);
	weir_hide_name(hider, a, 0);
	weir_hider_free(hider);
	policy.hide.names.technique = WEIR_HIDE_BLACK;
	hider = hider_of(&policy);
	hide_text(hider, "Host7.example.org", a);
	assert_string_equal(a, "Xxxx0.xxxxxxx.xxx");
	weir_hider_free(hider);
}

static void names_of_addresses_carry_the_hidden_address(void **state)
{
	struct weir_policy policy = strict();
	struct weir_hider *hider = hider_of(&policy);
	struct weir_ip out = hidden(hider, "195.113.144.230");
	char name[128], expected[128], *at = expected;

	hide_text(hider, "230.144.113.195.in-addr.arpa", name);
	snprintf(expected, sizeof expected, "%03u.%03u.%03u.%03u.in-addr.arpa", out.bytes[3], out.bytes[2], out.bytes[1],
	         out.bytes[0]);
	assert_string_equal(name, expected);
	hide_text(hider, "195.113.144.230", name);
	snprintf(expected, sizeof expected, "%03u.%03u.%03u.%03u", out.bytes[0], out.bytes[1], out.bytes[2], out.bytes[3]);
	assert_string_equal(name, expected);
	hide_text(hider, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.2.ip6.arpa", name);
	out = hidden(hider, "2600::1");
	for (int i = 15; i >= 0; i--)
		at += snprintf(at, 8, "%x.%x.", out.bytes[i] & 15, out.bytes[i] >> 4);
	strcpy(at, "ip6.arpa");
	assert_string_equal(name, expected);
	weir_hider_free(hider);
}

static void other_keys_hide_otherwise_and_a_key_may_be_needed(void **state)
{
	struct weir_policy policy = strict();
	struct weir_hider *hider = hider_of(&policy), *other;
	struct weir_key another = key;
	struct weir_fault fault;

	another.bytes[31] ^= 1;
	assert_int_equal(weir_hider_new(&policy, &another, &other, NULL), 0);
	struct weir_ip a = hidden(hider, "10.0.0.1"), b = hidden(other, "10.0.0.1");
	assert_memory_not_equal(&a, &b, sizeof a);
	weir_hider_free(hider);
	weir_hider_free(other);
	assert_int_equal(weir_hider_new(&policy, NULL, &hider, &fault), WEIR_E_USAGE);
	assert_null(hider);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_that_addresses_share_are_as_long_afterwards),
		cmocka_unit_test(addresses_of_nobody_are_kept_and_those_of_machines_not),
		cmocka_unit_test(an_address_within_an_address_is_hidden_as_it_is_by_itself),
		cmocka_unit_test(only_those_in_scope_are_hidden),
		cmocka_unit_test(addresses_are_cut_blackened_or_permuted),
		cmocka_unit_test(macs_stay_what_they_are_and_do_not_meet),
		cmocka_unit_test(small_numbers_are_permuted),
		cmocka_unit_test(times_are_moved_and_rounded_down),
		cmocka_unit_test(names_keep_their_shape_and_equal_labels_stay_equal),
		cmocka_unit_test(names_of_addresses_carry_the_hidden_address),
		cmocka_unit_test(other_keys_hide_otherwise_and_a_key_may_be_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
