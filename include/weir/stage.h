/*
 * weir/stage.h: the stages that clean packets: removing duplicates and tunnels, mending times; and the sources that mend and merge.
 */
#ifndef WEIR_STAGE_H
#define WEIR_STAGE_H

#include <weir/file.h>
#include <weir/pipeline.h>

/* ---- duplicates ---- */

struct weir_dedup_options {
	/* Exact duplicates: the same captured bytes and captured length among the last `window` packets, or within window_ns. Both 0: none. */
	uint32_t window;      /* as editcap -D: 1 … 1,000,000 */
	int64_t window_ns;    /* as editcap -w */
	/* Routed duplicates: the same IP packet elsewhere on its way, within routed_ns. 0: none. */
	int64_t routed_ns;
	bool ignore_ttl, ignore_mac, ignore_vlan; /* what may differ; for routed duplicates all three are usual */
	uint32_t preferred;   /* keep the copy of this interface_id when it comes within the window; UINT32_MAX: the earliest */
	uint64_t memory_bytes; /* 0 = 128 MiB */
};

/*
 * Two stages, both to be put into the pipeline after decoding: *digest computes what is compared (parallel), *dedup compares (in order) and sets
 * WEIR_DUPLICATE.
 */
int weir_dedup_stages_new(const struct weir_dedup_options *options, struct weir_stage **digest, struct weir_stage **dedup,
                          struct weir_fault *fault);

#define WEIR_DELAY_BUCKETS 40 /* bucket i: less than 2^i ns, not less than 2^(i-1) */

/* Duplicates seen first at one vantage (interface_id) and then at another, or the same. */
struct weir_dedup_pair {
	uint32_t first, second;
	uint64_t exact, routed;      /* packets removed */
	uint64_t bytes;
	int64_t delay_min_ns, delay_max_ns, delay_sum_ns;
	uint64_t delays[WEIR_DELAY_BUCKETS];
	uint64_t hops[8];            /* TTL difference 0 … 6, 7: more or none */
};
/* The pairs so far, in order of (first, second); valid until the next batch. */
const struct weir_dedup_pair *weir_dedup_pairs(const struct weir_stage *dedup, size_t *count);

/* ---- tunnels and ESP with NULL encryption ---- */

/*
 * Goes on where decoding stopped at ESP: learns for each security association (SPI and destination) whether its encryption is NULL (RFC 5879)
 * and how long its ICV is, and if so enters the layers inside into the facts (facts->trailer: what ESP put behind them). In order, because it learns.
 * Packets seen before an association was known stay ESP.
 */
int weir_decapsulate_stage_new(uint64_t memory_bytes, struct weir_stage **stage, struct weir_fault *fault); /* 0 = 16 MiB */

struct weir_decapsulate_statistics {
	uint64_t esp, opened, encrypted, undecided; /* packets */
	uint64_t associations, associations_null;
};
void weir_decapsulate_statistics(const struct weir_stage *stage, struct weir_decapsulate_statistics *statistics);

/* ---- clocks ---- */

/* A clock's error over time against the reference clock: time_reference = time + correction(time), linear between knots. */
struct weir_clock_knot {
	int64_t time_ns;       /* by the clock that is corrected */
	int64_t correction_ns; /* before it: that of the first knot. A step is two knots with the same time. */
	int64_t uncertainty_ns; /* 95 % */
};
struct weir_clock {
	const struct weir_clock_knot *knots; /* by time */
	size_t count;                        /* 0: no correction */
};
int64_t weir_clock_correct(const struct weir_clock *clock, int64_t time_ns);

/* One input of a merge: a source, or a capture file that the merge opens when the turn of its packets comes, and closes after. */
struct weir_merge_input {
	struct weir_source *source; /* nearly sorted; the merge's from then on. NULL: path */
	const char *path;           /* copied */
	const char *name;           /* the vantage: node or file; goes into interfaces' `node` where that is empty. Copied; may be NULL */
	struct weir_clock clock;    /* applied to every packet; its knots stay the caller's and outlive the merge */
};

struct weir_merge_options {
	int64_t reorder_ns;   /* packets may be late by so much within an input; 0 = 1 s, negative: inputs are sorted. Later ones are passed
	                         on where they stand and counted. */
	uint64_t memory_bytes; /* for what waits; 0 = 256 MiB: when it is full the earliest go on, as if inputs were sorted from here on. A
	                          batch of each input that overlaps with others is needed whatever it says. */
};

/*
 * A source of the packets of all inputs in time order (equal times: in order of inputs, then as they stand). Interfaces are renumbered: one
 * table for all. Blocks that are no packets are left out. A packet whose time was corrected has a record (packet->block) only where that holds
 * options: a copy, with the new time in it. Of the data that fault an input gives all that is sound; the first fault is told at
 * the end of all. Only files whose times overlap are open at once. Takes the sources also when it fails.
 */
int weir_merge_open(const struct weir_merge_input *inputs, size_t count, const struct weir_merge_options *options,
                    struct weir_source **source, struct weir_fault *fault);

struct weir_merge_statistics {
	uint64_t packets, late; /* late: could not be put in order within the bounds */
	uint64_t memory_bytes;  /* the most that waited at once */
	uint32_t open_most;     /* the most inputs that were open at once */
};
void weir_merge_statistics(const struct weir_source *source, struct weir_merge_statistics *statistics);

/* ---- repair ---- */

struct weir_damage {
	const char *file;
	uint64_t from, to;      /* bytes [from, to) of the (decompressed) file could not be used */
	uint64_t packets_before; /* sound packets before it */
	const char *cause;      /* "bad length", "foreign header", "zeroed", "cut", "text-mode transfer", "second file", "byte order", "time jump", … */
	int64_t before_ns, after_ns; /* times of the sound packets around it; WEIR_NO_TIME at the ends */
};

/*
 * As weir_capture_open, but goes on after damage with the next sound packet or block, found by structure. on_damage (may be NULL) is called for
 * every range left out, on the thread that fills, in order. What is sound is given as it stands.
 */
int weir_repair_open(const char *path, const struct weir_capture_options *options,
                     void (*on_damage)(void *context, const struct weir_damage *damage), void *context,
                     struct weir_source **source, struct weir_fault *fault);

#endif
