/*
 * file/option.h: options of pcapng blocks (draft-ietf-opsawg-pcapng, section 3.5): codes, walking, writing, turning round.
 */
#ifndef FILE_OPTION_H
#define FILE_OPTION_H

#include <weir/bytes.h>

enum pcapng_block_type {
	PCAPNG_SHB = 0x0a0d0d0a,
	PCAPNG_IDB = 1,
	PCAPNG_PB = 2, /* obsolete */
	PCAPNG_SPB = 3,
	PCAPNG_NRB = 4,
	PCAPNG_ISB = 5,
	PCAPNG_EPB = 6,
	PCAPNG_JOURNAL = 9,
	PCAPNG_DSB = 10,
	PCAPNG_CUSTOM = 0x0bad,
	PCAPNG_CUSTOM_NO_COPY = 0x40000bad,
};

#define PCAPNG_BYTE_ORDER 0x1a2b3c4du
#define PCAPNG_EPB_BYTES 32 /* of an EPB without data and options */
#define PCAPNG_IDB_BYTES 20
#define PCAPNG_SHB_BYTES 28

enum pcapng_option {
	PCAPNG_END_OF_OPTIONS = 0,
	PCAPNG_COMMENT = 1,
	PCAPNG_SHB_HARDWARE = 2,
	PCAPNG_SHB_OS = 3,
	PCAPNG_SHB_APPLICATION = 4,
	PCAPNG_IF_NAME = 2,
	PCAPNG_IF_DESCRIPTION = 3,
	PCAPNG_IF_SPEED = 8,
	PCAPNG_IF_TSRESOL = 9,
	PCAPNG_IF_TZONE = 10,
	PCAPNG_IF_FILTER = 11,
	PCAPNG_IF_OS = 12,
	PCAPNG_IF_FCSLEN = 13,
	PCAPNG_IF_TSOFFSET = 14,
	PCAPNG_IF_HARDWARE = 15,
	PCAPNG_EPB_FLAGS = 2,
	PCAPNG_EPB_DROPCOUNT = 4,
	PCAPNG_EPB_PACKETID = 5,
	PCAPNG_EPB_QUEUE = 6,
	PCAPNG_EPB_PROCESS = 8, /* epb_processid_threadid: two numbers of four bytes */
	PCAPNG_ISB_STARTTIME = 2,
	PCAPNG_ISB_ENDTIME = 3,
	PCAPNG_ISB_IFRECV = 4,
	PCAPNG_ISB_IFDROP = 5,
	PCAPNG_ISB_FILTERACCEPT = 6,
	PCAPNG_ISB_OSDROP = 7,
	PCAPNG_ISB_USRDELIV = 8,
	PCAPNG_CUSTOM_STRING = 2988,
	PCAPNG_CUSTOM_BINARY = 2989,
	PCAPNG_CUSTOM_STRING_NO_COPY = 19372,
	PCAPNG_CUSTOM_BINARY_NO_COPY = 19373,
};

static inline size_t pcapng_padded(size_t length) { return (length + 3) & ~(size_t)3; }

/*
 * Takes the next option. False at the end (opt_endofopt, or no bytes left) and when what is left is no option: then
 * cursor->failed is set.
 */
bool pcapng_option_next(struct weir_cursor *cursor, bool big, uint16_t *code, struct weir_bytes *value);

/* Whether the options are well formed. */
bool pcapng_options_sound(struct weir_bytes options, bool big);

/* Writes an option with its padding, and returns how many bytes that took. */
size_t pcapng_option_put(uint8_t *out, bool big, uint16_t code, const void *value, uint16_t length);

/* The value of weir's own option with that magic behind the PEN, NULL and 0 when there is none. */
struct weir_bytes pcapng_option_ours(struct weir_bytes options, bool big, const char magic[static 4]);

/*
 * Turns sound options from one byte order to the other, in place: codes, lengths and the values that are numbers. wide(code)
 * gives the size of the number that an option of such a block holds, 1 when it holds none, PCAPNG_TWO_NUMBERS of two of four bytes.
 */
#define PCAPNG_TWO_NUMBERS 44
void pcapng_options_turn(uint8_t *options, size_t length, bool from_big, size_t (*wide)(uint16_t code));
size_t pcapng_interface_option_wide(uint16_t code);
size_t pcapng_packet_option_wide(uint16_t code);

/* The options of a packet block that stands whole at `block`; empty for blocks that have none. */
struct weir_bytes pcapng_packet_options(const uint8_t *block, uint32_t length, bool big);

#endif
