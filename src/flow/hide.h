/*
 * flow/hide.h: a sink that hides in the records that it is given, and passes them on.
 */
#ifndef FLOW_HIDE_H
#define FLOW_HIDE_H

#include <weir/policy.h>

/* next is the sink's from then on, and closed with it; also when this fails. The hider outlives it. */
int flow_hide_open(const struct weir_hider *hider, struct weir_flow_sink *next, struct weir_flow_sink **sink,
                   struct weir_fault *fault);

#endif
