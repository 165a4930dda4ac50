/* Hiding in the headers of link layers and tunnels. */
#include "stage/hide.h"

static void mac_at(struct hiding *h, uint32_t at) { hide_mac(h->context, h->out + at); }

uint32_t hide_ethernet(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 14)
		return hide_cut(h, at);
	mac_at(h, at);
	mac_at(h, at + 6);
	return at + 14;
}

uint32_t hide_vlan(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 4)
		return hide_cut(h, at);
	uint16_t tag = weir_load_be16(h->in + at);
	weir_store_be16(h->out + at, (uint16_t)((tag & 0xf000) | hide_vlan_id(h->hider, tag & 0xfff)));
	return at + 4;
}

/* A label stack entry; what stands behind the last one before its packet (the control word of a pseudowire) is a sequence number. */
uint32_t hide_mpls(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 4)
		return hide_cut(h, at);
	uint32_t entry = weir_load_be32(h->in + at);
	weir_store_be32(h->out + at, hide_mpls_label(h->context, entry >> 12) << 12 | (entry & 0xfff));
	return end;
}

/* A link-layer address in a field of 8 bytes, of which `length` are used. */
static void cooked_address(struct hiding *h, uint32_t at, unsigned length)
{
	if (length == 6)
		mac_at(h, at);
	hide_zero(h, length == 6 ? at + 6 : at, at + 8);
}

uint32_t hide_sll(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 16)
		return hide_cut(h, at);
	cooked_address(h, at + 6, weir_load_be16(h->in + at + 4));
	return at + 16;
}

uint32_t hide_sll2(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 20)
		return hide_cut(h, at);
	cooked_address(h, at + 12, h->in[at + 11]);
	return at + 20;
}

uint32_t hide_fddi(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 13)
		return hide_cut(h, at);
	mac_at(h, at + 1);
	mac_at(h, at + 7);
	return at + 13;
}

/* Attributes before the one that is the packet: hardware addresses, user ids, prefixes of rules. Their heads stay, so that the packet is found. */
uint32_t hide_nflog(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	uint32_t attribute = at + 4;

	while (end > attribute && end - attribute >= 4) {
		uint32_t length = weir_load_le16(h->in + attribute), kind = weir_load_le16(h->in + attribute + 2) & 0x7fff;
		if (kind == 9 && end - attribute == 4)
			return end;
		uint32_t padded = (length + 3) & ~3u;
		if (length < 4 || padded > end - attribute)
			break;
		hide_zero(h, attribute + 4, attribute + padded);
		attribute += padded;
	}
	return hide_cut(h, at);
}

/* IEEE 802.11: which addresses there are, the type and the direction say. */
uint32_t hide_ieee80211(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 10)
		return hide_cut(h, at);
	unsigned type = h->in[at] >> 2 & 3;
	bool four = type == 2 && (h->in[at + 1] & 3) == 3;
	mac_at(h, at + 4);
	if (type == 1)
		return at + 10;
	if (end - at < (four ? 30u : 24u))
		return hide_cut(h, at);
	mac_at(h, at + 10);
	mac_at(h, at + 16);
	if (four)
		mac_at(h, at + 24);
	return end;
}

#define RADIOTAP_VENDOR (UINT32_C(1) << 30)
#define RADIOTAP_MORE (UINT32_C(1) << 31)

/* Where the field of that bit stands: those before it have the sizes and alignments that radiotap.org says. */
static uint32_t radiotap_field(uint32_t present, unsigned bit, uint32_t from)
{
	static const struct {
		uint8_t align, size;
	} fields[] = {
		{8, 8} /* TSFT */,
		{1, 1} /* flags */,
		{1, 1} /* rate */,
		{2, 4} /* channel */,
		{2, 2} /* FHSS */,
		{1, 1} /* dBm */,
		{1, 1},
		{2, 2} /* lock */,
		{2, 2},
		{2, 2},
		{1, 1} /* power */,
		{1, 1} /* antenna */,
		{1, 1},
		{1, 1},
		{2, 2} /* RX */,
		{2, 2} /* TX */,
		{1, 1},
		{1, 1},
		{4, 8},
		{1, 3} /* MCS */,
		{4, 8} /* A-MPDU */,
		{2, 12} /* VHT */,
		{8, 12} /* timestamp */,
	};

	for (unsigned i = 0;; i++) {
		if (!(present >> i & 1))
			continue;
		from = (from + fields[i].align - 1u) & ~(fields[i].align - 1u);
		if (i == bit)
			return from;
		from += fields[i].size;
	}
}

