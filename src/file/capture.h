/*
 * file/capture.h: what the readers of pcap and pcapng share: a window over the bytes of the file, the table of interfaces, and
 * the way in which records become packets of a batch.
 */
#ifndef FILE_CAPTURE_H
#define FILE_CAPTURE_H

#include <weir/file.h>

#include "file/buffer.h"
#include "file/stream.h"

struct capture;

/* What capture_walk finds out about packets without making batches of them. */
struct capture_tally {
	uint64_t packets, captured_bytes, wire_bytes;
	uint64_t timed;                /* packets that carry a time */
	int64_t first_ns, last_ns;     /* least and greatest time; only when timed is not 0 */
	uint64_t cut;                  /* packets captured shorter than they were */
	uint32_t cut_least, cut_most;  /* to how many bytes; only when cut is not 0 */
};

struct capture_walk {
	struct capture_tally *interfaces; /* by number, interface_count of them; freed by capture_walk_free */
	uint32_t interface_count;
	bool unsorted;       /* a packet is earlier than the one before it */
	int64_t previous_ns; /* the walk's own */
	/* Called for every block that is no packet, in order; NULL when that does not matter. Non-zero ends the walk. */
	int (*block)(void *context, const struct weir_block *block, struct weir_fault *fault);
	void *context;
};

enum capture_record {
	RECORD_END,    /* nothing is left */
	RECORD_PACKET,
	RECORD_BLOCK,
};

/* How one file format is read. */
struct capture_format {
	/* Puts as many packets into the batch as lie whole in the window and are plain. */
	void (*fill)(struct capture *capture, struct weir_batch *batch);
	/* The same, only counting. */
	void (*walk)(struct capture *capture, struct capture_walk *walk);
	/*
	 * Takes one record, whatever it takes: gets more bytes, finds damage. Returns an enum capture_record or an error.
	 */
	int (*next)(struct capture *capture, struct weir_packet *packet, struct weir_block *block, struct weir_fault *fault);
};

/* What the loop over packets needs of an interface, in one place: 32 bytes. */
struct interface_key {
	uint64_t multiplier; /* ticks × multiplier = ns; 0: weir_interface_time is needed */
	uint64_t ticks_most; /* above it the product would not fit */
	uint32_t packet_limit;
	uint16_t linktype;
};

struct capture {
	struct weir_source source;
	struct stream *stream; /* NULL: plain memory, whole in the window */
	char *name;
	const struct capture_format *format;
	struct weir_file_header header;
	uint8_t *header_copy; /* what header.raw shows */
	struct weir_capture_options options;

	/* The window: bytes read and not taken yet. */
	const uint8_t *at, *end;
	uint64_t end_offset; /* of `end`, in the decompressed bytes */
	bool ended;          /* nothing follows `end` */
	struct weir_buffer *buffer; /* that the window lies in; NULL: memory of the caller */
	struct buffer_pool *pool;
	struct weir_fault held; /* what is to be told once the packets before it have been delivered */

	uint64_t number; /* of the next packet, from 1 */
	int64_t last_ns; /* time of the last packet, for those without */

	/* All interfaces. Tables that were outgrown stay until the end: batches still show them. */
	const struct weir_interface **interfaces;
	struct interface_key *keys;
	uint32_t interface_count, interface_capacity;
	void **outgrown;
	uint32_t outgrown_count;
	bool delivered; /* a batch has shown the interfaces */

	union {
		struct {
			bool swapped;       /* not this machine's byte order */
			bool fraction_ns;
			uint8_t lengths;    /* enum pcap_lengths */
			uint8_t header;     /* bytes of a record's header */
			uint16_t linktype;
			uint32_t interface; /* of all records */
			uint32_t units;     /* fractions in a second */
			uint32_t limit;     /* bytes of a packet */
		} pcap;
		struct {
			bool swapped;
			uint32_t first_interface; /* of the section in hand */
			uint32_t block_limit;
		} pcapng;
	} state;
};

