/*
 * archive/sink.h: the archive sink's insides: what its threads share.
 *
 *   consume (the pipeline's thread)   fills slots, gathers the postings, hands full slots over       sink.c, fill.c
 *   workers                           finish slots: trailer, checksums, compression                    work.c
 *   writer                            writes finished slots in order, several writes under way         work.c
 *   keeper                            journals, closes segments, the ledger, watches the disk          keep.c
 *
 * A slot is one chunk in memory. It goes FREE → FILLING → WAITING → WORKING → READY → WRITING → DONE → FREE. What is marked "lock" is
 * under sink->lock; the rest of a slot belongs to whoever its state says. The keeper reads the raw bytes of slots that others own,
 * up to `published`, while it holds a reference: a slot is FREE only when nobody does.
 */
#ifndef ARCHIVE_SINK_H
#define ARCHIVE_SINK_H

#include <pthread.h>
#include <stdatomic.h>

#include "archive/blocks.h"
#include "archive/campaign.h"
#include "archive/chain.h"
#include "archive/codec.h"
#include "archive/index_write.h"
#include "archive/journal_seal.h"
#include "core/xxh3.h"
#include "archive/record.h"
#include "archive/sealing.h"
#include "file/process_option.h"
#include "os/output.h"

#define SLOT_TAIL 8192u /* and, sealed, SEALED_ALIGNMENT: room at a slot's end for statistics blocks, trailer and padding */
#define STATISTICS_INTERFACES 8u
#define WORKERS_MAX 8
#define POSTINGS_POOL 3 /* one being filled, others until the keeper has written their indexes */
#define WRITES_UNDER_WAY 4

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_WAITING, SLOT_WORKING, SLOT_READY, SLOT_WRITING, SLOT_DONE };

struct slot {
	enum slot_state state;     /* lock */
	unsigned references;       /* lock: of the keeper */
	struct slot *next;         /* lock: in the free list or the workers' queue */
	uint64_t order;            /* of being handed over */
	int64_t waiting_since_ns;  /* monotonic: when that was */
	struct segment *segment;
	uint32_t number;           /* of the chunk in the segment */

	uint8_t *raw;
	size_t capacity, filled;
	_Atomic size_t published;  /* bytes that the keeper may read: stored with release after they are written */
	struct chunk_trailer trailer;
	uint32_t interfaces_before, prologue_before;
	uint32_t interfaces_after, prologue_after;
	uint8_t *stored;           /* what goes to disk; == raw without compression */
	struct stored *buffer;     /* … and whose it is */
	struct stored *sealed;     /* what goes to disk in place of it; writer only */
	size_t stored_bytes, padded_bytes, raw_bytes;
	uint64_t stored_checksum;
	struct xxh3 *hash;         /* of raw up to `hashed`: whoever fills it takes it along, while the bytes are in its cache */
	size_t hashed;
	bool failed;

	int64_t unsaved_since_ns;  /* monotonic; keeper and consume: lock */
	int journal_fd;            /* keeper only; -1: none */
	struct journal_seal *journal; /* keeper only: of a sealed segment */
	size_t journaled;          /* keeper only: bytes of raw that are in the journal */
};

/* A buffer for compressed chunks. */
struct stored {
	uint8_t *data;
	size_t capacity;
	struct stored *next;
};

struct segment {
	uint64_t sequence;
	char path[3 * VANTAGE_NAME_MAX]; /* relative to the campaign */
	struct index_content content;    /* prologue: lock; chunks: the writer, then the keeper */
	struct postings *postings;
	int64_t first_ns, opened_ns;     /* time of its first packet; monotonic */
	uint64_t raw_bytes;              /* consume only */
	uint32_t chunks;                 /* begun so far; consume only */
	uint32_t section_bytes;          /* of the SHB */
	uint32_t interfaces;             /* IDBs so far; consume only */

	pthread_mutex_t begin_lock;      /* for `begun`: the writer or the keeper makes the file, whoever needs it first */
	bool begun;
	int fd;
	bool direct;
	uint64_t offset, raw_offset;     /* where the next chunk goes; writer only */
	struct sealing *sealing;         /* NULL: it is not sealed */
	struct chain_digest *digest;     /* of what was written, where it is to be signed; writer only, then the keeper. NULL: no memory, or not signed */
	uint32_t submitted;              /* chunks given to the disk; writer only, then the keeper */
	uint32_t prologue_after[SEGMENT_CHUNKS_MAX], interfaces_after[SEGMENT_CHUNKS_MAX];
	uint32_t broken;                 /* lock: the first chunk that could not be written; SEGMENT_CHUNKS_MAX: none */
	uint32_t outstanding;            /* lock: slots handed over or filling that are not DONE */
	uint32_t journals;               /* keeper only: chunks below this may have a journal */
	bool counted;                    /* lock: in the statistics */
	bool ended;                      /* lock: no more slots will come */
	bool unsynced;                   /* lock: written since the keeper last synchronised */
	struct segment *next;            /* lock: in sink->segments, oldest first */
};

