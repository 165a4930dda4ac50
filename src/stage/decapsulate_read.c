/* Reading ESP as if nothing of it were encrypted: stage/decapsulate.h. */
#include "stage/decapsulate.h"

/* The lengths of IV and ICV that there are (RFC 8221 and before), common ones first. */
static const struct {
	uint8_t iv, icv;
} shapes[] = {{0, 12}, {0, 16}, {8, 16}, {0, 32}, {0, 24}, {0, 8}, {0, 0}};

#define SHAPES (sizeof shapes / sizeof shapes[0])
#define SHAPES_BITS 3 /* how much weaker evidence is that may come from any of them */

/* What may be in ESP: bits that a next header of this value is worth. */
static const uint8_t protocol_bits[256] = {
	[1] = 6, [4] = 6, [6] = 7, [17] = 7, [41] = 6, [58] = 6,
	[2] = 4, [47] = 4, [50] = 4, [51] = 4, [ESP_NO_NEXT_HEADER] = 4, [89] = 4, [97] = 4, [103] = 4, [112] = 4, [115] = 4, [132] = 4, [136] = 4,
};

/* Evidence that a TCP header stands here; room: bytes that it may fill at most. */
static unsigned tcp_bits(const uint8_t *p, uint32_t seen, uint32_t room)
{
	if (seen < 20 || !esp_tcp_sound(p, room))
		return 0;
	uint32_t header = (uint32_t)(p[12] >> 4) * 4;
	unsigned bits = 16 + 4 + (p[13] & 0xc0 ? 2 : 4) + (header == 20 || header == 32 ? 3 : 1);
	if (!(p[13] & 0x10) && weir_load_native32(p + 8) == 0)
		bits += 24;
	/* NOP NOP timestamps (RFC 7323, appendix A), or maximum segment size first. */
	if (header >= 32 && seen >= 24) {
		uint32_t options = weir_load_be32(p + 20);
		if (options == 0x0101080a)
			bits += 28;
		else if (options >> 16 == 0x0204)
			bits += 14;
	}
	return bits;
}

/* The Internet checksum over length bytes, added to sum. */
static uint32_t sum_of(const uint8_t *p, uint32_t length, uint32_t sum)
{
	uint64_t wide = sum;
	uint32_t i = 0;

	for (; i + 4 <= length; i += 4)
		wide += weir_load_native32(p + i);
	if (i + 2 <= length) {
		wide += weir_load_native16(p + i);
		i += 2;
	}
	if (i < length) {
		uint8_t last[2] = {p[i], 0};
		wide += weir_load_native16(last);
	}
	while (wide >> 16)
		wide = (wide & 0xffff) + (wide >> 16);
	return (uint32_t)wide;
}

static bool checksum_right(const struct esp_view *view, const uint8_t *p, uint32_t length, uint8_t protocol)
{
	const struct weir_network *network = view->network;
	uint32_t sum = 0;

	if (protocol != 1) {
		uint8_t pseudo[4] = {0, protocol, (uint8_t)(length >> 8), (uint8_t)length};
		uint32_t address = network->version == 4 ? 4 : 16;
		sum = sum_of(pseudo, 4, 0);
		sum = sum_of(view->data + network->source, address, sum);
		sum = sum_of(view->data + network->destination, address, sum);
	}
	return sum_of(p, length, sum) == 0xffff;
}

/* Evidence that an IPv4 header stands here (tunnel mode). least, most: what its datagram may be long. */
static unsigned ipv4_bits(const uint8_t *p, uint32_t seen, uint32_t least, uint32_t most)
{
	if (seen < 20 || p[0] >> 4 != 4)
		return 0;
	uint32_t header = (p[0] & 15u) * 4, total = weir_load_be16(p + 2);
	if (header < 20 || seen < header || total < header || total < least || total > most || sum_of(p, header, 0) != 0xffff)
		return 0;
	return 16 + (header == 20 ? 8 : 4) + (least == most ? 16 : most - least < 64 ? 10 : 0);
}

