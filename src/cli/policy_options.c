/* The policies that hold for what a command keeps: cli/policy_options.h. */
#include "cli/policy_options.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static int read_of_campaign(const char *campaign, struct policies *policies, struct weir_fault *fault)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/campaign.toml", campaign) >= (int)sizeof path)
		return weir_fail(fault, WEIR_E_LIMIT, "the name of the campaign is too long");
	if (access(path, F_OK) != 0)
		return 0;
	int error = weir_policy_read(path, &policies->items[policies->count], fault);
	policies->count += error == 0;
	/* A campaign without a policy keeps what it is given; one whose policy can't be read keeps nothing. */
	return error == WEIR_E_NOT_FOUND ? 0 : error;
}

int policies_read(const char *file, const char *campaign, struct policies *policies, struct weir_fault *fault)
{
	int error = 0;

	*policies = (struct policies){0};
	if (campaign)
		error = read_of_campaign(campaign, policies, fault);
	if (!error && file) {
		error = weir_policy_read(file, &policies->items[policies->count], fault);
		policies->count += error == 0;
	}
	if (error)
		policies_free(policies);
	return error;
}

void policies_free(struct policies *policies)
{
	for (size_t i = 0; i < policies->count; i++)
		weir_policy_free(policies->items[i]);
	policies->count = 0;
}

int policies_add_stages(const struct policies *policies, struct weir_stage **stages, size_t *count,
                        struct weir_fault *fault)
{
	for (size_t i = 0; i < policies->count; i++) {
		if (policies->items[i]->keeps_all)
			continue;
		stages[*count] = weir_keep_stage_new(policies->items[i], fault);
		if (!stages[*count])
			return fault->code;
		++*count;
	}
	return 0;
}

bool policies_cut(const struct policies *policies)
{
	for (size_t i = 0; i < policies->count; i++)
		if (!policies->items[i]->keeps_all)
			return true;
	return false;
}

void policies_comment(const struct policies *policies, char out[static POLICIES_COMMENT])
{
	size_t length = 0;

	out[0] = '\0';
	for (size_t i = 0; i < policies->count; i++) {
		const struct weir_policy *policy = policies->items[i];
		if (policy->keeps_all)
			continue;
		length += (size_t)snprintf(out + length, POLICIES_COMMENT - length, "%s%s",
		                           length ? " and " : "kept as much as this policy allows: ",
		                           policy->name[0] ? policy->name : "(no name)");
	}
}
