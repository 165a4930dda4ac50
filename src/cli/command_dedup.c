/* weir dedup: a capture without its duplicates, and where they were seen. */
#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <weir/decode.h>
#include <weir/file.h>
#include <weir/stage.h>

#include "cli/cli.h"
#include "cli/seal_options.h"
#include "cli/dedup_prefer.h"
#include "cli/dedup_report.h"
#include "core/terminal.h"

struct options {
	const char *write;
	const char *window;
	bool each_interface;
	int64_t routed;
	const char *ignore;
	int64_t clock_error;
	const char *prefer;
	uint64_t memory;
	uint64_t level;
	bool json;
	struct option_list identity;
};

static const struct options defaults = {.window = "5", .ignore = "ttl,mac,vlan", .prefer = "earliest", .memory = (uint64_t)128 << 20};

static const struct option table[] = {
	{.name = "write", .letter = 'w', .type = OPTION_STRING, .offset = offsetof(struct options, write), .metavar = "OUT",
	 .help = "what to write, - for standard output; its ending says how (.pcap .pcapng, then .gz .zst .lz4); else only the report"},
	{.name = "window", .type = OPTION_STRING, .offset = offsetof(struct options, window), .metavar = "N|TIME",
	 .help = "packets with the same bytes among so many (editcap -D), or within that time (100ms; editcap -w), are duplicates; 0: none"},
	{.name = "each-interface", .type = OPTION_FLAG, .offset = offsetof(struct options, each_interface),
	 .help = "compare and count the packets of each interface by themselves in --window, as if it had a file of its own"},
	{.name = "routed", .type = OPTION_DURATION, .offset = offsetof(struct options, routed), .metavar = "TIME",
	 .help = "so are sightings of one IP packet at other places of its way within that time; 0: none"},
	{.name = "ignore", .type = OPTION_STRING, .offset = offsetof(struct options, ignore), .metavar = "LIST",
	 .help = "what may differ between these: any of ttl, mac, vlan"},
	{.name = "clock-error", .type = OPTION_DURATION, .offset = offsetof(struct options, clock_error), .metavar = "TIME",
	 .help = "how far apart the clocks of their vantages may be; else a tenth of --routed"},
	{.name = "prefer", .type = OPTION_STRING, .offset = offsetof(struct options, prefer), .metavar = "earliest|VANTAGE",
	 .help = "which sighting of a packet to keep: that at this interface (number, name, node or file), if there is one; files are read twice"},
	{.name = "memory", .type = OPTION_SIZE, .offset = offsetof(struct options, memory), .metavar = "SIZE",
	 .help = "for the packets that others are compared with"},
	{.name = "level", .letter = 'l', .type = OPTION_UNSIGNED, .offset = offsetof(struct options, level), .metavar = "N",
	 .least = 1, .most = 22, .help = "of the compression; else that of gzip, zstd or lz4"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "the report as one JSON object"},
	IDENTITY_ROW(struct options, identity),
	{0},
};

static void on_progress(void *context, const struct weir_batch *batch)
{
	progress_update(context, batch->source_bytes);
}

/* ---- what the options say ---- */

/* Digits alone are packets, anything else is a time. */
static int read_window(const char *string, struct weir_dedup_options *dedup, struct weir_fault *fault)
{
	uint64_t count;

	if (string[0] && string[strspn(string, "0123456789")]) {
		int error = parse_duration(string, &dedup->window_ns, fault);
		if (!error && dedup->window_ns <= 0)
			return weir_fail(fault, WEIR_E_USAGE, "--window: a time is more than nothing");
		return error;
	}
	int error = parse_unsigned(string, 0, 1000000, &count, fault);
	dedup->window = (uint32_t)count;
	return error;
}

static int read_ignored(const char *list, struct weir_dedup_options *dedup, struct weir_fault *fault)
{
	const struct {
		const char *name;
		bool *flag;
	} known[] = {{"ttl", &dedup->ignore_ttl}, {"mac", &dedup->ignore_mac}, {"vlan", &dedup->ignore_vlan}};

	while (*list) {
		size_t length = strcspn(list, ","), i = 0;
		while (i < 3 && (strlen(known[i].name) != length || strncmp(known[i].name, list, length) != 0))
			i++;
		if (i == 3)
			return weir_fail(fault, WEIR_E_USAGE, "--ignore: '%.*s' is none of ttl, mac, vlan", (int)length, list);
		*known[i].flag = true;
		list += length + (list[length] == ',');
	}
	return 0;
}

