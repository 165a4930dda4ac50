/* Text that grows, sizes, durations, numbers: core/text.h. Moments are in moment.c. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/text.h"

void text_free(struct text *text)
{
	free(text->data);
	*text = (struct text){0};
}

void text_clear(struct text *text)
{
	text->length = 0;
	text->failed = false;
	if (text->data)
		text->data[0] = '\0';
}

static bool make_room(struct text *text, size_t more)
{
	if (more < text->capacity - text->length && text->capacity)
		return true;
	if (text->failed)
		return false;
	size_t capacity = text->capacity ? text->capacity : 256;
	while (capacity - text->length <= more) {
		if (capacity > SIZE_MAX / 4) {
			text->failed = true;
			return false;
		}
		capacity *= 2;
	}
	char *data = realloc(text->data, capacity);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->capacity = capacity;
	return true;
}

bool text_reserve(struct text *text, size_t length)
{
	return make_room(text, length);
}

void text_add_bytes(struct text *text, const void *data, size_t length)
{
	if (length == 0 || !make_room(text, length))
		return;
	memcpy(text->data + text->length, data, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void text_add(struct text *text, const char *string) { text_add_bytes(text, string, strlen(string)); }
void text_add_char(struct text *text, char c) { text_add_bytes(text, &c, 1); }

void text_add_unsigned(struct text *text, uint64_t value)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	text_add_bytes(text, digits + at, sizeof digits - at);
}

void text_add_format(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int needed = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (needed < 0 || !make_room(text, (size_t)needed))
		return;
	va_start(arguments, format);
	vsnprintf(text->data + text->length, text->capacity - text->length, format, arguments);
	va_end(arguments);
	text->length += (size_t)needed;
}

size_t utf8_length(const void *data, size_t left)
{
	const unsigned char *s = data;
	unsigned char c = s[0];

	if (c < 0x80)
		return 1;
	size_t length = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
	if (length == 0 || left < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) ||
	    (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return length;
}

/* How many bytes at the front are ASCII, as nearly all are: eight at a time. */
static size_t ascii_length(const unsigned char *s, size_t length)
{
	size_t i = 0;
	uint64_t eight;

	for (; i + sizeof eight <= length; i += sizeof eight) {
		memcpy(&eight, s + i, sizeof eight);
		if (eight & UINT64_C(0x8080808080808080))
			break;
	}
	while (i < length && s[i] < 0x80)
		i++;
	return i;
}

