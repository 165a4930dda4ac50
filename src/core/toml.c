/* Documents of TOML: keys, tables, nesting: core/toml.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "core/toml_reader.h"

/* How a table or array came to be, which decides what may still be put into it. */
enum made {
	MADE_PASSING, /* [a.b] makes a in passing: [a] may still follow */
	MADE_HEADER,  /* by [a], or an element of [[a]]: no other [a] */
	MADE_DOTTED,  /* by a.b = …: only keys under the same header add to it */
	MADE_INLINE,  /* {…} or […]: nothing is added */
	MADE_SERIES,  /* the array that [[a]] adds to */
};

struct key {
	const char *parts[TOML_DEPTH_MAX];
	unsigned count;
};

/* ---- faults and memory ---- */

int toml_reader_fail(const struct toml_reader *reader, enum weir_error code, const char *format, ...)
{
	char message[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	return weir_fail_at(reader->fault, code, reader->toml->name, WEIR_NOWHERE, WEIR_NOWHERE, "line %u: %s",
	                    reader->line, message);
}

int toml_fail(const struct toml *toml, const struct toml_value *value, struct weir_fault *fault, enum weir_error code,
              const char *format, ...)
{
	char message[400];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	return weir_fail_at(fault, code, toml->name, WEIR_NOWHERE, WEIR_NOWHERE, "line %u: %s", value->line, message);
}

void *toml_reader_take(const struct toml_reader *reader, size_t size)
{
	void *memory = arena_take(reader->toml->arena, size);

	if (!memory)
		toml_reader_fail(reader, WEIR_E_MEMORY, "no memory for it");
	return memory;
}

/* ---- tables ---- */

static uint32_t hash_of(const char *key)
{
	uint32_t hash = 2166136261U;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 16777619U;
	return hash;
}

static const struct toml_value *find(const struct toml_value *table, const char *key)
{
	uint32_t hash = hash_of(key);

	for (const struct toml_value *value = table->first; value; value = value->next)
		if (value->hash == hash && strcmp(value->key, key) == 0)
			return value;
	return NULL;
}

/* Appends an empty value to a table (with a key) or an array (without). NULL: the fault is filled. */
static struct toml_value *append(struct toml_reader *reader, struct toml_value *container, const char *key)
{
	if (++reader->values > TOML_VALUES_MAX) {
		toml_reader_fail(reader, WEIR_E_LIMIT, "more than %d values", TOML_VALUES_MAX);
		return NULL;
	}
	struct toml_value *value = toml_reader_take(reader, sizeof *value);
	if (!value)
		return NULL;
	*value = (struct toml_value){.key = key, .line = reader->line, .hash = key ? hash_of(key) : 0};
	if (container->last)
		container->last->next = value;
	else
		container->first = value;
	container->last = value;
	return value;
}

static int append_table(struct toml_reader *reader, struct toml_value *container, const char *key, enum made made,
                        struct toml_value **out)
{
	struct toml_value *table = append(reader, container, key);

	if (!table)
		return reader->values > TOML_VALUES_MAX ? WEIR_E_LIMIT : WEIR_E_MEMORY;
	table->kind = TOML_TABLE;
	table->made = made;
	table->section = reader->section;
	*out = table;
	return 0;
}

static int fail_twice(const struct toml_reader *reader, const char *key, const struct toml_value *before)
{
	return toml_reader_fail(reader, WEIR_E_FORMAT, "'%s' is defined twice: line %u has it already", key, before->line);
}

/* ---- keys ---- */

static void skip_blanks(struct toml_reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t'))
		reader->at++;
}

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int take_key_part(struct toml_reader *reader, const char **part)
{
	const char *from = reader->at;

	if (from < reader->end && (*from == '"' || *from == '\''))
		return toml_take_string(reader, false, part);
	while (reader->at < reader->end && is_bare(*reader->at))
		reader->at++;
	size_t length = (size_t)(reader->at - from);
	if (length == 0)
		return toml_reader_fail(
			reader, WEIR_E_FORMAT,
			"a key is missing, or stands in no quotes and has other characters than a-z, 0-9, _ and -");
	char *copy = toml_reader_take(reader, length + 1);
	if (!copy)
		return WEIR_E_MEMORY;
	memcpy(copy, from, length);
	copy[length] = '\0';
	*part = copy;
	return 0;
}

/* A key with its dots and the blanks around it. */
static int take_key(struct toml_reader *reader, struct key *key)
{
	key->count = 0;
	for (;;) {
		if (key->count == TOML_DEPTH_MAX)
			return toml_reader_fail(reader, WEIR_E_LIMIT, "a key of more than %d parts", TOML_DEPTH_MAX);
		skip_blanks(reader);
		int error = take_key_part(reader, &key->parts[key->count++]);
		if (error)
			return error;
		skip_blanks(reader);
		if (reader->at == reader->end || *reader->at != '.')
			return 0;
		reader->at++;
	}
}

/* Goes through one part before the last of a key in `a.b.c = …`. */
static int enter_dotted(struct toml_reader *reader, struct toml_value **table, const char *part)
{
	struct toml_value *value = (struct toml_value *)find(*table, part);

	if (!value)
		return append_table(reader, *table, part, MADE_DOTTED, table);
	if (value->kind == TOML_TABLE && value->made == MADE_PASSING) {
		value->made = MADE_DOTTED;
		value->section = reader->section;
	} else if (value->kind != TOML_TABLE || value->made != MADE_DOTTED || value->section != reader->section) {
		return fail_twice(reader, part, value);
	}
	*table = value;
	return 0;
}

/* "key =" into table: the value to be filled. */
static int take_assignment(struct toml_reader *reader, struct toml_value *table, struct toml_value **value)
{
	struct key key;
	int error = take_key(reader, &key);

	for (unsigned i = 0; !error && i + 1 < key.count; i++)
		error = enter_dotted(reader, &table, key.parts[i]);
	if (error)
		return error;
	const char *last = key.parts[key.count - 1];
	const struct toml_value *before = find(table, last);
	if (before)
		return fail_twice(reader, last, before);
	if (reader->at == reader->end || *reader->at != '=')
		return toml_reader_fail(reader, WEIR_E_FORMAT, "'%s' has no = behind it", last);
	reader->at++;
	skip_blanks(reader);
	*value = append(reader, table, last);
	return *value ? 0 : reader->values > TOML_VALUES_MAX ? WEIR_E_LIMIT : WEIR_E_MEMORY;
}

/* ---- values ---- */

static int skip_comment(struct toml_reader *reader)
{
	if (reader->at == reader->end || *reader->at != '#')
		return 0;
	for (; reader->at < reader->end && !toml_is_newline(reader); reader->at++)
		if (toml_is_control(*reader->at))
			return toml_reader_fail(reader, WEIR_E_FORMAT, "a control character in a comment");
	return 0;
}

/* Blanks, comments and ends of lines, which may stand anywhere in an array. */
static int skip_lines(struct toml_reader *reader)
{
	for (;;) {
		skip_blanks(reader);
		int error = skip_comment(reader);
		if (error || !toml_is_newline(reader))
			return error;
		toml_take_newline(reader);
	}
}

/* What is open around the value in hand: arrays and inline tables. */
struct nesting {
	struct {
		struct toml_value *container;
		uint32_t section; /* around it */
	} open[TOML_DEPTH_MAX];
	unsigned depth;
};

/* At the place where a further value of the innermost container may stand: *value to be filled, or NULL when the container ends here. */
static int take_place(struct toml_reader *reader, struct nesting *nesting, bool first, struct toml_value **value)
{
	struct toml_value *container = nesting->open[nesting->depth - 1].container;
	bool array = container->kind == TOML_ARRAY;
	int error = array ? skip_lines(reader) : 0;

	if (error)
		return error;
	skip_blanks(reader);
	*value = NULL;
	if (reader->at < reader->end && *reader->at == (array ? ']' : '}') && (array || first)) {
		reader->at++;
		reader->section = nesting->open[--nesting->depth].section;
		return 0;
	}
	if (!array)
		return take_assignment(reader, container, value);
	*value = append(reader, container, NULL);
	return *value ? 0 : reader->values > TOML_VALUES_MAX ? WEIR_E_LIMIT : WEIR_E_MEMORY;
}

static int open_container(struct toml_reader *reader, struct nesting *nesting, struct toml_value *value)
{
	if (nesting->depth == TOML_DEPTH_MAX)
		return toml_reader_fail(reader, WEIR_E_LIMIT, "nested deeper than %d", TOML_DEPTH_MAX);
	value->kind = *reader->at++ == '[' ? TOML_ARRAY : TOML_TABLE;
	value->made = MADE_INLINE;
	nesting->open[nesting->depth].container = value;
	nesting->open[nesting->depth++].section = reader->section;
	reader->section = ++reader->sections;
	return 0;
}

/* Behind a value: a comma, then *value is the next to be filled; or ends of containers; NULL when all are closed. */
static int go_on(struct toml_reader *reader, struct nesting *nesting, struct toml_value **value)
{
	*value = NULL;
	while (nesting->depth && !*value) {
		bool array = nesting->open[nesting->depth - 1].container->kind == TOML_ARRAY;
		int error = array ? skip_lines(reader) : 0;
		if (error)
			return error;
		skip_blanks(reader);
		char c = reader->at < reader->end ? *reader->at : '\0';
		if (c != ',' && c != (array ? ']' : '}'))
			return toml_reader_fail(reader, WEIR_E_FORMAT,
			                        array ? "an array goes on with , or ends with ]"
			                              : "a table in one line goes on with , or ends with }");
		reader->at++;
		if (c == ',')
			error = take_place(reader, nesting, false, value);
		else
			reader->section = nesting->open[--nesting->depth].section;
		if (error)
			return error;
	}
	return 0;
}

/* The value at reader->at, with all that is nested in it, without recursion. */
static int take_value(struct toml_reader *reader, struct toml_value *value)
{
	struct nesting nesting = {.depth = 0};

	while (value) {
		char c = reader->at < reader->end ? *reader->at : '\0';
		struct toml_value *inner = NULL;
		int error;

		value->line = reader->line;
		if (c == '[' || c == '{') {
			error = open_container(reader, &nesting, value);
			if (!error)
				error = take_place(reader, &nesting, true, &inner);
		} else if (c == '"' || c == '\'') {
			value->kind = TOML_STRING;
			error = toml_take_string(reader, true, &value->string);
		} else {
			error = toml_take_scalar(reader, value);
		}
		if (!error && !inner)
			error = go_on(reader, &nesting, &inner);
		if (error)
			return error;
		value = inner;
	}
	return 0;
}

/* ---- headers and lines ---- */

/* Goes through one part before the last of [a.b.c]. */
static int enter_header(struct toml_reader *reader, struct toml_value **table, const char *part)
{
	struct toml_value *value = (struct toml_value *)find(*table, part);

	if (!value)
		return append_table(reader, *table, part, MADE_PASSING, table);
	if (value->kind == TOML_ARRAY && value->made == MADE_SERIES)
		value = value->last;
	else if (value->kind != TOML_TABLE || value->made == MADE_INLINE)
		return fail_twice(reader, part, value);
	*table = value;
	return 0;
}

static int open_table(struct toml_reader *reader, struct toml_value **table, const char *part)
{
	struct toml_value *value = (struct toml_value *)find(*table, part);

	if (!value)
		return append_table(reader, *table, part, MADE_HEADER, table);
	if (value->kind != TOML_TABLE || value->made != MADE_PASSING)
		return fail_twice(reader, part, value);
	value->made = MADE_HEADER;
	value->line = reader->line;
	*table = value;
	return 0;
}

static int open_element(struct toml_reader *reader, struct toml_value **table, const char *part)
{
	struct toml_value *series = (struct toml_value *)find(*table, part);

	if (!series) {
		series = append(reader, *table, part);
		if (!series)
			return reader->values > TOML_VALUES_MAX ? WEIR_E_LIMIT : WEIR_E_MEMORY;
		series->kind = TOML_ARRAY;
		series->made = MADE_SERIES;
	} else if (series->kind != TOML_ARRAY || series->made != MADE_SERIES) {
		return fail_twice(reader, part, series);
	}
	return append_table(reader, series, NULL, MADE_HEADER, table);
}

static bool take_bracket(struct toml_reader *reader, char bracket)
{
	if (reader->at == reader->end || *reader->at != bracket)
		return false;
	reader->at++;
	return true;
}

/* [a.b] or [[a.b]]: the table that what follows is put into. */
static int take_header(struct toml_reader *reader, struct toml_value **table)
{
	struct key key;

	take_bracket(reader, '[');
	bool element = take_bracket(reader, '[');
	int error = take_key(reader, &key);
	if (error)
		return error;
	if (!take_bracket(reader, ']') || (element && !take_bracket(reader, ']')))
		return toml_reader_fail(reader, WEIR_E_FORMAT, "the name of a table ends with %s", element ? "]]" : "]");
	reader->section = ++reader->sections;
	*table = &reader->toml->root;
	for (unsigned i = 0; !error && i + 1 < key.count; i++)
		error = enter_header(reader, table, key.parts[i]);
	if (error)
		return error;
	return (element ? open_element : open_table)(reader, table, key.parts[key.count - 1]);
}

static int take_line(struct toml_reader *reader, struct toml_value **table)
{
	struct toml_value *value;
	int error = 0;

	if (*reader->at == '[') {
		error = take_header(reader, table);
	} else if (*reader->at != '#' && !toml_is_newline(reader)) {
		error = take_assignment(reader, *table, &value);
		if (!error)
			error = take_value(reader, value);
	}
	if (error)
		return error;
	skip_blanks(reader);
	error = skip_comment(reader);
	if (error)
		return error;
	if (toml_is_newline(reader))
		toml_take_newline(reader);
	else if (reader->at < reader->end)
		return toml_reader_fail(reader, WEIR_E_FORMAT, "something stands behind the end of what the line says");
	return 0;
}

static int check_utf8(struct toml_reader *reader)
{
	for (const char *p = reader->at; p < reader->end;) {
		size_t length = utf8_length(p, (size_t)(reader->end - p));
		if (length == 0)
			return toml_reader_fail(reader, WEIR_E_FORMAT, "a byte that is no UTF-8");
		if (*p == '\n')
			reader->line++;
		p += length;
	}
	reader->line = 1;
	return 0;
}

static int read_document(struct toml_reader *reader)
{
	struct toml_value *table = &reader->toml->root;
	int error = check_utf8(reader);

	if (!error && reader->end - reader->at >= 3 && memcmp(reader->at, "\xef\xbb\xbf", 3) == 0)
		reader->at += 3;
	while (!error) {
		skip_blanks(reader);
		if (reader->at == reader->end)
			return 0;
		error = take_line(reader, &table);
	}
	return error;
}

int toml_parse(const char *text, size_t length, const char *name, struct toml **out, struct weir_fault *fault)
{
	struct toml *toml = calloc(1, sizeof *toml);

	*out = NULL;
	if (length > TOML_BYTES_MAX) {
		free(toml);
		return weir_fail_at(fault, WEIR_E_LIMIT, name, WEIR_NOWHERE, WEIR_NOWHERE, "more than %u bytes of TOML",
		                    TOML_BYTES_MAX);
	}
	if (toml)
		toml->arena = arena_new(0);
	if (toml && toml->arena)
		toml->name = arena_take(toml->arena, strlen(name) + 1);
	if (!toml || !toml->name) {
		toml_free(toml);
		return weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", name);
	}
	strcpy(toml->name, name);
	toml->root = (struct toml_value){.kind = TOML_TABLE, .made = MADE_HEADER, .line = 1};
	struct toml_reader reader = {
		.toml = toml, .fault = fault, .at = text, .end = length ? text + length : text, .line = 1};
	int error = read_document(&reader);
	if (error)
		toml_free(toml);
	else
		*out = toml;
	return error;
}

int toml_read(const char *path, struct toml **toml, struct weir_fault *fault)
{
	FILE *file = fopen(path, "re");

	*toml = NULL;
	if (!file)
		return weir_fail_errno(fault, errno, path, "cannot open it");
	int error = 0;
	char *text = malloc(TOML_BYTES_MAX + 1);
	if (!text) {
		error = weir_fail(fault, WEIR_E_MEMORY, "no memory to read %s", path);
	} else {
		size_t length = fread(text, 1, TOML_BYTES_MAX + 1, file);
		if (ferror(file))
			error = weir_fail_errno(fault, errno, path, "cannot read it");
		else
			error = toml_parse(text, length, path, toml, fault);
	}
	free(text);
	fclose(file);
	return error;
}

void toml_free(struct toml *toml)
{
	if (!toml)
		return;
	if (toml->arena)
		arena_free(toml->arena);
	free(toml);
}

/* ---- what readers ask ---- */

const struct toml_value *toml_root(const struct toml *toml) { return &toml->root; }

const struct toml_value *toml_get(const struct toml_value *table, const char *key)
{
	return table && table->kind == TOML_TABLE ? find(table, key) : NULL;
}

const char *toml_kind_name(unsigned kind)
{
	static const char *const names[] = {"a string",       "an integer", "a number", "true or false",
	                                    "a date or time", "an array",   "a table"};

	return kind < sizeof names / sizeof names[0] ? names[kind] : "nothing";
}
