/*
 * box/linux/process_table.h: the processes that hold sockets, each kept for as long as something refers to it, and their strings, which are kept for good.
 */
#ifndef BOX_LINUX_PROCESS_TABLE_H
#define BOX_LINUX_PROCESS_TABLE_H

#include <stdbool.h>

#include <weir/process.h>

#include "sockets.h"

struct process_table;

/* Reads the names of users at once: later there may be no right to. */
struct process_table *process_table_new(void);
void process_table_free(struct process_table *table);

/* A string kept for as long as the table; empty when the bound of memory is reached (32 MiB of different strings). */
struct weir_bytes process_table_string(struct process_table *table, const void *data, size_t length);

/* A process as it was at a time: never changes. */
struct process_known {
	struct weir_process process;
	uint64_t references;
};

/* What a process has become. */
void process_table_tell(struct process_table *table, const struct process_event *event);
/* The process with that pid, as that user; from /proc when nobody told of it. NULL: not known. With a reference for the caller. */
struct process_known *process_table_find(struct process_table *table, uint32_t pid, uint32_t user_id);
void process_known_hold(struct process_known *process);
void process_known_drop(struct process_known *process); /* may be NULL */

#endif
