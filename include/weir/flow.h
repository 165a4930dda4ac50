/*
 * weir/flow.h: flow records: what two ends said to each other, in both directions (biflows, RFC 5103).
 *
 * A flow is what one 5-tuple of the innermost IP header (addresses, ports, protocol) and the outermost VLAN did between two
 * timeouts. Its source is who sent the first packet seen (RFC 5103, section 3: initiator), but for a TCP flow whose first packet is a SYN+ACK:
 * that came from the destination. Columns are named as in IPFIX (RFC 7012) where it has the element.
 */
#ifndef WEIR_FLOW_H
#define WEIR_FLOW_H

#include <weir/pipeline.h>
#include <weir/seal.h>
#include <weir/state.h>

#define WEIR_NO_VALUE UINT32_MAX /* of uint32_t members that may be unknown */

/* An IP address. version 4: bytes[0..3]; 6: all; 0: none. The rest is zero, so that addresses compare as memory. */
struct weir_ip {
	uint8_t bytes[16];
	uint8_t version;
};

/* Why a flow's record ended: IPFIX flowEndReason (RFC 5102, section 5.11.3). */
enum weir_flow_end {
	WEIR_FLOW_IDLE = 1,      /* nothing for the idle timeout */
	WEIR_FLOW_ACTIVE = 2,    /* it went on for longer than the active timeout: a further record follows */
	WEIR_FLOW_FINISHED = 3,  /* FIN in both directions and the last acknowledgment, or RST */
	WEIR_FLOW_FORCED = 4,    /* the input ended */
	WEIR_FLOW_RESOURCES = 5, /* no memory within the bound: cut */
};
const char *weir_flow_end_name(unsigned reason); /* "idle timeout", "active timeout", "end of flow", "forced end", "lack of resources" */

/* One direction of a flow. Without packets the times are WEIR_NO_TIME and the rest is zero. */
struct weir_flow_direction {
	int64_t first_ns, last_ns;
	uint64_t packets;
	uint64_t wire_bytes;      /* of the frames as they were on the wire, link header included: tshark's bytes */
	uint64_t ip_bytes;        /* of the IP datagrams that hold the flow: IPFIX octetDeltaCount, NetFlow's bytes */
	uint64_t captured_bytes;
	uint32_t retransmissions; /* TCP segments with payload that had been sent before, keep-alives not counted */
	uint32_t out_of_order;
	uint32_t zero_windows;
	uint8_t tcp_flags_initial; /* of the first packet */
	uint8_t tcp_flags;         /* of all, or-ed */
	uint8_t ttl_min, ttl_max;  /* TTL or hop limit of the header that holds the flow */
	uint8_t dscp;              /* of the first packet */
};

/*
 * One flow record. Strings are views that are valid until the sink's write returns (or the source's next fill); data NULL: none.
 * Every member is a column or part of one (weir_flow_columns).
 */
struct weir_flow {
	struct weir_ip source, destination;
	uint16_t source_port, destination_port;
	uint8_t protocol;
	uint8_t end_reason;            /* enum weir_flow_end */
	uint8_t ip_version;            /* of the header that holds the flow */
	uint8_t tunnel;                /* enum weir_layer_kind of the innermost tunnel or security layer around it (ESP, AH, GRE, VXLAN, …), 0: none */
	uint32_t vlan;                 /* outermost VLAN id; WEIR_NO_VALUE: untagged */
	uint32_t icmp_type, icmp_code; /* of the first packet; WEIR_NO_VALUE: no ICMP */
	uint32_t spi;                  /* of ESP or AH, forward direction; with has_spi. */
	bool has_spi;
	uint8_t source_mac[6], destination_mac[6];
	bool has_macs;
	struct weir_ip outer_source, outer_destination; /* of the outermost IP header when that is another than the flow's */
	struct weir_flow_direction forward, reverse;
	int64_t rtt_ns;                /* TCP handshake, SYN to the ACK that ends it; WEIR_NO_TIME: not seen */
	uint64_t duplicates;           /* packets that de-duplication removed; they are in no other counter */
	struct weir_bytes vantages;    /* names of the vantage points that saw it, sorted, joined by ',' */
	struct weir_bytes application; /* "TLS", "SMB", …; none: not known */
	struct weir_bytes category;
	struct weir_bytes evidence;    /* what named it: "port", "signature", "dcerpc", "sni", "host", "dns", "endpoint", "ndpi", … */
	struct weir_bytes server_name;
	char community_id[32];         /* Community ID v1, seed 0; "": none */
	uint32_t process_id, reverse_process_id; /* of the source, of the destination, where it was on the box that captured; WEIR_NO_VALUE: not known */
	struct weir_bytes process_executable, process_user, reverse_process_executable, reverse_process_user; /* path of its program, user's name */
	uint64_t sequence;             /* number of the record within its run, from 1: breaks ties of order */
};