void text_add_character(struct text *out, uint32_t c)
{
	if (c < 0x80) {
		text_add_char(out, (char)c);
	} else if (c < 0x800) {
		text_add_char(out, (char)(0xc0 | c >> 6));
		text_add_char(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		text_add_char(out, (char)(0xe0 | c >> 12));
		text_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		text_add_char(out, (char)(0x80 | (c & 0x3f)));
	} else {
		text_add_char(out, (char)(0xf0 | c >> 18));
		text_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
		text_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		text_add_char(out, (char)(0x80 | (c & 0x3f)));
	}
}

void text_add_utf8(struct text *text, const void *data, size_t length)
{
	const unsigned char *s = data;

	for (size_t from = 0, i = ascii_length(s, length); i < length || from < i;) {
		size_t n = i < length ? utf8_length(s + i, length - i) : 0;
		if (n) {
			i += n;
			continue;
		}
		text_add_bytes(text, s + from, i - from);
		if (i < length) {
			text_add_bytes(text, "\xef\xbf\xbd", 3);
			i++;
		}
		from = i;
	}
}

/* Whether a terminal may have the character of `length` bytes that stands there. */
static bool is_shown(const unsigned char *s, size_t length, bool lines)
{
	switch (length) {
	case 0: return false;
	case 1: return (s[0] >= 0x20 && s[0] != 0x7f) || (lines && (s[0] == '\n' || s[0] == '\t'));
	case 2: return s[0] != 0xc2 || s[1] >= 0xa0;               /* U+0080 to U+009F */
	case 3:
		if (s[0] != 0xe2)
			return true;
		/* U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F */
		return !((s[1] == 0x80 && ((s[2] >= 0x8b && s[2] <= 0x8f) || (s[2] >= 0xa8 && s[2] <= 0xae))) || (s[1] == 0x81 && s[2] >= 0xa0 && s[2] <= 0xaf));
	default: return true;
	}
}

void text_add_shown(struct text *text, const void *data, size_t length, bool lines)
{
	const unsigned char *s = data;
	size_t from = 0;

	for (size_t i = 0; i < length;) {
		size_t n = utf8_length(s + i, length - i);
		if (is_shown(s + i, n, lines)) {
			i += n;
			continue;
		}
		text_add_bytes(text, s + from, i - from);
		for (n = n ? n : 1; n; n--)
			text_add_format(text, "\\x%02x", s[i++]);
		from = i;
	}
	text_add_bytes(text, s + from, length - from);
}

const char *text_shown(const char *string, char *out, size_t size)
{
	struct text text = {0};

	text_add_shown(&text, string, strlen(string), false);
	snprintf(out, size, "%s", text_string(&text));
	text_free(&text);
	return out;
}

const char *text_string(const struct text *text) { return text->data ? text->data : ""; }

int parse_unsigned(const char *string, uint64_t least, uint64_t most, uint64_t *value, struct weir_fault *fault)
{
	char *end;

	errno = 0;
	unsigned long long v = strtoull(string, &end, 10);
	if (end == string || *end || strchr(string, '-'))
		return weir_fail(fault, WEIR_E_USAGE, "'%s' is no number", string);
	if (errno == ERANGE || v < least || v > most) {
		if (most == UINT64_MAX)
			return weir_fail(fault, WEIR_E_USAGE, "%s is out of range: it must be at least %" PRIu64, string, least);
		return weir_fail(fault, WEIR_E_USAGE, "%s is out of range: it must be from %" PRIu64 " to %" PRIu64, string, least,
		                 most);
	}
	*value = v;
	return 0;
}

/* A number with decimals, without the signs, exponents, hexadecimals and words that strtod takes. NULL when there is none. */
static const char *take_decimal(const char *string, double *value)
{
	size_t length = strspn(string, "0123456789.");
	char copy[40], *end;

	if (length == 0 || length >= sizeof copy)
		return NULL;
	memcpy(copy, string, length);
	copy[length] = '\0';
	*value = strtod(copy, &end);
	return *end ? NULL : string + length;
}

int parse_size(const char *string, uint64_t *bytes, struct weir_fault *fault)
{
	static const char letters[] = "KMGTP";
	double value;
	const char *at = take_decimal(string, &value);
	uint64_t unit = 1;

	if (at && *at) {
		const char *letter = strchr(letters, *at >= 'a' ? *at - 32 : *at);
		if (letter) {
			unit = UINT64_C(1) << (10 * (letter - letters + 1));
			at++;
		}
		if (strcasecmp(at, "iB") == 0 || strcasecmp(at, "B") == 0)
			at = "";
	}
	if (!at || *at)
		return weir_fail(fault, WEIR_E_USAGE, "'%s' is no size: give bytes, or a number with K, M, G, T or P", string);
	if (value * (double)unit >= 9.2e18)
		return weir_fail(fault, WEIR_E_USAGE, "%s is too large a size", string);
	*bytes = (uint64_t)(value * (double)unit);
	return 0;
}

/* So that the sum of one and of a time of our days, or of two, is a number of ns. */
#define DURATION_MOST (100 * 365.25 * 86400e9)

int parse_duration(const char *string, int64_t *ns, struct weir_fault *fault)
{
	static const struct {
		const char *word;
		double ns;
	} units[] = {
		{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"min", 60e9}, {"s", 1e9},
		{"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {"w", 7 * 86400e9},
	};
	const char *at = string;
	double total = 0;

	do {
		double value, unit = 0;
		at = take_decimal(at, &value);
		if (!at)
			break;
		if (*at == '\0') {
			total += value * 1e9;
			break;
		}
		for (size_t i = 0; i < sizeof units / sizeof units[0] && unit == 0; i++) {
			size_t length = strlen(units[i].word);
			if (strncmp(at, units[i].word, length) == 0) {
				unit = units[i].ns;
				at += length;
			}
		}
		if (unit == 0) {
			at = NULL;
			break;
		}
		total += value * unit;
	} while (*at);
	if (!at)
		return weir_fail(fault, WEIR_E_USAGE, "'%s' is no duration: write it as 90s, 10m, 1h30m, 7d", string);
	if (total > DURATION_MOST)
		return weir_fail(fault, WEIR_E_USAGE, "%s is too long a duration: 100 years at most", string);
	*ns = (int64_t)(total + 0.5);
	return 0;
}

const char *format_size(uint64_t bytes, char out[static FORMAT_SIZE])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;
	double value = (double)bytes;

	while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
		value /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(out, FORMAT_SIZE, "%" PRIu64 " B", bytes);
	else
		snprintf(out, FORMAT_SIZE, "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, units[unit]);
	return out;
}

const char *format_count(uint64_t count, char out[static FORMAT_SIZE])
{
	char digits[24];
	int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
	size_t at = 0;

	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

const char *format_rate(double per_second, char out[static FORMAT_SIZE])
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	size_t unit = 0;

	while (per_second >= 1000 && unit + 1 < sizeof units / sizeof units[0]) {
		per_second /= 1000;
		unit++;
	}
	snprintf(out, FORMAT_SIZE, "%.*f%s%s", unit == 0 ? 0 : per_second < 10 ? 2 : per_second < 100 ? 1 : 0, per_second,
	         unit ? " " : "", units[unit]);
	return out;
}

const char *format_duration(int64_t ns, char out[static FORMAT_SIZE])
{
	const char *sign = ns < 0 ? "-" : "";
	uint64_t n = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	uint64_t s = n / NS_PER_SECOND;
	double rest = (double)(s % 60) + (double)(n % NS_PER_SECOND) / 1e9;

	if (s < 60)
		snprintf(out, FORMAT_SIZE, "%s%.6gs", sign, rest);
	else if (s < 3600)
		snprintf(out, FORMAT_SIZE, "%s%" PRIu64 "m %04.1fs", sign, s / 60, rest);
	else if (s < 86400)
		snprintf(out, FORMAT_SIZE, "%s%" PRIu64 "h %02" PRIu64 "m %04.1fs", sign, s / 3600, s / 60 % 60, rest);
	else
		snprintf(out, FORMAT_SIZE, "%s%" PRIu64 "d %02" PRIu64 "h %02" PRIu64 "m %04.1fs", sign, s / 86400, s / 3600 % 24,
		         s / 60 % 60, rest);
	return out;
}

size_t edit_distance(const char *a, const char *b)
{
	enum { LONGEST = 40 };
	size_t n = strnlen(a, LONGEST), m = strnlen(b, LONGEST);
	size_t rows[LONGEST + 1][LONGEST + 1];

	for (size_t i = 0; i <= n; i++)
		rows[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			size_t best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (rows[i - 1][j] + 1 < best)
				best = rows[i - 1][j] + 1;
			if (rows[i][j - 1] + 1 < best)
				best = rows[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && rows[i - 2][j - 2] + 1 < best)
				best = rows[i - 2][j - 2] + 1;
			rows[i][j] = best;
		}
	}
	return rows[n][m];
}
