/* campaign/run_chart.h: the traffic of a run over time, as a drawing (SVG). */
#ifndef CAMPAIGN_RUN_CHART_H
#define CAMPAIGN_RUN_CHART_H

#include "campaign/run.h"

struct chart_gap {
	int64_t from_ns, to_ns;
};

/* Adds the drawing to out: bits per second over time, with the gaps marked. */
void chart_traffic(struct text *out, const struct run_tally *tally, const struct chart_gap *gaps, size_t gap_count);

#endif
