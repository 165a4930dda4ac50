/* cli/cli.h: what commands share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdatomic.h>
#include <stdbool.h>

#include <weir/error.h>

#include "cli/options.h"

enum exit_status {
	EXIT_FINE = 0,
	EXIT_FAULT_IN_DATA = 1,
	EXIT_WRONG_USE = 2,
	EXIT_COULD_NOT = 3,
};

/* All commands, in the order of `weir help`; NULL ends it. */
extern const struct command *const commands[];

const struct command *command_find(const char *name);
const char *command_nearest(const char *name); /* NULL when nothing is near */

/* Prints "weir COMMAND: fault" on standard error and gives the exit status that goes with its code. */
int report(const struct command *command, const struct weir_fault *fault);
int exit_status_of(int code);

/* A warning on standard error that does not end the command. */
void warn(const struct command *command, const char *format, ...) WEIR_PRINTF(2, 3);

/*
 * Makes SIGINT and SIGTERM set *stop_requested() instead of ending the process, so that a command finishes cleanly; a second one ends it.
 */
void catch_interrupts(void);
const _Atomic int *stop_requested(void);

/* Joins the arguments from `first` with blanks into one filter expression; "" when there are none. Free it. */
char *join_arguments(int first, int argc, char **argv);

#endif
