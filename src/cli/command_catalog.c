/* weir catalog: looks after the catalog of a campaign. */
#include <stdio.h>
#include <string.h>

#include "archive/recover.h"
#include "cli/cli.h"

static const struct option table[] = {{0}};

struct options {
	char unused;
};

static int run(const struct command *command, void *values, int argc, char **argv)
{
	struct recover_report report_of = {0};
	struct weir_fault fault;
	uint64_t bad = 0;

	(void)values;
	(void)argc;
	if (strcmp(argv[0], "rebuild") != 0) {
		weir_fail(&fault, WEIR_E_USAGE, "'%s' is nothing to do with a catalog: weir catalog rebuild CAMPAIGN", argv[0]);
		return report(command, &fault);
	}
	if (catalog_rebuild(argv[1], &report_of, &bad, &fault) != 0)
		return report(command, &fault);
	printf("%s: %llu segments in the catalog, %llu of them without a sound index before\n", argv[1],
	       (unsigned long long)report_of.segments, (unsigned long long)report_of.recovered);
	if (report_of.damaged)
		warn(command, "%llu damaged segments are listed and left as they are (weir verify says more); the first: %s", (unsigned long long)report_of.damaged,
		     report_of.first_damage);
	if (bad)
		warn(command, "%llu lines of ledgers are no rows and are left out", (unsigned long long)bad);
	return report_of.damaged || bad ? EXIT_FAULT_IN_DATA : EXIT_FINE;
}

const struct command catalog_command = {
	.name = "catalog",
	.summary = "make a campaign's catalog again from its files",
	.usage = "rebuild CAMPAIGN",
	.description =
		"The catalog (catalog.db) says nothing that the segments, their indexes and the ledgers do not say: `rebuild` makes it again from "
		"them, equal to the one that was lost. A segment without an index gets one; one whose recorder died is recovered. Nobody may be "
		"recording into the campaign meanwhile.\n\n"
		"Memory: two chunks and the index of one segment.",
	.options = table,
	.options_size = sizeof(struct options),
	.least_arguments = 2,
	.most_arguments = 2,
	.run = run,
};
