/* weir import: puts the captures of others into the archive. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/archive.h>
#include <weir/decode.h>

#include "archive/chain.h"
#include "cli/archive_options.h"
#include "cli/cli.h"
#include "cli/policy_options.h"
#include "cli/seal_options.h"
#include "core/clock.h"
#include "core/signing.h"
#include "core/terminal.h"
#include "core/text.h"

struct options {
	const char *node, *interface, *codec, *segment, *policy, *sign;
	uint64_t workers;
	bool buffered, quiet;
	struct option_list identity;
	struct seal_switches seal;
};

static const struct option table[] = {
	{.name = "node", .type = OPTION_STRING, .offset = offsetof(struct options, node), .metavar = "NAME",
	 .help = "the box that captured (this host's name)"},
	{.name = "iface", .type = OPTION_STRING, .offset = offsetof(struct options, interface), .metavar = "NAME",
	 .help = "the interface that it captured on (as the file says, else the file's name)"},
	{.name = "codec", .type = OPTION_STRING, .offset = offsetof(struct options, codec), .metavar = "CODEC",
	 .help = "zstd[:LEVEL], lz4[:LEVEL], auto (here: zstd:3) or none"},
	{.name = "segment", .type = OPTION_STRING, .offset = offsetof(struct options, segment), .metavar = "SIZE|TIME",
	 .help = "a new segment after so much (256M) or so long (60s)"},
	{.name = "workers", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, workers), .metavar = "N", .least = 0,
	 .most = 8, .help = "compressing threads, 0: one a core"},
	{.name = "sign", .type = OPTION_STRING, .offset = offsetof(struct options, sign), .metavar = "KEYFILE",
	 .help = "sign segments and ledger with this Ed25519 key (also: WEIR_SIGNING_KEY)"},
	POLICY_OPTION(struct options, policy, "keep no more than this policy allows, and that of the campaign"),
	{.name = "buffered", .type = OPTION_FLAG, .offset = offsetof(struct options, buffered),
	 .help = "through the page cache, not by direct I/O"},
	{.name = "quiet", .letter = 'q', .type = OPTION_FLAG, .offset = offsetof(struct options, quiet),
	 .help = "say nothing but what went wrong"},
	IDENTITY_ROW(struct options, identity),
	RECIPIENT_ROWS(struct options, seal),
	{0},
};

static const struct options defaults = {.codec = "zstd:1", .segment = "256M"};

/* What one run of the command holds. */
struct import {
	const struct command *command;
	const struct options *options;
	struct weir_campaign *campaign;
	struct weir_archive_options archive;
	struct weir_recipients *recipients; /* that were named; NULL: none */
	struct policies policies;
	struct progress progress;
	int64_t last_ns; /* of the last packet read */
	uint64_t packets, captured, stored, segments;
	int64_t started_ns;
};

static void show(void *context, const struct weir_batch *batch)
{
	struct import *import = context;
	if (batch->count)
		import->last_ns = batch->packets[batch->count - 1].time_ns;
	progress_update(&import->progress, batch->source_bytes);
}

/* The file's name without folders and without what tells its format. */
static void stem_of(const char *file, char *out, size_t size)
{
	static const char *const endings[] = {".gz", ".zst", ".lz4", ".pcapng", ".pcap", ".cap", ".ntar", ".dmp"};
	const char *slash = strrchr(file, '/');
	snprintf(out, size, "%s", strcmp(file, "-") == 0 ? "stdin" : slash ? slash + 1 : file);
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		size_t length = strlen(out), ending = strlen(endings[i]);
		if (length > ending && strcmp(out + length - ending, endings[i]) == 0)
			out[length - ending] = '\0';
	}
}

