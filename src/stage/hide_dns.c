/*
 * Hiding in DNS (RFC 1035), mDNS (RFC 6762), LLMNR (RFC 4795): in place, so that compressed names go on pointing at what they pointed at. What of a message
 * is not understood is zeroed, and what is not whole is cut off.
 */
#include "stage/hide.h"

#define HEADER 12
#define POINTERS_MAX 64

struct message {
	struct hide_context *context;
	const uint8_t *in;
	uint8_t *out;
	uint32_t length;
};

/*
 * The name at *at, hidden where it stands; *at is moved behind it. Of labels that a pointer leads to only the text counts: they are hidden where they stand. False:
 * it is none, or not whole within [*at, end).
 */
static bool take_name(struct message *m, uint32_t *at, uint32_t end)
{
	struct hide_label labels[HIDE_LABELS_MAX];
	uint32_t position = *at, behind = 0, limit = end;
	size_t count = 0;

	for (unsigned pointers = 0;;) {
		if (position >= limit)
			return false;
		uint8_t length = m->in[position];
		if (length == 0)
			break;
		if (length >> 6 == 3) {
			if (limit - position < 2 || ++pointers > POINTERS_MAX)
				return false;
			uint32_t target = weir_load_be16(m->in + position) & 0x3fff;
			if (!behind)
				behind = position + 2;
			if (target >= position || target < HEADER) /* backwards only: that ends */
				return false;
			limit = position;
			position = target;
			continue;
		}
		if (length >> 6 || length >= limit - position || count == HIDE_LABELS_MAX)
			return false;
		labels[count++] = (struct hide_label){m->in + position + 1, behind ? NULL : m->out + position + 1, length};
		position += 1u + length;
	}
	hide_labels(m->context, labels, count);
	*at = behind ? behind : position + 1;
	return true;
}

uint32_t hide_encoded_name(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	struct hide_label labels[HIDE_LABELS_MAX];
	uint32_t at = 0;
	size_t count = 0;

	for (;;) {
		if (at >= length || in[at] > 63 || in[at] >= length - at || count == HIDE_LABELS_MAX)
			return 0;
		if (in[at] == 0)
			break;
		labels[count++] = (struct hide_label){in + at + 1, out + at + 1, in[at]};
		at += 1u + in[at];
	}
	hide_labels(context, labels, count);
	return at + 1;
}

/* ---- what records hold ---- */

static void zero(struct message *m, uint32_t from, uint32_t to)
{
	if (from < to)
		memset(m->out + from, 0, to - from);
}

/* Names one after the other, behind `skip` bytes, and then `rest` bytes that are kept; what else there is is zeroed. */
static void names(struct message *m, uint32_t at, uint32_t end, uint32_t skip, unsigned count, uint32_t rest)
{
	if (end - at < skip) {
		zero(m, at, end);
		return;
	}
	at += skip;
	for (; count && take_name(m, &at, end); count--)
		;
	if (count)
		zero(m, at, end);
	else if (rest < end - at)
		zero(m, at + rest, end);
}

static void record_a(struct message *m, uint32_t at, uint32_t end)
{
	if (end - at == 4)
		hide_ipv4(m->context, m->out + at);
	else
		zero(m, at, end);
}

static void record_aaaa(struct message *m, uint32_t at, uint32_t end)
{
	if (end - at == 16)
		hide_ipv6(m->context, m->out + at);
	else
		zero(m, at, end);
}

static void record_name(struct message *m, uint32_t at, uint32_t end) { names(m, at, end, 0, 1, 0); }
static void record_two_names(struct message *m, uint32_t at, uint32_t end) { names(m, at, end, 0, 2, 0); }
static void record_soa(struct message *m, uint32_t at, uint32_t end) { names(m, at, end, 0, 2, 20); }
static void record_mx(struct message *m, uint32_t at, uint32_t end) { names(m, at, end, 2, 1, 0); }

/* From when until when it holds (RFC 4034, section 3.1) is in seconds since 1970, close to when it was captured. */
static void record_rrsig(struct message *m, uint32_t at, uint32_t end)
{
	if (m->context->hider->time_changes && end - at >= 16)
		zero(m, at + 8, at + 16);
	names(m, at, end, 18, 1, 0);
}

/* The next name, and which types there are: blocks of a number, a length of 1 to 32, and as many bytes (RFC 4034, section 4.1.2). */
static void record_nsec(struct message *m, uint32_t at, uint32_t end)
{
	if (!take_name(m, &at, end)) {
		zero(m, at, end);
		return;
	}
	while (end - at >= 3) {
		uint32_t length = m->in[at + 1];
		if (length == 0 || length > 32 || length > end - at - 2)
			break;
		at += 2 + length;
	}
	zero(m, at, end);
}

static void record_srv(struct message *m, uint32_t at, uint32_t end)
{
	if (end - at >= 6)
		weir_store_be16(m->out + at + 4, hide_port(m->context->hider, weir_load_be16(m->in + at + 4)));
	names(m, at, end, 6, 1, 0);
}

/* Strings (TXT, HINFO, SPF): their lengths stay. They may say anything. */
static void record_text(struct message *m, uint32_t at, uint32_t end)
{
	while (at < end) {
		uint32_t length = m->in[at];
		if (length >= end - at)
			break;
		memset(m->out + at + 1, 'x', length);
		at += 1 + length;
	}
	zero(m, at, end);
}

/* Hashes and keys of names and zones: what is fixed stays, the hash goes. */
static void record_digest(struct message *m, uint32_t at, uint32_t end) { zero(m, at + 4 < end ? at + 4 : at, end); }

