/*
 * file/pcap.h: the forms of pcap files (draft-ietf-opsawg-pcap), for the reader and the writer.
 */
#ifndef FILE_PCAP_H
#define FILE_PCAP_H

#include <weir/file.h>

#define PCAP_HEADER_BYTES 24
#define PCAP_RECORD_BYTES 16
#define PCAP_MODIFIED_RECORD_BYTES 24

#define PCAP_MAGIC 0xa1b2c3d4u
#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_MAGIC_MODIFIED 0xa1b2cd34u

/* The order of a record's two lengths. */
enum pcap_lengths {
	PCAP_CAPTURED_FIRST,
	PCAP_LENGTH_FIRST,   /* versions before 2.3, and DG/UX's 543.0 */
	PCAP_LESS_IS_CAPTURED, /* version 2.3, written by programs that swapped them and by others that did not yet */
};

/* What a header says of the records behind it. */
struct pcap_shape {
	enum weir_format format;
	bool big_endian;
	uint8_t resolution;    /* of the fraction of a second: 6 or 9 */
	uint8_t record_header; /* bytes */
	enum pcap_lengths lengths;
	uint16_t version_major, version_minor;
	uint32_t snaplen;
	uint32_t network;      /* all 32 bits of the field */
	uint16_t linktype;     /* what the records are */
};

/* Takes 24 bytes apart that begin with a pcap magic. */
void pcap_shape_parse(const uint8_t header[static PCAP_HEADER_BYTES], struct pcap_shape *shape);

/* The header that a file of this shape has when nothing about it is odd. */
void pcap_header_make(const struct pcap_shape *shape, uint8_t header[static PCAP_HEADER_BYTES]);

/* The header of a record, without the extra fields of the modified variant (zeros). seconds and fraction as they go into it. */
void pcap_record_make(const struct pcap_shape *shape, uint32_t seconds, uint32_t fraction, uint32_t captured, uint32_t length,
                      uint8_t *header);

/*
 * Options for the packet block of a pcap record whose header does not follow from the packet (a custom option that holds it, and the
 * end of options), in the given byte order; nothing when it does. plain_file: nothing about the file's header is odd. Returns the bytes
 * written: at most 16 more than PCAP_MODIFIED_RECORD_BYTES.
 */
size_t pcap_record_option(const struct pcap_shape *shape, bool plain_file, const struct weir_packet *packet, bool big, uint8_t *out);

#endif
