/* NetBIOS names (RFC 1002): messages in the form of DNS, with names of their own. */
#include "packet/dissect_dns.h"

static const struct value_name netbios_types[] = {{32, "NB"}, {33, "NBSTAT"}, {1, "A"},
                                                  {2, "NS"},  {10, "NULL"},   {0, NULL}};

/* A NetBIOS name: 16 bytes as 32 letters from A to P; the last byte says what kind of name it is. False when it is none. */
static bool read_netbios_name(struct weir_bytes message, uint32_t at, char name[16], uint8_t *suffix)
{
	if (at + 33 > message.length || message.data[at] != 32)
		return false;
	for (unsigned i = 0; i < 16; i++) {
		uint8_t high = (uint8_t)(message.data[at + 1 + i * 2] - 'A'),
				low = (uint8_t)(message.data[at + 2 + i * 2] - 'A');
		if (high > 15 || low > 15)
			return false;
		name[i] = (char)(high << 4 | low);
	}
	*suffix = (uint8_t)name[15];
	unsigned length = 15;
	while (length && (name[length - 1] == ' ' || name[length - 1] == 0))
		length--;
	name[length] = '\0';
	return true;
}

static void nbns_text(const struct dissection *d, struct text *out)
{
	static const struct value_name operations[] = {
		{0, "query"}, {5, "registration"}, {6, "release"},
		{7, "wait"},  {8, "refresh"},      {15, "multi-homed registration"},
		{0, NULL},
	};
	uint16_t flags = weir_load_be16(d->bytes.data + 2);
	const char *operation = name_of(operations, flags >> 11 & 15);
	char name[16];
	uint8_t suffix;

	put(out, ": NBNS ");
	put_bytes(out, operation ? operation : "operation", strlen(operation ? operation : "operation"));
	put(out, flags & 0x8000 ? " response" : " request");
	if (read_netbios_name(d->bytes, 12, name, &suffix)) {
		put_char(out, ' ');
		put_visible(out, (const uint8_t *)name, strlen(name));
		put_char(out, '<');
		put_hex(out, suffix, 2);
		put_char(out, '>');
	}
}

static void nbns_fields(const struct dissection *d, struct fields *f)
{
	char name[16];
	uint8_t suffix;
	uint32_t at = 12;

	dns_header_fields(d->bytes, f);
	if (read_netbios_name(d->bytes, 12, name, &suffix)) {
		field_text(f, "name", name, strlen(name));
		field_hex(f, "suffix", suffix, 2);
	}
	dns_question_fields(d->bytes, &at, weir_load_be16(d->bytes.data + 4), netbios_types, f);
}

bool looks_like_nbns(struct weir_bytes payload)
{
	return payload.length >= 12;
}

const struct dissector dissector_nbns = {
	.kind = WEIR_LAYER_NBNS,
	.fields = nbns_fields,
	.text = nbns_text,
};
