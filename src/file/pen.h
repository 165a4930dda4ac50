/*
 * file/pen.h: how weir's own pcapng blocks and options are marked.
 */
#ifndef FILE_PEN_H
#define FILE_PEN_H

/*
 * Private Enterprise Number of weir's custom blocks and options. None is assigned yet: 32473 is the one that RFC 5612 reserves
 * for documentation, so every block and option of ours also begins with a magic of four characters.
 */
#define WEIR_PEN 32473u

/*
 * Custom options are of code 19373: binary, and not to be copied by a program that changes the file without knowing them,
 * because they describe what stood in a pcap file before it became pcapng, or name users. Each is the PEN in the byte order of the
 * section, a magic, and then bytes as they stood, in their own order:
 *   on an interface  PCAP_HEADER_MAGIC, the 24 bytes of a pcap file's header, when it was not the plain one
 *   on a packet      PCAP_RECORD_MAGIC, the 16 or 24 bytes of a pcap record's header, when they do not follow from the packet
 *   on a packet      PROCESS_MAGIC, the processes that it belongs to (docs/formats.md, file/process_option.h)
 */
#define PCAP_HEADER_MAGIC "wPcp"
#define PCAP_RECORD_MAGIC "wRec"
#define PROCESS_MAGIC "wPrc"

#endif
