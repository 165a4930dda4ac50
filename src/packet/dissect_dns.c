/* DNS (RFC 1035 and its followers), also multicast (RFC 6762) and over TCP. */
#include "packet/dissect_dns.h"

#define NAME_MAX_BYTES 255 /* RFC 1035, section 3.1 */
#define JUMPS_MAX 64
#define RECORDS_MAX 512    /* listed of a section: a message of 64 KiB could claim more than is of use */

static const struct value_name types[] = {
	{1, "A"},           {2, "NS"},        {3, "MD"},        {4, "MF"},      {5, "CNAME"}, {6, "SOA"},     {7, "MB"},
	{8, "MG"},          {9, "MR"},        {10, "NULL"},     {11, "WKS"},    {12, "PTR"},  {13, "HINFO"},  {14, "MINFO"},
	{15, "MX"},         {16, "TXT"},      {17, "RP"},       {18, "AFSDB"},  {19, "X25"},  {20, "ISDN"},   {21, "RT"},
	{22, "NSAP"},       {23, "NSAP_PTR"}, {24, "SIG"},      {25, "KEY"},    {26, "PX"},   {27, "GPOS"},   {28, "AAAA"},
	{29, "LOC"},        {30, "NXT"},      {31, "EID"},      {32, "NIMLOC"}, {33, "SRV"},  {34, "ATMA"},   {35, "NAPTR"},
	{36, "KX"},         {37, "CERT"},     {38, "A6"},       {39, "DNAME"},  {40, "SINK"}, {41, "OPT"},    {42, "APL"},
	{43, "DS"},         {44, "SSHFP"},    {45, "IPSECKEY"}, {46, "RRSIG"},  {47, "NSEC"}, {48, "DNSKEY"}, {50, "NSEC3"},
	{51, "NSEC3PARAM"}, {52, "TLSA"},     {64, "SVCB"},     {65, "HTTPS"},  {99, "SPF"},  {249, "TKEY"},  {250, "TSIG"},
	{251, "IXFR"},      {252, "AXFR"},    {253, "MAILB"},   {254, "MAILA"}, {255, "ANY"}, {256, "URI"},   {257, "CAA"},
	{0, NULL},
};

static const struct value_name opcodes[] = {
	{0, "query"}, {1, "iquery"}, {2, "status"}, {4, "notify"}, {5, "update"}, {6, "dso"}, {0, NULL},
};

static const char *const opcode_texts[16] = {
	"",     " inv_q",   " stat",    " op3",      " notify",  " update",   " op6",      " op7",
	" op8", " updateA", " updateD", " updateDA", " updateM", " updateMA", " zoneInit", " zoneRef",
};

static const char *const answer_texts[16] = {
	"",         " FormErr", " ServFail", " NXDomain", " NotImp", " Refused", " YXDomain", " YXRRSet",
	" NXRRSet", " NotAuth", " NotZone",  " Resp11",   " Resp12", " Resp13",  " Resp14",   " NoChange",
};

static const char *const answer_names[16] = {
	"noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", "yxdomain", "yxrrset",
	"nxrrset", "notauth", "notzone",  "11",       "12",     "13",      "14",       "15",
};

/* Where a name ends in the message, 0 when it is broken. */
static uint32_t skip_name(struct weir_bytes message, uint32_t at)
{
	while (at < message.length) {
		uint8_t n = message.data[at];
		if (n == 0)
			return at + 1;
		if ((n & 0xc0) == 0xc0)
			return at + 2 <= message.length ? at + 2 : 0;
		if (n & 0xc0)
			return 0;
		at += n + 1u;
	}
	return 0;
}

