/*
 * campaign/run.h: what the parts of a run share: its plan, its outputs so far, its tallies.
 */
#ifndef CAMPAIGN_RUN_H
#define CAMPAIGN_RUN_H

#include <limits.h>

#include <weir/application.h>
#include <weir/run.h>

#include "core/json.h"
#include "file/sha256.h"

/* ---- the plan: what goes in, and how (run_plan.c) ---- */

struct run_input {
	char *path;     /* of a campaign relative to it, else as given */
	uint64_t bytes;
	int64_t first_ns, last_ns; /* 0 of files */
	int64_t changed_ns; /* of files: when it was changed last, by its file system; 0: not known */
	char sha256[65]; /* "": not known yet */
};

/* Everything that the result depends on. Written as run.json when the run begins, and into the manifest. */
struct run_plan {
	char *campaign; /* NULL: files */
	unsigned stages;
	bool packets;
	bool sealed; /* for whom is not part of it: what is sealed is the same */
	int64_t from_ns, to_ns; /* of a campaign: of the packets of its segments */
	uint64_t memory_bytes, part_bytes;
	struct weir_dedup_options dedup;
	int64_t idle_ns, active_ns;
	char *policies[WEIR_RUN_POLICIES]; /* as TOML, defaults included; NULL: none */
	struct run_input *inputs;
	size_t input_count;
	uint64_t input_bytes;
	int64_t *cuts;      /* of a campaign: part i is the packets from cuts[i] to before cuts[i + 1] */
	size_t part_count;  /* of a campaign */
};

/* Makes the plan of a new run. Without inputs it has no parts. */
int run_plan_make(const struct weir_run_options *options, struct weir_campaign *campaign, struct run_plan *plan, struct weir_fault *fault);
void run_plan_free(struct run_plan *plan);

/* As an object; the hashes of inputs when they are known. */
void run_plan_write(const struct run_plan *plan, bool with_inputs, struct json *json);

/* From the JSON text of a file that holds it at `at` ("$" or "$.plan"). */
int run_plan_read(const char *json, const char *at, const char *name, struct run_plan *plan, struct weir_fault *fault);

/* ---- tallies: what the report is made of (run_tally.c) ---- */

#define TALLY_BUCKETS 2048

struct tally_bucket {
	uint64_t packets, wire_bytes;
};

struct tally_sum {
	uint64_t flows, packets, wire_bytes;
};

struct tally_name {
	char name[48], category[24];
	struct tally_sum sum;
};

struct tally_host {
	struct weir_ip address;
	uint64_t flows;
	uint64_t sent_packets, sent_bytes, received_packets, received_bytes;
};

#define TALLY_NAMES 1024
#define TALLY_HOSTS 65536 /* distinct ones; the rest is counted together */
#define TALLY_VANTAGES 64
#define TALLY_INTERFACES 1024

struct tally_vantage {
	char name[140];
	uint64_t packets, wire_bytes, kept, duplicates;
	int64_t first_ns, last_ns;
};

#define TALLY_NAME_SLOTS 256

/* Plain memory: saved and loaded as it is, up to the slots, which are made again. */
struct run_tally {
	uint64_t packets, captured_bytes, wire_bytes, kept, kept_bytes, duplicates, dropped;
	int64_t first_ns, last_ns;
	int64_t bucket_ns, base_ns; /* width of a bucket, a power of two seconds; time of the first */
	struct tally_bucket buckets[TALLY_BUCKETS];
	uint32_t vantage_count, name_count, host_count;
	uint8_t vantage_of[TALLY_INTERFACES]; /* by interface_id: index into vantages, + 1 */
	struct tally_vantage vantages[TALLY_VANTAGES];
	uint64_t flows;
	struct tally_sum protocols[256];
	struct tally_name names[TALLY_NAMES];
	struct tally_sum other_hosts;
	uint32_t host_slots[TALLY_HOSTS * 2]; /* open addressing: index + 1 into hosts */
	uint16_t name_slots[TALLY_NAME_SLOTS]; /* where a name of this hash was found last: index + 1 into names */
	struct tally_host hosts[TALLY_HOSTS];
};

