/* weir convert: a capture file in another format. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/decode.h>
#include <weir/file.h>
#include <weir/filter.h>

#include "cli/cli.h"
#include "cli/policy_options.h"
#include "cli/seal_options.h"
#include "core/terminal.h"
#include "core/text.h"

struct options {
	const char *write;
	const char *format;
	const char *policy;
	uint64_t level;
	uint64_t packet_limit;
	struct option_list identity;
	struct seal_switches seal;
};

static const struct option table[] = {
	{.name = "write", .letter = 'w', .type = OPTION_STRING, .offset = offsetof(struct options, write), .metavar = "OUT",
	 .help = "what to write, - for standard output; its ending says how (.pcap .pcapng, then .gz .zst .lz4, then .age)"},
	{.name = "format", .type = OPTION_CHOICE, .offset = offsetof(struct options, format), .metavar = "FORMAT",
	 .choices = "pcap|nspcap|modified|pcapng", .help = "the format, whatever OUT is called"},
	{.name = "level", .letter = 'l', .type = OPTION_UNSIGNED, .offset = offsetof(struct options, level), .metavar = "N",
	 .least = 1, .most = 22, .help = "of the compression; else that of gzip, zstd or lz4"},
	POLICY_OPTION(struct options, policy, "keep only as much of each packet as the policy of this file allows"),
	{.name = "packet-limit", .type = OPTION_SIZE, .offset = offsetof(struct options, packet_limit), .metavar = "SIZE",
	 .help = "a packet of IN that claims more is damage; else what libpcap allows its link type"},
	IDENTITY_ROW(struct options, identity),
	RECIPIENT_ROWS(struct options, seal),
	PASSPHRASE_ROW(struct options, seal),
	{0},
};

static const struct {
	const char *name;
	enum weir_format format;
} formats[] = {
	{"pcap", WEIR_FORMAT_PCAP},
	{"nspcap", WEIR_FORMAT_PCAP_NS},
	{"modified", WEIR_FORMAT_PCAP_MODIFIED},
	{"pcapng", WEIR_FORMAT_PCAPNG},
};

static enum weir_format format_named(const char *name)
{
	for (size_t i = 0; name && i < sizeof formats / sizeof formats[0]; i++)
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].format;
	return WEIR_FORMAT_UNKNOWN;
}

static void on_progress(void *context, const struct weir_batch *batch)
{
	progress_update(context, batch->source_bytes);
}

static void lost(struct text *text, uint64_t count, const char *one, const char *many)
{
	char number[FORMAT_SIZE];

	if (count)
		text_add_format(text, "%s%s %s", text->length ? ", " : "", format_count(count, number), count == 1 ? one : many);
}

/* One line about what the target had no place for. */
static void tell_losses(const struct command *command, const char *name, const struct weir_sink *sink)
{
	struct weir_capture_writer_losses losses;
	struct text text = {0};

	weir_capture_writer_losses(sink, &losses);
	lost(&text, losses.blocks, "block (names, statistics, …)", "blocks (names, statistics, …)");
	lost(&text, losses.descriptions, "description of a section or interface", "descriptions of sections and interfaces");
	lost(&text, losses.packet_options, "packet's comment or options", "packets' comments or options");
	lost(&text, losses.interfaces, "further interface's identity", "further interfaces' identities");
	lost(&text, losses.times_rounded, "time's last digits", "times' last digits");
	lost(&text, losses.times_missing, "missing time (that of the packet before was taken)",
	     "missing times (those of the packets before were taken)");
	lost(&text, losses.extra_fields, "record's extra fields", "records' extra fields");
	if (text.length)
		warn(command, "%s has no place for %s", name, text_string(&text));
	text_free(&text);
}

/* The stage that drops what does not match; none when there is no expression. */
static int add_filter(struct weir_pipeline *pipeline, const char *expression, size_t *count, struct weir_fault *fault)
{
	struct weir_filter *filter;

	if (!expression[0])
		return 0;
	const struct weir_file_header *header = weir_capture_header(pipeline->source);
	int error = weir_filter_new(expression, (uint16_t)header->linktype, &filter, fault);
	if (error)
		return error;
	pipeline->stages[*count] = weir_filter_stage_new(filter);
	if (!pipeline->stages[*count])
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the filter");
	++*count;
	return 0;
}

