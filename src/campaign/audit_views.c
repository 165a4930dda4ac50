/*
 * Views: what bytes say in another alphabet. A run of characters of base64 is read as that, and what comes of it is searched like everything else; so are hex
 * digits, percent signs, characters of two bytes, and names as NetBIOS writes them. Of views no views are made.
 */
#include "campaign/audit.h"

#define RUN_MOST 3072   /* read at once: of a longer run the next piece overlaps */
#define RUN_OVERLAP 768 /* longer than the longest name in base64; a multiple of 4 */
#define BASE64_LEAST 10
#define LINE_LEAST 32 /* of base64 in lines: shorter ones are not broken by who encodes */
#define HEX_LEAST 12
#define WIDE_LEAST 4
#define NETBIOS_LEAST 8

enum { BASE64 = 1, HEX = 2, PRINT = 4, NETBIOS = 8 };

static const uint8_t classes[256] = {
	[' ' ... '*'] = PRINT,
	['+'] = PRINT | BASE64,
	[','] = PRINT,
	['-'] = PRINT | BASE64,
	['.'] = PRINT,
	['/'] = PRINT | BASE64,
	['0' ... '9'] = PRINT | BASE64 | HEX,
	[':' ... '@'] = PRINT,
	['A' ... 'F'] = PRINT | BASE64 | HEX | NETBIOS,
	['G' ... 'P'] = PRINT | BASE64 | NETBIOS,
	['Q' ... 'Z'] = PRINT | BASE64,
	['[' ... '^'] = PRINT,
	['_'] = PRINT | BASE64,
	['`'] = PRINT,
	['a' ... 'f'] = PRINT | BASE64 | HEX,
	['g' ... 'z'] = PRINT | BASE64,
	['{' ... '~'] = PRINT,
};

static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : 63;
}

static uint8_t hex_value(uint8_t c) { return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); }

static void search_view(struct audit_hits *hits, const struct audit_place *place, const char *view, size_t at,
                        const uint8_t *data, size_t length)
{
	struct audit_place inside = *place;

	inside.view = view;
	inside.base = place->base + at;
	inside.plain = true;
	inside.numbers = false;
	inside.ipv4_bytes = false;
	inside.packet = place->packet;
	audit_search_all(hits, &inside, data, length);
}

static void view_base64(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t at,
                        size_t length)
{
	uint8_t out[RUN_MOST];

	/* What was encoded may have begun anywhere in the run. */
	for (size_t phase = 0; phase < 4 && phase + 4 <= length; phase++) {
		size_t n = 0;
		uint32_t bits = 0;
		unsigned have = 0;
		for (size_t i = phase; i < length; i++) {
			bits = bits << 6 | (uint32_t)base64_value(data[at + i]);
			have += 6;
			if (have >= 8) {
				have -= 8;
				out[n++] = (uint8_t)(bits >> have);
			}
		}
		search_view(hits, place, "base64", at, out, n);
	}
}

static void view_hex(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t at,
                     size_t length)
{
	uint8_t out[RUN_MOST / 2];

	for (size_t phase = 0; phase < 2; phase++) {
		size_t n = 0;
		for (size_t i = phase; i + 1 < length; i += 2)
			out[n++] = (uint8_t)(hex_value(data[at + i]) << 4 | hex_value(data[at + i + 1]));
		search_view(hits, place, "hex", at, out, n);
	}
}

/* NetBIOS names, first level (RFC 1001, section 14.1): each half of a byte is a letter from A on. */
static void view_netbios(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t at,
                         size_t length)
{
	uint8_t out[RUN_MOST / 2];

	for (size_t phase = 0; phase < 2; phase++) {
		size_t n = 0;
		for (size_t i = phase; i + 1 < length; i += 2)
			out[n++] = (uint8_t)((data[at + i] - 'A') << 4 | (data[at + i + 1] - 'A'));
		search_view(hits, place, "NetBIOS name", at, out, n);
	}
}

static void view_percent(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t at,
                         size_t length)
{
	uint8_t out[RUN_MOST];
	size_t n = 0;
	bool any = false;

	for (size_t i = 0; i < length; i++) {
		uint8_t c = data[at + i];
		if (c == '%' && i + 2 < length && classes[data[at + i + 1]] & HEX && classes[data[at + i + 2]] & HEX) {
			c = (uint8_t)(hex_value(data[at + i + 1]) << 4 | hex_value(data[at + i + 2]));
			i += 2;
			any = true;
		}
		out[n++] = c;
	}
	if (any)
		search_view(hits, place, "percent-encoded", at, out, n);
}

typedef void view(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t at,
                  size_t length);

/* Runs of a class of bytes: every least-th byte is looked at until one is of the class. */
static void find_runs(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                      size_t from, size_t to, uint8_t class, size_t least, view *call)
{
	for (size_t at = from; at < to;) {
		size_t probe = at + least - 1;
		if (probe >= length)
			break;
		if (!(classes[data[probe]] & class)) {
			at = probe + 1;
			continue;
		}
		size_t begin = probe, end = probe;
		while (begin > at && classes[data[begin - 1]] & class)
			begin--;
		while (end < length && end - begin < RUN_MOST && classes[data[end]] & class)
			end++;
		bool more = end < length && classes[data[end]] & class;
		if (begin < to && end - begin >= least)
			call(hits, place, data, begin, end - begin);
		at = more ? end - RUN_OVERLAP : end + 1;
	}
}

