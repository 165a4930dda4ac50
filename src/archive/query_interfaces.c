#include "archive/query_interfaces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/file.h>

void query_interfaces_free(struct query_interfaces *interfaces)
{
	for (uint32_t i = 0; i < interfaces->count; i++) {
		free((void *)interfaces->list[i]->options.data);
		free((void *)interfaces->list[i]);
	}
	for (uint32_t i = 0; i < interfaces->outgrown_count; i++)
		free(interfaces->outgrown[i]);
	free(interfaces->outgrown);
	free(interfaces->list);
	free(interfaces->vantages);
	*interfaces = (struct query_interfaces){0};
}

static bool same(const struct weir_interface *a, const struct weir_interface *b)
{
	return a->linktype == b->linktype && a->resolution == b->resolution && a->big_endian == b->big_endian &&
	       a->snaplen == b->snaplen && a->offset_seconds == b->offset_seconds && a->options.length == b->options.length &&
	       (a->options.length == 0 || memcmp(a->options.data, b->options.data, a->options.length) == 0) &&
	       (strcmp(a->name, b->name) == 0 || !b->name[0]) && strcmp(a->description, b->description) == 0;
}

/* A table that batches may still show is kept, and a larger one made beside it. */
static int grow(struct query_interfaces *interfaces)
{
	uint32_t capacity = interfaces->capacity ? interfaces->capacity * 2 : 16;
	const struct weir_interface **list = malloc(capacity * sizeof *list);
	uint32_t *vantages = realloc(interfaces->vantages, capacity * sizeof *vantages);
	void **outgrown = realloc(interfaces->outgrown, (interfaces->outgrown_count + 1) * sizeof *outgrown);

	if (vantages)
		interfaces->vantages = vantages;
	if (outgrown)
		interfaces->outgrown = outgrown;
	if (!list || !vantages || !outgrown) {
		free(list);
		return WEIR_E_MEMORY;
	}
	if (interfaces->count)
		memcpy(list, interfaces->list, interfaces->count * sizeof *list);
	if (interfaces->list)
		interfaces->outgrown[interfaces->outgrown_count++] = (void *)interfaces->list;
	interfaces->list = list;
	interfaces->capacity = capacity;
	return 0;
}

/* Enters list[i]. Several equal ones in one segment are as many entries: the nth is the nth of the vantage's that are like it. */
static int enter(struct query_interfaces *interfaces, const struct query_vantage *vantage, const struct weir_interface *const *list, uint32_t at,
                 uint32_t *number)
{
	const struct weir_interface *interface = list[at];
	uint32_t earlier = 0;

	for (uint32_t i = 0; i < at; i++)
		earlier += same(list[i], interface);
	for (uint32_t i = 0; i < interfaces->count; i++)
		if (interfaces->vantages[i] == vantage->rank && same(interfaces->list[i], interface) && earlier-- == 0) {
			*number = i;
			return 0;
		}
	if (interfaces->count == interfaces->capacity && grow(interfaces) < 0)
		return WEIR_E_MEMORY;
	struct weir_interface *copy = malloc(sizeof *copy);
	uint8_t *options = malloc(interface->options.length ? interface->options.length : 1);
	if (!copy || !options) {
		free(copy);
		free(options);
		return WEIR_E_MEMORY;
	}
	*copy = *interface;
	if (interface->options.length)
		memcpy(options, interface->options.data, interface->options.length);
	copy->options.data = options;
	copy->section = 0;
	copy->section_id = interfaces->count;
	interfaces->vantages[interfaces->count] = vantage->rank;
	snprintf(copy->node, sizeof copy->node, "%s", vantage->node);
	if (!copy->name[0])
		snprintf(copy->name, sizeof copy->name, "%s", vantage->interface);
	interfaces->list[interfaces->count] = copy;
	*number = interfaces->count++;
	return 0;
}

static int enter_all(struct query_interfaces *interfaces, const struct query_vantage *vantage, const struct weir_interface *const *list,
                     uint32_t count, struct walk_interface **walk, struct weir_fault *fault)
{
	*walk = malloc((count ? count : 1) * sizeof **walk);
	for (uint32_t i = 0; *walk && i < count; i++) {
		uint32_t number;

		if (enter(interfaces, vantage, list, i, &number) < 0) {
			free(*walk);
			*walk = NULL;
			break;
		}
		(*walk)[i] = walk_interface_of(interfaces->list[number], number);
	}
	return *walk ? 0 : weir_fail(fault, WEIR_E_MEMORY, "no memory for interfaces");
}

int query_interfaces_enter(struct query_interfaces *interfaces, const struct query_vantage *vantage, struct weir_bytes prologue, const char *path,
                           struct walk_interface **walk, uint32_t *count, struct weir_fault *fault)
{
	struct weir_source *source;
	struct weir_batch *batch = weir_batch_new();

	*walk = NULL;
	*count = 0;
	if (!batch)
		return weir_fail(fault, WEIR_E_MEMORY, "no memory for interfaces");
	/* A prologue is a pcapng file without packets, so that its reader reads it. */
	int code = weir_capture_open_memory(prologue.data, prologue.length, path, NULL, &source, fault);
	if (code == 0) {
		while ((code = source->ops->fill(source, batch, fault)) == 1)
			weir_batch_reset(batch);
		if (code == 0) {
			const struct weir_interface *const *list = weir_capture_interfaces(source, count);
			code = enter_all(interfaces, vantage, list, *count, walk, fault);
		}
		weir_batch_reset(batch);
		weir_source_close(source);
	}
	weir_batch_free(batch);
	return code;
}
