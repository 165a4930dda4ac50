/* campaign/run_again.h: what making a run again needs of making it. */
#ifndef CAMPAIGN_RUN_AGAIN_H
#define CAMPAIGN_RUN_AGAIN_H

#include "campaign/run.h"

/* Reads the plan in a file of a run's folder, at `at` in its JSON. Free with run_plan_free. */
int run_read_plan(const char *folder, const char *name, const char *at, struct run_plan *plan, struct weir_fault *fault);

/* Makes a run of this plan in options->out, whatever options say else of parameters. Takes the plan. */
int run_again(const struct weir_run_options *options, const struct run_plan *plan, struct weir_fault *fault);

/* Calls each with every output that one of the manifests lists, and its hashes; "none" where it is not listed. */
int run_compare_outputs(const char *run, const char *again, void (*each)(void *context, const char *path, const char *was, const char *is),
                        void *context, struct weir_fault *fault);

#endif