uint32_t hide_radiotap(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	uint32_t field = at + 4, present;

	do {
		if (end - at < 8 || field > end - 4)
			return hide_cut(h, at);
		present = weir_load_le32(h->in + field);
		field += 4;
		if (present & RADIOTAP_VENDOR)
			return hide_cut(h, at); /* fields of which nobody knows what they are */
	} while (present & RADIOTAP_MORE);
	/* Alignment is from the header's first byte on; the fields that the first word tells of stand first. */
	static const uint8_t times[] = {0, 22};
	present = weir_load_le32(h->in + at + 4);
	for (unsigned i = 0; h->hider->time_changes && i < sizeof times; i++) {
		uint32_t time = present >> times[i] & 1 ? at + radiotap_field(present, times[i], field - at) : end;
		if (time < end)
			hide_zero(h, time, time + 8 < end ? time + 8 : end);
	}
	return end;
}

/* RFC 826: two pairs of addresses, whose lengths the header has. Those that are no Ethernet or IP addresses are zeroed. */
uint32_t hide_arp(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 8)
		return hide_cut(h, at);
	uint32_t hardware = h->in[at + 4], protocol = h->in[at + 5], field = at + 8;
	bool ip = weir_load_be16(h->in + at + 2) == 0x0800 && protocol == 4;

	for (unsigned pair = 0; pair < 2; pair++) {
		if (end - field < hardware + protocol)
			return pair == 0 ? hide_cut(h, at) : hide_cut(h, field);
		if (hardware == 6)
			mac_at(h, field);
		else
			hide_zero(h, field, field + hardware);
		if (ip)
			hide_ipv4(h->context, h->out + field + hardware);
		else
			hide_zero(h, field + hardware, field + hardware + protocol);
		field += hardware + protocol;
	}
	return field;
}

/* ---- tunnels ---- */

/* Version and VLAN id are in the first two bytes; of type III the times and the platform's own subheader are left out. */
uint32_t hide_erspan(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	uint32_t length = layer->value == 3 ? 12 : 8;

	if (end - at < length)
		return hide_cut(h, at);
	uint16_t word = weir_load_be16(h->in + at);
	weir_store_be16(h->out + at, (uint16_t)((word & 0xf000) | hide_vlan_id(h->hider, word & 0xfff)));
	if (layer->value == 3)
		hide_zero(h, at + 4, at + 8);
	hide_zero(h, at + length, end);
	return end;
}

/* The 24 bits of a virtual network. */
static void network_id(struct hiding *h, uint32_t at)
{
	uint32_t word = weir_load_be32(h->in + at);
	weir_store_be32(h->out + at, hide_network_id(h->context, word >> 8) << 8 | (word & 0xff));
}

uint32_t hide_vxlan(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 8)
		return hide_cut(h, at);
	network_id(h, at + 4);
	return at + 8;
}

/* Zeroed, its options are options without content. */
uint32_t hide_geneve(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 8)
		return hide_cut(h, at);
	network_id(h, at + 4);
	hide_zero(h, at + 8, end);
	return end;
}

/* Its source routes (RFC 1701) name routers, and are not kept. */
uint32_t hide_gre(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 4 || layer->network >= h->facts->network_count)
		return hide_cut(h, at);
	uint16_t flags = weir_load_be16(h->in + at);
	if (flags & 0x4000)
		return hide_cut(h, at);
	if ((flags & 0x8007) == 0x8000 && end - at >= 8)
		hide_checksum(h,
		              &(struct hide_checksum){.at = at + 4, .from = at, .to = h->facts->networks[layer->network].end});
	return end;
}

/* RFC 2661: what an offset leaves unused before the payload may hold anything. */
uint32_t hide_l2tp(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	uint32_t length =
		6u + (layer->value & 0x4000 ? 2 : 0) + (layer->value & 0x0800 ? 4 : 0) + (layer->value & 0x0200 ? 2 : 0);

	if (end - at < length)
		return hide_cut(h, at);
	hide_zero(h, at + length, end);
	return layer->value & 0x8000 ? at + length : end;
}

/* The content of extension headers is zeroed; their lengths and types lead to the packet. */
uint32_t hide_gtpu(struct hiding *h, const struct weir_layer *layer, uint32_t at, uint32_t end)
{
	if (end - at < 8)
		return hide_cut(h, at);
	if (h->in[at] >> 5 == 0) {
		hide_zero(h, at + 12, end); /* version 0: the subscriber's number */
		return end;
	}
	if (!(h->in[at] & 7))
		return end;
	uint32_t field = at + 12;
	uint8_t next = end - at >= 12 && h->in[at] & 4 ? h->in[at + 11] : 0;
	while (next && field < end) {
		uint32_t size = h->in[field] * 4u;
		if (size == 0 || size > end - field)
			return hide_cut(h, at + 8);
		hide_zero(h, field + 1, field + size - 1);
		next = h->in[field + size - 1];
		field += size;
	}
	return end;
}
