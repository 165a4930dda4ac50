/* The table of commands: a new one is its file and a row here. */
#include "cli/cli.h"

extern const struct command help_command, options_command, version_command;

const struct command *const commands[] = {
	&help_command,
	&options_command,
	&version_command,
	NULL,
};
