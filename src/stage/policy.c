/* Reading policies, and what they say of how much is kept: weir/policy.h. */
#include <stdlib.h>
#include <string.h>

#include <weir/filter.h>

#include "stage/policy.h"

#define RULES_MAX 256
#define LINKTYPE_ETHERNET 1

const char *const keep_amount_names[] = {"all", "headers", "", "handshake", "nothing"};

int policy_want(const struct toml *toml, const struct toml_value *value, enum toml_kind kind, struct weir_fault *fault)
{
	if (value->kind == kind)
		return 0;
	return toml_fail(toml, value, fault, WEIR_E_FORMAT, "%s is %s, it has to be %s",
	                 value->key ? value->key : "an element", toml_kind_name(value->kind), toml_kind_name(kind));
}

int policy_check_keys(const struct toml *toml, const struct toml_value *table, const char *const *names,
                      struct weir_fault *fault)
{
	for (const struct toml_value *value = table->first; value; value = value->next) {
		const char *nearest = names[0];
		bool known = false;
		for (const char *const *name = names; *name && !known; name++) {
			known = strcmp(*name, value->key) == 0;
			if (edit_distance(*name, value->key) < edit_distance(nearest, value->key))
				nearest = *name;
		}
		if (known)
			continue;
		if (edit_distance(nearest, value->key) <= 2)
			return toml_fail(toml, value, fault, WEIR_E_FORMAT, "[%s] knows no '%s': is '%s' meant?", table->key,
			                 value->key, nearest);
		return toml_fail(toml, value, fault, WEIR_E_FORMAT, "[%s] knows no '%s'", table->key, value->key);
	}
	return 0;
}

/* ---- [policy.keep] ---- */

/* A number of bytes: 152, "152", "15K", "64 bytes". */
static int take_size(const struct toml *toml, const struct toml_value *value, uint64_t least, uint64_t most,
                     uint64_t *bytes, struct weir_fault *fault)
{
	static const char *const units[] = {" bytes", " byte"};
	char number[32];
	bool sound = false;

	if (value->kind == TOML_INTEGER) {
		sound = value->integer >= 0;
		*bytes = (uint64_t)value->integer;
	} else if (value->kind == TOML_STRING && strlen(value->string) < sizeof number) {
		strcpy(number, value->string);
		for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
			size_t length = strlen(number), unit = strlen(units[i]);
			if (length > unit && strcmp(number + length - unit, units[i]) == 0)
				number[length - unit] = '\0';
		}
		sound = number[0] >= '0' && number[0] <= '9' && parse_size(number, bytes, NULL) == 0;
	}
	if (!sound)
		return toml_fail(toml, value, fault, WEIR_E_FORMAT, "%s is no number of bytes: 152, \"64 bytes\", \"15K\"",
		                 value->key);
	if (*bytes < least || *bytes > most)
		return toml_fail(toml, value, fault, WEIR_E_FORMAT, "%s has to be from %llu to %llu bytes", value->key,
		                 (unsigned long long)least, (unsigned long long)most);
	return 0;
}

static int take_amount(const struct toml *toml, const struct toml_value *value, struct weir_keep_rule *rule,
                       struct weir_fault *fault)
{
	uint64_t bytes = 0;

	if (value->kind == TOML_STRING)
		for (unsigned amount = 0; amount < sizeof keep_amount_names / sizeof keep_amount_names[0]; amount++)
			if (amount != WEIR_KEEP_BYTES && strcmp(value->string, keep_amount_names[amount]) == 0) {
				rule->amount = (uint8_t)amount;
				return 0;
			}
	if (take_size(toml, value, 0, UINT32_MAX, &bytes, NULL))
		return toml_fail(toml, value, fault, WEIR_E_FORMAT,
		                 "'%s' is given no amount: \"all\", \"headers\", \"handshake\", \"nothing\", or up to "
		                 "4294967295 bytes, as in \"64 bytes\"",
		                 value->key);
	rule->amount = WEIR_KEEP_BYTES;
	rule->bytes = (uint32_t)bytes;
	return 0;
}

static uint8_t protocol_of(const char *name)
{
	for (unsigned kind = WEIR_LAYER_NONE + 1; kind < WEIR_LAYER_KINDS; kind++)
		if (strcmp(weir_layer_name(kind), name) == 0)
			return (uint8_t)kind;
	return WEIR_LAYER_NONE;
}

/*
 * Whether libpcap would take a filter of one word for the name of a host, and ask for it in the DNS: a misspelt protocol must not become the rule of whatever answers to
 * its name.
 */
