/* TCP (RFC 9293) and its options. */
#include "packet/dissect.h"
#include "packet/sequences.h"

enum {
	FIN = 1,
	SYN = 2,
	RST = 4,
	PSH = 8,
	ACK = 16,
	URG = 32,
};

enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_WINDOW_SCALE = 3,
	OPTION_SACK_PERMITTED = 4,
	OPTION_SACK = 5,
	OPTION_TIMESTAMP = 8,
	OPTION_MD5 = 19,
	OPTION_USER_TIMEOUT = 28,
	OPTION_AUTHENTICATION = 29,
	OPTION_MULTIPATH = 30,
	OPTION_FAST_OPEN = 34,
};

static const struct value_name option_names[] = {
	{OPTION_END, "eol"},
	{OPTION_NOP, "nop"},
	{OPTION_MSS, "mss"},
	{OPTION_WINDOW_SCALE, "wscale"},
	{OPTION_SACK_PERMITTED, "sackOK"},
	{OPTION_SACK, "sack"},
	{6, "echo"},
	{7, "echoreply"},
	{OPTION_TIMESTAMP, "TS"},
	{11, "cc"},
	{12, "ccnew"},
	{13, "ccecho"},
	{OPTION_MD5, "md5"},
	{20, "scps"},
	{OPTION_USER_TIMEOUT, "uto"},
	{OPTION_AUTHENTICATION, "tcp-ao"},
	{OPTION_MULTIPATH, "mptcp"},
	{OPTION_FAST_OPEN, "tfo"},
	{254, "exp"},
	{0, NULL},
};

static const char *flag_name(unsigned bit)
{
	static const char *const names[9] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae"};
	return names[bit];
}

/* One option at p of the `left` bytes: its length, 0 when it is broken. */
static uint32_t option_length(const uint8_t *p, uint32_t left)
{
	if (p[0] == OPTION_END || p[0] == OPTION_NOP)
		return 1;
	return left < 2 || p[1] < 2 || p[1] > left ? 0 : p[1];
}

/* What tcpdump takes an option's data to be: SACK blocks and cookies are as long as they say, others have one length. */
static uint32_t expected_length(const uint8_t *p, uint32_t length)
{
	switch (p[0]) {
	case OPTION_END:
	case OPTION_NOP:
		return 1;
	case OPTION_SACK_PERMITTED:
		return 2;
	case OPTION_MSS:
	case OPTION_USER_TIMEOUT:
		return 4;
	case OPTION_WINDOW_SCALE:
		return 3;
	case OPTION_TIMESTAMP:
		return 10;
	case 6:
	case 7:
	case 11:
	case 12:
	case 13:
		return 6;
	default:
		return length;
	}
}

static void put_sack(const uint8_t *data, uint32_t length, uint32_t base, struct text *out)
{
	if (length % 8) {
		put(out, " invalid sack");
		return;
	}
	put_char(out, ' ');
	put_unsigned(out, length / 8);
	put_char(out, ' ');
	for (uint32_t i = 0; i < length; i += 8) {
		put_char(out, '{');
		put_unsigned(out, weir_load_be32(data + i) - base);
		put_char(out, ':');
		put_unsigned(out, weir_load_be32(data + i + 4) - base);
		put_char(out, '}');
	}
}

static void put_option(const uint8_t *p, uint32_t length, uint32_t base, struct text *out)
{
	const char *name = name_of(option_names, p[0]);
	if (name) {
		put_bytes(out, name, strlen(name));
	} else {
		put(out, "unknown-");
		put_unsigned(out, p[0]);
	}
	uint32_t expected = expected_length(p, length);
	if (length < expected)
		return;
	switch (p[0]) {
	case OPTION_END:
	case OPTION_NOP:
	case OPTION_SACK_PERMITTED:
		break;
	case OPTION_MSS:
		put_char(out, ' ');
		put_unsigned(out, weir_load_be16(p + 2));
		break;
	case OPTION_WINDOW_SCALE:
		put_char(out, ' ');
		put_unsigned(out, p[2]);
		break;
	case OPTION_SACK:
		put_sack(p + 2, length - 2, base, out);
		break;
	case OPTION_TIMESTAMP:
		put(out, " val ");
		put_unsigned(out, weir_load_be32(p + 2));
		put(out, " ecr ");
		put_unsigned(out, weir_load_be32(p + 6));
		break;
	case 6:
	case 7:
	case 11:
	case 12:
	case 13:
		put_char(out, ' ');
		put_unsigned(out, weir_load_be32(p + 2));
		break;
	case OPTION_USER_TIMEOUT:
		put_char(out, ' ');
		put_0x(out, weir_load_be16(p + 2), 1);
		break;
	case OPTION_FAST_OPEN:
		put(out, length == 2 ? " cookiereq" : "  cookie ");
		put_hex_bytes(out, p + 2, length - 2);
		break;
	default:
		if (length > 2) {
			put(out, " 0x");
			put_hex_bytes(out, p + 2, length - 2);
		}
	}
	if (length != expected) {
		put(out, "[len ");
		put_unsigned(out, length);
		put_char(out, ']');
	}
}

