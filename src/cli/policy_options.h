/* cli/policy_options.h: the policies that hold for what a command keeps. */
#ifndef CLI_POLICY_OPTIONS_H
#define CLI_POLICY_OPTIONS_H

#include <weir/policy.h>

#include "cli/cli.h"

/* That of the campaign and the one given with --policy: with both, what is kept has to be allowed by both. */
struct policies {
	struct weir_policy *items[2];
	size_t count;
};

/* Reads them: file (NULL: none) and campaign/campaign.toml (NULL, not there, without a policy: none). Nothing is left open when it fails. */
int policies_read(const char *file, const char *campaign, struct policies *policies, struct weir_fault *fault);
void policies_free(struct policies *policies);

/* A keep stage for each policy that does not keep everything, into free places of stages (as many as it has). 0 or an error; *count is moved on. */
int policies_add_stages(const struct policies *policies, struct weir_stage **stages, size_t *count,
                        struct weir_fault *fault);

/* What the sections of segments say of it: "policy: NAME", "" when nothing is cut or dropped. */
#define POLICIES_COMMENT 192
void policies_comment(const struct policies *policies, char out[static POLICIES_COMMENT]);

/* Whether anything is cut or dropped. */
bool policies_cut(const struct policies *policies);

#define POLICY_OPTION(type_, member, text)                                                                             \
	{                                                                                                                  \
		.name = "policy", .type = OPTION_STRING, .offset = offsetof(type_, member), .metavar = "FILE", .help = text    \
	}

#endif
