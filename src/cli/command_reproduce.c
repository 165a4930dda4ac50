/* weir reproduce: makes a run again and compares. */
#include <inttypes.h>
#include <stdio.h>

#include <weir/run.h>

#include "cli/cli.h"
#include "cli/seal_options.h"
#include "core/json.h"
#include "core/terminal.h"

struct options {
	uint64_t threads;
	bool json;
	struct option_list identity;
};

static const struct option table[] = {
	{.name = "threads", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, threads), .metavar = "N", .least = 0, .most = 32,
	 .help = "0: one a core"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "the result as JSON"},
	IDENTITY_ROW(struct options, identity),
	{0},
};

struct showing {
	struct progress progress;
	struct text differences; /* elements of a JSON array, or lines */
	struct json json;
	bool as_json;
};

static void show_progress(void *context, uint64_t done, uint64_t total)
{
	struct showing *showing = context;

	showing->progress.total = total;
	progress_update(&showing->progress, done);
}

static void on_difference(void *context, const char *path, const char *was, const char *is)
{
	struct showing *showing = context;

	if (!showing->as_json) {
		text_add_format(&showing->differences, "differs  %s: was %s, is %s\n", path, was, is);
		return;
	}
	json_object(&showing->json);
	json_put_string(&showing->json, "path", path);
	json_put_string(&showing->json, "was", was);
	json_put_string(&showing->json, "is", is);
	json_end_object(&showing->json);
}

static void print_json(const struct showing *showing, const struct weir_reproduction *r)
{
	struct text text = {0};
	struct json json = json_into(&text);

	json_object(&json);
	json_put_unsigned(&json, "inputs", r->inputs);
	json_put_unsigned(&json, "inputs_changed", r->inputs_changed);
	json_put_unsigned(&json, "outputs", r->outputs);
	json_put_unsigned(&json, "outputs_changed", r->outputs_changed);
	json_end_object(&json);
	/* The differences are an array without its brackets. */
	printf("%.*s,\"differences\":%s]}\n", (int)(text.length - 1), text_string(&text), text_string(&showing->differences));
	text_free(&text);
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct showing showing = {.as_json = options->json};
	struct weir_reproduction reproduction;
	struct weir_fault fault = {0};

	showing.json = json_into(&showing.differences);
	if (options->json)
		json_array(&showing.json);
	catch_interrupts();
	progress_start(&showing.progress, "reproduce", 1);
	int error = weir_run_reproduce(argv[0], (int)options->threads, seal_identities(), stop_requested(), show_progress, on_difference, &showing, &reproduction, &fault);
	progress_end(&showing.progress);
	if (!error && options->json) {
		print_json(&showing, &reproduction);
	} else if (!error) {
		fputs(text_string(&showing.differences), stdout);
		printf("inputs   %" PRIu64 " of %" PRIu64 " are what they were\n", reproduction.inputs - reproduction.inputs_changed, reproduction.inputs);
		printf("outputs  %" PRIu64 " of %" PRIu64 " came out the same\n", reproduction.outputs - reproduction.outputs_changed, reproduction.outputs);
	}
	text_free(&showing.differences);
	if (error)
		return report(command, &fault);
	return reproduction.inputs_changed || reproduction.outputs_changed ? EXIT_FAULT_IN_DATA : EXIT_FINE;
}

const struct command reproduce_command = {
	.name = "reproduce",
	.summary = "make a run again and compare every byte",
	.usage = "RUN",
	.description =
		"Makes a whole run again from its manifest.json, in a folder beside it that is deleted afterwards, and compares the SHA-256 of\n"
		"every input and every output. The exit status is 0 when all are the same, 1 when one is not.",
	.options = table,
	.options_size = sizeof(struct options),
	.least_arguments = 1,
	.most_arguments = 1,
	.options_anywhere = true,
	.run = run,
};
