/* The options of a command: cli/options.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "core/text.h"

static const struct option no_options[] = {{0}};

static const struct option *options_of(const struct command *command)
{
	return command->options ? command->options : no_options;
}

static const struct option *find_long(const struct command *command, const char *name, size_t length)
{
	for (const struct option *o = options_of(command); o->name; o++)
		if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
			return o;
	return NULL;
}

static const struct option *find_letter(const struct command *command, char letter)
{
	for (const struct option *o = options_of(command); o->name; o++)
		if (o->letter && o->letter == letter)
			return o;
	return NULL;
}

static bool takes_value(const struct option *option)
{
	return option->type != OPTION_FLAG && option->type != OPTION_COUNT;
}

/* Whether value is one of "a|b|c". */
static bool is_choice(const char *choices, const char *value)
{
	size_t length = strlen(value);

	for (const char *at = choices; *at;) {
		size_t word = strcspn(at, "|");
		if (word == length && strncmp(at, value, word) == 0)
			return true;
		at += word + (at[word] == '|');
	}
	return false;
}

static int add_to_list(struct option_list *list, const char *value, struct weir_fault *fault)
{
	const char **items = realloc(list->items, (list->count + 1) * sizeof *items);

	if (!items)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for options");
	list->items = items;
	list->items[list->count++] = value;
	return 0;
}

static int set(const struct option *option, void *options, const char *value, struct weir_fault *fault)
{
	void *field = (char *)options + option->offset;

	switch (option->type) {
	case OPTION_FLAG:
		*(bool *)field = !option->no_flag;
		return 0;
	case OPTION_COUNT:
		++*(unsigned *)field;
		return 0;
	case OPTION_STRING:
	case OPTION_MOMENT:
		*(const char **)field = value;
		return 0;
	case OPTION_CHOICE:
		if (!is_choice(option->choices, value))
			return weir_fail(fault, WEIR_E_USAGE, "'%s' is not one of %s", value, option->choices);
		*(const char **)field = value;
		return 0;
	case OPTION_STRINGS:
		return add_to_list(field, value, fault);
	case OPTION_UNSIGNED:
		return parse_unsigned(value, option->least, option->most ? option->most : UINT64_MAX, field, fault);
	case OPTION_SIZE:
		return parse_size(value, field, fault);
	case OPTION_DURATION:
		return parse_duration(value, field, fault);
	}
	return weir_fail(fault, WEIR_E_USAGE, "an option of no type");
}

/* set, with the option's name in the message. */
static int set_named(const struct option *option, void *options, const char *value, struct weir_fault *fault)
{
	struct weir_fault why;

	weir_fault_clear(&why);
	int error = set(option, options, value, &why);
	return error ? weir_fail(fault, why.code, "--%s: %s", option->name, why.message) : 0;
}

static int unknown(const struct command *command, const char *given, struct weir_fault *fault)
{
	const char *nearest = NULL, *name = given + strspn(given, "-");
	size_t least = 3;

	for (const struct option *o = options_of(command); o->name && strlen(name) > 1; o++) {
		size_t distance = edit_distance(name, o->name);
		if (distance < least) {
			least = distance;
			nearest = o->name;
		}
	}
	if (nearest)
		return weir_fail(fault, WEIR_E_USAGE, "there is no option '%s': did you mean '--%s'?", given, nearest);
	return weir_fail(fault, WEIR_E_USAGE, "there is no option '%s' (weir %s --help lists them)", given, command->name);
}

/* "--name", "--name=value", "--name value". *used: how many arguments beyond the first. */
static int parse_long(const struct command *command, void *options, int left, char **argv, int *used,
                      struct weir_fault *fault)
{
	const char *name = argv[0] + 2;
	size_t length = strcspn(name, "=");
	const char *value = name[length] == '=' ? name + length + 1 : NULL;
	const struct option *option = find_long(command, name, length);

	if (!option) {
		char given[64];
		snprintf(given, sizeof given, "--%.*s", (int)length, name);
		return unknown(command, given, fault);
	}
	if (!takes_value(option)) {
		if (value)
			return weir_fail(fault, WEIR_E_USAGE, "--%s takes no value", option->name);
	} else if (!value) {
		if (left < 2)
			return weir_fail(fault, WEIR_E_USAGE, "--%s needs a value: %s", option->name, option->metavar);
		value = argv[1];
		*used = 1;
	}
	return set_named(option, options, value, fault);
}