/* Where the packets were captured: what the file says, if it says one thing only. A pipe can't be looked into beforehand. */
static void vantage_of(const char *file, char *out, size_t size)
{
	struct weir_source *source;
	uint32_t count = 0;

	stem_of(file, out, size);
	if (strcmp(file, "-") == 0 || weir_capture_open(file, seal_capture_options(), &source, NULL) != 0)
		return;
	struct weir_batch *batch = weir_batch_new();
	if (batch && source->ops->fill(source, batch, NULL) > 0) {
		const struct weir_interface *const *interfaces = weir_capture_interfaces(source, &count);
		if (count == 1 && interfaces[0]->name[0])
			snprintf(out, size, "%s", interfaces[0]->name);
	}
	weir_batch_free(batch);
	weir_source_close(source);
}

/* The rest of a damaged file is not in the archive, and the ledger says so. */
static void enter_damage(struct import *import, const struct weir_fault *fault)
{
	char text[1200];
	struct weir_fault second;
	struct weir_loss loss = {
		.from_ns = import->last_ns,
		.to_ns = import->last_ns,
		.cause = WEIR_LOSS_DAMAGE,
		.packets = WEIR_UNKNOWN_COUNT,
		.bytes = WEIR_UNKNOWN_COUNT,
		.node = import->archive.node,
		.interface = import->archive.interface,
		.detail = weir_fault_text(fault, text, sizeof text),
	};
	if (weir_ledger_enter(import->campaign, &loss, &second) != 0)
		report(import->command, &second);
}

static bool is_damage(int code)
{
	return code == WEIR_E_FORMAT || code == WEIR_E_TRUNCATED || code == WEIR_E_CORRUPT;
}

static void say_done(const struct import *import, const char *file, const struct weir_archive_statistics *s)
{
	char packets[FORMAT_SIZE], captured[FORMAT_SIZE], written[FORMAT_SIZE];

	if (import->options->quiet)
		return;
	printf("%s: %s packets, %s, stored in %s: %llu segment%s of %s/%s\n", file, format_count(s->packets, packets),
	       format_size(s->captured_bytes, captured), format_size(s->written_bytes, written), (unsigned long long)s->segments,
	       s->segments == 1 ? "" : "s", import->archive.node, import->archive.interface);
	fflush(stdout);
}

/* Packets that the policy lets nothing be kept of are no loss, but are said. */
static void enter_withheld(struct import *import, const struct weir_stage *keep)
{
	struct weir_keep_statistics statistics;
	struct weir_fault fault;

	weir_keep_statistics(keep, &statistics);
	const struct weir_loss loss = {
		.from_ns = statistics.first_ns,
		.to_ns = statistics.last_ns,
		.cause = WEIR_LOSS_POLICY,
		.packets = statistics.dropped,
		.bytes = statistics.dropped_bytes,
		.node = import->archive.node,
		.interface = import->archive.interface,
		.detail = "the policy lets none of them be kept",
	};
	if (loss.packets && weir_ledger_enter(import->campaign, &loss, &fault) != 0)
		report(import->command, &fault);
}

static int run_pipeline(struct import *import, struct weir_source *source, struct weir_sink *sink, struct weir_fault *fault)
{
	struct weir_stage *decode = weir_decode_stage_new();
	if (!decode)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory");
	size_t stages = 1;
	struct weir_pipeline pipeline = {
		.source = source,
		.stages = {decode},
		.sink = sink,
		.stop = stop_requested(),
		.progress = show,
		.progress_context = import,
	};
	int error = policies_add_stages(&import->policies, pipeline.stages, &stages, fault);
	if (!error)
		error = weir_pipeline_run(&pipeline, fault);
	for (size_t i = 1; i < stages; i++)
		enter_withheld(import, pipeline.stages[i]);
	for (size_t i = 0; i < stages; i++)
		weir_stage_close(pipeline.stages[i]);
	return error;
}

