/*
 * archive/blocks.h: the pcapng blocks that segments are made of, out and in. For files of others there is src/file; this walks
 * only over one section that stands in memory.
 */
#ifndef ARCHIVE_BLOCKS_H
#define ARCHIVE_BLOCKS_H

#include <weir/packet.h>

#include "archive/format.h"

#define BLOCK_SECTION 0x0A0D0D0Au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET_OLD 2u
#define BLOCK_PACKET_SIMPLE 3u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET 6u

#define PACKET_HEAD 28u     /* of an Enhanced Packet Block, before the packet's bytes */
#define PACKET_OVERHEAD 32u /* … and the length behind them */

static inline uint32_t padded4(uint32_t length) { return (length + 3u) & ~3u; }

/*
 * Each writes one block to out, which has room for its size, and returns the size. In the byte order of the section.
 */
#define SECTION_COMMENT_MAX 200u /* what is more is cut off */
#define SECTION_BLOCK_MAX (160u + 4u + SECTION_COMMENT_MAX)
uint32_t put_section(uint8_t *out, const char *comment, bool big); /* comment may be NULL */

/* An interface: with its options as they are, or, where it has none, those that its fields need. */
uint32_t interface_block_size(const struct weir_interface *interface);
uint32_t put_interface(uint8_t *out, const struct weir_interface *interface, bool big);

#define STATISTICS_BLOCK_SIZE 76u
struct interface_counters {
	uint64_t received, dropped_by_interface, dropped_by_system, delivered;
};
uint32_t put_statistics(uint8_t *out, uint32_t interface_id, uint64_t ticks, const struct interface_counters *counters,
                        bool big);

/* Enters a packet into what the trailer tells of its chunk. first > last while there are none, so that the first is never unsorted. */
static inline void trailer_count(struct chunk_trailer *trailer, const struct weir_packet *packet)
{
	if (trailer->packets && packet->time_ns < trailer->last_ns)
		trailer->flags |= CHUNK_UNSORTED;
	if (packet->time_ns < trailer->first_ns)
		trailer->first_ns = packet->time_ns;
	if (packet->time_ns > trailer->last_ns)
		trailer->last_ns = packet->time_ns;
	trailer->packets++;
	trailer->captured_bytes += packet->captured;
	trailer->wire_bytes += packet->length;
}

/* A chunk trailer; padding: zeros within the block, a multiple of 4. */
#define TRAILER_BLOCK_SIZE 72u
uint32_t put_trailer(uint8_t *out, const struct chunk_trailer *trailer, uint32_t padding, bool big);

#define JOURNAL_BLOCK_SIZE 32u
uint32_t put_journal_head(uint8_t *out, const struct journal_head *head, bool big);

/* Blocks of no meaning: up to the end of a chunk of age (PADDING_BLOCK_LEAST bytes and more), and behind all. */
#define PADDING_BLOCK_LEAST 20u
uint32_t put_padding_block(uint8_t *out, uint32_t size, bool big);
#define END_BLOCK_SIZE 20u
uint32_t put_end_block(uint8_t *out, bool big);

/* A block as it stands in memory. */
struct block {
	const uint8_t *data;
	uint32_t length;
	uint32_t type;
};

/* The block at `at`: 1, 0 at the end, -1 when no whole, sound block stands there. */
int block_at(const uint8_t *data, size_t size, size_t at, bool big, struct block *block);

/* Whether a block is a trailer or a journal head of ours; fills it. */
bool block_is_trailer(const struct block *block, bool big, struct chunk_trailer *trailer);
bool block_is_journal_head(const struct block *block, bool big, struct journal_head *head);
bool block_is_padding(const struct block *block, bool big);
bool block_is_end(const struct block *block, bool big);

/* Byte order of a section from its SHB: 0 and *big, or -1. */
int section_byte_order(const uint8_t *data, size_t size, bool *big);

/* What is known of a section while its blocks are walked over. Zero-initialise; free with section_free. */
struct section {
	bool big;
	struct weir_interface *interfaces;
	uint32_t interface_count, interface_capacity;
	int64_t last_ns; /* time of the packet before, for packets without one */
};
void section_free(struct section *section);

/*
 * Takes in one block. 1 and *packet filled in when it is a packet (block, data, time and linktype among others), 0 when it is not, or
 * a negative error when it makes no sense. IDBs enter section->interfaces.
 */
int section_block(struct section *section, const struct block *block, struct weir_packet *packet);

#endif
