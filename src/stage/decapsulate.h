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
