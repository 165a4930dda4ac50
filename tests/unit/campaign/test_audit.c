/* Originals, and the search for them: src/campaign/audit*.c. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/flow.h>

#include "campaign/audit.h"

static struct weir_policy policy_of(uint8_t technique, uint8_t bits)
{
	return (struct weir_policy){
		.hides = true,
		.hide = {.ipv4 = {technique, bits},
	             .ipv6 = {technique, bits},
	             .macs = {WEIR_HIDE_BLACK, 0},
	             .names = {WEIR_HIDE_BLACK, 0},
	             .keep_special = true},
	};
}

static struct weir_originals *make(const struct weir_policy *policy, const struct weir_hider *hider, uint64_t memory)
{
	struct weir_originals_options options = {.policy = policy, .hider = hider, .memory_bytes = memory};
	struct weir_originals *originals;
	struct weir_fault fault;

	assert_int_equal(weir_originals_new(&options, &originals, &fault), 0);
	return originals;
}

static void add(struct weir_originals *originals, uint32_t address)
{
	struct weir_ip ip = {.version = 4};
	struct weir_fault fault;

	weir_store_be32(ip.bytes, address);
	assert_int_equal(weir_originals_add_ip(originals, &ip, &fault), 0);
}

/* What is found in these bytes. */
static struct weir_audit_result search(const struct weir_originals *originals, const void *data, size_t length,
                                       bool images)
{
	struct weir_audit_options options = {.originals = originals};
	struct weir_audit_result result = {0};
	struct audit_place place = {.file = "memory",
	                            .what = "bytes",
	                            .images = images,
	                            .ipv4_bytes = true,
	                            .numbers = true,
	                            .runs = true,
	                            .short_values = true};
	struct audit_hits *hits;
	struct weir_fault fault;

	assert_int_equal(audit_hits_new(originals, &hits, &fault), 0);
	audit_search_all(hits, &place, data, length);
	assert_int_equal(audit_hits_judge(hits, &options, &result, &fault), 0);
	audit_hits_free(hits);
	return result;
}

static uint64_t found(const struct weir_originals *originals, const char *text)
{
	return search(originals, text, strlen(text), true).leaks;
}

