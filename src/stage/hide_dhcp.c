/* Hiding in DHCP (RFC 2131, RFC 2132) and DHCPv6 (RFC 8415). Options that are not known are there, zeroed. */
#include "stage/hide.h"

#define FIXED 236
#define COOKIE UINT32_C(0x63825363)

enum { ETHERNET = 1 };

/* What the value of an option is. */
enum value { UNKNOWN, NUMBERS, ADDRESSES, NAMES, FQDN, DUID, FIXED_PART, STATUS };

/* A hardware address: its type, and so many bytes. */
static void hardware(struct hide_context *context, uint16_t type, uint8_t *out, uint32_t length)
{
	if (type == ETHERNET && length == 6)
		hide_mac(context, out);
	else
		memset(out, 0, length);
}

static void encoded_names(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t at = 0, took;

	while (at < length && (took = hide_encoded_name(context, in + at, out + at, length - at)) > 0)
		at += took;
	/* The last may lack its end (RFC 4704, section 4.2). */
	if (at < length)
		memset(out + at, 0, length - at);
}

/* ---- DHCP ---- */

static const uint8_t addresses4[] = {3,  4,  5,  6,  7,  8,  9,  10, 11, 16, 21, 28, 32, 33, 41, 42,  44, 45,
                                     48, 49, 50, 54, 65, 68, 69, 70, 71, 72, 73, 74, 75, 76, 85, 112, 118};
static const uint8_t names4[] = {12, 14, 15, 17, 18, 40, 62, 64, 66, 67, 86, 87};
/* Masks, times, sizes, types, lists of options: numbers that are nobody's. */
static const uint8_t numbers4[] = {1,  2,  13, 19, 20, 22, 23, 24, 25, 26, 27, 29, 30, 31, 34, 35,
                                   36, 37, 38, 39, 46, 51, 52, 53, 55, 57, 58, 59, 80, 93, 116};

static bool is_among(uint8_t code, const uint8_t *codes, size_t count) { return memchr(codes, code, count) != NULL; }

static void client_fqdn4(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	if (length < 3)
		memset(out, 0, length);
	else if (in[0] & 4) /* RFC 4702: as DNS encodes it */
		encoded_names(context, in + 3, out + 3, length - 3);
	else
		hide_name(context, out + 3, length - 3);
}

static void option4(struct hide_context *context, uint8_t code, const uint8_t *in, uint8_t *out, uint32_t length)
{
	if (is_among(code, numbers4, sizeof numbers4))
		return;
	if (is_among(code, addresses4, sizeof addresses4) && length % 4 == 0) {
		for (uint32_t i = 0; i < length; i += 4)
			hide_ipv4(context, out + i);
	} else if (is_among(code, names4, sizeof names4)) {
		hide_name(context, out, length);
	} else if (code == 61 && length == 7) {
		hardware(context, in[0], out + 1, length - 1);
	} else if (code == 81) {
		client_fqdn4(context, in, out, length);
	} else if (code == 119) {
		encoded_names(context, in, out, length);
	} else {
		memset(out, 0, length);
	}
}

/* A server's or file's name in a field of its own: the name, then zeros, whatever stood there. */
static void field_name(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t size)
{
	size_t length = strnlen((const char *)in, size);

	hide_name(context, out, length);
	memset(out + length, 0, size - length);
}

uint32_t hide_dhcp(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t at = FIXED + 4;

	if (length < at || weir_load_be32(in + FIXED) != COOKIE || in[0] < 1 || in[0] > 2)
		return 0;
	for (uint32_t address = 12; address < 28; address += 4)
		hide_ipv4(context, out + address);
	hardware(context, in[1], out + 28, in[2] <= 16 ? in[2] : 16);
	if (in[2] < 16)
		memset(out + 28 + in[2], 0, 16u - in[2]);
	field_name(context, in + 44, out + 44, 64);
	field_name(context, in + 108, out + 108, 128);
	while (at < length) {
		uint8_t code = in[at];
		if (code == 0 || code == 255) {
			at++;
			if (code == 0)
				continue;
			memset(out + at, 0, length - at);
			return length;
		}
		if (length - at < 2 || in[at + 1] > length - at - 2)
			break;
		option4(context, code, in + at + 2, out + at + 2, in[at + 1]);
		at += 2u + in[at + 1];
	}
	return at;
}

/* ---- DHCPv6 ---- */

