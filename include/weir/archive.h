/*
 * weir/archive.h: the campaign folder: segments of packets, their indexes, the catalog and the loss ledger.
 *
 * docs/formats.md has the layout of every file. Nothing in a campaign needs weir to be read.
 */
#ifndef WEIR_ARCHIVE_H
#define WEIR_ARCHIVE_H

#include <weir/file.h>
#include <weir/pipeline.h>

struct weir_campaign;

enum weir_campaign_mode {
	WEIR_CAMPAIGN_READ,   /* must exist; torn tails of dead recorders are recovered when the folder can be written */
	WEIR_CAMPAIGN_WRITE,  /* must exist */
	WEIR_CAMPAIGN_CREATE, /* made when it does not exist */
};

/* Opens a campaign. 0 and *campaign, or WEIR_E_NOT_FOUND (no campaign there), WEIR_E_CORRUPT (catalog unreadable: rebuild it), … */
int weir_campaign_open(const char *path, enum weir_campaign_mode mode, struct weir_campaign **campaign,
                       struct weir_fault *fault);
void weir_campaign_close(struct weir_campaign *campaign);
/*
 * With these identities, which outlive the campaign, its sealed segments can be read. Without, queries of them fail with WEIR_E_PERMISSION. Before anything
 * else is done with it.
 */
void weir_campaign_unseal(struct weir_campaign *campaign, const struct weir_identities *identities);
/*
 * For whom a campaign is sealed, by its campaign.toml (recipients = ["age1…"] outside of tables): a list to be freed, empty when it is not. 0; WEIR_E_FORMAT.
 */
int weir_campaign_recipients(const char *path, struct weir_recipients **recipients, struct weir_fault *fault);
const char *weir_campaign_path(const struct weir_campaign *campaign);

/*
 * From now on what is written into the campaign is signed with the Ed25519 key of a PEM file (mode 0600): each segment that is closed or deleted, and the loss
 * ledger, in the chain of its node (docs/formats.md). What was recovered after a crash when the campaign was opened is signed now, as such. Before any sink is opened.
 * WEIR_E_FORMAT: no such key; WEIR_E_PERMISSION: others may read it, or the campaign cannot be written.
 */
int weir_campaign_sign_with(struct weir_campaign *campaign, const char *key_path, struct weir_fault *fault);

enum weir_codec {
	WEIR_CODEC_NONE, /* plain pcapng, checksums in chunk trailers */
	WEIR_CODEC_ZSTD,
	WEIR_CODEC_LZ4,
};

/* Why packets are not in the archive. The words in the ledger are those of weir_loss_name. */
enum weir_loss_cause {
	WEIR_LOSS_RING,      /* "ring": the capture ring was full (PACKET_STATISTICS tp_drops, ps_drop) */
	WEIR_LOSS_NIC,       /* "nic": the network card or driver dropped */
	WEIR_LOSS_SHED,      /* "shed": compression or disk did not keep up, the buffer was full */
	WEIR_LOSS_DISK_FULL, /* "disk-full" */
	WEIR_LOSS_DISK_ERROR, /* "disk-error": writing failed for another reason */
	WEIR_LOSS_CRASH,     /* "crash": a recorder died; what it had not written yet is gone; how much is not known */
	WEIR_LOSS_LINK_DOWN, /* "link-down": the interface was down or gone */
	WEIR_LOSS_CLOCK,     /* "clock": the system's clock was stepped; no packets lost, times jump */
	WEIR_LOSS_RETENTION, /* "retention": deleted because of age, size or free space */
	WEIR_LOSS_DAMAGE,    /* "damage": found unreadable (import of a damaged file, verify) */
	WEIR_LOSS_PAYLOAD,   /* "payload": given up under load, as the policy says; the packets' headers are in the archive, so packets is 0 */
	WEIR_LOSS_POLICY,    /* "policy": packets that are not to be kept at all; no loss, but said */
	WEIR_LOSS_LINK,      /* "link": the interface changed (carrier, speed, mtu, an address, …); nothing is lost by it, but said */
	WEIR_LOSS_CAUSES
};
const char *weir_loss_name(enum weir_loss_cause cause);

#define WEIR_UNKNOWN_COUNT UINT64_MAX

struct weir_loss {
	int64_t from_ns, to_ns;
	enum weir_loss_cause cause;
	uint64_t packets, bytes; /* WEIR_UNKNOWN_COUNT when not known */
	const char *node, *interface;
	const char *detail; /* a few words for a person, "" for none */
};

/* Enters a loss: first into raw/NODE/ledger.jsonl (the truth), then into the catalog. Any thread. */
int weir_ledger_enter(struct weir_campaign *campaign, const struct weir_loss *loss, struct weir_fault *fault);

struct weir_archive_options {
	const char *node;       /* the box; NULL: this host's name */
	const char *interface;  /* the vantage: folder name; needed */
	enum weir_codec codec;
	int level;              /* zstd: -7…19, 0 = 1; lz4: 0 or negative = fast, 3…12 = HC */
	bool automatic;         /* the level follows the backlog, down to storing */
	uint64_t segment_bytes; /* of pcapng before compression; 0 = 256 MiB. A chunk is a 64th of it. */
	int64_t segment_ns;     /* 0 = no bound by time */
	uint64_t buffer_bytes;  /* chunks waiting for compression and disk, at most; 0 = 64 MiB */
	int workers;            /* compressing threads; 0 = one a core, at most 8 */
	int64_t flush_ns;       /* what is older than this is on disk, in the journal if its chunk is not full; 0 = 0.5 s */
	bool shed;              /* the buffer is full: true = drop and count (live), false = wait (import) */
	bool buffered;          /* no direct I/O */
	const struct weir_recipients *recipients; /* seal for them, and for those of campaign.toml; they outlive the sink; NULL: for those alone, if any */
	uint64_t min_free;      /* treat the disk as full when less than this is free, in bytes */
	const char *comment;    /* of sections that the sink begins itself (live, of pcap): up to 200 bytes; NULL: none. Copied. */
};

