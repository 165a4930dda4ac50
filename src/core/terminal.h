/*
 * core/terminal.h: tables, status lines and progress bars for people; colour and bars only where there is a terminal.
 */
#ifndef CORE_TERMINAL_H
#define CORE_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Whether file is a terminal that may be coloured (NO_COLOR unset, TERM not dumb). */
bool terminal_colour(FILE *file);
bool terminal_is(FILE *file);

#define TABLE_COLUMNS_MAX 24

/*
 * Rows of cells, printed with columns as wide as their widest cell. Create, add cells row by row, print, free. Cells may hold text from outside: what a terminal
 * would obey is shown by its number (text_add_shown).
 */
struct table;
/* alignment: one character a column, 'l' or 'r'. NULL when there is no memory. */
struct table *table_new(const char *alignment, const char *const *headings);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(const struct table *table, FILE *out);
void table_free(struct table *table);

/* A bar on standard error: "import mix.pcap  42% 1.2 GiB  850 MB/s  0:03 left". Silent when standard error is no terminal. */
struct progress {
	const char *what;
	uint64_t total; /* 0: not known */
	int64_t started_ns, shown_ns;
	bool active;
};
void progress_start(struct progress *progress, const char *what, uint64_t total);
void progress_update(struct progress *progress, uint64_t done); /* cheap: draws ten times a second at most */
void progress_end(struct progress *progress);                   /* clears the line */

#endif
