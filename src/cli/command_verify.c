/* weir verify: holds archives and capture files against themselves. */
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include "archive/chain.h"
#include "archive/verify.h"
#include "cli/cli.h"
#include "cli/seal_options.h"
#include "core/json.h"
#include "core/signing.h"
#include "core/terminal.h"
#include "core/text.h"

struct options {
	bool json, quiet, chains;
	struct option_list signers;
	const char *head;
	uint64_t threads;
	struct option_list identity;
};

static const struct option table[] = {
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json),
	 .help = "one object: what was checked, and an array of faults"},
	{.name = "quiet", .letter = 'q', .type = OPTION_FLAG, .offset = offsetof(struct options, quiet),
	 .help = "no summary, faults only"},
	{.name = "threads", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, threads), .metavar = "N", .least = 0,
	 .most = 64, .help = "0: one a core"},
	IDENTITY_ROW(struct options, identity),
	{.name = "signed", .type = OPTION_FLAG, .offset = offsetof(struct options, chains),
	 .help = "hold campaigns against what their nodes signed, and look at nothing else"},
	{.name = "signer", .type = OPTION_STRINGS, .offset = offsetof(struct options, signers), .metavar = "KEY",
	 .help = "the public key that may have signed (64 digits); else whichever did, which is told"},
	{.name = "head", .type = OPTION_STRING, .offset = offsetof(struct options, head), .metavar = "SHA256",
	 .help = "a line that a chain must have: the head that an earlier check told, so that cutting its end is found"},
	{0},
};

struct run {
	const struct command *command;
	const struct options *options;
	struct progress progress;
	struct text text;
	struct json json;
};

static void found(void *context, const struct weir_fault *fault)
{
	struct run *run = context;
	char text[1200];

	if (!run->options->json) {
		progress_end(&run->progress);
		printf("%s\n", weir_fault_text(fault, text, sizeof text));
		return;
	}
	json_object(&run->json);
	json_put_string(&run->json, "code", weir_error_name(fault->code));
	json_put_string(&run->json, "file", fault->file);
	json_key(&run->json, "offset");
	fault->offset >= 0 ? json_signed(&run->json, fault->offset) : json_null(&run->json);
	json_key(&run->json, "packet");
	fault->packet >= 0 ? json_signed(&run->json, fault->packet) : json_null(&run->json);
	json_put_string(&run->json, "message", fault->message);
	json_end_object(&run->json);
}

static void show_progress(void *context, uint64_t bytes)
{
	progress_update(&((struct run *)context)->progress, bytes);
}

