/* weir policy: whether a policy is sound, and what it comes to. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/policy.h>

#include "cli/cli.h"

struct options {
	bool json;
};

static const struct option table[] = {
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "show: as JSON"},
	{0},
};

static void check(const struct weir_policy *policy, const char *path)
{
	const char *name = policy->name;

	printf("%s: %s%s%sa sound policy: %s, %s%s\n", path, name[0] ? "\"" : "", name, name[0] ? "\" is " : "",
	       policy->keeps_all ? "keeps everything" : "keeps less than everything",
	       policy->hides ? "hides" : "hides nothing", weir_policy_needs_key(policy) ? ", with a key" : "");
}

static int show(const struct weir_policy *policy, bool json, struct weir_fault *fault)
{
	char *text = json ? weir_policy_json(policy) : weir_policy_toml(policy);

	if (!text)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to show the policy");
	fputs(text, stdout);
	if (json)
		putchar('\n');
	free(text);
	return 0;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct weir_policy *policy;
	struct weir_fault fault;
	struct stat status;
	char path[PATH_MAX];
	bool checks = strcmp(argv[0], "check") == 0;

	weir_fault_clear(&fault);
	if (!checks && strcmp(argv[0], "show") != 0) {
		weir_fail(&fault, WEIR_E_USAGE, "'%s' is neither check nor show", argv[0]);
		return report(command, &fault);
	}
	bool folder = stat(argv[1], &status) == 0 && S_ISDIR(status.st_mode);
	if (snprintf(path, sizeof path, "%s%s", argv[1], folder ? "/campaign.toml" : "") >= (int)sizeof path) {
		weir_fail(&fault, WEIR_E_LIMIT, "the name is too long");
		return report(command, &fault);
	}
	int error = weir_policy_read(path, &policy, &fault);
	if (error) {
		/* A filter that does not compile is a fault of the file here, not of the command line. */
		report(command, &fault);
		return error == WEIR_E_FILTER || error == WEIR_E_LIMIT ? EXIT_FAULT_IN_DATA : exit_status_of(error);
	}
	if (checks)
		check(policy, path);
	else
		error = show(policy, options->json, &fault);
	weir_policy_free(policy);
	return error ? report(command, &fault) : EXIT_FINE;
}

const struct command policy_command = {
	.name = "policy",
	.summary = "check a policy, and show what it comes to",
	.usage = "check|show FILE|CAMPAIGN",
	.description = "A policy says what of people's data may be kept, and how what is kept is hidden: the table "
                   "[policy] of campaign.toml, or of a file\n"
				   "of its own. `check` says whether it is sound, and else in which line it is not; `show` prints the "
                   "whole policy as it works, with\n"
				   "what it does not say filled in, as TOML that reads back as the same policy.",
	.options = table,
	.options_size = sizeof(struct options),
	.least_arguments = 2,
	.most_arguments = 2,
	.options_anywhere = true,
	.run = run,
};
