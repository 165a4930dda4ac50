/*
 * weir/packet.h: packets, the interfaces they came from, and the batches they travel in.
 */
#ifndef WEIR_PACKET_H
#define WEIR_PACKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/bytes.h>
#include <weir/error.h>

struct weir_facts; /* weir/decode.h */

#define WEIR_NO_TIME INT64_MIN /* for times that are not known */

/* What becomes of a packet. Stages set it; sinks skip what is not WEIR_KEEP. */
enum weir_verdict {
	WEIR_KEEP = 0,
	WEIR_DROP = 1,
	WEIR_DUPLICATE = 2, /* dropped, as a copy of a packet that is kept; the flow stage still counts it as such */
};

enum weir_packet_flags {
	WEIR_PACKET_NO_TIME = 1, /* the record carries no time (Simple Packet Block): time_ns is that of the packet before */
	WEIR_PACKET_PCAP_RECORD = 2, /* block is a record of a pcap file; without this it is a pcapng block */
};

/*
 * One packet: 64 bytes, one cache line, so that a walk over a batch costs one miss a packet at most. It owns nothing:
 * data, block and facts point into what its batch holds.
 */
struct weir_packet {
	int64_t time_ns;       /* nanoseconds since 1970-01-01 UTC, rounded down when the record is finer */
	const uint8_t *data;   /* the captured bytes, from the link layer on */
	uint32_t captured;     /* how many of them */
	uint32_t length;       /* how many there were on the wire; may be less than captured in damaged files */
	uint32_t interface_id; /* index into the batch's interfaces (unique over all sections of a file) */
	uint16_t linktype;     /* LINKTYPE_…, that of the interface */
	uint8_t flags;         /* enum weir_packet_flags */
	uint8_t verdict;       /* enum weir_verdict */
	const uint8_t *block;  /* the whole record as it stands in its file: a pcapng block, or a pcap record (see flags); NULL when
	                          live. A stage that changes the bytes, lengths or time of a packet sets it to NULL. */
	uint32_t block_length; /* its length with its headers and trailer; 0 when block is NULL */
	uint32_t added;        /* options that its block is to get: see struct weir_batch; 0: none */
	uint64_t ticks;           /* the time as the record has it, in units of the interface's resolution, without offset */
	struct weir_facts *facts; /* set by the decode stage; NULL before it */
};

/* A capture interface, as a pcapng Interface Description Block describes it (draft-ietf-opsawg-pcapng, section 4.2). */
struct weir_interface {
	uint16_t linktype;
	uint8_t resolution;     /* if_tsresol as it is in the file: 6 = µs, 9 = ns; with the top bit set a power of two */
	bool big_endian;        /* byte order of the section that it stands in */
	uint32_t snaplen;       /* 0 = no limit */
	uint32_t section;       /* number of its section in the file, from 0 */
	uint32_t section_id;    /* its number within that section, as packet blocks name it */
	int64_t offset_seconds; /* if_tsoffset */
	char name[64];          /* if_name, "" when none; cut when longer (options has the whole) */
	char description[128];  /* if_description, likewise */
	char node[64];          /* the box that captured, or the file, where several are read together; "" when not known. Interfaces
	                           of one node share a clock. */
	/*
	 * All options of the block as they stand in the file, in its byte order; owned by the source. An interface of a pcap file
	 * has those that a block for it would have: if_tsresol, if_fcslen, and what was odd about the file's header, in a custom
	 * option (src/file/pen.h). So an Interface Description Block made of them loses nothing of the pcap file.
	 */
	struct weir_bytes options;
};

/* The time of `ticks` of this interface in ns since the epoch; saturates at the ends of int64_t. */
int64_t weir_interface_time(const struct weir_interface *interface, uint64_t ticks);

/* The ticks of this interface for a time; the inverse of weir_interface_time wherever the resolution is no finer than ns. */
uint64_t weir_interface_ticks(const struct weir_interface *interface, int64_t time_ns);

