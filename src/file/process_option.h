/*
 * file/process_option.h: the processes that a packet belongs to, as options of its block: epb_processid_threadid for who knows only that, and one of weir's own
 * (PROCESS_MAGIC) with the rest. Its bytes behind the magic, numbers little-endian whatever the section is:
 *
 *   0  version, 1
 *   1  ends that are told: 1 the source, 2 the destination; the source's stands first
 *   then for each
 *   0  pid, four bytes, not 0
 *   4  thread id, four bytes, 0: not known
 *   8  user id, four bytes, 0xffffffff: not known
 *   12 length of its name, one byte
 *   13 length of the user's name, one byte
 *   14 length of the path of its executable, two bytes
 *   16 name, user's name, path
 *
 * Behind the last end there may come more, in later versions that this reader still understands.
 */
#ifndef FILE_PROCESS_OPTION_H
#define FILE_PROCESS_OPTION_H

#include <weir/process.h>

#define PROCESS_OPTION_VERSION 1
#define PROCESS_END_BYTES 16
#define PROCESS_NAME_MOST 255u
#define PROCESS_PATH_MOST 4096u
#define PROCESS_OPTIONS_MOST (12 + 4 + 8 + 2 + 2 * (PROCESS_END_BYTES + 2 * PROCESS_NAME_MOST + PROCESS_PATH_MOST) + 3)

/*
 * Writes the options of a packet whose source, destination or both are known, without opt_endofopt; strings that are too long are left out. Returns how many bytes
 * that took, 0 when neither end is known.
 */
size_t process_options_put(uint8_t out[static PROCESS_OPTIONS_MOST], bool big, const struct weir_packet_processes *processes);

/* Reads them out of a packet's options, which they are views of. False: there is none of them. */
bool process_options_read(struct weir_bytes options, bool big, struct weir_packet_processes *processes);

/* Options that were put together; grows as needed. Zero-initialise; free bytes. */
struct joined_options {
	uint8_t *bytes;
	size_t length, room;
};

/*
 * Puts together what a packet's block has of options (in the byte order from_big) and what its batch adds (weir_packet_added), in the byte order big and with their
 * end. Where the block names processes already, that stays and nothing is added. False: no memory.
 */
bool process_options_join(struct joined_options *out, struct weir_bytes options, bool from_big, struct weir_bytes added, bool big);

#endif
