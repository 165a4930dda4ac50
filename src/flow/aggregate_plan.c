/* What to group flow records by and what to sum, from what a person wrote: flow/aggregate.h. */
#include <stdio.h>
#include <stdlib.h>

#include "flow/aggregate.h"
#include "flow/value.h"

static const char usual_sums[] = "packets,reverse_packets,wire_bytes,reverse_wire_bytes,flow_start,flow_end";

static bool ends_in(const char *name, const char *ending)
{
	size_t length = strlen(name), tail = strlen(ending);

	return length >= tail && strcmp(name + length - tail, ending) == 0;
}

static enum aggregate_operation operation_of(const struct weir_flow_column *column)
{
	if (ends_in(column->name, "_start") || ends_in(column->name, "_min") || column->type == WEIR_COLUMN_DURATION)
		return AGGREGATE_LEAST;
	if (ends_in(column->name, "_end") || ends_in(column->name, "_max"))
		return AGGREGATE_MOST;
	return strstr(column->name, "tcp_flags") ? AGGREGATE_OR : AGGREGATE_SUM;
}

/* The column of the other direction; the column itself when it has none. */
static const struct weir_flow_column *swapped(const struct weir_flow_column *column)
{
	char name[80];

	if (column->reverse)
		snprintf(name, sizeof name, "%s", column->name + strlen("reverse_"));
	else
		snprintf(name, sizeof name, "reverse_%s", column->name);
	const struct weir_flow_column *other = weir_flow_column_named(name);
	return other ? other : column;
}

/* ---- keys ---- */

static int no_such_key(const char *name, struct weir_fault *fault)
{
	struct text names = {0};
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	for (size_t c = 0; c < count; c++) {
		if (!columns[c].key)
			continue;
		text_add(&names, columns[c].name);
		text_add(&names, ", ");
	}
	int error = weir_fail(fault, WEIR_E_USAGE, "flows can't be grouped by '%s': there is host, port, flow_start/5m (any time), %stimes", name,
	                      text_string(&names));
	text_free(&names);
	return error;
}

