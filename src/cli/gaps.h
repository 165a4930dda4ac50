/*
 * cli/gaps.h: tells a person of the gaps that touch what was asked for: one line each, grouped when there are many.
 */
#ifndef CLI_GAPS_H
#define CLI_GAPS_H

#include <stdio.h>

#include <weir/archive.h>

/* Prints them to out, with `prefix` before each line. 0 or an error. Memory: one entry a node, interface and cause, and ten gaps. */
int gaps_show(FILE *out, const char *prefix, struct weir_campaign *campaign, const struct weir_query *query, bool local,
              struct weir_fault *fault);

#endif
