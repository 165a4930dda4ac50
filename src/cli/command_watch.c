/* weir watch: a line a packet, from an interface or a file. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/decode.h>
#include <weir/file.h>
#include <weir/filter.h>
#include <weir/live.h>

#include "box/process_stage.h"
#include "cli/cli.h"
#include "cli/seal_options.h"
#include "cli/print_options.h"

extern char **environ;

struct options {
	const char *read, *interface;
	uint64_t count, snaplen;
	bool promiscuous, full, process, no_process;
	struct print_switches print;
	struct option_list identity;
};

static const struct options defaults = {.promiscuous = true};

static const struct option table[] = {
	{.name = "interface",
     .letter = 'i',
     .type = OPTION_STRING,
     .offset = offsetof(struct options, interface),
     .metavar = "IF",
     .help = "the interface to capture on"},
	{.name = "read",
     .letter = 'r',
     .type = OPTION_STRING,
     .offset = offsetof(struct options, read),
     .metavar = "FILE",
     .help = "the capture file to print; - is standard input"},
	{.name = "count",
     .letter = 'c',
     .type = OPTION_UNSIGNED,
     .offset = offsetof(struct options, count),
     .metavar = "N",
     .least = 1,
     .most = UINT64_MAX,
     .help = "end after so many packets"},
	{.name = "full",
     .letter = 'V',
     .type = OPTION_FLAG,
     .offset = offsetof(struct options, full),
     .help = "everything in each packet, as tshark -V tells it (needs tshark)"},
	{.name = "snaplen",
     .letter = 's',
     .type = OPTION_SIZE,
     .offset = offsetof(struct options, snaplen),
     .metavar = "BYTES",
     .help = "look at so many bytes of each packet"},
	{.name = "no-promisc",
     .letter = 'p',
     .type = OPTION_FLAG,
     .offset = offsetof(struct options, promiscuous),
     .no_flag = true,
     .help = "do not ask the interface for packets that are for others"},
	{.name = "process",
     .type = OPTION_FLAG,
     .offset = offsetof(struct options, process),
     .help = "the process of each packet of this box: as without it, but a fault when that can't be had"},
	{.name = "no-process",
     .type = OPTION_FLAG,
     .offset = offsetof(struct options, no_process),
     .help = "not which process a packet belongs to"},
	PRINT_OPTION_ROWS(struct options, print),
	IDENTITY_ROW(struct options, identity),
	{0},
};

/* A sink that hands so many packets on to another one, and then has enough. */
struct limited_sink {
	struct weir_sink sink;
	struct weir_sink *target;
	uint64_t left;
};

static int limited_consume(struct weir_sink *base, struct weir_batch *batch, struct weir_fault *fault)
{
	struct limited_sink *sink = (struct limited_sink *)base;

	for (uint32_t i = 0; i < batch->count; i++) {
		if (batch->packets[i].verdict != WEIR_KEEP)
			continue;
		if (sink->left == 0)
			batch->packets[i].verdict = WEIR_DROP;
		else
			sink->left--;
	}
	int result = sink->target->ops->consume(sink->target, batch, fault);
	return result == 0 && sink->left == 0 ? 1 : result;
}

static int limited_finish(struct weir_sink *base, struct weir_fault *fault)
{
	struct limited_sink *sink = (struct limited_sink *)base;
	return sink->target->ops->finish(sink->target, fault);
}

static void limited_close(struct weir_sink *base)
{
	weir_sink_close(((struct limited_sink *)base)->target);
}

static const struct weir_sink_ops limited_sink = {
	.name = "limited",
	.consume = limited_consume,
	.finish = limited_finish,
	.close = limited_close,
};

/* Whether there is a program of this name in PATH. */
static bool is_installed(const char *program)
{
	const char *path = getenv("PATH");
	char candidate[4096];

	while (path && *path) {
		size_t length = strcspn(path, ":");
		int n = snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, path, program);
		if (n > 0 && (size_t)n < sizeof candidate && access(candidate, X_OK) == 0)
			return true;
		path += length + (path[length] == ':');
	}
	return false;
}