/* "-v", "-vvx", "-c5", "-c 5". */
static int parse_letters(const struct command *command, void *options, int left, char **argv, int *used, bool *help,
                         struct weir_fault *fault)
{
	for (const char *letter = argv[0] + 1; *letter; letter++) {
		const struct option *option = find_letter(command, *letter);
		if (!option && *letter == 'h') {
			*help = true;
			continue;
		}
		if (!option) {
			char given[3] = {'-', *letter, '\0'};
			return unknown(command, given, fault);
		}
		const char *value = NULL;
		if (takes_value(option)) {
			value = letter[1] ? letter + 1 : NULL;
			if (!value && left < 2)
				return weir_fail(fault, WEIR_E_USAGE, "-%c needs a value: %s", *letter, option->metavar);
			if (!value) {
				value = argv[1];
				*used = 1;
			}
		}
		int error = set_named(option, options, value, fault);
		if (error || value)
			return error;
	}
	return 0;
}

/* Moves argv[from] … argv[from + count - 1] to argv[to], to <= from, keeping the order of all. */
static void move_forward(char **argv, int from, int count, int to)
{
	for (int i = 0; i < count; i++) {
		char *moved = argv[from + i];
		memmove(argv + to + i + 1, argv + to + i, (size_t)(from - to) * sizeof *argv);
		argv[to + i] = moved;
	}
}

int options_parse(const struct command *command, void *options, int argc, char **argv, int *first, bool *help,
                  struct weir_fault *fault)
{
	int plain = 1; /* argv[plain] … argv[at - 1] are plain arguments met so far */

	*help = false;
	for (int at = 1; at < argc;) {
		const char *argument = argv[at];
		int used = 0, error = 0;

		if (strcmp(argument, "--") == 0) {
			move_forward(argv, at, 1, plain++);
			break;
		}
		if (argument[0] != '-' || argument[1] == '\0') {
			if (!command->options_anywhere)
				break;
			at++;
			continue;
		}
		if (strcmp(argument, "--help") == 0)
			*help = true;
		else if (argument[1] == '-')
			error = parse_long(command, options, argc - at, argv + at, &used, fault);
		else
			error = parse_letters(command, options, argc - at, argv + at, &used, help, fault);
		if (error)
			return error;
		move_forward(argv, at, 1 + used, plain);
		plain += 1 + used;
		at += 1 + used;
	}
	*first = plain;
	return 0;
}

void options_free(const struct command *command, void *options)
{
	for (const struct option *o = options_of(command); o->name; o++)
		if (o->type == OPTION_STRINGS)
			free(((struct option_list *)((char *)options + o->offset))->items);
}

const char *option_default(const struct command *command, const struct option *option, char text[static FORMAT_SIZE])
{
	if (!command->defaults)
		return NULL;
	const void *field = (const char *)command->defaults + option->offset;
	switch (option->type) {
	case OPTION_STRING:
	case OPTION_MOMENT:
	case OPTION_CHOICE:
		return *(const char *const *)field;
	case OPTION_UNSIGNED:
		if (*(const uint64_t *)field == 0)
			return NULL;
		snprintf(text, FORMAT_SIZE, "%" PRIu64, *(const uint64_t *)field);
		return text;
	case OPTION_SIZE:
		return *(const uint64_t *)field ? format_size(*(const uint64_t *)field, text) : NULL;
	case OPTION_DURATION:
		return *(const int64_t *)field ? format_duration(*(const int64_t *)field, text) : NULL;
	default:
		return NULL;
	}
}

void options_help(const struct command *command)
{
	printf("weir %s: %s\n\nUsage: weir %s [OPTIONS]%s%s\n", command->name, command->summary, command->name,
	       *command->usage ? " " : "", command->usage);
	if (command->description)
		printf("\n%s\n", command->description);
	printf("\nOptions:\n");
	for (const struct option *o = options_of(command); o->name; o++) {
		char names[80], letter[8] = "    ";
		if (o->letter)
			snprintf(letter, sizeof letter, "-%c, ", o->letter);
		snprintf(names, sizeof names, "%s--%s%s%s", letter, o->name, o->metavar ? " " : "", o->metavar ? o->metavar : "");
		printf("  %-28s %s", names, o->help);
		if (o->type == OPTION_CHOICE)
			printf(": %s", o->choices);
		char text[FORMAT_SIZE];
		const char *value = option_default(command, o, text);
		if (value)
			printf(" (default: %s)", value);
		putchar('\n');
	}
	printf("  %-28s %s\n", "-h, --help", "this help");
}
