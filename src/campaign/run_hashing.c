/*
 * SHA-256 of the inputs takes about as long as all the rest on one core, and needs nothing of it: with more threads than one it goes on beside the parts. Files are
 * not read twice for it where they are plain: what the source reads is hashed, too.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "campaign/run.h"
#include "campaign/run_folder.h"
#include "core/clock.h"
#include "os/files.h"

#define LOOK_NS 50000000 /* how often it is looked whether the run is to stop, while the hashes are waited for */

struct run_hashing {
	struct run *run;
	struct run_feed *feed; /* NULL: everything is read */
	pthread_t thread;
	_Atomic int stop;
	int error;
	struct weir_fault fault;
};

static int hash_inputs(struct run *run, struct run_feed *feed, const _Atomic int *stop, struct weir_fault *fault)
{
	struct run_hashes *known = NULL;
	char path[PATH_MAX];
	int error = 0;

	/* Where sums can't be kept (a campaign that can only be read) they are computed. */
	if (run->campaign && path_in(run->plan.campaign, "runs", path, NULL) == 0 && os_make_folders(path, NULL) == 0 &&
	    path_in(run->plan.campaign, "runs/hashes.db", path, NULL) == 0)
		run_hashes_open(path, &known, NULL);
	for (size_t i = 0; !error && i < run->plan.input_count; i++) {
		struct run_input *input = &run->plan.inputs[i];
		struct sha256_feed fed = {0};

		if (feed)
			fed = run_feed_of(feed, i);
		error = run->campaign ? path_in(run->plan.campaign, input->path, path, fault) : 0;
		if (!error)
			error =
				run_hash_fed(known, run->campaign ? path : input->path, feed ? &fed : NULL, stop, input->sha256, fault);
	}
	run_hashes_close(known);
	return error;
}

static void *hash_beside(void *argument)
{
	struct run_hashing *hashing = argument;

	hashing->error = hash_inputs(hashing->run, hashing->feed, &hashing->stop, &hashing->fault);
	/* What is read from now on is not kept for it. */
	if (hashing->feed)
		run_feed_end(hashing->feed);
	return NULL;
}

struct run_hashing *run_hashing_begin(struct run *run)
{
	struct run_hashing *hashing = run->threads > 1 ? calloc(1, sizeof *hashing) : NULL;

	if (!hashing)
		return NULL;
	hashing->run = run;
	/* Segments are read chunk by chunk, of which not all are wanted, and their hashes are kept. */
	hashing->feed = run->campaign ? NULL : run_feed_new(run->plan.input_count);
	if (pthread_create(&hashing->thread, NULL, hash_beside, hashing) == 0)
		return hashing;
	run_feed_free(hashing->feed);
	free(hashing);
	return NULL;
}

const struct weir_capture_tap *run_hashing_tap(struct run_hashing *hashing, size_t i)
{
	return hashing && hashing->feed ? run_feed_tap(hashing->feed, i) : NULL;
}

/* Waits for the thread, and tells it when the run is to stop meanwhile: what is left may take longer than all the parts did. */
static void await(const struct run *run, struct run_hashing *hashing)
{
	struct timespec until;

	do {
		/* Relaxed, as where it is read: nothing else is read because of it. */
		if (run->options->stop && atomic_load_explicit((_Atomic int *)run->options->stop, memory_order_relaxed))
			atomic_store_explicit(&hashing->stop, 1, memory_order_relaxed);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += LOOK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
	} while (pthread_timedjoin_np(hashing->thread, NULL, &until) == ETIMEDOUT);
}

/* Whether every file is still the one that the run began with: one that is being written may have been read and hashed as two different ones. */
static int check_unchanged(const struct run *run, struct weir_fault *fault)
{
	struct stat status;

	for (size_t i = 0; !run->campaign && i < run->plan.input_count; i++) {
		const struct run_input *input = &run->plan.inputs[i];
		if (!input->changed_ns) /* of a run that is made again: the hash tells */
			continue;
		if (stat(input->path, &status) != 0 || (uint64_t)status.st_size != input->bytes || run_changed_ns(&status) != input->changed_ns)
			return weir_fail_at(fault, WEIR_E_CORRUPT, input->path, WEIR_NOWHERE, WEIR_NOWHERE,
			                    "has changed while the run read it, so that what came out can't be made again: start the run anew");
	}
	return 0;
}

int run_hashing_end(struct run *run, bool failed, struct weir_fault *fault)
{
	struct run_hashing *hashing = run->hashing;
	int64_t begun_ns = clock_monotonic_ns();
	int error = 0;

	if (hashing) {
		if (failed)
			atomic_store_explicit(&hashing->stop, 1, memory_order_relaxed); /* nothing else is read because of it */
		if (hashing->feed)
			run_feed_end(hashing->feed);
		await(run, hashing);
		error = failed ? 0 : hashing->error;
		if (error)
			*fault = hashing->fault;
	} else if (!failed) {
		error = hash_inputs(run, NULL, run->options->stop, fault);
	}
	if (!failed && !error)
		error = check_unchanged(run, fault);
	run->hashing_ns += clock_monotonic_ns() - begun_ns;
	return error;
}

void run_hashing_free(struct run_hashing *hashing)
{
	if (!hashing)
		return;
	run_feed_free(hashing->feed);
	free(hashing);
}
