/* weir merge: the packets of many capture files in time order. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/file.h>
#include <weir/stage.h>

#include "cli/cli.h"
#include "core/json.h"
#include "core/terminal.h"

struct options {
	const char *write;
	int64_t reorder;
	uint64_t memory;
	uint64_t level;
	bool json;
};

static const struct options defaults = {.reorder = 1000000000, .memory = (uint64_t)256 << 20};

static const struct option table[] = {
	{.name = "write", .letter = 'w', .type = OPTION_STRING, .offset = offsetof(struct options, write), .metavar = "OUT",
	 .help = "what to write, - for standard output; its ending says how (.pcap .pcapng, then .gz .zst .lz4)"},
	{.name = "reorder", .type = OPTION_DURATION, .offset = offsetof(struct options, reorder), .metavar = "TIME",
	 .help = "how late a packet may stand in its file and still get to its place; 0: files are sorted"},
	{.name = "memory", .type = OPTION_SIZE, .offset = offsetof(struct options, memory), .metavar = "SIZE",
	 .help = "for packets that wait for their turn"},
	{.name = "level", .letter = 'l', .type = OPTION_UNSIGNED, .offset = offsetof(struct options, level), .metavar = "N",
	 .least = 1, .most = 22, .help = "of the compression; else that of gzip, zstd or lz4"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "tell what was done as one JSON object"},
	{0},
};

static void on_progress(void *context, const struct weir_batch *batch)
{
	progress_update(context, batch->source_bytes);
}

/* Files that can be opened again are left to the merge; what else there is (pipes, standard input) is opened now. */
static int add_input(struct weir_merge_input *input, const char *path, uint64_t *total, struct weir_fault *fault)
{
	struct stat status;

	input->name = path;
	if (strcmp(path, "-") != 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
		input->path = path;
		*total += (uint64_t)status.st_size;
		return 0;
	}
	return weir_capture_open(path, NULL, &input->source, fault);
}

static int open_merge(const struct options *options, int count, char **paths, struct weir_source **source, uint64_t *total,
                      struct weir_fault *fault)
{
	struct weir_merge_options bounds = {.reorder_ns = options->reorder > 0 ? options->reorder : -1, .memory_bytes = options->memory};
	struct weir_merge_input *inputs = calloc((size_t)count, sizeof *inputs);
	int error = inputs ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory");

	*total = 0;
	for (int i = 0; i < count && !error; i++)
		error = add_input(&inputs[i], paths[i], total, fault);
	if (!error)
		error = weir_merge_open(inputs, (size_t)count, &bounds, source, fault);
	else if (inputs)
		for (int i = 0; i < count; i++)
			weir_source_close(inputs[i].source);
	free(inputs);
	return error;
}

static void tell(const struct command *command, const struct options *options, int count, const struct weir_merge_statistics *statistics)
{
	char number[FORMAT_SIZE], reorder[FORMAT_SIZE];

	if (statistics->late)
		warn(command, "%s %s later than %s or than what fits into the memory, and not in order: allow more (--reorder, --memory)",
		     format_count(statistics->late, number), statistics->late == 1 ? "packet stood" : "packets stood",
		     format_duration(options->reorder, reorder));
	if (!options->json)
		return;
	struct text text = {0};
	struct json json = json_into(&text);
	json_object(&json);
	json_put_unsigned(&json, "files", (uint64_t)count);
	json_put_unsigned(&json, "packets", statistics->packets);
	json_put_unsigned(&json, "late", statistics->late);
	json_end_object(&json);
	/* Standard output may be where the packets go. */
	fprintf(strcmp(options->write, "-") == 0 ? stderr : stdout, "%s\n", text_string(&text));
	text_free(&text);
}

static int merge(const struct command *command, const struct options *options, int count, char **paths, struct weir_fault *fault)
{
	struct weir_capture_writer_options writing = {
		.by_name = true,
		.level = (int)options->level,
		.merge = true,
		.stop = stop_requested(),
	};
	/* One thread reads and merges, the other writes. */
	struct weir_pipeline pipeline = {.threads = 2};
	struct weir_merge_statistics statistics;
	struct progress progress;
	uint64_t total;

	int error = open_merge(options, count, paths, &pipeline.source, &total, fault);
	if (!error)
		error = weir_capture_writer_open(options->write, &writing, &pipeline.sink, fault);
	if (!error) {
		progress_start(&progress, "merge", total);
		pipeline.progress = on_progress;
		pipeline.progress_context = &progress;
		catch_interrupts();
		error = weir_pipeline_run(&pipeline, fault);
		progress_end(&progress);
		weir_merge_statistics(pipeline.source, &statistics);
		tell(command, options, count, &statistics);
	}
	weir_sink_close(pipeline.sink);
	weir_source_close(pipeline.source);
	return error;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct weir_fault fault;

	weir_fault_clear(&fault);
	if (!options->write) {
		weir_fail(&fault, WEIR_E_USAGE, "says not what to write: -w OUT is missing");
		return report(command, &fault);
	}
	int error = merge(command, options, argc, argv, &fault);
	return error ? report(command, &fault) : EXIT_FINE;
}

const struct command merge_command = {
	.name = "merge",
	.summary = "merge capture files in time order",
	.usage = "FILE... -w OUT",
	.description =
		"Writes the packets of all files (pcap or pcapng, plain or compressed; - is standard input) in time order into one. Files may\n"
		"be nearly sorted: a packet that stands up to --reorder late within its file gets to its place. Packets of equal times stand\n"
		"in the order of the files.\n"
		"\n"
		"Any number of files: only those whose times overlap are open at once. Of a damaged file everything before the damage is\n"
		"written, and the exit status is 1.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
