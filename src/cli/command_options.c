/*
 * weir options: the option tables, in the forms from which the man pages and the completion are made. Hidden: not for people.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/text.h"

struct arguments {
	const char *format;
};

static const struct option no_options[] = {{0}};

static const struct option *table_of(const struct command *command)
{
	return command->options ? command->options : no_options;
}

/* scdoc takes _ and * for emphasis and \ for an escape. */
static void put_scdoc(const char *string)
{
	for (; *string; string++) {
		if (strchr("_*\\<>", *string))
			putchar('\\');
		putchar(*string);
	}
}

/* "[FILTER] -- x" with the words in capitals, which stand for something else, underlined. */
static void put_scdoc_usage(const char *usage)
{
	while (*usage) {
		size_t word = 0;
		while (isupper((unsigned char)usage[word]) ||
		       (word && (isdigit((unsigned char)usage[word]) || usage[word] == '-')))
			word++;
		if (word) {
			printf("_%.*s_", (int)word, usage);
			usage += word;
		} else {
			char one[2] = {*usage++, '\0'};
			put_scdoc(one);
		}
	}
}

static void put_names(const struct option *o, const char *between)
{
	if (o->letter)
		printf("*-%c*%s", o->letter, between);
	printf("*--%s*", o->name);
	if (o->metavar) {
		putchar(' ');
		put_scdoc_usage(o->metavar);
	}
}

static void print_synopsis(const struct command *command)
{
	printf("*weir %s*", command->name);
	for (const struct option *o = table_of(command); o->name; o++) {
		printf(" [");
		put_names(o, "|");
		printf(o->type == OPTION_STRINGS || o->type == OPTION_COUNT ? "]..." : "]");
	}
	putchar(' ');
	put_scdoc_usage(command->usage ? command->usage : "");
	putchar('\n');
}

static void print_scdoc(const struct command *command)
{
	char text[FORMAT_SIZE];

	for (const struct option *o = table_of(command); o->name; o++) {
		put_names(o, ", ");
		printf("\n\t");
		put_scdoc(o->help);
		if (o->type == OPTION_CHOICE) {
			printf(": ");
			put_scdoc(o->choices);
		}
		const char *value = option_default(command, o, text);
		if (value) {
			printf(" (default: ");
			put_scdoc(value);
			putchar(')');
		}
		if (o->type == OPTION_STRINGS)
			printf(". May be given more than once.");
		printf("\n\n");
	}
	printf("*-h*, *--help*\n\tShows a summary of the options.\n");
}

static void print_summary(const struct command *command)
{
	put_scdoc(command->summary);
	putchar('\n');
}

/* A line of the list of commands in weir(1). */
static void print_command(const struct command *command)
{
	printf("*weir-%s*(1)\n\t", command->name);
	print_summary(command);
	putchar('\n');
}

static void print_list(const struct command *command)
{
	for (const struct option *o = table_of(command); o->name; o++)
		printf("%s\t--%s\n", command->name, o->name);
}

/* What completion offers behind an option, by what its value is called. */
static const char *value_kind(const struct option *o)
{
	static const struct {
		const char *word, *kind;
	} kinds[] = {{"FILE", "file"},     {"OUT", "file"},    {"PATH", "file"},
	             {"CAMPAIGN", "file"}, {"FOLDER", "file"}, {"IF", "interface"}};

	for (size_t i = 0; o->metavar && i < sizeof kinds / sizeof kinds[0]; i++)
		if (strncmp(o->metavar, kinds[i].word, strlen(kinds[i].word)) == 0)
			return kinds[i].kind;
	return "any";
}

static void print_completion(const struct command *command)
{
	if (command->hidden)
		return;
	printf("_weir_options[%s]='--help", command->name);
	for (const struct option *o = table_of(command); o->name; o++)
		printf(" --%s", o->name);
	printf("'\n");
	for (const struct option *o = table_of(command); o->name; o++) {
		char names[2][80];
		int count = 0;
		if (o->type == OPTION_FLAG || o->type == OPTION_COUNT)
			continue;
		snprintf(names[count++], sizeof names[0], "--%s", o->name);
		if (o->letter)
			snprintf(names[count++], sizeof names[0], "-%c", o->letter);
		for (int i = 0; i < count; i++)
			printf("_weir_values['%s %s']='%s%s'\n", command->name, names[i], o->type == OPTION_CHOICE ? "=" : "",
			       o->type == OPTION_CHOICE ? o->choices : value_kind(o));
	}
}

static const struct {
	const char *name;
	void (*print)(const struct command *command);
} formats[] = {
	{"list", print_list},   {"summary", print_summary},       {"synopsis", print_synopsis},
	{"scdoc", print_scdoc}, {"completion", print_completion}, {"commands", print_command},
};

static int run(const struct command *command, void *options, int argc, char **argv)
{
	const struct arguments *arguments = options;
	const struct command *wanted = argc ? command_find(argv[0]) : NULL;

	if (argc && !wanted) {
		warn(command, "there is no command '%s'", argv[0]);
		return EXIT_WRONG_USE;
	}
	for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
		if (strcmp(formats[f].name, arguments->format) != 0)
			continue;
		for (size_t i = 0; commands[i]; i++)
			if (wanted ? commands[i] == wanted : !commands[i]->hidden)
				formats[f].print(commands[i]);
	}
	return EXIT_FINE;
}

static const struct option table[] = {
	{.name = "format",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct arguments, format),
     .metavar = "FORMAT",
     .choices = "list|summary|synopsis|scdoc|completion|commands",
     .help = "what to make of the tables"},
	{0},
};

static const struct arguments defaults = {.format = "list"};

const struct command options_command = {
	.name = "options",
	.summary = "the option tables, for making man pages and completion",
	.usage = "[COMMAND]",
	.options = table,
	.options_size = sizeof(struct arguments),
	.defaults = &defaults,
	.most_arguments = 1,
	.run = run,
	.options_anywhere = true,
	.hidden = true,
};
