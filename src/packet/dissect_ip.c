/* IPv4 (RFC 791), IPv6 (RFC 8200) with its extension headers, AH (RFC 4302), ESP (RFC 4303). */
#include "packet/dissect.h"

static const struct value_name protocol_names[] = {
	{0, "Options"},         {1, "ICMP"},    {2, "IGMP"},   {4, "IPIP"},       {6, "TCP"},       {17, "UDP"},
	{33, "DCCP"},           {41, "IPv6"},   {46, "RSVP"},  {47, "GRE"},       {50, "ESP"},      {51, "AH"},
	{55, "Mobile"},         {58, "ICMPv6"}, {88, "EIGRP"}, {89, "OSPF"},      {97, "EtherIP"},  {103, "PIM"},
	{108, "Compressed IP"}, {112, "VRRP"},  {132, "SCTP"}, {135, "Mobility"}, {136, "UDPLite"}, {0, NULL},
};

static const struct value_name option_names[] = {
	{0, "EOL"},    {1, "NOP"},    {7, "RR"},   {68, "timestamp"}, {130, "security"},
	{131, "LSRR"}, {137, "SSRR"}, {148, "RA"}, {146, "RFC1393"},  {0, NULL},
};

const char *ip_protocol_name(uint8_t protocol) { return name_of(protocol_names, protocol); }

static void put_option_name(uint8_t kind, struct text *out)
{
	const char *name = name_of(option_names, kind);
	if (name) {
		put_bytes(out, name, strlen(name));
	} else {
		put(out, "unknown ");
		put_unsigned(out, kind);
	}
}

/* The length of the option at p, 0 when it is broken. */
static uint32_t option_length(const uint8_t *p, uint32_t left)
{
	if (p[0] <= 1)
		return 1;
	return left < 2 || p[1] < 2 || p[1] > left ? 0 : p[1];
}

static void put_verbose_ipv4(const struct dissection *d, uint32_t header, struct text *out)
{
	static const char *const ecn[4] = {"", ",ECT(1)", ",ECT(0)", ",CE"};
	static const char *const flags[8] = {"none", "+", "DF", "+, DF", "rsvd", "+, rsvd", "DF, rsvd", "+, DF, rsvd"};
	const uint8_t *p = d->bytes.data;
	uint16_t fragment = weir_load_be16(p + 6);
	const char *protocol = ip_protocol_name(p[9]);

	put(out, "(tos ");
	put_0x(out, p[1], 1);
	put(out, ecn[p[1] & 3]);
	if (p[8]) {
		put(out, ", ttl ");
		put_unsigned(out, p[8]);
	}
	put(out, ", id ");
	put_unsigned(out, weir_load_be16(p + 4));
	put(out, ", offset ");
	put_unsigned(out, (fragment & 0x1fffu) * 8);
	put(out, ", flags [");
	put(out, flags[fragment >> 13]);
	put(out, "], proto ");
	put(out, protocol ? protocol : "unknown");
	put(out, " (");
	put_unsigned(out, p[9]);
	put(out, "), length ");
	put_unsigned(out, weir_load_be16(p + 2));
	if (header > 20) {
		uint32_t end = header < d->bytes.length ? header : (uint32_t)d->bytes.length, length;
		put(out, ", options (");
		for (uint32_t at = 20; at < end && (length = option_length(p + at, end - at)) != 0; at += length) {
			if (at > 20)
				put_char(out, ',');
			put_option_name(p[at], out);
			if (p[at] == 0)
				break;
		}
		put_char(out, ')');
	}
	uint16_t sum;
	if (d->bytes.length >= header && (sum = checksum_fold(checksum_add(0, p, header))) != 0) {
		uint32_t stated = weir_load_be16(p + 10), right = stated + sum;
		put(out, ", bad cksum ");
		put_hex(out, stated, 1);
		put(out, " (->");
		put_hex(out, (right & 0xffff) + (right >> 16), 1);
		put(out, ")!");
	}
	put(out, ")\n    ");
}

/* "ip-proto-89 44": a protocol that has no dissector. */
static void put_unknown_protocol(const struct dissection *d, uint8_t protocol, uint32_t length, struct text *out)
{
	put(out, " ip-proto-");
	put_unsigned(out, protocol);
	put_char(out, ' ');
	put_unsigned(out, length);
}

static bool writes_own_addresses(unsigned kind)
{
	return kind == WEIR_LAYER_TCP || kind == WEIR_LAYER_UDP || kind == WEIR_LAYER_UDPLITE || kind == WEIR_LAYER_SCTP;
}

static void ipv4_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint32_t header = (p[0] & 15u) * 4u, missing = d->packet->length - d->layer->offset;

	put(out, "IP ");
	if (d->wire_length > missing) {
		put(out, "truncated-ip - ");
		put_unsigned(out, d->wire_length - missing);
		put(out, " bytes missing! ");
	}
	if (d->options->verbose)
		put_verbose_ipv4(d, header, out);
	if (weir_load_be16(p + 6) & 0x1fff) {
		put_ip(out, 4, p + 12);
		put(out, " > ");
		put_ip(out, 4, p + 16);
		put(out, ": ip-proto-");
		put_unsigned(out, p[9]);
		return;
	}
	if (writes_own_addresses(kind_behind(d)))
		return;
	put_addresses(d, out);
	if (kind_behind(d) == WEIR_LAYER_NONE) {
		if (d->bytes.length <= header && d->wire_length > header)
			put_cut(out, "ip");
		else
			put_unknown_protocol(d, p[9], d->wire_length - header, out);
	}
}

