/* What packets say of what a lost header would have said. */
#include "file/sound.h"

#include <weir/decode.h>

#include "packet/dissect.h"

#define PACKETS_LOOKED_AT 256u

int sound_decodes(uint16_t linktype, const uint8_t *data, uint32_t captured, uint32_t length)
{
	struct weir_packet packet = {.data = data, .captured = captured, .length = length, .linktype = linktype};
	struct weir_facts facts;

	weir_decode(&packet, &facts);
	if (facts.flags & WEIR_FACT_MALFORMED)
		return -1;
	if (facts.network_count && (facts.networks[0].flags & WEIR_NETWORK_ADDRESSES))
		return 1;
	for (unsigned i = 0; i < facts.layer_count; i++)
		if (facts.layers[i].kind == WEIR_LAYER_ARP)
			return 1;
	return 0;
}

int sound_checksum(uint16_t linktype, const uint8_t *data, uint32_t captured, uint32_t length)
{
	struct weir_packet packet = {.data = data, .captured = captured, .length = length, .linktype = linktype};
	struct weir_facts facts;
	bool known = false;

	weir_decode(&packet, &facts);
	for (unsigned i = 0; i < facts.layer_count; i++) {
		struct dissection d = {.packet = &packet, .facts = &facts};
		bool udp = facts.layers[i].kind == WEIR_LAYER_UDP;
		if (!udp && facts.layers[i].kind != WEIR_LAYER_TCP)
			continue;
		dissection_at(&d, i);
		if (udp && (d.bytes.length < 8 || weir_load_be16(d.bytes.data + 6) == 0))
			return 0;
		if (udp && weir_load_be16(d.bytes.data + 4) <= d.bytes.length)
			d.bytes.length = d.wire_length = weir_load_be16(d.bytes.data + 4);
		uint16_t rest = transport_checksum(&d, udp ? 17 : 6, &known);
		return !known ? 0 : rest == 0 ? 1 : -1;
	}
	return 0;
}

/* Link types with IP in them, the likelier first. */
static const uint16_t linktypes[] = {
	1,   /* Ethernet */
	113, /* Linux cooked */
	276, /* Linux cooked v2 */
	101, /* raw IP */
	0,   /* BSD loopback */
	127, /* radiotap */
	105, /* IEEE 802.11 */
	9,   /* PPP */
	50,  /* PPP over serial with HDLC framing */
	108, /* OpenBSD loopback */
	239, /* NFLOG */
	10,  /* FDDI */
	226, /* Solaris ipnet */
};
#define LINKTYPES (sizeof linktypes / sizeof linktypes[0])

static unsigned share(unsigned part, unsigned whole) { return whole ? 100 * part / whole : 0; }

void sound_linktype(const struct sound_shape *shape, const uint8_t *at, const uint8_t *end, uint32_t id, uint16_t linktype,
                    struct sound_linktype *result)
{
	unsigned packets = 0, good = 0, goods[LINKTYPES] = {0};
	struct sound_record record;

	while (packets < PACKETS_LOOKED_AT && at < end && sound_record(shape, at, end, &record) == SOUND_YES) {
		at += record.size;
		if (!record.packet || (id != UINT32_MAX && record.id != id))
			continue;
		packets++;
		good += sound_decodes(linktype, record.data, record.captured, record.length) == 1;
		for (size_t i = 0; i < LINKTYPES; i++)
			goods[i] += sound_decodes(linktypes[i], record.data, record.captured, record.length) == 1;
	}
	size_t best = 0;
	for (size_t i = 1; i < LINKTYPES; i++)
		if (goods[i] > goods[best])
			best = i;
	*result = (struct sound_linktype){packets, share(good, packets), linktypes[best], share(goods[best], packets)};
}

uint32_t sound_units(const struct sound_shape *given, const uint8_t *at, const uint8_t *end, bool from_header)
{
	unsigned packets = 0, large = 0, tenths = 0;
	struct sound_shape shape = *given;
	struct sound_record record;
	bool second_seen = false;
	uint32_t first = 0;

	shape.units = 1000000000u;
	while (packets < PACKETS_LOOKED_AT && at < end && sound_record(&shape, at, end, &record) == SOUND_YES) {
		uint32_t fraction = (uint32_t)(record.ticks % 1000000000u), seconds = (uint32_t)(record.ticks / 1000000000u);
		if (!packets)
			first = seconds;
		second_seen |= seconds != first;
		packets++;
		large += fraction >= 1000000;
		if (fraction < 1000000)
			tenths |= 1u << fraction / 100000;
		at += record.size;
	}
	if (2 * large > packets)
		return 1000000000u;
	/* Against a header that says nanoseconds only with times that fill the seconds as microseconds do. */
	if (from_header && (packets < 16 || large || !second_seen || __builtin_popcount(tenths) < 6))
		return 0;
	return large ? 0 : 1000000u;
}