/* False when they are broken or cut. */
static bool put_options(const struct dissection *d, uint32_t header, uint32_t base, struct text *out)
{
	uint32_t end = header < d->bytes.length ? header : (uint32_t)d->bytes.length;

	put(out, ", options [");
	for (uint32_t at = 20; at < end;) {
		const uint8_t *p = d->bytes.data + at;
		uint32_t length = option_length(p, end - at);
		if (at > 20)
			put_char(out, ',');
		if (length == 0) {
			if (end < header)
				break;
			const char *name = name_of(option_names, p[0]);
			if (name) {
				put_bytes(out, name, strlen(name));
			} else {
				put(out, "unknown-");
				put_unsigned(out, p[0]);
			}
			put(out, "[|tcp]");
			put(out, "]");
			return true;
		}
		put_option(p, length, base, out);
		at += length;
		if (p[0] == OPTION_END)
			break;
	}
	if (end < header) {
		put(out, "[|tcp]");
		return false;
	}
	put_char(out, ']');
	return true;
}

static void put_flags(unsigned flags, struct text *out)
{
	static const char letters[8] = {'F', 'S', 'R', 'P', '.', 'U', 'E', 'W'};
	char word[16];
	unsigned n = 0;

	memcpy(word, "Flags [", 7);
	n = 7;
	for (unsigned bit = 0; bit < 8; bit++)
		if (flags & 1u << bit)
			word[n++] = letters[bit];
	/* tcpdump has the acknowledgment's dot last but for E and W: the order of the bits. */
	put_bytes(out, word, n);
	put(out, (flags & 0xff) ? "]" : "none]");
}

static bool is_http_port(uint16_t port) { return port == 80 || port == 8080 || port == 3128; }

static void put_checksum(const struct dissection *d, struct text *out)
{
	bool known;
	uint16_t rest = transport_checksum(d, 6, &known);
	if (!known)
		return;
	uint16_t stated = weir_load_be16(d->bytes.data + 16);
	put(out, ", cksum ");
	put_0x(out, stated, 4);
	if (rest == 0) {
		put(out, " (correct)");
		return;
	}
	uint32_t right = (uint32_t)stated + rest;
	put(out, " (incorrect -> ");
	put_0x(out, (right & 0xffff) + (right >> 16), 4);
	put_char(out, ')');
}

static bool is_reversed(const struct dissection *d)
{
	const struct weir_network *network = d->network;
	if (network->source_port != network->destination_port)
		return network->source_port > network->destination_port;
	return memcmp(d->packet->data + network->source, d->packet->data + network->destination,
	              network->version == 4 ? 4 : 16) > 0;
}

