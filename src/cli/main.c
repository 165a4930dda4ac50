/* weir: finds the command and runs it. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/seal_options.h"

static int run(const struct command *command, int argc, char **argv)
{
	struct weir_fault fault;
	void *options = calloc(1, command->options_size + 1);
	bool help = false;
	int first = argc, status;

	weir_fault_clear(&fault);
	if (!options) {
		weir_fail(&fault, WEIR_E_MEMORY, "no memory");
		return report(command, &fault);
	}
	if (command->defaults)
		memcpy(options, command->defaults, command->options_size);
	if (options_parse(command, options, argc, argv, &first, &help, &fault) < 0) {
		status = report(command, &fault);
	} else if (help) {
		options_help(command);
		status = EXIT_FINE;
	} else if (argc - first < command->least_arguments ||
	           (command->most_arguments >= 0 && argc - first > command->most_arguments)) {
		fprintf(stderr, "weir %s: %s: usage: weir %s [OPTIONS] %s (weir %s --help tells more)\n", command->name,
		        argc - first < command->least_arguments ? "an argument is missing" : "too many arguments", command->name,
		        command->usage, command->name);
		status = EXIT_WRONG_USE;
	} else if (seal_identities_load(command, options, &fault) < 0) {
		status = report(command, &fault);
	} else {
		status = command->run(command, options, argc - first, argv + first);
	}
	seal_identities_forget();
	options_free(command, options);
	free(options);
	/* What could not be written is a failure, also when it only shows now; a reader that went away is none. */
	int system = fflush(stdout) != 0 ? errno : 0;
	if ((system || ferror(stdout)) && status == EXIT_FINE) {
		/* Of a write that failed long ago only the fact is known. */
		fprintf(stderr, "weir: standard output could not be written%s%s\n", system ? ": " : "", system ? strerror(system) : "");
		status = EXIT_COULD_NOT;
	}
	return status;
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	if (argc < 2) {
		command_find("help")->run(command_find("help"), NULL, 0, NULL);
		return EXIT_WRONG_USE;
	}
	const char *name = argv[1];
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	const struct command *command = command_find(name);
	if (!command) {
		const char *near = command_nearest(name);
		fprintf(stderr, "weir: there is no command '%s'%s%s%s; weir help lists them\n", name, near ? ": did you mean '" : "",
		        near ? near : "", near ? "'?" : "");
		return EXIT_WRONG_USE;
	}
	return run(command, argc - 1, argv + 1);
}
