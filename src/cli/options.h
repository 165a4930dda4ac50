/*
 * cli/options.h: the options of a command, declared once: parsing, checks, defaults, --help, completion and the man
 * page's synopsis come from the same table.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "core/text.h"

enum option_type {
	OPTION_FLAG,     /* bool */
	OPTION_STRING,   /* const char *, points into argv */
	OPTION_STRINGS,  /* struct option_list: may be given again */
	OPTION_UNSIGNED, /* uint64_t, in [least, most] */
	OPTION_SIZE,     /* uint64_t bytes: 64M */
	OPTION_DURATION, /* int64_t ns: 10m */
	OPTION_MOMENT,   /* const char *; checked by the command, which knows --local */
	OPTION_COUNT,    /* unsigned, how often the flag was given: -v -vv */
	OPTION_CHOICE,   /* const char *, one of choices */
};

struct option_list {
	const char **items; /* each points into argv; the array is freed by options_free */
	size_t count;
};

struct option {
	const char *name;     /* long name without the dashes; NULL ends the table */
	char letter;          /* short name, 0 when there is none */
	enum option_type type;
	size_t offset;        /* of the field in the command's options struct */
	const char *metavar;  /* "SIZE"; NULL for flags */
	const char *help;     /* one line; the default is shown from the struct */
	uint64_t least, most; /* OPTION_UNSIGNED */
	const char *choices;  /* OPTION_CHOICE: "utc|local" */
	bool no_flag;         /* OPTION_FLAG: the option clears the field (--no-promisc) */
};

struct command {
	const char *name;
	const char *summary;        /* one line for `weir help` */
	const char *usage;          /* the arguments after the options: "CAMPAIGN [FILTER]" */
	const char *description;    /* paragraphs for --help */
	const struct option *options;
	size_t options_size;        /* of the struct that the table's offsets point into */
	const void *defaults;       /* such a struct; NULL: all zero */
	int least_arguments, most_arguments; /* most < 0: any number */
	bool options_anywhere;      /* options may follow arguments; "--" ends them. Filters with "-" in them need "--" or quotes. */
	/* Does it. options: the struct, filled in. Returns the exit status: 0 fine, 1 fault in the data, 2 wrong use, 3 could not. */
	int (*run)(const struct command *command, void *options, int argc, char **argv);
	bool hidden;                /* not listed in `weir help` */
};

/*
 * Fills options (a copy of the defaults) from argv (argv[0] is the command's name). On success *first is the index of the
 * first plain argument; argv is reordered so that these stand last. 0, or WEIR_E_USAGE with a fault that says which and suggests
 * the nearest. *help is set when --help or -h was met. Free with options_free.
 */
int options_parse(const struct command *command, void *options, int argc, char **argv, int *first, bool *help,
                  struct weir_fault *fault);
void options_free(const struct command *command, void *options);

/* What an option is when it is not given, as a person would write it ("64.00 MiB"); NULL when there is nothing to tell. */
const char *option_default(const struct command *command, const struct option *option, char text[static FORMAT_SIZE]);

/* Prints what --help prints. */
void options_help(const struct command *command);

#endif
