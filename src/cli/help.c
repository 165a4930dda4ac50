/* weir help: what there is. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static int list(void)
{
	printf("weir records, keeps and searches a deluge of network data.\n\nUsage: weir COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n");
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\nweir COMMAND --help tells about one. Exit status: 0 fine, 1 found a fault in the data, 2 wrong use, 3 could not.\n");
	return EXIT_FINE;
}

static int run(const struct command *command, void *options, int argc, char **argv)
{
	if (argc == 0)
		return list();
	const struct command *wanted = command_find(argv[0]);
	if (!wanted) {
		const char *near = command_nearest(argv[0]);
		warn(command, "there is no command '%s'%s%s%s", argv[0], near ? ": did you mean '" : "", near ? near : "",
		     near ? "'?" : "");
		return EXIT_WRONG_USE;
	}
	options_help(wanted);
	return EXIT_FINE;
}

const struct command help_command = {
	.name = "help",
	.summary = "what commands there are, or what one does",
	.usage = "[COMMAND]",
	.most_arguments = 1,
	.run = run,
};
