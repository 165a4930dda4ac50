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

/* A vantage: its rank by name among those of the query, and what its folders are called. */
struct query_vantage {
	uint32_t rank;
	const char *node, *interface;
};

/*
 * Reads a prologue (an SHB and IDBs) of a vantage, enters its interfaces (their node, and where they have no name of their own their name, are the vantage's), and gives what a walk needs of them: *walk is
 * freed with free(). 0 or an error; path is for faults.
 */
int query_interfaces_enter(struct query_interfaces *interfaces, const struct query_vantage *vantage, struct weir_bytes prologue, const char *path,
                           struct walk_interface **walk, uint32_t *count, struct weir_fault *fault);

#endif