/* Containers: how many bytes of their own stand before the options that they hold. These follow as if they stood beside it. */
static const struct {
	uint16_t code;
	uint8_t value; /* enum value */
	uint8_t own;
} options6[] = {
	{1, DUID, 0},       {2, DUID, 0},       {3, FIXED_PART, 12},  {4, FIXED_PART, 4},   {5, FIXED_PART, 24},
	{6, NUMBERS, 0},    {7, NUMBERS, 0},    {8, NUMBERS, 0},      {12, ADDRESSES, 0},   {13, STATUS, 0},
	{14, NUMBERS, 0},   {19, NUMBERS, 0},   {20, NUMBERS, 0},     {21, NAMES, 0},       {22, ADDRESSES, 0},
	{23, ADDRESSES, 0}, {24, NAMES, 0},     {25, FIXED_PART, 12}, {26, FIXED_PART, 25}, {27, ADDRESSES, 0},
	{28, ADDRESSES, 0}, {29, NAMES, 0},     {30, NAMES, 0},       {31, ADDRESSES, 0},   {32, NUMBERS, 0},
	{33, NAMES, 0},     {34, ADDRESSES, 0}, {39, FQDN, 0},        {64, NAMES, 0},       {82, NUMBERS, 0},
	{83, NUMBERS, 0},
};

/* RFC 8415, section 11. The time at which one was made is left out. */
static void duid(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint16_t type = length >= 4 ? weir_load_be16(in) : 0, hardware_type = length >= 4 ? weir_load_be16(in + 2) : 0;

	if (type == 1 && length > 8) {
		memset(out + 4, 0, 4);
		hardware(context, hardware_type, out + 8, length - 8);
	} else if (type == 3) {
		hardware(context, hardware_type, out + 4, length - 4);
	} else if (length > 2) {
		memset(out + 2, 0, length - 2);
	}
}

/* What a container has of its own: an address (5), a prefix (26), or numbers. */
static void fixed_part(struct hide_context *context, uint16_t code, uint8_t *out)
{
	if (code == 5)
		hide_ipv6(context, out);
	else if (code == 26)
		hide_prefix(context, out + 9, 16, out[8]);
	else
		memset(out, 0, 4); /* the association's id, often the end of a hardware address */
}

static void option6(struct hide_context *context, uint8_t value, const uint8_t *in, uint8_t *out, uint32_t length)
{
	switch (value) {
	case NUMBERS:
		return;
	case ADDRESSES:
		for (uint32_t i = 0; length - i >= 16; i += 16)
			hide_ipv6(context, out + i);
		memset(out + length / 16 * 16, 0, length % 16);
		return;
	case NAMES:
		encoded_names(context, in, out, length);
		return;
	case FQDN:
		if (length > 1)
			encoded_names(context, in + 1, out + 1, length - 1);
		return;
	case DUID:
		duid(context, in, out, length);
		return;
	case STATUS:
		if (length > 2)
			memset(out + 2, 'x', length - 2);
		return;
	default:
		memset(out, 0, length);
	}
}

/* A message of a relay: where it stands, and whom it speaks for (RFC 8415, section 9); 0: it is not whole. */
static uint32_t message_header(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	if (length < 4 || in[0] == 0 || in[0] > 13)
		return 0;
	if (in[0] != 12 && in[0] != 13)
		return 4;
	if (length < 34)
		return 0;
	hide_ipv6(context, out + 2);
	hide_ipv6(context, out + 18);
	return 34;
}

/* Goes into containers, and over everything else. The end of what is whole. */
static uint32_t options(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t at, uint32_t length)
{
	while (length - at >= 4) {
		uint16_t code = weir_load_be16(in + at);
		uint32_t size = weir_load_be16(in + at + 2), i = 0, header;
		if (size > length - at - 4)
			break;
		for (; i < sizeof options6 / sizeof *options6 && options6[i].code != code; i++)
			;
		bool known = i < sizeof options6 / sizeof *options6;
		if (code == 9 && (header = message_header(context, in + at + 4, out + at + 4, size)) > 0) {
			at += 4 + header; /* a relayed message: its options follow */
			continue;
		}
		if (known && options6[i].value == FIXED_PART && size >= options6[i].own) {
			fixed_part(context, code, out + at + 4);
			at += 4u + options6[i].own;
			continue;
		}
		option6(context, known ? options6[i].value : UNKNOWN, in + at + 4, out + at + 4, size);
		at += 4 + size;
	}
	return at;
}

uint32_t hide_dhcpv6(struct hide_context *context, const uint8_t *in, uint8_t *out, uint32_t length)
{
	uint32_t header = message_header(context, in, out, length);

	return header ? options(context, in, out, header, length) : 0;
}
