/*
 * cli/dedup_prefer.h: keeps the sighting at a preferred vantage instead of the earliest.
 *
 * What was passed on cannot be taken back when the preferred sighting comes. So the files are read twice: the first time every packet whose verdict is to be turned
 * round is marked, a bit for each packet; the second time it is. Both times see the same packets and decide the same.
 */
#ifndef CLI_DEDUP_PREFER_H
#define CLI_DEDUP_PREFER_H

#include "cli/dedup_report.h"

struct dedup_prefer {
	const char *vantage;             /* as the user has it */
	const struct dedup_names *names; /* of the first reading, while it lasts */
	bool found;                      /* an interface that is meant */
	bool failed;                     /* no memory for the marks */
	uint8_t *marks;                  /* a bit a packet number */
	uint64_t size;                   /* of marks, in bytes */
	struct weir_stage stage;
};

/* The first reading's weir_dedup_options.on_copy, with a struct dedup_prefer as context. */
void dedup_prefer_on_copy(void *context, const struct weir_dedup_copy *copy);

/* After the first reading: WEIR_E_USAGE when no interface that had duplicates is meant, WEIR_E_MEMORY. */
int dedup_prefer_check(const struct dedup_prefer *prefer, struct weir_fault *fault);

/* The stage of the second reading; it is part of prefer. */
struct weir_stage *dedup_prefer_stage(struct dedup_prefer *prefer);
void dedup_prefer_free(struct dedup_prefer *prefer);

#endif
