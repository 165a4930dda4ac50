/*
 * packet/esp.h: what was decided about a packet that ends at ESP, and is still to be done: between the stage that decides, which has to see the packets in
 * order, and the one that opens them, which has not.
 */
#ifndef PACKET_ESP_H
#define PACKET_ESP_H

#include <weir/decode.h>

/*
 * TCP or UDP, that is no tunnel, stands behind the ESP header with nothing in between. Two words, made in registers: bytes that are written one by one
 * and copied as a whole stall the processor, which was 6 ns of the 36 that deciding took.
 */
struct esp_decision {
	uint32_t end; /* of the datagram on the wire, from the packet's first byte */
	uint32_t how; /* esp_how; 0: there is nothing to be done */
};

/*
 * protocol: 6 or 17; behind: bytes behind the payload, up to `end`; slack: up to so many of the payload's last are padding, perhaps: that
 * was cut off.
 */
static inline uint32_t esp_how(uint8_t protocol, uint32_t behind, uint32_t slack) { return protocol | behind << 8 | slack << 16; }
static inline uint8_t esp_protocol(const struct esp_decision *decision) { return (uint8_t)decision->how; }
static inline uint32_t esp_behind(const struct esp_decision *decision) { return decision->how >> 8 & 0xff; }

/* What facts->trailer is to be. */
static inline uint32_t esp_trailer(const struct esp_decision *decision) { return esp_behind(decision) + (decision->how >> 16); }

/* The end of what was captured of the payload. */
static inline uint32_t esp_payload_end(const struct esp_decision *decision, const struct weir_network *network)
{
	uint32_t end = decision->end - esp_behind(decision);

	return end < network->end ? end : network->end;
}

/* Does it: the facts are then those of a packet that goes on behind ESP. */
void esp_open(struct weir_packet *packet, const struct esp_decision *decision);

#endif
