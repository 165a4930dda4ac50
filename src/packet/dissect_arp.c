/* ARP and RARP (RFC 826, 903). */
#include "packet/dissect.h"

static const struct value_name operations[] = {
	{1, "Request"},       {2, "Reply"}, {3, "Reverse Request"}, {4, "Reverse Reply"}, {8, "Inverse Request"},
	{9, "Inverse Reply"}, {0, NULL},
};

struct arp {
	uint16_t operation;
	uint8_t hardware_length, protocol_length;
	const uint8_t *sender_hardware, *sender_protocol, *target_hardware, *target_protocol;
};

/* False when it is cut off. */
static bool read_arp(struct weir_bytes bytes, struct arp *arp)
{
	const uint8_t *p = bytes.data;

	if (bytes.length < 8)
		return false;
	arp->operation = weir_load_be16(p + 6);
	arp->hardware_length = p[4];
	arp->protocol_length = p[5];
	if (bytes.length < 8 + 2u * p[4] + 2u * p[5])
		return false;
	arp->sender_hardware = p + 8;
	arp->sender_protocol = arp->sender_hardware + p[4];
	arp->target_hardware = arp->sender_protocol + p[5];
	arp->target_protocol = arp->target_hardware + p[4];
	return true;
}

static void put_hardware(const struct arp *arp, const uint8_t *address, struct text *out)
{
	if (arp->hardware_length == 6)
		put_mac(out, address);
	else if (arp->hardware_length == 0)
		put(out, "<No address>");
	else
		put_hex_bytes(out, address, arp->hardware_length);
}

static void put_protocol(const struct arp *arp, const uint8_t *address, struct text *out)
{
	if (arp->protocol_length == 4)
		put_ipv4(out, address);
	else if (arp->protocol_length == 16)
		put_ipv6(out, address);
	else
		put_hex_bytes(out, address, arp->protocol_length);
}

static bool is_zero(const uint8_t *p, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (p[i])
			return false;
	return true;
}

static void put_operation(const struct arp *arp, struct text *out)
{
	const char *name = name_of(operations, arp->operation);

	if (name) {
		put_bytes(out, name, strlen(name));
	} else {
		put(out, "Unknown (");
		put_unsigned(out, arp->operation);
		put(out, ")");
	}
	put_char(out, ' ');
	switch (arp->operation) {
	case 1:
		put(out, "who-has ");
		put_protocol(arp, arp->target_protocol, out);
		if (!is_zero(arp->target_hardware, arp->hardware_length)) {
			put(out, " (");
			put_hardware(arp, arp->target_hardware, out);
			put_char(out, ')');
		}
		put(out, " tell ");
		put_protocol(arp, arp->sender_protocol, out);
		break;
	case 2:
		put_protocol(arp, arp->sender_protocol, out);
		put(out, " is-at ");
		put_hardware(arp, arp->sender_hardware, out);
		break;
	case 3:
	case 8:
		put(out, "who-is ");
		put_hardware(arp, arp->target_hardware, out);
		put(out, " tell ");
		put_hardware(arp, arp->sender_hardware, out);
		break;
	case 4:
		put_hardware(arp, arp->target_hardware, out);
		put(out, " at ");
		put_protocol(arp, arp->target_protocol, out);
		break;
	default:
		break;
	}
}

static void arp_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	struct arp arp;

	put(out, kind_before(d) != WEIR_LAYER_NONE && d->layer[-1].value == 0x8035 ? "Reverse ARP, " : "ARP, ");
	if (!read_arp(d->bytes, &arp)) {
		put_cut(out, "arp");
		return;
	}
	if (d->options->verbose) {
		const char *protocol = ethertype_name(weir_load_be16(p + 2));
		put(out, weir_load_be16(p) == 1 ? "Ethernet" : "hardware type not Ethernet");
		put(out, " (len ");
		put_unsigned(out, p[4]);
		put(out, "), ");
		put_bytes(out, protocol ? protocol : "unknown", strlen(protocol ? protocol : "unknown"));
		put(out, " (len ");
		put_unsigned(out, p[5]);
		put(out, "), ");
	}
	put_operation(&arp, out);
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
}

static void field_protocol(struct fields *f, const char *key, const struct arp *arp, const uint8_t *address)
{
	if (arp->protocol_length == 4 || arp->protocol_length == 16)
		field_ip(f, key, arp->protocol_length == 4 ? 4 : 6, address);
	else
		field_hex_bytes(f, key, address, arp->protocol_length);
}

static void field_hardware(struct fields *f, const char *key, const struct arp *arp, const uint8_t *address)
{
	if (arp->hardware_length == 6)
		field_mac(f, key, address);
	else
		field_hex_bytes(f, key, address, arp->hardware_length);
}

static void arp_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	struct arp arp;

	field_unsigned(f, "hardware_type", weir_load_be16(p));
	field_hex(f, "protocol_type", weir_load_be16(p + 2), 4);
	field_unsigned(f, "operation", weir_load_be16(p + 6));
	field_name(f, "operation_name", operations, weir_load_be16(p + 6));
	if (!read_arp(d->bytes, &arp))
		return;
	field_hardware(f, "sender_hardware", &arp, arp.sender_hardware);
	field_protocol(f, "sender_address", &arp, arp.sender_protocol);
	field_hardware(f, "target_hardware", &arp, arp.target_hardware);
	field_protocol(f, "target_address", &arp, arp.target_protocol);
}

const struct dissector dissector_arp = {
	.kind = WEIR_LAYER_ARP,
	.fields = arp_fields,
	.text = arp_text,
};