static bool is_bare_name(const char *expression)
{
	static const char *const words[] = {
		"ip",  "ip6",  "arp",    "rarp", "tcp", "udp", "sctp",    "icmp",  "icmp6", "igmp",   "igrp",   "pim",  "ah",        "esp",
		"vrrp", "carp", "decnet", "iso",  "stp", "ipx", "netbeui", "atalk", "aarp",  "pppoed", "pppoes", "vlan", "mpls", "multicast",
		"broadcast", "inbound", "outbound",
	};

	if (strpbrk(expression, " \t\n()!<>=[]&|/"))
		return false;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(expression, words[i]) == 0)
			return false;
	return true;
}

/* Fails unless expression is a packet filter. */
static int check_filter(const struct toml *toml, const struct toml_value *value, const char *expression,
                        struct weir_fault *fault)
{
	struct weir_filter *filter = NULL;
	struct weir_fault why;

	if (!expression[strspn(expression, " \t\n")])
		return toml_fail(toml, value, fault, WEIR_E_FILTER,
		                 "an empty packet filter: what is said of all packets is \"default\"");
	if (is_bare_name(expression))
		return toml_fail(toml, value, fault, WEIR_E_FILTER, "'%s' is the name of no protocol; a host is \"host %s\"",
		                 expression, expression);
	int error = weir_filter_new(expression, LINKTYPE_ETHERNET, &filter, &why);
	weir_filter_free(filter);
	if (error == WEIR_E_FILTER)
		return toml_fail(toml, value, fault, WEIR_E_FILTER, "'%s' is the name of no protocol and no packet filter: %s",
		                 expression, why.message);
	if (error)
		return toml_fail(toml, value, fault, (enum weir_error)error, "%s", why.message);
	return 0;
}

static int take_rule(const struct toml *toml, const struct toml_value *value, struct weir_keep_rule *rule,
                     struct weir_fault *fault)
{
	int error = take_amount(toml, value, rule, fault);

	if (error)
		return error;
	rule->protocol = protocol_of(value->key);
	if (rule->protocol == WEIR_LAYER_NONE)
		error = check_filter(toml, value, value->key, fault);
	else if (rule->amount == WEIR_KEEP_HANDSHAKE && rule->protocol != WEIR_LAYER_TLS &&
	         rule->protocol != WEIR_LAYER_QUIC && rule->protocol != WEIR_LAYER_SSH)
		error = toml_fail(toml, value, fault, WEIR_E_FORMAT, "%s has no handshake: tls, quic and ssh have", value->key);
	if (error)
		return error;
	rule->match = strdup(value->key);
	return rule->match ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for a policy");
}

static size_t count_of(const struct toml_value *container)
{
	size_t count = 0;

	for (const struct toml_value *value = container->first; value; value = value->next)
		count++;
	return count;
}

static int take_shed(const struct toml *toml, const struct toml_value *array, struct weir_policy_keep *keep,
                     struct weir_fault *fault)
{
	int error = policy_want(toml, array, TOML_ARRAY, fault);
	if (error)
		return error;
	size_t count = count_of(array);
	if (count > RULES_MAX)
		return toml_fail(toml, array, fault, WEIR_E_LIMIT, "more than %d things to give up", RULES_MAX);
	keep->shed = calloc(count + 1, sizeof *keep->shed);
	if (!keep->shed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a policy");
	for (const struct toml_value *value = array->first; value; value = value->next) {
		error = policy_want(toml, value, TOML_STRING, fault);
		if (!error && strcmp(value->string, "payload") != 0)
			error = check_filter(toml, value, value->string, fault);
		if (error)
			return error;
		keep->shed[keep->shed_count] = strdup(value->string);
		if (!keep->shed[keep->shed_count++])
			return weir_fail(fault, WEIR_E_MEMORY, "no memory for a policy");
	}
	return 0;
}

static int read_keep(const struct toml *toml, const struct toml_value *table, struct weir_policy_keep *keep,
                     struct weir_fault *fault)
{
	int error = policy_want(toml, table, TOML_TABLE, fault);
	if (error)
		return error;
	size_t count = count_of(table);
	if (count > RULES_MAX)
		return toml_fail(toml, table, fault, WEIR_E_LIMIT, "[policy.keep] has more than %d entries", RULES_MAX);
	keep->otherwise.amount = WEIR_KEEP_HEADERS;
	keep->rules = calloc(count + 1, sizeof *keep->rules);
	if (!keep->rules)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a policy");
	for (const struct toml_value *value = table->first; value && !error; value = value->next) {
		uint64_t bytes = 0;
		if (strcmp(value->key, "snaplen") == 0) {
			error = take_size(toml, value, 1, UINT32_MAX, &bytes, fault);
			keep->snaplen = (uint32_t)bytes;
		} else if (strcmp(value->key, "flow_bytes") == 0) {
			error = take_size(toml, value, 0, UINT32_MAX, &keep->flow_bytes, fault);
		} else if (strcmp(value->key, "default") == 0) {
			error = take_amount(toml, value, &keep->otherwise, fault);
		} else if (strcmp(value->key, "shed") == 0) {
			error = take_shed(toml, value, keep, fault);
		} else {
			error = take_rule(toml, value, &keep->rules[keep->rule_count++], fault);
		}
	}
	return error;
}

/* ---- the whole ---- */

static bool keeps_all(const struct weir_policy_keep *keep)
{
	return keep->snaplen == 0 && keep->flow_bytes == UINT64_MAX && keep->rule_count == 0 &&
	       keep->otherwise.amount == WEIR_KEEP_PACKET;
}

static bool hides(const struct weir_policy_hide *hide)
{
	for (size_t i = 0; i < hide_field_count; i++)
		if (hide_way((struct weir_policy_hide *)hide, &hide_fields[i])->technique != WEIR_HIDE_NOTHING)
			return true;
	return hide->time_shift_ns || hide->time_shift_random || hide->time_precision_ns || hide->counter_precision;
}

bool weir_policy_needs_key(const struct weir_policy *policy)
{
	const unsigned keyed =
		1U << WEIR_HIDE_PREFIX | 1U << WEIR_HIDE_PERMUTE | 1U << WEIR_HIDE_VENDOR | 1U << WEIR_HIDE_KEYED;

	for (size_t i = 0; i < hide_field_count; i++)
		if (keyed >> hide_way((struct weir_policy_hide *)&policy->hide, &hide_fields[i])->technique & 1)
			return true;
	return policy->hide.time_shift_random;
}

static int read_policy(const struct toml *toml, const struct toml_value *table, struct weir_policy *policy,
                       struct weir_fault *fault)
{
	static const char *const names[] = {"name", "keep", "hide", NULL};
	int error = policy_want(toml, table, TOML_TABLE, fault);

