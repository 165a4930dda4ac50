/*
 * weir/audit.h: whether what is to be published holds something that its policy hides.
 *
 * An audit has two halves. Gathering: a pass over the original packets and flows enters every value that the policy hides: *originals*. Searching: every byte of
 * the output, decompressed, is searched for them in every encoding that is known here (docs/publishing.md lists them). Neither shares code with the
 * hide stage, so that what that one does not see is not unseen here too.
 */
#ifndef WEIR_AUDIT_H
#define WEIR_AUDIT_H

#include <stdatomic.h>

#include <weir/flow.h>
#include <weir/policy.h>

enum weir_original_kind {
	WEIR_ORIGINAL_IPV4,
	WEIR_ORIGINAL_IPV6,
	WEIR_ORIGINAL_MAC,
	WEIR_ORIGINAL_NAME,
	WEIR_ORIGINAL_PAYLOAD, /* eight bytes of what the policy cuts */
	WEIR_ORIGINAL_KINDS
};
const char *weir_original_kind_name(enum weir_original_kind kind); /* "IPv4 address", "name", … */

/* ---- gathering ---- */

/* The values that a policy hides. Filled by one thread at a time; once ready it never changes, and any number of threads search. */
struct weir_originals;

struct weir_originals_options {
	const struct weir_policy *policy; /* stays the caller's and outlives the originals, as the hider does */
	/*
	 * Tells which originals are also what another original became: of those a hit says nothing, where such values are to be expected. NULL: no
	 * such value is known, and every hit counts.
	 */
	const struct weir_hider *hider;
	uint64_t memory_bytes; /* 0 = 256 MiB; at least 1 MiB. What does not fit is counted, and not searched for. */
};

int weir_originals_new(const struct weir_originals_options *options, struct weir_originals **originals,
                       struct weir_fault *fault);
void weir_originals_free(struct weir_originals *originals);

/*
 * A stage that gathers from original packets, decoded before it, and changes nothing itself. keep (may be NULL; stays the caller's) is the keep stage of the policy: it
 * is run inside, on each batch, so that this one sees what it cuts. In order.
 */
struct weir_stage *weir_originals_stage_new(struct weir_originals *originals, struct weir_stage *keep,
                                            struct weir_fault *fault);

/* Gathers from a flow record. 0 or WEIR_E_MEMORY. */
int weir_originals_see_flow(struct weir_originals *originals, const struct weir_flow *flow, struct weir_fault *fault);

/*
 * Gathers from what is to be published: a campaign's folder, a run's (packets and flows), a capture file, a Parquet file of flows. Damage in the middle costs what is behind
 * it: it is an error, for what is not known is not searched for.
 */
struct weir_originals_reading {
	struct weir_stage *keep;                                         /* as above; may be NULL */
	const struct weir_identities *identities;                        /* that open what is sealed; NULL: none */
	int threads;                                                     /* 0 = one a core */
	const _Atomic int *stop;                                         /* may be NULL */
	void (*progress)(void *context, const struct weir_batch *batch); /* as in a pipeline; may be NULL */
	void *progress_context;
};
int weir_originals_read(struct weir_originals *originals, const char *path,
                        const struct weir_originals_reading *reading, struct weir_fault *fault);

/* Single values; what the policy leaves alone is not taken. A name is in dotted form. 0 or WEIR_E_MEMORY. */
int weir_originals_add_ip(struct weir_originals *originals, const struct weir_ip *ip, struct weir_fault *fault);
int weir_originals_add_mac(struct weir_originals *originals, const uint8_t mac[static 6], struct weir_fault *fault);
int weir_originals_add_name(struct weir_originals *originals, const void *name, size_t length,
                            struct weir_fault *fault);

/* Everything has been gathered: makes what is needed for searching. Once. 0 or WEIR_E_MEMORY. */
int weir_originals_ready(struct weir_originals *originals, struct weir_fault *fault);

struct weir_originals_statistics {
	uint64_t packets;
	uint64_t held[WEIR_ORIGINAL_KINDS];     /* are searched for */
	uint64_t not_held[WEIR_ORIGINAL_KINDS]; /* met without memory left for them (times met, not values), or too many that are too much alike to be searched for */
	uint64_t images[WEIR_ORIGINAL_KINDS];   /* of those held: are also what another original became */
	uint64_t words; /* names that are ordinary words or shorter than four characters: not searched for */
	uint64_t payload_sampled_one_in; /* of all runs of eight bytes so many are held */
};
void weir_originals_count(const struct weir_originals *originals, struct weir_originals_statistics *statistics);

/* ---- searching ---- */

struct weir_audit_hit {
	const char *file;     /* as it was found, from the output's folder on */
	uint64_t offset;      /* of the value: within the decompressed bytes, or of what `place` names */
	uint64_t packet;      /* its number in the file, from 1; 0: not in a packet, or not known */
	const char *place;    /* "file name", "bytes", "packet", "dictionary of column x", … */
	const char *encoding; /* "dotted", "reversed", "base64, text", … */
	enum weir_original_kind kind;
	char value[128]; /* of the original, in its usual form (cut when longer) */
	uint64_t times;  /* how often in this way and file; the place is that of the first */
};

struct weir_audit_options {
	const struct weir_originals *originals; /* ready */
	void (*found)(void *context,
	              const struct weir_audit_hit *hit); /* each value, encoding and file once, at the end; may be NULL */
	void (*unsearched)(void *context, const char *file,
	                   const struct weir_fault *why); /* what could not be read; may be NULL */
	void *context;
	const _Atomic int *stop;                                       /* may be NULL */
	void (*progress)(void *progress_context, uint64_t disk_bytes); /* so far; may be NULL */
	void *progress_context;
};

struct weir_audit_result {
	uint64_t files, disk_bytes;
	uint64_t searched_bytes; /* decompressed */
	uint64_t packets;
	uint64_t leaks;     /* values found, each in each file and encoding once */
	uint64_t times;     /* … and how often */
	uint64_t explained; /* hits on values that another original became, at places where such values stand */
	/*
	 * Short runs of bytes that are equal to an original by chance as often as this: they are no leaks as long as there are not more of them than chance
	 * gives (docs/publishing.md has the rule).
	 */
	uint64_t by_chance;
	double expected_by_chance;
	uint64_t files_unsearched; /* could not be searched whole: such an output is not clean */
};

/*
 * Searches a file, or all files below a folder, and their names. 0 also when something was found: clean is `leaks` and `files_unsearched` being 0. Memory: a
 * few MiB beside the originals, and of a Parquet file its largest page.
 */
int weir_audit(const char *path, const struct weir_audit_options *options, struct weir_audit_result *result,
               struct weir_fault *fault);

#endif
