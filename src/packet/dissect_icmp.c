/* ICMP (RFC 792), ICMPv6 (RFC 4443, 4861, 2710, 3810), IGMP (RFC 1112, 2236, 3376). */
#include "packet/dissect.h"

/* What an error quotes, decoded. */
struct quoted {
	struct weir_packet packet;
	struct weir_facts facts;
	bool found;
};

static const struct weir_network *quote(const struct dissection *d, struct quoted *quoted)
{
	quoted->found = d->bytes.length > 8 && dissect_quoted(d, 8, &quoted->packet, &quoted->facts);
	return quoted->found ? &quoted->facts.networks[0] : NULL;
}

static void quoted_fields(const struct dissection *d, struct fields *f)
{
	struct quoted quoted;
	if (!quote(d, &quoted))
		return;
	struct dissection inner = {
		.packet = &quoted.packet,
		.facts = &quoted.facts,
		.options = d->options,
		.depth = 1,
	};
	fields_array(f, "quoted");
	dissect_fields(&inner, f);
	fields_end_array(f);
}

static void put_quoted(const struct dissection *d, const struct quoted *quoted, struct text *out)
{
	if (!d->options->verbose || !quoted->found)
		return;
	struct dissection inner = {
		.packet = &quoted->packet,
		.facts = &quoted->facts,
		.options = d->options,
		.depth = 1,
	};
	put(out, "\n\t");
	dissect_text(&inner, 0, out);
}

static void put_destination(const struct quoted *quoted, struct text *out)
{
	const struct weir_network *network = &quoted->facts.networks[0];
	put_ip(out, network->version, quoted->packet.data + network->destination);
}

static void put_port_unreachable(const struct dissection *d, const struct quoted *quoted, struct text *out)
{
	const struct weir_network *network = &quoted->facts.networks[0];

	put_destination(quoted, out);
	if (network->protocol == 6 || network->protocol == 17) {
		put(out, network->protocol == 6 ? " tcp port " : " udp port ");
		put_port(d, network->destination_port, network->protocol == 6 ? "tcp" : "udp", out);
		put(out, " unreachable");
		return;
	}
	put(out, " protocol ");
	put_unsigned(out, network->protocol);
	put(out, " port ");
	put_unsigned(out, network->destination_port);
	put(out, " unreachable");
}

static void put_unreachable(const struct dissection *d, const struct quoted *quoted, struct text *out)
{
	static const struct {
		const char *before, *behind;
	} words[16] = {
		{"net ", " unreachable"},
		{"host ", " unreachable"},
		{"", " protocol unreachable"},
		{"", ""},
		{"", " unreachable - need to frag"},
		{"", " unreachable - source route failed"},
		{"net ", " unreachable - unknown"},
		{"host ", " unreachable - unknown"},
		{"", " unreachable - source host isolated"},
		{"net ", " unreachable - admin prohibited"},
		{"host ", " unreachable - admin prohibited"},
		{"net ", " unreachable - tos prohibited"},
		{"host ", " unreachable - tos prohibited"},
		{"host ", " unreachable - admin prohibited filter"},
		{"host ", " unreachable - host precedence violation"},
		{"host ", " unreachable - precedence cutoff"},
	};
	const uint8_t *p = d->bytes.data;

	if (!quoted->found) {
		put(out, "unreachable - #");
		put_unsigned(out, p[1]);
	} else if (p[1] == 3) {
		put_port_unreachable(d, quoted, out);
	} else if (p[1] == 2) {
		put_destination(quoted, out);
		put(out, " protocol ");
		put_unsigned(out, quoted->facts.networks[0].protocol);
		put(out, " unreachable");
	} else if (p[1] < 16) {
		put(out, words[p[1]].before);
		put_destination(quoted, out);
		put_bytes(out, words[p[1]].behind, strlen(words[p[1]].behind));
		if (p[1] == 4 && weir_load_be16(p + 6)) {
			put(out, " (mtu ");
			put_unsigned(out, weir_load_be16(p + 6));
			put_char(out, ')');
		}
	} else {
		put_destination(quoted, out);
		put(out, " unreachable - #");
		put_unsigned(out, p[1]);
	}
}

static void put_redirect(const struct dissection *d, const struct quoted *quoted, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	if (p[1] > 3 || !quoted->found) {
		put(out, "redirect-#");
		put_unsigned(out, p[1]);
		put(out, " to net ");
		put_ipv4(out, p + 4);
		return;
	}
	put(out, p[1] & 2 ? "redirect-tos " : "redirect ");
	put_destination(quoted, out);
	put(out, p[1] & 1 ? " to host " : " to net ");
	put_ipv4(out, p + 4);
}

