/*
 * weir/run.h: runs: post-processing from raw packets to clean packets and flow records, with notes of all that was done.
 *
 * A run is a folder:
 *
 *     manifest.json           what went in and came out (SHA-256 each), parameters, versions, figures, losses; only when the run is whole
 *     report.html             the same for people
 *     flows/NNNNNN.parquet    flow records, a file a part
 *     packets/NNNNNN.pcapng.zst   clean packets, likewise
 *     (sealed: flows/NNNNNN.parquet.age, packets/NNNNNN.pcapng.zst.age, report.html.age; their hashes are those of what is sealed)
 *     run.json, run.state     while it is not whole: what it is to do, and how far it is
 *
 * It is done in parts, each a span of the input. After each part everything that later ones need is written to run.state, in one step; a run that
 * was interrupted goes on from there, to the same bytes. What it makes depends on the input and the parameters alone, not on threads or time.
 */
#ifndef WEIR_RUN_H
#define WEIR_RUN_H

#include <weir/archive.h>
#include <weir/flow.h>
#include <weir/policy.h>
#include <weir/stage.h>

enum weir_run_stage {
	WEIR_RUN_VERIFY = 1, /* checksums of the archive; soundness of files */
	WEIR_RUN_REPAIR = 2, /* goes on behind damage, which it enters as lost; without it damage ends the run */
	WEIR_RUN_DEDUP = 4,
	WEIR_RUN_CLOCK = 8,  /* corrects the clocks of nodes (files) that saw the same packets */
	WEIR_RUN_APPS = 16,
	WEIR_RUN_FLOWS = 32,
	WEIR_RUN_ALL = 63,
};

/* The stage of this name ("verify", "repair", …), 0 when there is none. */
unsigned weir_run_stage_named(const char *name, size_t length);

#define WEIR_RUN_POLICIES 2

struct weir_run_options {
	const char *campaign;       /* the folder; NULL: files */
	const char *const *files;
	size_t file_count;
	const char *out;            /* the run's folder; NULL: runs/TIME in the campaign, or weir-run-TIME here */
	unsigned stages;            /* enum weir_run_stage */
	bool no_packets;            /* flows alone */
	int64_t from_ns, to_ns;     /* of packets' times, both inclusive; WEIR_TIME_FIRST, WEIR_TIME_LAST */
	bool since_last;            /* of a campaign: from where the latest whole run of it ended */
	uint64_t memory_bytes;      /* 0 = 1 GiB */
	uint64_t part_bytes;        /* of input; 0 = 16 GiB */
	struct weir_dedup_options dedup;
	int64_t idle_ns, active_ns; /* of flows; 0: none */
	/* No more of packets is kept than these allow (NULL: none); flow records are made of whole packets. They are part of the manifest. */
	const struct weir_policy *policies[WEIR_RUN_POLICIES];
	const struct weir_identities *identities; /* that open what is sealed; NULL: none */
	const struct weir_recipients *recipients; /* seal packets, flows and report for them and for those of the campaign; NULL: for those alone, if any */
	int threads;                /* 0 = one a core */
	const _Atomic int *stop;    /* may be NULL: Ctrl-C ends the run after the batch in hand; it can go on later */
	/* done of total bytes of the input; may be NULL; from any thread, one call at a time */
	void (*progress)(void *context, uint64_t done, uint64_t total);
	void *context;
	/* Called for each range of damage met; may be NULL. */
	void (*damaged)(void *context, const struct weir_damage *damage);
};

struct weir_run_summary {
	char folder[4096];
	bool resumed;              /* it went on from where an earlier one had been interrupted */
	bool nothing;              /* there was nothing new; no run was made */
	uint64_t parts;
	uint64_t packets, captured_bytes, wire_bytes; /* of the input */
	uint64_t input_bytes;      /* of files */
	uint64_t kept, exact_duplicates, routed_duplicates;
	uint64_t flows, damages, damaged_bytes;
	int64_t first_ns, last_ns;
	int64_t elapsed_ns;        /* of this call, hashing included */
	int64_t hashing_ns;        /* that was waited for SHA-256 of what went in, after all else was done */
};

/*
 * Makes a run, or goes on with the one in options->out (NULL: the latest of the campaign with the same parameters) that was interrupted.
 * WEIR_E_INTERRUPTED when *stop was set: it can be gone on with. WEIR_E_USAGE when out holds a whole run or one with other parameters.
 * Never writes outside the run's folder but for runs/hashes.db of the campaign, where SHA-256 sums that are known are kept.
 */
int weir_run_process(const struct weir_run_options *options, struct weir_run_summary *summary, struct weir_fault *fault);

struct weir_reproduction {
	uint64_t inputs, outputs;
	uint64_t inputs_changed, outputs_changed; /* how many are not what the manifest says */
};

/*
 * Makes a whole run again from its manifest, in a folder beside it that is deleted afterwards, and compares the SHA-256 of every input and
 * output. differs (may be NULL) is called for each that is not the same. 0 also when some differ; threads, stop, progress as above.
 */
int weir_run_reproduce(const char *run, int threads, const struct weir_identities *identities, const _Atomic int *stop,
                       void (*progress)(void *context, uint64_t done, uint64_t total),
                       void (*differs)(void *context, const char *path, const char *was, const char *is), void *context,
                       struct weir_reproduction *reproduction, struct weir_fault *fault);

#endif