/* The stages that keep as much as the policy says. */
static int add_policy(struct weir_pipeline *pipeline, const struct policies *policies, size_t *count, struct weir_fault *fault)
{
	if (!policies_cut(policies))
		return 0;
	pipeline->stages[*count] = weir_decode_stage_new();
	if (!pipeline->stages[*count])
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to decode packets");
	++*count;
	return policies_add_stages(policies, pipeline->stages, count, fault);
}

static int convert(const struct command *command, const struct options *options, const struct policies *policies, const char *path,
                   const char *expression, const struct weir_recipients *recipients, struct weir_fault *fault)
{
	struct weir_capture_options reading = {.packet_limit_bytes = (uint32_t)options->packet_limit, .identities = seal_identities()};
	struct weir_capture_writer_options writing = {
		.format = format_named(options->format),
		.by_name = true,
		.level = (int)options->level,
		.filtered = expression[0] != '\0' || policies_cut(policies),
		.recipients = recipients,
		.stop = stop_requested(),
	};
	/* Two threads: one reads and decompresses, the other makes records and writes. */
	struct weir_pipeline pipeline = {.threads = 2};
	struct progress progress;
	size_t stages = 0;

	int error = weir_capture_open(path, &reading, &pipeline.source, fault);
	if (!error)
		error = add_filter(&pipeline, expression, &stages, fault);
	if (!error)
		error = add_policy(&pipeline, policies, &stages, fault);
	if (!error)
		error = weir_capture_writer_open(options->write, &writing, &pipeline.sink, fault);
	if (!error) {
		progress_start(&progress, "convert", weir_capture_size(pipeline.source));
		pipeline.progress = on_progress;
		pipeline.progress_context = &progress;
		catch_interrupts();
		error = weir_pipeline_run(&pipeline, fault);
		progress_end(&progress);
		tell_losses(command, options->write, pipeline.sink);
	}
	weir_sink_close(pipeline.sink);
	for (size_t i = 0; i < stages; i++)
		weir_stage_close(pipeline.stages[i]);
	weir_source_close(pipeline.source);
	return error;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct policies policies;
	struct weir_fault fault;

	weir_fault_clear(&fault);
	if (!options->write) {
		weir_fail(&fault, WEIR_E_USAGE, "says not what to write: -w OUT is missing");
		return report(command, &fault);
	}
	if (options->packet_limit > UINT32_MAX / 2) {
		weir_fail(&fault, WEIR_E_USAGE, "--packet-limit: at most 2G");
		return report(command, &fault);
	}
	char *expression = join_arguments(1, argc, argv);
	if (!expression) {
		weir_fail(&fault, WEIR_E_MEMORY, "no memory");
		return report(command, &fault);
	}
	struct weir_recipients *recipients = NULL;
	int error = policies_read(options->policy, NULL, &policies, &fault);
	if (!error)
		error = seal_recipients_of(&options->seal, &recipients, &fault);
	if (!error)
		error = convert(command, options, &policies, argv[0], expression, recipients, &fault);
	weir_recipients_free(recipients);
	policies_free(&policies);
	free(expression);
	return error ? report(command, &fault) : EXIT_FINE;
}

const struct command convert_command = {
	.name = "convert",
	.summary = "write a capture file in another format",
	.usage = "IN -w OUT [FILTER]",
	.description =
		"Reads a capture file (pcap or pcapng, plain or compressed; - is standard input) and writes it in another format. What\n"
		"the target can hold is kept: pcapng to pcapng is a copy of every block, and a pcap file that becomes pcapng and then\n"
		"pcap again is the same file. What it has no place for is told on standard error; packets that it can't hold end the\n"
		"conversion with an error.\n"
		"\n"
		"With FILTER, a pcap-filter expression, only the packets that match are written; with --policy no more of them than it allows. OUT gets its name when it is whole. Of\n"
		"a damaged file everything before the damage is written, and the exit status is 1.",
	.options = table,
	.options_size = sizeof(struct options),
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
