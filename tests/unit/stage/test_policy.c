#include "../unit.h"

#include <stdlib.h>

#include <weir/decode.h>
#include <weir/policy.h>

static struct weir_policy *parse(const char *text)
{
	struct weir_policy *policy;
	struct weir_fault fault;

	if (weir_policy_parse(text, strlen(text), "policy.toml", &policy, &fault))
		fail_msg("%s", fault.message);
	return policy;
}

static void what_is_kept_is_read_in_the_order_of_the_file(void **state)
{
	struct weir_policy *policy =
		parse("[policy]\nname = \"n\"\n[policy.keep]\nsnaplen = \"1K\"\nflow_bytes = \"15K\"\ntls = \"handshake\"\n"
	          "\"port 25\" = \"0 bytes\"\ndns = \"all\"\n\"net 10.1.0.0/16\" = \"nothing\"\nshed = [\"payload\", "
	          "\"host 10.9.9.9\"]\n");
	const struct weir_policy_keep *keep = &policy->keep;

	assert_string_equal(policy->name, "n");
	assert_int_equal(keep->snaplen, 1024);
	assert_int_equal(keep->flow_bytes, 15360);
	assert_int_equal(keep->rule_count, 4);
	assert_int_equal(keep->rules[0].protocol, WEIR_LAYER_TLS);
	assert_int_equal(keep->rules[0].amount, WEIR_KEEP_HANDSHAKE);
	assert_int_equal(keep->rules[1].protocol, WEIR_LAYER_NONE);
	assert_string_equal(keep->rules[1].match, "port 25");
	assert_true(keep->rules[1].amount == WEIR_KEEP_BYTES && keep->rules[1].bytes == 0);
	assert_int_equal(keep->rules[2].amount, WEIR_KEEP_PACKET);
	assert_int_equal(keep->rules[3].amount, WEIR_KEEP_NO_PACKET);
	assert_int_equal(keep->otherwise.amount, WEIR_KEEP_HEADERS);
	assert_int_equal(keep->shed_count, 2);
	assert_false(policy->keeps_all || policy->hides || weir_policy_needs_key(policy));
	weir_policy_free(policy);
}

static void what_is_not_said_of_hiding_hides_who_and_keeps_how(void **state)
{
	struct weir_policy *policy = parse("[policy.hide]\n");
	const struct weir_policy_hide *hide = &policy->hide;

	assert_int_equal(hide->ipv4.technique, WEIR_HIDE_PREFIX);
	assert_int_equal(hide->ipv6.technique, WEIR_HIDE_PREFIX);
	assert_int_equal(hide->macs.technique, WEIR_HIDE_PERMUTE);
	assert_int_equal(hide->vlans.technique, WEIR_HIDE_PERMUTE);
	assert_int_equal(hide->names.technique, WEIR_HIDE_KEYED);
	assert_int_equal(hide->tcp_timestamps.technique, WEIR_HIDE_PERMUTE);
	assert_int_equal(hide->ports.technique, WEIR_HIDE_NOTHING);
	assert_int_equal(hide->ip_ids.technique, WEIR_HIDE_NOTHING);
	assert_true(hide->keep_special && hide->scope == WEIR_SCOPE_ALL && hide->internal_count == 4);
	/* A policy without [policy.keep] says nothing of how much. */
	assert_true(policy->keeps_all && policy->hides && weir_policy_needs_key(policy));
	weir_policy_free(policy);
}

static void addresses_are_said_of_both_kinds_or_of_each(void **state)
{
	struct weir_policy *policy = parse("[policy.hide]\naddresses = \"truncate:24\"\nipv6 = \"black\"\ninternal = "
	                                   "[\"10.9.8.7/12\", \"2001:db8::1\"]\ntime_shift = \"-2h\"\nmacs = \"keep\"\n");
	const struct weir_policy_hide *hide = &policy->hide;

	assert_true(hide->ipv4.technique == WEIR_HIDE_TRUNCATE && hide->ipv4.bits == 24);
	assert_int_equal(hide->ipv6.technique, WEIR_HIDE_BLACK);
	assert_memory_equal(hide->internal[0].address.bytes, "\x0a\0\0\0", 4);
	assert_true(hide->internal[0].bits == 12 && hide->internal[1].bits == 128);
	assert_int_equal(hide->time_shift_ns, -7200 * INT64_C(1000000000));
	weir_policy_free(policy);
}

