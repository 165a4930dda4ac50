/* Reading policies: what is hidden. */
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "core/clock.h"
#include "stage/policy.h"

#define NETS_MAX 1024

const char *const hide_technique_names[WEIR_HIDE_TECHNIQUES] = {
	[WEIR_HIDE_NOTHING] = "keep",      [WEIR_HIDE_PREFIX] = "prefix", [WEIR_HIDE_PERMUTE] = "permute",
	[WEIR_HIDE_TRUNCATE] = "truncate", [WEIR_HIDE_BLACK] = "black",   [WEIR_HIDE_VENDOR] = "vendor",
	[WEIR_HIDE_KEYED] = "keyed",
};
const char *const hide_scope_names[] = {"all", "internal", "external"};

#define KEEP (1U << WEIR_HIDE_NOTHING)
#define PREFIX (1U << WEIR_HIDE_PREFIX)
#define PERMUTE (1U << WEIR_HIDE_PERMUTE)
#define TRUNCATE (1U << WEIR_HIDE_TRUNCATE)
#define BLACK (1U << WEIR_HIDE_BLACK)
#define VENDOR (1U << WEIR_HIDE_VENDOR)
#define KEYED (1U << WEIR_HIDE_KEYED)

#define FIELD(member, ways, size, technique)                                                                           \
	{                                                                                                                  \
#member, offsetof(struct weir_policy_hide, member), (ways) | KEEP, size, { technique, 0 }                      \
	}

/*
 * Who has the table [policy.hide] wants to hide who talks, so what names people, machines and places in the network is hidden unless the table says
 * otherwise; what only says how they talk (ports, IP ids, times, counters) is kept unless it says otherwise.
 */
const struct hide_field hide_fields[] = {
	FIELD(ipv4, PREFIX | PERMUTE | TRUNCATE | BLACK, 32, WEIR_HIDE_PREFIX),
	FIELD(ipv6, PREFIX | PERMUTE | TRUNCATE | BLACK, 128, WEIR_HIDE_PREFIX),
	FIELD(macs, PERMUTE | VENDOR | TRUNCATE | BLACK, 48, WEIR_HIDE_PERMUTE),
	FIELD(ports, PERMUTE | BLACK, 16, WEIR_HIDE_NOTHING),
	FIELD(vlans, PERMUTE | BLACK, 12, WEIR_HIDE_PERMUTE),
	FIELD(names, KEYED | BLACK, 0, WEIR_HIDE_KEYED),
	FIELD(tcp_timestamps, PERMUTE | BLACK, 32, WEIR_HIDE_PERMUTE),
	FIELD(ip_ids, PERMUTE | BLACK, 16, WEIR_HIDE_NOTHING),
};
const size_t hide_field_count = sizeof hide_fields / sizeof hide_fields[0];

/* "prefix", "truncate:24" */
static bool parse_way(const char *text, const struct hide_field *field, struct weir_hide_way *way)
{
	static const char truncate[] = "truncate:";
	uint64_t bits;

	if (strncmp(text, truncate, sizeof truncate - 1) == 0) {
		if (!(field->techniques & TRUNCATE) || parse_unsigned(text + sizeof truncate - 1, 0, field->bits, &bits, NULL))
			return false;
		*way = (struct weir_hide_way){WEIR_HIDE_TRUNCATE, (uint8_t)bits};
		return true;
	}
	for (unsigned technique = 0; technique < WEIR_HIDE_TECHNIQUES; technique++)
		if (technique != WEIR_HIDE_TRUNCATE && field->techniques >> technique & 1 &&
		    strcmp(text, hide_technique_names[technique]) == 0) {
			*way = (struct weir_hide_way){(uint8_t)technique, 0};
			return true;
		}
	return false;
}

static int take_way(const struct toml *toml, const struct toml_value *value, const struct hide_field *field,
                    struct weir_policy_hide *hide, struct weir_fault *fault)
{
	struct text ways = {0};
	int error = policy_want(toml, value, TOML_STRING, fault);