static void special_addresses_and_those_out_of_scope_are_no_originals(void **state)
{
	static const struct {
		uint32_t address;
		bool all, internal, external;
	} cases[] = {
		{0x7f000001, false, false, false}, {0xe0000001, false, false, false}, {0xcb007105, false, false, false},
		{0xffffffff, false, false, false}, {0x0a010203, true, true, false},   {0xc0a80105, true, true, false},
		{0xac100001, true, true, false},   {0xac200001, true, false, true},   {0x5db8d822, true, false, true},
		{0xa9fe0101, true, false, true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (uint8_t scope = WEIR_SCOPE_ALL; scope <= WEIR_SCOPE_EXTERNAL; scope++) {
			struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
			struct weir_ip ip = {.version = 4};
			policy.hide.scope = scope;
			weir_store_be32(ip.bytes, cases[i].address);
			assert_int_equal(audit_hides_ip(&policy, &ip), scope == WEIR_SCOPE_ALL        ? cases[i].all
			                                               : scope == WEIR_SCOPE_INTERNAL ? cases[i].internal
			                                                                              : cases[i].external);
		}
}

static void text_is_found_only_where_a_value_stands_by_itself(void **state)
{
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *originals = make(&policy, NULL, 0);
	struct weir_fault fault;

	(void)state;
	add(originals, 0x6449f111); /* 100.73.241.17 */
	weir_originals_add_name(originals, "Kranich.Example", 15, &fault);
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	assert_int_equal(found(originals, "100.73.241.17"), 1);
	assert_int_equal(found(originals, "at 100.73.241.17."), 1);
	assert_int_equal(found(originals, "100.73.241.170"), 0);
	assert_int_equal(found(originals, "2100.73.241.17"), 0);
	assert_int_equal(found(originals, "100.73-241.17"), 0);
	assert_int_equal(found(originals, "x.KRANICH.example:80"), 1);
	assert_int_equal(found(originals, "unkranich.example"), 0);
	assert_int_equal(found(originals, "kranich.examples"), 0);
	assert_int_equal(found(originals, "17.241.73.100.in-addr.arpa"), 1);
	assert_int_equal(found(originals, "::ffff:6449:f111 "), 1);
	assert_int_equal(found(originals, "1682567441"), 1);
	assert_int_equal(found(originals, "11682567441"), 0);
	weir_originals_free(originals);
}

static void names_are_found_at_the_edges_of_views(void **state)
{
	static const uint8_t wide[] = {1, 1, 1, 1, 0, 'k', 0, 'r', 0, 'a', 0, 'n'};
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *originals = make(&policy, NULL, 0);
	struct weir_fault fault;
	char text[4000];

	(void)state;
	weir_originals_add_name(originals, "kranich.example", 15, &fault);
	weir_originals_add_name(originals, "kran", 4, &fault);
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	/* Four characters of two bytes, the high one first. */
	assert_int_equal(search(originals, wide, sizeof wide, true).leaks, 1);
	assert_int_equal(search(originals, wide, sizeof wide - 1, true).leaks, 0);
	/* A name with a percent sign in it across the end of what is read of a run at once, wherever it begins. */
	for (size_t at = 3040; at < 3090; at++) {
		memset(text, '=', sizeof text);
		memcpy(text, "%41", 3);
		memcpy(text + at, "k%72anich.example", 17);
		assert_true(search(originals, text, sizeof text, true).leaks > 0);
	}
	weir_originals_free(originals);
}

static void ipv6_is_found_behind_a_word_and_when_short(void **state)
{
	static const char *const texts[] = {"2600::", "at 2600::, ", "node:2a00:1450:4001:80b::200e", "source:2600::",
	                                    "a_face:2a00:1450:4001:80b:0:0:0:200e"};
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *originals = make(&policy, NULL, 0);
	struct weir_ip ips[] = {{.version = 6, .bytes = {0x26}},
	                        {.version = 6, .bytes = {0x2a, 0, 0x14, 0x50, 0x40, 1, 8, 0x0b, [14] = 0x20, [15] = 0x0e}}};
	struct weir_fault fault;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(weir_originals_add_ip(originals, &ips[i], &fault), 0);
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_true(found(originals, texts[i]) > 0);
	/* The end of another address is none. */
	assert_int_equal(found(originals, "2001:2600::"), 0);
	weir_originals_free(originals);
}

static void what_another_original_became_is_explained_where_such_values_stand(void **state)
{
	struct weir_policy policy = policy_of(WEIR_HIDE_TRUNCATE, 24);
	struct weir_hider *hider;
	struct weir_fault fault;

	(void)state;
	assert_int_equal(weir_hider_new(&policy, NULL, &hider, &fault), 0);
	struct weir_originals *originals = make(&policy, hider, 0);
	struct weir_originals_statistics statistics;
	add(originals, 0x6449f111);
	add(originals, 0x6449f100); /* what both become */
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	weir_originals_count(originals, &statistics);
	assert_int_equal(statistics.images[WEIR_ORIGINAL_IPV4], 1);
	struct weir_audit_result result = search(originals, "100.73.241.0", 12, true);
	assert_int_equal(result.leaks, 0);
	assert_int_equal(result.explained, 1);
	result = search(originals, "100.73.241.0", 12, false);
	assert_int_equal(result.leaks, 1);
	result = search(originals, "100.73.241.17", 13, true);
	assert_int_equal(result.leaks, 1);
	weir_originals_free(originals);
	weir_hider_free(hider);
}

static uint64_t any(uint64_t *s)
{
	uint64_t z = *s += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void four_bytes_are_a_leak_unless_chance_gives_them(void **state)
{
	size_t length = 4 << 20;
	uint8_t *data = malloc(length);
	uint64_t seed = 5;
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *many = make(&policy, NULL, 0), *few = make(&policy, NULL, 0);
	struct weir_fault fault;

	(void)state;
	for (size_t i = 0; i < length; i += 8)
		weir_store_native64(data + i, any(&seed));
	for (uint32_t i = 0; i < 20000; i++)
		add(many, 0x50000000 + (uint32_t)(any(&seed) % 0x40000000));
	add(many, 0x6449f111);
	add(few, 0x6449f111);
	assert_int_equal(weir_originals_ready(many, &fault), 0);
	assert_int_equal(weir_originals_ready(few, &fault), 0);
	/* 8 M places and 20,000 addresses: some 39 hits. */
	struct weir_audit_result result = search(many, data, length, true);
	assert_int_equal(result.leaks, 0);
	assert_true(result.by_chance > 5 && result.by_chance < 120);
	assert_true(result.expected_by_chance > 10 && result.expected_by_chance < 120);
	/* One address, in what is small: no chance. */
	weir_store_be32(data + 1001, 0x6449f111);
	assert_int_equal(search(few, data, 4096, true).leaks, 1);
	/* Again and again among many: more than chance gives of one. */
	for (size_t i = 0; i < 12; i++)
		weir_store_be32(data + 300007 * (i + 1), 0x6449f111);
	assert_true(search(many, data, length, true).leaks >= 1);
	weir_originals_free(many);
	weir_originals_free(few);
	free(data);
}

static void what_does_not_fit_is_counted(void **state)
{
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *originals = make(&policy, NULL, 1 << 20);
	struct weir_originals_statistics statistics;
	struct weir_fault fault;

	(void)state;
	for (uint32_t i = 0; i < 300000; i++)
		add(originals, 0x50000000 + i * 7);
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	weir_originals_count(originals, &statistics);
	assert_int_equal(statistics.held[WEIR_ORIGINAL_IPV4] + statistics.not_held[WEIR_ORIGINAL_IPV4], 300000);
	assert_true(statistics.held[WEIR_ORIGINAL_IPV4] > 20000 && statistics.not_held[WEIR_ORIGINAL_IPV4] > 0);
	weir_originals_free(originals);
}

static void runs_of_what_is_cut_are_sampled_the_same_everywhere(void **state)
{
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *originals = make(&policy, NULL, 1 << 20);
	struct weir_originals_statistics statistics;
	struct weir_fault fault;
	size_t length = 1 << 20;
	uint8_t *data = malloc(length);
	uint64_t seed = 9;

	(void)state;
	for (size_t i = 0; i < length; i += 8)
		weir_store_native64(data + i, any(&seed));
	audit_see_runs(originals, data, length, AUDIT_CUT);
	/* What is kept elsewhere, too, is nothing to be found. */
	audit_see_runs(originals, data, length / 2, AUDIT_KEPT);
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	weir_originals_count(originals, &statistics);
	assert_true(statistics.payload_sampled_one_in > 50);
	assert_true(statistics.held[WEIR_ORIGINAL_PAYLOAD] > 500);
	assert_int_equal(search(originals, data, length / 2, true).leaks, 0);
	assert_true(search(originals, data + length / 2, length / 2, true).leaks >=
	            statistics.held[WEIR_ORIGINAL_PAYLOAD] / 2);
	weir_originals_free(originals);
	free(data);
}

/* Base64 of so many bytes in lines of `width` characters with `end` behind each. */
static char *in_lines(const char *text, size_t width, const char *end)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t length = strlen(text), column = 0;
	char *out = calloc(1, 16 * length + 64), *at = out;
	uint32_t bits = 0;
	unsigned have = 0;

	assert_non_null(out);
	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | (uint8_t)text[i];
		for (have += 8; have >= 6;) {
			have -= 6;
			*at++ = alphabet[bits >> have & 63];
			if (++column % width == 0)
				at += sprintf(at, "%s", end);
		}
	}
	return out;
}

static void base64_that_is_broken_over_lines_is_read_as_a_whole(void **state)
{
	static const char *const ends[] = {"\n", "\r\n", "\r\n\t", "\n    "};
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *originals = make(&policy, NULL, 0);
	struct weir_fault fault;
	char text[6000];

	(void)state;
	weir_originals_add_name(originals, "lager7.kranich-institut.example", 31, &fault);
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	for (size_t at = 100; at < 5000; at += at < 300 ? 1 : 37) {
		/* In lines of 76 characters, 57 bytes: somewhere the name stands across two of them, and where runs of them are cut. */
		memset(text, ' ', sizeof text);
		memcpy(text + at, "lager7.kranich-institut.example", 31);
		text[5999] = '\0';
		char *lines = in_lines(text, at % 2 ? 76 : 64, ends[at % 4]);
		assert_int_equal(found(originals, lines), 1);
		free(lines);
	}
	weir_originals_free(originals);
}

static void names_that_are_too_much_alike_to_be_searched_for_are_counted(void **state)
{
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *originals = make(&policy, NULL, 0);
	struct weir_originals_statistics statistics;
	struct weir_fault fault;
	const unsigned all = 1 << 15;
	uint64_t searched = 0;
	char name[16] = "";

	(void)state;
	for (unsigned i = 0; i < all; i++) {
		for (unsigned bit = 0; bit < 15; bit++)
			name[bit] = i >> bit & 1 ? 'x' : 'q';
		weir_originals_add_name(originals, name, 15, &fault);
	}
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	weir_originals_count(originals, &statistics);
	/* Whatever is not counted is found. */
	for (unsigned i = 0; i < all; i++) {
		for (unsigned bit = 0; bit < 15; bit++)
			name[bit] = i >> bit & 1 ? 'x' : 'q';
		searched += found(originals, name) > 0;
	}
	assert_true(statistics.not_held[WEIR_ORIGINAL_NAME] > 0);
	assert_int_equal(searched + statistics.not_held[WEIR_ORIGINAL_NAME], all);
	weir_originals_free(originals);
}

static void values_across_the_windows_of_a_file_are_found(void **state)
{
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *originals = make(&policy, NULL, 0);
	struct weir_fault fault;
	char path[] = "/tmp/weir-audit.XXXXXX";
	size_t length = 5 << 20;
	char *data = malloc(length);
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0 && data);
	weir_originals_add_name(originals, "lager7.kranich-institut.example", 31, &fault);
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	/* Every 1,009 bytes: some of them stand across each edge. */
	memset(data, ' ', length);
	size_t planted = 0;
	for (size_t at = 7; at + 31 < length; at += 1009, planted++)
		memcpy(data + at, "lager7.kranich-institut.example", 31);
	assert_int_equal(write(fd, data, length), (ssize_t)length);
	close(fd);
	struct weir_audit_options options = {.originals = originals};
	struct weir_audit_result result;
	assert_int_equal(weir_audit(path, &options, &result, &fault), 0);
	assert_int_equal(result.leaks, 1);
	assert_int_equal(result.times, planted);
	unlink(path);
	weir_originals_free(originals);
	free(data);
}

