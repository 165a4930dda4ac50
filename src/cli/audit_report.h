/* cli/audit_report.h: tells a person, or a program, what an audit found. */
#ifndef CLI_AUDIT_REPORT_H
#define CLI_AUDIT_REPORT_H

#include <weir/audit.h>

#include "cli/cli.h"
#include "core/json.h"

#define AUDIT_TOLD_MOST 1000 /* hits for people; JSON has all */

/* Context of the functions below. Zero-initialise all but these. */
struct audit_report {
	const struct command *command;
	bool json, show_values;
	struct text text;
	struct json out; /* hits go into the array that is open */
	uint64_t told;
};

void audit_report_found(void *context, const struct weir_audit_hit *hit);
void audit_report_unsearched(void *context, const char *file, const struct weir_fault *why);

/* The fields of originals and result, into the object that is open; or lines for people. */
void audit_report_json(struct json *json, const struct weir_originals_statistics *originals,
                       const struct weir_audit_result *result);
void audit_report_text(const struct audit_report *report, const struct weir_originals_statistics *originals,
                       const struct weir_audit_result *result);

#endif