	if (error || parse_way(value->string, field, hide_way(hide, field)))
		return error;
	for (unsigned technique = 0; technique < WEIR_HIDE_TECHNIQUES; technique++)
		if (field->techniques >> technique & 1)
			text_add_format(&ways, "%s\"%s%s\"", ways.length ? ", " : "", hide_technique_names[technique],
			                technique == WEIR_HIDE_TRUNCATE ? ":N" : "");
	if (field->techniques & TRUNCATE)
		text_add_format(&ways, " with N up to %u", field->bits);
	error = toml_fail(toml, value, fault, WEIR_E_FORMAT, "%s = \"%.64s\" is no way to hide them: %s", value->key,
	                  value->string, text_string(&ways));
	text_free(&ways);
	return error;
}

/* "10.0.0.0/8", "fd00::/8", or one address. */
static bool parse_net(const char *text, struct weir_policy_net *net)
{
	char address[64];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t bits;

	if (length >= sizeof address)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	*net = (struct weir_policy_net){.bits = 0};
	if (inet_pton(AF_INET, address, net->address.bytes) == 1)
		net->address.version = 4;
	else if (inet_pton(AF_INET6, address, net->address.bytes) == 1)
		net->address.version = 6;
	else
		return false;
	unsigned most = net->address.version == 4 ? 32 : 128;
	bits = most;
	if (slash && parse_unsigned(slash + 1, 0, most, &bits, NULL))
		return false;
	net->bits = (uint8_t)bits;
	for (unsigned bit = net->bits; bit < most; bit++)
		net->address.bytes[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
	return true;
}

static int take_internal(const struct toml *toml, const struct toml_value *array, struct weir_policy_hide *hide,
                         struct weir_fault *fault)
{
	static const char *const private_nets[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
	                                           "fc00::/7"}; /* RFC 1918, RFC 4193 */
	const size_t private_count = sizeof private_nets / sizeof private_nets[0];
	size_t count = private_count;

	if (array) {
		int error = policy_want(toml, array, TOML_ARRAY, fault);
		if (error)
			return error;
		count = 0;
		for (const struct toml_value *value = array->first; value; value = value->next)
			count++;
		if (count == 0 || count > NETS_MAX)
			return toml_fail(toml, array, fault, WEIR_E_FORMAT, "internal names 1 to %d networks", NETS_MAX);
	}
	hide->internal = calloc(count, sizeof *hide->internal);
	if (!hide->internal)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a policy");
	hide->internal_count = count;
	if (!array) {
		for (size_t i = 0; i < count; i++)
			parse_net(private_nets[i], &hide->internal[i]);
		return 0;
	}
	size_t i = 0;
	for (const struct toml_value *value = array->first; value; value = value->next) {
		int error = policy_want(toml, value, TOML_STRING, fault);
		if (error)
			return error;
		if (!parse_net(value->string, &hide->internal[i++]))
			return toml_fail(toml, value, fault, WEIR_E_FORMAT,
			                 "\"%.64s\" is no network: \"10.0.0.0/8\", \"2001:db8::/32\"", value->string);
	}
	return 0;
}

/* Which of the words a string is. */
static int take_word(const struct toml *toml, const struct toml_value *value, const char *const *words, size_t count,
                     size_t *which, struct weir_fault *fault)
{
	struct text all = {0};
	int error = policy_want(toml, value, TOML_STRING, fault);

	if (error)
		return error;
	for (*which = 0; *which < count; ++*which) {
		if (strcmp(words[*which], value->string) == 0) {
			text_free(&all);
			return 0;
		}
		text_add_format(&all, "%s\"%s\"", *which ? ", " : "", words[*which]);
	}
	error = toml_fail(toml, value, fault, WEIR_E_FORMAT, "%s is one of %s, not \"%.64s\"", value->key,
	                  text_string(&all), value->string);
	text_free(&all);
	return error;
}

static int take_time(const struct toml *toml, const struct toml_value *value, bool may_be_negative, int64_t *ns,
                     struct weir_fault *fault)
{
	int error = policy_want(toml, value, TOML_STRING, fault);
	if (error)
		return error;
	bool negative = may_be_negative && value->string[0] == '-';
	const char *duration = value->string + (negative || (may_be_negative && value->string[0] == '+'));
	if (parse_duration(duration, ns, NULL) || *ns < 0 || *ns > INT64_MAX / 4)
		return toml_fail(toml, value, fault, WEIR_E_FORMAT, "%s = \"%.64s\" is no duration: \"3d\", \"90s\", \"1ms\"%s",
		                 value->key, value->string, may_be_negative ? ", \"-2h\", or \"random\"" : "");
	if (negative)
		*ns = -*ns;
	return 0;
}

static int take_times(const struct toml *toml, const struct toml_value *table, struct weir_policy_hide *hide,
                      struct weir_fault *fault)
{
	const struct toml_value *shift = toml_get(table, "time_shift"), *precision = toml_get(table, "time_precision");
	const struct toml_value *counters = toml_get(table, "counter_precision");
	int error = 0;

	if (shift && shift->kind == TOML_STRING && strcmp(shift->string, "random") == 0)
		hide->time_shift_random = true;
	else if (shift)
		error = take_time(toml, shift, true, &hide->time_shift_ns, fault);
	if (precision && !error)
		error = take_time(toml, precision, false, &hide->time_precision_ns, fault);
	if (counters && !error) {
		error = policy_want(toml, counters, TOML_INTEGER, fault);
		if (!error && counters->integer < 1)
			error = toml_fail(toml, counters, fault, WEIR_E_FORMAT, "counter_precision is at least 1");
		hide->counter_precision = error ? 0 : (uint64_t)counters->integer;
	}
	return error;
}

/* addresses = … says it of both kinds, and each of them may be said otherwise. */
static int take_ways(const struct toml *toml, const struct toml_value *table, struct weir_policy_hide *hide,
                     struct weir_fault *fault)
{
	const struct toml_value *addresses = toml_get(table, "addresses");
	int error = 0;

	for (size_t i = 0; i < hide_field_count && !error; i++) {
		const struct hide_field *field = &hide_fields[i];
		const struct toml_value *own = toml_get(table, field->name);
		bool address = field->offset == offsetof(struct weir_policy_hide, ipv4) ||
		               field->offset == offsetof(struct weir_policy_hide, ipv6);

		*hide_way(hide, field) = field->otherwise;
		if (own || (address && addresses))
			error = take_way(toml, own ? own : addresses, field, hide, fault);
	}
	return error;
}

int policy_read_hide(const struct toml *toml, const struct toml_value *table, struct weir_policy_hide *hide,
                     struct weir_fault *fault)
{
	static const char *const names[] = {"addresses",  "ipv4",           "ipv6",
	                                    "scope",      "internal",       "special",
	                                    "macs",       "ports",          "vlans",
	                                    "names",      "tcp_timestamps", "ip_ids",
	                                    "time_shift", "time_precision", "counter_precision",
	                                    NULL};
	static const char *const specials[] = {"hide", "keep"};
	size_t word = 0;
	int error = policy_want(toml, table, TOML_TABLE, fault);

	if (!error)
		error = policy_check_keys(toml, table, names, fault);
	if (!error)
		error = take_ways(toml, table, hide, fault);
	const struct toml_value *scope = toml_get(table, "scope"), *special = toml_get(table, "special");
	if (scope && !error)
		error = take_word(toml, scope, hide_scope_names, 3, &word, fault);
	hide->scope = (uint8_t)word;
	word = 1;
	if (special && !error)
		error = take_word(toml, special, specials, 2, &word, fault);
	hide->keep_special = word == 1;
	if (!error)
		error = take_internal(toml, toml_get(table, "internal"), hide, fault);
	return error ? error : take_times(toml, table, hide, fault);
}