/* In columns of four bytes that some rows lack, and of eight: neither stands in the file as it is. */
static void addresses_in_packed_differences_are_found(void **state)
{
	struct weir_policy policy = policy_of(WEIR_HIDE_BLACK, 0);
	struct weir_originals *originals = make(&policy, NULL, 0);
	struct weir_fault fault;
	static const uint8_t address[4] = {193, 17, 204, 9};
	char path[] = "/tmp/weir-audit.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	add(originals, weir_load_be32(address));
	assert_int_equal(weir_originals_ready(originals, &fault), 0);
	for (unsigned column = 0; column < 3; column++) {
		struct weir_flow_sink *sink;
		assert_int_equal(weir_flow_parquet_open(path, NULL, &sink, &fault), 0);
		srand(column);
		for (uint32_t i = 0; i < 300; i++) {
			struct weir_flow flow;
			weir_flow_clear(&flow);
			flow.has_spi = i % 3 != 0;
			flow.spi = (uint32_t)rand();
			flow.forward.packets = (uint64_t)rand();
			flow.sequence = i;
			if (i == 100 && column == 1)
				flow.spi = weir_load_le32(address);
			if (i == 100 && column == 2)
				flow.forward.packets = weir_load_le32(address);
			assert_int_equal(sink->ops->write(sink, &flow, 1, &fault), 0);
		}
		assert_int_equal(sink->ops->finish(sink, &fault), 0);
		sink->ops->close(sink);
		struct weir_audit_options options = {.originals = originals};
		struct weir_audit_result result;
		assert_int_equal(weir_audit(path, &options, &result, &fault), 0);
		assert_int_equal(result.files_unsearched, 0);
		assert_int_equal(result.leaks != 0, column != 0);
	}
	unlink(path);
	weir_originals_free(originals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(special_addresses_and_those_out_of_scope_are_no_originals),
		cmocka_unit_test(text_is_found_only_where_a_value_stands_by_itself),
		cmocka_unit_test(names_are_found_at_the_edges_of_views),
		cmocka_unit_test(ipv6_is_found_behind_a_word_and_when_short),
		cmocka_unit_test(what_another_original_became_is_explained_where_such_values_stand),
		cmocka_unit_test(four_bytes_are_a_leak_unless_chance_gives_them),
		cmocka_unit_test(what_does_not_fit_is_counted),
		cmocka_unit_test(runs_of_what_is_cut_are_sampled_the_same_everywhere),
		cmocka_unit_test(base64_that_is_broken_over_lines_is_read_as_a_whole),
		cmocka_unit_test(names_that_are_too_much_alike_to_be_searched_for_are_counted),
		cmocka_unit_test(values_across_the_windows_of_a_file_are_found),
		cmocka_unit_test(addresses_in_packed_differences_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
