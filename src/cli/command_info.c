/* weir info: what capture files and campaigns hold. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/info.h"
#include "cli/seal_options.h"

struct options {
	bool json;
	bool hash;
	struct option_list identity;
};

static const struct option table[] = {
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct options, json),
	 .help = "an array with one object a path"},
	{.name = "hash", .type = OPTION_FLAG, .offset = offsetof(struct options, hash),
	 .help = "the SHA-256 of each file too, which takes much longer than counting"},
	IDENTITY_ROW(struct options, identity),
	{0},
};

/* A file is what nothing before it took. */
static const struct info_kind *const kinds[] = {&info_campaign, &info_file};

void info_line(const char *label, const char *format, ...)
{
	va_list arguments;

	printf("%s:%*s", label, (int)(20 - strlen(label)), "");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

void info_fault_json(struct json *json, const struct weir_fault *fault)
{
	json_object(json);
	json_put_string(json, "code", weir_error_name(fault->code));
	json_put_string(json, "message", fault->message);
	json_key(json, "offset");
	fault->offset >= 0 ? json_signed(json, fault->offset) : json_null(json);
	json_key(json, "packet");
	fault->packet >= 0 ? json_signed(json, fault->packet) : json_null(json);
	json_end_object(json);
}

static int show(struct info *info, const char *path)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i]->is(path))
			return kinds[i]->show(info, path);
	return EXIT_COULD_NOT;
}

static int run(const struct command *command, void *values, int argc, char **argv)
{
	const struct options *options = values;
	struct text text = {0};
	struct json json = json_into(&text);
	struct info info = {.command = command, .hash = options->hash, .json = options->json ? &json : NULL};
	int worst = EXIT_FINE;

	if (info.json)
		json_array(&json);
	for (int i = 0; i < argc; i++) {
		int status = show(&info, argv[i]);
		worst = status > worst ? status : worst;
	}
	if (info.json) {
		json_end_array(&json);
		if (text.failed) {
			warn(command, "no memory for the answer");
			worst = EXIT_COULD_NOT;
		} else {
			puts(text_string(&text));
		}
	}
	text_free(&text);
	return worst;
}

const struct command info_command = {
	.name = "info",
	.summary = "tell what capture files and campaigns hold",
	.usage = "FILE|CAMPAIGN...",
	.description =
		"Tells of each capture file its format, packets, bytes, times and interfaces; - is standard input. The whole file is\n"
		"read. Of a damaged one it tells what stands before the damage, and the exit status is 1. Of a campaign it tells nodes,\n"
		"interfaces, segments, the time covered, gaps, and what its packets take on disk, also of what is being written.",
	.options = table,
	.options_size = sizeof(struct options),
	.least_arguments = 1,
	.most_arguments = -1,
	.options_anywhere = true,
	.run = run,
};
