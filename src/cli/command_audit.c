/* weir audit: whether an output holds what its policy hides. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/audit.h>

#include "cli/cli.h"
#include "core/json.h"
#include "core/terminal.h"

struct options {
	struct option_list originals;
	const char *policy, *key;
	uint64_t memory, threads;
	bool show_values, json;
};

static const struct option table[] = {
	{.name = "originals", .type = OPTION_STRINGS, .offset = offsetof(struct options, originals), .metavar = "PATH",
	 .help = "what it was made from: a campaign, a run, a capture or flow file; may be given again"},
	{.name = "policy", .type = OPTION_STRING, .offset = offsetof(struct options, policy), .metavar = "FILE", .help = "the policy that it has to keep"},
	{.name = "key", .letter = 'k', .type = OPTION_STRING, .offset = offsetof(struct options, key), .metavar = "FILE",
	 .help = "key of the campaign: tells leaks from values that others became"},
	{.name = "memory", .type = OPTION_SIZE, .offset = offsetof(struct options, memory), .metavar = "SIZE",
	 .help = "for the originals; what does not fit is counted"},
	{.name = "threads", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, threads), .metavar = "N", .least = 0, .most = 32,
	 .help = "for reading the originals; 0: one a core"},
	{.name = "show-values", .type = OPTION_FLAG, .offset = offsetof(struct options, show_values), .help = "print the originals that were found"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "as JSON"},
	{0},
};

static const struct options defaults = {.memory = UINT64_C(256) << 20};

struct run {
	const struct command *command;
	const struct options *options;
	struct text text;
	struct json json;
	uint64_t told;
};

#define TOLD_MOST 1000 /* lines for people; JSON has all */

static void found(void *context, const struct weir_audit_hit *hit)
{
	struct run *run = context;

	if (run->options->json) {
		json_object(&run->json);
		json_put_string(&run->json, "file", hit->file);
		json_put_unsigned(&run->json, "offset", hit->offset);
		if (hit->packet)
			json_put_unsigned(&run->json, "packet", hit->packet);
		json_put_string(&run->json, "place", hit->place);
		json_put_string(&run->json, "kind", weir_original_kind_name(hit->kind));
		json_put_string(&run->json, "encoding", hit->encoding);
		json_put_unsigned(&run->json, "times", hit->times);
		if (run->options->show_values)
			json_put_string(&run->json, "value", hit->value);
		json_end_object(&run->json);
		return;
	}
	if (run->told++ >= TOLD_MOST)
		return;
	printf("%s: offset %" PRIu64, hit->file, hit->offset);
	if (hit->packet)
		printf(": packet %" PRIu64, hit->packet);
	printf(": %s: %s (%s)", hit->place, weir_original_kind_name(hit->kind), hit->encoding);
	if (run->options->show_values)
		printf(" %s", hit->value);
	if (hit->times > 1)
		printf(", %" PRIu64 " times", hit->times);
	putchar('\n');
}

static void unsearched(void *context, const char *file, const struct weir_fault *why)
{
	struct run *run = context;
	char text[1100];

	warn(run->command, "%s could not be searched whole: %s", file, weir_fault_text(why, text, sizeof text));
}

static void print_json(struct run *run, const struct weir_originals_statistics *o, const struct weir_audit_result *r)
{
	struct json *json = &run->json;

	json_end_array(json);
	json_key(json, "originals");
	json_object(json);
	for (unsigned i = 0; i < WEIR_ORIGINAL_KINDS; i++) {
		json_key(json, weir_original_kind_name((enum weir_original_kind)i));
		json_object(json);
		json_put_unsigned(json, "held", o->held[i]);
		json_put_unsigned(json, "not_held", o->not_held[i]);
		json_put_unsigned(json, "also_images", o->images[i]);
		json_end_object(json);
	}
	json_put_unsigned(json, "packets", o->packets);
	json_put_unsigned(json, "names_that_are_words", o->words);
	json_put_unsigned(json, "payload_sampled_one_in", o->payload_sampled_one_in);
	json_end_object(json);
	json_put_unsigned(json, "files", r->files);
	json_put_unsigned(json, "files_unsearched", r->files_unsearched);
	json_put_unsigned(json, "disk_bytes", r->disk_bytes);
	json_put_unsigned(json, "searched_bytes", r->searched_bytes);
	json_put_unsigned(json, "packets", r->packets);
	json_put_unsigned(json, "leaks", r->leaks);
	json_put_unsigned(json, "times", r->times);
	json_put_unsigned(json, "explained", r->explained);
	json_put_unsigned(json, "by_chance", r->by_chance);
	json_put_double(json, "expected_by_chance", r->expected_by_chance);
	json_put_bool(json, "clean", r->leaks == 0 && r->files_unsearched == 0);
	json_end_object(json);
	puts(text_string(&run->text));
}

