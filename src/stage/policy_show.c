/* A policy as it works, for people and programs: TOML that reads back as the same policy, and JSON. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/json.h"
#include "stage/policy.h"

/* ---- words ---- */

static void amount_text(const struct weir_keep_rule *rule, char out[static 32])
{
	if (rule->amount == WEIR_KEEP_BYTES)
		snprintf(out, 32, "%" PRIu32 " bytes", rule->bytes);
	else
		snprintf(out, 32, "%s", keep_amount_names[rule->amount]);
}

static void way_text(const struct weir_hide_way *way, char out[static 32])
{
	if (way->technique == WEIR_HIDE_TRUNCATE)
		snprintf(out, 32, "truncate:%u", way->bits);
	else
		snprintf(out, 32, "%s", hide_technique_names[way->technique]);
}

static void net_text(const struct weir_policy_net *net, char out[static 64])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(net->address.version == 4 ? AF_INET : AF_INET6, net->address.bytes, address, sizeof address);
	snprintf(out, 64, "%s/%u", address, net->bits);
}

/* In the largest unit that gives a whole number. */
static void duration_text(int64_t ns, char out[static 32])
{
	static const struct {
		int64_t ns;
		const char *name;
	} units[] = {{86400 * NS_PER_SECOND, "d"},
	             {3600 * NS_PER_SECOND, "h"},
	             {60 * NS_PER_SECOND, "m"},
	             {NS_PER_SECOND, "s"},
	             {1000000, "ms"},
	             {1000, "us"},
	             {1, "ns"}};
	size_t i = 0;

	while (ns % units[i].ns)
		i++;
	snprintf(out, 32, "%" PRId64 "%s", ns / units[i].ns, units[i].name);
}

/* ---- TOML ---- */

