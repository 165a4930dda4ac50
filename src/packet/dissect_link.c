/* Link layers: Ethernet, LLC and SNAP, VLAN, MPLS, PPP and PPPoE, Linux cooked captures, BSD loopback. */
#include "packet/dissect.h"

static const struct value_name ethertype_names[] = {
	{0x0800, "IPv4"},
	{0x86dd, "IPv6"},
	{0x0806, "ARP"},
	{0x8035, "Reverse ARP"},
	{0x8100, "802.1Q"},
	{0x88a8, "802.1Q-QinQ"},
	{0x9100, "802.1Q-9100"},
	{0x8847, "MPLS unicast"},
	{0x8848, "MPLS multicast"},
	{0x8863, "PPPoE D"},
	{0x8864, "PPPoE S"},
	{0x88cc, "LLDP"},
	{0x888e, "EAPOL"},
	{0x88e5, "MACsec"},
	{0x88f7, "PTP"},
	{0x8902, "CFM"},
	{0x8809, "Slow Protocols"},
	{0x9000, "Loopback"},
	{0x6558, "TEB"},
	{0x880b, "PPP"},
	{0x809b, "Appletalk"},
	{0x80f3, "Appletalk ARP"},
	{0x8137, "IPX"},
	{0x88a2, "AoE"},
	{0x8906, "FCoE"},
	{0x8914, "FCoE Init"},
	{0x0842, "Wake on LAN"},
	{0x0600, "NS"},
	{0x6003, "DN"},
	{0x6004, "LAT"},
	{0x88be, "ERSPAN II"},
	{0x22eb, "ERSPAN III"},
	{0x88e7, "802.1ah"},
	{0x8892, "PROFINET"},
	{0x88a4, "EtherCAT"},
	{0x88b8, "GOOSE"},
	{0x88ba, "SV"},
	{0, NULL},
};

const char *ethertype_name(uint16_t type) { return name_of(ethertype_names, type); }

static void put_ethertype(const struct dissection *d, uint16_t type, struct text *out)
{
	const char *name = ethertype_name(type);

	put(out, d->options->quiet ? "" : "ethertype ");
	put_bytes(out, name ? name : "Unknown", strlen(name ? name : "Unknown"));
	if (d->options->quiet)
		return;
	put(out, " (");
	put_0x(out, type, 4);
	put_char(out, ')');
}

/* What stands for an EtherType that nothing dissects: its name or number, and its bytes. */
static void put_rest(const struct dissection *d, uint16_t type, uint32_t header, bool described, struct text *out)
{
	const char *name = ethertype_name(type);
	uint32_t wire = d->wire_length > header ? d->wire_length - header : 0;

	if (name) {
		put_bytes(out, name, strlen(name));
		put(out, ", length ");
		put_unsigned(out, wire);
		return;
	}
	if (!described)
		put_link_header(d, out);
	if (!d->options->quiet && d->bytes.length > header)
		put_hex_dump(out, d->bytes.data + header, d->bytes.length - header, true);
}

static void put_ethernet_header(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint16_t type = weir_load_be16(p + 12);

	put_mac(out, p + 6);
	put(out, " > ");
	put_mac(out, p);
	put(out, ", ");
	if (type > 1500)
		put_ethertype(d, type, out);
	else
		put(out, "802.3");
	put(out, ", length ");
	put_unsigned(out, type > 1500 ? d->wire_length : type);
	put(out, ": ");
}

void put_link_header(const struct dissection *d, struct text *out)
{
	struct dissection at = *d;

	/* The nearest Ethernet header at or before this layer. */
	for (unsigned i = d->index + 1; i-- > 0;) {
		dissection_at(&at, i);
		if (at.layer->kind == WEIR_LAYER_ETHERNET && at.bytes.length >= 14) {
			put_ethernet_header(&at, out);
			return;
		}
	}
}

