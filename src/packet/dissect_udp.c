/* UDP (RFC 768) and SCTP (RFC 9260). */
#include "packet/dissect.h"

static void put_udp_checksum(const struct dissection *d, uint32_t length, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint16_t stated = weir_load_be16(p + 6);
	struct dissection datagram = *d;
	bool known;

	if (stated == 0) {
		put(out, "[no cksum] ");
		return;
	}
	if (length > d->bytes.length)
		return;
	datagram.bytes.length = datagram.wire_length = length;
	uint16_t rest = transport_checksum(&datagram, 17, &known);
	if (!known)
		return;
	if (rest == 0) {
		put(out, "[udp sum ok] ");
		return;
	}
	uint32_t right = (uint32_t)stated + rest;
	put(out, "[bad udp cksum ");
	put_0x(out, stated, 4);
	put(out, " -> ");
	put_0x(out, (right & 0xffff) + (right >> 16), 4);
	put(out, "!] ");
}

static void udp_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	put_endpoints(d, "udp", out);
	if (d->wire_length < 8) {
		put(out, "truncated-udplength ");
		put_unsigned(out, d->wire_length);
		return;
	}
	if (d->bytes.length < 8) {
		put_cut(out, "udp");
		return;
	}
	uint32_t length = weir_load_be16(p + 4);
	if (length == 0 && d->wire_length > 65535)
		length = d->wire_length;
	if (length < 8) {
		put(out, "truncated-udplength ");
		put_unsigned(out, length);
		return;
	}
	if (d->options->verbose)
		put_udp_checksum(d, length, out);
	/* Whatever stands behind tells of itself; some add to this line. */
	unsigned behind = kind_behind(d);
	if (behind != WEIR_LAYER_NONE && behind != WEIR_LAYER_NBNS && behind != WEIR_LAYER_QUIC && !d->options->quiet)
		return;
	if (behind == WEIR_LAYER_NONE && (d->network->source_port == 53 || d->network->destination_port == 53) &&
	    length > 8) {
		put_cut(out, "domain");
		return;
	}
	bool fragment = d->network->flags & WEIR_NETWORK_FRAGMENT;
	if (length > d->wire_length && !fragment) {
		put(out, "UDP, bad length ");
		put_unsigned(out, length - 8);
		put(out, " > ");
		put_unsigned(out, d->wire_length - 8);
	} else {
		put(out, "UDP, length ");
		put_unsigned(out, length - 8);
	}
}

static void udp_fields(const struct dissection *d, struct fields *f)
{
	field_unsigned(f, "source_port", d->network->source_port);
	field_unsigned(f, "destination_port", d->network->destination_port);
	if (d->bytes.length < 8)
		return;
	field_unsigned(f, "length", weir_load_be16(d->bytes.data + 4));
	field_hex(f, "checksum", weir_load_be16(d->bytes.data + 6), 4);
}

const struct dissector dissector_udp = {
	.kind = WEIR_LAYER_UDP,
	.fields = udp_fields,
	.text = udp_text,
};

static void udplite_text(const struct dissection *d, struct text *out)
{
	put_endpoints(d, "udp", out);
	put(out, "UDP-Lite, length ");
	put_unsigned(out, d->wire_length > 8 ? d->wire_length - 8 : 0);
}

static void udplite_fields(const struct dissection *d, struct fields *f)
{
	field_unsigned(f, "source_port", d->network->source_port);
	field_unsigned(f, "destination_port", d->network->destination_port);
	if (d->bytes.length < 8)
		return;
	field_unsigned(f, "coverage", weir_load_be16(d->bytes.data + 4));
	field_hex(f, "checksum", weir_load_be16(d->bytes.data + 6), 4);
}

const struct dissector dissector_udplite = {
	.kind = WEIR_LAYER_UDPLITE,
	.fields = udplite_fields,
	.text = udplite_text,
};

static const struct value_name chunk_names[] = {
	{0, "DATA"},
	{1, "INIT"},
	{2, "INIT ACK"},
	{3, "SACK"},
	{4, "HB REQ"},
	{5, "HB ACK"},
	{6, "ABORT"},
	{7, "SHUTDOWN"},
	{8, "SHUTDOWN ACK"},
	{9, "ERROR"},
	{10, "COOKIE ECHO"},
	{11, "COOKIE ACK"},
	{12, "ECN ECHO"},
	{13, "CWR"},
	{14, "SHUTDOWN COMPLETE"},
	{0x80, "ASCONF-ACK"},
	{0x82, "RE-CONFIG"},
	{0x84, "PAD"},
	{0xc0, "FORWARD CUM TSN"},
	{0xc1, "ASCONF"},
	{0, NULL},
};

