/*
 * weir/stage.h: the stages that clean packets: removing duplicates and tunnels, mending times; and the sources that mend and merge.
 */
#ifndef WEIR_STAGE_H
#define WEIR_STAGE_H

#include <weir/archive.h>
#include <weir/file.h>
#include <weir/pipeline.h>

/* ---- duplicates ---- */

/*
 * Exact duplicates are packets with the same captured bytes and captured length, the same ones that editcap removes: with `window` = N as `editcap -D N`, whose
 * window counts the packet in hand, so that it is compared with the N - 1 before it; with window_ns as `editcap -w`: with those not more than so much older,
 * going back from the packet in hand to the first that is older than that or to the 1,000,000th, whatever comes first; packets that are later than it
 * (times are not in order) are passed over. Duplicates stay in the window.
 *
 * Routed duplicates are sightings of one IP packet at several places of its way: on both sides of a router, at several mirror ports. What stays the same is
 * its *identity* (stage/identity.h): the outermost IP header without TTL, checksum, DSCP, ECN and flow label, and the first bytes behind it. Because retransmissions,
 * repeated pings and bare acknowledgements of IPv6 have one identity too, sightings are gathered into *instances*, one for each time that the packet was sent.
 * A packet joins the newest instance of its identity whose first sighting is not more than routed_ns away and that it agrees with, and is then a duplicate. It agrees
 * when for every sighting of the instance
 *   - at the same vantage (interface_id): its TTL is lower (it was routed back past the mirror port), or its TTL is the same and its MAC addresses or VLAN
 *     ids are others (it was bridged or routed back without counting a hop). The same TTL on the same path is a repetition, a higher TTL is a packet
 *     that was sent again;
 *   - at another vantage: its TTL is the same or lower; or higher, when the instance's last sighting is not more than clock_ns away: then the
 *     clocks or queues of the two may have turned the order round.
 * Otherwise it begins an instance and is kept. So of every time that a packet was sent one sighting is kept, the earliest. An exact duplicate is entered into
 * the instance that it agrees with, and begins none. An instance remembers its first 6 sightings, and at most 64 instances of one identity are looked at.
 *
 * Not found: packets that were translated (NAT), fragmented or encapsulated on the way, and packets captured on the sending host before its network card
 * filled in the transport checksum.
 */
struct weir_dedup_copy {
	uint64_t kept, removed; /* numbers of the instance's first packet and of this one in the source, from 1; kept is exact up to 2^40 */
	uint32_t kept_interface, removed_interface;
};

struct weir_dedup_options {
	/*
	 * Exact duplicates: one of the two, or both 0: none. Windows of 2 to 9 packets compare the packets themselves (those of earlier batches by 128 bits over all their bytes),
	 * others digests of 64 bits over all bytes.
	 */
	uint32_t window;      /* 1 … 1,000,000 packets */
	int64_t window_ns;
	/*
	 * Only packets of one interface are exact duplicates of each other, and `window` counts its packets alone: as if each interface had a file of its own, so that
	 * merging does not draw duplicates apart. Windows of more than 9 packets remember 64 times as many for all interfaces together, at least 4,096 and at
	 * most 2^20.
	 */
	bool each_interface;
	/* Routed duplicates within this time. 0: none. */
	int64_t routed_ns;
	/* What may differ between routed duplicates, usually all three; what may not differ becomes part of the identity. */
	bool ignore_ttl, ignore_mac, ignore_vlan;
	int64_t clock_ns;     /* how far apart the clocks of vantages may be; 0: a tenth of routed_ns */
	uint64_t memory_bytes; /* 0 = 128 MiB. Past it the oldest packets are forgotten before their time, which is counted. */
	/*
	 * Hashes are keyed with it: who does not know it cannot make packets that are taken for each other, nor packets that make this slow. The result
	 * does not depend on it but for such collisions.
	 */
	uint64_t seed;
	/* Told of every packet that joins an instance; may be NULL. So that who reads the input twice may keep another sighting than the earliest. */
	void (*on_copy)(void *context, const struct weir_dedup_copy *copy);
	void *context;
};

