/* weir audit: whether an output holds what its policy hides. */
#include <stdio.h>

#include <weir/audit.h>

#include "cli/audit_report.h"
#include "cli/seal_options.h"

struct options {
	struct option_list originals, identity;
	struct audit_switches audit;
};

static const struct option table[] = {
	{.name = "originals",
     .type = OPTION_STRINGS,
     .offset = offsetof(struct options, originals),
     .metavar = "PATH",
     .help = "what it was made from: a campaign, a run, a capture or flow file; may be given again"},
	IDENTITY_ROW(struct options, identity),
	AUDIT_ROWS(struct options, audit),
	{0},
};

static const struct options defaults = {.audit.memory = AUDIT_MEMORY};

static int gather(const struct options *options, const struct weir_policy *policy, struct weir_originals *originals,
                  struct weir_fault *fault)
{
	struct weir_originals_reading reading = {.identities = seal_identities(), .threads = (int)options->audit.threads, .stop = stop_requested()};
	int error = 0;

	for (size_t i = 0; i < options->originals.count && !error; i++) {
		/* Each input is cut for itself: what is remembered of flows begins anew. */
		reading.keep = policy->keeps_all ? NULL : weir_keep_stage_new(policy, fault);
		if (!policy->keeps_all && !reading.keep)
			return fault->code;
		error = weir_originals_read(originals, options->originals.items[i], &reading, fault);
		weir_stage_close(reading.keep);
	}
	return error ? error : weir_originals_ready(originals, fault);
}

static int audit(const struct options *options, struct audit_report *report, const char *output,
                 const struct weir_policy *policy, const struct weir_hider *hider, struct weir_audit_result *result,
                 struct weir_fault *fault)
{
	struct weir_originals_options how = {.policy = policy, .hider = hider, .memory_bytes = options->audit.memory};
	struct weir_originals_statistics statistics;
	struct weir_originals *originals;
	int error = weir_originals_new(&how, &originals, fault);

	if (!error)
		error = gather(options, policy, originals, fault);
	struct weir_audit_options search = {.originals = originals,
	                                    .found = audit_report_found,
	                                    .unsearched = audit_report_unsearched,
	                                    .context = report,
	                                    .stop = stop_requested()};
	audit_report_begin(report);
	if (!error)
		error = weir_audit(output, &search, result, fault);
	if (!error) {
		weir_originals_count(originals, &statistics);
		json_end_array(&report->out);
		audit_report_json(&report->out, &statistics, result);
		json_end_object(&report->out);
		if (options->audit.json)
			puts(text_string(&report->text));
		else
			audit_report_text(report, &statistics, result);
	}
	weir_originals_free(originals);
	text_free(&report->text);
	return error;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct audit_report told = {.command = command, .json = options->audit.json, .show_values = options->audit.show_values};
	struct weir_policy *policy = NULL;
	struct weir_hider *hider = NULL;
	struct weir_audit_result result = {0};
	struct weir_fault fault = {0};
	int error = 0;

	(void)argc;
	if (options->originals.count == 0 || !options->audit.policy)
		error = weir_fail(&fault, WEIR_E_USAGE,
		                  "--originals and --policy are needed: what is searched for, and what is hidden");
	if (!error)
		error = audit_policy_open(&options->audit, &policy, &hider, &fault);
	catch_interrupts();
	if (!error)
		error = audit(options, &told, argv[0], policy, hider, &result, &fault);
	weir_hider_free(hider);
	weir_policy_free(policy);
	if (error)
		return report(command, &fault);
	return result.leaks || result.files_unsearched ? EXIT_FAULT_IN_DATA : EXIT_FINE;
}

const struct command audit_command = {
	.name = "audit",
	.summary = "search an output for what its policy hides",
	.usage = "OUTPUT",
	.description = "Gathers every value that the policy hides from the originals: addresses, MAC addresses, names, "
                   "samples of what it cuts. Then searches\n"
				   "every byte of OUTPUT (a file or a folder), decompressed, and the names of its files, for them in "
                   "every encoding that weir knows: as bytes and\n"
				   "reversed, as text of all kinds, within IPv6 addresses, as DNS labels, in hex, base64, UTF-16. "
                   "docs/publishing.md has the list, and its limits.\n"
				   "\n"
				   "The exit status is 1 when something was found or a file could not be searched. The values found "
                   "are only printed with --show-values.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.least_arguments = 1,
	.most_arguments = 1,
	.options_anywhere = true,
	.run = run,
};