static int read_options(const struct options *options, struct weir_dedup_options *dedup, struct weir_fault *fault)
{
	*dedup = (struct weir_dedup_options){
		.each_interface = options->each_interface,
		.routed_ns = options->routed,
		.clock_ns = options->clock_error,
		.memory_bytes = options->memory,
	};
	int error = read_window(options->window, dedup, fault);
	if (!error)
		error = read_ignored(options->ignore, dedup, fault);
	/* Nobody outside shall know it; that it is another in every run changes no result. */
	if (!error && getrandom(&dedup->seed, sizeof dedup->seed, 0) != sizeof dedup->seed)
		return weir_fail(fault, WEIR_E_SYSTEM, "the system has no random numbers");
	return error;
}

/* ---- in and out ---- */

static int open_inputs(int count, char **paths, struct weir_source **source, uint64_t *total, struct weir_fault *fault)
{
	*total = 0;
	if (count == 1) {
		int error = weir_capture_open(paths[0], seal_capture_options(), source, fault);
		*total = error ? 0 : weir_capture_size(*source);
		return error;
	}
	const struct weir_merge_options bounds = {.identities = seal_identities()};
	struct weir_merge_input *inputs = calloc((size_t)count, sizeof *inputs);
	int error = inputs ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory");
	for (int i = 0; i < count && !error; i++) {
		struct stat status;
		inputs[i].name = paths[i];
		if (strcmp(paths[i], "-") != 0 && stat(paths[i], &status) == 0 && S_ISREG(status.st_mode)) {
			inputs[i].path = paths[i];
			*total += (uint64_t)status.st_size;
		} else {
			error = weir_capture_open(paths[i], seal_capture_options(), &inputs[i].source, fault);
		}
	}
	if (!error)
		error = weir_merge_open(inputs, (size_t)count, &bounds, source, fault);
	else if (inputs)
		for (int i = 0; i < count; i++)
			weir_source_close(inputs[i].source);
	free(inputs);
	return error;
}

static int consume_nothing(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	return 0;
}

static void close_nothing(struct weir_sink *sink)
{
}

static const struct weir_sink_ops nothing_ops = {.name = "nothing", .consume = consume_nothing, .close = close_nothing};

static int open_output(const struct options *options, int inputs, struct weir_sink *nothing, struct weir_sink **sink, struct weir_fault *fault)
{
	struct weir_capture_writer_options writing = {
		.by_name = true,
		.level = (int)options->level,
		.merge = inputs > 1,
		.filtered = true,
		.stop = stop_requested(),
	};

	nothing->ops = &nothing_ops;
	*sink = nothing;
	return options->write ? weir_capture_writer_open(options->write, &writing, sink, fault) : 0;
}

/*
 * The dedup stage, and before it for each batch the table of interfaces, which merged and plain sources keep in different places. One stage, because two would
 * work on different batches at once, and what the dedup stage tells of a packet is looked up in that table.
 */
struct names_stage {
	struct weir_stage base;
	struct dedup_names *names;
	struct weir_stage *dedup;
};

static int note_names(struct weir_stage *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct names_stage *stage = (struct names_stage *)base;

	stage->names->interfaces = batch->interfaces;
	stage->names->count = batch->interface_count;
	return stage->dedup->ops->process(stage->dedup, batch, fault);
}

static void close_names(struct weir_stage *base)
{
	weir_stage_close(((struct names_stage *)base)->dedup);
}

static const struct weir_stage_ops names_ops = {.name = "names", .process = note_names, .close = close_names};

/* What one reading of the files is made of. */
struct reading {
	struct weir_pipeline pipeline;
	struct names_stage noting;
	struct dedup_names names;
	struct weir_sink nothing;
	uint64_t total;
};

static int reading_open(struct reading *reading, const struct weir_dedup_options *wanted, int count, char **paths, struct weir_fault *fault)
{
	struct weir_pipeline *pipeline = &reading->pipeline;

	*reading = (struct reading){.pipeline = {.threads = 2, .stop = stop_requested()}, .noting = {{&names_ops}, &reading->names}};
	int error = open_inputs(count, paths, &pipeline->source, &reading->total, fault);
	if (error)
		return error;
	pipeline->stages[0] = weir_decode_stage_new();
	if (!pipeline->stages[0])
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for decoding");
	error = weir_dedup_stages_new(wanted, &pipeline->stages[1], &reading->noting.dedup, fault);
	pipeline->stages[2] = error ? NULL : &reading->noting.base;
	return error;
}