static int import_file(struct import *import, const char *file, int *status)
{
	char vantage[256], name[64], comment[POLICIES_COMMENT];
	struct weir_archive_statistics statistics;
	struct weir_source *source = NULL;
	struct weir_sink *sink = NULL;
	struct weir_fault fault;
	int error;

	if (import->options->interface)
		snprintf(vantage, sizeof vantage, "%s", import->options->interface);
	else
		vantage_of(file, vantage, sizeof vantage);
	import->archive.interface = vantage;
	import->last_ns = 0;
	policies_comment(&import->policies, comment);
	import->archive.comment = comment;
	error = weir_capture_open(file, seal_capture_options(), &source, &fault);
	if (!error)
		error = weir_archive_sink_open(import->campaign, &import->archive, &sink, &fault);
	if (error)
		goto out;
	snprintf(name, sizeof name, "import %.50s", vantage);
	progress_start(&import->progress, name, weir_capture_size(source));
	error = run_pipeline(import, source, sink, &fault);
	progress_end(&import->progress);
	weir_archive_sink_statistics(sink, &statistics);
	say_done(import, file, &statistics);
	if (is_damage(error))
		enter_damage(import, &fault);
out:
	weir_sink_close(sink);
	weir_source_close(source);
	if (error) {
		int this_one = report(import->command, &fault);
		*status = this_one > *status ? this_one : *status;
	}
	return error;
}

/* What is read before anything is made: nobody finds half a campaign because an option was wrong. */
static int prepare(struct import *import, const char *campaign, struct weir_fault *fault)
{
	const struct options *options = import->options;
	struct signing_key *signer = NULL;

	int error = archive_options_codec(options->codec, &import->archive, fault);
	if (!error)
		error = archive_options_segment(options->segment, &import->archive, fault);
	if (!error)
		error = seal_recipients_of(&options->seal, &import->recipients, fault);
	import->archive.recipients = import->recipients;
	if (!error)
		error = policies_read(options->policy, campaign, &import->policies, fault);
	if (!error)
		error = archive_options_signer(options->sign, &signer, fault);
	if (!error)
		error = weir_campaign_open(campaign, WEIR_CAMPAIGN_CREATE, &import->campaign, fault);
	if (!error && signer)
		return campaign_sign_with(import->campaign, signer, fault);
	signing_key_free(signer);
	return error;
}

static void release(struct import *import)
{
	weir_campaign_close(import->campaign);
	policies_free(&import->policies);
	weir_recipients_free(import->recipients);
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct import import = {.command = command, .options = options};
	char host[256] = "localhost";
	struct weir_fault fault;
	int status = EXIT_FINE;

	gethostname(host, sizeof host - 1);
	import.archive.node = options->node ? options->node : host;
	import.archive.workers = (int)options->workers;
	import.archive.buffered = options->buffered;
	if (prepare(&import, argv[0], &fault)) {
		release(&import);
		return report(command, &fault);
	}
	catch_interrupts();
	for (int i = 1; i < argc; i++) {
		int error = import_file(&import, argv[i], &status);
		if (atomic_load(stop_requested())) {
			warn(command, "interrupted: what had been read of %s is in the archive%s", argv[i],
			     i + 1 < argc ? ", the files behind it are not" : "");
			status = EXIT_COULD_NOT;
			break;
		}
		/* Another file fares no better on a full disk. */
		if (error == WEIR_E_NO_SPACE)
			break;
	}
	release(&import);
	return status;
}

const struct command import_command = {
	.name = "import",
	.summary = "put captures of others into the archive",
	.usage = "CAMPAIGN FILE...",
	.description =
		"Reads capture files of any kind that weir reads (\"-\": standard input) into a campaign, which is created if it does not exist: "
		"bytes, times, interfaces, comments and options are kept. Of a damaged file, what is sound is kept, the rest is "
		"entered in the loss ledger, and the exit status is 1. Of a campaign that has a policy no more is kept than that allows.\n\n"
		"Memory: 64 MiB of packets waiting for compression and disk, 4 MiB more for each compressing thread and write under way, up to 24 MiB of index.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.least_arguments = 2,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
