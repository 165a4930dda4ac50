/*
 * SHA-256 of the inputs takes about as long as all the rest on one core, and needs nothing of it: a thread of the pipeline makes it, in steps beside the batches. On a thread of its own it
 * had to share the processors with the others, though all that is left in the end may be waiting for it. Files are not read twice where they are plain: what the source reads is hashed, too.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "campaign/run.h"
#include "campaign/run_folder.h"
#include "core/clock.h"
#include "os/files.h"

#define STEP_BYTES (1u << 20) /* takes some half a millisecond */

struct run_hashing {
	struct run *run;
	struct run_feed *feed;     /* NULL: everything is read */
	struct run_hashes *known;  /* may be NULL */
	struct run_hash_work *hash; /* of the input in hand; NULL: none is */
	size_t input;              /* the one in hand, or the next */
	bool begun, done;
	int error;
	struct weir_fault fault;
};

/* Where sums can't be kept (a campaign that can only be read) they are computed. */
static void begin(struct run_hashing *hashing)
{
	const struct run *run = hashing->run;
	char path[PATH_MAX];

	hashing->begun = true;
	if (run->campaign && path_in(run->plan.campaign, "runs", path, NULL) == 0 && os_make_folders(path, NULL) == 0 &&
	    path_in(run->plan.campaign, "runs/hashes.db", path, NULL) == 0)
		run_hashes_open(path, &hashing->known, NULL);
}

/* What is read from now on is not kept for it. */
static void end(struct run_hashing *hashing, int error)
{
	hashing->error = error;
	hashing->done = true;
	if (hashing->feed)
		run_feed_end(hashing->feed);
	run_hash_close(hashing->hash);
	run_hashes_close(hashing->known);
	hashing->hash = NULL;
	hashing->known = NULL;
}

static int open_input(struct run_hashing *hashing)
{
	const struct run *run = hashing->run;
	struct run_input *input = &run->plan.inputs[hashing->input];
	char path[PATH_MAX];
	int error = run->campaign ? path_in(run->plan.campaign, input->path, path, &hashing->fault) : 0;

	if (hashing->feed)
		run_feed_turn(hashing->feed, hashing->input);
	return error ? error : run_hash_open(hashing->known, run->campaign ? path : input->path, hashing->feed, input->sha256, &hashing->hash, &hashing->fault);
}

/* The input in hand, some further. 1: there was something to do; 0: not now; or an error. */
static int go_on(struct run_hashing *hashing)
{
	for (size_t bytes = 0; bytes < STEP_BYTES;) {
		size_t hashed;
		int state = run_hash_some(hashing->hash, &hashed, &hashing->fault);

		bytes += hashed;
		if (state < 0)
			return state;
		if (state == RUN_HASH_LATER)
			return bytes > 0;
		if (state == RUN_HASH_DONE) {
			run_hash_close(hashing->hash);
			hashing->hash = NULL;
			hashing->input++;
			return 1;
		}
	}
	return 1;
}

bool run_hashing_step(void *context)
{
	struct run_hashing *hashing = context;
	int result = 1;

	if (hashing->done)
		return false;
	if (!hashing->begun)
		begin(hashing);
	if (hashing->hash) {
		result = go_on(hashing);
	} else if (hashing->input == hashing->run->plan.input_count) {
		end(hashing, 0);
	} else {
		result = open_input(hashing);
		if (result == 0) {
			/* Known, when there is nothing to hash. */
			hashing->input += !hashing->hash;
			result = 1;
		}
	}
	if (result < 0)
		end(hashing, result);
	return result == 1 && !hashing->done;
}

struct run_hashing *run_hashing_begin(struct run *run)
{
	struct run_hashing *hashing = calloc(1, sizeof *hashing);

	if (!hashing)
		return NULL;
	hashing->run = run;
	/* Segments are read chunk by chunk, of which not all are wanted, and their hashes are kept. */
	hashing->feed = run->campaign ? NULL : run_feed_new(run->plan.input_count);
	return hashing;
}

const struct weir_capture_tap *run_hashing_tap(struct run_hashing *hashing, size_t i)
{
	return hashing && hashing->feed ? run_feed_tap(hashing->feed, i) : NULL;
}

/* What is left may take longer than all the parts did: the run may be stopped meanwhile. */
static int hash_rest(struct run_hashing *hashing, struct weir_fault *fault)
{
	const _Atomic int *stop = hashing->run->options->stop;

	if (hashing->feed)
		run_feed_end(hashing->feed);
	while (!hashing->done) {
		/* Relaxed: nothing else is read because of it. */
		if (stop && atomic_load_explicit((_Atomic int *)stop, memory_order_relaxed)) {
			end(hashing, weir_fail(&hashing->fault, WEIR_E_INTERRUPTED, "interrupted while hashing"));
			break;
		}
		run_hashing_step(hashing);
	}
	if (hashing->error)
		*fault = hashing->fault;
	return hashing->error;
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
	int64_t begun_ns = clock_monotonic_ns();
	int error = 0;

	if (failed) {
		if (run->hashing && !run->hashing->done)
			end(run->hashing, 0);
		return 0;
	}
	error = run->hashing ? hash_rest(run->hashing, fault) : weir_fail(fault, WEIR_E_MEMORY, "no memory to hash the inputs");
	if (!error)
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