static void ethernet_text(const struct dissection *d, struct text *out)
{
	/* What VXLAN carries stands on a line of its own. */
	if (kind_before(d) == WEIR_LAYER_VXLAN)
		put_char(out, '\n');
	if (d->options->link)
		put_ethernet_header(d, out);
	if (kind_behind(d) == WEIR_LAYER_NONE && d->layer->value > 1500)
		put_rest(d, d->layer->value, 14, d->options->link, out);
}

static void ethernet_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_mac(f, "source", p + 6);
	field_mac(f, "destination", p);
	if (d->layer->value > 1500) {
		field_hex(f, "type", d->layer->value, 4);
		field_name(f, "type_name", ethertype_names, d->layer->value);
	} else {
		field_unsigned(f, "length", d->layer->value);
	}
}

const struct dissector dissector_ethernet = {
	.kind = WEIR_LAYER_ETHERNET,
	.fields = ethernet_fields,
	.text = ethernet_text,
};

static const struct value_name sap_names[] = {
	{0x00, "Null"},     {0x02, "LLC Sublayer Management"},
	{0x06, "IP"},       {0x42, "STP"},
	{0x7e, "ISO 8208"}, {0xaa, "SNAP"},
	{0xe0, "IPX"},      {0xf0, "NetBeui"},
	{0xfe, "ISO NSAP"}, {0xff, "Global"},
	{0, NULL},
};

static void llc_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	unsigned behind = kind_behind(d);

	if (behind == WEIR_LAYER_SNAP || behind == WEIR_LAYER_IPV4)
		return;
	put(out, "LLC, dsap ");
	put_0x(out, p[0], 2);
	put(out, ", ssap ");
	put_0x(out, p[1] & 0xfe, 2);
	put(out, ", ctrl ");
	put_0x(out, p[2], 2);
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
}

static void llc_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_hex(f, "dsap", p[0], 2);
	field_name(f, "dsap_name", sap_names, p[0] & 0xfe);
	field_hex(f, "ssap", p[1], 2);
	field_hex(f, "control", p[2], 2);
}

const struct dissector dissector_llc = {
	.kind = WEIR_LAYER_LLC,
	.fields = llc_fields,
	.text = llc_text,
};

static void snap_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	if (kind_behind(d) != WEIR_LAYER_NONE)
		return;
	put(out, "SNAP, oui ");
	put_0x(out, weir_load_be32(p) >> 8, 6);
	put(out, ", pid ");
	put_0x(out, d->layer->value, 4);
	put(out, ", length ");
	put_unsigned(out, d->wire_length - 5);
}

static void snap_fields(const struct dissection *d, struct fields *f)
{
	field_hex(f, "oui", weir_load_be32(d->bytes.data) >> 8, 6);
	field_hex(f, "type", d->layer->value, 4);
	field_name(f, "type_name", ethertype_names, d->layer->value);
}

const struct dissector dissector_snap = {
	.kind = WEIR_LAYER_SNAP,
	.fields = snap_fields,
	.text = snap_text,
};

static void vlan_text(const struct dissection *d, struct text *out)
{
	uint16_t tag = weir_load_be16(d->bytes.data), type = d->layer->value;

	if (d->options->link) {
		put(out, "vlan ");
		put_unsigned(out, tag & 0xfff);
		put(out, ", p ");
		put_unsigned(out, tag >> 13);
		put(out, tag & 0x1000 ? ", DEI" : "");
		put(out, ", ");
		if (type > 1500) {
			put_ethertype(d, type, out);
			put(out, ", ");
		}
	}
	if (kind_behind(d) == WEIR_LAYER_NONE && type > 1500)
		put_rest(d, type, 4, d->options->link, out);
}

static void vlan_fields(const struct dissection *d, struct fields *f)
{
	uint16_t tag = weir_load_be16(d->bytes.data);

	field_unsigned(f, "id", tag & 0xfff);
	field_unsigned(f, "priority", tag >> 13);
	field_bool(f, "dei", tag & 0x1000);
	field_hex(f, "type", d->layer->value, 4);
	field_name(f, "type_name", ethertype_names, d->layer->value);
}