enum weir_column_type {
	WEIR_COLUMN_UNSIGNED, /* uint8_t, uint16_t, uint32_t or uint64_t by size */
	WEIR_COLUMN_TIME,     /* int64_t ns since the epoch; WEIR_NO_TIME: null */
	WEIR_COLUMN_DURATION, /* int64_t ns; WEIR_NO_TIME: null */
	WEIR_COLUMN_DOUBLE,   /* double; NAN: null. No column of flows is one */
	WEIR_COLUMN_IP,       /* struct weir_ip; version 0: null */
	WEIR_COLUMN_MAC,      /* six bytes */
	WEIR_COLUMN_STRING,   /* struct weir_bytes; data NULL: null */
	WEIR_COLUMN_TEXT,     /* char array of `size`, "": null */
};

/*
 * A column of the flow table: everything that a writer or reader needs to know of it. The table is the only place that lists columns;
 * Parquet, CSV, JSON, IPFIX and aggregation are made from it.
 */
struct weir_flow_column {
	const char *name;     /* "packets", "reverse_packets" */
	uint8_t type;         /* enum weir_column_type */
	uint8_t size;         /* of the member, in bytes */
	uint16_t offset;      /* of the member in struct weir_flow */
	uint16_t present;     /* offset of the bool that says whether there is a value; 0: none (see null) */
	bool no_value;        /* UNSIGNED: WEIR_NO_VALUE is null */
	bool key;             /* --by may group by it; otherwise it is summed (or, of times, first and last) */
	bool reverse;         /* the reverse direction's (RFC 5103, PEN 29305) */
	uint16_t element;     /* IPFIX information element; 0: none, then under weir's own number (src/file/pen.h) */
	uint16_t own_element; /* … this one */
	uint16_t netflow9;    /* NetFlow version 9 field type (RFC 3954, section 8), of reverse columns that in a record of its own; 0: none */
	const char *meaning;  /* one line for the documentation */
};

/* The columns, in the order in which writers have them. */
const struct weir_flow_column *weir_flow_columns(size_t *count);
const struct weir_flow_column *weir_flow_column_named(const char *name);

/* Makes an empty record: no times, no values. */
void weir_flow_clear(struct weir_flow *flow);

/*
 * The Community ID v1 of a 5-tuple (https://github.com/corelight/community-id-spec), "1:…" into out. icmp_type and icmp_code stand in for
 * the ports where protocol is ICMP or ICMPv6. Writes "" when there are no addresses.
 */
void weir_community_id(const struct weir_ip *source, const struct weir_ip *destination, uint8_t protocol, uint16_t source_port,
                       uint16_t destination_port, uint16_t seed, char out[static 32]);

/* ---- where records go, and where they come from ---- */

struct weir_flow_sink;
struct weir_flow_sink_ops {
	const char *name;
	/* Keeps `count` records, copying what it needs of them. 0 or a negative error. */
	int (*write)(struct weir_flow_sink *sink, const struct weir_flow *flows, size_t count, struct weir_fault *fault);
	/* Once, after the last: make what was kept whole (a file gets its name now). */
	int (*finish)(struct weir_flow_sink *sink, struct weir_fault *fault);
	void (*close)(struct weir_flow_sink *sink); /* without finish before it nothing appears */
};
struct weir_flow_sink {
	const struct weir_flow_sink_ops *ops;
};

