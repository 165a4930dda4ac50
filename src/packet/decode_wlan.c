/* IEEE 802.11 frames and the headers that capture programs put before them. */
#include "packet/decoding.h"

enum {
	TYPE_MANAGEMENT = 0,
	TYPE_CONTROL = 1,
	TYPE_DATA = 2,
	FLAG_TO_DS = 1,
	FLAG_FROM_DS = 2,
	FLAG_PROTECTED = 0x40,
	FLAG_ORDER = 0x80,
};

/* Filters take a data frame's header for 24 bytes, 26 with QoS. */
static void check_what_filters_see(struct decoding *d, uint32_t frame, bool qos, bool followed)
{
	compare_as_snap(d, frame + (qos ? 26 : 24), followed);
}

/* Where source and destination stand, by the direction of the frame. */
static void note_addresses(struct decoding *d, uint8_t flags)
{
	/* Offsets of address 1, 2, 3 and 4 are 4, 10, 16 and 24. */
	static const uint8_t destination[4] = {4, 16, 4, 16}, source[4] = {10, 10, 16, 24};
	unsigned direction = flags & 3;

	if (d->facts->link_source || decoding_left(d) < source[direction] + 6u)
		return;
	d->facts->link_source = d->at + source[direction];
	d->facts->link_destination = d->at + destination[direction];
}

static void decode_data(struct decoding *d, bool padded)
{
	const uint8_t *p = decoding_here(d);
	uint32_t frame = d->at, header = 24;
	unsigned subtype = p[0] >> 4;
	uint8_t flags = p[1];
	bool qos = subtype & 8, four = (flags & 3) == 3;

	note_addresses(d, flags);
	header += four ? 6 : 0;
	uint32_t control = header;
	header += qos ? 2 : 0;
	header += qos && flags & FLAG_ORDER ? 4 : 0;
	if (padded)
		header = (header + 3) & ~3u;
	if (!decoding_has(d, header)) {
		d->at = d->end;
		return;
	}
	bool aggregate = qos && p[control] & 0x80;
	d->at += header;
	/* Wherever the header really ends, and whatever is in it. */
	bool sealed = flags & FLAG_PROTECTED, empty = subtype & 4;
	check_what_filters_see(d, frame, qos, !sealed && !empty && !aggregate);
	if (sealed || empty)
		return;
	if (aggregate) {
		decoding_unknown(d);
		return;
	}
	if (decoding_left(d) == 0)
		return;
	d->next = decode_llc;
}

static void decode_frame(struct decoding *d, bool padded)
{
	if (!decoding_has(d, 2))
		return;
	const uint8_t *p = decoding_here(d);
	unsigned type = p[0] >> 2 & 3;

	if (!decoding_layer(d, WEIR_LAYER_IEEE80211, weir_load_le16(p)))
		return;
	switch (type) {
	case TYPE_MANAGEMENT:
		if (decoding_has(d, 24)) {
			note_addresses(d, 0);
			d->at += 24;
		}
		break;
	case TYPE_CONTROL:
		d->at += decoding_left(d) < 10 ? decoding_left(d) : 10;
		break;
	case TYPE_DATA:
		if (decoding_has(d, 24))
			decode_data(d, padded);
		break;
	default:
		decoding_unknown(d);
		decoding_incomplete(d);
	}
}

void decode_ieee80211(struct decoding *d)
{
	decode_frame(d, false);
}

static void decode_padded_frame(struct decoding *d)
{
	decode_frame(d, true);
}

/* The flags field of a radiotap header, 0 when it has none. https://www.radiotap.org */
static uint8_t radiotap_flags(const uint8_t *p, uint32_t length)
{
	uint32_t at = 4, present;

	do {
		if (at + 4 > length)
			return 0;
		present = weir_load_le32(p + at);
		at += 4;
	} while (present & 0x80000000);
	present = weir_load_le32(p + 4);
	if (present & 1)
		at = ((at + 7) & ~7u) + 8; /* the time of the MAC */
	return present & 2 && at < length ? p[at] : 0;
}

void decode_radiotap(struct decoding *d)
{
	if (!decoding_has(d, 8))
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t length = weir_load_le16(p + 2);
	if (!decoding_layer(d, WEIR_LAYER_RADIOTAP, (uint16_t)length))
		return;
	if (length < 8) {
		decoding_malformed(d);
		return;
	}
	if (!decoding_has(d, length))
		return;
	uint8_t flags = radiotap_flags(p, length);
	d->at += length;
	if (flags & 0x10 && !d->cut && decoding_left(d) >= 4)
		d->end -= 4; /* the frame check sequence */
	d->next = flags & 0x20 ? decode_padded_frame : decode_ieee80211;
}

void decode_avs(struct decoding *d)
{
	if (!decoding_has(d, 8))
		return;
	uint32_t length = weir_load_be32(decoding_here(d) + 4);
	if (length < 8) {
		decoding_malformed(d);
		return;
	}
	if (!decoding_has(d, length))
		return;
	d->at += length;
	d->next = decode_ieee80211;
}

/* Prism's header; wlan-ng's AVS header goes by the same link type, and has a magic. */
void decode_prism(struct decoding *d)
{
	if (!decoding_has(d, 8))
		return;
	const uint8_t *p = decoding_here(d);
	if (weir_load_be32(p) >> 12 == 0x80211) {
		d->next = decode_avs;
		return;
	}
	uint32_t big = weir_load_be32(p + 4), little = weir_load_le32(p + 4), length = big < little ? big : little;
	if (length < 8) {
		decoding_malformed(d);
		return;
	}
	if (!decoding_has(d, length))
		return;
	d->at += length;
	d->next = decode_ieee80211;
}

/* CACE's Per-Packet Information: what follows has a link type of its own. */
void decode_ppi(struct decoding *d)
{
	if (!decoding_has(d, 8))
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t length = weir_load_le16(p + 2), linktype = weir_load_le32(p + 4);
	/* Filters do not follow any but 802.11 here. */
	if (length < 8 || linktype == 192 || linktype == 0) {
		decoding_malformed(d);
		return;
	}
	if (!decoding_has(d, length))
		return;
	d->at += length;
	decode_by_linktype(d, linktype);
}
