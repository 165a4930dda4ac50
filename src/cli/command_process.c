/* weir process: from raw packets to clean packets and flow records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/run.h>

#include "cli/cli.h"
#include "cli/policy_options.h"
#include "cli/seal_options.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/terminal.h"

#define MEMORY_LEAST (UINT64_C(64) << 20)

struct options {
	const char *out, *stages, *keep_packets, *policy, *from, *to;
	int64_t last, routed, idle, active;
	uint64_t window, threads, memory, part;
	bool since_last, local, json;
	struct option_list identity;
	struct seal_switches seal;
};

static const struct option table[] = {
	{.name = "out", .letter = 'o', .type = OPTION_STRING, .offset = offsetof(struct options, out), .metavar = "OUT",
	 .help = "folder of the run; else runs/TIME in the campaign, or weir-run-TIME here"},
	{.name = "stages", .type = OPTION_STRING, .offset = offsetof(struct options, stages), .metavar = "LIST",
	 .help = "what to do, of verify,repair,dedup,clock,apps,flows"},
	{.name = "keep-packets", .type = OPTION_CHOICE, .offset = offsetof(struct options, keep_packets), .metavar = "WHETHER", .choices = "yes|no",
	 .help = "write clean packets, beside the flow records"},
	POLICY_OPTION(struct options, policy, "write no more of packets than this policy allows, and that of the campaign"),
	{.name = "last", .type = OPTION_DURATION, .offset = offsetof(struct options, last), .metavar = "DURATION",
	 .help = "of a campaign the packets from so long before now on: 24h"},
	{.name = "since-last", .type = OPTION_FLAG, .offset = offsetof(struct options, since_last),
	 .help = "of a campaign the packets since the latest run that is whole"},
	{.name = "from", .type = OPTION_MOMENT, .offset = offsetof(struct options, from), .metavar = "TIME", .help = "of a campaign the packets from this moment on"},
	{.name = "to", .type = OPTION_MOMENT, .offset = offsetof(struct options, to), .metavar = "TIME", .help = "up to this moment, inclusive"},
	{.name = "window", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, window), .metavar = "N", .least = 0, .most = 1000000,
	 .help = "exact duplicates: among so many packets of a vantage point; 0: none are looked for"},
	{.name = "routed", .type = OPTION_DURATION, .offset = offsetof(struct options, routed), .metavar = "DURATION",
	 .help = "routed duplicates: within so long; 0: none are looked for"},
	{.name = "idle", .type = OPTION_DURATION, .offset = offsetof(struct options, idle), .metavar = "DURATION",
	 .help = "a flow ends after so long without packets; 0: never"},
	{.name = "active", .type = OPTION_DURATION, .offset = offsetof(struct options, active), .metavar = "DURATION",
	 .help = "a flow that lasts is recorded anew after so long; 0: never"},
	{.name = "threads", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, threads), .metavar = "N", .least = 0, .most = 32,
	 .help = "0: one a core"},
	{.name = "memory", .type = OPTION_SIZE, .offset = offsetof(struct options, memory), .metavar = "SIZE",
	 .help = "for all that is remembered; past it flows are cut, never lost"},
	{.name = "part", .type = OPTION_SIZE, .offset = offsetof(struct options, part), .metavar = "SIZE",
	 .help = "of input; after each an interrupted run can go on"},
	{.name = "local", .type = OPTION_FLAG, .offset = offsetof(struct options, local), .help = "times in local time, not UTC"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "the summary as JSON"},
	IDENTITY_ROW(struct options, identity),
	RECIPIENT_ROWS(struct options, seal),
	{0},
};

static const struct options defaults = {
	.stages = "verify,repair,dedup,clock,apps,flows",
	.keep_packets = "yes",
	.window = 5,
	.routed = 100 * INT64_C(1000000),
	.idle = 90 * NS_PER_SECOND,
	.active = 1800 * NS_PER_SECOND,
	.memory = UINT64_C(1) << 30,
	.part = UINT64_C(16) << 30,
};

static int read_stages(const char *list, unsigned *stages, struct weir_fault *fault)
{
	*stages = 0;
	for (const char *at = list; *at;) {
		size_t length = strcspn(at, ",");
		unsigned bit = weir_run_stage_named(at, length);
		if (!bit)
			return weir_fail(fault, WEIR_E_USAGE, "--stages: there is no stage '%.*s'; there are verify,repair,dedup,clock,apps,flows", (int)length, at);
		*stages |= bit;
		at += length + (at[length] == ',');
	}
	return *stages ? 0 : weir_fail(fault, WEIR_E_USAGE, "--stages: names no stage");
}

static int read_times(const struct options *options, struct weir_run_options *run, struct weir_fault *fault)
{
	int64_t now_ns = clock_wall_ns();
	int error = 0;

	run->from_ns = options->last ? now_ns - options->last : WEIR_TIME_FIRST;
	run->to_ns = WEIR_TIME_LAST;
	if (!!options->last + !!options->from + options->since_last > 1)
		return weir_fail(fault, WEIR_E_USAGE, "--last, --since-last and --from all say where to begin: give one");
	if (options->from)
		error = parse_moment(options->from, now_ns, options->local, &run->from_ns, fault);
	if (!error && options->to)
		error = parse_moment(options->to, now_ns, options->local, &run->to_ns, fault);
	if (!error && run->from_ns > run->to_ns)
		error = weir_fail(fault, WEIR_E_USAGE, "the time asked for ends before it begins");
	return error;
}

static bool is_folder(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int read_inputs(int argc, char **argv, struct weir_run_options *run, struct weir_fault *fault)
{
	if (is_folder(argv[0])) {
		run->campaign = argv[0];
		return argc == 1 ? 0 : weir_fail(fault, WEIR_E_USAGE, "give one campaign, or files");
	}
	run->files = (const char *const *)argv;
	run->file_count = (size_t)argc;
	for (int i = 0; i < argc; i++)
		if (is_folder(argv[i]))
			return weir_fail(fault, WEIR_E_USAGE, "give one campaign, or files");
	if (run->from_ns != WEIR_TIME_FIRST || run->to_ns != WEIR_TIME_LAST || run->since_last)
		return weir_fail(fault, WEIR_E_USAGE, "--last, --since-last, --from and --to are for campaigns");
	return 0;
}

static void show_progress(void *context, uint64_t done, uint64_t total)
{
	struct progress *progress = context;

	progress->total = total;
	progress_update(progress, done);
}

static void print_json(const struct weir_run_summary *s)
{
	struct text text = {0};
	struct json json = json_into(&text);

	json_object(&json);
	json_put_string(&json, "run", s->nothing ? NULL : s->folder);
	json_put_bool(&json, "resumed", s->resumed);
	json_put_unsigned(&json, "parts", s->parts);
	json_put_unsigned(&json, "packets", s->packets);
	json_put_unsigned(&json, "captured_bytes", s->captured_bytes);
	json_put_unsigned(&json, "wire_bytes", s->wire_bytes);
	json_put_unsigned(&json, "input_bytes", s->input_bytes);
	json_put_unsigned(&json, "kept", s->kept);
	json_put_unsigned(&json, "exact_duplicates", s->exact_duplicates);
	json_put_unsigned(&json, "routed_duplicates", s->routed_duplicates);
	json_put_unsigned(&json, "flows", s->flows);
	json_put_unsigned(&json, "damages", s->damages);
	json_put_unsigned(&json, "damaged_bytes", s->damaged_bytes);
	json_put_double(&json, "seconds", (double)s->elapsed_ns / 1e9);
	json_put_double(&json, "seconds_waiting_for_hashes", (double)s->hashing_ns / 1e9);
	json_end_object(&json);
	puts(text_string(&text));
	text_free(&text);
}

static void print_summary(const struct weir_run_summary *s)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];
	double seconds = (double)s->elapsed_ns / 1e9;

	if (s->nothing) {
		puts("nothing new to process");
		return;
	}
	printf("run         %s%s\n", s->folder, s->resumed ? " (went on where it was interrupted)" : "");
	printf("read        %s packets, %s captured, %s on the wire\n", format_count(s->packets, a), format_size(s->captured_bytes, b),
	       format_size(s->wire_bytes, c));
	printf("duplicates  %s exact, %s routed\n", format_count(s->exact_duplicates, a), format_count(s->routed_duplicates, b));
	printf("kept        %s packets\n", format_count(s->kept, a));
	printf("flows       %s records\n", format_count(s->flows, a));
	if (s->damages)
		printf("damage      %s places, %s\n", format_count(s->damages, a), format_size(s->damaged_bytes, b));
	printf("took        %.2f s", seconds);
	if (!s->resumed && seconds > 0)
		printf(", %spackets/s", format_rate((double)s->packets / seconds, b));
	/* Beside the rest it takes no time of its own. */
	if (s->hashing_ns >= NS_PER_SECOND / 100)
		printf("; %.2f s of it waiting for SHA-256 of the input", (double)s->hashing_ns / NS_PER_SECOND);
	putchar('\n');
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct progress progress = {0};
	struct weir_run_options run = {
		.out = options->out,
		.no_packets = strcmp(options->keep_packets, "no") == 0,
		.since_last = options->since_last,
		.memory_bytes = options->memory,
		.part_bytes = options->part,
		.dedup = {.window = (uint32_t)options->window, .each_interface = true, .routed_ns = options->routed, .ignore_ttl = true, .ignore_mac = true,
		          .ignore_vlan = true},
		.idle_ns = options->idle,
		.active_ns = options->active,
		.threads = (int)options->threads,
		.stop = stop_requested(),
		.identities = seal_identities(),
		.progress = show_progress,
		.context = &progress,
	};
	struct weir_run_summary summary;
	struct policies policies = {0};
	struct weir_recipients *recipients = NULL;
	struct weir_fault fault = {0};
	int error = read_stages(options->stages, &run.stages, &fault);

	if (!error && options->memory < MEMORY_LEAST)
		error = weir_fail(&fault, WEIR_E_USAGE, "--memory: at least 64M, for chunks of several vantage points are in memory at once");
	if (!error)
		error = read_times(options, &run, &fault);
	if (!error)
		error = read_inputs(argc, argv, &run, &fault);
	if (!error)
		error = policies_read(options->policy, run.campaign, &policies, &fault);
	if (error)
		return report(command, &fault);
	for (size_t i = 0; i < policies.count; i++)
		run.policies[i] = policies.items[i];
	catch_interrupts();
	progress_start(&progress, "process", 1);
	error = seal_recipients_of(&options->seal, &recipients, &fault);
	run.recipients = recipients;
	if (!error)
		error = weir_run_process(&run, &summary, &fault);
	weir_recipients_free(recipients);
	progress_end(&progress);
	policies_free(&policies);
	if (error)
		return report(command, &fault);
	if (options->json)
		print_json(&summary);
	else
		print_summary(&summary);
	return summary.damages ? EXIT_FAULT_IN_DATA : EXIT_FINE;
}

const struct command process_command = {
	.name = "process",
	.summary = "make clean packets and flow records of raw packets",
	.usage = "CAMPAIGN|FILE...",
	.description =
		"Does in one pass over a campaign, or over capture files, what is to be done before packets can be used: checks them, goes on\n"
		"behind damage, removes duplicates, mends clocks, looks into tunnels, names applications, and makes flow records. The result\n"
		"is a run: a folder with packets, flows (Parquet), manifest.json (what went in and out with SHA-256, parameters, figures, losses)\n"
		"and report.html. What is raw is never touched.\n"
		"\n"
		"A run that was interrupted goes on when the same command is given again, to the same bytes; `weir reproduce` makes a whole one\n"
		"again and compares. The exit status is 1 when something was damaged.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