/* An interval in which packets were lost for one cause. */
struct loss_interval {
	int64_t from_ns, to_ns;
	uint64_t packets, bytes;
	int64_t touched_ns; /* monotonic */
};

struct archive_sink {
	struct weir_sink base;
	struct weir_campaign *campaign;
	struct weir_archive_options options;
	char node[VANTAGE_NAME_MAX], interface[VANTAGE_NAME_MAX];
	char comment[SECTION_COMMENT_MAX + 1];
	int lock_fd;
	struct weir_recipients *recipients; /* NULL: nothing is sealed */
	size_t chunk_bytes, slot_tail;
	uint64_t reserve; /* bytes of disk that are kept free to be able to close segments */

	/* consume only */
	struct joined_options joined; /* of the packet in hand, when its batch adds some */
	struct slot *slot;
	struct segment *segment;
	uint64_t next_sequence;
	uint8_t *section_block; /* the SHB for new segments */
	uint32_t section_block_length;
	uint32_t section_number;
	bool section_known, section_big;
	uint32_t interface_blocks; /* IDBs of the source so far, over all sections */
	uint32_t section_first;    /* how many of them stand in earlier sections */
	struct {
		uint64_t sequence; /* of the segment that this holds for */
		uint32_t local;
	} *map;                    /* interface of the source → number in the segment */
	uint32_t map_count;
	struct weir_facts facts;   /* for packets that come without */
	struct record_source record_source;

	pthread_mutex_t lock;
	pthread_cond_t room, work, ready, keep; /* a slot or postings are free; a slot waits; a slot is READY; something for the keeper */
	struct slot *slots, *unused, *waiting, **waiting_end;
	size_t slot_count, waiting_count, busy_count;
	size_t oversize_bytes;     /* of slots under way that are larger than a chunk: at most buffer_bytes, or one slot */
	struct stored *stored, *stored_unused;
	size_t stored_count;
	struct stored sealed[WRITES_UNDER_WAY], *sealed_unused; /* writer only */
	struct slot **ordered;     /* by order % slot_count: handed over and not written */
	uint64_t next_order, next_write;
	struct postings *postings[POSTINGS_POOL], *postings_unused[POSTINGS_POOL];
	unsigned postings_count, postings_unused_count;
	struct segment *segments, **segments_end;
	struct weir_archive_statistics statistics;
	struct {
		uint64_t packets, captured, wire; /* put into chunks */
	} kept;
	struct interface_counters counters;
	bool counters_known;
	struct weir_fault unclosed, unentered; /* why a segment was not closed, a loss not entered */
	struct loss_interval losses[WEIR_LOSS_CAUSES]; /* under way */
	enum weir_loss_cause trouble; /* lock: DISK_FULL or DISK_ERROR: nothing is written; else WEIR_LOSS_CAUSES */
	enum weir_loss_cause last_trouble;
	_Atomic bool troubled;        /* as trouble, to look at without the lock */
	struct weir_fault failure;    /* what a thread met, when !options.shed: consume gives it back */
	bool failed;
	bool workers_end, writer_end, keeper_end;

	pthread_t workers[WORKERS_MAX], writer, keeper;
	int worker_count;
	bool writer_runs, keeper_runs;
	bool opened, finished;
	struct output *output;
};

/* fill.c: begins and ends chunks and segments; consume's thread. 0, 1 (no room: shed), or an error. */
int fill_room(struct archive_sink *sink, size_t bytes, int64_t time_ns, struct weir_fault *fault);
void fill_end_chunk(struct archive_sink *sink);
void fill_end_segment(struct archive_sink *sink);

/* consume.c: weir_sink_ops.consume. */
int archive_consume(struct weir_sink *base, struct weir_batch *batch, struct weir_fault *fault);

/* work.c */
void *worker_run(void *sink);
void *writer_run(void *sink);

/* keep.c */
void *keeper_run(void *sink);

/* segment.c: makes the file, the folder and the catalog's row, once; from the writer and the keeper. 0, or an error. */
int segment_begin(struct archive_sink *sink, struct segment *segment, struct weir_fault *fault);
/* Takes what was given to the disk into the segment's digest; the writer. */
void segment_digest(struct segment *segment, const uint8_t *written, size_t size);
/* Cuts off what is not sound, writes seek table, index and the catalog's row. All of its slots are DONE. 0 or an error. */
int segment_close(struct archive_sink *sink, struct segment *segment, struct weir_fault *fault);
void segment_free(struct segment *segment);
/* Path of a file beside the segment: its own with `ending` behind the stem. */
void segment_path(const struct archive_sink *sink, const struct segment *segment, char out[static PATH_MAX]);
void journal_path(const struct archive_sink *sink, const struct segment *segment, uint32_t number, char out[static PATH_MAX]);

/* sink.c: all with sink->lock held. */
void sink_lost(struct archive_sink *sink, enum weir_loss_cause cause, int64_t from_ns, int64_t to_ns, uint64_t packets,
               uint64_t bytes);
void sink_trouble(struct archive_sink *sink, int error, const struct weir_fault *fault);
void slot_release(struct archive_sink *sink, struct slot *slot);

#endif