struct run_tally *run_tally_new(void);
const char *run_tally_vantage(const struct run_tally *tally, uint32_t interface_id); /* its name, "" when not known */
void run_tally_packets(struct run_tally *tally, const struct weir_batch *batch);
void run_tally_flows(struct run_tally *tally, const struct weir_flow *flows, size_t count);
int run_tally_save(struct run_tally *tally, struct weir_state *state, struct weir_fault *fault);
int run_tally_load(struct run_tally *tally, struct weir_state *state, struct weir_fault *fault);

/* ---- the run itself ---- */

struct run_output {
	char path[64]; /* within the run's folder */
	uint64_t bytes, records;
	char sha256[65];
};

struct run_damage {
	char file[256], cause[64];
	uint64_t from, to, packets_before, packets;
	int64_t before_ns, after_ns;
};

#define RUN_DAMAGES 100000 /* entered one by one; more are only counted */

#define RUN_INTERFACES 4096

struct run {
	const struct weir_run_options *options;
	struct run_plan plan;
	struct weir_campaign *campaign;
	char folder[PATH_MAX];
	struct weir_recipients *recipients; /* NULL: nothing is sealed */
	char sealed_sha256[65];             /* of the output in hand */
	int threads;
	int64_t started_ns; /* wall clock of this call */

	uint64_t part;      /* the one in hand, from 0 */
	uint64_t done_bytes, done_packets; /* of the input, in whole parts */
	struct run_output *outputs;
	size_t output_count;
	struct run_damage *damages;
	size_t damage_count;
	uint64_t all_damages, damaged_bytes;
	struct run_tally *tally;
	struct run_clock *clocks;      /* of the nodes (files) that are corrected */
	size_t clock_count;

	struct weir_source *files;     /* files: open over all parts */
	struct weir_interface **interfaces; /* a campaign's, the same numbers in all parts */
	uint32_t interface_count;
	struct weir_stage *decode, *digest, *dedup, *decapsulate, *flow_items, *flow;
	struct weir_policy *policies[WEIR_RUN_POLICIES];
	struct weir_stage *keeps[WEIR_RUN_POLICIES]; /* for packets that are written; NULL: none */
	struct weir_applications *applications;
	struct weir_flow_sink *flow_sink; /* of the part */
	struct weir_sink *packet_sink;
	bool failed_to_enter;          /* no memory for a damage */
	struct run_hashing *hashing;   /* beside the parts; NULL: it is done when they are */
	int64_t hashing_ns;
};

/* One node's clock, or of files one file's (run_clock.c). */
#define RUN_CLOCK_NAME 512
struct run_clock {
	char name[RUN_CLOCK_NAME];
	char basis[40];                /* what its correction was estimated from */
	struct weir_clock_knot *knots;
	size_t count;
	uint64_t shared;               /* packets that it was estimated from */
	uint32_t steps;                /* times that it was set */
	double drift;
};

/* Enters the clocks that there are; of files one each, in the order of inputs. Estimates their corrections, when it is asked for. */
int run_clocks_list(struct run *run, struct weir_fault *fault);
int run_clocks_estimate(struct run *run, struct weir_fault *fault);
bool run_clocks_correct(const struct run *run); /* whether one is corrected */
struct weir_clock run_clock_of(const struct run *run, size_t i);
int64_t run_clock_reading(const struct run *run, size_t i, int64_t time_ns); /* what clock i showed at that (corrected) time */

int run_clocks_save(struct run *run, struct weir_state *state, struct weir_fault *fault);
int run_clocks_load(struct run *run, struct weir_state *state, struct weir_fault *fault);
void run_clocks_free(struct run *run);

/* The sink of a run's pipelines: tallies, and packets when they are kept (run_parts.c). */
struct weir_sink *run_sink_new(struct run *run);

/* Where the flow stage's records go: the tallies, and the file of the part. */
struct weir_flow_sink *run_flow_sink_new(struct run *run);

/* Enters damage that a source met (context: the run). */
void run_damaged(void *context, const struct weir_damage *damage);

/*
 * The source of the part in hand (run_source.c): of a campaign a query, of files what is left of them, up to the part's bound. *last: nothing
 * comes after it (of files this is known when the part has been read).
 */
int run_source_open(struct run *run, struct weir_source **source, struct weir_fault *fault);
bool run_source_is_last(const struct run *run, const struct weir_source *source);

