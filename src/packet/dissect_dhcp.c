/* BOOTP and DHCP (RFC 951, 2131, 2132). */
#include "packet/dissect.h"

#define MAGIC 0x63825363u

static const struct value_name messages[] = {
	{1, "discover"}, {2, "offer"},   {3, "request"}, {4, "decline"}, {5, "ack"},
	{6, "nak"},      {7, "release"}, {8, "inform"},  {0, NULL},
};

struct option {
	uint8_t code, length;
	const uint8_t *data;
};

/* The option at *at, and moves on. False at the end. */
static bool next_option(struct weir_bytes bytes, uint32_t *at, struct option *option)
{
	while (*at < bytes.length && bytes.data[*at] == 0)
		(*at)++;
	if (*at + 2 > bytes.length || bytes.data[*at] == 255)
		return false;
	*option = (struct option){bytes.data[*at], bytes.data[*at + 1], bytes.data + *at + 2};
	if (option->length > bytes.length - *at - 2)
		return false;
	*at += 2u + option->length;
	return true;
}

static bool has_options(struct weir_bytes bytes)
{
	return bytes.length >= 240 && weir_load_be32(bytes.data + 236) == MAGIC;
}

static const char *message_name(struct weir_bytes bytes)
{
	struct option option;

	if (!has_options(bytes))
		return NULL;
	for (uint32_t at = 240; next_option(bytes, &at, &option);)
		if (option.code == 53 && option.length == 1)
			return name_of(messages, option.data[0]);
	return NULL;
}

static void dhcp_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	put(out, "BOOTP/DHCP, ");
	if (p[0] == 1 && p[1] == 1 && p[2] == 6 && d->bytes.length >= 34) {
		put(out, "Request from ");
		put_mac(out, p + 28);
	} else if (p[0] == 1 || p[0] == 2) {
		put(out, p[0] == 1 ? "Request" : "Reply");
	} else {
		put(out, "unknown (");
		put_0x(out, p[0], 2);
		put_char(out, ')');
	}
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
	const char *message = message_name(d->bytes);
	if (d->options->verbose && d->bytes.length >= 20) {
		put(out, ", xid ");
		put_0x(out, weir_load_be32(p + 4), 1);
		if (weir_load_be32(p + 16)) {
			put(out, ", Your-IP ");
			put_ipv4(out, p + 16);
		}
		if (message) {
			put(out, ", DHCP-Message ");
			put_bytes(out, message, strlen(message));
		}
	}
}

static void option_fields(const struct option *option, struct fields *f)
{
	static const struct value_name names[] = {
		{1, "subnet_mask"},        {3, "router"},
		{6, "dns_server"},         {12, "host_name"},
		{15, "domain_name"},       {28, "broadcast"},
		{50, "requested_address"}, {51, "lease_time"},
		{53, "message_type"},      {54, "server"},
		{55, "parameter_list"},    {58, "renewal_time"},
		{59, "rebinding_time"},    {60, "vendor_class"},
		{61, "client_id"},         {81, "client_fqdn"},
		{82, "relay_agent"},       {0, NULL},
	};

	fields_object(f, NULL);
	field_unsigned(f, "code", option->code);
	field_name(f, "name", names, option->code);
	switch (option->code) {
	case 1:
	case 3:
	case 6:
	case 28:
	case 50:
	case 54:
		fields_array(f, "addresses");
		for (unsigned i = 0; i + 4 <= option->length; i += 4)
			element_ip(f, 4, option->data + i);
		fields_end_array(f);
		break;
	case 12:
	case 15:
	case 60:
		field_text(f, "text", option->data, option->length);
		break;
	case 51:
	case 58:
	case 59:
		if (option->length == 4)
			field_unsigned(f, "seconds", weir_load_be32(option->data));
		break;
	case 53:
		if (option->length == 1)
			field_unsigned(f, "value", option->data[0]);
		break;
	default:
		field_hex_bytes(f, "data", option->data, option->length);
	}
	fields_end_object(f);
}

static void dhcp_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	struct option option;

	field_unsigned(f, "operation", p[0]);
	field_hex(f, "xid", weir_load_be32(p + 4), 8);
	field_ip(f, "client", 4, p + 12);
	field_ip(f, "yours", 4, p + 16);
	field_ip(f, "server", 4, p + 20);
	field_ip(f, "relay", 4, p + 24);
	if (p[1] == 1 && p[2] == 6)
		field_mac(f, "hardware", p + 28);
	const char *message = message_name(d->bytes);
	if (message)
		field_word(f, "message", message);
	if (!has_options(d->bytes))
		return;
	fields_array(f, "options");
	for (uint32_t at = 240; next_option(d->bytes, &at, &option);)
		option_fields(&option, f);
	fields_end_array(f);
}

bool looks_like_dhcp(struct weir_bytes payload)
{
	return payload.length >= 44;
}

const struct dissector dissector_dhcp = {
	.kind = WEIR_LAYER_DHCP,
	.fields = dhcp_fields,
	.text = dhcp_text,
};
