/* Hiding in NetBIOS over TCP/IP (RFC 1001, RFC 1002): its name service, and the headers of its datagrams. */
#include "stage/hide.h"

#define HEADER 12
#define ENCODED 32 /* a name of 16 bytes, each as two letters from A on (RFC 1001, section 14.1) */
#define NAME 16

void hide_netbios_name(struct hide_context *context, uint8_t name[static 15])
{
	size_t length = 15;

	while (length && (name[length - 1] == ' ' || name[length - 1] == 0))
		length--;
	/* What stands for all hosts, and for browsers. */
	if ((length == 1 && name[0] == '*') || memcmp(name, "\1\2__MSBROWSE__\2", 15) == 0)
		return;
	hide_name(context, name, length);
}

/* An encoded name with its scope at *at; *at is moved behind it. False: it is none. */
static bool take_name(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t *at, uint32_t length)
{
	uint32_t start = *at;
	uint8_t name[NAME];

	if (start < length && in[start] >> 6 == 3) { /* to a name before, which is hidden where it stands */
		*at = start + 2;
		return length - start >= 2;
	}
	if (length - start < ENCODED + 2 || in[start] != ENCODED)
		return false;
	for (unsigned i = 0; i < NAME; i++) {
		unsigned high = (unsigned)(in[start + 1 + 2 * i] - 'A'), low = (unsigned)(in[start + 2 + 2 * i] - 'A');
		if (high > 15 || low > 15)
			return false;
		name[i] = (uint8_t)(high << 4 | low);
	}
	hide_netbios_name(context, name);
	for (unsigned i = 0; i < NAME; i++) {
		out[start + 1 + 2 * i] = (uint8_t)('A' + (name[i] >> 4));
		out[start + 2 + 2 * i] = (uint8_t)('A' + (name[i] & 15));
	}
	uint32_t scope =
		hide_encoded_name(context, in + start + 1 + ENCODED, out + start + 1 + ENCODED, length - start - 1 - ENCODED);
	*at = start + 1 + ENCODED + scope;
	return scope != 0;
}

/* Type NB: flags and address, for each that has the name. */
static void addresses(struct hide_context *context, uint8_t *out, uint32_t length)
{
	for (uint32_t at = 0; length - at >= 6; at += 6)
		hide_ipv4(context, out + at + 2);
	memset(out + length / 6 * 6, 0, length % 6);
}

/* Type NBSTAT: all names of a host, and its hardware address. What is counted behind that is left out. */
static void status(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t count = length ? in[0] : 0, at = 1;

	for (; count && length - at >= NAME + 2; count--, at += NAME + 2)
		hide_netbios_name(context, out + at);
	if (length > at && length - at >= 6 && count == 0) {
		hide_mac(context, out + at);
		at += 6;
	}
	if (length > at)
		memset(out + at, 0, length - at);
}

static void record_data(struct hide_context *context, uint16_t type, const uint8_t *in, uint8_t *out, uint32_t length)
{
	if (type == 0x20)
		addresses(context, out, length);
	else if (type == 0x21)
		status(context, in, out, length);
	else if (type == 1 && length == 4)
		hide_ipv4(context, out);
	else
		memset(out, 0, length);
}

/* The end of the last record that is whole. */
static uint32_t sections(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t at = HEADER, done = HEADER, questions = weir_load_be16(in + 4);
	uint32_t answers = (uint32_t)weir_load_be16(in + 6) + weir_load_be16(in + 8) + weir_load_be16(in + 10);
	for (; questions; questions--) {
		if (!take_name(context, in, out, &at, length) || length - at < 4)
			return done;
		done = at += 4;
	}
	for (; answers; answers--) {
		if (!take_name(context, in, out, &at, length) || length - at < 10)
			return done;
		uint16_t type = weir_load_be16(in + at);
		uint32_t data = weir_load_be16(in + at + 8);
		at += 10;
		if (data > length - at)
			return done;
		record_data(context, type, in + at, out + at, data);
		done = at += data;
	}
	return done;
}

uint32_t hide_nbns(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t kept = length < HEADER ? 0 : sections(context, in, out, length);

	return kept > HEADER ? kept : 0;
}

/* RFC 1002, section 4.4: type, flags, id, source, then of those that carry data their length, an offset and two names. What they carry is cut. */
uint32_t hide_nbdgm(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t at = 14;

	if (length < 10)
		return 0;
	hide_ipv4(context, out + 4);
	weir_store_be16(out + 8, hide_port(context->hider, weir_load_be16(in + 8)));
	if (in[0] < 0x10 || in[0] > 0x12 || length < 14)
		return 10;
	for (unsigned names = 0; names < 2; names++) {
		uint32_t start = at;
		if (!take_name(context, in, out, &at, length) || in[start] >> 6 == 3)
			return start;
	}
	return at;
}
