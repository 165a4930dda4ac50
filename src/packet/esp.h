/*
 * packet/esp.h: what was decided about a packet that ends at ESP, and is still to be done: between the stage that decides, which has to see the packets in
 * order, and the one that opens them, which has not.
 */
#ifndef PACKET_ESP_H
#define PACKET_ESP_H

#include <weir/decode.h>

/* TCP or UDP, that is no tunnel, stands behind the ESP header with nothing in between. */
struct esp_decision {
	uint32_t end;     /* of the datagram on the wire, from the packet's first byte */
	uint8_t protocol; /* 6 or 17; 0: there is nothing to be done */
	uint8_t behind;   /* bytes behind the payload, up to `end` */
	uint8_t slack;    /* up to so many of the payload's last are padding, perhaps: that was cut off */
	uint8_t reserved;
};

/* The end of what was captured of the payload. */
static inline uint32_t esp_payload_end(const struct esp_decision *decision, const struct weir_network *network)
{
	uint32_t end = decision->end - decision->behind;

	return end < network->end ? end : network->end;
}

/* Does it: the facts are then those of a packet that goes on behind ESP. */
void esp_open(struct weir_packet *packet, const struct esp_decision *decision);

#endif
