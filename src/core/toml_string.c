/* Strings of TOML: basic and literal, on one line and on several. */
#include <string.h>

#include "core/toml_reader.h"

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* The character of \uXXXX or \UXXXXXXXX as UTF-8, at *out. */
static int take_unicode(struct toml_reader *reader, unsigned digits, char **out)
{
	uint32_t c = 0;

	for (unsigned i = 0; i < digits; i++, reader->at++) {
		int value = reader->at < reader->end ? hex_value(*reader->at) : -1;
		if (value < 0)
			return toml_reader_fail(reader, WEIR_E_FORMAT, "behind \\%c stand %u hexadecimal digits",
			                        digits == 4 ? 'u' : 'U', digits);
		c = c << 4 | (uint32_t)value;
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_reader_fail(reader, WEIR_E_FORMAT, "U+%04X is no character that a string may hold", c);
	char *p = *out;
	if (c < 0x80) {
		*p++ = (char)c;
	} else if (c < 0x800) {
		*p++ = (char)(0xc0 | c >> 6);
		*p++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*p++ = (char)(0xe0 | c >> 12);
		*p++ = (char)(0x80 | (c >> 6 & 0x3f));
		*p++ = (char)(0x80 | (c & 0x3f));
	} else {
		*p++ = (char)(0xf0 | c >> 18);
		*p++ = (char)(0x80 | (c >> 12 & 0x3f));
		*p++ = (char)(0x80 | (c >> 6 & 0x3f));
		*p++ = (char)(0x80 | (c & 0x3f));
	}
	*out = p;
	return 0;
}

/* A backslash at the end of a line of a string over several: white space and ends of lines up to the next word are none of it. */
static bool skip_folded(struct toml_reader *reader)
{
	const char *from = reader->at;

	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t'))
		reader->at++;
	if (!toml_is_newline(reader)) {
		reader->at = from;
		return false;
	}
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' || toml_is_newline(reader))) {
		if (toml_is_newline(reader))
			toml_take_newline(reader);
		else
			reader->at++;
	}
	return true;
}

static int take_escape(struct toml_reader *reader, bool folds, char **out)
{
	static const char letters[] = "btnfr\"\\", meaning[] = "\b\t\n\f\r\"\\";

	reader->at++;
	if (folds && skip_folded(reader))
		return 0;
	char c = reader->at < reader->end ? *reader->at : '\0';
	const char *letter = c ? strchr(letters, c) : NULL;
	if (letter) {
		reader->at++;
		*(*out)++ = meaning[letter - letters];
		return 0;
	}
	if (c != 'u' && c != 'U')
		return toml_reader_fail(reader, WEIR_E_FORMAT,
		                        "a backslash in a string stands before one of b t n f r \" \\ u U");
	reader->at++;
	return take_unicode(reader, c == 'u' ? 4 : 8, out);
}

/* How many quotes stand at reader->at, up to five: the three that end a string over several lines may follow two of its own. */
static unsigned quotes_at(const struct toml_reader *reader, char quote)
{
	unsigned count = 0;

	while (count < 5 && reader->at + count < reader->end && reader->at[count] == quote)
		count++;
	return count;
}

static int take_long(struct toml_reader *reader, char quote, char *out)
{
	uint32_t line = reader->line;

	if (toml_is_newline(reader))
		toml_take_newline(reader);
	while (reader->at < reader->end) {
		unsigned quotes = *reader->at == quote ? quotes_at(reader, quote) : 0;
		if (quotes) {
			unsigned own = quotes >= 3 ? quotes - 3 : quotes;
			memset(out, quote, own);
			out += own;
			reader->at += quotes;
			if (quotes >= 3) {
				*out = '\0';
				return 0;
			}
		} else if (toml_is_newline(reader)) {
			toml_take_newline(reader);
			*out++ = '\n';
		} else if (*reader->at == '\\' && quote == '"') {
			int error = take_escape(reader, true, &out);
			if (error)
				return error;
		} else if (toml_is_control(*reader->at)) {
			return toml_reader_fail(reader, WEIR_E_FORMAT, "a control character in a string");
		} else {
			*out++ = *reader->at++;
		}
	}
	return toml_reader_fail(reader, WEIR_E_FORMAT, "the string that begins in line %u does not end", line);
}

static int take_short(struct toml_reader *reader, char quote, char *out)
{
	while (reader->at < reader->end && !toml_is_newline(reader)) {
		if (*reader->at == quote) {
			reader->at++;
			*out = '\0';
			return 0;
		}
		if (*reader->at == '\\' && quote == '"') {
			int error = take_escape(reader, false, &out);
			if (error)
				return error;
		} else if (toml_is_control(*reader->at)) {
			return toml_reader_fail(reader, WEIR_E_FORMAT, "a control character in a string");
		} else {
			*out++ = *reader->at++;
		}
	}
	return toml_reader_fail(reader, WEIR_E_FORMAT, "the string does not end in its line");
}

/* The most bytes that the string may take: to its last possible quote, so that a document's strings take no more memory than it has bytes. */
static size_t string_room(const struct toml_reader *reader, char quote, bool is_long)
{
	const char *p = reader->at;

	while (p < reader->end) {
		if (*p == '\\' && quote == '"' && reader->end - p > 1)
			p += 2;
		else if (!is_long && (*p == quote || *p == '\n'))
			break;
		else if (is_long && *p == quote && reader->end - p > 2 && p[1] == quote && p[2] == quote)
			return (size_t)(p - reader->at) + 5;
		else
			p++;
	}
	return (size_t)(p - reader->at);
}

int toml_take_string(struct toml_reader *reader, bool multiline, const char **string)
{
	char quote = *reader->at;
	bool is_long = multiline && quotes_at(reader, quote) >= 3;

	reader->at += is_long ? 3 : 1;
	char *out = toml_reader_take(reader, string_room(reader, quote, is_long) + 1);
	if (!out)
		return WEIR_E_MEMORY;
	*string = out;
	return is_long ? take_long(reader, quote, out) : take_short(reader, quote, out);
}
