/*
 * campaign/run_folder.h: the folder of a run: what it is called, what is in it when the run begins, and which of those that are there was interrupted.
 */
#ifndef CAMPAIGN_RUN_FOLDER_H
#define CAMPAIGN_RUN_FOLDER_H

#include <stdio.h>
#include <unistd.h>

#include "campaign/run.h"
#include "campaign/run_again.h"

static inline int path_in(const char *folder, const char *name, char out[static PATH_MAX], struct weir_fault *fault)
{
	if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return weir_fail(fault, WEIR_E_LIMIT, "the name of the run's folder is too long");
	return 0;
}

static inline bool has(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return path_in(folder, name, path, NULL) == 0 && access(path, F_OK) == 0;
}

/* Puts the name into run->folder: as asked, or by when the run began. */
int run_folder_name(const struct weir_run_options *options, struct run *run, struct weir_fault *fault);
/* Makes the folder. One that nobody named is a new one: run->folder has a number behind it where another run has begun in the same second. */
int run_folder_make(struct run *run, bool resumed, struct weir_fault *fault);
/* Puts the plan into it; who does has its lock. */
int run_folder_enter_plan(struct run *run, struct weir_fault *fault);
/* Where the latest whole run of a campaign ended; WEIR_TIME_FIRST when there is none. */
int64_t run_folder_end_of_last(const char *campaign);
/* Whether there is an interrupted run to go on with; then its plan replaces the one that was made, and run->folder is its folder. */
int run_folder_interrupted(struct run *run, bool *resumed, struct weir_fault *fault);

#endif
