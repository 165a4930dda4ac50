/*
 * file/writer.h: what the writers of pcap and pcapng share.
 */
#ifndef FILE_WRITER_H
#define FILE_WRITER_H

#include <weir/file.h>

#include "file/option.h"
#include "file/pcap.h"
#include "file/process_option.h"
#include "file/stream.h"

struct writer;

/* How a format is written. */
struct writer_format {
	/* Writes the kept packets and the blocks of a batch. */
	int (*batch)(struct writer *writer, const struct weir_batch *batch, struct weir_fault *fault);
	/* After the last batch: what a file without packets still needs. */
	int (*finish)(struct writer *writer, struct weir_fault *fault);
	void (*close)(struct writer *writer);
};

/* An interface in the one section of a merged file. */
struct merged_interface {
	uint64_t hash;
	uint8_t *block; /* its IDB */
	uint32_t length;
};

struct writer {
	struct weir_sink sink;
	struct stream_writer *out;
	char *name;
	struct weir_capture_writer_options options;
	const struct writer_format *format;
	bool any_pcap; /* pcap, of the variant that fits */
	int failed;    /* the error that ended the writing */
	uint64_t packets;
	struct weir_capture_writer_losses losses;

	/* Bytes that stand together in the source and are written as they are: one copy or one system call for all of them. */
	const uint8_t *run;
	size_t run_length;

	/*
	 * The interfaces of the batch in hand. Nothing that is remembered from one batch to the next may point to an interface: the next
	 * batch may come from another source, with other interfaces at the same place.
	 */
	const struct weir_interface *const *interfaces;
	uint32_t interface_count;
	const struct weir_batch *batch; /* in hand */
	struct joined_options joined;   /* of the packet in hand, when its batch adds some */

	/* The pcap shape of the interface that the last pcap record of this batch came from. */
	const struct weir_interface *shaped;
	struct pcap_shape shape_of_source;
	bool plain_source; /* nothing odd about it */

	struct {
		bool prepared, begun; /* the header is worked out; is written */
		struct pcap_shape shape;
		uint8_t header[PCAP_HEADER_BYTES];
		const struct weir_interface *checked; /* the last one looked at in this batch, */
		bool verbatim;                        /* and whether its pcap records fit as they stand */
	} pcap;

	struct {
		bool begun;        /* a section header is written */
		bool big_endian;   /* of the section in hand */
		uint32_t section;  /* of the source */
		uint32_t declared; /* interfaces of the source that have a description in the file */
		/* Merging: for the batch in hand the number in the file + 1 by the source's number, and what is out. */
		uint32_t *map;
		uint32_t map_length;
		struct merged_interface *merged;
		uint32_t merged_count, merged_capacity;
		uint32_t *buckets; /* of merged, by hash: index + 1; twice the capacity of merged */
	} pcapng;
};

/* Writes bytes of the batch as they stand. They must stay there until writer_flush_run. */
static inline int writer_flush_run(struct writer *writer, struct weir_fault *fault)
{
	size_t length = writer->run_length;

	writer->run_length = 0;
	return length ? stream_writer_write(writer->out, writer->run, length, fault) : 0;
}

static inline int writer_copy(struct writer *writer, const uint8_t *data, size_t length, struct weir_fault *fault)
{
	if (writer->run_length && writer->run + writer->run_length == data) {
		writer->run_length += length;
		return 0;
	}
	int error = writer_flush_run(writer, fault);
	writer->run = data;
	writer->run_length = length;
	return error;
}

/* The shape of the pcap file that an interface came from: what stands in its options, or the plain one. False: plain. */
bool writer_source_shape(const struct weir_interface *interface, struct pcap_shape *shape, struct weir_bytes *header);

/* Sees to writer->shape_of_source and plain_source for an interface that pcap records come from. */
static inline void writer_shape(struct writer *writer, const struct weir_interface *interface)
{
	struct weir_bytes header;

	if (writer->shaped == interface)
		return;
	writer->plain_source = !writer_source_shape(interface, &writer->shape_of_source, &header);
	writer->shaped = interface;
}

extern const struct writer_format pcap_writer, pcapng_writer, pcapng_merger;

/* Writes packets as Enhanced Packet Blocks of interface `id`; options are in the byte order of the section. */
int pcapng_write_packet(struct writer *writer, const struct weir_interface *interface, const struct weir_packet *packet,
                        uint32_t id, bool big, struct weir_fault *fault);

/* Makes an IDB in the byte order of the section. NULL when there is no memory. The caller frees it. */
uint8_t *pcapng_make_interface(const struct weir_interface *interface, bool big, uint32_t *length);

/* A section header without options; and writes it. */
void pcapng_make_section(bool big, uint8_t block[static PCAPNG_SHB_BYTES]);
int pcapng_write_section(struct writer *writer, bool big, struct weir_fault *fault);

#endif