static void put_quoted(struct text *out, const char *string)
{
	text_add_char(out, '"');
	for (; *string; string++) {
		unsigned char c = (unsigned char)*string;
		if (c == '"' || c == '\\')
			text_add_format(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			text_add_format(out, "\\u%04x", c);
		else
			text_add_char(out, (char)c);
	}
	text_add_char(out, '"');
}

static void put_value(struct text *out, const char *string)
{
	text_add(out, " = ");
	put_quoted(out, string);
	text_add_char(out, '\n');
}

static void put_line(struct text *out, const char *key, const char *string)
{
	text_add(out, key);
	put_value(out, string);
}

static void put_keep(const struct weir_policy_keep *keep, struct text *out)
{
	char amount[32];

	text_add(out, "\n[policy.keep]\n");
	if (keep->snaplen)
		text_add_format(out, "snaplen = %" PRIu32 "\n", keep->snaplen);
	if (keep->flow_bytes != UINT64_MAX)
		text_add_format(out, "flow_bytes = %" PRIu64 "\n", keep->flow_bytes);
	for (size_t i = 0; i < keep->rule_count; i++) {
		amount_text(&keep->rules[i], amount);
		if (keep->rules[i].protocol == WEIR_LAYER_NONE)
			put_quoted(out, keep->rules[i].match);
		else
			text_add(out, keep->rules[i].match);
		put_value(out, amount);
	}
	amount_text(&keep->otherwise, amount);
	put_line(out, "default", amount);
	if (keep->shed_count == 0)
		return;
	text_add(out, "shed = [");
	for (size_t i = 0; i < keep->shed_count; i++) {
		text_add(out, i ? ", " : "");
		put_quoted(out, keep->shed[i]);
	}
	text_add(out, "]\n");
}

static void put_hide(const struct weir_policy_hide *hide, struct text *out)
{
	char word[64];

	text_add(out, "\n[policy.hide]\n");
	for (size_t i = 0; i < hide_field_count; i++) {
		way_text(hide_way((struct weir_policy_hide *)(uintptr_t)hide, &hide_fields[i]), word);
		put_line(out, hide_fields[i].name, word);
	}
	put_line(out, "scope", hide_scope_names[hide->scope]);
	text_add(out, "internal = [");
	for (size_t i = 0; i < hide->internal_count; i++) {
		net_text(&hide->internal[i], word);
		text_add_format(out, "%s\"%s\"", i ? ", " : "", word);
	}
	text_add(out, "]\n");
	put_line(out, "special", hide->keep_special ? "keep" : "hide");
	duration_text(hide->time_shift_ns, word);
	put_line(out, "time_shift", hide->time_shift_random ? "random" : word);
	if (hide->time_precision_ns) {
		duration_text(hide->time_precision_ns, word);
		put_line(out, "time_precision", word);
	}
	if (hide->counter_precision)
		text_add_format(out, "counter_precision = %" PRIu64 "\n", hide->counter_precision);
}

char *weir_policy_toml(const struct weir_policy *policy)
{
	struct text out = {0};

	text_add(&out, "[policy]\n");
	if (policy->name[0])
		put_line(&out, "name", policy->name);
	put_keep(&policy->keep, &out);
	/* A policy that has the table, but hides nothing by it, is the same as one without. */
	if (policy->hides)
		put_hide(&policy->hide, &out);
	if (out.failed)
		text_free(&out);
	return out.data;
}

/* ---- JSON ---- */

static void json_keep(const struct weir_policy_keep *keep, struct json *json)
{
	char amount[32];

	json_key(json, "keep");
	json_object(json);
	if (keep->snaplen)
		json_put_unsigned(json, "snaplen", keep->snaplen);
	if (keep->flow_bytes != UINT64_MAX)
		json_put_unsigned(json, "flow_bytes", keep->flow_bytes);
	json_key(json, "rules");
	json_array(json);
	for (size_t i = 0; i < keep->rule_count; i++) {
		amount_text(&keep->rules[i], amount);
		json_object(json);
		json_put_string(json, keep->rules[i].protocol == WEIR_LAYER_NONE ? "filter" : "protocol", keep->rules[i].match);
		json_put_string(json, "keep", amount);
		json_end_object(json);
	}
	json_end_array(json);
	amount_text(&keep->otherwise, amount);
	json_put_string(json, "default", amount);
	json_key(json, "shed");
	json_array(json);
	for (size_t i = 0; i < keep->shed_count; i++)
		json_string(json, keep->shed[i]);
	json_end_array(json);
	json_end_object(json);
}

static void json_hide(const struct weir_policy_hide *hide, struct json *json)
{
	char word[64];

	json_key(json, "hide");
	json_object(json);
	for (size_t i = 0; i < hide_field_count; i++) {
		way_text(hide_way((struct weir_policy_hide *)(uintptr_t)hide, &hide_fields[i]), word);
		json_put_string(json, hide_fields[i].name, word);
	}
	json_put_string(json, "scope", hide_scope_names[hide->scope]);
	json_key(json, "internal");
	json_array(json);
	for (size_t i = 0; i < hide->internal_count; i++) {
		net_text(&hide->internal[i], word);
		json_string(json, word);
	}
	json_end_array(json);
	json_put_string(json, "special", hide->keep_special ? "keep" : "hide");
	if (hide->time_shift_random)
		json_put_string(json, "time_shift", "random");
	else
		json_put_signed(json, "time_shift_ns", hide->time_shift_ns);
	json_put_signed(json, "time_precision_ns", hide->time_precision_ns);
	json_put_unsigned(json, "counter_precision", hide->counter_precision);
	json_end_object(json);
}

char *weir_policy_json(const struct weir_policy *policy)
{
	struct text out = {0};
	struct json json = json_into(&out);

	json_object(&json);
	json_put_string(&json, "name", policy->name[0] ? policy->name : NULL);
	json_put_bool(&json, "needs_key", weir_policy_needs_key(policy));
	json_keep(&policy->keep, &json);
	if (policy->hides) {
		json_hide(&policy->hide, &json);
	} else {
		json_key(&json, "hide");
		json_null(&json);
	}
	json_end_object(&json);
	if (out.failed)
		text_free(&out);
	return out.data;
}
