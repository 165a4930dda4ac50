/*
 * archive/format.h: the layout of segments and their indexes on disk. docs/formats.md tells it in prose; change both.
 *
 * A segment is one pcapng section in the byte order of its source (little-endian when recorded), cut into at most 64 chunks.
 * The first chunk begins with the SHB; an IDB stands in the chunk in which its interface first occurs. Every chunk ends with
 * an Interface Statistics Block per interface (when recorded: an import has no counters) and then a chunk trailer, a block of
 * ours. By codec a chunk is stored as
 *   none  the blocks as they are; the trailer is padded so that the next chunk starts at a multiple of 4096
 *   zstd  one Zstandard frame with checksum and content size, then a frame of empty blocks that pads to a multiple of 4096
 *   lz4   one LZ4 frame with content checksum and content size, then a skippable frame that pads likewise
 * so that every chunk can be written with direct I/O from the buffer that it was made in. (A skippable frame would do for zstd
 * too, but Wireshark takes what stands behind such a frame for packets.) A compressed segment ends with the seek table of
 * Zstandard's seekable format, which has an entry of decompressed size 0 for every padding frame.
 */
#ifndef ARCHIVE_FORMAT_H
#define ARCHIVE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "file/pen.h"

#define SEGMENT_CHUNKS_MAX 64
#define SEGMENT_ALIGNMENT 4096u

/*
 * Sealed, a segment is an age file over these same bytes, but that every chunk is padded to a multiple of SEALED_ALIGNMENT, so that it is a whole number of
 * age's chunks. What stands behind the last one, in the last chunk of age, follows from the chunks before it: see struct end_record.
 */
#define SEALED_ALIGNMENT 65536u

/*
 * Type of our own blocks: of those for local use (pcapng, section 10.1), which readers that do not know them step over. A
 * Custom Block would stand among the packets in Wireshark's list. Behind type and length it is laid out as one: PEN, magic, rest.
 */
#define WEIR_BLOCK_TYPE 0xC0000BADu

/* Skippable frame magics: LZ4's padding, and the seek table's, whose footer ends in SEEK_TABLE_FOOTER. */
#define PADDING_FRAME_MAGIC 0x184D2A50u
#define SEEK_TABLE_MAGIC 0x184D2A5Eu
#define SEEK_TABLE_FOOTER 0x8F92EAB1u

/* Body of the chunk trailer, behind the PEN, in the byte order of the section. Then zeros up to the block's end. */
#define CHUNK_TRAILER_MAGIC "wChk"
struct chunk_trailer {
	char magic[4];
	uint32_t number;         /* of the chunk in its segment, from 0 */
	uint64_t checksum;       /* XXH3, 64 bits, of the chunk's bytes before the trailer block */
	int64_t first_ns, last_ns; /* least and greatest time; first > last when there are no packets */
	uint32_t packets;
	uint32_t flags;          /* enum chunk_flags */
	uint64_t captured_bytes, wire_bytes;
};

enum chunk_flags {
	CHUNK_UNSORTED = 1,  /* times do not ascend */
	CHUNK_IRREGULAR = 2, /* has packets that index_terms_of calls irregular: the postings must not prune it */
};

/*
 * The journal of a chunk that is not in the segment yet, `HHMMSS-SEQ-CHUNK.open` beside the segment (SEGMENT without its
 * endings, CHUNK two digits): a plain pcapng file that stands alone. It is: the segment's SHB; a block of ours with the
 * journal head; the first prologue_bytes of the prologue's IDBs (those of earlier chunks) again; then the chunk's own bytes from
 * its first block on (chunk 0 without its SHB, which stands at the front already), as far as they had come. It is removed when
 * the chunk is in the segment, and when the segment is closed.
 */
#define JOURNAL_MAGIC "wJnl"
struct journal_head {
	char magic[4];
	uint32_t number;         /* of the chunk */
	uint32_t prologue_bytes; /* of IDBs behind this block that do not belong to the chunk */
	uint32_t interfaces;     /* how many IDBs these are */
};

/*
 * The index file, `SEGMENT.idx`: little-endian, every table aligned to 8, meant to be mapped and bisected.
 *   header, prologue (SHB and all IDBs as they stand in the segment), chunk table, posting tables
 * A segment with an index is closed: the index is written last, and appears whole (renamed into place).
 * What a packet adds to the postings, and which packets make a chunk irregular, is in index_terms.h. A chunk is also irregular when
 * its packets have more keys than the index may take room for (a scan, a flood of forged addresses).
 */
/*
 * Of a sealed segment all of this is sealed, as `SEGMENT.idx.age`. `SEGMENT.idx` is the header alone, with INDEX_SEALED in `reserved`: times, sums and
 * sizes, which the catalog has in the open, too.
 */
#define INDEX_SEALED 1u

#define INDEX_MAGIC "weirIDX1"
#define INDEX_VERSION 1u

enum posting_kind {
	POSTING_IPV4,      /* key: 4 bytes, address as a number */
	POSTING_IPV6,      /* key: 16 bytes, network order, sorted as bytes */
	POSTING_MAC,       /* key: 8 bytes, address as a number in the low 48 bits */
	POSTING_PORT,      /* key: 2 bytes; TCP, UDP and SCTP, either side */
	POSTING_PROTOCOL,  /* key: 2 bytes: IP protocol, of every network, extension headers met on the way included */
	POSTING_ETHERTYPE, /* key: 2 bytes: of every link and VLAN layer */
	POSTING_VLAN,      /* key: 2 bytes: VLAN id */
	POSTING_KINDS
};