static int run_tshark(const char *file, struct weir_fault *fault)
{
	char *arguments[] = {"tshark", "-n", "-V", "-r", (char *)file, NULL};
	posix_spawnattr_t attributes;
	sigset_t restored;
	pid_t child;
	int status;

	/* We ignore SIGPIPE; what we start should not. */
	sigemptyset(&restored);
	sigaddset(&restored, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &restored);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	int failed = posix_spawnp(&child, arguments[0], NULL, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	if (failed)
		return weir_fail_errno(fault, failed, NULL, "could not start tshark");
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return weir_fail_errno(fault, errno, NULL, "could not wait for tshark");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
		return 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return weir_fail(fault, WEIR_E_SYSTEM, "tshark failed");
	return 0;
}

/* Writes the packets into a file of their own and has tshark print them. */
static int print_by_tshark(struct weir_pipeline *pipeline, uint64_t count, struct weir_fault *fault)
{
	const struct weir_capture_writer_options writer = {.format = WEIR_FORMAT_PCAPNG, .merge = true};
	char folder[] = "/tmp/weir-watch.XXXXXX", file[64];
	struct limited_sink limited = {.sink.ops = &limited_sink, .left = count ? count : UINT64_MAX};

	if (!is_installed("tshark"))
		return weir_fail(fault, WEIR_E_NOT_FOUND, "-V needs tshark, which is not installed: apt-get install tshark");
	if (!mkdtemp(folder))
		return weir_fail_errno(fault, errno, folder, "could not make a folder");
	snprintf(file, sizeof file, "%s/packets.pcapng", folder);
	int result = weir_capture_writer_open(file, &writer, &limited.target, fault);
	if (result == 0) {
		pipeline->sink = &limited.sink;
		/* What came before an error is printed all the same. */
		result = weir_pipeline_run(pipeline, fault);
		weir_sink_close(&limited.sink);
		if (access(file, R_OK) == 0) {
			int printed = run_tshark(file, result ? NULL : fault);
			result = result ? result : printed;
		}
	}
	unlink(file);
	rmdir(folder);
	return result;
}

/* What tcpdump says at the end. */
static void print_summary(struct weir_source *source, uint64_t printed)
{
	struct weir_live_statistics statistics;

	weir_live_statistics(source, &statistics);
	fprintf(stderr,
	        "%" PRIu64 " packets captured\n%" PRIu64 " packets received by filter\n%" PRIu64
	        " packets dropped by kernel\n",
	        printed, statistics.received, statistics.ring_dropped);
	if (statistics.nic_dropped)
		fprintf(stderr, "%" PRIu64 " packets dropped by interface\n", statistics.nic_dropped);
}

static int print(struct weir_pipeline *pipeline, const struct options *options, struct weir_fault *fault)
{
	struct print_options print_options;
	int refused = print_options_of(&options->print, &print_options, fault);

	if (refused < 0)
		return refused;
	print_options.no_process = options->no_process;
	print_options.snaplen = (uint32_t)(options->snaplen > UINT32_MAX ? UINT32_MAX : options->snaplen);
	bool flush = options->print.line || options->interface || isatty(STDOUT_FILENO);
	pipeline->sink = print_sink_new(&print_options, STDOUT_FILENO, options->count, flush);
	if (!pipeline->sink)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to print packets");
	int result = weir_pipeline_run(pipeline, fault);
	if (options->interface)
		print_summary(pipeline->source, print_sink_count(pipeline->sink));
	weir_sink_close(pipeline->sink);
	return result;
}

static int open_filter(struct weir_pipeline *pipeline, int argc, char **argv, uint16_t linktype,
                       struct weir_fault *fault)
{
	struct weir_filter *filter;
	char *expression = join_arguments(0, argc, argv);

	if (!expression)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
	int result = weir_filter_new(expression, linktype, &filter, fault);
	free(expression);
	if (result < 0)
		return result;
	pipeline->stages[0] = weir_filter_stage_new(filter);
	if (!pipeline->stages[0]) {
		weir_filter_free(filter);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
	}
	return 0;
}

/* The kernel runs the filter. */
static int open_interface(struct weir_pipeline *pipeline, const struct options *options, int argc, char **argv,
                          struct weir_fault *fault)
{
	char *expression = join_arguments(0, argc, argv);

	if (!expression)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a filter");
	const struct weir_live_options live = {
		.interface = options->interface,
		.filter = expression,
		.snaplen = (uint32_t)(options->snaplen > UINT32_MAX ? 0 : options->snaplen),
		.ring_bytes = UINT64_C(16) << 20, /* a person reads along: seconds of arrears would not help */
		.no_promiscuous = !options->promiscuous,
	};
	int result = weir_live_open(&live, &pipeline->source, fault);
	free(expression);
	return result;
}

/* Whose sockets they are. Before the capture, so that what it sees is not older. */
static int open_owners(const struct command *command, const struct options *options, struct owners **owners, struct weir_fault *fault)
{
	const struct owners_options defaults_of_owners = {0};

	if (!options->interface || options->no_process)
		return 0;
	int error = owners_open(&defaults_of_owners, owners, fault);
	if (error) {
		*owners = NULL;
		return options->process ? error : 0;
	}
	if (options->process && owners_lack(*owners)[0])
		warn(command, "%s", owners_lack(*owners));
	return 0;
}

static int add_process(struct weir_pipeline *pipeline, struct owners *owners, struct weir_fault *fault)
{
	const struct process_lookup lookup = process_lookup_of(owners);

	pipeline->stages[0] = weir_decode_stage_new();
	if (!pipeline->stages[0])
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for a stage");
	return process_stage_new(&lookup, &pipeline->stages[1], fault);
}

static int watch(const struct command *command, const struct options *options, int argc, char **argv, struct weir_fault *fault)
{
	struct weir_pipeline pipeline = {.threads = 1, .stop = stop_requested()};

	if (!options->read == !options->interface)
		return weir_fail(fault, WEIR_E_USAGE, "say what to watch: -i IF or -r FILE");
	if (options->process && options->no_process)
		return weir_fail(fault, WEIR_E_USAGE, "--process and --no-process exclude each other");
	struct owners *owners = NULL;
	int result = open_owners(command, options, &owners, fault);
	if (result < 0)
		return result;
	result = options->interface ? open_interface(&pipeline, options, argc, argv, fault)
	                            : weir_capture_open(options->read, seal_capture_options(), &pipeline.source, fault);
	if (result < 0) {
		if (owners)
			owners_close(owners);
		return result;
	}
	if (owners)
		result = add_process(&pipeline, owners, fault);
	if (result == 0 && argc > 0 && options->read)
		result = open_filter(&pipeline, argc, argv, (uint16_t)weir_capture_header(pipeline.source)->linktype, fault);
	if (result == 0)
		result = options->full ? print_by_tshark(&pipeline, options->count, fault) : print(&pipeline, options, fault);
	weir_stage_close(pipeline.stages[0]);
	weir_stage_close(pipeline.stages[1]);
	weir_source_close(pipeline.source);
	if (owners)
		owners_close(owners);
	return result;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	struct weir_fault fault;

	weir_fault_clear(&fault);
	catch_interrupts();
	/* A reader that goes away shows as EPIPE, and ends the run quietly. */
	signal(SIGPIPE, SIG_IGN);
	if (watch(command, values, argc, argv, &fault) < 0)
		return report(command, &fault);
	return EXIT_FINE;
}

const struct command watch_command = {
	.name = "watch",
	.summary = "print packets, a line each",
	.usage = "-i IF | -r FILE [FILTER]",
	.description = "Prints the packets of an interface or a capture file that match FILTER (a pcap-filter expression, "
                   "as tcpdump takes it), a line\n"
				   "each in tcpdump's form, or as JSON. Times are in UTC unless --local is given. Relative TCP "
                   "sequence numbers are\n"
				   "kept for the last 262,144 connections.",
	.options = table,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
