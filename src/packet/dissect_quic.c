/* QUIC's long headers (RFC 8999, 9000, 9369): what is in clear. */
#include "packet/dissect.h"

struct quic {
	uint32_t version;
	uint8_t type;
	struct weir_bytes destination, source; /* connection ids */
};

static bool read_quic(struct weir_bytes bytes, struct quic *quic)
{
	struct weir_cursor c = weir_cursor_over(bytes.data, bytes.length);
	uint8_t first = weir_take8(&c);

	quic->version = weir_take_be32(&c);
	quic->type = first >> 4 & 3;
	if (quic->version == 0x6b3343cf) /* version 2 turned the types by one */
		quic->type = (quic->type + 3) & 3;
	uint8_t length = weir_take8(&c);
	quic->destination = (struct weir_bytes){weir_take(&c, length), length};
	length = weir_take8(&c);
	quic->source = (struct weir_bytes){weir_take(&c, length), length};
	return first & 0x80 && !c.failed && quic->destination.length <= 20 && quic->source.length <= 20;
}

static bool is_known(uint32_t version)
{
	/* versions 1 and 2, drafts, mvfst, forced negotiation */
	return version == 1 || version == 0x6b3343cf || version >> 8 == 0xff0000 || version >> 8 == 0xfaceb0 ||
	       (version & 0x0f0f0f0f) == 0x0a0a0a0a;
}

static const char *type_name(const struct quic *quic)
{
	static const char *const names[4] = {"Initial", "0-RTT", "Handshake", "Retry"};
	return quic->version == 0 ? "Version Negotiation" : names[quic->type];
}

static void quic_text(const struct dissection *d, struct text *out)
{
	struct quic quic;

	if (!read_quic(d->bytes, &quic))
		return;
	put(out, ": QUIC ");
	put_bytes(out, type_name(&quic), strlen(type_name(&quic)));
	put(out, ", version ");
	put_0x(out, quic.version, 8);
	put(out, ", dcid ");
	put_hex_bytes(out, quic.destination.data, quic.destination.length);
	put(out, ", scid ");
	put_hex_bytes(out, quic.source.data, quic.source.length);
}

static void quic_fields(const struct dissection *d, struct fields *f)
{
	struct quic quic;

	if (!read_quic(d->bytes, &quic))
		return;
	field_word(f, "type", type_name(&quic));
	field_hex(f, "version", quic.version, 8);
	field_hex_bytes(f, "destination_id", quic.destination.data, quic.destination.length);
	field_hex_bytes(f, "source_id", quic.source.data, quic.source.length);
}

bool looks_like_quic(struct weir_bytes payload)
{
	struct quic quic;

	if (payload.length < 16 || !(payload.data[0] & 0x80) || !read_quic(payload, &quic))
		return false;
	if (quic.version == 0)
		return (payload.length - 7 - quic.destination.length - quic.source.length) % 4 == 0 &&
		       payload.length > 7 + quic.destination.length + quic.source.length &&
		       is_known(weir_load_be32(payload.data + 7 + quic.destination.length + quic.source.length));
	return payload.data[0] & 0x40 && is_known(quic.version);
}

const struct dissector dissector_quic = {
	.kind = WEIR_LAYER_QUIC,
	.fields = quic_fields,
	.text = quic_text,
};
