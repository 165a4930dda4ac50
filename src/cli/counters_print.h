/*
 * cli/counters_print.h: counters as rows for people, as JSON, and for Prometheus.
 */
#ifndef CLI_COUNTERS_PRINT_H
#define CLI_COUNTERS_PRINT_H

#include "box/counters.h"
#include "core/text.h"

/* A table with values and meanings. */
void counters_print_table(const struct counters *counters);
/* A row a counter with rate and sparkline; on a terminal over what stood there before. */
void counters_print_rates(const struct counters *counters, int64_t time_ns, bool local);
/* An object. */
void counters_json(const struct counters *counters, int64_t time_ns, struct text *out);
/*
 * Text exposition format 0.0.4: metrics in order of their names, base units. Sums over CPUs are left out where each CPU has a sample, and so are single CPUs where the
 * sum tells it. WEIR_E_MEMORY.
 */
int counters_prometheus(const struct counters *counters, struct text *out, struct weir_fault *fault);

#endif