/* What an archive sink has done so far. */
struct weir_archive_statistics {
	uint64_t packets, captured_bytes, wire_bytes; /* put into chunks */
	uint64_t written_bytes;                       /* on disk */
	uint64_t segments, chunks;
	uint64_t shed_packets, shed_bytes;            /* not archived: buffer or disk full */
	uint64_t backlog_bytes;                       /* waiting for compression and disk */
	int level;                                    /* in force (automatic); WEIR_CODEC_NONE's is 0 */
	bool disk_full;
};

/*
 * A sink that keeps packets in the archive, as the segments of one vantage (node and interface). Blocks that are no packets are
 * kept in their place. Packets need facts (the decode stage before it). Its threads compress and write; consume never waits
 * for them when options->shed is set. finish writes what is left and closes the segment. One vantage has one sink at a time in all
 * processes: WEIR_E_BUSY otherwise. Memory: buffer_bytes, a chunk, and the index of a segment (bounded by its chunks).
 */
int weir_archive_sink_open(struct weir_campaign *campaign, const struct weir_archive_options *options,
                           struct weir_sink **sink, struct weir_fault *fault);
void weir_archive_sink_statistics(const struct weir_sink *sink, struct weir_archive_statistics *statistics);

/* How full the buffer is, in percent: chunks that hold packets which are not on disk, the one being filled among them. Any thread. */
unsigned weir_archive_sink_fullness(const struct weir_sink *sink);

/* Counters of the interface since the start of capture; they go into the Interface Statistics Block of each chunk. Any thread. */
void weir_archive_sink_counters(struct weir_sink *sink, uint64_t received, uint64_t dropped_by_interface,
                                uint64_t dropped_by_system);

/* What to keep (record's --max-size, --max-age, --min-free); 0 = no bound. */
struct weir_retention {
	uint64_t max_size; /* bytes of all segments and indexes */
	int64_t max_age_ns;
	uint64_t min_free;
};

/* Deletes the oldest whole segments until the bounds hold, and enters them in the ledger. *deleted: how many. */
int weir_retention_apply(struct weir_campaign *campaign, const struct weir_retention *retention, uint64_t *deleted,
                         struct weir_fault *fault);

/* What a node's system said of its own clock at one moment. */
struct weir_clock_state {
	int64_t time_ns;            /* by that clock */
	int64_t offset_ns;          /* what was still to be corrected */
	int64_t maximum_error_ns;   /* it was within this of UTC, if it was synchronised */
	int64_t estimated_error_ns;
	double frequency_ppm;       /* by how much it was made faster */
	bool synchronised;          /* NTP or the like kept it so */
	uint32_t status;            /* the system's own flags */
};

/* Adds a line to raw/NODE/clock.jsonl. Any thread. */
int weir_clock_state_enter(struct weir_campaign *campaign, const char *node, const struct weir_clock_state *state,
                           struct weir_fault *fault);

/*
 * Calls found for each line of raw/NODE/clock.jsonl with a time in [from_ns, to_ns], in the order of the file; until it returns something else than
 * 0, which is then returned. Lines that are no states (torn by a power failure) are passed over, and counted in *bad when that is not NULL. No file: 0.
 */
int weir_clock_states_read(struct weir_campaign *campaign, const char *node, int64_t from_ns, int64_t to_ns,
                           int (*found)(void *context, const struct weir_clock_state *state), void *context, uint64_t *bad,
                           struct weir_fault *fault);

#define WEIR_TIME_FIRST INT64_MIN
#define WEIR_TIME_LAST INT64_MAX

struct weir_query {
	const char *filter;       /* pcap-filter expression; NULL or "": all */
	int64_t from_ns, to_ns;   /* both inclusive */
	const char *node, *interface; /* NULL: all */
	uint64_t memory_bytes;    /* for chunks that overlap in time; 0 = 512 MiB */
	int threads;              /* 0 = one a core */
	bool pipelined;           /* it has no threads of its own: those of the pipeline, `threads` of them, read ahead when they have nothing else to do */
	uint64_t limit;           /* so many packets at most; 0: all */
	const _Atomic int *stop;  /* may be NULL */
	/*
	 * NULL: nothing of a chunk whose checksum does not hold is given, and behind the last packet comes the error. Else what is sound of
	 * it is given, as far as its blocks show (only of chunks that are not compressed: of others nothing can be read), on_damage is called
	 * for each damaged range, on the thread that fills, in the order of chunks, and such damage is no error. It must not call the query.
	 */
	void (*on_damage)(void *context, const struct weir_damage *damage);
	void *damage_context;
};

struct weir_query_statistics {
	uint64_t segments, segments_time, segments_index;          /* in the catalog; within time; with chunks left after the index */
	uint64_t chunks, chunks_time, chunks_index, chunks_read;   /* of the segments within time */
	uint64_t packets_read, packets_matched;
	uint64_t bytes_read, bytes_decompressed;
	char plan[1024]; /* what the index was asked for, in words */
};

/*
 * A source of the packets that match, in time order over all nodes and interfaces (equal times: by node, interface, then
 * their order in the archive). Every batch has only packets of the query, already filtered and decoded as far as needed.
 */
int weir_query_open(struct weir_campaign *campaign, const struct weir_query *query, struct weir_source **source,
                    struct weir_fault *fault);
void weir_query_statistics(const struct weir_source *source, struct weir_query_statistics *statistics);

#endif
