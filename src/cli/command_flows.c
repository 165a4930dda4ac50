/* weir flows: flow records, made of packets or read back, listed, grouped and written in another form. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/archive.h>
#include <weir/flow.h>

#include "cli/flows.h"
#include "cli/seal_options.h"
#include "core/clock.h"

struct options {
	const char *by, *sum, *sort, *format, *write, *from, *to;
	int64_t idle, active;
	uint64_t top, memory;
	uint64_t threads;
	bool json, local, no_applications;
	struct option_list identity;
};

static const struct option table[] = {
	{.name = "by", .type = OPTION_STRING, .offset = offsetof(struct options, by), .metavar = "COLUMNS",
	 .help = "group by these: application,destination_port or source_address/24 or host (either end) or flow_start/5m"},
	{.name = "sum", .type = OPTION_STRING, .offset = offsetof(struct options, sum), .metavar = "COLUMNS",
	 .help = "what to sum of each group, or all; else packets and bytes of both directions, first and last time"},
	{.name = "top", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, top), .metavar = "N", .least = 1, .most = UINT32_MAX,
	 .help = "the first N only"},
	{.name = "sort", .type = OPTION_STRING, .offset = offsetof(struct options, sort), .metavar = "COLUMN",
	 .help = "largest first, times earliest first; of packets and bytes both directions together"},
	{.name = "format", .letter = 'f', .type = OPTION_CHOICE, .offset = offsetof(struct options, format), .metavar = "FORMAT",
	 .choices = "table|csv|json|parquet|ipfix|nf9", .help = "what to write"},
	{.name = "write", .letter = 'w', .type = OPTION_STRING, .offset = offsetof(struct options, write), .metavar = "OUT",
	 .help = "where to, - for standard output; ipfix and nf9 also udp:HOST:PORT and tcp:HOST:PORT"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "the same as -f json"},
	{.name = "from", .type = OPTION_MOMENT, .offset = offsetof(struct options, from), .metavar = "TIME",
	 .help = "from this moment on: 2026-11-23T10:00, 10:00, @1700000000, -10m"},
	{.name = "to", .type = OPTION_MOMENT, .offset = offsetof(struct options, to), .metavar = "TIME", .help = "up to this moment, inclusive"},
	{.name = "local", .type = OPTION_FLAG, .offset = offsetof(struct options, local), .help = "times in local time instead of UTC"},
	{.name = "memory", .type = OPTION_SIZE, .offset = offsetof(struct options, memory), .metavar = "SIZE",
	 .help = "for open flows, and for what is grouped or sorted"},
	{.name = "idle", .type = OPTION_DURATION, .offset = offsetof(struct options, idle), .metavar = "DURATION",
	 .help = "packets: a flow ends when nothing came for so long; 0: never"},
	{.name = "active", .type = OPTION_DURATION, .offset = offsetof(struct options, active), .metavar = "DURATION",
	 .help = "packets: a flow that goes on for so long gets another record; 0: never"},
	{.name = "no-applications", .type = OPTION_FLAG, .offset = offsetof(struct options, no_applications),
	 .help = "packets: name no applications"},
	{.name = "threads", .type = OPTION_UNSIGNED, .offset = offsetof(struct options, threads), .metavar = "N", .least = 1, .most = 64,
	 .help = "packets: that share the work"},
	IDENTITY_ROW(struct options, identity),
	{0},
};

static const struct options defaults = {
	.write = "-", .idle = 90 * NS_PER_SECOND, .active = 1800 * NS_PER_SECOND, .memory = UINT64_C(1) << 30, .threads = 2,
};

/* What is asked for, or what is wrong with it. */
static int make_request(const struct options *options, struct flows_request *request, struct weir_fault *fault)
{
	int64_t now_ns = clock_wall_ns();
	int error = 0;

	*request = (struct flows_request){
		.no_applications = options->no_applications, .threads = (int)options->threads,
		.from_ns = WEIR_TIME_FIRST, .to_ns = WEIR_TIME_LAST, .idle_ns = options->idle, .active_ns = options->active,
		.memory_bytes = options->memory, .top = options->top, .write = options->write, .sort = options->sort, .local = options->local,
		.grouped = options->by != NULL, .stop = stop_requested(),
		.format = options->format ? options->format : options->json ? "json" : "table",
	};
	if (options->json && strcmp(request->format, "json") != 0)
		return weir_fail(fault, WEIR_E_USAGE, "--json and -f %s are two formats", request->format);
	if (options->sum && !options->by)
		return weir_fail(fault, WEIR_E_USAGE, "--sum says what to sum of groups: say by what to group (--by)");
	if (options->by && strcmp(request->format, "table") != 0 && strcmp(request->format, "csv") != 0 && strcmp(request->format, "json") != 0)
		return weir_fail(fault, WEIR_E_USAGE, "groups are no flow records: they can be written as table, csv or json");
	bool binary = strcmp(request->format, "parquet") == 0 || strcmp(request->format, "ipfix") == 0 || strcmp(request->format, "nf9") == 0;
	if (binary && strcmp(request->write, "-") == 0 && isatty(STDOUT_FILENO))
		return weir_fail(fault, WEIR_E_USAGE, "%s is nothing for a terminal: say where to with -w", request->format);
	if (options->from)
		error = parse_moment(options->from, now_ns, options->local, &request->from_ns, fault);
	if (!error && options->to)
		error = parse_moment(options->to, now_ns, options->local, &request->to_ns, fault);
	if (!error && request->from_ns > request->to_ns)
		error = weir_fail(fault, WEIR_E_USAGE, "the time asked for ends before it begins");
	if (!error && options->by)
		error = aggregate_parse_keys(options->by, &request->plan, fault);
	if (!error && options->by)
		error = aggregate_parse_sums(options->sum, &request->plan, fault);
	return error;
}

