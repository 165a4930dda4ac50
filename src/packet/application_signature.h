/* packet/application_signature.h: bytes of a payload for those who look at it; what is not there is zero. */
#ifndef PACKET_APPLICATION_SIGNATURE_H
#define PACKET_APPLICATION_SIGNATURE_H

#include "packet/application.h"

static inline uint8_t byte(const struct sighting *s, size_t at) { return at < s->payload.length ? s->payload.data[at] : 0; }
static inline uint16_t be16(const struct sighting *s, size_t at) { return at + 2 <= s->payload.length ? weir_load_be16(s->payload.data + at) : 0; }
static inline uint32_t be32(const struct sighting *s, size_t at) { return at + 4 <= s->payload.length ? weir_load_be32(s->payload.data + at) : 0; }
static inline uint32_t le32(const struct sighting *s, size_t at) { return at + 4 <= s->payload.length ? weir_load_le32(s->payload.data + at) : 0; }

/* Whether the payload was this long on the wire. */
static inline bool is_long(const struct sighting *s, uint64_t length) { return length >= s->wire_length && length - s->wire_length <= s->slack; }

static inline bool contains(const struct sighting *s, const char *text)
{
	return memmem(s->payload.data, s->payload.length, text, strlen(text)) != NULL;
}

#endif