/* The first bytes of addresses that are in use: global, unique local, link-local, multicast, unspecified, NAT64. */
static bool ipv6_address_sound(const uint8_t *p)
{
	return (p[0] >> 4 == 2) || p[0] == 0xfd || p[0] == 0xfc || p[0] == 0xfe || p[0] == 0xff || (p[0] == 0 && p[1] <= 0x64);
}

static unsigned ipv6_bits(const uint8_t *p, uint32_t seen, uint32_t least, uint32_t most)
{
	if (seen < 40 || p[0] >> 4 != 6)
		return 0;
	uint32_t total = 40u + weir_load_be16(p + 4);
	bool extension = p[6] == 0 || p[6] == 43 || p[6] == 44 || p[6] == 60;
	if (total < least || total > most || (!protocol_bits[p[6]] && !extension) || !ipv6_address_sound(p + 8) || !ipv6_address_sound(p + 24))
		return 0;
	return 4 + 3 + 3 + 3 + (least == most ? 16 : most - least < 64 ? 10 : 0);
}

/*
 * How plausible the payload is as what the next header says, both seen whole. -1: it is not that. learning: count what a checksum is worth too, which
 * takes longer.
 */
static int payload_bits(const struct esp_view *view, const uint8_t *p, uint32_t length, uint8_t protocol, bool learning)
{
	unsigned bits;

	switch (protocol) {
	case 6:
		bits = tcp_bits(p, length, length);
		/* Urgent data may be, where the checksum is right. */
		if (bits == 0 && (length < 20 || !checksum_right(view, p, length, protocol)))
			return -1;
		return (int)bits + (bits == 0 || (learning && checksum_right(view, p, length, protocol)) ? 16 : 0);
	case 17:
		if (length < 8 || weir_load_be16(p + 4) != length)
			return -1;
		return 16 + (learning && weir_load_native16(p + 6) && checksum_right(view, p, length, protocol) ? 16 : 0);
	case 1:
		return length >= 8 && p[0] <= 18 && checksum_right(view, p, length, protocol) ? 19 : -1;
	case 58:
		return length >= 4 && view->network->version == 6 && checksum_right(view, p, length, protocol) ? 16 : -1;
	case 4:
		bits = ipv4_bits(p, length, length, length);
		return bits ? (int)bits : -1;
	case 41:
		bits = ipv6_bits(p, length, length, length);
		return bits ? (int)bits : -1;
	default:
		return 0;
	}
}

/* Reads the trailer before an ICV of this length, if it was captured. */
static struct esp_reading read_trailer(const struct esp_view *view, uint8_t iv, uint8_t icv, bool learning)
{
	struct esp_reading none = {0};
	uint32_t around = (uint32_t)iv + icv;

	if (view->total < around + 2 || view->visible < view->total - icv || view->total & 3)
		return none;
	const uint8_t *end = view->p + view->total - icv;
	uint32_t inside = view->total - around, padding = end[-2];
	uint8_t protocol = end[-1];
	if (!protocol_bits[protocol] || padding + 2 > inside)
		return none;
	for (uint32_t i = 0; i < padding; i++)
		if (end[-2 - (int32_t)padding + (int32_t)i] != i + 1)
			return none;
	uint32_t length = inside - 2 - padding;
	int bits = payload_bits(view, view->p + iv, length, protocol, learning);
	if (bits < 0)
		return none;
	bits += protocol_bits[protocol] + 8 + (int)(padding < 4 ? padding : 4) * 8;
	return (struct esp_reading){
		.protocol = protocol,
		.iv = iv,
		.icv = icv,
		.bits = (uint8_t)(bits > 200 ? 200 : bits),
		.trailer_seen = true,
		.length = length,
		.trailer = padding + 2 + icv,
	};
}

static bool icv_length(uint32_t length, uint8_t iv)
{
	for (size_t i = 0; i < SHAPES; i++)
		if (shapes[i].iv == iv && shapes[i].icv == length)
			return true;
	return false;
}

