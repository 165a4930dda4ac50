/* Numbers, truth values, dates and times of TOML. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/toml_reader.h"

#define SCALAR_MAX 128 /* longer ones are none */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_of_base(char c, unsigned base)
{
	if (base == 16)
		return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
	return c >= '0' && c < (char)('0' + base);
}

/* Copies digits of a base without the underscores between them; how many characters they took, 0: none or badly grouped. */
static size_t copy_digits(const char *from, unsigned base, char **out)
{
	const char *p = from;

	while (is_of_base(*p, base) || *p == '_') {
		if (*p == '_') {
			if (p == from || !is_of_base(p[-1], base) || !is_of_base(p[1], base))
				return 0;
		} else {
			*(*out)++ = *p;
		}
		p++;
	}
	return (size_t)(p - from);
}

/* word is whole; digits is room for it without underscores. */
static bool parse_prefixed(const char *word, char *digits, int64_t *integer)
{
	unsigned base = word[1] == 'x' ? 16 : word[1] == 'o' ? 8 : 2;
	char *out = digits, *end;
	size_t length = copy_digits(word + 2, base, &out);

	*out = '\0';
	if (length == 0 || word[2 + length])
		return false;
	errno = 0;
	*integer = strtoll(digits, &end, (int)base);
	return errno == 0 && *end == '\0';
}

static bool parse_number(const char *word, char *digits, struct toml_value *value)
{
	const char *p = word;
	char *out = digits, *end;
	bool real = false;

	if (*p == '+' || *p == '-')
		*out++ = *p++;
	if (strcmp(p, "inf") == 0 || strcmp(p, "nan") == 0) {
		value->kind = TOML_FLOAT;
		value->real = *p == 'i' ? (double)INFINITY : (double)NAN;
		if (*word == '-')
			value->real = -value->real;
		return true;
	}
	if (p == word && p[0] == '0' && (p[1] == 'x' || p[1] == 'o' || p[1] == 'b')) {
		value->kind = TOML_INTEGER;
		return parse_prefixed(word, digits, &value->integer);
	}
	size_t length = copy_digits(p, 10, &out);
	if (length == 0 || (p[0] == '0' && length > 1))
		return false;
	p += length;
	if (*p == '.') {
		real = true;
		*out++ = *p++;
		length = copy_digits(p, 10, &out);
		if (length == 0)
			return false;
		p += length;
	}
	if (*p == 'e' || *p == 'E') {
		real = true;
		*out++ = *p++;
		if (*p == '+' || *p == '-')
			*out++ = *p++;
		length = copy_digits(p, 10, &out);
		if (length == 0)
			return false;
		p += length;
	}
	*out = '\0';
	if (*p)
		return false;
	errno = 0;
	value->kind = real ? TOML_FLOAT : TOML_INTEGER;
	if (real)
		value->real = strtod(digits, &end); /* too large: infinity, too small: 0, as IEEE 754 rounds */
	else
		value->integer = strtoll(digits, &end, 10);
	return *end == '\0' && (real || errno == 0);
}

static bool take_number(const char **p, unsigned digits, unsigned least, unsigned most, unsigned *value)
{
	*value = 0;
	for (unsigned i = 0; i < digits; i++, (*p)++) {
		if (!is_digit(**p))
			return false;
		*value = *value * 10 + (unsigned)(**p - '0');
	}
	return *value >= least && *value <= most;
}

static bool take_date(const char **p)
{
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned year, month, day;

	if (!take_number(p, 4, 0, 9999, &year) || *(*p)++ != '-' || !take_number(p, 2, 1, 12, &month) || *(*p)++ != '-' ||
	    !take_number(p, 2, 1, days[month - 1], &day))
		return false;
	return month != 2 || day != 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

static bool take_time(const char **p)
{
	unsigned part;

	if (!take_number(p, 2, 0, 23, &part) || *(*p)++ != ':' || !take_number(p, 2, 0, 59, &part) || *(*p)++ != ':' ||
	    !take_number(p, 2, 0, 60, &part))
		return false;
	if (**p != '.')
		return true;
	(*p)++;
	if (!is_digit(**p))
		return false;
	while (is_digit(**p))
		(*p)++;
	return true;
}

static bool is_moment(const char *word)
{
	const char *p = word;
	unsigned part;

	if (word[2] == ':')
		return take_time(&p) && *p == '\0';
	if (!take_date(&p))
		return false;
	if (*p == '\0')
		return true;
	if (*p != 'T' && *p != 't' && *p != ' ')
		return false;
	p++;
	if (!take_time(&p))
		return false;
	if (*p == 'Z' || *p == 'z')
		p++;
	else if (*p == '+' || *p == '-') {
		p++;
		if (!take_number(&p, 2, 0, 23, &part) || *p++ != ':' || !take_number(&p, 2, 0, 59, &part))
			return false;
	}
	return *p == '\0';
}

static bool looks_like_moment(const char *word, size_t length)
{
	return (length > 4 && is_digit(word[0]) && is_digit(word[1]) && word[2] == ':') ||
	       (length > 8 && is_digit(word[0]) && is_digit(word[1]) && is_digit(word[2]) && is_digit(word[3]) &&
	        word[4] == '-');
}

int toml_take_scalar(struct toml_reader *reader, struct toml_value *value)
{
	static const char ends[] = " \t\r\n#,]}=";
	char word[SCALAR_MAX + 1], digits[SCALAR_MAX + 1];
	const char *p = reader->at;

	while (p < reader->end && !strchr(ends, *p))
		p++;
	/* A date and a time may have a space between them. */
	if (p - reader->at == 10 && reader->at[4] == '-' && reader->end - p > 3 && *p == ' ' && is_digit(p[1]) &&
	    is_digit(p[2]) && p[3] == ':')
		for (p++; p < reader->end && !strchr(ends, *p);)
			p++;
	size_t length = (size_t)(p - reader->at);
	if (length == 0)
		return toml_reader_fail(reader, WEIR_E_FORMAT, "a value is missing");
	if (length > SCALAR_MAX)
		return toml_reader_fail(reader, WEIR_E_FORMAT, "a value that is no string is longer than %d characters",
		                        SCALAR_MAX);
	memcpy(word, reader->at, length);
	word[length] = '\0';
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
		value->kind = TOML_BOOL;
		value->truth = *word == 't';
	} else if (looks_like_moment(word, length)) {
		char *copy = toml_reader_take(reader, length + 1);
		if (!copy)
			return WEIR_E_MEMORY;
		if (!is_moment(word))
			return toml_reader_fail(reader, WEIR_E_FORMAT, "'%s' is no date or time", word);
		memcpy(copy, word, length + 1);
		value->kind = TOML_MOMENT;
		value->string = copy;
	} else if (!parse_number(word, digits, value)) {
		return toml_reader_fail(reader, WEIR_E_FORMAT, "'%s' is no value: strings stand in quotes", word);
	}
	reader->at = p;
	return 0;
}
