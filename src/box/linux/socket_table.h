/*
 * box/linux/socket_table.h: the sockets of a box over time: which addresses each had from when until when, and who held it.
 *
 * A socket's addresses are bindings: an interval each, in which the socket may have had them (since), and the part of it in which it certainly had (certain): a
 * port that the kernel chose is seen when it is used first. What is certain wins over what may be.
 */
#ifndef BOX_LINUX_SOCKET_TABLE_H
#define BOX_LINUX_SOCKET_TABLE_H

#include "box/linux/process_table.h"
#include "box/owners.h"

struct socket_table;

struct socket_table *socket_table_new(uint32_t most_sockets, int64_t remember_ns);
void socket_table_free(struct socket_table *table);
struct process_table *socket_table_processes(struct socket_table *table);

/* Takes an event in. All times are of the events' clock, which nobody sets. */
void socket_table_take(struct socket_table *table, const struct socket_event *event);

/* Begins a look at everything; sockets of which nothing is heard (SOCKET_HELD, any other event) until its end are gone. */
void socket_table_look_begin(struct socket_table *table);
void socket_table_look_end(struct socket_table *table, int64_t time);

/* Whether, since it was asked last, so many ended while somebody looked that what was read of some could not be told from those, and was left out: it takes another look. */
bool socket_table_doubtful(struct socket_table *table);

/* Forgets everything that is open: it can't be told any more what became of it. */
void socket_table_forget_open(struct socket_table *table);
/* Forgets what has been closed for longer than is to be remembered. */
void socket_table_expire(struct socket_table *table, int64_t now);

size_t socket_table_count(const struct socket_table *table);
size_t socket_table_bindings(const struct socket_table *table); /* addresses that are remembered, of all of them: at most 256 of each */
bool socket_table_find(const struct socket_table *table, const struct owner_tuple *tuple, int64_t time, struct weir_process *process);

#endif
