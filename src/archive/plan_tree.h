/*
 * archive/plan_tree.h: the tree that the plan's parser builds. Children stand before their parents, so that it is
 * evaluated from first to last, without recursion.
 */
#ifndef ARCHIVE_PLAN_TREE_H
#define ARCHIVE_PLAN_TREE_H

#include "archive/index_read.h"

enum plan_node_type {
	PLAN_ALL,  /* may be true of any chunk */
	PLAN_KEYS, /* of chunks with a key in a range */
	PLAN_AND,
	PLAN_OR,
};

struct plan_node {
	uint8_t type;
	uint8_t kind;         /* enum posting_kind */
	uint8_t needs;        /* enum index_links: what must hold of the segment's link types; else it is true of any chunk */
	uint32_t left, right; /* PLAN_AND, PLAN_OR */
	struct index_key least, most;
};

struct plan {
	struct plan_node *nodes; /* nodes[0] is PLAN_ALL, for everyone */
	uint64_t *chunks;        /* what a node evaluates to, as many */
	uint32_t count, capacity, root;
	bool failed;             /* no memory */
};

#define PLAN_EVERYTHING 0u /* number of the node */

uint32_t plan_add_keys(struct plan *plan, enum posting_kind kind, unsigned needs, const struct index_key *least,
                       const struct index_key *most);
uint32_t plan_add_numbers(struct plan *plan, enum posting_kind kind, unsigned needs, uint64_t least, uint64_t most);
uint32_t plan_join(struct plan *plan, enum plan_node_type type, uint32_t left, uint32_t right);

/* Parses into plan; returns the root. What it can't parse is PLAN_EVERYTHING. */
uint32_t plan_parse(struct plan *plan, const char *expression);

#endif
