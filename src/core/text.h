/*
 * core/text.h: text that grows, and the forms in which people write and read sizes, durations and times.
 */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/error.h>

/* Text that grows. Zero-initialise it; free with text_free. When memory runs out it is `failed` and stays as it was. */
struct text {
	char *data; /* terminated whenever not NULL */
	size_t length;
	size_t capacity;
	bool failed;
};

void text_free(struct text *text);
void text_clear(struct text *text); /* empties it and keeps the memory */
void text_add(struct text *text, const char *string);
void text_add_bytes(struct text *text, const void *data, size_t length);
void text_add_char(struct text *text, char c);

/*
 * Makes room for `length` more bytes and the terminator: true when they may be written at data + length, by whoever then moves
 * length on and sets the terminator. For text that is written by the million.
 */
bool text_reserve(struct text *text, size_t length);
void text_add_unsigned(struct text *text, uint64_t value); /* decimal, without the price of printf */
void text_add_format(struct text *text, const char *format, ...) WEIR_PRINTF(2, 3);
const char *text_string(const struct text *text); /* never NULL */

/* The length of the UTF-8 character at data (RFC 3629), 0 when there is none; left is at least 1. */
size_t utf8_length(const void *data, size_t left);

/* A character (a Unicode code point) as UTF-8. */
void text_add_character(struct text *text, uint32_t character);

/* Text from outside: each byte that belongs to no UTF-8 character becomes U+FFFD. */
void text_add_utf8(struct text *text, const void *data, size_t length);

/*
 * Text from outside for a person's terminal: UTF-8 as it is, but every byte of what a terminal would obey (control characters, C0 and C1, and what turns the
 * direction of writing around) and of what is no UTF-8 as \xNN. `lines`: ends of lines and tabs stay.
 */
void text_add_shown(struct text *text, const void *data, size_t length, bool lines);
/* The same of a string into out, cut where that is full. Returns out. */
const char *text_shown(const char *string, char *out, size_t size);

/* "64M", "4.5GiB", "1000000", "2T": K, M, G, T, P are powers of 1024, also with B or iB behind. 0 or WEIR_E_USAGE. */
int parse_size(const char *string, uint64_t *bytes, struct weir_fault *fault);

/* "90", "1.5s", "250ms", "10m", "2h", "7d", "1w", also joined: "1h30m". A bare number is seconds. 100 years at most. In ns. 0 or WEIR_E_USAGE. */
int parse_duration(const char *string, int64_t *ns, struct weir_fault *fault);

/*
 * A moment: "2026-11-23", "2026-11-23T10:00:00.123456789Z", "2026-11-23 10:00", with an offset "+02:00"; "10:00:00" (today);
 * "@1700000000.5" and bare seconds since the epoch; "now"; "-10m" (before now). Without a zone it is UTC, or local time when
 * local is set. now_ns is the present. 0 or WEIR_E_USAGE.
 */
int parse_moment(const char *string, int64_t now_ns, bool local, int64_t *ns, struct weir_fault *fault);

/* A decimal number in [least, most]. 0 or WEIR_E_USAGE. */
int parse_unsigned(const char *string, uint64_t least, uint64_t most, uint64_t *value, struct weir_fault *fault);

#define FORMAT_SIZE 64

/* For people. Each writes at most FORMAT_SIZE bytes to out and returns it. */
const char *format_size(uint64_t bytes, char out[static FORMAT_SIZE]);       /* "1.50 GiB" */
const char *format_count(uint64_t count, char out[static FORMAT_SIZE]);      /* "5,761,834" */
const char *format_rate(double per_second, char out[static FORMAT_SIZE]);    /* "1.52 M" */
const char *format_duration(int64_t ns, char out[static FORMAT_SIZE]);       /* "25d 22h 00m 12.5s" */

/* "2026-11-23T10:00:00.123456789Z" with `digits` (0–9) decimals, in UTC or in local time ("+02:00" behind). */
const char *format_time(int64_t ns, bool local, int digits, char out[static FORMAT_SIZE]);

/* How many edits make b of a (Levenshtein, with transpositions); for suggestions. */
size_t edit_distance(const char *a, const char *b);

#endif