const struct dissector dissector_vlan = {
	.kind = WEIR_LAYER_VLAN,
	.fields = vlan_fields,
	.text = vlan_text,
};

static void mpls_text(const struct dissection *d, struct text *out)
{
	uint32_t entry = weir_load_be32(d->bytes.data);

	put(out, kind_before(d) == WEIR_LAYER_MPLS ? d->options->verbose ? "\n\t" : " " : "MPLS ");
	put(out, "(label ");
	put_unsigned(out, entry >> 12);
	put(out, ", tc ");
	put_unsigned(out, entry >> 9 & 7);
	put(out, entry & 0x100 ? ", [S]" : "");
	put(out, ", ttl ");
	put_unsigned(out, entry & 0xff);
	put_char(out, ')');
	if (entry & 0x100 && kind_behind(d) != WEIR_LAYER_NONE)
		put(out, d->options->verbose ? "\n\t" : " ");
}

static void mpls_fields(const struct dissection *d, struct fields *f)
{
	uint32_t entry = weir_load_be32(d->bytes.data);

	field_unsigned(f, "label", entry >> 12);
	field_unsigned(f, "traffic_class", entry >> 9 & 7);
	field_bool(f, "bottom", entry & 0x100);
	field_unsigned(f, "ttl", entry & 0xff);
}

const struct dissector dissector_mpls = {
	.kind = WEIR_LAYER_MPLS,
	.fields = mpls_fields,
	.text = mpls_text,
};

static const struct value_name pppoe_codes[] = {
	{0x00, ""}, {0x09, "PADI"}, {0x07, "PADO"}, {0x19, "PADR"}, {0x65, "PADS"}, {0xa7, "PADT"}, {0, NULL},
};

static const struct value_name pppoe_tags[] = {
	{0x0000, "EOL"},
	{0x0101, "Service-Name"},
	{0x0102, "AC-Name"},
	{0x0103, "Host-Uniq"},
	{0x0104, "AC-Cookie"},
	{0x0105, "Vendor-Specific"},
	{0x0110, "Relay-Session-ID"},
	{0x0120, "PPP-Max-Payload"},
	{0x0201, "Service-Name-Error"},
	{0x0202, "AC-System-Error"},
	{0x0203, "Generic-Error"},
	{0, NULL},
};

static bool is_printable(const uint8_t *p, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		if (p[i] < 0x20 || p[i] > 0x7e)
			return false;
	return true;
}

static void put_pppoe_tags(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint32_t end = 6u + weir_load_be16(p + 4);

	if (end > d->bytes.length)
		end = (uint32_t)d->bytes.length;
	for (uint32_t at = 6; at + 4 <= end;) {
		uint16_t tag = weir_load_be16(p + at);
		uint32_t length = weir_load_be16(p + at + 2);
		const char *name = name_of(pppoe_tags, tag);
		at += 4;
		if (length > end - at)
			break;
		put(out, " [");
		if (name)
			put_bytes(out, name, strlen(name));
		else
			put_0x(out, tag, 4);
		if (length && is_printable(p + at, length)) {
			put(out, " \"");
			put_bytes(out, p + at, length);
			put_char(out, '"');
		} else if (length) {
			put(out, " 0x");
			put_hex_bytes(out, p + at, length);
		}
		put_char(out, ']');
		at += length;
	}
}

static void pppoe_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	const char *code = name_of(pppoe_codes, p[1]);

	put(out, "PPPoE ");
	if (code) {
		put_bytes(out, code, strlen(code));
	} else {
		put(out, "PAD-");
		put_hex(out, p[1], 1);
	}
	if (weir_load_be16(p + 2)) {
		put(out, " [ses ");
		put_0x(out, weir_load_be16(p + 2), 1);
		put_char(out, ']');
	}
	if (p[1])
		put_pppoe_tags(d, out);
	else
		put_char(out, ' ');
}

