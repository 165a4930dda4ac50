/* Odd pcap records: archive/record.h. */
#include "archive/record.h"

#include <string.h>

#include "file/option.h"
#include "file/pen.h"
#include "file/writer.h"

uint32_t record_options(struct record_source *source, const struct weir_interface *interface, const struct weir_packet *packet,
                        uint8_t out[static RECORD_OPTIONS_MOST])
{
	uint8_t plain[PCAP_MODIFIED_RECORD_BYTES], marked[8 + PCAP_MODIFIED_RECORD_BYTES];
	const struct pcap_shape *shape = &source->shape;
	bool big = interface->big_endian;

	if (source->interface != interface) {
		struct weir_bytes header;
		source->plain = !writer_source_shape(interface, &source->shape, &header);
		source->interface = interface;
	}
	uint32_t units = shape->resolution == 9 ? 1000000000u : 1000000u;
	if (source->plain && weir_load32(packet->block + 4, shape->big_endian) < units)
		return 0;
	if (packet->block_length < shape->record_header)
		return 0;
	pcap_record_make(shape, (uint32_t)(packet->ticks / units), (uint32_t)(packet->ticks % units), packet->captured,
	                 packet->length, plain);
	if (memcmp(plain, packet->block, shape->record_header) == 0)
		return 0;
	weir_store32(marked, WEIR_PEN, big);
	memcpy(marked + 4, PCAP_RECORD_MAGIC, 4);
	memcpy(marked + 8, packet->block, shape->record_header);
	size_t length = pcapng_option_put(out, big, PCAPNG_CUSTOM_BINARY_NO_COPY, marked, (uint16_t)(8 + shape->record_header));
	return (uint32_t)(length + pcapng_option_put(out + length, big, PCAPNG_END_OF_OPTIONS, NULL, 0));
}
