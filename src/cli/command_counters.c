/* weir counters: what the system counts. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/counters_print.h"
#include "core/clock.h"

#define STEP_NS (100 * INT64_C(1000000)) /* Ctrl-C is answered within this */

struct arguments {
	bool watch, json, prometheus, utc, local;
	int64_t interval_ns;
	uint64_t looks;
};

static const struct option table[] = {
	{.name = "watch", .letter = 'w', .type = OPTION_FLAG, .offset = offsetof(struct arguments, watch),
	 .help = "again and again, with rates and a sparkline, until Ctrl-C"},
	{.name = "interval", .letter = 'i', .type = OPTION_DURATION, .offset = offsetof(struct arguments, interval_ns), .metavar = "TIME",
	 .help = "between two looks of --watch"},
	{.name = "looks", .letter = 'c', .type = OPTION_UNSIGNED, .offset = offsetof(struct arguments, looks), .metavar = "N", .least = 1,
	 .most = UINT64_MAX, .help = "end --watch after so many looks"},
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct arguments, json), .help = "a JSON object a look"},
	{.name = "prometheus", .type = OPTION_FLAG, .offset = offsetof(struct arguments, prometheus),
	 .help = "one look in Prometheus' text format"},
	{.name = "utc", .type = OPTION_FLAG, .offset = offsetof(struct arguments, utc), .help = "times in UTC (they are, unless --local)"},
	{.name = "local", .type = OPTION_FLAG, .offset = offsetof(struct arguments, local), .help = "times in local time"},
	{0},
};

static const struct arguments defaults = {.interval_ns = NS_PER_SECOND};

/* Until that time, or until someone wants us to end. */
static void sleep_until(int64_t when_ns)
{
	for (int64_t left; (left = when_ns - clock_monotonic_ns()) > 0 && !atomic_load(stop_requested());) {
		int64_t step = left < STEP_NS ? left : STEP_NS;
		nanosleep(&(struct timespec){0, (long)step}, NULL);
	}
}

static int print_look(const struct arguments *arguments, const struct counters *counters, struct weir_fault *fault)
{
	struct text out = {0};
	int status = 0;
	if (arguments->prometheus)
		status = counters_prometheus(counters, &out, fault);
	else if (arguments->json)
		counters_json(counters, clock_wall_ns(), &out);
	else if (arguments->watch)
		counters_print_rates(counters, clock_wall_ns(), arguments->local);
	else
		counters_print_table(counters);
	if (!status && out.failed)
		status = weir_fail(fault, WEIR_E_MEMORY, "no memory for what is to be printed");
	if (!status && out.length)
		fwrite(out.data, 1, out.length, stdout);
	text_free(&out);
	if (!status && (fflush(stdout) || ferror(stdout)))
		status = weir_fail(fault, WEIR_E_IO, "standard output can't be written");
	return status;
}

static int look(const struct arguments *arguments, struct counters *counters, struct weir_fault *fault)
{
	int64_t next = clock_monotonic_ns();
	int status = 0;
	for (uint64_t looks = 0; !status && !atomic_load(stop_requested()); looks++) {
		status = counters_refresh(counters, fault);
		if (!status)
			status = print_look(arguments, counters, fault);
		if (!arguments->watch || looks + 1 == arguments->looks)
			break;
		next += arguments->interval_ns;
		sleep_until(next);
	}
	return status;
}

static int run(const struct command *command, void *options, int argc, char **argv)
{
	const struct arguments *arguments = options;
	struct counters *counters;
	struct weir_fault fault;
	if (arguments->prometheus && (arguments->json || arguments->watch)) {
		warn(command, "--prometheus is one look: not with --json or --watch");
		return EXIT_WRONG_USE;
	}
	if (arguments->interval_ns < 10000000) {
		warn(command, "--interval: at least 10ms");
		return EXIT_WRONG_USE;
	}
	if (counters_open((const char *const *)argv, (size_t)argc, &counters, &fault))
		return report(command, &fault);
	if (*counters_lack(counters))
		warn(command, "%s", counters_lack(counters));
	catch_interrupts();
	int status = look(arguments, counters, &fault);
	counters_close(counters);
	return status ? report(command, &fault) : EXIT_FINE;
}

const struct command counters_command = {
	.name = "counters",
	.summary = "what the system counts: interfaces, protocols, disks, CPUs, memory, pressure, interrupts",
	.usage = "[NAME...]",
	.description = "Shows counters by their names, GROUP.INSTANCE.NAME or GROUP.NAME. NAME is a pattern (*, ?, [...]) of such a name or of its start up to a\n"
				   "dot: disk, 'interface.eth*', tcp.RetransSegs. One look shows values; --watch shows rates too.",
	.options = table,
	.options_size = sizeof(struct arguments),
	.defaults = &defaults,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