static void ipv4_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	uint32_t header = (p[0] & 15u) * 4u;
	uint16_t fragment = weir_load_be16(p + 6);

	field_unsigned(f, "header_length", header);
	field_unsigned(f, "dscp", p[1] >> 2);
	field_unsigned(f, "ecn", p[1] & 3);
	field_unsigned(f, "total_length", weir_load_be16(p + 2));
	field_unsigned(f, "id", weir_load_be16(p + 4));
	field_bool(f, "reserved_flag", fragment & 0x8000);
	field_bool(f, "dont_fragment", fragment & 0x4000);
	field_bool(f, "more_fragments", fragment & 0x2000);
	field_unsigned(f, "fragment_offset", (fragment & 0x1fffu) * 8);
	field_unsigned(f, "ttl", p[8]);
	field_unsigned(f, "next_protocol", p[9]);
	field_name(f, "next_protocol_name", protocol_names, p[9]);
	field_hex(f, "checksum", weir_load_be16(p + 10), 4);
	field_ip(f, "source", 4, p + 12);
	field_ip(f, "destination", 4, p + 16);
	if (header <= 20)
		return;
	uint32_t end = header < d->bytes.length ? header : (uint32_t)d->bytes.length, length;
	fields_array(f, "options");
	for (uint32_t at = 20; at < end && (length = option_length(p + at, end - at)) != 0; at += length) {
		fields_object(f, NULL);
		field_unsigned(f, "type", p[at]);
		field_name(f, "name", option_names, p[at]);
		if (length > 2)
			field_hex_bytes(f, "data", p + at + 2, length - 2);
		fields_end_object(f);
		if (p[at] == 0)
			break;
	}
	fields_end_array(f);
}

const struct dissector dissector_ipv4 = {
	.kind = WEIR_LAYER_IPV4,
	.fields = ipv4_fields,
	.text = ipv4_text,
};

static void put_verbose_ipv6(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint32_t flow = weir_load_be32(p);
	const char *next = ip_protocol_name(p[6]);

	put_char(out, '(');
	if (flow & 0x0ff00000) {
		put(out, "class ");
		put_0x(out, flow >> 20 & 0xff, 2);
		put(out, ", ");
	}
	if (flow & 0xfffff) {
		put(out, "flowlabel ");
		put_0x(out, flow & 0xfffff, 5);
		put(out, ", ");
	}
	put(out, "hlim ");
	put_unsigned(out, p[7]);
	put(out, ", next-header ");
	put(out, next ? next : "unknown");
	put(out, " (");
	put_unsigned(out, p[6]);
	put(out, ") payload length: ");
	put_unsigned(out, weir_load_be16(p + 4));
	put(out, ") ");
}

static void ipv6_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint32_t there = d->packet->length - d->layer->offset;

	put(out, "IP6 ");
	if (d->options->verbose)
		put_verbose_ipv6(d, out);
	if (d->wire_length > there) {
		put(out, "truncated-ip6 - ");
		put_unsigned(out, d->wire_length - there);
		put(out, " bytes missing!");
	}
	if (writes_own_addresses(kind_behind(d)))
		return;
	put_addresses(d, out);
	if (kind_behind(d) != WEIR_LAYER_NONE)
		return;
	if (p[6] == 59) {
		put(out, "no next header");
	} else if (d->bytes.length <= 40 && d->wire_length > 40) {
		put_cut(out, "ip6");
	} else {
		put_unknown_protocol(d, p[6], d->wire_length - 40, out);
	}
}

static void ipv6_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	uint32_t flow = weir_load_be32(p);

	field_unsigned(f, "dscp", flow >> 22 & 63);
	field_unsigned(f, "ecn", flow >> 20 & 3);
	field_hex(f, "flow_label", flow & 0xfffff, 5);
	field_unsigned(f, "payload_length", weir_load_be16(p + 4));
	field_unsigned(f, "next_header", p[6]);
	field_name(f, "next_header_name", protocol_names, p[6]);
	field_unsigned(f, "hop_limit", p[7]);
	field_ip(f, "source", 6, p + 8);
	field_ip(f, "destination", 6, p + 24);
}

const struct dissector dissector_ipv6 = {
	.kind = WEIR_LAYER_IPV6,
	.fields = ipv6_fields,
	.text = ipv6_text,
};

static const struct value_name extension_names[] = {
	{0, "HBH"}, {43, "RT"}, {60, "DSTOPT"}, {135, "mobility"}, {139, "HIP"}, {140, "shim6"}, {0, NULL},
};