static void put_clock(uint32_t ms, struct text *out)
{
	put_padded(out, ms / 3600000, 2);
	put_char(out, ':');
	put_padded(out, ms / 60000 % 60, 2);
	put_char(out, ':');
	put_padded(out, ms / 1000 % 60, 2);
	put_char(out, '.');
	put_padded(out, ms % 1000, 3);
}

static void put_id_and_sequence(const uint8_t *p, struct text *out)
{
	put(out, ", id ");
	put_unsigned(out, weir_load_be16(p + 4));
	put(out, ", seq ");
	put_unsigned(out, weir_load_be16(p + 6));
}

static void icmp_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	struct quoted quoted = {.found = false};

	put(out, "ICMP ");
	if (d->bytes.length < 8) {
		put(out, "[|icmp]");
		return;
	}
	switch (p[0]) {
	case 0:
	case 8:
		put(out, p[0] == 8 ? "echo request" : "echo reply");
		put_id_and_sequence(p, out);
		break;
	case 3:
		quote(d, &quoted);
		put_unreachable(d, &quoted, out);
		break;
	case 4:
		quote(d, &quoted);
		put(out, "source quench");
		break;
	case 5:
		quote(d, &quoted);
		put_redirect(d, &quoted, out);
		break;
	case 9:
		put(out, "router advertisement");
		break;
	case 10:
		put(out, "router solicitation");
		break;
	case 11:
		quote(d, &quoted);
		put(out, p[1] == 0   ? "time exceeded in-transit"
		         : p[1] == 1 ? "ip reassembly time exceeded"
		                     : "time exceeded-#");
		if (p[1] > 1)
			put_unsigned(out, p[1]);
		break;
	case 12:
		quote(d, &quoted);
		put(out, "parameter problem - ");
		put(out, p[1] ? "code " : "octet ");
		put_unsigned(out, p[1] ? p[1] : p[4]);
		break;
	case 13:
	case 14:
		put(out, p[0] == 13 ? "time stamp query id " : "time stamp reply id ");
		put_unsigned(out, weir_load_be16(p + 4));
		put(out, " seq ");
		put_unsigned(out, weir_load_be16(p + 6));
		if (p[0] == 14 && d->bytes.length >= 20) {
			put(out, ": org ");
			put_clock(weir_load_be32(p + 8), out);
			put(out, ", recv ");
			put_clock(weir_load_be32(p + 12), out);
			put(out, ", xmit ");
			put_clock(weir_load_be32(p + 16), out);
		}
		break;
	case 15:
		put(out, "information request");
		break;
	case 16:
		put(out, "information reply");
		break;
	case 17:
		put(out, "address mask request");
		break;
	case 18:
		put(out, "address mask is ");
		put_0x(out, d->bytes.length >= 12 ? weir_load_be32(p + 8) : 0, 8);
		break;
	default:
		put(out, "type-#");
		put_unsigned(out, p[0]);
	}
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
	uint16_t sum;
	if (d->options->verbose && d->bytes.length == d->wire_length && !(d->network->flags & WEIR_NETWORK_FRAGMENT) &&
	    (sum = checksum_fold(checksum_add(0, p, d->bytes.length))) != 0) {
		uint32_t stated = weir_load_be16(p + 2), right = stated + sum;
		put(out, " (wrong icmp cksum ");
		put_hex(out, stated, 1);
		put(out, " (->");
		put_hex(out, (right & 0xffff) + (right >> 16), 1);
		put(out, ")!)");
	}
	put_quoted(d, &quoted, out);
}

static void icmp_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_unsigned(f, "type", p[0]);
	if (d->bytes.length < 8)
		return;
	field_unsigned(f, "code", p[1]);
	field_hex(f, "checksum", weir_load_be16(p + 2), 4);
	if (p[0] == 0 || p[0] == 8 || (p[0] >= 13 && p[0] <= 18)) {
		field_unsigned(f, "id", weir_load_be16(p + 4));
		field_unsigned(f, "sequence", weir_load_be16(p + 6));
	} else if (p[0] == 3 && p[1] == 4) {
		field_unsigned(f, "mtu", weir_load_be16(p + 6));
	} else if (p[0] == 5) {
		field_ip(f, "gateway", 4, p + 4);
	}
	if (d->facts->flags & WEIR_FACT_QUOTED && (p[0] == 3 || p[0] == 4 || p[0] == 5 || p[0] == 11 || p[0] == 12))
		quoted_fields(d, f);
}