uint32_t put_dns_name(struct text *out, struct weir_bytes message, uint32_t at)
{
	uint32_t end = skip_name(message, at), written = 0;

	if (end == 0)
		return 0;
	if (message.data[at] == 0)
		put_char(out, '.');
	for (unsigned jumps = 0; at < message.length;) {
		uint8_t n = message.data[at];
		if (n == 0)
			return end;
		if ((n & 0xc0) == 0xc0) {
			if (at + 2 > message.length || ++jumps > JUMPS_MAX)
				return 0;
			uint32_t target = weir_load_be16(message.data + at) & 0x3fff;
			if (target < message.length && message.data[target] == 0 && written == 0)
				put_char(out, '.');
			at = target;
			continue;
		}
		if (n & 0xc0 || n >= message.length - at || (written += n + 1u) > NAME_MAX_BYTES)
			return 0;
		put_visible(out, message.data + at + 1, n);
		put_char(out, '.');
		at += n + 1u;
	}
	return 0;
}

struct record {
	uint32_t name, data, next; /* offsets */
	uint16_t type, class, length;
	uint32_t ttl;
};

static bool read_question(struct weir_bytes message, uint32_t at, struct record *record)
{
	uint32_t end = skip_name(message, at);
	if (end == 0 || message.length - end < 4)
		return false;
	*record = (struct record){
		.name = at,
		.next = end + 4,
		.type = weir_load_be16(message.data + end),
		.class = weir_load_be16(message.data + end + 2),
	};
	return true;
}

static bool read_record(struct weir_bytes message, uint32_t at, struct record *record)
{
	uint32_t end = skip_name(message, at);
	if (end == 0 || message.length - end < 10)
		return false;
	const uint8_t *p = message.data + end;
	*record = (struct record){
		.name = at,
		.data = end + 10,
		.type = weir_load_be16(p),
		.class = weir_load_be16(p + 2),
		.ttl = weir_load_be32(p + 4),
		.length = weir_load_be16(p + 8),
	};
	record->next = record->data + record->length;
	return record->next <= message.length;
}

static void put_type(uint16_t type, struct text *out)
{
	const char *name = name_of(types, type);
	if (name) {
		put_bytes(out, name, strlen(name));
	} else {
		put(out, "Type");
		put_unsigned(out, type);
	}
}

static void put_class(uint16_t class, struct text *out)
{
	if (class == 1)
		return;
	static const struct value_name names[] = {{2, "CSNET"},  {3, "CHAOS"}, {4, "HS"},
	                                          {254, "NONE"}, {255, "ANY"}, {0, NULL}};
	const char *name = name_of(names, class);
	put_char(out, ' ');
	if (name) {
		put_bytes(out, name, strlen(name));
	} else {
		put(out, "(Class ");
		put_unsigned(out, class);
		put_char(out, ')');
	}
}

/* False when it is cut off or broken. */
static bool put_question(struct weir_bytes message, const struct record *record, bool multicast, struct text *out)
{
	put_char(out, ' ');
	put_type(record->type, out);
	put_class(multicast ? record->class & 0x7fff : record->class, out);
	if (multicast && record->class & 0x8000)
		put(out, " (QU)");
	put(out, "? ");
	return put_dns_name(out, message, record->name) != 0;
}

static void put_strings(struct weir_bytes message, const struct record *record, struct text *out)
{
	for (uint32_t at = record->data; at < record->next;) {
		uint32_t length = message.data[at];
		if (length >= record->next - at)
			return;
		put(out, " \"");
		put_visible(out, message.data + at + 1, length);
		put_char(out, '"');
		at += length + 1;
	}
}