static inline size_t capture_left(const struct capture *capture) { return (size_t)(capture->end - capture->at); }

/* Where the window begins, in the decompressed bytes. */
static inline uint64_t capture_offset(const struct capture *capture)
{
	return capture->end_offset - capture_left(capture);
}

/*
 * Sees to it that `need` bytes stand in the window. 1; 0 when the input ends before (what there is stands in the window); or an
 * error. Packets that point into the window stay valid while their batch holds its buffer; plain pointers into it do not.
 */
int capture_need(struct capture *capture, size_t need, struct weir_fault *fault);

/* Fails with a fault at the record at the window's beginning, which is that of the next packet. */
int capture_fail(const struct capture *capture, struct weir_fault *fault, enum weir_error code, const char *format, ...)
	WEIR_PRINTF(4, 5);

/*
 * What weir_capture_open does, step by step, for who wants to look at the bytes before they are taken for a format, or to begin
 * again in the middle of them. capture_new takes the stream in any case; its bytes come through a window, also those of memory.
 */
int capture_new(struct stream *stream, const char *name, const struct weir_capture_options *options, struct capture **capture,
                struct weir_fault *fault);
void capture_free(struct capture *capture);

/* Begins with the file header at the window's beginning, of whatever format: what was read before keeps its interfaces. 0 or an error. */
int capture_begin(struct capture *capture, struct weir_fault *fault);

/* Puts bytes before those of the window, as if they stood in the file there. 0 or WEIR_E_MEMORY. */
int capture_insert(struct capture *capture, const void *data, size_t length, struct weir_fault *fault);

/* After packets or blocks were put into a batch that had `packets` and `blocks` of them: makes it hold the buffer they lie in. */
int capture_hold(struct capture *capture, struct weir_batch *batch, uint32_t packets, uint32_t blocks);

/* Whether nothing more is to be put into the batch. */
bool capture_batch_full(const struct capture *capture, const struct weir_batch *batch);

/* Takes a copy of an interface (its options too) into the table. 0 or an error. */
int capture_add_interface(struct capture *capture, const struct weir_interface *interface, struct weir_fault *fault);

/* Keeps a copy of the file's or section's header. */
int capture_keep_header(struct capture *capture, const uint8_t *data, size_t length, struct weir_fault *fault);

/* The most bytes that a packet of a link type can have: what libpcap and Wireshark take, or what the options say. */
uint32_t capture_packet_limit(const struct capture *capture, uint16_t linktype);

/* Reads the headers; the magic stands in the window. */
int pcap_begin(struct capture *capture, struct weir_fault *fault);
int pcapng_begin(struct capture *capture, struct weir_fault *fault);
bool pcap_recognise(const uint8_t *head, size_t length);
bool pcapng_recognise(const uint8_t *head, size_t length);

/*
 * Reads a capture to its end and only counts: for who needs no packets this is much faster than batches. The source must be one of
 * weir_capture_open, and fresh. 0, an error, or what walk->block returned. What was counted before an error counts.
 */
int capture_walk(struct weir_source *source, struct capture_walk *walk, struct weir_fault *fault);
void capture_walk_free(struct capture_walk *walk);

/* Adds a packet. */
static inline void capture_tally_add(struct capture_tally *tally, uint32_t captured, uint32_t length, int64_t time_ns)
{
	tally->packets++;
	tally->captured_bytes += captured;
	tally->wire_bytes += length;
	if (__builtin_expect(time_ns < tally->first_ns, 0))
		tally->first_ns = time_ns;
	if (__builtin_expect(time_ns > tally->last_ns, 1))
		tally->last_ns = time_ns;
	if (__builtin_expect(captured < length, 0)) {
		tally->cut++;
		tally->cut_least = captured < tally->cut_least ? captured : tally->cut_least;
		tally->cut_most = captured > tally->cut_most ? captured : tally->cut_most;
	}
}

#endif
