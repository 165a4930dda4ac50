/*
 * weir/file.h: capture files: pcap and pcapng, plain or compressed, in and out.
 *
 * pcap: draft-ietf-opsawg-pcap; pcapng: draft-ietf-opsawg-pcapng. Compression: gzip (RFC 1952), Zstandard (RFC 8878) with its
 * seekable format's table, LZ4 frames; sealed as age files (weir/seal.h). What a file is, is seen in its bytes, never in its name; what to write is chosen by name.
 */
#ifndef WEIR_FILE_H
#define WEIR_FILE_H

#include <weir/pipeline.h>
#include <weir/seal.h>

enum weir_format {
	WEIR_FORMAT_UNKNOWN,
	WEIR_FORMAT_PCAP,          /* 0xa1b2c3d4, microseconds */
	WEIR_FORMAT_PCAP_NS,       /* 0xa1b23c4d */
	WEIR_FORMAT_PCAP_MODIFIED, /* 0xa1b2cd34, Alexey Kuznetzov's, microseconds, 24-byte record headers */
	WEIR_FORMAT_PCAPNG,
};

enum weir_compression {
	WEIR_COMPRESSION_NONE,
	WEIR_COMPRESSION_GZIP,
	WEIR_COMPRESSION_ZSTD,
	WEIR_COMPRESSION_LZ4,
};

const char *weir_format_name(enum weir_format format);                /* "pcap", "nanosecond pcap", "modified pcap", "pcapng" */
const char *weir_compression_name(enum weir_compression compression); /* "none", "gzip", "zstd", "lz4" */

/* What a capture file says of itself. Of a pcapng file the last section read so far counts. */
struct weir_file_header {
	enum weir_format format;
	enum weir_compression compression;
	bool sealed; /* it is an age file */
	bool big_endian;
	uint16_t version_major, version_minor;
	uint32_t snaplen;  /* pcap: as in the header; pcapng: of the first interface */
	uint32_t linktype; /* pcap: the whole 32 bits (FCS length in the top ones); pcapng: of the first interface */
	uint32_t sections; /* pcapng: sections begun so far; pcap: 1 */
	struct weir_bytes raw; /* pcap: the 24 bytes of the header; pcapng: the SHB with its options */
};

/*
 * Is shown what is read of a file, for who needs all of its bytes too and would have to read them a second time. Only of plain files (neither sealed nor
 * compressed) and as the bytes stand on disk, from `offset` on, in their order, by the thread that fills. data lies in buffer, which may be held:
 * nobody writes there again before it is dropped.
 */
struct weir_capture_tap {
	void (*read)(void *context, struct weir_buffer *buffer, const uint8_t *data, size_t length, uint64_t offset);
	void *context;
};

struct weir_capture_options {
	uint32_t packet_limit_bytes; /* a record that claims more is damage; 0 = as libpcap and Wireshark have it: 256 KiB, 8 MiB for
	                                EBHSCR, 128 MiB for D-Bus and USBPcap. Bounds the memory of the reader. */
	uint32_t window_bytes;       /* how much to read at once; 0 = chosen for the cache */
	const struct weir_identities *identities; /* that open sealed files; they outlive the source; NULL: none */
	const struct weir_capture_tap *tap; /* outlives the source; NULL: none */
	bool tolerant_linktype;      /* reserved link type bits set: take the low 16 bits instead of refusing */
};

/* A range of a file that could not be used: what weir_repair_open and weir_query_open tell. */
struct weir_damage {
	const char *file;
	uint64_t from, to;       /* bytes [from, to): of a capture file as it is decompressed, of a segment of an archive as it is on disk */
	uint64_t packets_before; /* sound packets before it, in the file or in the chunk of the segment */
	uint64_t packets;        /* that were in it; WEIR_UNKNOWN_COUNT: not known. An archive knows how many a chunk had. */
	const char *cause;       /* "bad length", "foreign header", "lost header", "zeroed", "cut", "text-mode transfer", "second file", "byte order",
	                            "time jump", "compressed data", "overwritten"; of archives also "checksum": some byte of it is not what was
	                            written, nobody knows which, and its packets are given; and "index": its index is damaged, and not used */
	int64_t before_ns, after_ns; /* times of the sound packets around it; WEIR_NO_TIME at the ends */
};
#define WEIR_UNKNOWN_COUNT UINT64_MAX