/* One table: `count` keys in ascending order, padded to a multiple of 8, then as many masks of 64 bits (bit i: chunk i). */
struct posting_table {
	uint64_t offset;
	uint32_t count;
	uint32_t key_size;
};

struct index_header {
	char magic[8];
	uint32_t version;
	uint32_t codec;           /* enum weir_codec */
	uint64_t file_bytes;      /* of the index itself */
	uint64_t checksum;        /* XXH3, 64 bits, of everything behind the header, then of the header with this field zero, xored */
	uint64_t segment_bytes;   /* of the segment file */
	uint64_t raw_bytes;       /* of the pcapng section, uncompressed */
	int64_t first_ns, last_ns;
	uint64_t packets, captured_bytes, wire_bytes;
	uint32_t chunk_count;
	uint32_t interface_count;
	uint32_t prologue_offset, prologue_bytes;
	uint32_t chunks_offset;
	uint32_t flags;           /* all chunks' flags */
	uint32_t big_endian;      /* byte order of the section */
	uint32_t reserved;        /* INDEX_SEALED or 0 */
	struct posting_table postings[POSTING_KINDS];
};

struct index_chunk {
	uint64_t offset;          /* of its frame in the segment file */
	uint64_t raw_offset;      /* of its bytes in the uncompressed section */
	uint32_t stored_bytes;    /* of the frame, without padding */
	uint32_t raw_bytes;
	int64_t first_ns, last_ns;
	uint64_t checksum;        /* as in the trailer */
	uint64_t stored_checksum; /* XXH3, 64 bits, of what is stored, of frame and padding: from offset to
	                             chunk_end(offset + stored_bytes). A decoder ignores some bits of a frame; verify must not. */
	uint64_t captured_bytes, wire_bytes;
	uint32_t packets;
	uint32_t flags;
	uint32_t interfaces_before; /* IDBs of the prologue that stand in earlier chunks */
	uint32_t prologue_before;   /* bytes of the prologue that those (and the SHB) take: 0 for chunk 0 */
};

/* Where a chunk's padding ends when its frame ends at `end`: a padding frame takes at least PADDING_LEAST bytes. */
#define PADDING_LEAST 16u
static inline uint64_t chunk_end_in(uint64_t end, bool sealed)
{
	uint64_t alignment = sealed ? SEALED_ALIGNMENT : SEGMENT_ALIGNMENT, padded = (end + alignment - 1) / alignment * alignment;
	return padded != end && padded - end < PADDING_LEAST ? padded + alignment : padded;
}
static inline uint64_t chunk_end(uint64_t end) { return chunk_end_in(end, false); }

/* Blocks of ours in sealed segments: of no meaning, up to where a chunk of age ends; and behind the last chunk when it is not compressed. */
#define PADDING_MAGIC "wPad"
#define END_MAGIC "wEnd"

/*
 * While a sealed segment is written, `HHMMSS-SEQ.end` beside it has a record for each chunk that was given to the disk: what is needed to end the file
 * behind it. The recorder's box can't open the segment, and after a crash nobody has the key by which another chunk of age could be
 * sealed; so its last chunk is sealed beforehand, each time. Its nonce is used for these bytes alone: a segment that ends behind this chunk ends with them.
 * Native byte order: the box that wrote it reads it. Behind each record stand tail_bytes.
 */
#define END_RECORD_MAGIC 0x31646e45u
struct end_record {
	uint32_t magic, number;     /* of the chunk */
	uint64_t offset, bytes;     /* of what was written to the file for this chunk */
	uint64_t written_checksum;  /* XXH3 of these bytes */
	uint64_t tail_offset;       /* where the file's last bytes go, */
	uint32_t tail_bytes;        /* that stand behind this record */
	uint32_t big_endian;
	uint64_t segment_bytes;     /* of what is sealed, if it ends here; what follows is the sum over all chunks so far */
	uint64_t raw_bytes, packets, captured_bytes, wire_bytes;
	int64_t first_ns, last_ns;
	uint64_t checksum;          /* XXH3 of the record with this zero, then of the tail, xored */
};

/*
 * The journal of a sealed segment's chunk: SEALED_JOURNAL_MAGIC, the header and nonce of an age file (SEALED_HEADER bytes), then for each time that it was
 * written to a record: chunks of age, and behind them the last one, if the file should end here. What they hold is a segment of one chunk, not compressed, whose
 * trailer is in that last one. Recovery puts the chunks behind one another and the last of them behind all.
 */
#define SEALED_JOURNAL_MAGIC "weirSJ01"
struct journal_record {
	uint32_t magic, chunks;     /* of age, in this record */
	uint32_t last_bytes;        /* of the sealed one that would be the last */
	uint32_t big_endian;
	uint64_t segment_bytes, packets, captured_bytes, wire_bytes;
	int64_t first_ns, last_ns;
	uint64_t checksum;          /* XXH3 of the record with this zero, then of what stands behind it, xored */
};
#define JOURNAL_RECORD_MAGIC 0x314c4e4au
#define JOURNAL_BESIDE ".new" /* behind the name of one that takes the place of another */

_Static_assert(sizeof(struct chunk_trailer) == 56, "on disk");
_Static_assert(sizeof(struct journal_head) == 16, "on disk");
_Static_assert(sizeof(struct index_chunk) == 88, "on disk");

#endif