/* Where the next line of base64 begins when this one ends at `at`: behind the end of the line and what indents the next. at itself: it does not go on. */
static size_t next_line(const uint8_t *data, size_t length, size_t at)
{
	size_t next = at;

	if (next < length && data[next] == '\r')
		next++;
	if (next == length || data[next] != '\n')
		return at;
	next++;
	for (size_t indented = 0; indented < 16 && next < length && (data[next] == ' ' || data[next] == '\t'); indented++)
		next++;
	return next < length && classes[data[next]] & BASE64 ? next : at;
}

/* Joins lines from `begin` on into out. How many characters; *on: where to go on when there are more than fit, 0: there are not. */
static size_t join_lines(const uint8_t *data, size_t length, size_t begin, uint8_t out[static RUN_MOST], size_t *end, size_t *on)
{
	size_t n = 0, at = begin;

	*on = 0;
	while (n < RUN_MOST && at < length) {
		if (!(classes[data[at]] & BASE64)) {
			size_t next = next_line(data, length, at);
			if (next == at)
				break;
			at = next;
		}
		if (n == RUN_MOST - RUN_OVERLAP)
			*on = at;
		out[n++] = data[at++];
	}
	*end = at;
	if (n < RUN_MOST)
		*on = 0;
	return n;
}

/* Base64 of mail (RFC 2045, 6.8), PEM and the like, broken over lines: what is across the ends of lines. Ends are looked for, and what is before them. */
static void find_base64_lines(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                              size_t from, size_t to)
{
	uint8_t out[RUN_MOST];

	for (size_t at = from; at < to;) {
		const uint8_t *newline = memchr(data + at, '\n', to - at);
		if (!newline)
			break;
		size_t line_end = (size_t)(newline - data), on;
		at = line_end + 1;
		if (line_end && data[line_end - 1] == '\r')
			line_end--;
		size_t begin = line_end;
		while (begin && line_end - begin < RUN_OVERLAP && classes[data[begin - 1]] & BASE64)
			begin--;
		if (line_end - begin < LINE_LEAST || next_line(data, length, line_end) == line_end)
			continue;
		do {
			struct audit_place joined = *place;
			joined.base = place->base + begin;
			size_t n = join_lines(data, length, begin, out, &at, &on);
			view_base64(hits, &joined, out, 0, n);
			begin = on;
		} while (on && on < to);
		if (on)
			at = to;
	}
}

/* Characters of two bytes, of which one is zero: UTF-16 in either order. */
static void find_wide(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                      size_t from, size_t to)
{
	uint8_t out[RUN_MOST / 2];

	for (size_t at = from; at < to && at + 2 * WIDE_LEAST <= length + 1;) {
		/* Among two bytes next to each other one is zero, among two of every other one none: whichever way round it begins. */
		if (data[at + 1] != 0 || !(classes[data[at]] & PRINT)) {
			at++;
			continue;
		}
		size_t n = 0, i = at;
		while (i + 1 < length && n < sizeof out && data[i + 1] == 0 && classes[data[i]] & PRINT) {
			out[n++] = data[i];
			i += 2;
		}
		if (n >= WIDE_LEAST)
			search_view(hits, place, "UTF-16", at, out, n);
		/* With the zero before each character nothing need follow the last. */
		if (n + 1 >= WIDE_LEAST && n < sizeof out && i < length && classes[data[i]] & PRINT) {
			out[n] = data[i];
			search_view(hits, place, "UTF-16", at, out, n + 1);
		}
		at = n == sizeof out ? i - RUN_OVERLAP : i;
	}
}

/* Percent signs are rare: what is around each is read. */
static void find_percent(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                         size_t from, size_t to)
{
	for (size_t at = from; at < to;) {
		const uint8_t *sign = memchr(data + at, '%', to - at);
		if (!sign)
			break;
		size_t begin = (size_t)(sign - data), end = begin;
		size_t earliest = begin > 256 ? begin - 256 : 0;
		while (begin > earliest && classes[data[begin - 1]] & PRINT)
			begin--;
		while (end < length && end - begin < RUN_MOST && classes[data[end]] & PRINT)
			end++;
		bool more = end < length && classes[data[end]] & PRINT;
		view_percent(hits, place, data, begin, end - begin);
		at = (size_t)(sign - data) >= end ? (size_t)(sign - data) + 1 : more ? end - RUN_OVERLAP : end;
	}
}

void audit_views(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                 size_t from, size_t to)
{
	find_runs(hits, place, data, length, from, to, BASE64, BASE64_LEAST, view_base64);
	find_base64_lines(hits, place, data, length, from, to);
	find_runs(hits, place, data, length, from, to, HEX, HEX_LEAST, view_hex);
	find_runs(hits, place, data, length, from, to, NETBIOS, NETBIOS_LEAST, view_netbios);
	find_wide(hits, place, data, length, from, to);
	find_percent(hits, place, data, length, from, to);
}

void audit_search(struct audit_hits *hits, const struct audit_place *place, const uint8_t *data, size_t length,
                  size_t from, size_t to)
{
	if (to > length)
		to = length;
	audit_match(hits, place, data, length, from, to);
	audit_tokens(hits, place, data, length, from, to);
	if (!place->plain)
		audit_views(hits, place, data, length, from, to);
}