/*
 * Two stages, both to be put into the pipeline after decoding: *digest computes what is compared (parallel), *dedup compares (in order) and sets
 * WEIR_DUPLICATE. Both see only packets that are WEIR_KEEP, whose bytes have to be the same for both. WEIR_E_USAGE: options that say impossible things; WEIR_E_LIMIT: a window by count that
 * needs more than memory_bytes; WEIR_E_MEMORY. The seed is part of the state: load wants the same.
 */
int weir_dedup_stages_new(const struct weir_dedup_options *options, struct weir_stage **digest, struct weir_stage **dedup,
                          struct weir_fault *fault);

struct weir_dedup_statistics {
	uint64_t packets;       /* looked at */
	uint64_t exact, routed; /* found to be duplicates */
	uint64_t bytes;         /* on the wire, of the duplicates */
	uint64_t forgotten;     /* packets forgotten before their time for want of memory: a duplicate of one of them was not found */
};
void weir_dedup_statistics(const struct weir_stage *dedup, struct weir_dedup_statistics *statistics);

#define WEIR_DELAY_BUCKETS 40 /* bucket i: less than 2^i ns, not less than 2^(i-1); the last has all that are more */
#define WEIR_DEDUP_PAIRS 4096 /* further ones are entered as the pair (UINT32_MAX, UINT32_MAX) */

/*
 * Duplicates of packets seen (first, which are kept) at one vantage (interface_id), and then at another or the same. Delays are by the packets' times:
 * negative ones, where times are not in order, are in bucket 0.
 */
struct weir_dedup_pair {
	uint32_t first, second;
	uint64_t exact, routed;      /* packets removed */
	uint64_t bytes;              /* on the wire */
	int64_t delay_min_ns, delay_max_ns, delay_sum_ns;
	uint64_t delays[WEIR_DELAY_BUCKETS];
	uint64_t hops[8];            /* of the routed: TTL difference 0 … 6, 7: more or none (the second had the higher TTL) */
};
/* The pairs so far, in order of (first, second); valid until the next batch or call. */
const struct weir_dedup_pair *weir_dedup_pairs(const struct weir_stage *dedup, size_t *count);

/* ---- tunnels and ESP with NULL encryption ---- */

/*
 * Goes on where decoding stopped at ESP (WEIR_FACT_ESP): learns for each security association (SPI and destination) whether its encryption is NULL (RFC 2410; RFC
 * 4543 too) and how long its ICV is, as RFC 5879 does, and if so enters the layers inside into the facts, sets WEIR_FACT_ESP_NULL, and facts->trailer: what ESP
 * put behind them. Transport and tunnel mode, in IPv4, IPv6 and UDP.
 *
 * In order, because it learns, and by nothing but the order of the packets: packets before an association is known stay ESP; one that proves itself (as a whole
 * packet with a right checksum, or a TCP header) decides, and is opened. Random bytes are taken for NULL once in 2^26 packets, of which an
 * association has 8 until it counts as encrypted. Where the snap length cut the trailer off, the protocol is found by what its header must look like.
 * memory_bytes (0 = 16 MiB) bounds it: associations not used for longest go and are learned again. WEIR_DUPLICATE packets are opened too.
 */
int weir_decapsulate_stage_new(uint64_t memory_bytes, struct weir_stage **stage, struct weir_fault *fault);

struct weir_decapsulate_statistics {
	uint64_t esp, opened, encrypted, undecided; /* packets; the first is the sum of the others. undecided: also what could not be read */
	uint64_t associations, associations_null;   /* met; found to be NULL. One that had to go and came again counts again. */
};
void weir_decapsulate_statistics(const struct weir_stage *stage, struct weir_decapsulate_statistics *statistics);

/* ---- clocks ---- */

/* A clock's error over time against the reference clock: time_reference = time + correction(time), linear between knots. */
struct weir_clock_knot {
	int64_t time_ns;       /* by the clock that is corrected */
	int64_t correction_ns; /* before the first knot: that of the first; after the last: that of the last */
	int64_t uncertainty_ns; /* 95 % */
};
/*
 * Knots stand in the order in which the clock went through them. Where it was set forward two of them have the same time; where it was set back the
 * second has an earlier time, and the times between were there twice.
 */
