/* What recorder.h says of counters: what the system counts, once a second, beside the packets. */
#include <stdio.h>
#include <unistd.h>

#include "archive/campaign.h"
#include "archive/recipients.h"
#include "box/counters_keep.h"
#include "cli/recorder.h"
#include "core/clock.h"

#define FOLDER "counters" /* beside those of the interfaces */

int recorder_open_counters(struct recorder *recorder)
{
	const struct recorder_options *options = recorder->options;
	struct weir_fault fault;

	recorder->counters_lock = -1;
	if (!options->counters && !options->counters_if_possible)
		return 0;
	if (counters_open(NULL, 0, &recorder->counters, &fault)) {
		recorder->counters = NULL;
		return options->counters ? report(recorder->command, &fault) : 0;
	}
	if (options->counters && counters_lack(recorder->counters)[0])
		warn(recorder->command, "%s", counters_lack(recorder->counters));
	return 0;
}

int recorder_begin_counters(struct recorder *recorder, struct weir_fault *fault)
{
	char node[VANTAGE_NAME_MAX], relative[VANTAGE_NAME_MAX + 32], path[PATH_MAX];

	if (!recorder->counters)
		return 0;
	vantage_name(recorder->node, node);
	snprintf(relative, sizeof relative, "raw/%s/" FOLDER, node);
	int error = vantage_lock(recorder->campaign, node, FOLDER, &recorder->counters_lock, fault);
	if (error == WEIR_E_BUSY) {
		/* They are the system's, whatever is recorded: once is enough. */
		recorder->counters_lock = -1;
		warn(recorder->command, "counters are left out: another recording into this campaign keeps them");
		return 0;
	}
	if (error)
		recorder->counters_lock = -1;
	else
		error = campaign_path(recorder->campaign, relative, path, fault);
	if (!error)
		error = recipients_gather(weir_campaign_path(recorder->campaign), recorder->recipients, &recorder->counters_recipients, fault);
	if (!error)
		error = counters_keep_open(path, recorder->counters_recipients, recorder->retention.max_age_ns, &recorder->counters_keep, fault);
	return error;
}

static void tell(struct recorder *recorder, const struct weir_fault *fault)
{
	char text[1200];

	record_status_clear(recorder);
	warn(recorder->command, "the counters of this hour are not kept: %s", weir_fault_text(fault, text, sizeof text));
}

void recorder_look_at_counters(struct recorder *recorder)
{
	int64_t now = clock_monotonic_ns();
	struct weir_fault fault;

	if (!recorder->counters_keep || now < recorder->counters_next_ns)
		return;
	/* Looks that were missed are not made up for. */
	recorder->counters_next_ns = recorder->counters_next_ns ? recorder->counters_next_ns + NS_PER_SECOND : now + NS_PER_SECOND;
	if (recorder->counters_next_ns <= now)
		recorder->counters_next_ns = now + NS_PER_SECOND;
	int error = counters_refresh(recorder->counters, &fault);
	if (!error)
		error = counters_keep_look(recorder->counters_keep, recorder->counters, clock_wall_ns(), &fault);
	if (error)
		tell(recorder, &fault);
}

void recorder_end_counters(struct recorder *recorder)
{
	struct weir_fault fault;

	/* A last look, so that the file reaches to the end of what was recorded. */
	recorder->counters_next_ns = 0;
	recorder_look_at_counters(recorder);
	if (recorder->counters_keep && counters_keep_finish(recorder->counters_keep, &fault))
		tell(recorder, &fault);
}

void recorder_close_counters(struct recorder *recorder)
{
	counters_keep_close(recorder->counters_keep);
	weir_recipients_free(recorder->counters_recipients);
	if (recorder->counters && recorder->counters_lock >= 0)
		close(recorder->counters_lock);
	if (recorder->counters)
		counters_close(recorder->counters);
}