static bool is_folder(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static void show_node(void *context, const char *node, const char *signer, uint64_t lines, const char *head)
{
	struct run *run = context;
	char count[FORMAT_SIZE];

	if (run->options->json || run->options->quiet)
		return;
	progress_end(&run->progress);
	printf("%s: %s lines signed by %s, head %s\n", node, format_count(lines, count), signer[0] ? signer : "nobody", head[0] ? head : "none");
}

static int check_path(struct run *run, struct verify *verify, const char *path, struct weir_fault *fault)
{
	const struct options *options = run->options;
	const struct chain_check chains = {
		.signers = options->signers.count ? options->signers.items : NULL, .signer_count = options->signers.count, .head = options->head,
		.node = show_node, .context = run,
	};

	if (!options->chains)
		return is_folder(path) ? verify_campaign(verify, path, fault) : verify_file(verify, path, fault);
	return is_folder(path) ? verify_chains(verify, path, &chains, fault)
	                       : weir_fail_at(fault, WEIR_E_USAGE, path, WEIR_NOWHERE, WEIR_NOWHERE, "is no campaign; --signed looks at campaigns");
}

/* Keys and sums are given as digits: a wrong one would not be found, and mean something else. */
static int check_options(const struct options *options, struct weir_fault *fault)
{
	uint8_t bytes[32];

	if (!options->chains && (options->signers.count || options->head))
		return weir_fail(fault, WEIR_E_USAGE, "--signer and --head go with --signed");
	for (size_t i = 0; i < options->signers.count; i++)
		if (!signing_from_hex(options->signers.items[i], sizeof bytes, bytes))
			return weir_fail(fault, WEIR_E_USAGE, "'%s' is no public key: 64 hexadecimal digits, as 'weir keys show' prints them", options->signers.items[i]);
	if (options->head && !signing_from_hex(options->head, sizeof bytes, bytes))
		return weir_fail(fault, WEIR_E_USAGE, "'%s' is no SHA-256: 64 hexadecimal digits", options->head);
	return 0;
}

static void put_counts(struct json *json, const struct verify_counts *counts)
{
	json_put_unsigned(json, "files", counts->files);
	json_put_unsigned(json, "segments", counts->segments);
	json_put_unsigned(json, "chunks", counts->chunks);
	json_put_unsigned(json, "signed_segments", counts->signed_segments);
	json_put_unsigned(json, "journals", counts->journals);
	json_put_unsigned(json, "packets", counts->packets);
	json_put_unsigned(json, "bytes", counts->bytes);
	json_put_unsigned(json, "indexes", counts->indexes);
	json_put_unsigned(json, "postings", counts->postings);
	json_put_unsigned(json, "ledger_rows", counts->ledger_rows);
	json_put_unsigned(json, "sealed", counts->sealed);
	json_put_unsigned(json, "fault_count", counts->faults);
}

static void summarise_signed(const struct verify_counts *counts)
{
	char segments[FORMAT_SIZE], bytes[FORMAT_SIZE], faults[FORMAT_SIZE];

	printf("checked %s signed segments in %s: ", format_count(counts->signed_segments, segments), format_size(counts->bytes, bytes));
	if (counts->faults)
		printf("%s fault%s\n", format_count(counts->faults, faults), counts->faults == 1 ? "" : "s");
	else
		printf("all as they were signed\n");
}

static void summarise(const struct verify_counts *counts, bool complete)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE], d[FORMAT_SIZE], e[FORMAT_SIZE];

	printf("checked");
	if (counts->segments)
		printf(" %s segments, %s chunks, %s index entries,", format_count(counts->segments, a), format_count(counts->chunks, b),
		       format_count(counts->postings, c));
	if (counts->ledger_rows)
		printf(" %s losses,", format_count(counts->ledger_rows, a));
	if (counts->files)
		printf(" %s capture files,", format_count(counts->files, a));
	printf(" %s packets in %s: %s\n", format_count(counts->packets, d), format_size(counts->bytes, e),
	       counts->faults == 0 ? complete ? "all sound" : "not everything could be checked" : counts->faults == 1 ? "1 fault" : format_count(counts->faults, a));
	if (counts->sealed)
		printf("%s of the segments are sealed: only lengths, sums and names were checked (--identity FILE for the rest)\n",
		       format_count(counts->sealed, b));
	if (counts->faults > 1)
		printf("%s faults\n", a);
}

static int run_verify(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct run run = {.command = command, .options = options};
	struct verify verify = {
		.threads = (int)options->threads, .stop = stop_requested(), .found = found, .progress = show_progress, .context = &run,
		.identities = seal_identities(),
	};
	struct weir_fault wrong = {0};
	int status = EXIT_FINE;

	if (check_options(options, &wrong))
		return report(command, &wrong);
	catch_interrupts();
	run.json = json_into(&run.text);
	if (options->json) {
		json_object(&run.json);
		json_key(&run.json, "faults");
		json_array(&run.json);
	}
	verify_begin(&verify);
	for (int i = 0; i < argc; i++) {
		struct weir_fault fault = {0};
		bool folder = is_folder(argv[i]);

		progress_start(&run.progress, "verify", folder ? verify.counts.bytes + verify_campaign_bytes(argv[i]) : 0);
		int code = check_path(&run, &verify, argv[i], &fault);
		progress_end(&run.progress);
		if (code < 0) {
			report(command, &fault);
			status = EXIT_COULD_NOT;
		}
	}
	if (options->json) {
		json_end_array(&run.json);
		put_counts(&run.json, &verify.counts);
		json_end_object(&run.json);
		if (run.text.failed) {
			struct weir_fault fault = {0};
			weir_fail(&fault, WEIR_E_MEMORY, "no memory for what was found");
			status = report(command, &fault);
		} else {
			puts(text_string(&run.text));
		}
	} else if (!options->quiet && options->chains) {
		summarise_signed(&verify.counts);
	} else if (!options->quiet) {
		summarise(&verify.counts, status == EXIT_FINE);
	}
	if (status == EXIT_FINE && verify.counts.faults)
		status = EXIT_FAULT_IN_DATA;
	text_free(&run.text);
	verify_end(&verify);
	return status;
}

const struct command verify_command = {
	.name = "verify",
	.summary = "check archives and capture files for damage",
	.usage = "PATH...",
	.description =
		"Checks campaigns, segments and capture files: every frame's checksum, every block, the order of times, every index entry\n"
		"against the packets, and the catalog and the ledger against the files. Says what is wrong and where, and goes on. The exit\n"
		"status is 1 when anything is wrong.",
	.options = table,
	.options_size = sizeof(struct options),
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run_verify,
};