static void reading_close(struct reading *reading)
{
	weir_sink_close(reading->pipeline.sink);
	for (int i = 0; i < WEIR_PIPELINE_STAGES; i++)
		weir_stage_close(reading->pipeline.stages[i]);
	weir_source_close(reading->pipeline.source);
}

static int reading_run(struct reading *reading, const char *what, struct weir_fault *fault)
{
	struct progress progress;

	progress_start(&progress, what, reading->total);
	reading->pipeline.progress = on_progress;
	reading->pipeline.progress_context = &progress;
	int error = weir_pipeline_run(&reading->pipeline, fault);
	progress_end(&progress);
	return error;
}

/* The first reading when a vantage is preferred: finds out which packets change places. */
static int find_preferred(const struct options *options, struct weir_dedup_options wanted, int count, char **paths, struct dedup_prefer *prefer, struct weir_fault *fault)
{
	struct reading reading;
	struct stat status;

	if (!options->routed)
		return weir_fail(fault, WEIR_E_USAGE, "--prefer is about routed duplicates: --routed TIME is missing");
	for (int i = 0; i < count; i++)
		if (strcmp(paths[i], "-") == 0 || (stat(paths[i], &status) == 0 && !S_ISREG(status.st_mode)))
			return weir_fail(fault, WEIR_E_USAGE, "--prefer reads its files twice, which %s does not allow", paths[i]);
	wanted.on_copy = dedup_prefer_on_copy;
	wanted.context = prefer;
	int error = reading_open(&reading, &wanted, count, paths, fault);
	if (!error) {
		prefer->names = &reading.names;
		reading.pipeline.sink = &reading.nothing;
		reading.nothing.ops = &nothing_ops;
		error = reading_run(&reading, "dedup: looking", fault);
	}
	if (!error || exit_status_of(error) == EXIT_FAULT_IN_DATA)
		error = dedup_prefer_check(prefer, fault); /* of damage the second reading tells */
	reading_close(&reading);
	return error;
}

static int dedup(const struct options *options, int count, char **paths, struct weir_fault *fault)
{
	bool preferring = strcmp(options->prefer, "earliest") != 0;
	struct dedup_prefer prefer = {.vantage = options->prefer};
	struct weir_dedup_options wanted;
	struct reading reading = {0};

	catch_interrupts();
	int error = read_options(options, &wanted, fault);
	if (!error && preferring)
		error = find_preferred(options, wanted, count, paths, &prefer, fault);
	if (!error)
		error = reading_open(&reading, &wanted, count, paths, fault);
	if (!error)
		error = open_output(options, count, &reading.nothing, &reading.pipeline.sink, fault);
	if (!error) {
		if (preferring)
			reading.pipeline.stages[3] = dedup_prefer_stage(&prefer);
		error = reading_run(&reading, "dedup", fault);
		/* Standard output may be where the packets go. */
		FILE *out = options->write && strcmp(options->write, "-") == 0 ? stderr : stdout;
		dedup_report(reading.noting.dedup, &reading.names, options->json, out);
	}
	reading_close(&reading);
	dedup_prefer_free(&prefer);
	return error;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	struct weir_fault fault;

	weir_fault_clear(&fault);
	int error = dedup(values, argc, argv, &fault);
	return error ? report(command, &fault) : EXIT_FINE;
}

const struct command dedup_command = {
	.name = "dedup",
	.summary = "remove duplicates from capture files",
	.usage = "FILE... [-w OUT]",
	.description =
		"Writes a capture file without the packets that are duplicates of one before: the same bytes among the last packets, and,\n"
		"with --routed, the same IP packet at another place of its way: behind a router, at another mirror port. Several files are\n"
		"merged in time order. Says of each pair of vantages (interfaces) how many duplicates were seen first at one and then at\n"
		"the other, how much later, and how many routers lay between.\n"
		"\n"
		"Retransmissions and repeated pings are no duplicates to --routed. They may be to --window, which goes by bytes alone,\n"
		"as editcap does: --window 0 leaves that out. What is kept is written as it stands.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
