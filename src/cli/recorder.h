/*
 * cli/recorder.h: what record and up share: interfaces into a campaign, until it is enough.
 *
 * Threads: one a ring ("lane"), which runs a pipeline live source → decode → archive sink; the sinks' own; and the caller's, which looks
 * at the counters ten times a second and more, enters losses, applies retention and shows how things are.
 */
#ifndef CLI_RECORDER_H
#define CLI_RECORDER_H

#include <pthread.h>

#include <weir/archive.h>
#include <weir/live.h>

#include "box/counters.h"
#include "box/links.h"
#include "box/process_stage.h"
#include "cli/cli.h"
#include "cli/policy_options.h"
#include "cli/seal_options.h"
#include "live/losses.h"

/* The options of both commands. */
struct recorder_options {
	struct option_list interfaces;
	const char *campaign;
	const char *filter;
	uint64_t snaplen;
	int64_t duration_ns;
	uint64_t ring_bytes;
	uint64_t fanout;
	const char *codec;
	const char *segment;
	const char *sign;
	uint64_t max_size;
	int64_t max_age_ns;
	uint64_t min_free;
	uint64_t buffer_bytes;
	uint64_t workers;
	bool promiscuous;
	bool process;             /* packets with their process; a fault when that can't be had */
	bool process_if_possible;
	bool counters;            /* what the system counts, kept beside the packets; a fault when that can't be had */
	bool counters_if_possible;
	bool sandbox;
	const char *backend;
	const char *node;
	const char *user;
	const char *policy;
	uint64_t count;
	bool json;
	bool quiet;
	struct seal_switches seal;
};

#define LANE_STAGES 7 /* limit, decode, process, and of each policy what it keeps and what it gives up */

/* One ring and where its packets go. */
struct lane {
	char interface[64];
	char vantage[80]; /* the interface; of further rings of it IFACE.r1, IFACE.r2, … */
	bool first;       /* ring of its interface: it alone tells of card and link */
	struct weir_source *source;
	struct weir_stage *stages[LANE_STAGES];
	size_t stage_count;
	struct weir_stage *keeps[2], *sheds[2]; /* those of the policies among them; NULL: none */
	struct weir_sink *sink;
	struct recorder *recorder;
	pthread_t thread;
	bool started, told;
	_Atomic bool ended;
	int status;
	struct weir_fault fault;
	struct weir_live_statistics live;
	struct weir_archive_statistics archive;
	struct loss_counter ring_losses, card_losses;
	struct loss_state link;
	bool was_gone;
	uint64_t withheld, shed; /* packets that a policy forbids; that were given up under load, as a policy says */
	struct weir_keep_statistics withheld_told[2]; /* by policy: what the ledger has of it */
	int64_t withheld_ns;                       /* monotonic: when that was entered */
	uint64_t published_packets, published_bytes; /* received and on the wire, when others were last told */
};

struct recorder {
	const struct command *command;
	const struct recorder_options *options;
	struct weir_campaign *campaign;
	struct signing_key *signer; /* NULL: nothing is signed; the campaign's, once that is open */
	struct weir_archive_options archive;
	struct policies policies;
	struct weir_recipients *recipients; /* that were named; NULL: none */
	struct weir_retention retention;
	char node[256];
	struct owners *owners; /* of sockets; NULL: packets come without their process */
	struct process_lookup lookup;
	struct lane *lanes;
	size_t lane_count;
	struct clock_watch clock;
	struct links *links; /* their changes; NULL: the system does not tell */
	struct counters *counters; /* NULL: they are not kept */
	struct counters_keep *counters_keep;
	struct weir_recipients *counters_recipients; /* for whom their files are sealed; NULL: they are not */
	int64_t counters_next_ns;  /* monotonic: when to look; 0: now */
	int counters_lock;         /* of their folder; -1: none */
	_Atomic uint64_t wanted; /* packets still to be kept, with --count */
	int64_t started_ns;      /* monotonic */
	int64_t last_retention_ns;
	int64_t last_state_ns; /* monotonic, of the clock; 0: none yet */
	uint64_t deleted;   /* segments, by retention */
	uint64_t unentered; /* packets lost that are not in the ledger at the end */
	bool ledger_failed, retention_failed, state_failed, state_unknown, publish_failed;
};

/*
 * Records on all interfaces named; skip_failing: an interface that can't be opened is told and left out (up). Returns the
 * exit status.
 */
int recorder_run(const struct command *command, const struct recorder_options *options, const char *const *interfaces,
                 size_t count, bool skip_failing);

/* record_policy.c: the stages of the policies, and what they left out and gave up into the ledger. */
int recorder_add_policies(struct recorder *recorder, struct lane *lane, struct weir_fault *fault);
void recorder_look_at_policies(struct recorder *recorder, struct lane *lane, bool last);

/* record_losses.c: enters a loss of a lane. False: it could not be. */
bool recorder_enter(struct recorder *recorder, const struct lane *lane, const struct weir_loss *loss);

/* record_losses.c: looks at every lane's counters and enters what was lost; last: nothing will follow. */
void recorder_look(struct recorder *recorder, bool last);

/* record_links.c: follows the interfaces that are recorded from now on, where the system tells of changes; and enters those that there were. */
void recorder_follow_links(struct recorder *recorder);
void recorder_look_at_links(struct recorder *recorder);

/*
 * record_counters.c: what the system counts, kept as Parquet (box/counters_keep.h) where the options say so. Opened while everything may be read (0 or the exit
 * status), begun when the campaign is open, looked at once a second.
 */