	if (!error)
		error = policy_check_keys(toml, table, names, fault);
	if (error)
		return error;
	const struct toml_value *name = toml_get(table, "name"), *keep = toml_get(table, "keep"),
							*hide = toml_get(table, "hide");
	if (name) {
		error = policy_want(toml, name, TOML_STRING, fault);
		if (!error && strlen(name->string) >= sizeof policy->name)
			error = toml_fail(toml, name, fault, WEIR_E_FORMAT, "the name is longer than %zu bytes",
			                  sizeof policy->name - 1);
		if (error)
			return error;
		strcpy(policy->name, name->string);
	}
	/* A policy that says nothing is more likely a slip than a wish; who wants it says so. */
	if (!keep && !hide)
		return toml_fail(toml, table, fault, WEIR_E_FORMAT, "the policy has neither [policy.keep] nor [policy.hide]");
	policy->keep.flow_bytes = UINT64_MAX;
	if (keep)
		error = read_keep(toml, keep, &policy->keep, fault);
	if (hide && !error)
		error = policy_read_hide(toml, hide, &policy->hide, fault);
	policy->keeps_all = keeps_all(&policy->keep);
	policy->hides = hides(&policy->hide);
	return error;
}

static int policy_of(const struct toml *toml, const char *name, struct weir_policy **out, struct weir_fault *fault)
{
	const struct toml_value *table = toml_get(toml_root(toml), "policy");

	if (!table)
		return weir_fail_at(fault, WEIR_E_NOT_FOUND, name, WEIR_NOWHERE, WEIR_NOWHERE, "it has no table [policy]");
	struct weir_policy *policy = calloc(1, sizeof *policy);
	if (!policy)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a policy");
	int error = read_policy(toml, table, policy, fault);
	if (error)
		weir_policy_free(policy);
	else
		*out = policy;
	return error;
}

int weir_policy_parse(const char *text, size_t length, const char *name, struct weir_policy **policy,
                      struct weir_fault *fault)
{
	struct toml *toml;
	int error = toml_parse(text, length, name, &toml, fault);

	*policy = NULL;
	if (!error)
		error = policy_of(toml, name, policy, fault);
	toml_free(toml);
	return error;
}

int weir_policy_read(const char *path, struct weir_policy **policy, struct weir_fault *fault)
{
	struct toml *toml;
	int error = toml_read(path, &toml, fault);

	*policy = NULL;
	if (!error)
		error = policy_of(toml, path, policy, fault);
	toml_free(toml);
	return error;
}

void weir_policy_free(struct weir_policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->keep.rule_count; i++)
		free(policy->keep.rules[i].match);
	for (size_t i = 0; i < policy->keep.shed_count; i++)
		free(policy->keep.shed[i]);
	free(policy->keep.rules);
	free(policy->keep.shed);
	free(policy->hide.internal);
	free(policy);
}
