/* Sets of values of the audit: campaign/audit.h. */
#include <stdlib.h>

#include "campaign/audit.h"
#include "core/xxh3.h"

#define ROOM_FIRST 1024u

/* Where a value is, or where it would be. */
static uint8_t *slot_of(const struct audit_table *table, const void *value)
{
	size_t step = table->width + 1u;

	for (size_t at = xxh3_seeded(value, table->width, table->seed) & (table->room - 1);;
	     at = (at + 1) & (table->room - 1)) {
		uint8_t *slot = table->slots + at * step;
		if (slot[table->width] == 0 || memcmp(slot, value, table->width) == 0)
			return slot;
	}
}

uint8_t *audit_table_find(const struct audit_table *table, const void *value)
{
	if (table->count == 0)
		return NULL;
	uint8_t *slot = slot_of(table, value);
	return slot[table->width] ? slot + table->width : NULL;
}

static bool grow(struct audit_table *table, struct audit_budget *budget)
{
	size_t step = table->width + 1u, room = table->room ? table->room * 2 : ROOM_FIRST;
	struct audit_table larger = {.room = room, .seed = table->seed, .width = table->width};

	/* Both are there for a moment; the old one goes. */
	if (budget->used + room * step > budget->most)
		return false;
	larger.slots = calloc(room, step);
	if (!larger.slots)
		return false;
	size_t at = 0;
	for (const uint8_t *value; (value = audit_table_next(table, &at));)
		memcpy(slot_of(&larger, value), value, step);
	budget->used += (room - table->room) * step;
	larger.count = table->count;
	free(table->slots);
	*table = larger;
	return true;
}

uint8_t *audit_table_enter(struct audit_table *table, const void *value, struct audit_budget *budget)
{
	uint8_t *flags = audit_table_find(table, value);

	if (flags)
		return flags;
	if ((table->count + 1) * 3 > table->room * 2 && !grow(table, budget))
		return NULL;
	uint8_t *slot = slot_of(table, value);
	memcpy(slot, value, table->width);
	table->count++;
	return slot + table->width;
}

const uint8_t *audit_table_next(const struct audit_table *table, size_t *at)
{
	size_t step = table->width + 1u;

	while (*at < table->room) {
		const uint8_t *slot = table->slots + (*at)++ * step;
		if (slot[table->width])
			return slot;
	}
	return NULL;
}

void audit_table_free(struct audit_table *table)
{
	free(table->slots);
	*table = (struct audit_table){.seed = table->seed, .width = table->width};
}
