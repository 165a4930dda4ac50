/* GRE, ERSPAN, VXLAN, GENEVE, GTP-U, L2TP. */
#include "packet/dissect.h"

static void put_gre_end(const struct dissection *d, struct text *out)
{
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
	if (kind_behind(d) == WEIR_LAYER_NONE) {
		put(out, ": gre-proto-");
		put_0x(out, d->layer->value, 1);
	} else {
		put(out, d->options->verbose ? "\n\t" : ": ");
	}
}

/* Version 1, of PPTP (RFC 2637). */
static void put_pptp(const struct dissection *d, uint16_t flags, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint32_t at = 4, end = (uint32_t)d->bytes.length;

	if (flags & 0x2000 && at + 4 <= end) {
		put(out, ", call ");
		put_unsigned(out, weir_load_be16(p + at + 2));
		at += 4;
	}
	if (flags & 0x1000 && at + 4 <= end) {
		put(out, ", seq ");
		put_unsigned(out, weir_load_be32(p + at));
		at += 4;
	}
	if (flags & 0x0080 && at + 4 <= end) {
		put(out, ", ack ");
		put_unsigned(out, weir_load_be32(p + at));
	}
	if (!(flags & 0x1000))
		put(out, ", no-payload");
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
	if (kind_behind(d) != WEIR_LAYER_NONE)
		put(out, ": ");
}

static void gre_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint16_t flags = weir_load_be16(p);
	uint32_t at = 4, end = (uint32_t)d->bytes.length;

	put(out, "GREv");
	put_unsigned(out, flags & 7);
	if ((flags & 7) == 1) {
		put_pptp(d, flags, out);
		return;
	}
	if (flags & 0xc000)
		at += 4;
	if (flags & 0x2000 && at + 4 <= end) {
		put(out, ", key=");
		put_0x(out, weir_load_be32(p + at), 1);
		at += 4;
	}
	if (flags & 0x1000 && at + 4 <= end) {
		put(out, ", seq ");
		put_unsigned(out, weir_load_be32(p + at));
	}
	if (d->options->link) {
		const char *name = ethertype_name(d->layer->value);
		put(out, ", proto ");
		put_bytes(out, name ? name : "unknown", strlen(name ? name : "unknown"));
		put(out, " (");
		put_0x(out, d->layer->value, 4);
		put_char(out, ')');
	}
	put_gre_end(d, out);
}

static void gre_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	uint16_t flags = weir_load_be16(p);
	uint32_t at = 4, end = (uint32_t)d->bytes.length;

	field_hex(f, "flags", flags, 4);
	field_unsigned(f, "version", flags & 7);
	field_hex(f, "type", d->layer->value, 4);
	if ((flags & 7) == 0 && flags & 0xc000 && at + 4 <= end) {
		field_hex(f, "checksum", weir_load_be16(p + at), 4);
		at += 4;
	}
	if (flags & 0x2000 && at + 4 <= end) {
		if ((flags & 7) == 1)
			field_unsigned(f, "call_id", weir_load_be16(p + at + 2));
		else
			field_hex(f, "key", weir_load_be32(p + at), 8);
		at += 4;
	}
	if (flags & 0x1000 && at + 4 <= end) {
		field_unsigned(f, "sequence", weir_load_be32(p + at));
		at += 4;
	}
	if ((flags & 7) == 1 && flags & 0x0080 && at + 4 <= end)
		field_unsigned(f, "acknowledgment", weir_load_be32(p + at));
}

const struct dissector dissector_gre = {
	.kind = WEIR_LAYER_GRE,
	.fields = gre_fields,
	.text = gre_text,
};

static void erspan_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	put(out, d->layer->value == 2 ? "erspan type II session " : "erspan type III session ");
	put_unsigned(out, weir_load_be16(p + 2) & 0x3ff);
	put(out, " vlan ");
	put_unsigned(out, weir_load_be16(p) & 0xfff);
	put(out, ": ");
}

static void erspan_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_unsigned(f, "type", d->layer->value);
	field_unsigned(f, "session", weir_load_be16(p + 2) & 0x3ff);
	field_unsigned(f, "vlan", weir_load_be16(p) & 0xfff);
}

const struct dissector dissector_erspan = {
	.kind = WEIR_LAYER_ERSPAN,
	.fields = erspan_fields,
	.text = erspan_text,
};

static void vxlan_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	put(out, "VXLAN, flags [");
	put_char(out, p[0] & 8 ? 'I' : '.');
	put(out, "] (");
	put_0x(out, p[0], 2);
	put(out, "), vni ");
	put_unsigned(out, weir_load_be32(p + 4) >> 8);
}

static void vxlan_fields(const struct dissection *d, struct fields *f)
{
	field_hex(f, "flags", d->bytes.data[0], 2);
	field_unsigned(f, "vni", weir_load_be32(d->bytes.data + 4) >> 8);
}

const struct dissector dissector_vxlan = {
	.kind = WEIR_LAYER_VXLAN,
	.fields = vxlan_fields,
	.text = vxlan_text,
};

