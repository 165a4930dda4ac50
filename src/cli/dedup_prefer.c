/* Keeps the sighting at a preferred vantage: cli/dedup_prefer.h. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/dedup_prefer.h"

#define LEAST_BYTES 4096

static bool is_marked(const struct dedup_prefer *prefer, uint64_t number)
{
	return number / 8 < prefer->size && (prefer->marks[number / 8] >> number % 8 & 1);
}

static void mark(struct dedup_prefer *prefer, uint64_t number)
{
	uint64_t size = prefer->size ? prefer->size : LEAST_BYTES;

	while (number / 8 >= size)
		size *= 2;
	if (size > prefer->size) {
		uint8_t *grown = realloc(prefer->marks, size);
		if (!grown) {
			prefer->failed = true;
			return;
		}
		memset(grown + prefer->size, 0, size - prefer->size);
		prefer->marks = grown;
		prefer->size = size;
	}
	prefer->marks[number / 8] |= (uint8_t)(1u << number % 8);
}

/* Its number, its name, its node (of several files: the file), or node:name. */
static bool is_meant(const struct dedup_prefer *prefer, uint32_t id)
{
	const struct weir_interface *interface = id < prefer->names->count ? prefer->names->interfaces[id] : NULL;
	char text[160];

	snprintf(text, sizeof text, "%" PRIu32, id);
	if (!interface || strcmp(prefer->vantage, text) == 0)
		return interface != NULL;
	snprintf(text, sizeof text, "%s:%s", interface->node, interface->name);
	return strcmp(prefer->vantage, interface->name) == 0 || strcmp(prefer->vantage, interface->node) == 0 || strcmp(prefer->vantage, text) == 0;
}

void dedup_prefer_on_copy(void *context, const struct weir_dedup_copy *copy)
{
	struct dedup_prefer *prefer = context;
	bool kept_is = is_meant(prefer, copy->kept_interface), removed_is = is_meant(prefer, copy->removed_interface);

	prefer->found |= kept_is || removed_is;
	/* Once is enough: a preferred vantage may see a packet several times, of which the first is kept. */
	if (kept_is || !removed_is || is_marked(prefer, copy->kept))
		return;
	mark(prefer, copy->kept);
	mark(prefer, copy->removed);
}

int dedup_prefer_check(const struct dedup_prefer *prefer, struct weir_fault *fault)
{
	if (prefer->failed)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for the packets of the preferred vantage");
	if (!prefer->found)
		return weir_fail(fault, WEIR_E_USAGE, "--prefer: no interface with duplicates is called '%s'", prefer->vantage);
	return 0;
}

static int turn_round(struct weir_stage *stage, struct weir_batch *batch, struct weir_fault *fault)
{
	const struct dedup_prefer *prefer = (const struct dedup_prefer *)((const char *)stage - offsetof(struct dedup_prefer, stage));

	for (uint32_t i = 0; i < batch->count; i++)
		if (is_marked(prefer, batch->first_number + i))
			batch->packets[i].verdict = batch->packets[i].verdict == WEIR_KEEP ? WEIR_DUPLICATE : WEIR_KEEP;
	return 0;
}

static void close_nothing(struct weir_stage *stage)
{
}

static const struct weir_stage_ops prefer_ops = {.name = "prefer", .process = turn_round, .close = close_nothing, .parallel = true};

struct weir_stage *dedup_prefer_stage(struct dedup_prefer *prefer)
{
	prefer->stage.ops = &prefer_ops;
	return &prefer->stage;
}

void dedup_prefer_free(struct dedup_prefer *prefer)
{
	free(prefer->marks);
}
