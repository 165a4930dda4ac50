/* cli/dedup_report.h: what weir dedup tells of the duplicates. */
#ifndef CLI_DEDUP_REPORT_H
#define CLI_DEDUP_REPORT_H

#include <stdio.h>

#include <weir/stage.h>

/* The interfaces that the packets came from. */
struct dedup_names {
	const struct weir_interface *const *interfaces;
	uint32_t count;
};

/* The report on out, as a table or one JSON object, and a line that sums it up on standard error. */
void dedup_report(const struct weir_stage *dedup, const struct dedup_names *names, bool json, FILE *out);

#endif
