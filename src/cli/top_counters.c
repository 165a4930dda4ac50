/* Counters for views: cli/top_view.h. */
#include <math.h>
#include <string.h>

#include "cli/top_view.h"
#include "packet/flow_hash.h"

/* The instances of a group, found once a look. */
static const struct top_instances *instances_of(struct top *top, const char *group)
{
	size_t count = 0;
	struct top_instances *found = NULL;

	for (size_t i = 0; i < TOP_INSTANCE_GROUPS && !found; i++)
		if (!top->instances[i].group || strcmp(top->instances[i].group, group) == 0)
			found = &top->instances[i];
	if (!found || (found->group && found->looks == top->looks))
		return found;
	found->group = group;
	found->looks = top->looks;
	found->count = 0;
	const struct counter *list = top->counters ? counters_list(top->counters, &count) : NULL;
	for (size_t i = 0; i < count && found->count < TOP_INSTANCES_MOST; i++) {
		if (!list[i].there || strcmp(list[i].group, group) != 0)
			continue;
		if (!found->count || strcmp(list[i].instance, found->names[found->count - 1]) != 0)
			found->names[found->count++] = list[i].instance;
	}
	return found;
}

size_t counter_instances(struct top *top, const char *group)
{
	const struct top_instances *found = instances_of(top, group);

	return found ? found->count : 0;
}

const char *counter_instance(struct top *top, const char *group, size_t row)
{
	const struct top_instances *found = instances_of(top, group);

	return found && row < found->count ? found->names[row] : NULL;
}

uint64_t counter_identity(const char *instance)
{
	uint64_t hash = FLOW_HASH_KEY_1;

	for (const char *c = instance; c && *c; c++)
		hash = flow_hash_mix(hash ^ (uint8_t)*c, FLOW_HASH_KEY_2);
	return hash ? hash : 1;
}

void counter_rate_cell(const struct top *top, const char *group, const char *instance, const char *name, struct top_value *value)
{
	bool known;
	double rate = top_counter_rate(top, group, instance, name, &known);

	if (known)
		value_rate(value, rate);
}

void counter_value_cell(const struct top *top, const char *group, const char *instance, const char *name, struct top_value *value)
{
	bool known;
	double number = top_counter_value(top, group, instance, name, &known);
	char text[FORMAT_SIZE];

	if (known)
		value_number(value, number, "%s", value->with_text ? short_number(number, 1000, text) : "");
}

size_t counter_rates(const struct top *top, const char *group, const char *instance, const char *name, double out[static COUNTERS_HISTORY])
{
	const struct counter *counter = top->counters ? counters_named(top->counters, group, instance, name) : NULL;
	size_t count = counter ? counters_history(top->counters, counter, out) : 0;

	for (size_t i = 0; i < count; i++)
		out[i] = isnan(out[i]) ? 0 : out[i];
	return count;
}
