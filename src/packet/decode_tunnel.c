/* Tunnels: what carries packets inside of packets. */
#include "packet/decoding.h"

/* From here on nothing can be seen by a pcap filter. */
static void hide(struct decoding *d) { d->hidden = true; }

void decode_ipip(struct decoding *d)
{
	hide(d);
	d->next = decode_ipv4;
}

void decode_ip6ip(struct decoding *d)
{
	hide(d);
	d->next = decode_ipv6;
}

void decode_mpls_in_ip(struct decoding *d)
{
	hide(d);
	d->next = decode_mpls;
}

/* Ethernet in IP (RFC 3378). */
void decode_etherip(struct decoding *d)
{
	hide(d);
	if (!decoding_has(d, 2))
		return;
	if (decoding_here(d)[0] >> 4 != 3) {
		decoding_unknown(d);
		return;
	}
	d->at += 2;
	d->next = decode_ethernet;
}

/* Passes over the source routes of a GRE header (RFC 1701). False when they are not whole. */
static bool pass_source_routes(struct decoding *d, uint32_t *length)
{
	for (;;) {
		if (!decoding_has(d, *length + 4))
			return false;
		const uint8_t *entry = decoding_here(d) + *length;
		*length += 4;
		if (weir_load_be16(entry) == 0 && entry[3] == 0)
			return true;
		*length += entry[3];
	}
}

/* GRE (RFC 2784, 2890, 1701) and the version 1 of PPTP (RFC 2637). */
void decode_gre(struct decoding *d)
{
	hide(d);
	if (!decoding_has(d, 4))
		return;
	const uint8_t *p = decoding_here(d);
	uint16_t flags = weir_load_be16(p), type = weir_load_be16(p + 2);
	unsigned version = flags & 7;
	uint32_t length = 4;

	if (!decoding_layer(d, WEIR_LAYER_GRE, type))
		return;
	if (version > 1) {
		decoding_unknown(d);
		return;
	}
	if (version == 0 && flags & 0xc000)
		length += 4;
	if (flags & 0x2000)
		length += 4;
	if (flags & 0x1000)
		length += 4;
	if (version == 1 && flags & 0x0080)
		length += 4;
	if (version == 0 && flags & 0x4000 && !pass_source_routes(d, &length))
		return;
	if (!decoding_has(d, length)) {
		d->at = d->end;
		return;
	}
	d->at += length;
	if (type == 0x88be && !(flags & 0x1000)) {
		/* ERSPAN type I has no header of its own. */
		d->next = decode_ethernet;
		return;
	}
	/* PPTP acknowledges without carrying anything. */
	if (version == 1 && !(flags & 0x1000))
		return;
	if (type > 1500)
		decode_by_ethertype(d, type);
	else
		decoding_unknown(d);
}

void decode_erspan2(struct decoding *d)
{
	if (!decoding_has(d, 8) || !decoding_layer(d, WEIR_LAYER_ERSPAN, 2))
		return;
	d->at += 8;
	d->next = decode_ethernet;
}

void decode_erspan3(struct decoding *d)
{
	if (!decoding_has(d, 12) || !decoding_layer(d, WEIR_LAYER_ERSPAN, 3))
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t length = 12u + (p[11] & 1u) * 8u; /* the platform specific subheader */
	if (!decoding_has(d, length))
		return;
	d->at += length;
	d->next = (p[10] >> 2 & 31) == 2 ? decode_ip_any : decode_ethernet;
}

/* VXLAN (RFC 7348). */
void decode_vxlan(struct decoding *d)
{
	hide(d);
	if (!decoding_has(d, 8) || !decoding_layer(d, WEIR_LAYER_VXLAN, 0))
		return;
	d->at += 8;
	d->next = decode_ethernet;
}