static int parse_prefix(const char *text, struct aggregate_key *key, struct weir_fault *fault)
{
	char first[24];
	const char *slash = strchr(text, '/');
	uint64_t bits;

	snprintf(first, sizeof first, "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	int error = parse_unsigned(first, 0, 128, &bits, fault);
	if (error)
		return error;
	/* One length alone is of the version that it can be of; the other's addresses stay whole. */
	if (bits <= 32)
		key->prefix4 = (unsigned)bits;
	else
		key->prefix6 = (unsigned)bits;
	if (!slash)
		return 0;
	if (bits > 32)
		return weir_fail(fault, WEIR_E_USAGE, "'%s': first the bits of IPv4, then those of IPv6", text);
	error = parse_unsigned(slash + 1, 0, 128, &bits, fault);
	key->prefix6 = (unsigned)bits;
	return error;
}

static int parse_key(const char *text, struct aggregate_plan *plan, struct weir_fault *fault)
{
	struct aggregate_key *key = &plan->keys[plan->key_count];
	char name[sizeof key->name];
	const char *slash = strchr(text, '/');

	if (plan->key_count == AGGREGATE_KEYS)
		return weir_fail(fault, WEIR_E_USAGE, "flows can be grouped by %d columns at most", AGGREGATE_KEYS);
	*key = (struct aggregate_key){.prefix4 = 32, .prefix6 = 128};
	snprintf(key->name, sizeof key->name, "%s", text);
	snprintf(name, sizeof name, "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	bool host = strcmp(name, "host") == 0, port = strcmp(name, "port") == 0;
	if (host || port) {
		key->column = weir_flow_column_named(host ? "source_address" : "source_port");
		key->other = weir_flow_column_named(host ? "destination_address" : "destination_port");
		plan->either = true;
	} else {
		key->column = weir_flow_column_named(name);
	}
	if (!key->column || (!key->column->key && key->column->type != WEIR_COLUMN_TIME))
		return no_such_key(name, fault);
	plan->key_count++;
	if (!slash)
		return 0;
	if (key->column->type == WEIR_COLUMN_IP)
		return parse_prefix(slash + 1, key, fault);
	if (key->column->type != WEIR_COLUMN_TIME)
		return weir_fail(fault, WEIR_E_USAGE, "'%s': only addresses (/24) and times (/5m) can be cut", text);
	int error = parse_duration(slash + 1, &key->bucket_ns, fault);
	return error || key->bucket_ns > 0 ? error : weir_fail(fault, WEIR_E_USAGE, "'%s': a span of time is longer than nothing", text);
}

/* Calls parse for every part between commas. */
static int parse_parts(const char *text, struct aggregate_plan *plan,
                       int (*parse)(const char *part, struct aggregate_plan *plan, struct weir_fault *fault), struct weir_fault *fault)
{
	char part[sizeof plan->keys[0].name];
	int error = 0;

	while (!error) {
		size_t length = strcspn(text, ",");
		if (length == 0 || length >= sizeof part)
			return weir_fail(fault, WEIR_E_USAGE, "'%s' is no column", text);
		memcpy(part, text, length);
		part[length] = '\0';
		error = parse(part, plan, fault);
		text += length;
		if (!*text++)
			break;
	}
	return error;
}

int aggregate_parse_keys(const char *text, struct aggregate_plan *plan, struct weir_fault *fault)
{
	plan->key_count = 0;
	plan->either = false;
	return parse_parts(text, plan, parse_key, fault);
}

/* ---- sums ---- */

static void add_sum(struct aggregate_plan *plan, const struct weir_flow_column *column)
{
	for (size_t s = 0; s < plan->sum_count; s++)
		if (plan->sums[s].column == column)
			return;
	plan->sums[plan->sum_count++] =
		(struct aggregate_sum){column, column ? swapped(column) : NULL, column ? operation_of(column) : AGGREGATE_SUM};
}

static bool can_be_summed(const struct weir_flow_column *column)
{
	return !column->key && value_is_number(column) && strcmp(column->name, "record") != 0;
}

static int parse_sum(const char *text, struct aggregate_plan *plan, struct weir_fault *fault)
{
	const struct weir_flow_column *column = weir_flow_column_named(text);

	if (strcmp(text, "flows") == 0)
		return 0;
	if (!column || !can_be_summed(column))
		return weir_fail(fault, WEIR_E_USAGE, "'%s' can't be summed: there is packets, wire_bytes, ip_bytes, captured_bytes, retransmissions, …", text);
	if (plan->sum_count == AGGREGATE_SUMS)
		return weir_fail(fault, WEIR_E_USAGE, "too many columns to sum");
	add_sum(plan, column);
	return 0;
}

int aggregate_parse_sums(const char *text, struct aggregate_plan *plan, struct weir_fault *fault)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	plan->sum_count = 0;
	add_sum(plan, NULL);
	if (!text || strcmp(text, "all") != 0)
		return parse_parts(text ? text : usual_sums, plan, parse_sum, fault);
	for (size_t c = 0; c < count && plan->sum_count < AGGREGATE_SUMS; c++)
		if (can_be_summed(&columns[c]))
			add_sum(plan, &columns[c]);
	return 0;
}

void aggregate_columns(const struct aggregate_plan *plan, bool *wanted)
{
	size_t count;
	const struct weir_flow_column *columns = weir_flow_columns(&count);

	memset(wanted, 0, count * sizeof *wanted);
	for (size_t k = 0; k < plan->key_count; k++) {
		wanted[plan->keys[k].column - columns] = true;
		if (plan->keys[k].other)
			wanted[plan->keys[k].other - columns] = true;
	}
	for (size_t s = 0; s < plan->sum_count; s++) {
		if (!plan->sums[s].column)
			continue;
		wanted[plan->sums[s].column - columns] = true;
		if (plan->either)
			wanted[plan->sums[s].swapped - columns] = true;
	}
}

bool aggregate_key_is_number(const struct aggregate_plan *plan, size_t key)
{
	return plan->keys[key].column->type == WEIR_COLUMN_UNSIGNED;
}
