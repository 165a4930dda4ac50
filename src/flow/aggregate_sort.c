/* The groups of an aggregate in order, and what is in them: flow/aggregate.h. */
#include <stdlib.h>

#include "flow/aggregate_groups.h"
#include "flow/value.h"
#include "packet/output.h"

/* What a group is sorted by, so that comparing looks at nothing else unless two are equal. */
struct place {
	uint64_t weight;
	uint32_t group;
};

/* qsort_r of every C library has its arguments in another order; the sort below needs none. */
struct sorting {
	const struct aggregate *aggregate;
	struct place *places, *spare;
};

static int compare_bytes(struct weir_bytes a, struct weir_bytes b)
{
	int order = memcmp(a.data, b.data, a.length < b.length ? a.length : b.length);

	return order ? order : (a.length > b.length) - (a.length < b.length);
}

/* Addresses as numbers, those of IPv4 first. */
static int compare_addresses(struct weir_bytes a, struct weir_bytes b)
{
	struct weir_ip ip[2];
	struct weir_bytes text[2] = {a, b};

	for (size_t i = 0; i < 2; i++) {
		const uint8_t *slash = memchr(text[i].data, '/', text[i].length);
		if (slash)
			text[i].length = (size_t)(slash - text[i].data);
		if (!value_parse_ip(text[i], &ip[i]))
			return compare_bytes(a, b);
	}
	return ip[0].version != ip[1].version ? ip[0].version - ip[1].version : memcmp(ip[0].bytes, ip[1].bytes, 16);
}

static int compare_keys(const struct aggregate *aggregate, uint32_t a, uint32_t b)
{
	for (size_t k = 0; k < aggregate->plan.key_count; k++) {
		const struct weir_flow_column *column = aggregate->plan.keys[k].column;
		uint64_t x = aggregate->groups[a * aggregate->width + k], y = aggregate->groups[b * aggregate->width + k];
		if (x == y)
			continue;
		if (x == AGGREGATE_NO_KEY || y == AGGREGATE_NO_KEY)
			return x == AGGREGATE_NO_KEY ? 1 : -1;
		int order;
		if (column->type == WEIR_COLUMN_TIME)
			order = (int64_t)x < (int64_t)y ? -1 : 1;
		else if (value_is_number(column))
			order = x < y ? -1 : 1;
		else if (column->type == WEIR_COLUMN_IP)
			order = compare_addresses(intern_bytes(&aggregate->texts, (uint32_t)x), intern_bytes(&aggregate->texts, (uint32_t)y));
		else
			order = compare_bytes(intern_bytes(&aggregate->texts, (uint32_t)x), intern_bytes(&aggregate->texts, (uint32_t)y));
		if (order)
			return order;
	}
	return 0;
}

static bool before(const struct aggregate *aggregate, const struct place *a, const struct place *b)
{
	if (a->weight != b->weight)
		return a->weight > b->weight;
	return compare_keys(aggregate, a->group, b->group) <= 0;
}

/* Merges runs of `run` places from bottom up. */
static void sort_places(struct sorting *sorting, size_t count)
{
	for (size_t run = 1; run < count; run *= 2) {
		struct place *from = sorting->places, *to = sorting->spare;
		for (size_t at = 0; at < count; at += 2 * run) {
			size_t a = at, b = at + run < count ? at + run : count, a_end = b, b_end = at + 2 * run < count ? at + 2 * run : count;
			for (size_t out = at; out < b_end; out++)
				to[out] = a < a_end && (b == b_end || before(sorting->aggregate, &from[a], &from[b])) ? from[a++] : from[b++];
		}
		sorting->places = to;
		sorting->spare = from;
	}
}

/* The sum of this number of a group, with that of the other direction where it is among the sums. */
static uint64_t weight_of(const struct aggregate *aggregate, uint32_t group, size_t sum)
{
	const struct aggregate_plan *plan = &aggregate->plan;
	const uint64_t *sums = aggregate->groups + group * aggregate->width + plan->key_count;
	const struct weir_flow_column *swapped = plan->sums[sum].swapped;
	uint64_t weight = sums[sum];

	if (plan->sums[sum].operation != AGGREGATE_SUM)
		return plan->sums[sum].column->type == WEIR_COLUMN_UNSIGNED ? weight : weight ^ UINT64_C(1) << 63;
	for (size_t s = 0; s < plan->sum_count && swapped && swapped != plan->sums[sum].column && !plan->sums[sum].column->reverse; s++)
		if (plan->sums[s].column == swapped)
			weight += sums[s];
	return weight;
}

const uint32_t *aggregate_sorted(struct aggregate *aggregate, int by_sum, size_t *count)
{
	size_t n = aggregate->group_count;
	struct sorting sorting = {.aggregate = aggregate};

	*count = n;
	free(aggregate->order);
	aggregate->order = malloc((n + 1) * sizeof *aggregate->order);
	sorting.places = malloc((n + 1) * sizeof *sorting.places);
	sorting.spare = malloc((n + 1) * sizeof *sorting.spare);
	bool failed = !aggregate->order || !sorting.places || !sorting.spare;
	if (!failed) {
		for (uint32_t g = 0; g < n; g++)
			sorting.places[g] = (struct place){by_sum < 0 ? 0 : weight_of(aggregate, g, (size_t)by_sum), g};
		sort_places(&sorting, n);
		for (size_t i = 0; i < n; i++)
			aggregate->order[i] = sorting.places[i].group;
	}
	free(sorting.places);
	free(sorting.spare);
	return failed ? NULL : aggregate->order;
}

bool aggregate_key_text(const struct aggregate *aggregate, uint32_t group, size_t key, struct text *out)
{
	const struct weir_flow_column *column = aggregate->plan.keys[key].column;
	uint64_t word = aggregate->groups[group * aggregate->width + key];

	if (word == AGGREGATE_NO_KEY)
		return false;
	if (value_is_number(column)) {
		value_put_number(out, column, word);
		output_end(out);
	} else {
		struct weir_bytes text = intern_bytes(&aggregate->texts, (uint32_t)word);
		text_add_bytes(out, text.data, text.length);
	}
	return true;
}

bool aggregate_value(const struct aggregate *aggregate, uint32_t group, size_t sum, uint64_t *value)
{
	const struct aggregate_plan *plan = &aggregate->plan;
	const struct weir_flow_column *column = plan->sums[sum].column;

	*value = aggregate->groups[group * aggregate->width + plan->key_count + sum];
	if (!column || column->type == WEIR_COLUMN_UNSIGNED)
		return true;
	return plan->sums[sum].operation == AGGREGATE_LEAST ? *value != INT64_MAX : *value != (uint64_t)INT64_MIN;
}