static const struct {
	const char *text, *fault;
	int error;
} bad[] = {
	{"a = 1\n", "it has no table [policy]", WEIR_E_NOT_FOUND},
	{"[policy]\nname = \"x\"\n", "line 1: the policy has neither", WEIR_E_FORMAT},
	{"[policy]\nkeeep = 1\n", "line 2: [policy] knows no 'keeep': is 'keep' meant?", WEIR_E_FORMAT},
	{"[policy.keep]\ndns = \"some\"\n", "line 2: 'dns' is given no amount", WEIR_E_FORMAT},
	{"[policy.keep]\ndns = \"handshake\"\n", "line 2: dns has no handshake", WEIR_E_FORMAT},
	{"[policy.keep]\n\n\"prt 25\" = \"all\"\n", "line 3: 'prt 25' is the name of no protocol and no packet filter",
     WEIR_E_FILTER},
	{"[policy.keep]\nlocalhost = \"all\"\n",
     "line 2: 'localhost' is the name of no protocol; a host is \"host localhost\"", WEIR_E_FILTER},
	{"[policy.keep]\nsnaplen = 0\n", "line 2: snaplen has to be from 1", WEIR_E_FORMAT},
	{"[policy.keep]\nflow_bytes = -1\n", "line 2: flow_bytes is no number of bytes", WEIR_E_FORMAT},
	{"[policy.keep]\nshed = [\"payload\",\n 1]\n", "line 3: an element is an integer, it has to be a string",
     WEIR_E_FORMAT},
	{"[policy.hide]\nadresses = \"prefix\"\n", "line 2: [hide] knows no 'adresses': is 'addresses' meant?",
     WEIR_E_FORMAT},
	{"[policy.hide]\nports = \"prefix\"\n",
     "line 2: ports = \"prefix\" is no way to hide them: \"keep\", \"permute\", \"black\"", WEIR_E_FORMAT},
	{"[policy.hide]\nipv4 = \"truncate:33\"\n", "line 2: ipv4 = \"truncate:33\"", WEIR_E_FORMAT},
	{"[policy.hide]\nscope = \"inside\"\n", "line 2: scope is one of \"all\", \"internal\", \"external\"",
     WEIR_E_FORMAT},
	{"[policy.hide]\ninternal = [\"10.0.0/8\"]\n", "line 2: \"10.0.0/8\" is no network", WEIR_E_FORMAT},
	{"[policy.hide]\ntime_shift = \"soon\"\n", "line 2: time_shift = \"soon\" is no duration", WEIR_E_FORMAT},
	{"[policy.hide]\ncounter_precision = 0\n", "line 2: counter_precision is at least 1", WEIR_E_FORMAT},
	{"policy = \"file\"\n", "line 1: policy is a string, it has to be a table", WEIR_E_FORMAT},
};

static void what_no_policy_has_is_refused_with_its_line(void **state)
{
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct weir_policy *policy;
		struct weir_fault fault;
		int error = weir_policy_parse(bad[i].text, strlen(bad[i].text), "policy.toml", &policy, &fault);
		if (error != bad[i].error || strncmp(fault.message, bad[i].fault, strlen(bad[i].fault)) != 0)
			fail_msg("%s: %d \"%s\" instead of \"%s\"", bad[i].text, error, fault.message, bad[i].fault);
		assert_null(policy);
	}
}

static void a_policy_that_is_shown_reads_back_as_the_same(void **state)
{
	static const char *const texts[] = {
		"[policy.keep]\ndefault = \"all\"\n",
		"[policy]\nname = \"a \\\"b\\\" \\u0007\"\n[policy.keep]\nsnaplen = 96\nflow_bytes = 0\n\"tcp port 25 or host "
		"10.0.0.1\" = 5\ndns = \"headers\"\n",
		"[policy.hide]\ntime_shift = \"random\"\ntime_precision = \"1500ms\"\ncounter_precision = 10\nipv6 = "
		"\"truncate:48\"\nspecial = \"hide\"\n",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct weir_policy *policy = parse(texts[i]);
		char *shown = weir_policy_toml(policy), *json = weir_policy_json(policy);
		assert_non_null(shown);
		struct weir_policy *back = parse(shown);
		char *again = weir_policy_toml(back), *json_again = weir_policy_json(back);
		assert_string_equal(shown, again);
		assert_string_equal(json, json_again);
		free(shown);
		free(json);
		free(again);
		free(json_again);
		weir_policy_free(policy);
		weir_policy_free(back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_read_in_the_order_of_the_file),
		cmocka_unit_test(what_is_not_said_of_hiding_hides_who_and_keeps_how),
		cmocka_unit_test(addresses_are_said_of_both_kinds_or_of_each),
		cmocka_unit_test(what_no_policy_has_is_refused_with_its_line),
		cmocka_unit_test(a_policy_that_is_shown_reads_back_as_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
