/*
 * archive/query_interfaces.h: the interfaces of all packets of a query, each once.
 *
 * An interface of a vantage stands in every segment of it; here the same description is one entry, so that a file made of the
 * packets has one too.
 */
#ifndef ARCHIVE_QUERY_INTERFACES_H
#define ARCHIVE_QUERY_INTERFACES_H

#include "archive/chunk_walk.h"

struct query_interfaces {
	const struct weir_interface **list; /* what batches show; entries and old tables stay until the end */
	uint32_t *vantages;
	uint32_t count, capacity;
	void **outgrown;
	uint32_t outgrown_count;
};

void query_interfaces_free(struct query_interfaces *interfaces);

/*
 * Reads a prologue (an SHB and IDBs) of a vantage, enters its interfaces, and gives what a walk needs of them: *walk is
 * freed with free(). 0 or an error; path is for faults.
 */
int query_interfaces_enter(struct query_interfaces *interfaces, uint32_t vantage, struct weir_bytes prologue, const char *path,
                           struct walk_interface **walk, uint32_t *count, struct weir_fault *fault);

#endif