static void pppoe_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_hex(f, "code", p[1], 2);
	if (p[1])
		field_name(f, "code_name", pppoe_codes, p[1]);
	field_hex(f, "session", weir_load_be16(p + 2), 4);
	field_unsigned(f, "length", weir_load_be16(p + 4));
}

const struct dissector dissector_pppoe = {
	.kind = WEIR_LAYER_PPPOE,
	.fields = pppoe_fields,
	.text = pppoe_text,
};

static const struct value_name ppp_names[] = {
	{0x0021, "IP"},        {0x0057, "IP6"},  {0x0281, "MPLS"}, {0x8021, "IPCP"},  {0x8057, "IP6CP"},
	{0xc021, "LCP"},       {0xc023, "PAP"},  {0xc223, "CHAP"}, {0x80fd, "CCP"},   {0x00fd, "Compressed"},
	{0x003d, "Multilink"}, {0x0800, "IPv4"}, {0x86dd, "IPv6"}, {0x8035, "SLARP"}, {0, NULL},
};

static void ppp_text(const struct dissection *d, struct text *out)
{
	const char *name = name_of(ppp_names, d->layer->value);

	if (kind_before(d) == WEIR_LAYER_L2TP)
		put_char(out, ' ');
	if (kind_behind(d) != WEIR_LAYER_NONE) {
		if (!d->options->link)
			return;
		put(out, "PPP, ");
		if (name) {
			put_bytes(out, name, strlen(name));
			put_char(out, ' ');
		}
		put(out, "(");
		put_0x(out, d->layer->value, 4);
		put(out, "), length ");
		put_unsigned(out, d->wire_length);
		put(out, ": ");
		return;
	}
	put_bytes(out, name ? name : "unknown PPP protocol", strlen(name ? name : "unknown PPP protocol"));
	put(out, " (");
	put_0x(out, d->layer->value, 4);
	put(out, "), length ");
	put_unsigned(out, d->wire_length);
}

static void ppp_fields(const struct dissection *d, struct fields *f)
{
	field_hex(f, "type", d->layer->value, 4);
	field_name(f, "type_name", ppp_names, d->layer->value);
}

const struct dissector dissector_ppp = {
	.kind = WEIR_LAYER_PPP,
	.fields = ppp_fields,
	.text = ppp_text,
};

static const struct value_name cooked_kinds[] = {
	{0, "In"}, {1, "B"}, {2, "M"}, {3, "P"}, {4, "Out"}, {0, NULL},
};

static void put_cooked_rest(const struct dissection *d, uint16_t type, uint32_t header, struct text *out)
{
	if (kind_behind(d) != WEIR_LAYER_NONE)
		return;
	if (d->options->link || type <= 1500) {
		put(out, "cooked type ");
		put_0x(out, type, 4);
		put(out, ", length ");
		put_unsigned(out, d->wire_length - header);
	} else {
		put_rest(d, type, header, true, out);
	}
}

static void put_cooked_address(const uint8_t *address, uint16_t length, struct text *out)
{
	if (length == 6)
		put_mac(out, address);
	else
		put_hex_bytes(out, address, length < 8 ? length : 8);
}

static void put_cooked_type(const struct dissection *d, uint16_t type, struct text *out)
{
	put(out, " ");
	put_ethertype(d, type, out);
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
	put(out, ": ");
}

static void sll_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	if (d->options->link) {
		const char *kind = name_of(cooked_kinds, weir_load_be16(p));
		put(out, kind && strlen(kind) == 3 ? "" : kind && strlen(kind) == 2 ? " " : "  ");
		put_bytes(out, kind ? kind : "?", strlen(kind ? kind : "?"));
		put_char(out, ' ');
		put_cooked_address(p + 6, weir_load_be16(p + 4), out);
		put_cooked_type(d, d->layer->value, out);
	}
	put_cooked_rest(d, d->layer->value, 16, out);
}

