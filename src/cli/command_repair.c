/* weir repair: what is sound in a damaged capture file, and where the rest was. */
#include <stdio.h>
#include <string.h>

#include <weir/stage.h>

#include "cli/cli.h"
#include "cli/seal_options.h"
#include "core/json.h"
#include "core/terminal.h"
#include "core/text.h"

#define ROWS_MOST 1000 /* of the table; --json has all */
#define PIECE_BYTES ((size_t)64 << 10)

struct options {
	const char *write;
	bool report, json;
	struct option_list identity;
};

static const struct option table[] = {
	{.name = "write", .letter = 'w', .type = OPTION_STRING, .offset = offsetof(struct options, write), .metavar = "FILE",
	 .help = "write what is sound there (.pcap, .pcapng; .gz .zst .lz4)"},
	{.name = "report", .type = OPTION_FLAG, .offset = offsetof(struct options, report),
	 .help = "only look and tell: nothing is written"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json),
	 .help = "one object: an array of damaged ranges, and counts"},
	IDENTITY_ROW(struct options, identity),
	{0},
};

struct run {
	const struct options *options;
	struct table *table;
	struct text text;
	struct json json;
	FILE *out; /* standard error when the packets go to standard output */
	uint64_t ranges, bytes, packets;
	struct progress progress;
};

/* What --json has told goes out in pieces: damage can come by the million. */
static void put_out(struct run *run)
{
	fwrite(text_string(&run->text), 1, run->text.length, run->out);
	text_clear(&run->text);
}

static void put_time(struct json *json, const char *key, int64_t ns)
{
	char text[FORMAT_SIZE];

	json_put_string(json, key, ns == WEIR_NO_TIME ? NULL : format_time(ns, false, 9, text));
}

static const char *show_time(int64_t ns, char text[static FORMAT_SIZE])
{
	return ns == WEIR_NO_TIME ? "-" : format_time(ns, false, 6, text);
}

static void on_damage(void *context, const struct weir_damage *damage)
{
	struct run *run = context;
	char number[FORMAT_SIZE], before[FORMAT_SIZE], after[FORMAT_SIZE];

	run->ranges++;
	if (strcmp(damage->cause, "text-mode transfer") != 0)
		run->bytes += damage->to - damage->from;
	if (run->options->json) {
		json_object(&run->json);
		json_put_unsigned(&run->json, "from", damage->from);
		json_put_unsigned(&run->json, "to", damage->to);
		json_put_string(&run->json, "cause", damage->cause);
		json_put_unsigned(&run->json, "packets_before", damage->packets_before);
		put_time(&run->json, "before", damage->before_ns);
		put_time(&run->json, "after", damage->after_ns);
		json_end_object(&run->json);
		if (run->text.length >= PIECE_BYTES)
			put_out(run);
	} else if (run->table && run->ranges <= ROWS_MOST) {
		table_cell(run->table, "%llu", (unsigned long long)damage->from);
		table_cell(run->table, "%llu", (unsigned long long)damage->to);
		table_cell(run->table, "%s", damage->cause);
		table_cell(run->table, "%s", format_count(damage->packets_before, number));
		table_cell(run->table, "%s", show_time(damage->before_ns, before));
		table_cell(run->table, "%s", show_time(damage->after_ns, after));
	}
}

static void on_batch(void *context, const struct weir_batch *batch)
{
	struct run *run = context;

	run->packets += batch->count;
	progress_update(&run->progress, batch->source_bytes);
}

static int look_at(struct weir_sink *sink, struct weir_batch *batch, struct weir_fault *fault)
{
	(void)sink, (void)batch, (void)fault;
	return 0;
}

static int nothing_left(struct weir_sink *sink, struct weir_fault *fault)
{
	(void)sink, (void)fault;
	return 0;
}

static void close_nothing(struct weir_sink *sink) { (void)sink; }

static const struct weir_sink_ops looking_ops = {.name = "report", .consume = look_at, .finish = nothing_left, .close = close_nothing};

/* A section that says its own length says it wrong when something in it was left out. */
static bool tells_length(const struct weir_source *source)
{
	const struct weir_file_header *header = weir_repair_header(source);

	return header->format == WEIR_FORMAT_PCAPNG && header->raw.length >= 24 &&
	       weir_load64(header->raw.data + 16, header->big_endian) != UINT64_MAX;
}

