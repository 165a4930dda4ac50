/* What `weir anon` hides by: the policy and the key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/anon.h"
#include "core/text.h"

/* ---- the policy ---- */

static void put(struct text *text, const char *key, const char *value)
{
	text_add_format(text, "%s = \"", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			text_add_char(text, '\\');
		text_add_char(text, *value);
	}
	text_add(text, "\"\n");
}

/*
 * As a policy file would say it, so that options mean what the same words mean there. What options do not say is as strict as it can be while packets
 * are still worth looking at: no payload, no address, name or number that tells who it was. Ports and times stay: by them traffic is understood.
 */
static void as_toml(const struct anon_options *options, struct text *text)
{
	const struct {
		const char *key, *value, *otherwise;
	} hide[] = {
		{"addresses", options->addresses, "prefix"},
		{"macs", options->macs, "permute"},
		{"ports", options->ports, "keep"},
		{"vlans", options->vlans, "permute"},
		{"names", options->names, "keyed"},
		{"tcp_timestamps", options->tcp_timestamps, "permute"},
		{"ip_ids", options->ip_ids, "permute"},
		{"scope", options->scope, "all"},
		{"special", options->special, "keep"},
		{"time_shift", options->time_shift, NULL},
		{"time_precision", options->time_precision, NULL},
	};

	text_add(text, "[policy.keep]\n");
	put(text, "default", options->keep ? options->keep : "headers");
	text_add(text, "[policy.hide]\n");
	for (size_t i = 0; i < sizeof hide / sizeof *hide; i++)
		if (hide[i].value || hide[i].otherwise)
			put(text, hide[i].key, hide[i].value ? hide[i].value : hide[i].otherwise);
	if (options->internal.count)
		text_add(text, "internal = [");
	for (size_t i = 0; i < options->internal.count; i++)
		text_add_format(text, "%s\"%s\"", i ? ", " : "", options->internal.items[i]);
	if (options->internal.count)
		text_add(text, "]\n");
}

static bool says_something(const struct anon_options *o)
{
	return o->keep || o->addresses || o->macs || o->ports || o->vlans || o->names || o->tcp_timestamps || o->ip_ids ||
	       o->scope || o->special || o->time_shift || o->time_precision || o->internal.count;
}

/* The line that a fault names is of a file that nobody has seen. */
static int as_wrong_use(struct weir_fault *fault)
{
	unsigned line;
	int behind = 0;

	if (sscanf(fault->message, "line %u: %n", &line, &behind) == 1 && behind > 0)
		memmove(fault->message, fault->message + behind, strlen(fault->message + behind) + 1);
	fault->code = WEIR_E_USAGE;
	fault->file[0] = '\0';
	fault->offset = WEIR_NOWHERE;
	return WEIR_E_USAGE;
}

static int of_options(const struct anon_options *options, struct weir_policy **policy, struct weir_fault *fault)
{
	struct text text = {0};

	as_toml(options, &text);
	int error = text.failed ? weir_fail(fault, WEIR_E_MEMORY, "no memory for a policy")
	                        : weir_policy_parse(text_string(&text), text.length, "options", policy, fault);
	if (error == WEIR_E_FORMAT)
		error = as_wrong_use(fault);
	text_free(&text);
	return error;
}

/* That of the campaign. *policy is NULL when it has none. */
static int of_campaign(const char *campaign, struct weir_policy **policy, struct weir_fault *fault)
{
	struct text path = {0};
	int error = 0;

	*policy = NULL;
	text_add_format(&path, "%s/campaign.toml", campaign);
	if (path.failed)
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory for a policy");
	else if (access(text_string(&path), F_OK) == 0)
		error = weir_policy_read(text_string(&path), policy, fault);
	text_free(&path);
	return error == WEIR_E_NOT_FOUND ? 0 : error;
}

int anon_policy(const struct anon_options *options, const char *campaign, struct weir_policy **policy,
                struct weir_fault *fault)
{
	int error = 0;

	*policy = NULL;
	if (options->policy && says_something(options))
		return weir_fail(fault, WEIR_E_USAGE,
		                 "--policy says all of how to hide: it goes with no option that says it otherwise");
	if (options->policy)
		error = weir_policy_read(options->policy, policy, fault);
	else if (campaign && !says_something(options))
		error = of_campaign(campaign, policy, fault);
	if (!error && !*policy)
		error = of_options(options, policy, fault);
	if (!error && !(*policy)->hides) {
		weir_policy_free(*policy);
		*policy = NULL;
		error = weir_fail(fault, WEIR_E_USAGE, "the policy hides nothing");
	}
	return error;
}

/* ---- the key ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* 64 hexadecimal digits, with whatever white space is behind them. */
static bool parse_hex(const char *text, size_t length, uint8_t key[static 32])
{
	while (length && (text[length - 1] == '\n' || text[length - 1] == '\r' || text[length - 1] == ' '))
		length--;
	if (length != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		key[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_cryptopan_key(const char *text, uint8_t key[static 32], struct weir_fault *fault)
{
	char *data;
	size_t length;

	if (text[0] != '@')
		return parse_hex(text, strlen(text), key)
		           ? 0
		           : weir_fail(fault, WEIR_E_USAGE, "--cryptopan-key: 64 hexadecimal digits, or @FILE");
	int error = weir_secret_read(text + 1, 256, &data, &length, fault);
	if (error)
		return error;
	bool sound = parse_hex(data, length, key);
	if (!sound && length == 32) {
		memcpy(key, data, 32);
		sound = true;
	}
	weir_wipe(data, length);
	free(data);
	return sound ? 0
	             : weir_fail_at(fault, WEIR_E_FORMAT, text + 1, WEIR_NOWHERE, WEIR_NOWHERE,
	                            "a key of Crypto-PAn is 32 bytes, or 64 hexadecimal digits");
}

static int with_cryptopan(const struct anon_options *options, const struct weir_policy *policy,
                          struct weir_hider **hider, struct weir_fault *fault)
{
	uint8_t key[32];
	int error = read_cryptopan_key(options->cryptopan_key, key, fault);

	/* What the command line has, others see in the list of processes. */
	if (options->cryptopan_key[0] != '@')
		weir_wipe((char *)options->cryptopan_key, strlen(options->cryptopan_key));
	if (!error)
		error = weir_hider_new_cryptopan(policy, key, hider, fault);
	weir_wipe(key, sizeof key);
	return error;
}

int anon_hider(const struct anon_options *options, const struct weir_policy *policy, struct weir_hider **hider,
               struct weir_fault *fault)
{
	const char *path = options->key ? options->key : getenv("WEIR_KEY");
	struct weir_key key;

	if (options->cryptopan_key && options->key)
		return weir_fail(fault, WEIR_E_USAGE, "--key and --cryptopan-key are two keys: give one");
	if (options->cryptopan_key)
		return with_cryptopan(options, policy, hider, fault);
	if (!weir_policy_needs_key(policy))
		return weir_hider_new(policy, NULL, hider, fault);
	if (!path || !path[0])
		return weir_fail(fault, WEIR_E_USAGE, "a key is needed: --key FILE, or WEIR_KEY (`weir keys new` makes one)");
	int error = weir_key_read(path, &key, fault);
	if (!error)
		error = weir_hider_new(policy, &key, hider, fault);
	weir_wipe(&key, sizeof key);
	return error;
}
