/*
 * stage/decapsulate.h: reading what follows an ESP header as if nothing of it were encrypted, and how much speaks for that.
 *
 * ESP (RFC 4303) is: SPI, sequence number | IV | payload | padding 1, 2, 3 … | length of the padding | next header | ICV. Where the encryption is NULL (RFC 2410)
 * the IV is empty, with AES-GMAC (RFC 4543) it has 8 bytes; the ICV's length depends on the algorithm. The packet says neither, nor whether it is
 * encrypted: that is found out as RFC 5879 does, by what is improbable in encrypted bytes. Evidence is counted in bits: n bits are
 * what random bytes show once in 2^n.
 */
#ifndef STAGE_DECAPSULATE_H
#define STAGE_DECAPSULATE_H

#include <weir/decode.h>

#define ESP_ICV_UNKNOWN 0xff
#define ESP_NO_NEXT_HEADER 59

/* A packet from behind its ESP header on. */
struct esp_view {
	const uint8_t *p;
	uint32_t visible; /* bytes that were captured */
	uint32_t total;   /* bytes on the wire, ICV and all; 0: not known (a fragment) */
	const uint8_t *data;
	const struct weir_network *network; /* around the ESP */
};

/* One way to read it. */
struct esp_reading {
	uint8_t protocol;
	uint8_t iv, icv;   /* lengths; icv may be ESP_ICV_UNKNOWN */
	uint8_t bits;      /* of evidence; 0: it can't be read so */
	bool trailer_seen; /* length is exact */
	uint32_t length;   /* of the payload, from behind the IV on; at most so much when the trailer was not seen; UINT32_MAX: not known */
	uint32_t trailer;  /* bytes behind it on the wire */
};

/*
 * Whether a TCP header stands in the 20 bytes here, as in one of 2^26 random ones; room: bytes that it may fill at most. No urgent data: nobody
 * sends it, and it makes for half of what can be told. Reserved bits are 0. Flags (without PSH, ECE, CWR): SYN, SYN ACK, ACK, FIN ACK, RST, RST ACK.
 */
static inline bool esp_tcp_sound(const uint8_t *p, uint32_t room)
{
	const uint64_t flags = UINT64_C(1) << 0x10 | UINT64_C(1) << 0x11 | UINT64_C(1) << 0x02 | UINT64_C(1) << 0x12 | UINT64_C(1) << 0x04 | UINT64_C(1) << 0x14;
	uint32_t header = (uint32_t)(p[12] >> 4) * 4;

	return (weir_load_native16(p + 18) == 0) & ((p[12] & 15) == 0) & (flags >> (p[13] & 0x37) & 1) & (header >= 20) & (header <= room) &
	       (weir_load_native16(p) != 0) & (weir_load_native16(p + 2) != 0);
}

/* Makes the view of a packet whose facts have WEIR_FACT_ESP. */
void esp_view_make(struct esp_view *view, const struct weir_packet *packet);

/* The most plausible reading when nothing is known; bits 0 when there is none. */
struct esp_reading esp_guess(const struct esp_view *view);

/*
 * The reading when the lengths of IV and ICV are known (icv may be ESP_ICV_UNKNOWN: then usual_icv is taken for the length of what can't
 * be seen). bits 0: it is not what this association sends.
 */
struct esp_reading esp_read(const struct esp_view *view, uint8_t iv, uint8_t icv, uint8_t usual_icv);

#endif