struct weir_flow_source;
struct weir_flow_source_ops {
	const char *name;
	/* Fills at most `room` records; their strings live until the next fill or close. The count, 0 at the end, or a negative error. */
	int (*fill)(struct weir_flow_source *source, struct weir_flow *flows, size_t room, struct weir_fault *fault);
	void (*close)(struct weir_flow_source *source);
};
struct weir_flow_source {
	const struct weir_flow_source_ops *ops;
};

/* Each opens a sink on a file ("-" is standard output; a named file appears when finished). Every one but Parquet keeps the order it is given. */
int weir_flow_csv_open(const char *path, struct weir_flow_sink **sink, struct weir_fault *fault);
int weir_flow_json_open(const char *path, struct weir_flow_sink **sink, struct weir_fault *fault); /* a line a record */

struct weir_parquet_options {
	uint32_t row_group_rows; /* 0 = 131,072. Within a row group records are sorted by first time, then sequence. */
	int level;               /* of zstd; 0 = 1 */
	unsigned threads;        /* that make the columns of a row group, the caller's among them; 0 = 1. The file is the same for any number; each takes 2 MiB more */
	const struct weir_recipients *recipients; /* seal it for them; NULL: it is not sealed */
	size_t sealed_header;    /* as in weir_capture_writer_options */
	char *sealed_sha256;     /* of a sealed one: 65 bytes that finish fills in, as there; may be NULL */
};
int weir_flow_parquet_open(const char *path, const struct weir_parquet_options *options, struct weir_flow_sink **sink,
                           struct weir_fault *fault);
/*
 * Reads what the above wrote, and any Parquet file that has some of these columns, plain, in dictionaries or (numbers) as packed differences, uncompressed or zstd (others are
 * WEIR_E_UNSUPPORTED, by name). Missing columns have no values. Memory: the footer, and of each column a page and a dictionary, at most 512 MiB.
 */
int weir_flow_parquet_read(const char *path, const struct weir_identities *identities, struct weir_flow_source **source, struct weir_fault *fault);

/*
 * Gives *sink a thread of its own, so that who makes records goes on while they are written: *sink becomes a sink that copies records (up to 16,384 wait, in some
 * 8 MiB; then its write waits too) and hands them in their order to the one that was there, which it finishes and closes. An error of that one is returned by a later
 * write, or by finish. 0, also where no thread could be had and *sink is what it was; or WEIR_E_MEMORY, likewise.
 */
int weir_flow_background(struct weir_flow_sink **sink, struct weir_fault *fault);

enum weir_export_protocol { WEIR_EXPORT_IPFIX, WEIR_EXPORT_NETFLOW9 };
/* target: a file's path, "-", or "udp:HOST:PORT" / "tcp:HOST:PORT" (NetFlow v9: UDP or a file of datagrams). */
int weir_flow_export_open(const char *target, enum weir_export_protocol protocol, struct weir_flow_sink **sink, struct weir_fault *fault);

/*
 * Reads IPFIX files (RFC 5655) and files of IPFIX, NetFlow v9 and v5 datagrams put one behind the other; what it is, is seen in the bytes
 * (compressed ones too). Records of options, which tell of the exporter and not of flows, are read over; data whose template is not known
 * are counted. Where the bytes cannot be followed any further, fill first gives everything that was sound, of all files, and then the first fault.
 */
int weir_flow_datagrams_read(const char *path, struct weir_flow_source **source, struct weir_fault *fault);

/* The same of several, one after the other: a template in one holds for those after it. paths are copied; each is opened when it is its turn. */
int weir_flow_datagrams_read_many(const char *const *paths, size_t count, const struct weir_identities *identities, struct weir_flow_source **source, struct weir_fault *fault);

