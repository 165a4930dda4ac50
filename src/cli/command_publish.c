/* weir publish: a data set for others. */
#include <stdio.h>

#include <weir/publish.h>

#include "cli/audit_report.h"
#include "cli/seal_options.h"
#include "core/terminal.h"

struct options {
	const char *out;
	struct option_list identity;
	struct audit_switches audit;
	bool no_packets, no_flows;
};

static const struct option table[] = {
	{.name = "out",
     .letter = 'o',
     .type = OPTION_STRING,
     .offset = offsetof(struct options, out),
     .metavar = "DIR",
     .help = "folder of the data set; it appears when the audit is clean"},
	{.name = "no-packets", .type = OPTION_FLAG, .offset = offsetof(struct options, no_packets), .help = "flows alone"},
	{.name = "no-flows", .type = OPTION_FLAG, .offset = offsetof(struct options, no_flows), .help = "packets alone"},
	IDENTITY_ROW(struct options, identity),
	AUDIT_ROWS(struct options, audit),
	{0},
};

static const struct options defaults = {.audit.memory = AUDIT_MEMORY};

static void print_text(const struct audit_report *told, const struct weir_publish_summary *s, const char *out,
                       bool published)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE];

	audit_report_text(told, &s->originals, &s->audit);
	printf("packets      %s of %s\n", format_count(s->packets, a), format_count(s->packets_read, b));
	printf("flows        %s\n", format_count(s->flows, a));
	if (published)
		printf("published    %s\n", out);
	else
		puts("nothing was published");
}

static void print_json(struct audit_report *told, const struct weir_publish_summary *s, const char *out, bool published)
{
	struct json *json = &told->out;

	json_end_array(json);
	json_put_string(json, "published", published ? out : NULL);
	json_put_unsigned(json, "packets_read", s->packets_read);
	json_put_unsigned(json, "packets_published", s->packets);
	json_put_unsigned(json, "flows", s->flows);
	json_key(json, "risks");
	json_object(json);
	json_put_unsigned(json, "hosts", s->risks.hosts);
	json_put_unsigned(json, "unique_prefixes", s->risks.unique_prefixes);
	json_put_unsigned(json, "unique_ports", s->risks.unique_ports);
	json_put_unsigned(json, "unique_times", s->risks.unique_times);
	json_put_unsigned(json, "scanners", s->risks.scanners);
	json_put_unsigned(json, "scanned", s->risks.scanned);
	json_put_unsigned(json, "flows", s->risks.flows);
	json_put_unsigned(json, "unique_flow_sizes", s->risks.unique_flow_sizes);
	json_put_unsigned(json, "least_anonymity", s->risks.least_anonymity);
	json_end_object(json);
	audit_report_json(json, &s->originals, &s->audit);
	json_end_object(json);
	puts(text_string(&told->text));
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct audit_report told = {.command = command, .json = options->audit.json, .show_values = options->audit.show_values};
	struct weir_policy *policy = NULL;
	struct weir_hider *hider = NULL;
	struct weir_publish_summary summary;
	struct weir_fault fault = {0};
	int error = 0;

	(void)argc;
	if (!options->audit.policy || !options->out)
		error = weir_fail(&fault, WEIR_E_USAGE, "--policy and -o are needed: how to hide, and where to put it");
	if (!error && options->no_packets && options->no_flows)
		error = weir_fail(&fault, WEIR_E_USAGE, "with --no-packets and --no-flows there is nothing to publish");
	if (!error)
		error = audit_policy_open(&options->audit, &policy, &hider, &fault);
	if (!error && !hider)
		error = weir_fail(&fault, WEIR_E_USAGE, "--key: this policy needs the key of the campaign");
	struct weir_publish_options publish = {
		.input = argv[0],
		.out = options->out,
		.policy = policy,
		.hider = hider,
		.identities = seal_identities(),
		.memory_bytes = options->audit.memory,
		.threads = (int)options->audit.threads,
		.no_packets = options->no_packets,
		.no_flows = options->no_flows,
		.stop = stop_requested(),
		.found = audit_report_found,
		.unsearched = audit_report_unsearched,
		.context = &told,
	};
	audit_report_begin(&told);
	catch_interrupts();
	if (!error)
		error = weir_publish(&publish, &summary, &fault);
	if (error >= 0) {
		if (options->audit.json)
			print_json(&told, &summary, options->out, error == 0);
		else
			print_text(&told, &summary, options->out, error == 0);
	}
	text_free(&told.text);
	weir_hider_free(hider);
	weir_policy_free(policy);
	if (error < 0)
		return report(command, &fault);
	return error ? EXIT_FAULT_IN_DATA : EXIT_FINE;
}

const struct command publish_command = {
	.name = "publish",
	.summary = "make a data set for others: hidden, described, audited",
	.usage = "CAMPAIGN|RUN|FILE",
	.description = "Makes a folder that can be given away: packets as far as the policy keeps them and hidden as it "
                   "says, flow records hidden, a data\n"
				   "sheet (what, when, gaps, how it was hidden, licence and contact out of campaign.toml, and in "
                   "numbers what no search can find), and\n"
				   "checksums. Before it appears, every byte of it is searched for every value that was to be hidden "
                   "(weir audit): when one is found, the\n"
				   "exit status is 1, the places are printed, and nothing is published.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.least_arguments = 1,
	.most_arguments = 1,
	.options_anywhere = true,
	.run = run,
};