struct weir_clock {
	const struct weir_clock_knot *knots;
	size_t count; /* 0: no correction */
};
/* The corrected time. Of times that were there twice it takes the first; a merge, which sees packet after packet, tells them apart. */
int64_t weir_clock_correct(const struct weir_clock *clock, int64_t time_ns);

/*
 * Estimating clocks from packets that several vantage points saw. A vantage is what has a clock: a node, or a file of which no more is known.
 *
 * The same packet seen at two vantages gives the difference of their clocks plus the time it took (minus, when it went the other way; the
 * TTL tells which). In windows along the time the fastest packets of each direction are taken, which waited the least in queues, and the middle
 * between the two directions is the difference, on the assumption that the fastest take the same time both ways: the path's asymmetry
 * can't be seen from packets, so half of what the fastest take there and back is part of the uncertainty. With one direction only the fastest
 * packet is assumed to take no time, and what it does take is not part of the uncertainty. Vantages that see packets with the same TTL are taken to be at one place: packets take no time between them.
 * Differences that don't agree with most around them are false matches and don't count; where they jump for good a clock was set.
 */
struct weir_clock_estimator;

struct weir_clock_estimator_options {
	int64_t offset_ns;     /* clocks differ by no more than this; 0 = 10 s */
	uint64_t memory_bytes; /* 0 = 128 MiB: with more packets fewer of them are compared, the same ones at all vantages */
	uint32_t reference;    /* the vantage whose clock is right; UINT32_MAX: chosen (NTP state, no steps, most shared packets) */
};

enum weir_clock_basis {
	WEIR_CLOCK_REFERENCE, /* it is the one that others are compared with */
	WEIR_CLOCK_NONE,      /* shares too few packets with others: not corrected */
	WEIR_CLOCK_TWO_WAY,   /* from packets in both directions */
	WEIR_CLOCK_ONE_WAY,   /* in one direction: what the fastest packet took is in the correction */
	WEIR_CLOCK_ONE_PLACE, /* from packets with the same TTL at both */
};
const char *weir_clock_basis_name(enum weir_clock_basis basis); /* "reference", "no shared packets", "both directions", … */

/* What is known of the clock of one vantage. */
struct weir_clock_estimate {
	uint32_t vantage;
	uint32_t reference; /* the vantage by whose clock the corrected times are; itself when basis is REFERENCE or NONE */
	uint32_t compared;  /* the vantage whose packets were compared: the reference, or one between */
	enum weir_clock_basis basis;
	struct weir_clock clock;    /* the estimator's */
	uint64_t seen;              /* packets that could be compared (after sampling) */
	uint64_t matches, rejected; /* with `compared`: shared packets, and those of them that were false */
	uint32_t steps;             /* times at which this clock, or that of `compared`, was set */
	double drift;               /* seconds a second, the median over time: positive is fast */
	int64_t offset_ns;          /* correction at the first knot */
	int64_t uncertainty_ns;     /* 95 % of the time not more; of what is not corrected the NTP bound, WEIR_CLOCK_UNKNOWN without */
	bool bounded;               /* NTP state was there and the packets agree with it */
	bool contradicted;          /* NTP state was there and most packets contradict it: it did not count */
};
#define WEIR_CLOCK_UNKNOWN INT64_MAX

int weir_clock_estimator_new(const struct weir_clock_estimator_options *options, struct weir_clock_estimator **estimator,
                             struct weir_fault *fault);
void weir_clock_estimator_free(struct weir_clock_estimator *estimator);

/*
 * A packet was seen at a vantage (0 … 65534), by its clock; of each vantage in the order in which it recorded them. identity: the same at all
 * vantages and of no other packet (facts->identity), 0 is skipped; hops: its TTL or hop limit.
 */