static void sll_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;
	uint16_t length = weir_load_be16(p + 4);

	field_unsigned(f, "packet_type", weir_load_be16(p));
	field_unsigned(f, "hardware_type", weir_load_be16(p + 2));
	if (length == 6)
		field_mac(f, "source", p + 6);
	else
		field_hex_bytes(f, "address", p + 6, length < 8 ? length : 8);
	field_hex(f, "type", d->layer->value, 4);
	field_name(f, "type_name", ethertype_names, d->layer->value);
}

const struct dissector dissector_sll = {
	.kind = WEIR_LAYER_SLL,
	.fields = sll_fields,
	.text = sll_text,
};

static void sll2_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	const char *kind = name_of(cooked_kinds, p[10]);

	put(out, "ifindex ");
	put_unsigned(out, weir_load_be32(p + 4));
	put_char(out, ' ');
	put_bytes(out, kind ? kind : "?", strlen(kind ? kind : "?"));
	put(out, kind && strlen(kind) == 3 ? " " : kind && strlen(kind) == 2 ? "  " : "   ");
	if (d->options->link) {
		put_cooked_address(p + 12, p[11], out);
		put_cooked_type(d, d->layer->value, out);
	}
	put_cooked_rest(d, d->layer->value, 20, out);
}

static void sll2_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_unsigned(f, "interface_index", weir_load_be32(p + 4));
	field_unsigned(f, "packet_type", p[10]);
	field_unsigned(f, "hardware_type", weir_load_be16(p + 8));
	if (p[11] == 6)
		field_mac(f, "source", p + 12);
	else
		field_hex_bytes(f, "address", p + 12, p[11] < 8 ? p[11] : 8);
	field_hex(f, "type", d->layer->value, 4);
	field_name(f, "type_name", ethertype_names, d->layer->value);
}

const struct dissector dissector_sll2 = {
	.kind = WEIR_LAYER_SLL2,
	.fields = sll2_fields,
	.text = sll2_text,
};

static void null_text(const struct dissection *d, struct text *out)
{
	if (d->options->link || kind_behind(d) == WEIR_LAYER_NONE) {
		put(out, "AF ");
		put_unsigned(out, d->layer->value);
		put(out, ", length ");
		put_unsigned(out, d->wire_length);
		put(out, ": ");
	}
}

static void null_fields(const struct dissection *d, struct fields *f)
{
	field_unsigned(f, "family", d->layer->value);
}

const struct dissector dissector_null = {
	.kind = WEIR_LAYER_NULL,
	.fields = null_fields,
	.text = null_text,
};

static void fddi_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	if (!d->options->link && kind_behind(d) != WEIR_LAYER_NONE)
		return;
	put(out, "FDDI fc ");
	put_0x(out, p[0], 2);
	put_char(out, ' ');
	put_mac(out, p + 7);
	put(out, " > ");
	put_mac(out, p + 1);
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
	put(out, ": ");
}

static void fddi_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_hex(f, "frame_control", p[0], 2);
	field_mac(f, "source", p + 7);
	field_mac(f, "destination", p + 1);
}

const struct dissector dissector_fddi = {
	.kind = WEIR_LAYER_FDDI,
	.fields = fddi_fields,
	.text = fddi_text,
};

static void family_text(const struct dissection *d, struct text *out)
{
	if (!d->options->link && kind_behind(d) != WEIR_LAYER_NONE)
		return;
	put_bytes(out, weir_layer_name(d->layer->kind), strlen(weir_layer_name(d->layer->kind)));
	put(out, " family ");
	put_unsigned(out, d->layer->value);
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
	put(out, ": ");
}

const struct dissector dissector_nflog = {
	.kind = WEIR_LAYER_NFLOG,
	.fields = null_fields,
	.text = family_text,
};

const struct dissector dissector_ipnet = {
	.kind = WEIR_LAYER_IPNET,
	.fields = null_fields,
	.text = family_text,
};
