/*
 * archive/plan.h: what the index can tell about a pcap-filter expression: which chunks may have packets that match.
 *
 * The plan never decides about a packet, libpcap's program does. It only leaves out chunks, and whatever it does not
 * understand (arithmetic, negations, names of hosts, sizes, broadcast, …) counts as true of all of them. libpcap looks at outer
 * headers and the index also holds inner ones, so that it may name more chunks than needed, and never fewer.
 */
#ifndef ARCHIVE_PLAN_H
#define ARCHIVE_PLAN_H

#include <weir/error.h>

#include "archive/index_read.h"

struct plan;

/*
 * Makes a plan of an expression; one that libpcap would refuse gives some plan too. 0, or WEIR_E_MEMORY. Free with plan_free.
 * Memory is proportional to the expression's length.
 */
int plan_new(const char *expression, struct plan **plan, struct weir_fault *fault);
void plan_free(struct plan *plan);

/* The chunks of a segment that must be read. One thread at a time. */
uint64_t plan_chunks(struct plan *plan, const struct index *index);

/* Whether it leaves nothing out, ever. */
bool plan_is_all(const struct plan *plan);

/* The plan in words: "ipv4 10.0.0.1 and port 443"; "everything". Writes at most size bytes. */
void plan_describe(const struct plan *plan, char *text, size_t size);

#endif
