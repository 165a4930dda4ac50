/*
 * core/toml_reader.h: what the files that read TOML share: toml.c (keys, tables, nesting), toml_scalar.c (numbers, dates), toml_string.c.
 */
#ifndef CORE_TOML_READER_H
#define CORE_TOML_READER_H

#include "core/arena.h"
#include "core/toml.h"

struct toml {
	struct weir_arena *arena;
	char *name; /* for faults; in the arena */
	struct toml_value root;
};

struct toml_reader {
	struct toml *toml;
	struct weir_fault *fault;
	const char *at, *end;
	uint32_t line;
	uint32_t section; /* number of the header or inline table in whose reach we are */
	uint32_t sections;
	uint32_t values;
};

/* Fails at the line in hand. */
int toml_reader_fail(const struct toml_reader *reader, enum weir_error code, const char *format, ...) WEIR_PRINTF(3, 4);

void *toml_reader_take(const struct toml_reader *reader, size_t size); /* NULL: out of memory, the fault is filled */

/* A string of any of the four forms at reader->at, which is a quote. multiline: whether the two that go over lines are allowed. */
int toml_take_string(struct toml_reader *reader, bool multiline, const char **string);

/* A number, truth value, date or time at reader->at. */
int toml_take_scalar(struct toml_reader *reader, struct toml_value *value);

static inline bool toml_is_newline(const struct toml_reader *reader)
{
	return reader->at < reader->end &&
	       (*reader->at == '\n' || (*reader->at == '\r' && reader->end - reader->at > 1 && reader->at[1] == '\n'));
}

static inline void toml_take_newline(struct toml_reader *reader)
{
	reader->at += *reader->at == '\r' ? 2 : 1;
	reader->line++;
}

/* Control characters, which stand nowhere but tabs and ends of lines. */
static inline bool toml_is_control(char c) { return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f; }

#endif
