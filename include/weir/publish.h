/*
 * weir/publish.h: makes a data set for others of a campaign, a run or a capture file: packets as much and as hidden as a policy says, flows, a data sheet, checksums.
 * Nothing appears before an audit has found it clean.
 *
 *     packets/NAME.pcapng.zst    kept and hidden by the policy
 *     flows/NAME.parquet         hidden
 *     datasheet.md, .html        what it is, how it was hidden, what a search cannot find
 *     audit.json                 what was searched for, and how much of what
 *     SHA256SUMS                 of all of them
 */
#ifndef WEIR_PUBLISH_H
#define WEIR_PUBLISH_H

#include <weir/audit.h>

struct weir_publish_options {
	const char *input; /* a campaign's folder, a run's, or a capture file */
	const char *out;   /* a folder that does not exist */
	const struct weir_policy *policy;
	const struct weir_hider *hider;
	const struct weir_identities *identities; /* that open what is sealed; NULL: none */
	uint64_t memory_bytes; /* for originals; as in weir_originals_options */
	int threads;           /* 0 = one a core */
	bool no_packets, no_flows;
	const _Atomic int *stop;                                         /* may be NULL */
	void (*progress)(void *context, const struct weir_batch *batch); /* as in a pipeline; may be NULL */
	void *progress_context;
	void (*found)(void *context, const struct weir_audit_hit *hit); /* as in weir_audit_options; may be NULL */
	void (*unsearched)(void *context, const char *file, const struct weir_fault *why);
	void *context;
};

/*
 * What no search finds, estimated from the flows (docs/publishing.md tells how each is computed). Of hosts that were counted one by one; `more_hosts` says that there
 * were others.
 */
struct weir_publish_risks {
	uint64_t hosts, more_hosts;
	uint64_t
		unique_prefixes; /* hosts that are alone in their /24 (/64), as they are after hiding: who knows the network's plan knows them */
	uint64_t unique_ports; /* hosts that serve a set of ports that no other one serves */
	uint64_t unique_times; /* hosts whose active hours are those of no other one */
	uint64_t
		scanners; /* hosts that called 20 others or ports on one port or host: who ran a scan then knows which one is theirs */
	uint64_t scanned; /* hosts that one of them called: a known order of targets tells them */
	uint64_t flows;
	uint64_t unique_flow_sizes; /* flows of whose size (packets and bytes of both directions) there is one */
	uint64_t least_anonymity;   /* half of the flows share their size with so many others or fewer */
};

struct weir_publish_summary {
	uint64_t packets_read, packets, bytes_before, bytes; /* captured bytes */
	uint64_t flows;
	int64_t first_ns, last_ns; /* as published */
	struct weir_publish_risks risks;
	struct weir_originals_statistics originals;
	struct weir_audit_result audit;
};

/*
 * Makes it. 0; 1: the audit found leaks (all were told), and nothing was published; or a negative error, and nothing was published either. WEIR_E_USAGE when out exists.
 */
int weir_publish(const struct weir_publish_options *options, struct weir_publish_summary *summary,
                 struct weir_fault *fault);

#endif