/* GENEVE (RFC 8926). Filters see through it, with the keyword `geneve`. */
void decode_geneve(struct decoding *d)
{
	if (!decoding_has(d, 8))
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t length = 8u + (p[0] & 0x3fu) * 4u;
	uint16_t type = weir_load_be16(p + 2);

	if (!decoding_layer(d, WEIR_LAYER_GENEVE, type) || !decoding_has(d, length))
		return;
	d->at += length;
	if (p[0] >> 6 != 0) {
		decoding_unknown(d);
		return;
	}
	if (type > 1500)
		decode_by_ethertype(d, type);
	else
		decoding_unknown(d);
}

/* GTP version 1, user plane (3GPP TS 29.281). */
void decode_gtpu(struct decoding *d)
{
	hide(d);
	if (decoding_left(d) < 8)
		return;
	const uint8_t *p = decoding_here(d);
	uint32_t length = 8;

	if ((p[0] & 0xf0) != 0x30 || !decoding_layer(d, WEIR_LAYER_GTPU, p[1]))
		return;
	if (p[0] & 7) {
		length = 12;
		if (!decoding_has(d, length))
			return;
		uint8_t extension = p[0] & 4 ? p[11] : 0;
		while (extension) {
			if (!decoding_has(d, length + 1))
				return;
			uint32_t size = p[length] * 4u;
			if (size == 0 || !decoding_has(d, length + size)) {
				d->facts->flags |= WEIR_FACT_MALFORMED;
				return;
			}
			length += size;
			extension = p[length - 1];
		}
	}
	d->at += length;
	if (p[1] == 255 && decoding_left(d) > 0) {
		unsigned version = decoding_here(d)[0] >> 4;
		if (version == 4 || version == 6)
			d->next = decode_ip_any;
		else
			decoding_unknown(d);
	}
}

/* GTP version 0 (3GPP TS 09.60): a header of 20 bytes. */
void decode_gtp0(struct decoding *d)
{
	hide(d);
	if (decoding_left(d) < 20 || decoding_here(d)[0] >> 5 != 0 || decoding_here(d)[1] != 255)
		return;
	if (!decoding_layer(d, WEIR_LAYER_GTPU, 255))
		return;
	d->at += 20;
	d->next = decode_ip_any;
}

/* ESP or IKE in UDP (RFC 3948): four zero bytes stand before IKE, one byte 0xff keeps a translation alive. */
void decode_udp_esp(struct decoding *d)
{
	hide(d);
	if (decoding_left(d) < 8 || weir_load_be32(decoding_here(d)) == 0)
		return;
	d->next = decode_esp;
}

/* L2TP version 2 (RFC 2661): data messages carry PPP. */
void decode_l2tp(struct decoding *d)
{
	hide(d);
	if (decoding_left(d) < 6)
		return;
	const uint8_t *p = decoding_here(d);
	uint16_t flags = weir_load_be16(p);
	uint32_t length = 6;

	if ((flags & 15) != 2 || !decoding_layer(d, WEIR_LAYER_L2TP, flags))
		return;
	if (flags & 0x4000)
		length += 2;
	if (flags & 0x0800)
		length += 4;
	if (flags & 0x0200) {
		if (!decoding_has(d, length + 2))
			return;
		length += 2u + weir_load_be16(p + length);
	}
	if (!decoding_has(d, length))
		return;
	d->at += length;
	if (!(flags & 0x8000) && decoding_left(d) > 0)
		d->next = decode_ppp;
}

/* Teredo (RFC 4380): an origin or authentication indication may stand before the IPv6 packet. */
void decode_teredo(struct decoding *d)
{
	hide(d);
	for (int indications = 0; indications < 2 && decoding_left(d) >= 8; indications++) {
		const uint8_t *p = decoding_here(d);
		uint16_t kind = weir_load_be16(p);
		if (kind > 1)
			break;
		uint32_t length = kind == 0 ? 8u : 13u + p[2] + p[3];
		if (decoding_left(d) < length)
			return;
		d->at += length;
	}
	if (decoding_left(d) >= 40 && decoding_here(d)[0] >> 4 == 6)
		d->next = decode_ipv6;
}