int recorder_open_counters(struct recorder *recorder);
int recorder_begin_counters(struct recorder *recorder, struct weir_fault *fault);
void recorder_look_at_counters(struct recorder *recorder);
void recorder_end_counters(struct recorder *recorder);
void recorder_close_counters(struct recorder *recorder);

/* record_status.c */
struct record_sums {
	uint64_t received, ring_dropped, card_dropped, packets, captured_bytes, wire_bytes, shed, withheld, written_bytes, segments;
	bool disk_full, down;
};
void record_sum(const struct recorder *recorder, struct record_sums *sums);
void record_status(const struct recorder *recorder, const struct record_sums *before, int64_t elapsed_ns);
void record_status_clear(const struct recorder *recorder);
void record_summary(const struct recorder *recorder);

/*
 * record_publish.c: tells others how it goes (box/recorder_status.h), once a second; that it can't be written is told
 * once. elapsed_ns: since the last time, for the rates.
 */
void record_publish_begin(struct recorder *recorder);
void record_publish(struct recorder *recorder, int64_t elapsed_ns);
void record_publish_end(struct recorder *recorder);

/* Rows of the option tables of both commands. */
#define RECORDER_OPTION(long_name, short_name, kind, field, meta, text, ...)                                           \
	{                                                                                                                  \
		.name = long_name, .letter = short_name, .type = kind, .offset = offsetof(struct recorder_options, field),     \
		.metavar = meta, .help = text, __VA_ARGS__                                                                     \
	}
#define RECORDER_OPTIONS                                                                                               \
	RECIPIENT_ROWS(struct recorder_options, seal),                                                                     \
	RECORDER_OPTION("filter", 'f', OPTION_STRING, filter, "FILTER", "keep only packets that match (pcap-filter)"),     \
		RECORDER_OPTION("policy", 0, OPTION_STRING, policy, "FILE",                                                    \
	                    "keep no more than this policy allows, and that of the campaign"),                             \
		RECORDER_OPTION("snaplen", 's', OPTION_UNSIGNED, snaplen, "BYTES",                                             \
	                    "keep at most so much of each packet; 0: all", .least = 0, .most = 262144),                    \
		RECORDER_OPTION("for", 0, OPTION_DURATION, duration_ns, "TIME", "stop after so long"),                         \
		RECORDER_OPTION("count", 'c', OPTION_UNSIGNED, count, "N", "stop after N packets", .least = 0,                 \
	                    .most = UINT64_MAX),                                                                           \
		RECORDER_OPTION("ring-size", 0, OPTION_SIZE, ring_bytes, "SIZE", "memory of each ring that the kernel fills"), \
		RECORDER_OPTION("fanout", 0, OPTION_UNSIGNED, fanout, "N", "rings an interface, each with a thread",           \
	                    .least = 1, .most = 64),                                                                       \
		RECORDER_OPTION("codec", 0, OPTION_STRING, codec, "CODEC",                                                     \
	                    "zstd:LEVEL, lz4, auto (the level follows the backlog) or none"),                              \
		RECORDER_OPTION("segment", 0, OPTION_STRING, segment, "SIZE|TIME",                                             \
	                    "begin a new segment after so much, or so long"),                                              \
		RECORDER_OPTION("sign", 0, OPTION_STRING, sign, "KEYFILE",                                                     \
	                    "sign segments and ledger with this Ed25519 key (also: WEIR_SIGNING_KEY)"),                    \
		RECORDER_OPTION("max-size", 0, OPTION_SIZE, max_size, "SIZE",                                                  \
	                    "delete the oldest segments above this size of the archive"),                                  \
		RECORDER_OPTION("max-age", 0, OPTION_DURATION, max_age_ns, "TIME", "delete segments older than this"),         \
		RECORDER_OPTION("min-free", 0, OPTION_SIZE, min_free, "SIZE",                                                  \
	                    "keep so much of the disk free, by deleting the oldest segments"),                             \
		RECORDER_OPTION(                                                                                               \
			"buffer", 0, OPTION_SIZE, buffer_bytes, "SIZE",                                                            \
			"packets waiting for compression and disk, of each ring; what comes beyond is shed and counted"),          \
		RECORDER_OPTION("workers", 0, OPTION_UNSIGNED, workers, "N",                                                   \
	                    "compressing threads of each ring; 0: one a core", .least = 0, .most = 8),                     \
		RECORDER_OPTION("no-promisc", 'p', OPTION_FLAG, promiscuous, NULL, "only what the interface takes anyway",     \
	                    .no_flag = true),                                                                              \
		RECORDER_OPTION("backend", 0, OPTION_STRING, backend, "BACKEND", "how to capture: af_packet, pcap"),           \
		RECORDER_OPTION("node", 0, OPTION_STRING, node, "NAME",                                                        \
	                    "what this box is called in the campaign; else its host name"),                                \
		RECORDER_OPTION("user", 'Z', OPTION_STRING, user, "USER",                                                      \
	                    "become this user once the sockets are open; root else becomes the owner of the folder"),      \
		RECORDER_OPTION("no-sandbox", 0, OPTION_FLAG, sandbox, NULL, "do not restrict system calls", .no_flag = true), \
		RECORDER_OPTION("quiet", 'q', OPTION_FLAG, quiet, NULL, "no status line"),                                     \
		RECORDER_OPTION("json", 0, OPTION_FLAG, json, NULL,                                                            \
	                    "status and summary as JSON, one object a line, on standard output")
#define RECORDER_DEFAULTS(memory)                                                                                      \
	.ring_bytes = (memory), .fanout = 1, .codec = "auto", .segment = "256M", .buffer_bytes = (memory),                 \
	.promiscuous = true, .sandbox = true

#endif
