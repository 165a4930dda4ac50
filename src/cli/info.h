/*
 * cli/info.h: what `weir info` can tell about: a record for each kind of path, listed in command_info.c.
 */
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include "cli/cli.h"
#include "core/json.h"

struct info {
	const struct command *command;
	bool hash;         /* SHA-256 of files */
	struct json *json; /* one object is to be put here for each path; NULL: print text */
	int shown;         /* paths shown so far: text puts an empty line between them */
};

struct info_kind {
	/* Whether the path is of this kind; the first in the table that says so shows it. */
	bool (*is)(const char *path);
	/* Tells about it, and gives the exit status. Prints its faults itself. */
	int (*show)(struct info *info, const char *path);
};

extern const struct info_kind info_campaign, info_file;

/* One line of text: "Label:   …". */
void info_line(const char *label, const char *format, ...) WEIR_PRINTF(2, 3);

/* A fault as the object that --json has it as: code, message, offset and packet. */
void info_fault_json(struct json *json, const struct weir_fault *fault);

#endif