int weir_clock_estimator_see(struct weir_clock_estimator *estimator, uint32_t vantage, int64_t time_ns, uint64_t identity,
                             uint8_t hops, struct weir_fault *fault);

/* At time_ns the clock of a vantage was within error_ns of UTC (NTP's maximum error). Any order. */
int weir_clock_estimator_bound(struct weir_clock_estimator *estimator, uint32_t vantage, int64_t time_ns, int64_t error_ns,
                               struct weir_fault *fault);

/* Works it out; again when more was seen. *estimates: by vantage, one for each that was seen or bounded; the estimator's, until the next time. */
int weir_clock_estimator_solve(struct weir_clock_estimator *estimator, const struct weir_clock_estimate **estimates, size_t *count,
                               struct weir_fault *fault);

/*
 * Reads a source to its end and sees all its packets (decoding them itself), on up to `threads` threads. A fault in the data ends the
 * reading and is no error. progress: as in a pipeline; may be NULL, and so may stop. first_ns and last_ns may be NULL.
 */
struct weir_clock_reading {
	uint32_t vantage;
	int threads;
	const _Atomic int *stop;
	void (*progress)(void *context, const struct weir_batch *batch);
	void *progress_context;
	const struct weir_identities *identities; /* that open sealed files; NULL: none */
	int64_t first_ns, last_ns; /* filled in: of its packets; first > last when there were none */
};
int weir_clock_estimator_read(struct weir_clock_estimator *estimator, struct weir_source *source, struct weir_clock_reading *reading,
                              struct weir_fault *fault);

/*
 * Reads capture files once, each a vantage of its own: but files of one folder whose names differ in digits only and whose times follow one another are
 * taken as one recorder's, that is as one vantage. vantages[i] receives that of paths[i]. reading: as above, its vantage does not matter; progress
 * is told of each file in turn, with the bytes of those before it.
 */
int weir_clock_estimator_read_files(struct weir_clock_estimator *estimator, const char *const *paths, size_t count,
                                    const struct weir_clock_reading *reading, uint32_t *vantages, struct weir_fault *fault);

/*
 * Looks at moments of a campaign: every so often, and closer by where a clock was set in between. Each node is a vantage; what NTP said of its clock
 * (clock.jsonl) is taken as a bound. To be solved after. *nodes, which is freed with weir_clock_nodes_free, receives their names, by vantage.
 */
struct weir_clock_campaign {
	int64_t from_ns, to_ns; /* both 0: all */
	int64_t every_ns;       /* 0 = a minute, or so that there are no more than 2,000 moments */
	int64_t moment_ns;      /* how long each is; 0 = 2 s */
	int threads;            /* as in weir_query */
	uint64_t memory_bytes;  /* of a query; likewise */
	const _Atomic int *stop; /* may be NULL */
};
int weir_clock_estimator_read_campaign(struct weir_clock_estimator *estimator, struct weir_campaign *campaign,
                                       const struct weir_clock_campaign *what, char ***nodes, size_t *node_count, struct weir_fault *fault);
void weir_clock_nodes_free(char **nodes, size_t node_count);

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
	const struct weir_identities *identities; /* that open inputs by path that are sealed; they outlive the source; NULL: none */
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

/*
 * As weir_capture_open, but goes on after damage with the next sound packet or block, found by structure. on_damage (may be NULL) is called for
 * every range left out, on the thread that opens or fills, in order. What is sound is given as it stands.
 */
int weir_repair_open(const char *path, const struct weir_capture_options *options,
                     void (*on_damage)(void *context, const struct weir_damage *damage), void *context,
                     struct weir_source **source, struct weir_fault *fault);

/* The same over memory, as weir_capture_open_memory. */
int weir_repair_open_memory(const void *data, size_t length, const char *name, const struct weir_capture_options *options,
                            void (*on_damage)(void *context, const struct weir_damage *damage), void *context,
                            struct weir_source **source, struct weir_fault *fault);

/* As weir_capture_header and weir_capture_size, of such a source. */
const struct weir_file_header *weir_repair_header(const struct weir_source *source);
uint64_t weir_repair_size(const struct weir_source *source);

#endif
