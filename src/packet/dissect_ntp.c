/* NTP (RFC 5905). */
#include "packet/dissect.h"

static const char *const modes[8] = {
	"unspecified", "symmetric active", "symmetric passive", "Client",
	"Server",      "Broadcast",        "Control Message",   "Reserved",
};

static void ntp_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	put(out, "NTPv");
	put_unsigned(out, p[0] >> 3 & 7);
	put(out, ", ");
	put_bytes(out, modes[p[0] & 7], strlen(modes[p[0] & 7]));
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
}

static void ntp_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_unsigned(f, "leap", p[0] >> 6);
	field_unsigned(f, "version", p[0] >> 3 & 7);
	field_unsigned(f, "mode", p[0] & 7);
	field_word(f, "mode_name", modes[p[0] & 7]);
	if ((p[0] & 7) >= 6 || d->bytes.length < 48)
		return;
	field_unsigned(f, "stratum", p[1]);
	field_unsigned(f, "poll", p[2]);
	field_hex_bytes(f, "reference_id", p + 12, 4);
	field_hex_bytes(f, "reference_time", p + 16, 8);
	field_hex_bytes(f, "origin_time", p + 24, 8);
	field_hex_bytes(f, "receive_time", p + 32, 8);
	field_hex_bytes(f, "transmit_time", p + 40, 8);
}

bool looks_like_ntp(struct weir_bytes payload)
{
	return payload.length >= 8;
}

const struct dissector dissector_ntp = {
	.kind = WEIR_LAYER_NTP,
	.fields = ntp_fields,
	.text = ntp_text,
};
