/* weir up: everything that is up, into ./campaign. */
#include <stdlib.h>

#include "cli/recorder.h"

static int run(const struct command *command, void *values, int argc, char **argv)
{
	struct recorder_options options = *(struct recorder_options *)values;
	struct weir_live_interface *list;
	size_t count, up = 0;
	struct weir_fault fault;
	options.campaign = argc ? argv[0] : "campaign";
	if (weir_live_interfaces(&list, &count, &fault))
		return report(command, &fault);
	const char **names = calloc(count + 1, sizeof *names);
	if (!names) {
		free(list);
		weir_fail(&fault, WEIR_E_MEMORY, "no memory for %zu interfaces", count);
		return report(command, &fault);
	}
	for (size_t i = 0; i < count; i++)
		if (list[i].up)
			names[up++] = list[i].name;
	int status = EXIT_COULD_NOT;
	if (up)
		status = recorder_run(command, &options, names, up, true);
	else
		warn(command, "no interface is up");
	free(names);
	free(list);
	return status;
}

static const struct option table[] = {
	RECORDER_OPTION("no-process", 0, OPTION_FLAG, process_if_possible, NULL,
                    "not which process of this box packets belong to", .no_flag = true),
	RECORDER_OPTION("no-counters", 0, OPTION_FLAG, counters_if_possible, NULL,
                    "not what the system counts, which is else kept once a second, as Parquet", .no_flag = true),
	RECORDER_OPTIONS,
	{0},
};

/* Ring and buffer each for what may be a dozen interfaces, most of them quiet. */
static const struct recorder_options defaults = {RECORDER_DEFAULTS(UINT64_C(64) << 20), .process_if_possible = true,
                                                  .counters_if_possible = true};

const struct command up_command = {
	.name = "up",
	.summary = "record every interface that is up",
	.usage = "[CAMPAIGN]",
	.description =
		"Records every interface that is up, loopback too, into CAMPAIGN (./campaign when none is named) until Ctrl-C.",
	.options = table,
	.options_size = sizeof(struct recorder_options),
	.defaults = &defaults,
	.most_arguments = 1,
	.options_anywhere = true,
	.run = run,
};
