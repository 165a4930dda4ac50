/*
 * archive/record.h: what of a pcap record does not follow from the packet, kept as an option of its block (file/pen.h).
 */
#ifndef ARCHIVE_RECORD_H
#define ARCHIVE_RECORD_H

#include <weir/packet.h>

#include "file/pcap.h"

/* What the records of an interface look like. Zero-initialise. */
struct record_source {
	const struct weir_interface *interface; /* that the rest holds for */
	struct pcap_shape shape;
	bool plain; /* nothing about the file's header is odd */
};

#define RECORD_OPTIONS_MOST 40u

/* Writes the options that a block for this packet needs, and returns their size; 0 when everything follows from the packet. */
uint32_t record_options(struct record_source *source, const struct weir_interface *interface, const struct weir_packet *packet,
                        uint8_t out[static RECORD_OPTIONS_MOST]);

#endif
