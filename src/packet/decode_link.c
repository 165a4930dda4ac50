/* Link layers: from the first byte of a packet to the network protocol, and what may stand between them. */
#include "packet/decoding.h"

void decode_ethernet(struct decoding *d)
{
	if (!decoding_has(d, 14))
		return;
	uint16_t type = weir_load_be16(decoding_here(d) + 12);
	if (!decoding_layer(d, WEIR_LAYER_ETHERNET, type))
		return;
	if (d->at == 0) {
		d->facts->link_source = 6;
		d->facts->link_destination = 0;
	}
	d->at += 14;
	decode_by_ethertype(d, type);
}

/* IEEE 802.1Q and 802.1ad. */
void decode_vlan(struct decoding *d)
{
	struct weir_facts *facts = d->facts;

	if (!decoding_has(d, 4))
		return;
	uint16_t tag = weir_load_be16(decoding_here(d)), type = weir_load_be16(decoding_here(d) + 2);
	if (!decoding_layer(d, WEIR_LAYER_VLAN, type))
		return;
	if (facts->vlan_count < WEIR_VLANS_MAX) {
		facts->vlans[facts->vlan_count++] = tag & 0xfff;
	} else {
		facts->flags |= WEIR_FACT_DEEP;
		decoding_incomplete(d);
	}
	d->at += 4;
	decode_by_ethertype(d, type);
}

/* IEEE 802.2, and the SNAP header behind it. */
void decode_llc(struct decoding *d)
{
	if (!decoding_has(d, 3))
		return;
	const uint8_t *p = decoding_here(d);
	/* Novell's raw 802.3 has no LLC: IPX begins with its checksum, which is always ff ff. */
	if (p[0] == 0xff && p[1] == 0xff) {
		decoding_unknown(d);
		return;
	}
	if (!decoding_layer(d, WEIR_LAYER_LLC, weir_load_be16(p)))
		return;
	bool unnumbered = (p[2] & 3) == 3;
	if (!unnumbered && !decoding_has(d, 4))
		return;
	d->at += unnumbered ? 3 : 4;
	if (p[0] == 0x06 && p[1] == 0x06 && unnumbered) {
		d->next = decode_ipv4;
		return;
	}
	if (p[0] != 0xaa || p[1] != 0xaa || p[2] != 3) {
		decoding_unknown(d);
		return;
	}
	if (!decoding_has(d, 5))
		return;
	p = decoding_here(d);
	uint32_t organisation = (uint32_t)p[0] << 16 | weir_load_be16(p + 1);
	uint16_t type = weir_load_be16(p + 3);
	if (!decoding_layer(d, WEIR_LAYER_SNAP, type))
		return;
	d->at += 5;
	if ((organisation == 0 || organisation == 0x0000f8) && type > 1500)
		decode_by_ethertype(d, type);
	else
		decoding_unknown(d);
}

/* A label stack entry (RFC 3032). What stands behind the last one nobody says: the first nibble tells IP from the rest. */
void decode_mpls(struct decoding *d)
{
	if (!decoding_has(d, 4))
		return;
	const uint8_t *p = decoding_here(d);
	bool last = p[2] & 1;
	if (!decoding_layer(d, WEIR_LAYER_MPLS, (uint16_t)(p[2] >> 1 & 7)))
		return;
	d->at += 4;
	if (!last) {
		d->next = decode_mpls;
		return;
	}
	if (!decoding_has(d, 1))
		return;
	switch (decoding_here(d)[0] >> 4) {
	case 4:
		d->next = decode_ipv4;
		return;
	case 6:
		d->next = decode_ipv6;
		return;
	case 1: /* an associated channel (RFC 4385) */
		decoding_unknown(d);
		return;
	default:
		break;
	}
	if (looks_like_ethernet(d, d->at)) {
		d->next = decode_ethernet;
	} else if (decoding_here(d)[0] >> 4 == 0 && looks_like_ethernet(d, d->at + 4)) {
		d->at += 4; /* the control word of a pseudowire */
		d->next = decode_ethernet;
	} else {
		decoding_unknown(d);
	}
}