static bool put_answer(const struct dissection *d, struct weir_bytes message, const struct record *record,
                       bool multicast, struct text *out)
{
	const uint8_t *p = message.data + record->data;
	uint16_t class = multicast ? record->class & 0x7fff : record->class;

	if (d->options->verbose) {
		put_char(out, ' ');
		if (!put_dns_name(out, message, record->name))
			return false;
	}
	if (record->type != 41) {
		put_class(class, out);
		if (multicast && record->class & 0x8000)
			put(out, " (Cache flush)");
	}
	if (d->options->verbose && record->type != 41) {
		put(out, " [");
		put_unsigned(out, record->ttl);
		put(out, "s]");
	}
	put_char(out, ' ');
	put_type(record->type, out);
	switch (record->type) {
	case 1:
		if (record->length != 4)
			break;
		put_char(out, ' ');
		put_ipv4(out, p);
		break;
	case 28:
		if (record->length != 16)
			break;
		put_char(out, ' ');
		put_ipv6(out, p);
		break;
	case 2:
	case 5:
	case 12:
	case 39:
		put_char(out, ' ');
		return put_dns_name(out, message, record->data) != 0;
	case 15:
		put_char(out, ' ');
		if (record->length < 3 || !put_dns_name(out, message, record->data + 2))
			return false;
		put_char(out, ' ');
		put_unsigned(out, weir_load_be16(p));
		break;
	case 16:
	case 99:
		put_strings(message, record, out);
		break;
	case 33:
		put_char(out, ' ');
		if (record->length < 7 || !put_dns_name(out, message, record->data + 6))
			return false;
		put_char(out, ':');
		put_unsigned(out, weir_load_be16(p + 4));
		put_char(out, ' ');
		put_unsigned(out, weir_load_be16(p));
		put_char(out, ' ');
		put_unsigned(out, weir_load_be16(p + 2));
		break;
	case 41:
		put(out, " UDPsize=");
		put_unsigned(out, record->class);
		if (record->ttl & 0x8000)
			put(out, " DO");
		break;
	default:
		break;
	}
	return true;
}

static bool put_section(const struct dissection *d, struct weir_bytes message, uint32_t *at, uint16_t count,
                        bool multicast, struct text *out)
{
	struct record record;

	for (uint16_t i = 0; i < count; i++) {
		if (i)
			put_char(out, ',');
		if (!read_record(message, *at, &record) || !put_answer(d, message, &record, multicast, out))
			return false;
		*at = record.next;
	}
	return true;
}

static void put_count(uint16_t count, const char *letters, struct text *out)
{
	put(out, " [");
	put_unsigned(out, count);
	put_bytes(out, letters, strlen(letters));
	put_char(out, ']');
}

static bool put_response(const struct dissection *d, struct weir_bytes message, uint16_t flags, bool multicast,
                         struct text *out)
{
	const uint8_t *p = message.data;
	uint16_t questions = weir_load_be16(p + 4), answers = weir_load_be16(p + 6), authorities = weir_load_be16(p + 8),
	         additional = weir_load_be16(p + 10);
	uint32_t at = 12;
	struct record record;

	put(out, opcode_texts[flags >> 11 & 15]);
	put(out, answer_texts[flags & 15]);
	put(out, flags & 0x0400 ? "*" : "");
	put(out, flags & 0x0080 ? "" : "-");
	put(out, flags & 0x0200 ? "|" : "");
	put(out, flags & 0x0020 ? "$" : "");
	if (questions != 1)
		put_count(questions, "q", out);
	for (uint16_t i = 0; i < questions; i++) {
		if (!read_question(message, at, &record))
			return false;
		if (d->options->verbose > 1) {
			put(out, i ? "," : " q:");
			if (!put_question(message, &record, multicast, out))
				return false;
		}
		at = record.next;
	}
	put_char(out, ' ');
	put_unsigned(out, answers);
	put_char(out, '/');
	put_unsigned(out, authorities);
	put_char(out, '/');
	put_unsigned(out, additional);
	if (!put_section(d, message, &at, answers, multicast, out))
		return false;
	if (d->options->verbose <= 1)
		return true;
	put(out, authorities ? " ns:" : "");
	if (!put_section(d, message, &at, authorities, multicast, out))
		return false;
	put(out, additional ? " ar:" : "");
	return put_section(d, message, &at, additional, multicast, out);
}

