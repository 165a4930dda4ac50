#include "cli/gaps.h"

#include <stdlib.h>
#include <string.h>

#include "archive/gaps.h"
#include "core/text.h"

#define SINGLE_MAX 10 /* more are grouped */

struct gap {
	char *node, *interface, *detail;
	struct weir_loss loss; /* of a group: from the first to the last, counts added up */
	uint64_t times;
	bool more; /* packets of some are not known */
};

struct gaps {
	struct gap single[SINGLE_MAX];
	struct gap *groups;
	size_t single_count, group_count;
	uint64_t all;
	bool failed;
};

static bool same(const struct gap *gap, const struct weir_loss *loss)
{
	return gap->loss.cause == loss->cause && strcmp(gap->node, loss->node) == 0 && strcmp(gap->interface, loss->interface) == 0;
}

static bool copy(struct gap *gap, const struct weir_loss *loss)
{
	*gap = (struct gap){.node = strdup(loss->node), .interface = strdup(loss->interface), .detail = strdup(loss->detail),
	                    .loss = *loss, .times = 1, .more = loss->packets == WEIR_UNKNOWN_COUNT};
	return gap->node && gap->interface && gap->detail;
}

static void add_to_group(struct gap *group, const struct weir_loss *loss)
{
	group->times++;
	if (loss->from_ns < group->loss.from_ns)
		group->loss.from_ns = loss->from_ns;
	if (loss->to_ns > group->loss.to_ns)
		group->loss.to_ns = loss->to_ns;
	if (loss->packets == WEIR_UNKNOWN_COUNT)
		group->more = true;
	else
		group->loss.packets = group->loss.packets == WEIR_UNKNOWN_COUNT ? loss->packets : group->loss.packets + loss->packets;
}

static void add(void *context, const struct weir_loss *loss)
{
	struct gaps *gaps = context;
	size_t i = 0;

	gaps->all++;
	if (gaps->single_count < SINGLE_MAX)
		gaps->failed |= !copy(&gaps->single[gaps->single_count++], loss);
	while (i < gaps->group_count && !same(&gaps->groups[i], loss))
		i++;
	if (i < gaps->group_count) {
		add_to_group(&gaps->groups[i], loss);
		return;
	}
	struct gap *groups = realloc(gaps->groups, (gaps->group_count + 1) * sizeof *groups);
	if (!groups) {
		gaps->failed = true;
		return;
	}
	gaps->groups = groups;
	if (!copy(&groups[gaps->group_count++], loss)) {
		gaps->group_count--;
		gaps->failed = true;
	}
}

static void print(FILE *out, const char *prefix, const struct gap *gap, bool local)
{
	char from[FORMAT_SIZE], to[FORMAT_SIZE], packets[FORMAT_SIZE];

	fprintf(out, "%sgap on %s%s%s, %s to %s: %s", prefix, gap->node, gap->interface[0] ? " " : "", gap->interface,
	        format_time(gap->loss.from_ns, local, 3, from), format_time(gap->loss.to_ns, local, 3, to),
	        weir_loss_name(gap->loss.cause));
	if (gap->times > 1)
		fprintf(out, ", %s times", format_count(gap->times, packets));
	if (gap->loss.packets == WEIR_UNKNOWN_COUNT)
		fprintf(out, ", how many packets is not known");
	else if (gap->loss.cause == WEIR_LOSS_PAYLOAD && gap->loss.packets == 0)
		fputs(", no packets but their payload", out);
	else
		fprintf(out, ", %s packets%s", format_count(gap->loss.packets, packets), gap->more ? " and more" : "");
	if (gap->times == 1 && gap->detail[0])
		fprintf(out, " (%s)", gap->detail);
	fputc('\n', out);
}

static void release(struct gap *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].node);
		free(list[i].interface);
		free(list[i].detail);
	}
}

int gaps_show(FILE *out, const char *prefix, struct weir_campaign *campaign, const struct weir_query *query, bool local,
              struct weir_fault *fault)
{
	struct gaps gaps = {0};
	int code = gaps_between(campaign, query->from_ns, query->to_ns, query->node, query->interface, add, &gaps, fault);

	if (code == 0 && gaps.failed)
		code = weir_fail(fault, WEIR_E_MEMORY, "no memory for the gaps");
	if (code == 0) {
		bool grouped = gaps.all > SINGLE_MAX;
		const struct gap *list = grouped ? gaps.groups : gaps.single;
		size_t count = grouped ? gaps.group_count : gaps.single_count;

		for (size_t i = 0; i < count; i++)
			print(out, prefix, &list[i], local);
	}
	release(gaps.single, gaps.single_count);
	release(gaps.groups, gaps.group_count);
	free(gaps.groups);
	return code;
}