/* RFC 2516. */
void decode_pppoe(struct decoding *d)
{
	if (!decoding_has(d, 6))
		return;
	const uint8_t *p = decoding_here(d);
	if (!decoding_layer(d, WEIR_LAYER_PPPOE, p[1]))
		return;
	d->at += 6;
	decoding_limit(d, weir_load_be16(p + 4));
	if (p[1] == 0)
		d->next = decode_ppp_payload;
}

/* From the protocol field on, which may be compressed to one byte (RFC 1661, section 6.5). */
static void ppp_from(struct decoding *d, uint32_t header)
{
	if (!decoding_has(d, header + 1))
		return;
	const uint8_t *p = decoding_here(d) + header;
	bool compressed = p[0] & 1;
	if (!compressed && !decoding_has(d, header + 2))
		return;
	uint16_t protocol = compressed ? p[0] : weir_load_be16(p);
	if (!decoding_layer(d, WEIR_LAYER_PPP, protocol))
		return;
	if (compressed)
		decoding_incomplete(d);
	d->at += header + (compressed ? 1 : 2);
	switch (protocol) {
	case 0x0021:
		d->facts->ethertype = 0x0800;
		d->next = decode_ipv4;
		break;
	case 0x0057:
		d->facts->ethertype = 0x86dd;
		d->next = decode_ipv6;
		break;
	case 0x0281:
	case 0x0283:
		d->facts->ethertype = 0x8847;
		d->next = decode_mpls;
		break;
	default:
		decoding_unknown(d);
	}
}

void decode_ppp_payload(struct decoding *d) { ppp_from(d, 0); }

/* With address and control (RFC 1662) or without. A file of PPP may have Cisco's HDLC in it. */
void decode_ppp(struct decoding *d)
{
	if (!decoding_has(d, 2))
		return;
	const uint8_t *p = decoding_here(d);
	if (p[0] == 0xff && p[1] == 0x03) {
		ppp_from(d, 2);
		return;
	}
	/* Filters expect the protocol behind address and control. */
	decoding_incomplete(d);
	if ((p[0] == 0x0f || p[0] == 0x8f) && p[1] == 0)
		d->next = decode_hdlc;
	else
		ppp_from(d, 0);
}

/* Cisco's HDLC: address, control, EtherType. */
void decode_hdlc(struct decoding *d)
{
	if (!decoding_has(d, 4))
		return;
	uint16_t type = weir_load_be16(decoding_here(d) + 2);
	if (!decoding_layer(d, WEIR_LAYER_PPP, type))
		return;
	d->at += 4;
	/* Addresses are found by SLARP here, not by ARP; a filter for hosts would look there all the same. */
	bool arp = type == 0x0806 || type == 0x8035;
	if (arp)
		decoding_incomplete(d);
	if (type == 0x0800 || type == 0x86dd || type == 0x8847 || type == 0x8848)
		decode_by_ethertype(d, type);
	else
		decoding_unknown(d);
}

static void by_family(struct decoding *d, uint32_t family)
{
	if (!decoding_layer(d, WEIR_LAYER_NULL, (uint16_t)family))
		return;
	d->at += 4;
	switch (family) {
	case 2:
		d->facts->ethertype = 0x0800;
		d->next = decode_ipv4;
		break;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */
		d->facts->ethertype = 0x86dd;
		d->next = decode_ipv6;
		break;
	default:
		if (family >= 0x600 && family <= 0xffff)
			decode_by_ethertype(d, (uint16_t)family);
		else
			decoding_unknown(d);
	}
}

/* BSD loopback: an address family in the byte order of the machine that captured. */
void decode_null(struct decoding *d)
{
	if (!decoding_has(d, 4))
		return;
	uint32_t big = weir_load_be32(decoding_here(d)), little = weir_load_le32(decoding_here(d));
	by_family(d, big < little ? big : little);
}

void decode_loop(struct decoding *d)
{
	if (decoding_has(d, 4))
		by_family(d, weir_load_be32(decoding_here(d)));
}