/*
 * Memory that packets point into, counted. A source takes one from its pool, fills it, and hands it to a batch; who
 * drops the last reference gives it back through `release`, from whatever thread that is.
 */
struct weir_buffer {
	uint8_t *data;
	size_t size;
	_Atomic uint32_t references;
	void (*release)(struct weir_buffer *buffer);
	void *owner;
};

static inline void weir_buffer_hold(struct weir_buffer *buffer)
{
	/* Relaxed: whoever holds it already has its own reference, so that nothing needs to be ordered by this one. */
	atomic_fetch_add_explicit(&buffer->references, 1, memory_order_relaxed);
}

static inline void weir_buffer_drop(struct weir_buffer *buffer)
{
	/* Release our reads before, acquire others' before the memory is used again. */
	if (atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel) == 1)
		buffer->release(buffer);
}

#define WEIR_BATCH_PACKETS 1024
#define WEIR_BATCH_BLOCKS 256
#define WEIR_BATCH_BUFFERS 8

/* A pcapng block that is no packet, kept in its place among the packets of the batch. */
struct weir_block {
	const uint8_t *data; /* the whole block, in the byte order of its section */
	uint32_t length;
	uint32_t before;     /* it stands before packets[before]; == count: after the last */
	uint32_t type;       /* block type, host order */
	uint32_t section;    /* number of its section in the file, from 0; an SHB counts as in the section that it opens */
	bool big_endian;
};

/*
 * Up to WEIR_BATCH_PACKETS packets. Created and freed by the pipeline; filled by a source; valid until weir_batch_reset,
 * which drops the buffers that the packets point into. Used by one thread at a time.
 */
struct weir_batch {
	uint32_t count;
	uint32_t block_count;
	uint32_t buffer_count;
	uint32_t interface_count;
	const struct weir_interface *const *interfaces; /* the source's table; entries once there never move or change */
	uint64_t first_number; /* number of packets[0] in its source, from 1 */
	uint64_t source_bytes; /* position in the input after this batch, in bytes of the file on disk: for progress bars */
	struct weir_buffer *buffers[WEIR_BATCH_BUFFERS];
	struct weir_facts *facts; /* WEIR_BATCH_PACKETS of them, allocated by the decode stage's first use */
	struct flow_items *items; /* what the flow stage needs of the packets (src/flow/item.h); likewise */
	struct weir_arena *arena; /* for stages that change bytes; emptied by weir_batch_reset */
	/*
	 * Options of packet blocks that a stage adds (which process a packet belongs to), already encoded, in native byte order and without opt_endofopt, in the arena. A
	 * packet's `added` is the number of its options here from 1 on; a number that is not here means none. So packets share them. Writers of pcapng put them behind
	 * those that the packet's block has, unless it has such already (weir/process.h).
	 */
	struct weir_bytes *added;
	uint32_t added_count, added_room;
	struct weir_block blocks[WEIR_BATCH_BLOCKS];
	struct weir_packet packets[WEIR_BATCH_PACKETS];
};

/* Makes an empty batch. NULL when there is no memory. Free with weir_batch_free. */
struct weir_batch *weir_batch_new(void);
void weir_batch_free(struct weir_batch *batch);

/* Drops everything the batch holds and makes it empty again. */
void weir_batch_reset(struct weir_batch *batch);

/* Makes the batch hold buffer until its reset. 0, or WEIR_E_LIMIT when it already holds WEIR_BATCH_BUFFERS others. */
int weir_batch_hold(struct weir_batch *batch, struct weir_buffer *buffer);

/* Adds options to the batch's table, without copying them. Their number, for `added`, or 0: no memory. */
uint32_t weir_batch_add_options(struct weir_batch *batch, struct weir_bytes options);

/* The options added to a packet; empty: none. */
static inline struct weir_bytes weir_packet_added(const struct weir_batch *batch, const struct weir_packet *packet)
{
	/* 0 - 1 is more than any count. */
	return __builtin_expect(packet->added - 1 < batch->added_count, 0) ? batch->added[packet->added - 1] : (struct weir_bytes){NULL, 0};
}

#endif