/* What follows an extension header that no layer stands for. */
static void put_extension_end(const struct dissection *d, uint8_t next, uint32_t length, struct text *out)
{
	if (kind_behind(d) != WEIR_LAYER_NONE)
		return;
	if (next == 59)
		put(out, "no next header");
	else
		put_unknown_protocol(d, next, length, out);
}

static void ipv6_extension_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	const char *name = name_of(extension_names, d->layer->value);
	uint32_t length = 8u + p[1] * 8u;

	if (d->layer->value == 43 && d->bytes.length >= 4) {
		put(out, "RT6 (len=");
		put_unsigned(out, p[1]);
		put(out, ", type=");
		put_unsigned(out, p[2]);
		put(out, p[2] == 0 ? " [Deprecated]" : "");
		put(out, ", segleft=");
		put_unsigned(out, p[3]);
		put(out, ") ");
	} else {
		put_bytes(out, name ? name : "extension", strlen(name ? name : "extension"));
		put_char(out, ' ');
	}
	if (d->bytes.length < length) {
		put(out, "[|ip6]");
		return;
	}
	put_extension_end(d, p[0], d->wire_length - length, out);
}

static void ipv6_extension_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_unsigned(f, "type", d->layer->value);
	field_name(f, "name", extension_names, d->layer->value);
	field_unsigned(f, "next_header", p[0]);
	field_unsigned(f, "header_length", 8u + p[1] * 8u);
	if (d->layer->value == 43 && d->bytes.length >= 4) {
		field_unsigned(f, "routing_type", p[2]);
		field_unsigned(f, "segments_left", p[3]);
	}
}

const struct dissector dissector_ipv6_extension = {
	.kind = WEIR_LAYER_IPV6_EXTENSION,
	.fields = ipv6_extension_fields,
	.text = ipv6_extension_text,
};

static void ipv6_fragment_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint16_t field = weir_load_be16(p + 2);

	put(out, "frag (");
	if (d->options->verbose) {
		put_0x(out, weir_load_be32(p + 4), 8);
		put_char(out, ':');
	}
	put_unsigned(out, field & 0xfff8);
	put_char(out, '|');
	put_unsigned(out, d->wire_length - 8);
	put_char(out, ')');
	if (field & 0xfff8)
		return;
	put_char(out, ' ');
	put_extension_end(d, p[0], d->wire_length - 8, out);
}

static void ipv6_fragment_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	uint16_t field = weir_load_be16(p + 2);

	field_unsigned(f, "next_header", p[0]);
	field_unsigned(f, "fragment_offset", field & 0xfff8);
	field_bool(f, "more_fragments", field & 1);
	field_hex(f, "id", weir_load_be32(p + 4), 8);
}

const struct dissector dissector_ipv6_fragment = {
	.kind = WEIR_LAYER_FRAGMENT,
	.fields = ipv6_fragment_fields,
	.text = ipv6_fragment_text,
};

static void ah_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint32_t length = (p[1] + 2u) * 4u;

	put(out, "AH(spi=");
	put_0x(out, weir_load_be32(p + 4), 8);
	if (d->options->verbose) {
		put(out, ",sumlen=");
		put_unsigned(out, length > 12 ? length - 12 : 0);
	}
	put(out, ",seq=");
	put_0x(out, weir_load_be32(p + 8), 1);
	if (length > 12 && d->bytes.length >= length) {
		put(out, ",icv=0x");
		put_hex_bytes(out, p + 12, length - 12);
	}
	put(out, "): ");
	if (kind_behind(d) == WEIR_LAYER_NONE && d->bytes.length >= length)
		put_unknown_protocol(d, p[0], d->wire_length - length, out);
}

static void ah_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	uint32_t length = (p[1] + 2u) * 4u;

	field_unsigned(f, "next_header", p[0]);
	field_unsigned(f, "header_length", length);
	field_hex(f, "spi", weir_load_be32(p + 4), 8);
	field_unsigned(f, "sequence", weir_load_be32(p + 8));
	if (length > 12 && d->bytes.length >= length)
		field_hex_bytes(f, "icv", p + 12, length - 12);
}

const struct dissector dissector_ah = {
	.kind = WEIR_LAYER_AH,
	.fields = ah_fields,
	.text = ah_text,
};

static void esp_text(const struct dissection *d, struct text *out)
{
	if (kind_before(d) == WEIR_LAYER_UDP)
		put(out, "UDP-encap: ");
	if (d->bytes.length < 8) {
		put_cut(out, "esp");
		return;
	}
	put(out, "ESP(spi=");
	put_0x(out, weir_load_be32(d->bytes.data), 8);
	put(out, ",seq=");
	put_0x(out, weir_load_be32(d->bytes.data + 4), 1);
	put(out, "), length ");
	uint32_t length = d->wire_length;
	put_unsigned(out, length);
}

static void esp_fields(const struct dissection *d, struct fields *f)
{
	if (d->bytes.length < 8)
		return;
	field_hex(f, "spi", weir_load_be32(d->bytes.data), 8);
	field_unsigned(f, "sequence", weir_load_be32(d->bytes.data + 4));
}

const struct dissector dissector_esp = {
	.kind = WEIR_LAYER_ESP,
	.fields = esp_fields,
	.text = esp_text,
};
