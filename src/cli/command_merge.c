/* weir merge: the packets of many capture files in time order. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/file.h>
#include <weir/stage.h>

#include "cli/cli.h"
#include "cli/seal_options.h"
#include "core/json.h"
#include "core/terminal.h"

struct options {
	const char *write;
	int64_t reorder;
	uint64_t memory;
	uint64_t level;
	bool no_correct;
	bool json;
	struct option_list identity;
};

static const struct options defaults = {.reorder = 1000000000, .memory = (uint64_t)256 << 20};

static const struct option table[] = {
	{.name = "write", .letter = 'w', .type = OPTION_STRING, .offset = offsetof(struct options, write), .metavar = "OUT",
	 .help = "what to write, - for standard output; its ending says how (.pcap .pcapng, then .gz .zst .lz4)"},
	{.name = "no-correct", .type = OPTION_FLAG, .offset = offsetof(struct options, no_correct),
	 .help = "leave all times as they are: clocks are not compared, and files read once"},
	{.name = "reorder", .type = OPTION_DURATION, .offset = offsetof(struct options, reorder), .metavar = "TIME",
	 .help = "how late a packet may stand in its file and still get to its place; 0: files are sorted"},
	{.name = "memory", .type = OPTION_SIZE, .offset = offsetof(struct options, memory), .metavar = "SIZE",
	 .help = "for packets that wait for their turn"},
	{.name = "level", .letter = 'l', .type = OPTION_UNSIGNED, .offset = offsetof(struct options, level), .metavar = "N",
	 .least = 1, .most = 22, .help = "of the compression; else that of gzip, zstd or lz4"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json), .help = "tell what was done as one JSON object"},
	IDENTITY_ROW(struct options, identity),
	{0},
};

static void on_progress(void *context, const struct weir_batch *batch)
{
	progress_update(context, batch->source_bytes);
}

/* What is merged, and what is known of its clocks. */
struct work {
	const struct command *command;
	const struct options *options;
	char **paths;
	int count;
	uint64_t bytes;              /* of all files */
	bool again;                  /* all of them are files that can be read twice */
	uint32_t *vantages;          /* of each path; NULL: not known */
	struct weir_clock_estimator *estimator;
	const struct weir_clock_estimate *estimates;
	size_t estimate_count;
};

static bool is_file(const char *path, uint64_t *bytes)
{
	struct stat status;

	if (strcmp(path, "-") == 0 || stat(path, &status) != 0 || !S_ISREG(status.st_mode))
		return false;
	*bytes += (uint64_t)status.st_size;
	return true;
}

