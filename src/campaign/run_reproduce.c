/* Making a run again and comparing: weir_run_reproduce. */
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "campaign/run.h"
#include <weir/key.h>

#include "campaign/run_again.h"
#include "os/files.h"

struct comparison {
	const char *run;
	void (*differs)(void *context, const char *path, const char *was, const char *is);
	void *context;
	struct weir_reproduction *reproduction;
};

static int delete_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

static void tell(const struct comparison *comparison, const char *path, const char *was, const char *is)
{
	if (comparison->differs)
		comparison->differs(comparison->context, path, was, is);
}

/* Hashes of inputs are computed anew: that they are what they were is what is to be shown. */
static int compare_inputs(const struct comparison *comparison, struct run_plan *plan, const _Atomic int *stop, struct weir_fault *fault)
{
	int error = 0;

	for (size_t i = 0; !error && i < plan->input_count; i++) {
		struct run_input *input = &plan->inputs[i];
		char path[PATH_MAX], hex[65] = "";
		int length = plan->campaign ? snprintf(path, sizeof path, "%s/%s", plan->campaign, input->path) : snprintf(path, sizeof path, "%s", input->path);
		if (length >= (int)sizeof path)
			return weir_fail(fault, WEIR_E_LIMIT, "the name of an input is too long");
		error = run_hash(path, stop, hex, fault);
		if (error == WEIR_E_NOT_FOUND) {
			snprintf(hex, sizeof hex, "gone");
			error = 0;
		}
		comparison->reproduction->inputs++;
		if (!error && strcmp(hex, input->sha256) != 0) {
			comparison->reproduction->inputs_changed++;
			tell(comparison, input->path, input->sha256, hex);
		}
	}
	return error;
}

static void compare_output(void *context, const char *path, const char *was, const char *is)
{
	const struct comparison *comparison = context;

	comparison->reproduction->outputs++;
	if (strcmp(was, is) == 0)
		return;
	comparison->reproduction->outputs_changed++;
	tell(comparison, path, was, is);
}

/* What is only compared, by its hashes, nobody has to open. */
static int for_nobody(struct weir_recipients **recipients, struct weir_fault *fault)
{
	char *text, recipient[WEIR_RECIPIENT_SIZE];
	size_t length;
	int error = weir_identity_new(&text, &length, recipient, fault);

	if (error)
		return error;
	weir_wipe(text, length);
	free(text);
	error = weir_recipients_new(recipients, fault);
	return error ? error : weir_recipients_add(*recipients, recipient, fault);
}

int weir_run_reproduce(const char *run, int threads, const struct weir_identities *identities, const _Atomic int *stop,
                       void (*progress)(void *context, uint64_t done, uint64_t total),
                       void (*differs)(void *context, const char *path, const char *was, const char *is), void *context,
                       struct weir_reproduction *reproduction, struct weir_fault *fault)
{
	struct comparison comparison = {run, differs, context, reproduction};
	struct weir_run_options options = {.threads = threads, .identities = identities, .stop = stop, .progress = progress, .context = context};
	struct run_plan plan;
	char again[PATH_MAX];

	*reproduction = (struct weir_reproduction){0};
	if (snprintf(again, sizeof again, "%s.again-%ld", run, (long)getpid()) >= (int)sizeof again)
		return weir_fail(fault, WEIR_E_LIMIT, "the name of the run's folder is too long");
	int error = run_read_plan(run, "manifest.json", "$.plan", &plan, fault);
	if (error)
		return error;
	error = compare_inputs(&comparison, &plan, stop, fault);
	struct weir_recipients *nobody = NULL;
	if (!error && plan.sealed)
		error = for_nobody(&nobody, fault);
	if (!error) {
		options.out = again;
		options.recipients = nobody;
		error = run_again(&options, &plan, fault); /* takes the plan */
	} else {
		run_plan_free(&plan);
	}
	weir_recipients_free(nobody);
	if (!error)
		error = run_compare_outputs(run, again, compare_output, &comparison, fault);
	if (access(again, F_OK) == 0 && nftw(again, delete_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && !error)
		error = weir_fail_errno(fault, errno, again, "can't be deleted");
	return error;
}