static void print_summary(const struct run *run, const struct weir_originals_statistics *o, const struct weir_audit_result *r)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];

	if (run->told > TOLD_MOST)
		printf("… and %s more\n", format_count(run->told - TOLD_MOST, a));
	for (unsigned i = 0; i < WEIR_ORIGINAL_KINDS; i++) {
		printf("%-12s %s originals", weir_original_kind_name((enum weir_original_kind)i), format_count(o->held[i], a));
		if (o->images[i])
			printf(", %s of them also what another became", format_count(o->images[i], b));
		if (o->not_held[i])
			printf(", %s times there was no memory for one", format_count(o->not_held[i], c));
		putchar('\n');
	}
	if (o->held[WEIR_ORIGINAL_PAYLOAD])
		printf("             of runs of eight bytes one in %s\n", format_count(o->payload_sampled_one_in, a));
	printf("searched     %s files, %s, %s as decompressed, %s packets\n", format_count(r->files, a), format_size(r->disk_bytes, b),
	       format_size(r->searched_bytes, c), format_count(r->packets, (char[FORMAT_SIZE]){0}));
	printf("explained    %s: values that others became\n", format_count(r->explained, a));
	printf("chance       %s short values, where chance gives %.1f\n", format_count(r->by_chance, a), r->expected_by_chance);
	if (r->files_unsearched)
		printf("unsearched   %s files\n", format_count(r->files_unsearched, a));
	printf("leaks        %s\n", format_count(r->leaks, a));
}

static int gather(const struct run *run, const struct weir_policy *policy, struct weir_originals *originals, struct weir_fault *fault)
{
	struct weir_originals_reading reading = {.threads = (int)run->options->threads, .stop = stop_requested()};
	int error = 0;

	for (size_t i = 0; i < run->options->originals.count && !error; i++) {
		/* Each input is cut for itself: what is remembered of flows begins anew. */
		reading.keep = policy->keeps_all ? NULL : weir_keep_stage_new(policy, fault);
		if (!policy->keeps_all && !reading.keep)
			return fault->code;
		error = weir_originals_read(originals, run->options->originals.items[i], &reading, fault);
		weir_stage_close(reading.keep);
	}
	return error ? error : weir_originals_ready(originals, fault);
}

static int audit(struct run *run, const char *output, const struct weir_policy *policy, const struct weir_hider *hider, struct weir_audit_result *result,
                 struct weir_fault *fault)
{
	struct weir_originals_options options = {.policy = policy, .hider = hider, .memory_bytes = run->options->memory};
	struct weir_originals_statistics statistics;
	struct weir_originals *originals;
	int error = weir_originals_new(&options, &originals, fault);

	if (!error)
		error = gather(run, policy, originals, fault);
	struct weir_audit_options search = {.originals = originals, .found = found, .unsearched = unsearched, .context = run, .stop = stop_requested()};
	run->json = json_into(&run->text);
	json_object(&run->json);
	json_key(&run->json, "hits");
	json_array(&run->json);
	if (!error)
		error = weir_audit(output, &search, result, fault);
	if (!error) {
		weir_originals_count(originals, &statistics);
		if (run->options->json)
			print_json(run, &statistics, result);
		else
			print_summary(run, &statistics, result);
	}
	weir_originals_free(originals);
	text_free(&run->text);
	return error;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct run run = {.command = command, .options = options};
	struct weir_policy *policy = NULL;
	struct weir_hider *hider = NULL;
	struct weir_audit_result result = {0};
	struct weir_key key;
	struct weir_fault fault = {0};
	int error = 0;

	(void)argc;
	if (options->originals.count == 0 || !options->policy)
		error = weir_fail(&fault, WEIR_E_USAGE, "--originals and --policy are needed: what is searched for, and what is hidden");
	if (!error)
		error = weir_policy_read(options->policy, &policy, &fault);
	if (!error && options->key) {
		error = weir_key_read(options->key, &key, &fault);
		if (!error)
			error = weir_hider_new(policy, &key, &hider, &fault);
		weir_wipe(&key, sizeof key);
	} else if (!error && !weir_policy_needs_key(policy)) {
		error = weir_hider_new(policy, NULL, &hider, &fault);
	}
	catch_interrupts();
	if (!error)
		error = audit(&run, argv[0], policy, hider, &result, &fault);
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
	.description =
		"Gathers every value that the policy hides from the originals: addresses, MAC addresses, names, samples of what it cuts. Then searches\n"
		"every byte of OUTPUT (a file or a folder), decompressed, and the names of its files, for them in every encoding that weir knows: as bytes and\n"
		"reversed, as text of all kinds, within IPv6 addresses, as DNS labels, in hex, base64, UTF-16. docs/publishing.md has the list, and its limits.\n"
		"\n"
		"The exit status is 1 when something was found or a file could not be searched. The values found are only printed with --show-values.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.least_arguments = 1,
	.most_arguments = 1,
	.options_anywhere = true,
	.run = run,
};