const struct dissector dissector_icmp = {
	.kind = WEIR_LAYER_ICMP,
	.fields = icmp_fields,
	.text = icmp_text,
};

static const struct value_name icmpv6_names[] = {
	{1, "destination unreachable"},
	{2, "packet too big"},
	{3, "time exceeded in-transit"},
	{4, "parameter problem"},
	{128, "echo request"},
	{129, "echo reply"},
	{130, "multicast listener query"},
	{131, "multicast listener report"},
	{132, "multicast listener done"},
	{133, "router solicitation"},
	{134, "router advertisement"},
	{135, "neighbor solicitation"},
	{136, "neighbor advertisement"},
	{137, "redirect"},
	{138, "router renumbering"},
	{139, "node information query"},
	{140, "node information reply"},
	{141, "inverse neighbor solicitation"},
	{142, "inverse neighbor advertisement"},
	{143, "multicast listener report v2"},
	{144, "dhaad request"},
	{145, "dhaad reply"},
	{146, "mobile router solicitation"},
	{147, "mobile router advertisement"},
	{155, "RPL"},
	{0, NULL},
};

static void put_unreachable6(const struct dissection *d, const struct quoted *quoted, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	if (!quoted->found)
		return;
	switch (p[1]) {
	case 0:
		put(out, ", unreachable route ");
		break;
	case 1:
		put(out, ", unreachable prohibited ");
		break;
	case 2:
		put(out, ", beyond scope ");
		break;
	case 3:
		put(out, ", unreachable address ");
		break;
	case 4:
		put(out, ", unreachable port, ");
		put_destination(quoted, out);
		put(out, quoted->facts.networks[0].protocol == 6 ? " tcp port " : " udp port ");
		put_port(d, quoted->facts.networks[0].destination_port, "udp", out);
		return;
	default:
		put(out, ", unknown unreach code (");
		put_unsigned(out, p[1]);
		put_char(out, ')');
		return;
	}
	put_destination(quoted, out);
}

static void put_icmpv6_body(const struct dissection *d, struct quoted *quoted, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	switch (p[0]) {
	case 1:
		quote(d, quoted);
		put_unreachable6(d, quoted, out);
		break;
	case 2:
		quote(d, quoted);
		put(out, ", mtu ");
		put_unsigned(out, weir_load_be32(p + 4));
		break;
	case 3:
		quote(d, quoted);
		if (p[1] == 0 && quoted->found) {
			put(out, " for ");
			put_destination(quoted, out);
		} else if (p[1] == 1) {
			put(out, " (reassembly)");
		}
		break;
	case 4:
		quote(d, quoted);
		put(out, p[1] == 0 ? ", erroneous - octet " : p[1] == 1 ? ", next header - octet " : ", option - octet ");
		put_unsigned(out, weir_load_be32(p + 4));
		break;
	case 128:
	case 129:
		put_id_and_sequence(p, out);
		break;
	case 130:
	case 131:
	case 132:
		if (d->bytes.length >= 24) {
			put(out, "max resp delay: ");
			put_unsigned(out, weir_load_be16(p + 4));
			put(out, " addr: ");
			put_ipv6(out, p + 8);
		}
		break;
	case 135:
	case 136:
		if (d->bytes.length >= 24) {
			put(out, p[0] == 135 ? ", who has " : ", tgt is ");
			put_ipv6(out, p + 8);
		}
		break;
	case 137:
		if (d->bytes.length >= 40) {
			put(out, ", ");
			put_ipv6(out, p + 24);
			put(out, " to ");
			put_ipv6(out, p + 8);
		}
		break;
	case 143:
		put(out, ", ");
		put_unsigned(out, weir_load_be16(p + 6));
		put(out, " group record(s)");
		break;
	default:
		break;
	}
}

static void icmpv6_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	struct quoted quoted = {.found = false};
	const char *name = name_of(icmpv6_names, p[0]);
	bool known;

	put(out, "ICMP6, ");
	if (d->options->verbose && d->bytes.length >= 8) {
		uint16_t sum = transport_checksum(d, 58, &known);
		if (known)
			put(out, sum ? "[bad icmp6 cksum] " : "[icmp6 sum ok] ");
	}
	if (name) {
		put_bytes(out, name, strlen(name));
	} else {
		put(out, "unknown icmp6 type (");
		put_unsigned(out, p[0]);
		put_char(out, ')');
	}
	if (d->bytes.length < 8) {
		put_cut(out, "icmp6");
		return;
	}
	put_icmpv6_body(d, &quoted, out);
	put(out, ", length ");
	put_unsigned(out, d->wire_length);
	put_quoted(d, &quoted, out);
}

