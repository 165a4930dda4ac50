/* weir record: interfaces into a campaign. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/recorder.h"
#include "core/text.h"

static void print_interfaces(const struct command *command)
{
	struct weir_live_interface *list;
	size_t count;
	struct weir_fault fault;
	struct text names = {0};
	if (weir_live_interfaces(&list, &count, &fault)) {
		report(command, &fault);
		return;
	}
	for (size_t i = 0; i < count; i++)
		text_add_format(&names, "%s%s%s", i ? ", " : "", list[i].name, list[i].up ? "" : " (down)");
	warn(command, "which interface? -i NAME; there are: %s", text_string(&names));
	text_free(&names);
	free(list);
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct recorder_options *options = values;
	if (!options->campaign) {
		warn(command, "where to? -o CAMPAIGN");
		return EXIT_WRONG_USE;
	}
	if (options->interfaces.count == 0) {
		print_interfaces(command);
		return EXIT_WRONG_USE;
	}
	return recorder_run(command, options, options->interfaces.items, options->interfaces.count, false);
}

static const struct option table[] = {
	RECORDER_OPTION("interface", 'i', OPTION_STRINGS, interfaces, "IF", "the interface to record; may be given again"),
	RECORDER_OPTION("output", 'o', OPTION_STRING, campaign, "CAMPAIGN",
                    "the campaign folder; made when it is not there"),
	RECORDER_OPTION("process", 0, OPTION_FLAG, process, NULL, "with each packet of this box the process that it belongs to"),
	RECORDER_OPTION("counters", 0, OPTION_FLAG, counters, NULL, "keep what the system counts, too, once a second, as Parquet"),
	RECORDER_OPTIONS,
	{0},
};

static const struct recorder_options defaults = {RECORDER_DEFAULTS(UINT64_C(256) << 20)};

const struct command record_command = {
	.name = "record",
	.summary = "record interfaces into a campaign",
	.usage = "",
	.description =
		"Keeps every packet of the interfaces, compressed and indexed, until Ctrl-C or --for. What could not be kept "
        "is counted and entered\n"
		"in the campaign's loss ledger. Needs the right to capture, and gives it up once the sockets are open.",
	.options = table,
	.options_size = sizeof(struct recorder_options),
	.defaults = &defaults,
	.run = run,
};
