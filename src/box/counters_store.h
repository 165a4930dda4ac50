/*
 * box/counters_store.h: where sources of counters put what they read. A source is one record; the table of a system's sources is counter_sources.
 */
#ifndef BOX_COUNTERS_STORE_H
#define BOX_COUNTERS_STORE_H

#include <weir/bytes.h>

#include "box/counters.h"

#define COUNTER_NAME_MOST 63 /* bytes of an instance and of a name: longer ones are not taken */
#define COUNTERS_MOST (UINT32_C(1) << 16)

/* One look at one source. */
struct counter_sink {
	struct counters *counters;
	uint16_t source;
	uint32_t at; /* how many it has put: they come in the same order as the last time, as a rule */
	bool disordered; /* they do not */
	int64_t now_ns;
};

struct counter_value {
	const char *group;            /* lives as long as the program, or comes from counter_keep */
	struct weir_bytes instance, name;
	const char *meaning;          /* NULL: looked up in counter_meaning; lives as long as the program */
	enum counter_kind kind;
	enum counter_unit unit;
	uint64_t whole;
	double value;                 /* of RATIO; of the others it comes from whole */
	bool negative;                /* whole is two's complement of a number below zero */
	uint64_t wraps_at;            /* what the system counts in 32 bits begins anew there (1 << 32 of its unit); 0: it does not */
};

/*
 * Enters it. Returns by how much it grew since the last look (at the first look: all of it; when it was set back: 0), whether anybody wants it or not.
 */
uint64_t counter_put(struct counter_sink *sink, const struct counter_value *value);
/* A text that lives as long as the counters, for groups, names and meanings that the system makes up. NULL: no memory. */
const char *counter_keep(struct counter_sink *sink, struct weir_bytes text);

struct counter_source {
	const char *groups; /* separated by blanks; NULL: it can't be told before */
	/* Either a file, which is kept open, and what it means; lack says why it may be missing. */
	const char *path, *lack;
	void (*parse)(struct counter_sink *sink, struct weir_bytes text);
	/* Or all by itself. open: NULL and *lack when there is nothing. look: false when it leaves things as they are this time. */
	void *(*open)(const char **lack);
	bool (*look)(void *state, struct counter_sink *sink);
	void (*close)(void *state);
	bool often_missing; /* by far not every system has it: nobody has to be told */
};

extern const struct counter_source *const counter_sources[]; /* NULL ends it */

/* What a cryptic name means; "": it says it itself. */
const char *counter_meaning(const char *group, const char *name);

/* As counters_open, with these sources. */
int counters_new(const struct counter_source *const *sources, const char *const *names, size_t count, struct counters **counters,
                 struct weir_fault *fault);
/* A look at one source (its place in the table) that found this text. For tests: counters_refresh reads the files. */
void counters_feed(struct counters *counters, size_t source, struct weir_bytes text, int64_t now_ns);

/* ---- text, as the kernel writes it ---- */

/* Takes the next line (without its end), word (between blanks), or what stands before the separator. False: there is none. */
bool take_line(struct weir_bytes *text, struct weir_bytes *line);
bool take_word(struct weir_bytes *line, struct weir_bytes *word);
/* Takes a word that is a decimal number of 64 bits. False: it is none, or there is none. */
bool take_number(struct weir_bytes *line, uint64_t *number);
bool number_of(struct weir_bytes word, uint64_t *number);
bool bytes_are(struct weir_bytes bytes, const char *string);
static inline struct weir_bytes bytes_of(const char *string)
{
	return (struct weir_bytes){(const uint8_t *)string, strlen(string)};
}

#endif