static bool put_query(const struct dissection *d, struct weir_bytes message, uint16_t flags, bool multicast,
                      struct text *out)
{
	const uint8_t *p = message.data;
	uint16_t questions = weir_load_be16(p + 4), answers = weir_load_be16(p + 6), authorities = weir_load_be16(p + 8),
	         additional = weir_load_be16(p + 10);
	bool inverse = (flags >> 11 & 15) == 1;
	uint32_t at = 12;
	struct record record;

	put(out, opcode_texts[flags >> 11 & 15]);
	put(out, flags & 0x0100 ? "+" : "");
	put(out, flags & 0x0010 ? "%" : "");
	if (flags & 0x06cf) {
		put(out, " [b2&3=");
		put_0x(out, flags, 1);
		put_char(out, ']');
	}
	if (inverse) {
		if (questions)
			put_count(questions, "q", out);
		if (answers != 1)
			put_count(answers, "a", out);
	} else {
		if (answers)
			put_count(answers, "a", out);
		if (questions != 1)
			put_count(questions, "q", out);
	}
	if (authorities)
		put_count(authorities, "n", out);
	if (additional)
		put_count(additional, "au", out);
	for (uint16_t i = 0; i < questions; i++) {
		if (!read_question(message, at, &record) || !put_question(message, &record, multicast, out))
			return false;
		at = record.next;
	}
	return true;
}

/* The message: over TCP a length stands before it. */
static struct weir_bytes message_of(const struct dissection *d, uint32_t *wire)
{
	uint32_t skip = kind_before(d) == WEIR_LAYER_TCP ? 2 : 0;
	struct weir_bytes message = {d->bytes.data + skip, d->bytes.length - skip};

	*wire = d->wire_length - skip;
	if (skip && weir_load_be16(d->bytes.data) < *wire)
		*wire = weir_load_be16(d->bytes.data);
	if (*wire < message.length)
		message.length = *wire;
	return message;
}

static bool is_multicast(const struct dissection *d)
{
	return d->network->source_port == 5353 || d->network->destination_port == 5353;
}

static void dns_text(const struct dissection *d, struct text *out)
{
	uint32_t wire;
	struct weir_bytes message = message_of(d, &wire);

	if (message.length < 12) {
		put_cut(out, "domain");
		return;
	}
	uint16_t flags = weir_load_be16(message.data + 2);
	put_unsigned(out, weir_load_be16(message.data));
	if (!(flags & 0x8000 ? put_response : put_query)(d, message, flags, is_multicast(d), out)) {
		put_cut(out, "domain");
		return;
	}
	put(out, " (");
	put_unsigned(out, wire);
	put_char(out, ')');
}

/* A name without its closing dot. */
static void field_name_at(struct fields *f, const char *key, struct weir_bytes message, uint32_t at)
{
	struct text name = {0};

	if (put_dns_name(&name, message, at)) {
		size_t length = name.length > 1 ? name.length - 1 : name.length;
		field_text(f, key, name.data, length);
	}
	text_free(&name);
}

static void field_type(struct fields *f, const struct value_name *names, uint16_t type)
{
	const char *name = name_of(names, type);
	if (name)
		field_word(f, "type", name);
	else
		field_unsigned(f, "type", type);
}