/* A UDP datagram of length L is followed by the least padding that makes (L + padding + 2) a multiple of 4, and the ICV. False: by neither. */
static bool udp_fits(const struct esp_view *view, uint8_t iv, uint32_t length, uint32_t *icv)
{
	uint32_t inside = length + ((0u - length - 2) & 3) + 2;

	if (!view->total || length < 8 || view->total < iv + inside)
		return false;
	*icv = view->total - iv - inside;
	return icv_length(*icv, iv);
}

/* Readings of a packet whose trailer was cut off, with nothing but the IV's length known. */
static struct esp_reading guess_cut(const struct esp_view *view, uint8_t iv)
{
	struct esp_reading reading = {.iv = iv, .icv = ESP_ICV_UNKNOWN, .length = UINT32_MAX};

	if (view->visible < iv + 20u)
		return (struct esp_reading){0};
	const uint8_t *p = view->p + iv;
	uint32_t seen = view->visible - iv, room = view->total ? view->total - iv : 65535, icv;
	uint32_t least = room > 64 && view->total ? room - 64 : 0;
	unsigned bits;
	if ((bits = tcp_bits(p, seen, room))) {
		reading.protocol = 6;
	} else if ((bits = ipv4_bits(p, seen, least, room))) {
		reading.protocol = 4;
	} else if ((bits = ipv6_bits(p, seen, least, room))) {
		reading.protocol = 41;
	} else if (weir_load_native16(p) && weir_load_native16(p + 2) && udp_fits(view, iv, weir_load_be16(p + 4), &icv)) {
		bits = 11;
		reading.protocol = 17;
		reading.icv = (uint8_t)icv;
	}
	reading.bits = (uint8_t)bits;
	return reading;
}

struct esp_reading esp_guess(const struct esp_view *view)
{
	struct esp_reading best = {0};

	if (view->total && view->visible + 32 >= view->total) {
		for (size_t i = 0; i < SHAPES; i++) {
			struct esp_reading reading = read_trailer(view, shapes[i].iv, shapes[i].icv, true);
			if (reading.bits > best.bits)
				best = reading;
		}
		best.bits = best.bits > SHAPES_BITS ? (uint8_t)(best.bits - SHAPES_BITS) : 0;
	}
	if (!view->total || view->visible < view->total) {
		for (uint8_t iv = 0; iv <= 8; iv += 8) {
			struct esp_reading reading = guess_cut(view, iv);
			if (reading.bits > best.bits)
				best = reading;
		}
	}
	return best;
}

/* GRE with what is mostly in it: IP, bridged Ethernet, ERSPAN; version 0 without routing. */
static bool gre_sound(const uint8_t *p, uint32_t seen)
{
	if (seen < 4 || (weir_load_be16(p) & 0x4fff) != 0)
		return false;
	uint16_t type = weir_load_be16(p + 2);
	return type == 0x0800 || type == 0x86dd || type == 0x6558 || type == 0x88be || type == 0x8847;
}

static bool icmp_sound(const uint8_t *p, uint32_t seen, uint8_t version)
{
	if (seen < 9 || p[1] > 15)
		return false;
	if (version == 4)
		return ((p[0] == 8 || p[0] == 0) && p[1] == 0) || ((p[0] == 3 || p[0] == 5 || p[0] == 11) && p[8] >> 4 == 4);
	return ((p[0] == 128 || p[0] == 129) && p[1] == 0) || (p[0] >= 1 && p[0] <= 4 && p[8] >> 4 == 6);
}

/*
 * What a packet holds whose trailer was cut off, when it is known that it is not encrypted: the first that its bytes can be, those first that
 * others are least taken for.
 */
static uint8_t cut_protocol(const struct esp_view *view, const uint8_t *p, uint32_t seen, uint32_t least, uint32_t most, bool udp_length)
{
	if (tcp_bits(p, seen, most))
		return 6;
	if (ipv4_bits(p, seen, least, most))
		return 4;
	if (ipv6_bits(p, seen, least, most))
		return 41;
	if (seen >= 8 && udp_length && weir_load_native16(p) && weir_load_native16(p + 2))
		return 17;
	if (icmp_sound(p, seen, view->network->version))
		return view->network->version == 4 ? 1 : 58;
	return gre_sound(p, seen) ? 47 : 0;
}