/* With more threads than one it is written beside the rest: it takes about as long as to make the records. */
static int open_parquet(const struct flows_request *request, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	int error = weir_flow_parquet_open(request->write, NULL, sink, fault);

	if (!error && request->threads > 1) {
		error = weir_flow_background(sink, fault);
		if (error)
			(*sink)->ops->close(*sink);
	}
	return error;
}

/* What writes records of the format. */
static int open_writer(const struct flows_request *request, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	if (strcmp(request->format, "csv") == 0)
		return weir_flow_csv_open(request->write, sink, fault);
	if (strcmp(request->format, "json") == 0)
		return weir_flow_json_open(request->write, sink, fault);
	if (strcmp(request->format, "parquet") == 0)
		return open_parquet(request, sink, fault);
	if (strcmp(request->format, "ipfix") == 0)
		return weir_flow_export_open(request->write, WEIR_EXPORT_IPFIX, sink, fault);
	if (strcmp(request->format, "nf9") == 0)
		return weir_flow_export_open(request->write, WEIR_EXPORT_NETFLOW9, sink, fault);
	return flows_table_open(request->write, request->local, sink, fault);
}

static int open_output(const struct flows_request *request, struct weir_flow_sink **sink, struct weir_fault *fault)
{
	struct weir_flow_sink *writer;

	if (request->grouped)
		return flows_groups_open(request, sink, fault);
	int error = open_writer(request, &writer, fault);
	if (error || (!request->top && !request->sort)) {
		*sink = error ? NULL : writer;
		return error;
	}
	error = flows_order_open(request->sort ? request->sort : "wire_bytes", request->top, request->memory_bytes, writer, sink, fault);
	if (error)
		writer->ops->close(writer);
	return error;
}

/* The files of a kind, in their order. */
static size_t files_of(const struct flows_files *files, enum flows_kind kind, struct flows_file *out)
{
	size_t count = 0;

	for (size_t i = 0; i < files->count; i++)
		if (files->items[i].kind == kind)
			out[count++] = files->items[i];
	return count;
}

/*
 * Captures are read together, in order of time, and files of datagrams, as they share templates; everything else one after the other. Damage
 * ends the run; what came before it is kept.
 */
