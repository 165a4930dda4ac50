/* cli/audit_report.h: what audit and publish share: the options of a search, its policy and key, and what it tells of what was found. */
#ifndef CLI_AUDIT_REPORT_H
#define CLI_AUDIT_REPORT_H

#include <weir/audit.h>

#include "cli/cli.h"
#include "core/json.h"

/* The options of both. A part of the command's own struct, under any name. */
struct audit_switches {
	const char *policy, *key;
	uint64_t memory, threads;
	bool show_values, json;
};
#define AUDIT_MEMORY (UINT64_C(256) << 20) /* the default */

/* The rows of the options' table, for a command whose options are an `options_type` with a struct audit_switches `part`. */
#define AUDIT_ROWS(options_type, part)                                                                                 \
	{.name = "policy", .type = OPTION_STRING, .offset = offsetof(options_type, part.policy), .metavar = "FILE",        \
	 .help = "what is to be kept, and how the rest is hidden"},                                                        \
	{.name = "key", .letter = 'k', .type = OPTION_STRING, .offset = offsetof(options_type, part.key), .metavar = "FILE", \
	 .help = "key of the campaign; it also tells leaks from values that others became"},                               \
	{.name = "memory", .type = OPTION_SIZE, .offset = offsetof(options_type, part.memory), .metavar = "SIZE",          \
	 .help = "for the values that are searched for; what does not fit is counted"},                                    \
	{.name = "threads", .type = OPTION_UNSIGNED, .offset = offsetof(options_type, part.threads), .metavar = "N",       \
	 .least = 0, .most = 32, .help = "for reading the originals; 0: one a core"},                                      \
	{.name = "show-values", .type = OPTION_FLAG, .offset = offsetof(options_type, part.show_values),                   \
	 .help = "print the originals that were found"},                                                                   \
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(options_type, part.json), .help = "as JSON"}

/*
 * Reads the policy, which has been named, and makes what hides by it. *hider stays NULL where the policy needs a key and none was named. Both are freed by the caller,
 * also after an error.
 */
int audit_policy_open(const struct audit_switches *switches, struct weir_policy **policy, struct weir_hider **hider,
                      struct weir_fault *fault);

#define AUDIT_TOLD_MOST 1000 /* hits for people; JSON has all */

/* Context of the functions below. Zero-initialise all but these. */
struct audit_report {
	const struct command *command;
	bool json, show_values;
	struct text text;
	struct json out; /* hits go into the array that is open */
	uint64_t told;
};

/* Opens the object that JSON is written into, and in it the array of hits. */
void audit_report_begin(struct audit_report *report);

void audit_report_found(void *context, const struct weir_audit_hit *hit);
void audit_report_unsearched(void *context, const char *file, const struct weir_fault *why);

/* The fields of originals and result, into the object that is open; or lines for people. */
void audit_report_json(struct json *json, const struct weir_originals_statistics *originals,
                       const struct weir_audit_result *result);
void audit_report_text(const struct audit_report *report, const struct weir_originals_statistics *originals,
                       const struct weir_audit_result *result);

#endif
