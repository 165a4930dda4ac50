/* ISAKMP: IKE version 1 (RFC 2408) and 2 (RFC 7296). */
#include "packet/dissect.h"

static const struct value_name exchanges[] = {
	{0, "none"},        {1, "base"},        {2, "ident"},         {3, "auth"},
	{4, "agg"},         {5, "inf"},         {32, "oakley-quick"}, {33, "oakley-newgroup"},
	{34, "ikev2_init"}, {35, "ikev2_auth"}, {36, "child_sa"},     {37, "inf2"},
	{0, NULL},
};

/* Over port 4500 four zero bytes stand before it. */
static struct weir_bytes message_of(struct weir_bytes bytes)
{
	if (bytes.length >= 4 && weir_load_be32(bytes.data) == 0)
		return (struct weir_bytes){bytes.data + 4, bytes.length - 4};
	return bytes;
}

static bool is_zero(const uint8_t *p, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (p[i])
			return false;
	return true;
}

static void isakmp_text(const struct dissection *d, struct text *out)
{
	struct weir_bytes message = message_of(d->bytes);
	if (message.length < 28)
		return;
	const uint8_t *p = message.data;
	const char *exchange = name_of(exchanges, p[18]);
	bool phase_one = is_zero(p + 20, 4), second = p[17] >> 4 == 2;

	put(out, message.data != d->bytes.data ? "NONESP-encap: " : "");
	put(out, "isakmp");
	if (d->options->verbose) {
		put_char(out, ' ');
		put_unsigned(out, p[17] >> 4);
		put_char(out, '.');
		put_unsigned(out, p[17] & 15);
		put(out, " msgid ");
		put_hex(out, weir_load_be32(p + 20), 8);
		put(out, " cookie ");
		put_hex_bytes(out, p, 8);
		put(out, "->");
		put_hex_bytes(out, p + 8, 8);
	}
	put(out, ": ");
	if (second) {
		put(out, phase_one ? "parent_sa " : "child_sa  ");
	} else {
		put(out, phase_one ? "phase 1" : "phase 2/others");
		put(out, is_zero(p + 8, 8) ? " I " : " ? ");
	}
	if (exchange) {
		put_bytes(out, exchange, strlen(exchange));
	} else {
		put(out, "#");
		put_unsigned(out, p[18]);
	}
	if (second)
		put(out, p[19] & 8 ? p[19] & 0x20 ? "[IR]" : "[I]" : p[19] & 0x20 ? "[R]" : "[]");
	else if (p[19] & 1)
		put(out, "[E]");
}

static void isakmp_fields(const struct dissection *d, struct fields *f)
{
	struct weir_bytes message = message_of(d->bytes);
	if (message.length < 28)
		return;
	const uint8_t *p = message.data;

	field_hex_bytes(f, "initiator_spi", p, 8);
	field_hex_bytes(f, "responder_spi", p + 8, 8);
	field_unsigned(f, "next_payload", p[16]);
	field_unsigned(f, "version", p[17] >> 4);
	field_unsigned(f, "exchange", p[18]);
	field_name(f, "exchange_name", exchanges, p[18]);
	field_hex(f, "flags", p[19], 2);
	field_hex(f, "message_id", weir_load_be32(p + 20), 8);
	field_unsigned(f, "length", weir_load_be32(p + 24));
}

bool looks_like_isakmp(struct weir_bytes payload)
{
	return payload.length >= 28 && payload.data[17] >> 4 >= 1 && payload.data[17] >> 4 <= 2;
}

bool looks_like_isakmp_marked(struct weir_bytes payload)
{
	if (payload.length < 32 || weir_load_be32(payload.data) != 0)
		return false;
	return looks_like_isakmp((struct weir_bytes){payload.data + 4, payload.length - 4});
}

const struct dissector dissector_isakmp = {
	.kind = WEIR_LAYER_ISAKMP,
	.fields = isakmp_fields,
	.text = isakmp_text,
};