static void begin_report(struct run *run)
{
	static const char *const headings[] = {"from", "to", "cause", "packets before", "last sound", "next sound"};

	run->ranges = run->bytes = run->packets = 0;
	table_free(run->table);
	run->table = NULL;
	text_clear(&run->text);
	run->json = json_into(&run->text);
	if (!run->options->json) {
		run->table = table_new("rrlrll", headings);
		return;
	}
	json_object(&run->json);
	json_key(&run->json, "damage");
	json_array(&run->json);
}

/* One pass. again: it has to be run again, with sections of unknown length. */
static int repair(struct run *run, const char *path, bool damaged, bool *again, struct weir_fault *fault)
{
	struct weir_sink looking = {.ops = &looking_ops};
	struct weir_capture_writer_options writing = {.by_name = true, .filtered = damaged, .stop = stop_requested()};
	struct weir_pipeline pipeline = {.threads = 2, .stop = stop_requested(), .progress = on_batch, .progress_context = run};

	begin_report(run);
	int error = weir_repair_open(path, seal_capture_options(), on_damage, run, &pipeline.source, fault);
	if (!error && run->options->report)
		pipeline.sink = &looking;
	else if (!error)
		error = weir_capture_writer_open(run->options->write, &writing, &pipeline.sink, fault);
	if (!error) {
		progress_start(&run->progress, "repair", weir_repair_size(pipeline.source));
		error = weir_pipeline_run(&pipeline, fault);
		progress_end(&run->progress);
		*again = !error && run->ranges && !damaged && !run->options->report && tells_length(pipeline.source);
	}
	weir_sink_close(pipeline.sink);
	weir_source_close(pipeline.source);
	return error;
}

static void summarise(struct run *run)
{
	char packets[FORMAT_SIZE], bytes[FORMAT_SIZE], ranges[FORMAT_SIZE];

	format_count(run->packets, packets);
	format_size(run->bytes, bytes);
	format_count(run->ranges, ranges);
	if (run->options->json) {
		json_end_array(&run->json);
		json_put_unsigned(&run->json, "damage_count", run->ranges);
		json_put_unsigned(&run->json, "damaged_bytes", run->bytes);
		json_put_unsigned(&run->json, "packets", run->packets);
		json_end_object(&run->json);
		text_add_char(&run->text, '\n');
		put_out(run);
		return;
	}
	if (run->table && run->ranges)
		table_print(run->table, run->out);
	if (run->ranges > ROWS_MOST)
		fprintf(run->out, "… the first %d of %s; --json lists all\n", ROWS_MOST, ranges);
	if (run->ranges)
		fprintf(run->out, "%s sound packets; %s damaged range%s, %s\n", packets, ranges, run->ranges == 1 ? "" : "s", bytes);
	else
		fprintf(run->out, "%s packets, all sound\n", packets);
}

static int run_repair(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct run run = {.options = options, .out = stdout};
	struct weir_fault fault;
	bool again = false;

	(void)argc;
	weir_fault_clear(&fault);
	if (!options->write == !options->report) {
		weir_fail(&fault, WEIR_E_USAGE, options->write ? "either -w OUT or --report" : "says not what to write: -w OUT is missing (or --report)");
		return report(command, &fault);
	}
	if (options->write && strcmp(options->write, "-") == 0)
		run.out = stderr;
	catch_interrupts();
	/* Standard input can't be read again. */
	int error = repair(&run, argv[0], strcmp(argv[0], "-") == 0, &again, &fault);
	if (!error && again)
		error = repair(&run, argv[0], true, &again, &fault);
	if (!error)
		summarise(&run);
	table_free(run.table);
	text_free(&run.text);
	if (error)
		return report(command, &fault);
	return run.ranges ? EXIT_FAULT_IN_DATA : EXIT_FINE;
}

const struct command repair_command = {
	.name = "repair",
	.summary = "keep what is sound in a damaged capture file",
	.usage = "IN -w OUT",
	.description =
		"Reads a damaged capture file (pcap or pcapng, plain or compressed; - is standard input), goes on after each damage with the\n"
		"next packet that is sound, and writes all that are to OUT, as they stand. Lost and foreign headers are made again from what\n"
		"the packets show. IN is never changed.\n"
		"\n"
		"Prints a table of the damaged ranges. The exit status is 1 when there was damage, and 0 when the file was sound: then OUT\n"
		"has the same content.",
	.options = table,
	.options_size = sizeof(struct options),
	.least_arguments = 1,
	.most_arguments = 1,
	.options_anywhere = true,
	.run = run_repair,
};
