/*
 * box/linux/endpoint_table.h: the endpoints that there are, made of events and of what was found by looking.
 */
#ifndef BOX_LINUX_ENDPOINT_TABLE_H
#define BOX_LINUX_ENDPOINT_TABLE_H

#include "box/endpoints.h"
#include "box/linux/process_table.h"
#include "box/linux/socket_dump.h"

struct endpoint_table;

/* event may be NULL. One thread. */
struct endpoint_table *endpoint_table_new(void (*event)(const struct endpoint_event *event, void *argument), void *argument);
void endpoint_table_free(struct endpoint_table *table);
struct process_table *endpoint_table_processes(struct endpoint_table *table);

/* A look: first begin; then events since the last one, and whatever is found, of which SOCKET_FIGURES are those of now; then end, which makes the list. */
void endpoint_table_begin(struct endpoint_table *table, int64_t offset);
void endpoint_table_take(struct endpoint_table *table, const struct socket_event *event);
/*
 * tcp: TCP's figures were asked for. everything: what was not heard of in this look is gone. False: so many went during the look that what was read of some could not be told
 * from those, and was left out: it takes another look at everything.
 */
bool endpoint_table_end(struct endpoint_table *table, bool tcp, bool everything);
/* How many are known now. */
size_t endpoint_table_count(const struct endpoint_table *table);
/* From end to the next begin; in between it is empty. */
const struct endpoint *const *endpoint_table_list(const struct endpoint_table *table, size_t *count);

#endif