static void tcp_text(const struct dissection *d, struct text *out)
{
	const uint8_t *p = d->bytes.data;
	uint32_t wire = d->wire_length;

	put_endpoints(d, "tcp", out);
	if (d->bytes.length < 20) {
		put_cut(out, "tcp");
		return;
	}
	uint32_t header = (uint32_t)(p[12] >> 4) * 4;
	if (header < 20) {
		put(out, " tcp ");
		put_unsigned(out, wire - header);
		put(out, " [bad hdr length ");
		put_unsigned(out, header);
		put(out, " - too short, < 20]");
		return;
	}
	uint32_t sequence = weir_load_be32(p + 4), acknowledgment = weir_load_be32(p + 8), bases[2] = {0, 0};
	unsigned flags = p[13];
	bool reversed = false;
	if (d->options->quiet) {
		put(out, "tcp ");
		put_unsigned(out, wire - header);
		return;
	}
	put_flags(flags, out);
	if (flags & ACK && d->sequences && !d->options->absolute && d->depth == 0) {
		reversed = is_reversed(d);
		sequences_relate(d->sequences, d->facts->flow_hash, reversed, flags & SYN, &sequence, &acknowledgment, bases);
	}
	if (header > wire) {
		put(out, " [bad hdr length ");
		put_unsigned(out, header);
		put(out, " - too long, > ");
		put_unsigned(out, wire);
		put(out, "] (invalid)");
		return;
	}
	if (d->options->verbose)
		put_checksum(d, out);
	uint32_t length = wire - header;
	if (length || d->options->verbose > 1 || flags & (SYN | FIN | RST)) {
		put(out, ", seq ");
		put_unsigned(out, sequence);
		if (length) {
			put_char(out, ':');
			put_unsigned(out, sequence + length);
		}
	}
	if (flags & ACK) {
		put(out, ", ack ");
		put_unsigned(out, acknowledgment);
	}
	put(out, ", win ");
	put_unsigned(out, weir_load_be16(p + 14));
	if (flags & URG) {
		put(out, ", urg ");
		put_unsigned(out, weir_load_be16(p + 18));
	}
	/* What is acknowledged selectively counts from the other side's beginning. */
	if (header > 20 && !put_options(d, header, reversed ? bases[0] : bases[1], out))
		return;
	put(out, ", length ");
	put_unsigned(out, length);
	if (length && kind_behind(d) == WEIR_LAYER_NONE && d->network &&
	    (is_http_port(d->network->source_port) || is_http_port(d->network->destination_port)))
		put(out, ": HTTP");
}

static void option_fields(const uint8_t *p, uint32_t length, struct fields *f)
{
	fields_object(f, NULL);
	field_unsigned(f, "kind", p[0]);
	field_name(f, "name", option_names, p[0]);
	if (p[0] == OPTION_MSS && length == 4) {
		field_unsigned(f, "value", weir_load_be16(p + 2));
	} else if (p[0] == OPTION_WINDOW_SCALE && length == 3) {
		field_unsigned(f, "value", p[2]);
	} else if (p[0] == OPTION_TIMESTAMP && length == 10) {
		field_unsigned(f, "value", weir_load_be32(p + 2));
		field_unsigned(f, "echo_reply", weir_load_be32(p + 6));
	} else if (p[0] == OPTION_SACK && length % 8 == 2) {
		fields_array(f, "blocks");
		for (uint32_t i = 2; i < length; i += 4)
			element_unsigned(f, weir_load_be32(p + i));
		fields_end_array(f);
	} else if (length > 2) {
		field_hex_bytes(f, "data", p + 2, length - 2);
	}
	fields_end_object(f);
}

static void tcp_fields(const struct dissection *d, struct fields *f)
{
	const uint8_t *p = d->bytes.data;

	field_unsigned(f, "source_port", d->network->source_port);
	field_unsigned(f, "destination_port", d->network->destination_port);
	if (d->bytes.length < 20)
		return;
	uint32_t header = (uint32_t)(p[12] >> 4) * 4;
	unsigned flags = weir_load_be16(p + 12) & 0x1ff;
	field_unsigned(f, "sequence", weir_load_be32(p + 4));
	field_unsigned(f, "acknowledgment", weir_load_be32(p + 8));
	field_unsigned(f, "header_length", header);
	field_hex(f, "flags", flags, 3);
	fields_array(f, "flag_names");
	for (unsigned bit = 0; bit < 9; bit++)
		if (flags & 1u << bit)
			element_word(f, flag_name(bit));
	fields_end_array(f);
	field_unsigned(f, "window", weir_load_be16(p + 14));
	field_hex(f, "checksum", weir_load_be16(p + 16), 4);
	field_unsigned(f, "urgent_pointer", weir_load_be16(p + 18));
	if (header > 20) {
		uint32_t end = header < d->bytes.length ? header : (uint32_t)d->bytes.length, length;
		fields_array(f, "options");
		for (uint32_t at = 20; at < end && (length = option_length(p + at, end - at)) != 0; at += length) {
			option_fields(p + at, length, f);
			if (p[at] == OPTION_END)
				break;
		}
		fields_end_array(f);
	}
	if (header >= 20 && d->wire_length >= header)
		field_unsigned(f, "payload_length", d->wire_length - header);
}

const struct dissector dissector_tcp = {
	.kind = WEIR_LAYER_TCP,
	.fields = tcp_fields,
	.text = tcp_text,
};
