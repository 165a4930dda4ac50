/* Odd pcap records: archive/record.h. */
#include "archive/record.h"

#include "file/pcap.h"
#include "file/writer.h"

uint32_t record_options(struct record_source *source, const struct weir_interface *interface, const struct weir_packet *packet,
                        uint8_t out[static RECORD_OPTIONS_MOST])
{
	if (source->interface != interface) {
		struct weir_bytes header;
		source->plain = !writer_source_shape(interface, &source->shape, &header);
		source->interface = interface;
	}
	return (uint32_t)pcap_record_option(&source->shape, source->plain, packet, interface->big_endian, out);
}
