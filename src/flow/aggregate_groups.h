/* flow/aggregate_groups.h: what an aggregate is made of; for its own files only. */
#ifndef FLOW_AGGREGATE_GROUPS_H
#define FLOW_AGGREGATE_GROUPS_H

#include "flow/aggregate.h"
#include "flow/intern.h"

#define AGGREGATE_NO_KEY UINT64_MAX /* the word of a record without a value */

/* What came as a value of a key, and which of the texts it stands for (another one, of prefixes). */
struct mapping {
	struct intern seen;
	uint32_t *texts;
	size_t room;
};

/* From a dictionary's entries to texts: filled as they are met. */
struct dictionary_map {
	uint32_t *texts;
	size_t room;
	uint64_t serial;
	const void *owner;
};

struct aggregate {
	struct aggregate_plan plan;
	uint64_t memory_bytes, records;
	size_t width;              /* words of a group: keys, then sums */
	uint64_t *groups;
	uint32_t group_count, group_room;
	uint32_t *slots, *hashes;  /* slot: group + 1; hashes: of each group */
	uint32_t slot_mask;
	struct intern texts;       /* of all keys that are no numbers */
	struct mapping binary[AGGREGATE_KEYS], textual[AGGREGATE_KEYS];
	struct dictionary_map dictionaries[AGGREGATE_KEYS][2];
	struct text scratch;
	uint64_t *words[AGGREGATE_KEYS]; /* of the rows at hand */
	uint32_t *row_groups[2];
	/* Rows made of records. */
	uint64_t *numbers;
	uint8_t *present;
	struct weir_bytes *strings;
	uint32_t *order;
};

#endif
