/* One table of the interfaces of all inputs of a merge: stage/merge.h. */
#include <stdlib.h>

#include "core/xxh3.h"
#include "stage/merge.h"

static bool equal(const struct weir_interface *a, const struct weir_interface *b)
{
	return a->linktype == b->linktype && a->resolution == b->resolution && a->big_endian == b->big_endian &&
	       a->snaplen == b->snaplen && a->offset_seconds == b->offset_seconds && a->options.length == b->options.length &&
	       (a->options.length == 0 || memcmp(a->options.data, b->options.data, a->options.length) == 0) &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->description, b->description) == 0 && strcmp(a->node, b->node) == 0;
}

static uint64_t hash_of(const struct weir_interface *interface)
{
	uint64_t parts[] = {
		xxh3_of(interface->options.data, interface->options.length),
		xxh3_of(interface->name, strlen(interface->name)),
		xxh3_of(interface->node, strlen(interface->node)),
		interface->section_id,
		interface->linktype,
		interface->snaplen,
	};
	return xxh3_of(parts, sizeof parts);
}

/* The bucket of an interface: empty, or that of the same one. */
static uint32_t *bucket_of(const struct merge_interfaces *interfaces, const struct weir_interface *wanted, uint64_t hash)
{
	uint32_t mask = 2 * interfaces->capacity - 1;

	for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
		uint32_t *bucket = &interfaces->buckets[at];
		if (*bucket == 0)
			return bucket;
		const struct merge_interface_key *key = &interfaces->keys[*bucket - 1];
		if (key->hash == hash && key->section_id == wanted->section_id && equal(interfaces->list[*bucket - 1], wanted))
			return bucket;
	}
}

static int grow(struct merge_interfaces *interfaces)
{
	uint32_t capacity = interfaces->capacity ? 2 * interfaces->capacity : 16; /* a power of two */
	const struct weir_interface **list = malloc(capacity * sizeof *list);
	struct merge_interface_key *keys = realloc(interfaces->keys, capacity * sizeof *keys);
	uint32_t *buckets = calloc(2 * (size_t)capacity, sizeof *buckets);
	void **outgrown = realloc(interfaces->outgrown, (interfaces->outgrown_count + 1) * sizeof *outgrown);

	if (keys)
		interfaces->keys = keys;
	if (outgrown)
		interfaces->outgrown = outgrown;
	if (!list || !keys || !buckets || !outgrown) {
		free(list);
		free(buckets);
		return WEIR_E_MEMORY;
	}
	if (interfaces->list) {
		memcpy(list, interfaces->list, interfaces->count * sizeof *list);
		outgrown[interfaces->outgrown_count++] = (void *)interfaces->list;
	}
	free(interfaces->buckets);
	interfaces->list = list;
	interfaces->buckets = buckets;
	interfaces->capacity = capacity;
	for (uint32_t i = 0; i < interfaces->count; i++) {
		uint32_t mask = 2 * capacity - 1, at = (uint32_t)keys[i].hash & mask;
		while (buckets[at])
			at = (at + 1) & mask;
		buckets[at] = i + 1;
	}
	return 0;
}

static int enter(struct merge_interfaces *interfaces, const struct merge_input *input, const struct weir_interface *given,
                 uint32_t *number)
{
	struct weir_interface wanted = *given;

	if (!wanted.node[0] && input->name)
		strncpy(wanted.node, input->name, sizeof wanted.node - 1);
	if (interfaces->count == interfaces->capacity && grow(interfaces) < 0)
		return WEIR_E_MEMORY;
	uint64_t hash = hash_of(&wanted);
	uint32_t *bucket = bucket_of(interfaces, &wanted, hash);
	if (*bucket) {
		*number = *bucket - 1;
		return 0;
	}
	struct weir_interface *copy = malloc(sizeof *copy + wanted.options.length);
	if (!copy)
		return WEIR_E_MEMORY;
	*copy = wanted;
	if (wanted.options.length)
		memcpy(copy + 1, wanted.options.data, wanted.options.length);
	copy->options.data = (const uint8_t *)(copy + 1);
	copy->section = 0;
	copy->section_id = interfaces->count;
	interfaces->keys[interfaces->count] = (struct merge_interface_key){hash, wanted.section_id};
	interfaces->list[interfaces->count] = copy;
	*number = interfaces->count++;
	*bucket = interfaces->count;
	return 0;
}

int merge_interfaces_enter(struct merge_interfaces *interfaces, struct merge_input *input, const struct weir_interface *const *list,
                           uint32_t count)
{
	if (count <= input->interface_count)
		return 0;
	uint32_t *numbers = realloc(input->interfaces, count * sizeof *numbers);
	if (!numbers)
		return WEIR_E_MEMORY;
	input->interfaces = numbers;
	while (input->interface_count < count) {
		int error = enter(interfaces, input, list[input->interface_count], &numbers[input->interface_count]);
		if (error)
			return error;
		input->interface_count++;
	}
	return 0;
}

void merge_interfaces_free(struct merge_interfaces *interfaces)
{
	for (uint32_t i = 0; i < interfaces->count; i++)
		free((void *)(uintptr_t)interfaces->list[i]);
	for (uint32_t i = 0; i < interfaces->outgrown_count; i++)
		free(interfaces->outgrown[i]);
	free(interfaces->outgrown);
	free(interfaces->keys);
	free(interfaces->buckets);
	free((void *)interfaces->list);
}
