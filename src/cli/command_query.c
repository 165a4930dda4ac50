/* weir query: the packets of a campaign that match. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/archive.h>

#include "archive/query.h"
#include "cli/cli.h"
#include "cli/seal_options.h"
#include "cli/gaps.h"
#include "cli/print_options.h"
#include "core/clock.h"
#include "core/text.h"

struct options {
	const char *from, *to, *node, *interface, *write;
	int64_t last;
	uint64_t count, memory, threads;
	bool explain, no_gaps;
	struct print_switches print;
	struct option_list identity;
};

static const struct option table[] = {
	{.name = "from", .type = OPTION_MOMENT, .offset = offsetof(struct options, from), .metavar = "TIME",
	 .help = "from this moment on: 2026-11-23T10:00, 10:00, @1700000000, -10m"},
	{.name = "to", .type = OPTION_MOMENT, .offset = offsetof(struct options, to), .metavar = "TIME",
	 .help = "up to this moment, inclusive"},
	{.name = "last", .type = OPTION_DURATION, .offset = offsetof(struct options, last), .metavar = "DURATION",
	 .help = "from so long before now on: 10m"},
	{.name = "node", .type = OPTION_STRING, .offset = offsetof(struct options, node), .metavar = "NAME",
	 .help = "what this box captured only"},
	{.name = "iface", .type = OPTION_STRING, .offset = offsetof(struct options, interface), .metavar = "NAME",
	 .help = "what was captured on this interface only"},
	{.name = "write", .letter = 'w', .type = OPTION_STRING, .offset = offsetof(struct options, write), .metavar = "FILE",
	 .help = "into a capture file, its format by its name (.pcapng .pcap, also .gz .zst .lz4); - is standard output"},
	{.name = "count", .letter = 'c', .type = OPTION_UNSIGNED, .offset = offsetof(struct options, count), .metavar = "N", .least = 1,
	 .most = UINT64_MAX, .help = "stop after N packets"},
	{.name = "explain", .type = OPTION_FLAG, .offset = offsetof(struct options, explain),
	 .help = "say on standard error what was looked at, what was left out and why"},
	{.name = "memory", .type = OPTION_SIZE, .offset = offsetof(struct options, memory), .metavar = "SIZE",
	 .help = "for chunks that overlap in time"},
	{.name = "threads", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, threads), .metavar = "N", .least = 0,
	 .most = 64, .help = "0: one a core"},
	{.name = "no-gaps", .type = OPTION_FLAG, .offset = offsetof(struct options, no_gaps),
	 .help = "say nothing of the gaps in what was asked for"},
	PRINT_OPTION_ROWS(struct options, print),
	IDENTITY_ROW(struct options, identity),
	{0},
};

static const struct options defaults = {.memory = UINT64_C(512) << 20};

static int read_times(const struct options *options, struct weir_query *query, struct weir_fault *fault)
{
	int64_t now_ns = clock_wall_ns();
	int code = 0;

	query->from_ns = WEIR_TIME_FIRST;
	query->to_ns = WEIR_TIME_LAST;
	if (options->last && options->from)
		return weir_fail(fault, WEIR_E_USAGE, "--last and --from both say where to begin: give one");
	if (options->last)
		query->from_ns = now_ns - options->last;
	if (options->from)
		code = parse_moment(options->from, now_ns, options->print.local, &query->from_ns, fault);
	if (code == 0 && options->to)
		code = parse_moment(options->to, now_ns, options->print.local, &query->to_ns, fault);
	if (code == 0 && query->from_ns > query->to_ns)
		code = weir_fail(fault, WEIR_E_USAGE, "the time asked for ends before it begins");
	return code;
}

static void explain(const struct weir_source *source)
{
	struct weir_query_statistics s;
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE], d[FORMAT_SIZE];

	weir_query_statistics(source, &s);
	fprintf(stderr, "index asked for   %s\n", s.plan);
	fprintf(stderr, "segments          %s in the catalog, %s within the time, %s left by the index\n",
	        format_count(s.segments, a), format_count(s.segments_time, b), format_count(s.segments_index, c));
	fprintf(stderr, "chunks            %s in these, %s within the time, %s left by the index, %s read\n",
	        format_count(s.chunks, a), format_count(s.chunks_time, b), format_count(s.chunks_index, c), format_count(s.chunks_read, d));
	fprintf(stderr, "packets           %s looked at, %s match\n", format_count(s.packets_read, a),
	        format_count(s.packets_matched, b));
	fprintf(stderr, "bytes             %s read, %s decompressed\n", format_size(s.bytes_read, a),
	        format_size(s.bytes_decompressed, b));
}

static int open_sink(const struct options *options, struct weir_sink **sink, struct weir_fault *fault)
{
	struct weir_capture_writer_options writer = {.by_name = true, .merge = true};
	struct print_options print;

	if (options->write)
		return weir_capture_writer_open(options->write, &writer, sink, fault);
	int code = print_options_of(&options->print, &print, fault);
	if (code < 0)
		return code;
	*sink = print_sink_new(&print, STDOUT_FILENO, 0, options->print.line || isatty(STDOUT_FILENO));
	return *sink ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to print packets");
}

static int run_pipeline(const struct command *command, const struct options *options, struct weir_source *source,
                        struct weir_fault *fault)
{
	struct weir_sink *sink;
	int code = open_sink(options, &sink, fault);

	if (code < 0)
		return code;
	struct weir_pipeline pipeline = {.source = source, .sink = sink, .stop = stop_requested()};
	code = weir_pipeline_run(&pipeline, fault);
	weir_sink_close(sink);
	uint64_t missed = query_not_compiled(source);
	if (missed)
		warn(command, "the filter means nothing for the link type of %llu packets: they are left out", (unsigned long long)missed);
	return code;
}

static int query(const struct command *command, const struct options *options, struct weir_campaign *campaign, const char *filter,
                 struct weir_fault *fault)
{
	struct weir_query query = {
		.filter = filter, .node = options->node, .interface = options->interface, .memory_bytes = options->memory,
		.threads = (int)options->threads, .limit = options->count, .stop = stop_requested(),
	};
	struct weir_source *source;
	int code = read_times(options, &query, fault);

	if (code == 0)
		code = weir_query_open(campaign, &query, &source, fault);
	if (code < 0)
		return code;
	code = run_pipeline(command, options, source, fault);
	if (options->explain)
		explain(source);
	weir_source_close(source);
	struct weir_fault gaps_fault;
	if (!options->no_gaps && gaps_show(stderr, "weir query: ", campaign, &query, options->print.local, &gaps_fault) < 0)
		report(command, &gaps_fault);
	return code;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct weir_campaign *campaign = NULL;
	struct weir_fault fault = {0};
	char *filter = join_arguments(1, argc, argv);
	int code = filter ? 0 : weir_fail(&fault, WEIR_E_MEMORY, "no memory for the filter");

	catch_interrupts();
	/* A reader that goes away shows as EPIPE, and ends the run quietly. */
	signal(SIGPIPE, SIG_IGN);
	if (code == 0)
		code = weir_campaign_open(argv[0], WEIR_CAMPAIGN_READ, &campaign, &fault);
	if (code == 0)
		weir_campaign_unseal(campaign, seal_identities());
	if (code == 0)
		code = query(command, options, campaign, filter, &fault);
	weir_campaign_close(campaign);
	free(filter);
	return code < 0 ? report(command, &fault) : EXIT_FINE;
}

const struct command query_command = {
	.name = "query",
	.summary = "find packets in a campaign",
	.usage = "CAMPAIGN [FILTER]",
	.description =
		"Finds the packets of a campaign that match a pcap-filter expression, over all nodes and interfaces, in the order of time,\n"
		"and prints them as watch does, or writes them into a capture file. What cannot hold a match is not read. Gaps in the\n"
		"capture that touch what was asked for are told on standard error. Times are in UTC unless --local is given; what has no date is\n"
		"of today.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
