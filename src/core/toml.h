/*
 * core/toml.h: reads TOML 1.0 (https://toml.io/en/v1.0.0): campaign.toml, policies.
 *
 * A document is read whole and never changes; its values live until toml_free. Tables and arrays hold their values in the order of the
 * file. Bounded: TOML_BYTES_MAX bytes, TOML_VALUES_MAX values, TOML_DEPTH_MAX of nesting; what is more is refused (WEIR_E_LIMIT).
 * What differs from the standard: a string with the character U+0000 is refused, dates and times stay text, and \r\n in a string becomes \n.
 */
#ifndef CORE_TOML_H
#define CORE_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#define TOML_BYTES_MAX (1U << 20)
#define TOML_VALUES_MAX 16384
#define TOML_DEPTH_MAX 32

enum toml_kind {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOL,
	TOML_MOMENT, /* a date, a time or both: string is the text as it stands, checked */
	TOML_ARRAY,
	TOML_TABLE,
};

struct toml_value {
	const struct toml_value *next;  /* in its table or array */
	const struct toml_value *first; /* TOML_ARRAY, TOML_TABLE: what it holds */
	const char *key;                /* NULL in an array and for the document itself */
	const char *string;             /* TOML_STRING, TOML_MOMENT: UTF-8, terminated */
	union {
		int64_t integer;
		double real;
		bool truth;
	};
	uint32_t line; /* from 1: where it begins */
	uint8_t kind;  /* enum toml_kind */
	/* The reader's own. */
	uint8_t made;
	uint32_t section;
	uint32_t hash;
	struct toml_value *last;
};

struct toml;

/* Reads a document; name is for faults. 0, WEIR_E_FORMAT ("line N: …"), WEIR_E_LIMIT, WEIR_E_MEMORY. */
int toml_parse(const char *text, size_t length, const char *name, struct toml **toml, struct weir_fault *fault);
/* The same from a file. Also WEIR_E_NOT_FOUND and the like. */
int toml_read(const char *path, struct toml **toml, struct weir_fault *fault);
void toml_free(struct toml *toml);

/* The document: a TOML_TABLE. */
const struct toml_value *toml_root(const struct toml *toml);

/* What table holds under key; NULL when that is nothing, or table is NULL or no table. */
const struct toml_value *toml_get(const struct toml_value *table, const char *key);

/* "a string", "an integer", … */
const char *toml_kind_name(unsigned kind);

/* Fails about a value: in the document's file, the message begins with "line N: ". Returns code. */
int toml_fail(const struct toml *toml, const struct toml_value *value, struct weir_fault *fault, enum weir_error code,
              const char *format, ...) WEIR_PRINTF(5, 6);

#endif