static void icmpv6_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_unsigned(f, "type", p[0]);
	field_name(f, "type_name", icmpv6_names, p[0]);
	if (d->bytes.length < 8)
		return;
	field_unsigned(f, "code", p[1]);
	field_hex(f, "checksum", weir_load_be16(p + 2), 4);
	if (p[0] == 128 || p[0] == 129) {
		field_unsigned(f, "id", weir_load_be16(p + 4));
		field_unsigned(f, "sequence", weir_load_be16(p + 6));
	} else if (p[0] == 2) {
		field_unsigned(f, "mtu", weir_load_be32(p + 4));
	} else if (((p[0] >= 130 && p[0] <= 132) || (p[0] >= 135 && p[0] <= 137)) && d->bytes.length >= 24) {
		field_ip(f, "target", 6, p + 8);
	} else if (p[0] == 143) {
		field_unsigned(f, "records", weir_load_be16(p + 6));
	}
	if (p[0] >= 1 && p[0] <= 4)
		quoted_fields(d, f);
}

const struct dissector dissector_icmpv6 = {
	.kind = WEIR_LAYER_ICMPV6,
	.fields = icmpv6_fields,
	.text = icmpv6_text,
};

/* A response time in tenths of seconds, above 127 in floating point (RFC 3376, section 4.1.1). */
static uint32_t igmp_time(uint8_t code)
{
	return code < 128 ? code : ((code & 15u) | 16u) << ((code >> 4 & 7) + 3);
}

static void put_query(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint32_t time = d->wire_length >= 12 ? igmp_time(p[1]) : p[1];

	put(out, "igmp query");
	if (d->wire_length >= 12) {
		put(out, " v3");
		if (time != 100) {
			put(out, " [max resp time ");
			put_unsigned(out, time / 10);
			put_char(out, '.');
			put_unsigned(out, time % 10);
			put(out, "s]");
		}
		if (d->bytes.length >= 10 && p[8] & 8)
			put(out, " sflag");
		if (d->bytes.length >= 10 && p[8] & 7) {
			put(out, " robustness=");
			put_unsigned(out, p[8] & 7);
		}
		if (d->bytes.length >= 10 && p[9]) {
			put(out, " qqi=");
			put_unsigned(out, p[9]);
		}
	} else if (p[1]) {
		put(out, " v2");
		if (p[1] != 100) {
			put(out, " [max resp time ");
			put_unsigned(out, p[1]);
			put_char(out, ']');
		}
	} else {
		put(out, " v1");
	}
	if (weir_load_be32(p + 4)) {
		put(out, " [gaddr ");
		put_ipv4(out, p + 4);
		put_char(out, ']');
	}
	if (d->wire_length != 8 && d->wire_length < 12) {
		put(out, " [len ");
		put_unsigned(out, d->wire_length);
		put_char(out, ']');
	}
}

static void igmp_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;

	if (d->bytes.length < 8) {
		put(out, "igmp");
		put_cut(out, "igmp");
		return;
	}
	switch (p[0]) {
	case 0x11:
		put_query(d, out);
		return;
	case 0x12:
	case 0x16:
		put(out, p[0] == 0x12 ? "igmp v1 report " : "igmp v2 report ");
		put_ipv4(out, p + 4);
		break;
	case 0x17:
		put(out, "igmp leave ");
		put_ipv4(out, p + 4);
		break;
	case 0x22:
		put(out, "igmp v3 report, ");
		put_unsigned(out, weir_load_be16(p + 6));
		put(out, " group record(s)");
		return;
	default:
		put(out, "igmp-");
		put_unsigned(out, p[0]);
		return;
	}
	if (d->wire_length != 8) {
		put(out, " [len ");
		put_unsigned(out, d->wire_length);
		put_char(out, ']');
	}
}

static void igmp_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_hex(f, "type", p[0], 2);
	if (d->bytes.length < 8)
		return;
	field_unsigned(f, "max_response_time", igmp_time(p[1]));
	field_hex(f, "checksum", weir_load_be16(p + 2), 4);
	if (p[0] == 0x22)
		field_unsigned(f, "records", weir_load_be16(p + 6));
	else
		field_ip(f, "group", 4, p + 4);
}

const struct dissector dissector_igmp = {
	.kind = WEIR_LAYER_IGMP,
	.fields = igmp_fields,
	.text = igmp_text,
};