/* A certification authority's property (RFC 8659): flags, tag, value. */
static void record_caa(struct message *m, uint32_t at, uint32_t end)
{
	uint32_t tag = end - at >= 2 ? 2u + m->in[at + 1] : UINT32_MAX;

	if (tag > end - at)
		zero(m, at, end);
	else
		memset(m->out + at + tag, 'x', end - at - tag);
}

/* RFC 9460: priority, name, parameters in order of their keys. */
static void record_svcb(struct message *m, uint32_t at, uint32_t end)
{
	enum { MANDATORY = 0, ALPN = 1, NO_DEFAULT_ALPN = 2, PORT = 3, IPV4_HINT = 4, IPV6_HINT = 6 };

	if (end - at < 2) {
		zero(m, at, end);
		return;
	}
	at += 2;
	if (!take_name(m, &at, end)) {
		zero(m, at, end);
		return;
	}
	while (end - at >= 4) {
		uint32_t key = weir_load_be16(m->in + at), length = weir_load_be16(m->in + at + 2);
		if (length > end - at - 4)
			break;
		at += 4;
		if (key == IPV4_HINT && length % 4 == 0) {
			for (uint32_t i = 0; i < length; i += 4)
				hide_ipv4(m->context, m->out + at + i);
		} else if (key == IPV6_HINT && length % 16 == 0) {
			for (uint32_t i = 0; i < length; i += 16)
				hide_ipv6(m->context, m->out + at + i);
		} else if (key == PORT && length == 2) {
			weir_store_be16(m->out + at, hide_port(m->context->hider, weir_load_be16(m->in + at)));
		} else if (key != MANDATORY && key != ALPN && key != NO_DEFAULT_ALPN) {
			zero(m, at, at + length);
		}
		at += length;
	}
	zero(m, at, end);
}

/* RFC 7871: whose question it is. Only as many bytes of the address are there as its prefix has. */
static void client_subnet(struct message *m, uint32_t at, uint32_t length)
{
	uint8_t address[16] = {0};
	uint32_t family = length >= 4 ? weir_load_be16(m->in + at) : 0, most = family == 1 ? 4 : 16;

	if ((family != 1 && family != 2) || length - 4 > most) {
		zero(m, at, at + length);
		return;
	}
	memcpy(address, m->in + at + 4, length - 4);
	hide_prefix(m->context, address, most, m->in[at + 2]);
	memcpy(m->out + at + 4, address, length - 4);
}

/* RFC 6891: options; but for the subnet none that has to be known is there. */
static void record_opt(struct message *m, uint32_t at, uint32_t end)
{
	while (end - at >= 4) {
		uint32_t code = weir_load_be16(m->in + at), length = weir_load_be16(m->in + at + 2);
		if (length > end - at - 4)
			break;
		at += 4;
		if (code == 8)
			client_subnet(m, at, length);
		else
			zero(m, at, at + length);
		at += length;
	}
	zero(m, at, end);
}

static const struct {
	uint16_t type;
	void (*hide)(struct message *m, uint32_t at, uint32_t end);
} records[] = {
	{1, record_a},       {28, record_aaaa},   {2, record_name},       {3, record_name},       {4, record_name},
	{5, record_name},    {7, record_name},    {8, record_name},       {9, record_name},       {12, record_name},
	{39, record_name},   {6, record_soa},     {14, record_two_names}, {17, record_two_names}, {15, record_mx},
	{18, record_mx},     {21, record_mx},     {36, record_mx},        {33, record_srv},       {13, record_text},
	{16, record_text},   {99, record_text},   {41, record_opt},       {46, record_rrsig},     {47, record_nsec},
	{43, record_digest}, {48, record_digest}, {59, record_digest},    {60, record_digest},    {257, record_caa},
	{64, record_svcb},   {65, record_svcb},
};

static void record_data(struct message *m, uint16_t type, uint32_t at, uint32_t end)
{
	for (size_t i = 0; i < sizeof records / sizeof *records; i++)
		if (records[i].type == type) {
			records[i].hide(m, at, end);
			return;
		}
	zero(m, at, end);
}

/* ---- the message ---- */

/* The end of the last record that is whole. */
static uint32_t sections(struct message *m)
{
	uint32_t questions = weir_load_be16(m->in + 4), at = HEADER, done = HEADER;
	uint32_t answers = (uint32_t)weir_load_be16(m->in + 6) + weir_load_be16(m->in + 8) + weir_load_be16(m->in + 10);

	for (; questions; questions--) {
		if (!take_name(m, &at, m->length) || m->length - at < 4)
			return done;
		done = at += 4;
	}
	for (; answers; answers--) {
		if (!take_name(m, &at, m->length) || m->length - at < 10)
			return done;
		uint16_t type = weir_load_be16(m->in + at);
		uint32_t length = weir_load_be16(m->in + at + 8);
		at += 10;
		if (length > m->length - at)
			return done;
		record_data(m, type, at, at + length);
		done = at += length;
	}
	return done;
}

uint32_t hide_dns(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	struct message message = {context, in, out, length};
	uint32_t kept = length < HEADER ? 0 : sections(&message);

	/* Without one question or record that is sound it may be anything; a header alone is one that counts none (an error's answer). */
	bool bare = length == HEADER && weir_load_be32(in + 4) == 0 && weir_load_be32(in + 8) == 0;
	return kept > HEADER || bare ? kept : 0;
}

/* Messages behind their length (RFC 7766). A segment may begin within one, which then looks like none. */
uint32_t hide_dns_tcp(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t at = 0;

	while (length - at >= 2 + HEADER) {
		uint32_t whole = weir_load_be16(in + at), there = whole < length - at - 2 ? whole : length - at - 2;
		uint32_t kept = there < HEADER ? 0 : hide_dns(context, in + at + 2, out + at + 2, there);
		if (kept < whole)
			return kept ? at + 2 + kept : at;
		at += 2 + whole;
	}
	return at;
}