static void record_data_fields(struct weir_bytes message, const struct record *record, struct fields *f)
{
	const uint8_t *p = message.data + record->data;

	switch (record->type) {
	case 1:
		if (record->length == 4) {
			field_ip(f, "address", 4, p);
			return;
		}
		break;
	case 28:
		if (record->length == 16) {
			field_ip(f, "address", 6, p);
			return;
		}
		break;
	case 2:
	case 5:
	case 12:
	case 39:
		field_name_at(f, "target", message, record->data);
		return;
	case 15:
		if (record->length > 2) {
			field_unsigned(f, "preference", weir_load_be16(p));
			field_name_at(f, "target", message, record->data + 2);
			return;
		}
		break;
	case 33:
		if (record->length > 6) {
			field_unsigned(f, "priority", weir_load_be16(p));
			field_unsigned(f, "weight", weir_load_be16(p + 2));
			field_unsigned(f, "port", weir_load_be16(p + 4));
			field_name_at(f, "target", message, record->data + 6);
			return;
		}
		break;
	case 16:
	case 99:
		fields_array(f, "text");
		for (uint32_t at = record->data; at < record->next && message.data[at] < record->next - at;
		     at += message.data[at] + 1u)
			element_text(f, message.data + at + 1, message.data[at]);
		fields_end_array(f);
		return;
	default:
		break;
	}
	field_hex_bytes(f, "data", p, record->length);
}

bool dns_question_fields(struct weir_bytes message, uint32_t *at, uint16_t count, const struct value_name *names,
                            struct fields *f)
{
	struct record record;

	fields_array(f, "questions");
	bool sound = true;
	for (uint16_t i = 0; i < count && i < RECORDS_MAX; i++) {
		sound = read_question(message, *at, &record);
		if (!sound)
			break;
		fields_object(f, NULL);
		field_name_at(f, "name", message, record.name);
		field_type(f, names, record.type);
		field_unsigned(f, "class", record.class);
		fields_end_object(f);
		*at = record.next;
	}
	fields_end_array(f);
	return sound && count <= RECORDS_MAX;
}

static bool section_fields(struct weir_bytes message, uint32_t *at, uint16_t count, const char *key, struct fields *f)
{
	struct record record;

	fields_array(f, key);
	bool sound = true;
	for (uint16_t i = 0; i < count && i < RECORDS_MAX; i++) {
		sound = read_record(message, *at, &record);
		if (!sound)
			break;
		fields_object(f, NULL);
		field_name_at(f, "name", message, record.name);
		field_type(f, types, record.type);
		field_unsigned(f, "class", record.class);
		field_unsigned(f, "ttl", record.ttl);
		record_data_fields(message, &record, f);
		fields_end_object(f);
		*at = record.next;
	}
	fields_end_array(f);
	return sound && count <= RECORDS_MAX;
}

void dns_header_fields(struct weir_bytes message, struct fields *f)
{
	uint16_t flags = weir_load_be16(message.data + 2);

	field_unsigned(f, "id", weir_load_be16(message.data));
	field_hex(f, "flags", flags, 4);
	field_bool(f, "response", flags & 0x8000);
	field_name(f, "opcode", opcodes, flags >> 11 & 15);
	field_bool(f, "authoritative", flags & 0x0400);
	field_bool(f, "truncated", flags & 0x0200);
	field_bool(f, "recursion_desired", flags & 0x0100);
	field_bool(f, "recursion_available", flags & 0x0080);
	if (flags & 0x8000)
		field_word(f, "rcode", answer_names[flags & 15]);
}

static void dns_fields(const struct dissection *d, struct fields *f)
{
	uint32_t wire, at = 12;
	struct weir_bytes message = message_of(d, &wire);

	if (message.length < 12)
		return;
	const uint8_t *p = message.data;
	dns_header_fields(message, f);
	if (dns_question_fields(message, &at, weir_load_be16(p + 4), types, f) &&
	    section_fields(message, &at, weir_load_be16(p + 6), "answers", f) &&
	    section_fields(message, &at, weir_load_be16(p + 8), "authorities", f))
		section_fields(message, &at, weir_load_be16(p + 10), "additional", f);
}

bool looks_like_dns(struct weir_bytes payload)
{
	return payload.length >= 12;
}

bool looks_like_dns_tcp(struct weir_bytes payload)
{
	return payload.length >= 14 && weir_load_be16(payload.data) >= 12;
}

const struct dissector dissector_dns = {
	.kind = WEIR_LAYER_DNS,
	.fields = dns_fields,
	.text = dns_text,
};