/* The interfaces of a campaign that were met, for the state (run_source.c). */
int run_interfaces_save(struct run *run, struct weir_state *state, struct weir_fault *fault);
int run_interfaces_load(struct run *run, struct weir_state *state, struct weir_fault *fault);
void run_interfaces_free(struct run *run);

/*
 * Of files: whether each can be opened as what a run reads. What is no capture at all is not damage of one: it is told before there is a folder, and not in the manifest of a run of nothing.
 */
int run_files_check(const struct run *run, struct weir_fault *fault);

/* Of files: reads over what whole parts have had. */
int run_files_skip(struct run *run, struct weir_fault *fault);

/* Opens the outputs of part run->part, and finishes them, entering them among the outputs. */
int run_part_open(struct run *run, struct weir_fault *fault);
int run_part_finish(struct run *run, struct weir_fault *fault);
void run_part_abandon(struct run *run);

/* Where a run is, in run.state. Loading deletes what stands in the folder and belongs to no whole part. */
int run_state_save(struct run *run, struct weir_fault *fault);
int run_state_load(struct run *run, struct weir_fault *fault);

/* When a file was changed last, by its file system. */
struct stat;
int64_t run_changed_ns(const struct stat *status);

/* SHA-256 of a file as hex (run_hash.c). */
int run_hash(const char *path, const _Atomic int *stop, char hex[static 65], struct weir_fault *fault);

/* A database of sums that were computed before. */
struct run_hashes;
int run_hashes_open(const char *path, struct run_hashes **hashes, struct weir_fault *fault);
void run_hashes_close(struct run_hashes *hashes);

/*
 * The hash of a file, a piece at a time. known and feed may be NULL, and outlive it, as hex does. open: *work is NULL when it was known, hex is there then. some: a negative error, or one of
 * the states; when it is done hex is there, and it is known from then on.
 */
struct run_feed;
struct run_hash_work;
enum { RUN_HASH_MORE, RUN_HASH_LATER, RUN_HASH_DONE }; /* LATER: the feed has nothing yet */
int run_hash_open(struct run_hashes *known, const char *path, struct run_feed *feed, char hex[static 65], struct run_hash_work **work,
                  struct weir_fault *fault);
int run_hash_some(struct run_hash_work *work, size_t *hashed, struct weir_fault *fault);
void run_hash_close(struct run_hash_work *work);

/*
 * SHA-256 of all inputs, into the plan (run_hashing.c): a step of it at a time, for a pipeline (weir_pipeline.beside; the context is the struct), and what is left when it ends. begin: NULL,
 * no memory, which end tells. Stopped or failed, the run does without. Files that are not what the plan says any more are an error at the end: what was made of them can't be
 * made again. The tap is for who reads input i meanwhile; NULL: none.
 */
struct run_hashing *run_hashing_begin(struct run *run);
bool run_hashing_step(void *context);
int run_hashing_end(struct run *run, bool failed, struct weir_fault *fault);
void run_hashing_free(struct run_hashing *hashing); /* it has ended, and no source has its tap any more */
const struct weir_capture_tap *run_hashing_tap(struct run_hashing *hashing, size_t i);

/* What is read of the inputs, for who hashes them one after the other (run_feed.c). */
struct run_feed *run_feed_new(size_t inputs); /* NULL: no memory */
void run_feed_free(struct run_feed *feed);    /* when nobody reads any more */
void run_feed_end(struct run_feed *feed);     /* nothing more is read */
const struct weir_capture_tap *run_feed_tap(struct run_feed *feed, size_t i);
void run_feed_turn(struct run_feed *feed, size_t i); /* input i is hashed next; those before it are done */
/*
 * Of the input whose turn it is, the bytes from `at` on: how many; *data NULL: they are not to be had, and so many, at most `most`, are to be read. 0: they will come. They stay until the
 * next call.
 */
size_t run_feed_next(struct run_feed *feed, uint64_t at, size_t most, const uint8_t **data);

/* manifest.json and report.html (run_manifest.c, run_report.c). */
int run_manifest_write(struct run *run, struct weir_fault *fault);
int run_report_write(struct run *run, struct weir_fault *fault);

#endif