static void put_chunk(const uint8_t *p, uint32_t length, struct text *out)
{
	switch (p[0]) {
	case 0:
		if (length < 16)
			break;
		put(out, p[1] & 4 ? "(U)" : "");
		put(out, p[1] & 2 ? "(B)" : "");
		put(out, p[1] & 1 ? "(E)" : "");
		put(out, p[1] & 7 ? " " : "");
		put(out, "[TSN: ");
		put_unsigned(out, weir_load_be32(p + 4));
		put(out, "] [SID: ");
		put_unsigned(out, weir_load_be16(p + 8));
		put(out, "] [SSEQ ");
		put_unsigned(out, weir_load_be16(p + 10));
		put(out, "] [PPID ");
		put_0x(out, weir_load_be32(p + 12), 1);
		put(out, "] ");
		break;
	case 1:
	case 2:
		if (length < 20)
			break;
		put(out, "[init tag: ");
		put_unsigned(out, weir_load_be32(p + 4));
		put(out, "] [rwnd: ");
		put_unsigned(out, weir_load_be32(p + 8));
		put(out, "] [OS: ");
		put_unsigned(out, weir_load_be16(p + 12));
		put(out, "] [MIS: ");
		put_unsigned(out, weir_load_be16(p + 14));
		put(out, "] [init TSN: ");
		put_unsigned(out, weir_load_be32(p + 16));
		put(out, "] ");
		break;
	case 3:
		if (length < 16)
			break;
		put(out, "[cum ack ");
		put_unsigned(out, weir_load_be32(p + 4));
		put(out, "] [a_rwnd ");
		put_unsigned(out, weir_load_be32(p + 8));
		put(out, "] [#gap acks ");
		put_unsigned(out, weir_load_be16(p + 12));
		put(out, "] [#dup tsns ");
		put_unsigned(out, weir_load_be16(p + 14));
		put(out, "] ");
		break;
	default:
		break;
	}
}

static void sctp_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	put_endpoints(d, "sctp", out);
	put(out, "sctp");
	if (d->bytes.length < 12) {
		put_cut(out, "sctp");
		return;
	}
	unsigned number = 0;
	for (uint32_t at = 12; at + 4 <= d->bytes.length;) {
		uint32_t length = weir_load_be16(p + at + 2), there = (uint32_t)d->bytes.length - at;
		if (length < 4) {
			put(out, " [chunk length is bad]");
			return;
		}
		const char *name = name_of(chunk_names, p[at]);
		put(out, d->options->verbose ? "\n\t" : number ? ", " : " ");
		put_char(out, '(');
		put_unsigned(out, ++number);
		put(out, ") [");
		if (name) {
			put_bytes(out, name, strlen(name));
		} else {
			put(out, "Unknown chunk type: ");
			put_0x(out, p[at], 1);
		}
		put(out, "] ");
		put_chunk(p + at, length < there ? length : there, out);
		at += (length + 3) & ~3u;
	}
}

static void sctp_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_unsigned(f, "source_port", d->network->source_port);
	field_unsigned(f, "destination_port", d->network->destination_port);
	if (d->bytes.length < 12)
		return;
	field_hex(f, "verification_tag", weir_load_be32(p + 4), 8);
	field_hex(f, "checksum", weir_load_be32(p + 8), 8);
	fields_array(f, "chunks");
	for (uint32_t at = 12; at + 4 <= d->bytes.length;) {
		uint32_t length = weir_load_be16(p + at + 2), there = (uint32_t)d->bytes.length - at;
		if (length < 4)
			break;
		fields_object(f, NULL);
		field_unsigned(f, "type", p[at]);
		field_name(f, "name", chunk_names, p[at]);
		field_hex(f, "flags", p[at + 1], 2);
		field_unsigned(f, "length", length);
		if (p[at] == 0 && length >= 16 && there >= 16) {
			field_unsigned(f, "tsn", weir_load_be32(p + at + 4));
			field_unsigned(f, "stream", weir_load_be16(p + at + 8));
			field_unsigned(f, "stream_sequence", weir_load_be16(p + at + 10));
			field_unsigned(f, "payload_protocol", weir_load_be32(p + at + 12));
		}
		fields_end_object(f);
		at += (length + 3) & ~3u;
	}
	fields_end_array(f);
}

const struct dissector dissector_sctp = {
	.kind = WEIR_LAYER_SCTP,
	.fields = sctp_fields,
	.text = sctp_text,
};