/* Linux "cooked" captures: the EtherType, or a small number that says what stands for one. */
static void by_cooked_type(struct decoding *d, uint16_t type, uint16_t hardware)
{
	if (hardware == 824 || hardware == 803 || hardware == 801 || hardware == 802) {
		/* netlink, 802.11: the type means something else */
		if (hardware == 824)
			decoding_unknown(d);
		else
			d->next = hardware == 803 ? decode_radiotap : hardware == 802 ? decode_prism : decode_ieee80211;
	} else if (type == 4) {
		d->next = decode_llc;
	} else if (type > 1500) {
		decode_by_ethertype(d, type);
	} else {
		decoding_unknown(d);
	}
}

void decode_sll(struct decoding *d)
{
	if (!decoding_has(d, 16))
		return;
	const uint8_t *p = decoding_here(d);
	uint16_t type = weir_load_be16(p + 14);
	if (!decoding_layer(d, WEIR_LAYER_SLL, type))
		return;
	d->at += 16;
	by_cooked_type(d, type, weir_load_be16(p + 2));
}

void decode_sll2(struct decoding *d)
{
	if (!decoding_has(d, 20))
		return;
	const uint8_t *p = decoding_here(d);
	uint16_t type = weir_load_be16(p);
	if (!decoding_layer(d, WEIR_LAYER_SLL2, type))
		return;
	d->at += 20;
	by_cooked_type(d, type, weir_load_be16(p + 8));
}

void decode_raw(struct decoding *d)
{
	d->next = decode_ip_any;
}

void compare_as_snap(struct decoding *d, uint32_t at, bool followed)
{
	if (at + 8 > d->captured)
		return;
	const uint8_t *p = d->data + at;
	/* Where it is what filters think, we go the same way. */
	bool snap = memcmp(p, "\xaa\xaa\x03\0\0", 5) == 0 && (p[5] == 0 || p[5] == 0xf8);
	if (snap && followed && at == d->at)
		return;
	switch (weir_load_be16(p + 6)) {
	case 0x0800:
	case 0x0806:
	case 0x8035:
	case 0x86dd:
	case 0x8100:
	case 0x88a8:
	case 0x9100:
	case 0x8847:
	case 0x8848:
	case 0x8863:
	case 0x8864:
		decoding_incomplete(d);
	}
}

/* FDDI: frame control, addresses, LLC. Filters expect LLC with SNAP, and compare the type wherever it would stand. */
void decode_fddi(struct decoding *d)
{
	if (!decoding_has(d, 13) || !decoding_layer(d, WEIR_LAYER_FDDI, decoding_here(d)[0]))
		return;
	d->facts->link_destination = d->at + 1;
	d->facts->link_source = d->at + 7;
	bool data = (decoding_here(d)[0] & 0xf0) == 0x50; /* asynchronous LLC frames; the others manage the ring */
	d->at += 13;
	compare_as_snap(d, d->at, data);
	if (data)
		d->next = decode_llc;
}

/* Solaris's IP network device: version, address family, then a header of 24 bytes in all. */
void decode_ipnet(struct decoding *d)
{
	if (!decoding_has(d, 24) || !decoding_layer(d, WEIR_LAYER_IPNET, decoding_here(d)[1]))
		return;
	uint8_t family = decoding_here(d)[1];
	d->at += 24;
	if (family == 2)
		d->next = decode_ipv4;
	else if (family == 26)
		d->next = decode_ipv6;
	else
		decoding_unknown(d);
}

/* Linux's netfilter log: family, version, resource, then attributes in the byte order of the machine; one is the packet. */
void decode_nflog(struct decoding *d)
{
	if (!decoding_has(d, 4) || !decoding_layer(d, WEIR_LAYER_NFLOG, decoding_here(d)[0]))
		return;
	const uint8_t *p = decoding_here(d);
	uint8_t family = p[0];
	uint32_t at = 4, left = decoding_left(d);
	while (left - at >= 4) {
		uint32_t length = weir_load_le16(p + at), kind = weir_load_le16(p + at + 2) & 0x7fff;
		if (length < 4)
			break;
		if (kind == 9) {
			d->at += at + 4;
			decoding_limit(d, length - 4);
			d->next = family == 2 ? decode_ipv4 : family == 10 ? decode_ipv6 : NULL;
			if (!d->next)
				decoding_unknown(d);
			return;
		}
		length = (length + 3) & ~3u;
		if (length > left - at)
			break;
		at += length;
	}
	decoding_unknown(d);
}