static void geneve_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	put(out, "Geneve, Flags [");
	put(out, p[1] & 0xc0 ? "" : "none");
	put(out, p[1] & 0x80 ? "O" : "");
	put(out, p[1] & 0x40 ? "C" : "");
	put(out, "], vni ");
	put_0x(out, weir_load_be32(p + 4) >> 8, 1);
	if (d->options->link) {
		const char *name = ethertype_name(d->layer->value);
		put(out, ", proto ");
		put_bytes(out, name ? name : "unknown", strlen(name ? name : "unknown"));
		put(out, " (");
		put_0x(out, d->layer->value, 4);
		put_char(out, ')');
	}
	if (p[0] & 0x3f) {
		put(out, ", options [");
		put_unsigned(out, (p[0] & 0x3fu) * 4);
		put(out, " bytes]");
	}
	put(out, d->options->verbose ? "\n\t" : ": ");
}

static void geneve_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_unsigned(f, "version", p[0] >> 6);
	field_unsigned(f, "options_length", (p[0] & 0x3fu) * 4);
	field_bool(f, "oam", p[1] & 0x80);
	field_bool(f, "critical", p[1] & 0x40);
	field_hex(f, "type", d->layer->value, 4);
	field_unsigned(f, "vni", weir_load_be32(p + 4) >> 8);
}

const struct dissector dissector_geneve = {
	.kind = WEIR_LAYER_GENEVE,
	.fields = geneve_fields,
	.text = geneve_text,
};

static const struct value_name gtpu_messages[] = {
	{1, "echo request"},
	{2, "echo response"},
	{26, "error indication"},
	{31, "supported extension headers"},
	{254, "end marker"},
	{255, "T-PDU"},
	{0, NULL},
};

static void gtpu_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	const char *name = name_of(gtpu_messages, p[1]);

	put(out, "GTPv1-U, ");
	if (name) {
		put_bytes(out, name, strlen(name));
	} else {
		put(out, "message ");
		put_unsigned(out, p[1]);
	}
	put(out, ", teid ");
	put_0x(out, weir_load_be32(p + 4), 8);
	put(out, ", length ");
	put_unsigned(out, weir_load_be16(p + 2));
	if (kind_behind(d) != WEIR_LAYER_NONE)
		put(out, ": ");
}

static void gtpu_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_hex(f, "flags", p[0], 2);
	field_unsigned(f, "message", p[1]);
	field_name(f, "message_name", gtpu_messages, p[1]);
	field_unsigned(f, "length", weir_load_be16(p + 2));
	field_hex(f, "teid", weir_load_be32(p + 4), 8);
	if (p[0] & 2 && d->bytes.length >= 10)
		field_unsigned(f, "sequence", weir_load_be16(p + 8));
}

const struct dissector dissector_gtpu = {
	.kind = WEIR_LAYER_GTPU,
	.fields = gtpu_fields,
	.text = gtpu_text,
};

struct l2tp {
	uint16_t tunnel, session, sent, expected;
	bool has_sequence;
};

static bool read_l2tp(const struct dissection *d, struct l2tp *l2tp)
{
	struct weir_cursor c = weir_cursor_over(d->bytes.data, d->bytes.length);
	uint16_t flags = weir_take_be16(&c);

	*l2tp = (struct l2tp){0};
	if (flags & 0x4000)
		weir_take_be16(&c);
	l2tp->tunnel = weir_take_be16(&c);
	l2tp->session = weir_take_be16(&c);
	if (flags & 0x0800) {
		l2tp->has_sequence = true;
		l2tp->sent = weir_take_be16(&c);
		l2tp->expected = weir_take_be16(&c);
	}
	return !c.failed;
}

static void l2tp_text(const struct dissection *d, struct text *out)
{
	uint16_t flags = d->layer->value;
	struct l2tp l2tp;

	put(out, " l2tp:[");
	put(out, flags & 0x8000 ? "T" : "");
	put(out, flags & 0x4000 ? "L" : "");
	put(out, flags & 0x0800 ? "S" : "");
	put(out, flags & 0x0200 ? "O" : "");
	put(out, flags & 0x0100 ? "P" : "");
	put_char(out, ']');
	if (!read_l2tp(d, &l2tp)) {
		put_cut(out, "l2tp");
		return;
	}
	put_char(out, '(');
	put_unsigned(out, l2tp.tunnel);
	put_char(out, '/');
	put_unsigned(out, l2tp.session);
	put_char(out, ')');
	if (l2tp.has_sequence) {
		put(out, "Ns=");
		put_unsigned(out, l2tp.sent);
		put(out, ",Nr=");
		put_unsigned(out, l2tp.expected);
	}
}

static void l2tp_fields(const struct dissection *d, struct fields *f)
{
	struct l2tp l2tp;

	field_hex(f, "flags", d->layer->value, 4);
	if (!read_l2tp(d, &l2tp))
		return;
	field_unsigned(f, "tunnel", l2tp.tunnel);
	field_unsigned(f, "session", l2tp.session);
	if (l2tp.has_sequence) {
		field_unsigned(f, "ns", l2tp.sent);
		field_unsigned(f, "nr", l2tp.expected);
	}
}

const struct dissector dissector_l2tp = {
	.kind = WEIR_LAYER_L2TP,
	.fields = l2tp_fields,
	.text = l2tp_text,
};