/*
 * Opens a capture file for reading, "-" for standard input (which need not be seekable), and reads its header. Returns 0
 * and *source, which is to be closed with weir_source_close; WEIR_E_FORMAT when it is no capture file; WEIR_E_TRUNCATED when it
 * is empty; WEIR_E_PERMISSION when it is sealed and no identity opens it. options may be NULL. Memory: two windows and the largest record met, at most packet_limit_bytes.
 * Faults name the file, the offset (in the decompressed bytes) and the packet.
 */
int weir_capture_open(const char *path, const struct weir_capture_options *options, struct weir_source **source,
                      struct weir_fault *fault);

/* As weir_capture_open, over memory that stays the caller's and outlives the source; name is for faults. */
int weir_capture_open_memory(const void *data, size_t length, const char *name, const struct weir_capture_options *options,
                             struct weir_source **source, struct weir_fault *fault);

/* The header of a capture source. Valid as long as the source; changes as it reads on. */
const struct weir_file_header *weir_capture_header(const struct weir_source *source);

/* The interfaces met so far; count receives how many. Entries never move. */
const struct weir_interface *const *weir_capture_interfaces(const struct weir_source *source, uint32_t *count);

/* The length of the file on disk, 0 when it can't be known (a pipe): for progress bars, against batch->source_bytes. */
uint64_t weir_capture_size(const struct weir_source *source);

struct weir_capture_writer_options {
	/*
	 * What to write; WEIR_FORMAT_UNKNOWN: by the name's ending, pcapng when it says nothing. An ending that says pcap (.pcap .cap
	 * .dmp) means the variant that holds the first batch's interfaces best: modified when they came from such a file,
	 * nanoseconds when they are finer than microseconds, else microseconds.
	 */
	enum weir_format format;
	enum weir_compression compression; /* used when by_name is false */
	bool by_name;                      /* take the compression from the name's ending (.gz .zst .lz4, also before .age) */
	const struct weir_recipients *recipients; /* seal it for them; NULL: it is not sealed, and WEIR_E_USAGE when its name ends in .age */
	size_t sealed_header;              /* of what the header of a sealed file is made to take a multiple, so that recipients can be added; 0: as it comes */
	int level;                         /* of the compression; 0 = its default */
	unsigned threads;                  /* that compress (zstd) beside the caller's; 0 = as many as there are processors. The file is the
	                                      same for any number */
	bool merge;                        /* the packets come from several sources: interfaces are gathered into one section, and
	                                      blocks that are not packets are left out; otherwise blocks and sections are mirrored */
	bool filtered;                     /* packets may be missing: section lengths are written as not known */
	char *sealed_sha256;               /* of a sealed file: 65 bytes that finish fills in with the SHA-256 of what is sealed in it, in hexadecimal digits; may be NULL */
	const _Atomic int *stop;           /* when it becomes non-zero the writing fails with WEIR_E_INTERRUPTED, so that no half of a
	                                      file gets its name; may be NULL */
};

/*
 * A sink that writes a capture file, "-" for standard output. A new file appears under its name only when it is whole: it
 * is written beside it and renamed by finish (devices, pipes and "-" are written directly). A pcapng record is copied as it stands
 * where the target is pcapng in the same byte order. A packet that the target can't hold (another link type in a pcap
 * file, a time outside its range) is WEIR_E_UNSUPPORTED, and says what to do. Close with weir_sink_close.
 */
int weir_capture_writer_open(const char *path, const struct weir_capture_writer_options *options, struct weir_sink **sink,
                             struct weir_fault *fault);

/* Packets and bytes (before compression) that a capture writer has written so far. */
void weir_capture_writer_count(const struct weir_sink *sink, uint64_t *packets, uint64_t *bytes);

/* What a capture writer has left out because the target can't hold it: all zero when nothing was lost. */
struct weir_capture_writer_losses {
	uint64_t blocks;          /* pcapng blocks that are neither packets nor descriptions (names, statistics, secrets, …) */
	uint64_t descriptions;    /* sections and interfaces with comments, names or other options that pcap has no place for */
	uint64_t packet_options;  /* packets with comments or other options, likewise */
	uint64_t interfaces;      /* how many interfaces became one, less one */
	uint64_t times_rounded;   /* times finer than the target's */
	uint64_t times_missing;   /* packets without a time, which were given that of the packet before */
	uint64_t extra_fields;    /* records of a modified pcap file whose extra fields were set */
};
void weir_capture_writer_losses(const struct weir_sink *sink, struct weir_capture_writer_losses *losses);

#endif