static struct esp_reading read_cut(const struct esp_view *view, uint8_t iv, uint8_t icv, uint8_t usual_icv)
{
	struct esp_reading reading = {.iv = iv, .icv = icv, .length = UINT32_MAX};
	uint32_t behind = (icv == ESP_ICV_UNKNOWN ? usual_icv : icv) + 2u, found, udp;

	if (view->visible < iv + 8u || (view->total && view->total < iv + 8u + behind))
		return reading;
	const uint8_t *p = view->p + iv;
	uint32_t seen = view->visible - iv, most = 65535, least = 0;
	udp = weir_load_be16(p + 4);
	bool udp_length = !view->total && udp > seen && (weir_load_native16(p + 6) || view->network->version == 4);
	if (view->total) {
		most = view->total - iv - (icv == ESP_ICV_UNKNOWN ? 2 : behind);
		least = most > 64 ? most - 64 : 0;
		udp_length = udp_fits(view, iv, udp, &found) && (icv == ESP_ICV_UNKNOWN || found == icv);
		/* Padded further than it has to be, as to 8 or 16 bytes. */
		if (!udp_length && icv != ESP_ICV_UNKNOWN)
			udp_length = udp >= 8 && udp <= most && most - udp < 16 && ((most - udp) & 3) == ((0u - udp - 2) & 3);
	}
	reading.protocol = cut_protocol(view, p, seen, least, most, udp_length);
	if (reading.protocol == 0)
		return reading;
	reading.bits = 1;
	if (!view->total)
		return reading;
	reading.length = view->total - iv - behind;
	reading.trailer = behind + 3;
	if (reading.protocol == 17 && udp_length && udp < reading.length + 64) {
		reading.length = udp;
		reading.trailer = view->total - iv - udp;
	}
	return reading;
}

struct esp_reading esp_read(const struct esp_view *view, uint8_t iv, uint8_t icv, uint8_t usual_icv)
{
	if (icv != ESP_ICV_UNKNOWN && view->total) {
		if (view->visible + icv >= view->total)
			return read_trailer(view, iv, icv, false);
	} else if (view->total && view->visible + 32 >= view->total) {
		struct esp_reading reading = esp_guess(view);
		if (reading.trailer_seen && reading.iv == iv && reading.bits >= 16)
			return reading;
		if (view->visible >= view->total)
			return (struct esp_reading){0};
	}
	return read_cut(view, iv, icv, usual_icv);
}

/* Where the datagram around the ESP ends on the wire, from the packet's first byte. 0: not to be known. */
static uint32_t wire_end(const struct weir_packet *packet, const struct weir_network *network)
{
	const uint8_t *ip = packet->data + network->offset;
	uint32_t total = weir_load_be16(ip + (network->version == 4 ? 2 : 4)), end;

	if (network->flags & WEIR_NETWORK_FRAGMENT)
		return 0;
	if (total == 0)
		end = packet->length;
	else
		end = network->offset + total + (network->version == 4 ? 0 : 40);
	/* ESP in UDP (RFC 3948). */
	if (network->protocol == 17 && network->transport + 8 <= packet->captured) {
		uint32_t udp = weir_load_be16(packet->data + network->transport + 4);
		if (udp >= 8 && network->transport + udp < end)
			end = network->transport + udp;
	}
	return end <= packet->length ? end : 0;
}

void esp_view_make(struct esp_view *view, const struct weir_packet *packet)
{
	const struct weir_facts *facts = packet->facts;
	const struct weir_network *network = &facts->networks[facts->network_count - 1];
	uint32_t at = facts->payload, end = wire_end(packet, network);

	view->p = packet->data + at;
	view->data = packet->data;
	view->network = network;
	view->total = end > at ? end - at : 0;
	view->visible = network->end > at ? network->end - at : 0;
	if (view->total && view->visible > view->total)
		view->visible = view->total;
}