struct weir_datagram_statistics {
	uint64_t messages;
	uint64_t flows, options;              /* records */
	uint64_t template_sets;
	uint64_t unknown_sets, unknown_bytes; /* data without a template */
	uint64_t malformed_sets;              /* whose lengths make no sense: what is behind them in their message is skipped */
	uint64_t lost; /* that did not arrive, by sequence numbers: records of v5 and IPFIX, datagrams of v9 */
};
/* Of a source of the above, so far. */
void weir_flow_datagrams_statistics(const struct weir_flow_source *source, struct weir_datagram_statistics *statistics);

/* ---- making records of packets ---- */

struct weir_applications; /* weir/application.h */

struct weir_flow_options {
	int64_t idle_ns;     /* 0: none. The command's default is 90 s. */
	int64_t active_ns;   /* 0: none. The command's default is 30 min. */
	uint64_t memory_bytes; /* for the table; 0 = 512 MiB. Past it the flows that were idle longest are cut (WEIR_FLOW_RESOURCES). */
	struct weir_applications *applications; /* names flows; NULL: nobody does. Stays the caller's. */
	struct weir_flow_sink *sink; /* where records go, in the order in which flows end; stays the caller's */
	bool items_taken;            /* weir_flow_items_stage_new stands before it */
};

/*
 * What the flow stage does first, as a stage of its own: takes what flows need of each packet. Nothing that changes packets, facts or verdicts stands between the
 * two. decapsulate: NULL, then it is parallel; or a stage of weir_decapsulate_stage_new, which then does not stand in the pipeline itself: this one does its work
 * in the same go, in half the time. It stays the caller's, has to live as long, and its state is saved and loaded as ever. open: the facts go on behind ESP after
 * this stage, as after that; otherwise those of most packets still end at ESP, and the flow stage opens the few that it looks at: where nobody
 * behind it looks at facts. NULL when there is no memory.
 */
struct weir_stage *weir_flow_items_stage_new(struct weir_stage *decapsulate, bool open);

/*
 * The flow stage: in order, one batch at a time. Wants facts (decode before it, decapsulation if any). Packets of WEIR_DUPLICATE
 * count as duplicates of their flow and mark their vantage; other dropped packets are skipped. Drops nothing itself. A packet without IP
 * belongs to no flow. What happens to a flow depends on the packets and their order alone, and time is what packets say: their batches do not matter.
 *
 * - A packet that comes after more than the idle timeout belongs to a new flow; a flow without packets for so long is written when later packets show that the
 *   time is over. One that comes more than the active timeout after the record's first begins a further record, of the same source, also when only the
 *   destination speaks in it. Times may go back: a flow does not end by it.
 * - TCP: after FIN in both directions and the last acknowledgment, or RST, a flow stays for 5 s (or the idle timeout) for what comes late. A SYN with
 *   another sequence number than the flow's begins a new flow.
 * - Later fragments belong to the flow of their datagram's first, also when they come before it. 4,096 datagrams are remembered for 30 s; what has no
 *   first fragment belongs to a flow with ports 0.
 * - ICMP: ports are 0. Questions and their answers (echo, timestamp, neighbour solicitation, …) of two hosts are a flow a kind; anything else, as errors, is
 *   a flow for each direction, type and code.
 * - The process of an end is the first that a packet names (weir/process.h). 16 MiB of different ones are remembered; further ones are not known.
 * - ESP that hides its content is a flow of its addresses, with the source's SPI.
 */
int weir_flow_stage_new(const struct weir_flow_options *options, struct weir_stage **stage, struct weir_fault *fault);

struct weir_flow_statistics {
	uint64_t packets; /* that belong to flows, duplicates included */
	uint64_t no_ip;   /* that belong to none */
	uint64_t records, active, most_active;
	uint64_t cut;     /* flows, for want of memory */
	uint64_t memory_bytes;
};
void weir_flow_stage_statistics(const struct weir_stage *stage, struct weir_flow_statistics *statistics);

/* Changes where records go (a new part of a run). */
void weir_flow_stage_sink(struct weir_stage *stage, struct weir_flow_sink *sink);

/* The input is over: ends every flow (WEIR_FLOW_FORCED). */
int weir_flow_stage_end(struct weir_stage *stage, struct weir_fault *fault);

#endif