static int read_all(const struct command *command, const struct flows_files *files, const struct flows_request *request,
                    struct weir_flow_sink *sink, struct weir_fault *fault)
{
	struct flows_file *together = calloc(files->count, sizeof *together);
	int error = together ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory to read flows");
	size_t count;

	for (size_t i = 0; i < files->count && !error && !*request->stop; i++) {
		const struct flows_file *file = &files->items[i];
		if (file->kind == FLOWS_CAMPAIGN)
			error = flows_make(command, file, 1, request, sink, fault);
		else if (file->kind == FLOWS_PARQUET)
			error = flows_read_parquet(file, request, sink, fault);
	}
	if (!error && (count = files_of(files, FLOWS_DATAGRAMS, together)) > 0)
		error = flows_read_datagrams(command, together, count, request, sink, fault);
	if (!error && (count = files_of(files, FLOWS_PACKETS, together)) > 0)
		error = flows_make(command, together, count, request, sink, fault);
	free(together);
	return error;
}

static int flows(const struct command *command, const struct flows_files *files, const struct flows_request *request, struct weir_fault *fault)
{
	struct weir_flow_sink *sink = NULL;
	struct weir_fault finish_fault;
	int error = open_output(request, &sink, fault);

	if (error)
		return error;
	error = read_all(command, files, request, sink, fault);
	/* Of a damaged input what is sound is given, but not of one for which there was no memory. */
	if (!error || (*request->began && exit_status_of(error) == EXIT_FAULT_IN_DATA)) {
		int finished = sink->ops->finish(sink, &finish_fault);
		if (finished && !error) {
			*fault = finish_fault;
			error = finished;
		}
	}
	sink->ops->close(sink);
	return error;
}

/* Arguments up to the first that is no file or folder are paths; the rest is the filter. */
static int split_arguments(int argc, char **argv, struct flows_files *files, int *first, struct weir_fault *fault)
{
	struct stat status;
	int error = flows_files_add(files, argv[0], fault);

	for (*first = 1; *first < argc && !error && stat(argv[*first], &status) == 0; ++*first)
		error = flows_files_add(files, argv[*first], fault);
	return error;
}

/* Open flows and what is grouped or sorted are there at the same time: each gets a half. */
static void share_memory(struct flows_request *request, const struct flows_files *files)
{
	bool packets = false;

	for (size_t i = 0; i < files->count; i++)
		packets |= files->items[i].kind == FLOWS_PACKETS || files->items[i].kind == FLOWS_CAMPAIGN;
	if (packets)
		request->memory_bytes /= 2;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	struct flows_request request;
	struct flows_files files = {0};
	struct weir_fault fault = {0};
	char *filter = NULL;
	bool began = false;
	int first = 0;

	catch_interrupts();
	signal(SIGPIPE, SIG_IGN);
	int error = make_request(values, &request, &fault);
	if (!error)
		error = split_arguments(argc, argv, &files, &first, &fault);
	if (!error && !(filter = join_arguments(first, argc, argv)))
		error = weir_fail(&fault, WEIR_E_MEMORY, "no memory for the filter");
	if (!error) {
		request.filter = filter;
		request.began = &began;
		share_memory(&request, &files);
		error = flows(command, &files, &request, &fault);
	}
	flows_files_free(&files);
	free(filter);
	/* A reader that goes away has seen enough. */
	return error && fault.system != EPIPE ? report(command, &fault) : EXIT_FINE;
}

const struct command flows_command = {
	.name = "flows",
	.summary = "make, list, group and convert flow records",
	.usage = "PATH... [FILTER]",
	.description =
		"Makes flow records of packets (capture files, campaigns) or reads them (Parquet, IPFIX and NetFlow files, folders of Parquet\n"
		"files), and lists them, groups them (--by) or writes them in another format. What a PATH is, is seen in its bytes.\n"
		"\n"
		"FILTER is a pcap-filter expression. Of packets, those that match become flows; a record matches when a packet of its flow would,\n"
		"in either direction, as far as the record tells.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
