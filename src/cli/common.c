/* What commands share: cli/cli.h. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/text.h"

static _Atomic int stop_flag;

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

const char *command_nearest(const char *name)
{
	const char *nearest = NULL;
	size_t least = 3; /* more edits than two are another word */

	for (size_t i = 0; commands[i]; i++) {
		size_t distance = edit_distance(name, commands[i]->name);
		if (!commands[i]->hidden && distance < least) {
			least = distance;
			nearest = commands[i]->name;
		}
	}
	return nearest;
}

int exit_status_of(int code)
{
	switch (code) {
	case WEIR_OK:
		return EXIT_FINE;
	case WEIR_E_FORMAT:
	case WEIR_E_TRUNCATED:
	case WEIR_E_CORRUPT:
		return EXIT_FAULT_IN_DATA;
	case WEIR_E_USAGE:
	case WEIR_E_FILTER:
		return EXIT_WRONG_USE;
	default:
		return EXIT_COULD_NOT;
	}
}

int report(const struct command *command, const struct weir_fault *fault)
{
	char text[1200];

	warn(command, "%s", weir_fault_text(fault, text, sizeof text));
	return exit_status_of(fault->code);
}

void warn(const struct command *command, const char *format, ...)
{
	struct text shown = {0};
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	/* It may quote files and names from outside. */
	if (text)
		text_add_shown(&shown, text, strlen(text), true);
	fprintf(stderr, "weir %s: %s\n", command->name, text ? text_string(&shown) : "no memory to say what is wrong");
	text_free(&shown);
	free(text);
}

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	/* Relaxed: a flag and nothing more. The handler is reset after the first signal, so the second one ends the process. */
	atomic_store_explicit(&stop_flag, 1, memory_order_relaxed);
}

void catch_interrupts(void)
{
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

const _Atomic int *stop_requested(void) { return &stop_flag; }

char *join_arguments(int first, int argc, char **argv)
{
	struct text text = {0};

	for (int i = first; i < argc; i++) {
		if (i > first)
			text_add_char(&text, ' ');
		text_add(&text, argv[i]);
	}
	if (!text.data)
		return strdup("");
	return text.data;
}