/* Reads all files once and compares their clocks. */
static int estimate(struct work *work, struct weir_fault *fault)
{
	/* 700,000 packets: more of them make clocks no better known, only their comparison slower. */
	uint64_t most = (uint64_t)64 << 20;
	struct weir_clock_estimator_options options = {
		.memory_bytes = work->options->memory < most ? work->options->memory : most,
		.reference = UINT32_MAX,
	};
	struct progress progress;
	struct weir_clock_reading reading = {.threads = 2, .stop = stop_requested(), .progress = on_progress, .progress_context = &progress,
	                                     .identities = seal_identities()};

	if (!work->again || work->count < 2) {
		if (!work->again && work->count > 1)
			warn(work->command, "clocks are not corrected: what comes through a pipe can't be read twice");
		return 0;
	}
	work->vantages = calloc((size_t)work->count, sizeof *work->vantages);
	int error = work->vantages ? weir_clock_estimator_new(&options, &work->estimator, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory");
	if (error)
		return error;
	progress_start(&progress, "compare clocks", work->bytes);
	error = weir_clock_estimator_read_files(work->estimator, (const char *const *)work->paths, (size_t)work->count, &reading,
	                                        work->vantages, fault);
	progress_end(&progress);
	if (!error && atomic_load_explicit((_Atomic int *)stop_requested(), memory_order_relaxed))
		error = weir_fail(fault, WEIR_E_INTERRUPTED, "%s was not written: interrupted", work->options->write);
	if (!error)
		error = weir_clock_estimator_solve(work->estimator, &work->estimates, &work->estimate_count, fault);
	return error;
}

static const char *name_of(const struct work *work, uint32_t vantage)
{
	for (int i = 0; i < work->count; i++)
		if (work->vantages[i] == vantage)
			return work->paths[i];
	return "?";
}

static const char *signed_duration(int64_t ns, char out[static FORMAT_SIZE])
{
	double seconds = (double)ns / 1e9;

	snprintf(out, FORMAT_SIZE, "%+.6f s", seconds);
	return out;
}

/* "± 12 µs" */
static const char *uncertainty(int64_t ns, char out[static FORMAT_SIZE])
{
	if (ns == WEIR_CLOCK_UNKNOWN)
		snprintf(out, FORMAT_SIZE, "not known");
	else
		snprintf(out, FORMAT_SIZE, "%.1f µs", (double)ns / 1e3);
	return out;
}

static void show_clocks(const struct work *work, FILE *out)
{
	static const char *const headings[] = {"clock of", "corrected by", "drift", "steps", "uncertainty (95 %)", "shared", "false", "from"};
	struct table *shown = table_new("lrrrrrrl", headings);
	char text[FORMAT_SIZE];

	for (size_t i = 0; shown && i < work->estimate_count; i++) {
		const struct weir_clock_estimate *estimate = &work->estimates[i];
		bool corrected = estimate->clock.count > 0;
		table_cell(shown, "%s", name_of(work, estimate->vantage));
		table_cell(shown, "%s", corrected ? signed_duration(estimate->offset_ns, text) : "");
		if (corrected)
			table_cell(shown, "%+.2f ppm", estimate->drift * 1e6);
		else
			table_cell(shown, "%s", "");
		table_cell(shown, "%s", corrected ? format_count(estimate->steps, text) : "");
		table_cell(shown, "%s", corrected ? uncertainty(estimate->uncertainty_ns, text) : "");
		table_cell(shown, "%s", corrected ? format_count(estimate->matches, text) : "");
		table_cell(shown, "%s", corrected ? format_count(estimate->rejected, text) : "");
		table_cell(shown, "%s", weir_clock_basis_name(estimate->basis));
	}
	if (shown)
		table_print(shown, out);
	table_free(shown);
}

static void json_clocks(const struct work *work, struct json *json)
{
	json_key(json, "clocks");
	json_array(json);
	for (size_t i = 0; i < work->estimate_count; i++) {
		const struct weir_clock_estimate *estimate = &work->estimates[i];
		json_object(json);
		json_put_string(json, "vantage", name_of(work, estimate->vantage));
		json_put_string(json, "basis", weir_clock_basis_name(estimate->basis));
		json_put_string(json, "reference", name_of(work, estimate->reference));
		json_put_string(json, "compared", name_of(work, estimate->compared));
		json_put_unsigned(json, "seen", estimate->seen);
		if (estimate->clock.count) {
			json_put_signed(json, "offset_ns", estimate->offset_ns);
			json_put_double(json, "drift_ppm", estimate->drift * 1e6);
			json_put_unsigned(json, "steps", estimate->steps);
			json_put_signed(json, "uncertainty_ns", estimate->uncertainty_ns);
			json_put_unsigned(json, "matches", estimate->matches);
			json_put_unsigned(json, "rejected", estimate->rejected);
			json_key(json, "knots");
			json_array(json);
			for (size_t k = 0; k < estimate->clock.count; k++) {
				const struct weir_clock_knot *knot = &estimate->clock.knots[k];
				json_object(json);
				json_put_signed(json, "time_ns", knot->time_ns);
				json_put_signed(json, "correction_ns", knot->correction_ns);
				json_put_signed(json, "uncertainty_ns", knot->uncertainty_ns);
				json_end_object(json);
			}
			json_end_array(json);
		}
		json_end_object(json);
	}
	json_end_array(json);
}

static int open_merge(const struct work *work, struct weir_source **source, struct weir_fault *fault)
{
	const struct options *options = work->options;
	struct weir_merge_options bounds = {.reorder_ns = options->reorder > 0 ? options->reorder : -1, .memory_bytes = options->memory,
	                                    .identities = seal_identities()};
	struct weir_merge_input *inputs = calloc((size_t)work->count, sizeof *inputs);
	uint64_t bytes = 0;
	int error = inputs ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory");

	for (int i = 0; i < work->count && !error; i++) {
		inputs[i].name = work->vantages ? name_of(work, work->vantages[i]) : work->paths[i];
		if (work->vantages && work->vantages[i] < work->estimate_count)
			inputs[i].clock = work->estimates[work->vantages[i]].clock;
		if (is_file(work->paths[i], &bytes))
			inputs[i].path = work->paths[i];
		else
			error = weir_capture_open(work->paths[i], seal_capture_options(), &inputs[i].source, fault);
	}
	if (!error)
		error = weir_merge_open(inputs, (size_t)work->count, &bounds, source, fault);
	else if (inputs)
		for (int i = 0; i < work->count; i++)
			weir_source_close(inputs[i].source);
	free(inputs);
	return error;
}

static void tell(const struct work *work, const struct weir_merge_statistics *statistics)
{
	char number[FORMAT_SIZE], reorder[FORMAT_SIZE];
	/* Standard output may be where the packets go. */
	FILE *out = strcmp(work->options->write, "-") == 0 ? stderr : stdout;
	size_t corrected = 0;

	for (size_t i = 0; i < work->estimate_count; i++)
		corrected += work->estimates[i].clock.count > 0;
	if (statistics->late)
		warn(work->command, "%s %s later than %s or than what fits into the memory, and not in order: allow more (--reorder, --memory)",
		     format_count(statistics->late, number), statistics->late == 1 ? "packet stood" : "packets stood",
		     format_duration(work->options->reorder, reorder));
	if (!work->options->json) {
		if (corrected)
			show_clocks(work, out);
		else if (work->estimate_count > 1)
			fprintf(out, "clocks not corrected: the files share too few packets to compare them\n");
		return;
	}
	struct text text = {0};
	struct json json = json_into(&text);
	json_object(&json);
	json_put_unsigned(&json, "files", (uint64_t)work->count);
	json_put_unsigned(&json, "packets", statistics->packets);
	json_put_unsigned(&json, "late", statistics->late);
	json_clocks(work, &json);
	json_end_object(&json);
	fprintf(out, "%s\n", text_string(&text));
	text_free(&text);
}

static int merge(struct work *work, struct weir_fault *fault)
{
	struct weir_capture_writer_options writing = {
		.by_name = true,
		.level = (int)work->options->level,
		.merge = true,
		.stop = stop_requested(),
	};
	/* One thread reads and merges, the other writes. */
	struct weir_pipeline pipeline = {.threads = 2};
	struct weir_merge_statistics statistics;
	struct progress progress;

	int error = open_merge(work, &pipeline.source, fault);
	if (!error)
		error = weir_capture_writer_open(work->options->write, &writing, &pipeline.sink, fault);
	if (!error) {
		progress_start(&progress, "merge", work->bytes);
		pipeline.progress = on_progress;
		pipeline.progress_context = &progress;
		error = weir_pipeline_run(&pipeline, fault);
		progress_end(&progress);
		weir_merge_statistics(pipeline.source, &statistics);
		tell(work, &statistics);
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
	struct work work = {.command = command, .options = options, .paths = argv, .count = argc, .again = true};
	for (int i = 0; i < argc; i++)
		work.again &= is_file(argv[i], &work.bytes);
	catch_interrupts();
	int error = options->no_correct ? 0 : estimate(&work, &fault);
	if (!error)
		error = merge(&work, &fault);
	weir_clock_estimator_free(work.estimator);
	free(work.vantages);
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
		"Where files share packets their clocks are compared, and times corrected to one clock: offset, drift, and where a clock was set.\n"
		"What was corrected is printed, with its uncertainty. --no-correct leaves times alone.\n"
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
